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
"$program" "$database" c "$scratch/echo" provided bootstrap "$rounds" "$at_once" "$scratch/echo/bootstrap" 2>/dev/null
if js=$(command -v node); then
    "$program" "$database" node "$FARTHING_SOURCE/examples/nodejs" nodejs index.echo "$rounds" 0 \
        "$js" "$FARTHING_SOURCE/engine/bootstraps/nodejs.mjs" 2>/dev/null
fi
