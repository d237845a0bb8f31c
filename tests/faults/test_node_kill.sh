#!/usr/bin/env bash
# Goal: a node that is stopped or killed under load loses no event it accepted and no record of a call it answered. Method:
# node_kill.mjs, once with SIGTERM and once with SIGKILL; the moment and the load come from the seed.
set -euo pipefail
FARTHING_SOURCE=${FARTHING_SOURCE:-$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)}
farthing=${FARTHING_BUILD:?the build folder}/cli/farthing
. "$FARTHING_SOURCE/tests/integration/modules.sh"
[[ -x $farthing ]] || skip "$farthing is not built"
use_modules "$FARTHING_SOURCE/tests/integration"
scratch=$(mktemp -d "${TMPDIR:-/tmp}/farthing-kill-XXXXXX")
chmod 711 "$scratch"
trap 'rm -rf "$scratch"' EXIT
# Slow enough that some run at any moment.
printf 'import time\ndef handler(event, context):\n    time.sleep(0.05)\n    return event\n' >"$scratch/main.py"
(cd "$scratch" && python3 -c 'import zipfile; z = zipfile.ZipFile("code.zip", "w"); z.write("main.py"); z.close()')
export PACKAGE=$scratch/code.zip NODE_NO_WARNINGS=1
seed=${FARTHING_TEST_SEED:-1}
for signal in SIGTERM SIGKILL; do
    node "$FARTHING_SOURCE/tests/faults/node_kill.mjs" "$farthing" "$scratch/$signal" "$signal" "$seed" 2>"$scratch/$signal.log" || {
        grep -v '^{' "$scratch/$signal.log" | tail -n 20 >&2
        tail -n 5 "$scratch/$signal.log" >&2
        echo "seed $seed" >&2
        for pid in $(cat "$scratch/$signal/postgresql/data/postmaster.pid" 2>/dev/null | head -n 1); do kill "$pid" || true; done
        exit 1
    }
done
