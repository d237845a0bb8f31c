"""Warm calls against peers. Run by bench/invoke.sh; prints one line of JSON a row.

Why:     ratios between servers that take turns under the same load generator (wrk) say something on a busy machine too.
Method:  a node of its own (`farthing serve`, its own PostgreSQL, real sandboxes) with an echo function in C and one in
         Node.js; workerd with a worker that echoes; serverless-offline with the same Node.js handler on its Lambda port.
         Every server is there all the time; in each round each gets the same load for SECONDS; medians over ROUNDS.
Peers:   exact versions from npm, kept in ~/.cache/farthing-bench (FARTHING_BENCH_CACHE); what cannot be had is left out
         and said so.
         Each server is loaded for WARM seconds first: the compilers of 32 Node.js processes need that long at 32
         connections (twice the CPU a call in the first seconds, then no change).
Setting: FARTHING_BENCH_ROUNDS (5), FARTHING_BENCH_SECONDS (4), FARTHING_BENCH_WARM (12),
         FARTHING_BENCH_CONNECTIONS (1,8,32).
"""

import json
import os
import pathlib
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

SOURCE = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ["FARTHING_BUILD"])
ROUNDS = int(os.environ.get("FARTHING_BENCH_ROUNDS", "5"))
SECONDS = int(os.environ.get("FARTHING_BENCH_SECONDS", "4"))
WARM = int(os.environ.get("FARTHING_BENCH_WARM", "12"))
CONNECTIONS = [int(n) for n in os.environ.get("FARTHING_BENCH_CONNECTIONS", "1,8,32").split(",")]
CACHE = pathlib.Path(os.environ.get("FARTHING_BENCH_CACHE", pathlib.Path.home() / ".cache" / "farthing-bench"))
PEERS = {"workerd": ("workerd@1.20261117.1",), "serverless-offline": ("serverless@3.40.0", "serverless-offline@13.9.0")}
GOALS = {("c", "workerd"): 2.0, ("node", "workerd"): 1.0, ("node", "serverless_offline"): 5.0}
BODY = '{"hello":"world","list":[1,2,3]}'

WORKER = """export default { async fetch(request) {
  return new Response(await request.text(), { headers: { "content-type": "application/json" } });
} };
"""
WORKERD = """using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [(name = "main", worker = .echo)],
  sockets = [(name = "http", address = "127.0.0.1:%d", http = (), service = "main")],
);
const echo :Workerd.Worker = (modules = [(name = "worker", esModule = embed "worker.js")], compatibilityDate = "2025-01-01");
"""
SERVERLESS = """service: bench
frameworkVersion: "3"
provider: {name: aws, runtime: nodejs20.x, stage: dev}
plugins: [serverless-offline]
functions:
  echo: {handler: index.echo}
"""


def say(text):
    print(text, flush=True)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def npm(name):
    """The folder with a peer's modules, or None."""
    folder = CACHE / name
    done = folder / ".installed"
    wanted = " ".join(PEERS[name])
    if done.exists() and done.read_text() == wanted:
        return folder
    folder.mkdir(parents=True, exist_ok=True)
    command = ["npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix", str(folder), *PEERS[name]]
    try:
        made = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    except (OSError, subprocess.TimeoutExpired) as problem:
        say(f"{name} is left out: {problem}")
        return None
    if made.returncode != 0:
        say(f"{name} is left out: npm cannot install it: {made.stderr.strip().splitlines()[-1:]}")
        return None
    done.write_text(wanted)
    return folder


class Server:
    """A process with an address to load."""

    def __init__(self, work, name, command, url, headers=None, **more):
        self.name, self.url, self.headers = name, url, {"Content-Type": "application/json"} | (headers or {})
        self.log = open(work / f"{name}.log", "wb")
        self.process = subprocess.Popen(command, stdout=self.log, stderr=self.log, start_new_session=True, **more)

    def stop(self):
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGTERM)
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                os.killpg(self.process.pid, signal.SIGKILL)
                self.process.wait()
        self.log.close()


