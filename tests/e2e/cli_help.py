#!/usr/bin/env python3
"""cli_help.py: what the help of the command line says is what there is. FARTHING_BUILD, FARTHING_SOURCE.

- Every option that a command's source accepts stands in its help, and every subcommand in its first lines.
- On a terminal of 80 columns no line of a help is longer, but for examples, which are there to be copied; no word is lost.
- Every example of every help parses: run against no node it ends because no node answers (3), or does its work, but never
  because of its words.
"""
import glob
import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import tempfile
import termios

SOURCE, PROGRAM = os.environ["FARTHING_SOURCE"], os.environ["FARTHING_BUILD"] + "/cli/farthing"
COMMON = {"json", "url", "key", "data-dir", "help"}
HELPERS = {"prices": ["prices_explain.c"], "bill": ["bill_files.c"], "serve": ["config.c"]}
WORDS = re.compile(r"unknown option|needs a value|takes no value|something is missing|there is no command|did you mean|"
                   r"say which|too many|names no account|is not NAME=LIMIT|belong together|it is `")
# What the examples take for granted.
FILES = {"book.json": '{"currency": "USD", "meters": {"requests": {"bands": [{"price": "0.05"}]}}}', "event.json": "{}",
         "events.json": "[]", "photo.json": "{}", "index.json": "{}", "bill.csv": "a\n", "records.csv": "a\n", "proof.json": "{}"}


def run(words, folder, **more):
    environment = {"PATH": os.environ["PATH"], "HOME": folder, "FARTHING_URL": "http://127.0.0.1:1", "FARTHING_KEY": "far_x",
                   "LC_ALL": "C.UTF-8", "PGCONNECT_TIMEOUT": "2", "DATABASE_URL": "host=/nowhere"}
    return subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True, stdin=subprocess.DEVNULL,
                          timeout=30, check=False, **more)


def commands(folder):
    text = run([PROGRAM, "--help"], folder).stdout
    return re.findall(r"^  ([a-z][a-z-]*) ", text, re.M)


def check_options(name, text):
    sources = [f"cmd_{name.replace('-', '_')}.c"] + HELPERS.get(name, [])
    code = "".join(open(f"{SOURCE}/cli/{file}", encoding="utf-8").read() for file in sources if os.path.exists(f"{SOURCE}/cli/{file}"))
    found = [f"{name}: --{option} is accepted, the help does not say so"
             for option in sorted(set(re.findall(r'A_(?:FLAG|TEXT|NUMBER|MANY)\("([a-z-]+)"', code)) - COMMON)
             if not re.search(rf"--{option}\b", text)]
    for table in re.findall(r"struct sub SUBS\[\] = \{(.*?)\};", code, re.S):
        found += [f"{name}: {sub} is there, the help does not say so" for sub in re.findall(r'\{"([a-z-]+)",', table)
                  if not re.search(rf"^farthing {name} (?:[a-z]+\|)*{sub}\b", text, re.M)]
    return found


def examples(name, text):
    """Commands of the examples, without what the shell does with their output."""
    for line in text.split("\nExamples:\n")[1].split("\n"):
        line = line.strip()
        if inner := re.search(r"[$<]\((farthing .*?)\)", line):
            line = inner[1]
        line = re.split(r" (?:\||>|>>) ", re.sub(r"'[^']*\|[^']*'", "''", line))[0]
        line = re.sub(r"^echo .*", "", line)
        if line.startswith("farthing "):
            yield line


def check_examples(name, text, folder):
    found, count = [], 0
    for line in examples(name, text):
        words = line
        if name == "serve":
            words += " --check-config"
        if name == "top":
            words += " --once"
        done = run(["bash", "-c", words.replace("farthing ", f"{PROGRAM} ", 1)], folder)
        count += 1
        if done.returncode not in (0, 1, 2, 3) or WORDS.search(done.stderr):
            found.append(f"{name}: the example \"{line}\" ends with {done.returncode}: {done.stderr.strip()}")
        elif done.returncode == 2 and not re.search(r"No such file|: /[a-z]|cannot be read|is no |JSON|\.csv|\.json|examples/|host|column", done.stderr):
            found.append(f"{name}: the example \"{line}\": {done.stderr.strip()}")
    if not count:
        found.append(f"{name}: no example")
    return found, count


def check_width(name, text, folder, columns=80):
    terminal, end = pty.openpty()
    fcntl.ioctl(end, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    environment = {"PATH": os.environ["PATH"], "HOME": folder, "NO_COLOR": "1", "TERM": "xterm"}
    with subprocess.Popen([PROGRAM, name, "--help"], stdin=subprocess.DEVNULL, stdout=end, stderr=end, env=environment) as process:
        os.close(end)
        shown = b""
        try:
            while piece := os.read(terminal, 65536):
                shown += piece
        except OSError:
            pass  # the end of a terminal
        process.wait()
    os.close(terminal)
    shown = shown.decode().replace("\r", "").split("\n\n", 1)[1]
    found = [f"{name}: on {columns} columns the help has the line \"{line}\"" for line in shown.split("\nExamples:\n")[0].split("\n")
             if len(line) > columns]
    return found + ([] if shown.split() == text.split() else [f"{name}: the help on a terminal has other words"])


def selftest(folder):
    wrong, _ = check_examples("usage", "x\nExamples:\n  farthing usage acme --mnth 2026-10\n", folder)
    assert len(wrong) == 1 and "did you mean" in wrong[0], wrong
    assert len(check_options("close-month", "farthing close-month YYYY-MM [--dry-run] [--accounts LIST] [--workers N]")) == 3
    assert any("sett" not in line and " set is" in line for line in check_options("quota", "farthing quota show ACCOUNT\n"))


def main():
    found, count = [], 0
    with tempfile.TemporaryDirectory(prefix="farthing-help-") as folder:
        for file, text in FILES.items():
            with open(f"{folder}/{file}", "w", encoding="utf-8") as out:
                out.write(text)
        os.symlink(f"{SOURCE}/examples", f"{folder}/examples")
        selftest(folder)
        names = commands(folder)
        assert len(names) > 20, names
        for name in names:
            text = run([PROGRAM, name, "--help"], folder).stdout.split("\n\n", 1)[1]
            found += check_options(name, text) + check_width(name, text, folder)
            wrong, tried = check_examples(name, text, folder)
            found, count = found + wrong, count + tried
    print("\n".join(found) or f"{len(names)} commands, {count} examples: what the help says is what there is")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
