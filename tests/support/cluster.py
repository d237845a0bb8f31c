"""Several nodes of the real program on one throw-away PostgreSQL, for tests that kill them.

with Cluster(nodes=3) as cluster: cluster.call(0, "POST", "/v1/accounts", {...}); cluster.kill(1); cluster.start(1)

FARTHING_BUILD is the build folder, FARTHING_SOURCE the source. Everything ends with the block.
"""
import base64
import ctypes
import http.client
import io
import json
import os
import pathlib
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import zipfile

BUILD = pathlib.Path(os.environ.get("FARTHING_BUILD", "build"))
SOURCE = pathlib.Path(os.environ.get("FARTHING_SOURCE", pathlib.Path(__file__).resolve().parents[2]))
PROGRAM = BUILD / "cli" / "farthing"
READY_S = 60


class Skip(Exception):
    """This machine cannot run the test."""


class Failed(Exception):
    """What was promised does not hold."""


def work_zip(folder):
    """tests/support/functions/work, compiled and packed."""
    source = SOURCE / "tests/support/functions/work/bootstrap.c"
    target = pathlib.Path(folder) / "bootstrap"
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        raise Skip("there is no C compiler")
    subprocess.run([compiler, "-O2", "-D_GNU_SOURCE", "-o", target, source], check=True)
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        member = zipfile.ZipInfo("bootstrap")
        member.external_attr = 0o100755 << 16
        archive.writestr(member, target.read_bytes())
    return base64.b64encode(packed.getvalue()).decode()


