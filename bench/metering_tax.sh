#!/usr/bin/env bash
# What metering costs a warm call: calls straight into the engine with the hook and without, alternately; the median of the
# ratios of neighbours. METERING_TAX_ROUNDS (9), METERING_TAX_SECONDS (3).
set -euo pipefail
rounds=${METERING_TAX_ROUNDS:-9} seconds=${METERING_TAX_SECONDS:-3}
command -v cc >/dev/null || { echo "skipped: there is no C compiler"; exit 77; }
program=$FARTHING_BUILD/bench/bench_invoke_engine
scratch=$(mktemp -d "${TMPDIR:-/tmp}/farthing-tax-XXXXXX")
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
for ((i = 0; i < rounds; i++)); do
    for on in 0 1; do
        "$program" "$database" "$scratch/echo" provided bootstrap "$seconds" 32 "$on" 2>/dev/null >>"$scratch/rows"
    done
done
python3 - "$scratch/rows" <<'END'
import json, statistics, sys
rows = [json.loads(line) for line in open(sys.argv[1])]
def median(on, name):
    return statistics.median(row[name] for row in rows if row["metered"] is on)
for name, unit, key in (("metering_tax", "calls/s", "calls_per_s"), ("metering_tax_cpu", "ns CPU a call", "cpu_ns_per_call")):
    if key not in rows[0]:
        continue
    pairs = [(on[key], off[key]) for off, on in zip(rows[::2], rows[1::2])]
    ratio = statistics.median(on / off if key == "calls_per_s" else off / on for on, off in pairs)
    print(json.dumps({"name": name, "value": median(True, key), "unit": unit, "baseline": median(False, key),
                      "ratio": round(ratio, 4), "goal": "at least 0.99", "met": ratio >= 0.99}))
END
