#!/usr/bin/env bash
# farthing top: its picture fits every width, once and live in a terminal; a tenant's key shows the tenant's account.
# Goal: nothing wraps, nothing is left on the screen, keys order at once, and the terminal is as before.
set -euo pipefail
build_dir=${FARTHING_BUILD:?the build folder}
source_dir=${FARTHING_SOURCE:-$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)}
farthing=$build_dir/cli/farthing
[[ -x $farthing ]] || { echo "skipped: $farthing is not built"; exit 77; }
. "$source_dir/tests/e2e/node.sh"
start_node "$farthing"
export NO_COLOR=1 LC_ALL=C.UTF-8

"$farthing" account create top-account-with-a-long-name >/dev/null
"$farthing" function deploy "$source_dir/examples/python" --account top-account-with-a-long-name --name a-function-with-quite-a-long-name >/dev/null
"$farthing" invoke top-account-with-a-long-name/a-function-with-quite-a-long-name --payload '{}' >/dev/null 2>&1
"$farthing" quota set top-account-with-a-long-name requests_per_month=3 gb_seconds_per_month=123456.789 concurrency=5 >/dev/null
tries=0
until "$farthing" top --once | grep -q '1 calls this month'; do
    ((++tries < 100)) || { echo "the call is not in the picture"; exit 1; }
done
tenant=$("$farthing" key create top-account-with-a-long-name --quiet)

for columns in 40 50 60 80 100 120 200; do
    for key in "$FARTHING_KEY" "$tenant"; do
        COLUMNS=$columns FARTHING_KEY=$key "$farthing" top --once >"$scratch/picture"
        python3 - "$columns" "$scratch/picture" <<'PYTHON'
import sys
columns, lines = int(sys.argv[1]), open(sys.argv[2], encoding="utf-8").read().splitlines()
wide = [line for line in lines if len(line) > columns]
assert not wide, f"wider than {columns}: {wide}"
head = [line for line in lines if line.startswith(("FUNCTION", "ACCOUNT"))]
assert head and "CALLS" in head[0], lines
PYTHON
    done
done
grep -q '^FUNCTION' "$scratch/picture" || { echo "a tenant's key shows its account"; exit 1; }

# Live, in a terminal of its own: what a person would see, at two sizes.
python3 - "$farthing" "$tenant" <<'PYTHON'
import fcntl, os, pty, re, select, struct, sys, termios, time
farthing, key = sys.argv[1:]
pid, terminal = pty.fork()
if pid == 0:
    os.environ.update(FARTHING_KEY=key, TERM="xterm")
    os.environ.pop("COLUMNS", None)
    os.execv(farthing, [farthing, "top"])
fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 14, 60, 0, 0))

def until(text, seconds=30):
    seen, end = b"", time.monotonic() + seconds
    while text not in seen:
        ready, _, _ = select.select([terminal], [], [], max(0, end - time.monotonic()))
        assert ready, f"{text} does not come: {seen[-600:]}"
        seen += os.read(terminal, 65536)
    return seen

first = until(b"q quits") + until(b"q quits")
assert b"\x1b[?1049h" in first and b"calls/s" in first, first
picture = first.split(b"\x1b[H")[-1].decode()
lines = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", picture).splitlines()
assert len(lines) <= 14 and all(len(line) <= 60 for line in lines), lines
fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 20, 30, 0, 0))
until(b"\x1b[J")
narrow = until(b"\x1b[J").split(b"\x1b[H")[-1].decode()
lines = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", narrow).splitlines()
assert all(len(line) <= 30 for line in lines), lines
os.write(terminal, b"n")
until(b"\x1b[H")
os.write(terminal, b"q")
until(b"\x1b[?1049l")
_, status = os.waitpid(pid, 0)
assert status == 0, status
PYTHON
echo "top: fits"
