#!/usr/bin/env python3
"""Runs a page of the documentation: run_doc.py PAGE.md...

Every ```console block is typed into one shell, command by command, and what the page shows is compared with what came.

  $ command           runs; lines that end with a backslash and here-documents belong to it
  anything else       what the page says is printed; nothing shown means: not compared

What is shown is a pattern: numbers, times, UUIDs, keys and digests stand for any of their kind, "..." for anything (alone in
a line for any lines), blanks and bars for any number of them. A line "farthing COMMAND: ..." says that it fails; everything else
must end with 0. 2026-10, 2026-11 and 2026-12 on a page are the last month, this one and the next, INV-2026- is of this year; /home/ada is HOME; ports 8080 to 8089 are free ones.

A comment before a block changes that:
  <!-- run: exact -->        numbers must be these numbers
  <!-- run: fails -->        ends with 1
  <!-- run: background -->   keeps running, as in another terminal; what is shown is waited for
  <!-- run: not: REASON -->  is only read
and alone, <!-- run: stop --> ends what was started last in the background (Ctrl-C), and
  <!-- run: first            are commands that prepare what the page takes for granted
  ...
  -->
"""
import contextlib
import ctypes
import datetime
import fcntl
import os
import pty
import re
import select
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import termios
import time

PATIENCE_S = 60  # for a node to start, for a command to answer
FRESH_S = 20  # for a number to arrive
END = "\x1e"
VERBOSE = "FARTHING_DOC_VERBOSE" in os.environ  # prints what was run and what came
HERE = os.path.dirname(os.path.abspath(__file__))
SOURCE = os.environ.get("FARTHING_SOURCE", os.path.dirname(os.path.dirname(HERE)))
READS = re.compile(r"(farthing (usage|cost|bill|quota show|quota notices|logs|invoice (list|show|verify)|doctor|top|webhook log|"
                   r"account (list|show)|close-month [0-9-]+ --dry-run)|curl (?!.*(-d |-X|--data|--json|-T )))")