def post(url, headers, body):
    request = urllib.request.Request(url, data=body.encode(), headers=headers, method="POST")
    with urllib.request.urlopen(request, timeout=30) as answer:
        return answer.read().decode()


def wait_for(server, probe, seconds=120):
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if server.process.poll() is not None:
            break
        try:
            return probe()
        except (OSError, urllib.error.URLError, AssertionError, ValueError):
            time.sleep(0.2)
    say(pathlib.Path(server.log.name).read_text(errors="replace")[-2000:])
    raise RuntimeError(f"{server.name} does not answer")


def echoes(url, headers):
    def probe():
        assert json.loads(post(url, headers, BODY)) == json.loads(BODY)
        return True

    return probe


def workerd(work):
    folder = npm("workerd")
    binary = next(iter(folder.glob("node_modules/@cloudflare/workerd-*/bin/workerd")), None) if folder else None
    if binary is None:
        return None
    home = work / "workerd"
    home.mkdir()
    port = free_port()
    (home / "worker.js").write_text(WORKER)
    (home / "config.capnp").write_text(WORKERD % port)
    return Server(work, "workerd", [str(binary), "serve", str(home / "config.capnp")], f"http://127.0.0.1:{port}/")


def serverless(work):
    folder = npm("serverless-offline")
    if folder is None:
        return None
    home = work / "serverless"
    home.mkdir()
    (home / "serverless.yml").write_text(SERVERLESS)
    (home / "index.js").write_text((SOURCE / "examples/nodejs/index.js").read_text())
    (home / "package.json").write_text('{"name":"bench","version":"1.0.0"}')
    (home / "node_modules").symlink_to(folder / "node_modules")
    http, lambda_port = free_port(), free_port()
    environment = os.environ | {"SLS_TELEMETRY_DISABLED": "1", "SLS_NOTIFICATIONS_MODE": "off", "CI": "1"}
    command = ["node", str(folder / "node_modules/serverless/bin/serverless.js"), "offline", "--host", "127.0.0.1",
               "--httpPort", str(http), "--lambdaPort", str(lambda_port), "--noPrependStageInUrl"]
    return Server(work, "serverless-offline", command,
                  f"http://127.0.0.1:{lambda_port}/2015-03-31/functions/bench-dev-echo/invocations",
                  cwd=home, env=environment)


def farthing(work):
    """The node, and the two servers it is to the load generator: one a function."""
    program = BUILD / "cli" / "farthing"
    data = work / "data"
    data.mkdir()
    node = Server(work, "farthing", [str(program), "serve", "--listen", "127.0.0.1:0", "--data-dir", str(data),
                                     "--sandbox", "auto"], "")
    key = wait_for(node, lambda: (data / "admin.key").read_text().strip() if (data / "url").exists() else int("no"))
    node.url = (data / "url").read_text().strip()
    wait_for(node, lambda: urllib.request.urlopen(node.url + "/readyz", timeout=5).read())
    environment = os.environ | {"FARTHING_URL": node.url, "FARTHING_KEY": key, "FARTHING_DATA_DIR": str(data)}

    def run(*words):
        made = subprocess.run([str(program), *words], env=environment, capture_output=True, text=True, check=False)
        if made.returncode != 0:
            raise RuntimeError(f"farthing {' '.join(words)}: {made.stderr}")
        return made.stdout

    code = work / "c"
    code.mkdir()
    subprocess.run([os.environ.get("CC", "cc"), "-O2", "-D_GNU_SOURCE", "-o", str(code / "bootstrap"),
                    str(SOURCE / "examples/c/bootstrap.c")], check=True)
    run("account", "create", "bench")
    run("function", "deploy", str(code), "--account", "bench", "--name", "c", "--runtime", "provided", "--memory", "128")
    run("function", "deploy", str(SOURCE / "examples/nodejs"), "--account", "bench", "--name", "node", "--runtime",
        "nodejs", "--handler", "index.echo", "--memory", "256")
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    functions = {name: (f"{node.url}/v1/accounts/bench/functions/{name}/invocations", headers)
                 for name in ("c", "node")}
    for url, head in functions.values():
        wait_for(node, echoes(url, head))
    return node, functions


