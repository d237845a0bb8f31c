#!/usr/bin/env bash
# Cold starts and scale-out, in C and Node.js, against bare starts of the same processes: see cold_start.c.
# COLD_START_ROUNDS (15), COLD_START_AT_ONCE (200).
set -euo pipefail
rounds=${COLD_START_ROUNDS:-15} at_once=${COLD_START_AT_ONCE:-200}
command -v cc >/dev/null || { echo "skipped: there is no C compiler"; exit 77; }
program=$FARTHING_BUILD/bench/bench_cold_start
scratch=$(mktemp -d "${TMPDIR:-/tmp}/farthing-cold-XXXXXX")
chmod 711 "$scratch"
node=
trap 'if [[ -n $node ]]; then kill "$node" 2>/dev/null; wait "$node" 2>/dev/null; fi; rm -rf "$scratch"' EXIT
mkdir "$scratch/echo"
cc -O2 -D_GNU_SOURCE -o "$scratch/echo/bootstrap" "$FARTHING_SOURCE/examples/c/bootstrap.c"
# Only for its PostgreSQL.
"$FARTHING_BUILD/cli/farthing" serve --data-dir "$scratch/data" --listen 127.0.0.1:0 --sandbox none --roles biller \
    >"$scratch/log" 2>&1 &
node=$!
until [[ -s $scratch/data/url ]]; do kill -0 "$node" && read -r -t 0.1 <> <(:) || true; done
database=$(cat "$scratch/data/database-url")
"$program" "$database" c "$scratch/echo" provided bootstrap "$rounds" 0 "$scratch/echo/bootstrap" 2>/dev/null
# The same function with two seconds of work: calls that are there at once cannot share an instance.
mkdir "$scratch/slow"
sed "s|/\* --- the function's own work.*|sleep(2);|" "$FARTHING_SOURCE/examples/c/bootstrap.c" >"$scratch/slow.c"
grep -q 'sleep(2)' "$scratch/slow.c"
cc -O2 -D_GNU_SOURCE -o "$scratch/slow/bootstrap" "$scratch/slow.c"
BENCH_WORK_MS=2000 "$program" "$database" slow_c "$scratch/slow" provided bootstrap 0 "$at_once" "$scratch/slow/bootstrap" 2>/dev/null
if js=$(command -v node); then
    "$program" "$database" node "$FARTHING_SOURCE/examples/nodejs" nodejs index.echo "$rounds" 0 \
        "$js" "$FARTHING_SOURCE/engine/bootstraps/nodejs.mjs" 2>/dev/null
fi