TIME = r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d)?(\.\d+)?( ?UTC|Z)?"
DATE = r"\d{4}-\d\d-\d\d"
KINDS = [  # what stands for any of its kind; the first that matches
    (TIME, TIME),
    (DATE, DATE),
    (r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", "[0-9a-f-]{36}"),
    (r"\b(far|whsec)_[0-9a-f.]+", r"\w+_[0-9a-f.]+"),
    (r"\b[0-9a-f]{12,}(\.\.\.)?", "[0-9a-f]+"),
    (r"\.\.\.", ".*"),
    (r"[█▒░]+", "[█▒░]+"),
    (r"─+", "─+"),
    (r"\b(cold|warm)\b", "(cold|warm)"),
]
NUMBER = (r"\d+(\.\d+)?", r"[0-9.,]+")


def pattern(line, exact):
    """The regular expression of a line that is shown."""
    kinds = KINDS if exact else KINDS + [NUMBER]
    names = re.compile("|".join(f"(?P<k{i}>{kind[0]})" for i, kind in enumerate(kinds)) + r"|(?P<blank>\s+)")
    out, at = "", 0
    for match in names.finditer(line):
        out += re.escape(line[at:match.start()])
        at = match.end()
        out += r"\s+" if match.lastgroup == "blank" else kinds[int(match.lastgroup[1:])][1]
    return out + re.escape(line[at:])


def differs(shown, got, exact):
    """None, or the shown line that is not there. Lines must follow each other but where ... stands."""
    got = [line.strip() for line in got]
    at, free = 0, False
    for line in (line.strip() for line in shown):
        if line == "...":
            free = True
            continue
        want = re.compile(pattern(line, exact) + "$")
        while free and at < len(got) and not want.match(got[at]):
            at += 1
        if at >= len(got) or not want.match(got[at]):
            return line
        at, free = at + 1, False
    return None if free or at == len(got) else "(nothing more)"


class Step:
    def __init__(self, line, how, command):
        self.line, self.how, self.command, self.shown = line, how, command, []


def read_steps(text):
    """The commands of a page with what is shown for each."""
    steps, how, first = [], "", None
    lines = text.split("\n")
    at = 0
    while at < len(lines):
        line, at = lines[at], at + 1
        if first is not None:
            if line.strip() == "-->":
                steps.append(Step(at, "first", "\n".join(first)))
                first = None
            else:
                first.append(line)
        elif line.strip() == "<!-- run: first":
            first = []
        elif re.match(r"\s*<!-- run: stop -->", line):
            steps.append(Step(at, "stop", "stop"))
        elif match := re.match(r"\s*<!-- run: (.*?) -->", line):
            how = match[1]
            assert re.match(r"(exact|fails|background)$|not: ", how), f"line {at}: what is \"{how}\"?"
        elif re.match(r"\s*```console", line):
            at = read_block(lines, at, how, steps)
            how = ""
    return steps


def read_block(lines, at, how, steps):
    found = False
    while not lines[at].strip().startswith("```"):
        line, at = lines[at].strip() if lines[at].startswith("   ") else lines[at], at + 1
        if not line.startswith("$ "):
            assert found, f"line {at}: a block begins with its command: $ ..."
            steps[-1].shown.append(line)
            continue
        found = True
        step = Step(at, how, line[2:])
        while step.command.endswith("\\"):
            step.command += "\n" + lines[at]
            at += 1
        if here := re.search(r"<<'?(\w+)'?", line):
            while lines[at] != here[1]:
                step.command += "\n" + lines[at]
                at += 1
            step.command += "\n" + lines[at]
            at += 1
        steps.append(step)
    for step in steps:
        while step.shown and not step.shown[-1].strip():
            step.shown.pop()
    return at + 1


def months(today):
    first = today.replace(day=1)
    last = first - datetime.timedelta(days=1)
    after = (first + datetime.timedelta(days=32)).replace(day=1)
    return {"2026-10": f"{last:%Y-%m}", "2026-11": f"{first:%Y-%m}", "2026-12": f"{after:%Y-%m}"}


def dated(text, today):
    """The page's months as those around today, all at once: what one becomes may be the name of another."""
    real = months(today)
    text = re.sub(r"\b(INV|CN)-2026-", rf"\1-{today.year}-", text)  # given out today
    return re.sub(rf"\b({'|'.join(real)})\b", lambda match: real[match[1]], text)


def free_ports(count):
    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def die_with_me():
    """In the child: its end comes with ours, however that comes; and its nodes end with it (setpriv below)."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


class Shell:
    """One bash for the whole page; its terminal is ours, so that commands print in the order a person sees."""

    def __init__(self, scratch, ports):
        build = os.environ["FARTHING_BUILD"]
        home, work = f"{scratch}/home", f"{scratch}/work"
        for folder in (home, work):
            os.mkdir(folder)
            os.chmod(folder, 0o755)
        for name in ("examples", "scripts", "packaging", "docs"):
            os.symlink(f"{SOURCE}/{name}", f"{work}/{name}")
        environment = {key: value for key, value in os.environ.items() if not key.startswith(("FARTHING_", "PG"))}
        environment.update(HOME=home, FARTHING_DATA_DIR=f"{scratch}/data", NO_COLOR="1", LC_ALL="C.UTF-8", TERM="xterm",
                           PATH=f"{build}/cli:{os.environ['PATH']}", SOURCE=SOURCE, BUILD=build, SCRATCH=scratch,
                           FARTHING_SHARE=SOURCE, TMPDIR=scratch,
                           LSAN_OPTIONS=f"suppressions={scratch}/foreign:print_suppressions=0")
        with open(f"{scratch}/foreign", "w", encoding="ascii") as file:
            file.write("leak:libfontconfig\n")  # keeps what it found until the end
        self.scratch, self.jobs, self.parts = scratch, [], 0
        self.terminal, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 160, 0, 0))
        self.bash = subprocess.Popen(["bash", "--norc"], stdin=subprocess.PIPE, stdout=slave, stderr=slave, cwd=work,
                                     env=environment, start_new_session=True, preexec_fn=die_with_me)
        os.close(slave)
        # A page says `farthing serve`; here it listens where nobody else does, isolated as well as this machine can.
        self.run("shopt -s expand_aliases\n"
                 "farthing() {\n"
                 "  if [[ $1 == serve && $BASHPID != $$ ]]; then\n"
                 "    local more=(); [[ \" $* \" == *' --sandbox '* ]] || more+=(--sandbox auto)\n"
                 f"    [[ \" $* \" == *' --listen '* ]] || more+=(--listen 127.0.0.1:{ports[0]})\n"
                 "    exec setpriv --pdeathsig TERM farthing \"$@\" \"${more[@]}\"\n"
                 "  else command farthing \"$@\"; fi\n}")

    def run(self, command):
        """(exit code, lines)"""
        self.parts += 1
        path = f"{self.scratch}/command{self.parts}"
        with open(path, "w", encoding="utf-8") as file:
            file.write(command + "\n")
        self.bash.stdin.write(f". {path} </dev/null; printf '{END}%d{END}' $?\n".encode())
        self.bash.stdin.flush()
        data, until = "", time.monotonic() + 2 * PATIENCE_S
        while data.count(END) < 2:
            left = until - time.monotonic()
            if left <= 0 or not select.select([self.terminal], [], [], left)[0]:
                raise TimeoutError(f"no end after {2 * PATIENCE_S} s: {data[-2000:]}")
            data += os.read(self.terminal, 65536).decode(errors="replace")
        text, code, _ = data.split(END)
        return int(code), clean(text)

    def start(self, command):
        log = f"{self.scratch}/background{len(self.jobs)}"
        open(log, "w", encoding="utf-8").close()
        code, lines = self.run(f"{{ {command}\n}} >{log} 2>&1 &\necho pid $!")
        self.jobs.append((int(lines[-1].split()[1]), log))
        return log

    def stop(self):
        """As Ctrl-C does to all that runs in a terminal: the children of the job, then the job."""
        pid, log = self.jobs.pop()
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            with open(f"/proc/{pid}/comm", encoding="ascii") as name:
                shell = name.read().strip() == "bash"
            with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as children:
                for process in [int(word) for word in children.read().split()] if shell else [pid]:
                    os.kill(process, signal.SIGTERM)
        code, lines = self.run(f"wait {pid}")
        if code not in (0, 130, 143):
            raise AssertionError(f"what ran in the background ended with {code}:\n" + tail(log))

    def end(self):
        try:
            while self.jobs:
                self.stop()
            self.run("kill $(jobs -p) 2>/dev/null; wait")
        except (AssertionError, TimeoutError, OSError) as error:
            print(f"at the end: {error}", file=sys.stderr)
        finally:
            self.bash.stdin.close()
            try:
                self.bash.wait(10)
            except subprocess.TimeoutExpired:
                os.killpg(self.bash.pid, signal.SIGKILL)
                self.bash.wait()


def clean(text):
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text).replace("\r\n", "\n")
    lines = [line.rstrip("\r").split("\r")[-1].rstrip() for line in text.split("\n")]
    while lines and not lines[-1]:
        lines.pop()
    return lines


def tail(path):
    with open(path, encoding="utf-8", errors="replace") as file:
        return "".join(file.readlines()[-30:])


def in_background(shell, step):
    log = shell.start(step.command)
    until = time.monotonic() + PATIENCE_S
    while True:
        with open(log, encoding="utf-8", errors="replace") as file:
            got = clean(file.read())
        wrong = differs(["..."] + [part for line in step.shown for part in (line, "...")], got, False)
        if wrong is None:
            return None
        if time.monotonic() > until or not os.path.exists(f"/proc/{shell.jobs[-1][0]}"):
            return f"does not print \"{wrong}\":\n" + "\n".join(got[-30:])
        time.sleep(0.05)


def run_step(shell, step):
    """None, or what is wrong."""
    if step.how == "stop":
        return shell.stop()
    if step.how.startswith("not: "):
        return None
    if step.how == "background":
        return in_background(shell, step)
    fails = step.how == "fails" or any(re.match(r"farthing( [a-z-]+)*: ", line) for line in step.shown)
    until = time.monotonic() + FRESH_S
    while True:
        code, got = shell.run(step.command)
        wrong = None
        if (code != 0) != fails or code > 3:
            wrong = f"ended with {code}"
        elif step.shown and (line := differs(step.shown, got, step.how == "exact")) is not None:
            wrong = f"does not print \"{line}\""
        if VERBOSE and wrong is None:
            print("\n".join(got), flush=True)
        if wrong is None:
            return None
        if not READS.match(step.command) or time.monotonic() > until:
            return wrong + "; it printed:\n" + "\n".join(got)
        time.sleep(0.1)


def run_page(page):
    ports = free_ports(10)
    with open(page, encoding="utf-8") as file:
        text = file.read()
    text = dated(text, datetime.datetime.now(datetime.timezone.utc).date())
    text = re.sub(r"\b808(\d)\b", lambda match: str(ports[int(match[1])]), text)
    scratch = tempfile.mkdtemp(prefix="farthing-doc-")
    os.chmod(scratch, 0o755)
    steps = read_steps(text.replace("/home/ada", f"{scratch}/home"))
    assert any(step.how != "first" for step in steps), f"{page} has no commands"
    shell, read = Shell(scratch, ports), 0
    try:
        for step in steps:
            if VERBOSE:
                print(f"$ {step.command}", flush=True)
            wrong = run_step(shell, step)
            if wrong is not None:
                print(f"{page}:{step.line}: $ {step.command}\n{wrong}", file=sys.stderr)
                for _, log in shell.jobs:
                    print(f"--- {log}\n{tail(log)}", file=sys.stderr)
                return False
            read += step.how.startswith("not: ")
    finally:
        shell.end()
        shutil.rmtree(scratch, ignore_errors=True)
    print(f"{page}: {sum(step.how not in ('first', 'stop') for step in steps) - read} commands run, {read} only read")
    return True


def selftest():
    """The patterns know right from wrong."""
    rows = [
        ("billed 2 ms, 128 MiB, warm", "billed 13 ms, 128 MiB, cold", False, True),
        ("billed 2 ms", "billed two ms", False, False),
        ("total 2.73", "total 2.74", True, False),
        ("total 2.73", "total 2.74", False, True),
        ("a ... z", "a b c z", False, True),
        ("at 2026-11-01T00:00:00Z", "at 2027-01-31T10:00:00Z", True, True),
        ("state issued", "state estimate", False, False),
    ]
    for shown, got, exact, same in rows:
        assert (differs([shown], [got], exact) is None) == same, (shown, got)
    assert differs(["a", "...", "c"], ["a", "b", "b", "c"], False) is None
    assert differs(["a"], ["a", "b"], False) == "(nothing more)"
    assert differs(["a", "b"], ["a"], False) == "b"
    for today, months_shown in (("2026-11-30", "2026-10 2026-11 2026-12"), ("2026-12-01", "2026-11 2026-12 2027-01"),
                                ("2027-01-31", "2026-12 2027-01 2027-02"), ("2028-02-29", "2028-01 2028-02 2028-03")):
        assert dated("INV-2026-000001", datetime.date.fromisoformat(today)) == f"INV-{today[:4]}-000001", today
        assert dated("2026-10 2026-11 2026-12", datetime.date.fromisoformat(today)) == months_shown, today


if __name__ == "__main__":
    selftest()
    if not os.access(f"{os.environ['FARTHING_BUILD']}/cli/farthing", os.X_OK):
        print("skipped: farthing is not built")
        sys.exit(77)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    sys.exit(0 if all([run_page(page) for page in sys.argv[1:]]) else 1)