def wrk(work, url, headers, connections, seconds):
    """Answers a second and the median and 99th percentile of latency in microseconds."""
    script = work / "load.lua"
    lines = ['wrk.method = "POST"', f"wrk.body = {json.dumps(BODY)}"]
    lines += [f"wrk.headers[{json.dumps(name)}] = {json.dumps(value)}" for name, value in headers.items()]
    lines.append('function done(summary, latency)\n io.write(string.format("RESULT %d %d %d %d %d\\n", summary.requests, '
                 "summary.duration, latency:percentile(50), latency:percentile(99), summary.errors.status + "
                 "summary.errors.read + summary.errors.write + summary.errors.timeout + summary.errors.connect))\nend")
    script.write_text("\n".join(lines) + "\n")
    threads = 1 if connections == 1 else 2
    told = subprocess.run(["wrk", f"-t{threads}", f"-c{connections}", f"-d{seconds}s", "--timeout", "20s", "-s",
                           str(script), url], capture_output=True, text=True, check=False).stdout
    found = re.search(r"RESULT (\d+) (\d+) (\d+) (\d+) (\d+)", told)
    if found is None:
        raise RuntimeError(f"wrk: {told}")
    requests, duration_us, p50, p99, errors = (int(n) for n in found.groups())
    if errors > 0:
        say(f"{url}: {errors} of {requests} failed")
    return (requests - errors) * 1e6 / duration_us, p50, p99


def measure(work, targets, connections):
    results = {name: [] for name in targets}
    for name, (url, headers) in targets.items():
        wrk(work, url, headers, connections, WARM)
    for turn in range(ROUNDS):
        order = list(targets)[turn % len(targets):] + list(targets)[:turn % len(targets)]
        for name in order:
            results[name].append(wrk(work, *targets[name], connections, SECONDS))
    return {name: [statistics.median(column) for column in zip(*rows)] for name, rows in results.items()}


def rows_of(found, connections):
    suffix = "" if connections == 32 else f"_{connections}"
    for function in ("c", "node"):
        for peer in ("workerd", "serverless_offline"):
            if peer not in found or (function, peer) == ("c", "serverless_offline"):
                continue
            goal = GOALS[function, peer] if connections == 32 else None
            ratio = found[function][0] / found[peer][0]
            row = {"name": f"invoke_{function}_vs_{peer}{suffix}", "value": round(found[function][0]),
                   "unit": f"calls/s at {connections}", "baseline": round(found[peer][0]), "ratio": round(ratio, 3)}
            yield row | ({"goal": goal, "met": ratio >= goal} if goal else {"goal": "", "met": None})
    for name, (rate, p50, p99) in found.items():
        say(f"{name} at {connections} connections: {rate:,.0f}/s, median {p50} us, p99 {p99} us")


def main():
    if shutil.which("wrk") is None or shutil.which("node") is None:
        say("wrk and node are needed: scripts/setup.sh")
        return 77
    work = pathlib.Path(tempfile.mkdtemp(prefix="farthing-bench-"))
    work.chmod(0o755)
    servers = []
    try:
        node, targets = farthing(work)
        servers.append(node)
        for name, make in (("workerd", workerd), ("serverless_offline", serverless)):
            peer = make(work)
            if peer is not None:
                servers.append(peer)
                wait_for(peer, echoes(peer.url, peer.headers))
                targets[name] = (peer.url, peer.headers)
        for connections in CONNECTIONS:
            for row in rows_of(measure(work, targets, connections), connections):
                say(json.dumps(row))
    finally:
        for server in reversed(servers):
            server.stop()
        shutil.rmtree(work, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