def die_with_parent():
    """However the test ends, its nodes do not stay."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


class Node:
    def __init__(self, folder):
        self.folder = folder
        self.process = None
        self.address = None

    def url(self):
        return "http://" + self.address


class Cluster:
    def __init__(self, nodes=3, sandbox="none", options=()):
        for needed in (PROGRAM, BUILD / "tests/support/farthing_pgserver"):
            if not needed.exists():
                raise Skip(f"{needed} is not built")
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="farthing-cluster-"))
        self.folder.chmod(0o711)
        self.options = ["--sandbox", sandbox, *options]
        self.admin_key = "far_" + secrets.token_hex(24)
        self.node_key = secrets.token_bytes(32)
        self.local = threading.local()
        self.nodes = []
        self.server = None
        self.count = nodes

    def __enter__(self):
        try:
            self.server = subprocess.Popen([BUILD / "tests/support/farthing_pgserver", self.folder / "postgresql"],
                                           stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            self.database = self.server.stdout.readline().strip()
            if not self.database:
                raise Failed("no PostgreSQL")
            for i in range(self.count):
                self.nodes.append(Node(self.folder / f"node{i}"))
                self.start(i)
        except BaseException as error:
            self.__exit__(type(error), error, None)
            raise
        return self

    def __exit__(self, kind, value, trace):
        if kind is not None and not issubclass(kind, Skip):
            for node in self.nodes:
                log = node.folder.with_suffix(".log")
                if log.exists():
                    print(f"--- {log.name}\n" + "".join(log.open(errors="replace").readlines()[-15:]), file=sys.stderr)
        self.close()

    def close(self):
        for node in self.nodes:
            if node.process is not None and node.process.poll() is None:
                node.process.terminate()
        for node in self.nodes:
            if node.process is not None:
                try:
                    node.process.wait(30)
                except subprocess.TimeoutExpired:
                    node.process.kill()
                    node.process.wait()
        if self.server is not None:
            self.server.stdin.close()
            self.server.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def start(self, index, wait=True, **environment):
        node = self.nodes[index]
        if not node.folder.exists():
            node.folder.mkdir(mode=0o700)
            (node.folder / "node.key").write_bytes(self.node_key)
            (node.folder / "admin.key").write_text(self.admin_key + "\n")
            for name in ("node.key", "admin.key"):
                (node.folder / name).chmod(0o600)
        (node.folder / "url").unlink(missing_ok=True)
        with node.folder.with_suffix(".log").open("ab") as log:
            node.process = subprocess.Popen(
                [PROGRAM, "serve", "--database", self.database, "--data-dir", node.folder, "--listen", "127.0.0.1:0",
                 *self.options], stdout=log, stderr=log, start_new_session=True, preexec_fn=die_with_parent, env=os.environ | environment)
        if wait:
            self.ready(index)

    def ready(self, index):
        node = self.nodes[index]
        until = time.monotonic() + READY_S
        while time.monotonic() < until:
            if node.process.poll() is not None:
                raise Failed(f"node {index} ended with {node.process.returncode}")
            try:
                node.address = (node.folder / "url").read_text().strip().removeprefix("http://")
                if self.call(index, "GET", "/readyz")[0] == 200:
                    return
            except (OSError, http.client.HTTPException):
                pass
            time.sleep(0.02)
        raise Failed(f"node {index} is not ready after {READY_S} s")

    def kill(self, index):
        """SIGKILL, no warning, and its functions with it, as when the machine goes."""
        node = self.nodes[index]
        try:
            os.killpg(node.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        node.process.wait()

    def call(self, index, method, path, body=None, headers=None, timeout=60):
        """Status, JSON (or text) and headers. One connection a thread and node."""
        node = self.nodes[index]
        kept = getattr(self.local, "kept", None)
        if kept is None:
            kept = self.local.kept = {}
        connection = kept.pop(index, None)
        if connection is None or connection.address != node.address:
            host, port = node.address.rsplit(":", 1)
            connection = http.client.HTTPConnection(host, int(port), timeout=timeout)
            connection.address = node.address
        data = body if isinstance(body, (bytes, str)) or body is None else json.dumps(body)
        sent = {"Authorization": "Bearer " + self.admin_key, "Content-Type": "application/json"} | (headers or {})
        reused = connection.sock is not None
        try:
            connection.request(method, path, data, sent)
            answer = connection.getresponse()
        except (http.client.RemoteDisconnected, BrokenPipeError, ConnectionResetError):
            if not reused or method == "POST":
                raise
            connection.close()  # the node closes what was idle for long; http.client connects again
            connection.request(method, path, data, sent)
            answer = connection.getresponse()
        text = answer.read()
        kept[index] = connection
        try:
            text = json.loads(text)
        except ValueError:
            pass
        return answer.status, text, answer.headers

    def must(self, index, method, path, body=None, status=(200, 201, 202, 204), **more):
        got, answer, _ = self.call(index, method, path, body, **more)
        if got not in (status if isinstance(status, tuple) else (status,)):
            raise Failed(f"{method} {path}: {got} {answer}")
        return answer

    def sql(self, text):
        """Rows as lists of words, from psql."""
        done = subprocess.run(["psql", "-XAtq", "-F", "\t", "-v", "ON_ERROR_STOP=1", "-d", self.database, "-c", text],
                              check=True, stdout=subprocess.PIPE, text=True)
        return [line.split("\t") for line in done.stdout.splitlines()]

    def deploy(self, account, name, memory=128, timeout=1, package=None):
        package = package or self.__dict__.setdefault("package", work_zip(self.folder))
        return self.must(0, "POST", f"/v1/accounts/{account}/functions",
                         {"name": name, "runtime": "provided", "handler": "bootstrap", "memory_mb": memory,
                          "timeout_s": timeout, "code": package})

    def farthing(self, index, *words, check=True, **environment):
        """The command line against one node."""
        return subprocess.run([PROGRAM, *words], check=check, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              env=os.environ | {"FARTHING_URL": self.nodes[index].url(), "FARTHING_KEY": self.admin_key}
                              | environment)


def main(run):
    """Exit code of a test: 77 with the reason when it cannot run here. SIGTERM ends the nodes, too."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        run()
    except Skip as skip:
        print(f"skipped: {skip}")
        sys.exit(77)
    except Failed as failed:
        print(f"FAILED: {failed}")
        sys.exit(1)
    print("ok")
