#!/usr/bin/env bash
# What admission costs a warm call: calls straight into the engine, with admission and without, alternately; the medians of the
# rounds give the ratio. Processor time a call is the steadier of the two on a busy machine. ADMISSION_TAX_ROUNDS (9),
# ADMISSION_TAX_SECONDS (3).
set -euo pipefail
rounds=${ADMISSION_TAX_ROUNDS:-9} seconds=${ADMISSION_TAX_SECONDS:-3}
command -v cc >/dev/null || { echo "skipped: there is no C compiler"; exit 77; }
pgserver=$FARTHING_BUILD/tests/support/farthing_pgserver
program=$FARTHING_BUILD/bench/bench_invoke_engine
scratch=$(mktemp -d "${TMPDIR:-/tmp}/farthing-tax-XXXXXX")
chmod 711 "$scratch"
node=
trap 'if [[ -n $node ]]; then kill "$node" 2>/dev/null; wait "$node" 2>/dev/null; fi; rm -rf "$scratch"' EXIT
mkdir "$scratch/echo"
cc -O2 -D_GNU_SOURCE -o "$scratch/echo/bootstrap" "$FARTHING_SOURCE/examples/c/bootstrap.c"
if [[ -x $pgserver ]]; then
    mkfifo "$scratch/out"
    "$pgserver" "$scratch/postgresql" < <(sleep infinity) >"$scratch/out" & # ends with the trap
    node=$!
    read -r database <"$scratch/out"
else
    "$FARTHING_BUILD/cli/farthing" serve --data-dir "$scratch/data" --listen 127.0.0.1:0 --sandbox none --roles biller \
        >"$scratch/log" 2>&1 &
    node=$!
    until [[ -s $scratch/data/url ]]; do kill -0 "$node" && read -r -t 0.1 <> <(:) || true; done
    database=$(cat "$scratch/data/database-url")
fi
for ((i = 0; i < rounds; i++)); do
    for on in 0 1; do
        FARTHING_BENCH_ADMISSION=$on "$program" "$database" "$scratch/echo" provided bootstrap "$seconds" 32 2>/dev/null |
            sed "s/^{/{\"admission\":$on,/" >>"$scratch/rows"
    done
done
python3 - "$scratch/rows" <<'END'
import json, statistics, sys
rows = [json.loads(line) for line in open(sys.argv[1])]
def median(on, name):
    return statistics.median(row[name] for row in rows if row["admission"] == on)
rate = [a["calls_per_s"] / b["calls_per_s"] for b, a in zip(rows[::2], rows[1::2])]
cpu = [b["cpu_ns_per_call"] / a["cpu_ns_per_call"] for b, a in zip(rows[::2], rows[1::2])]
for name, unit, key, ratio in (("admission_tax", "calls/s", "calls_per_s", statistics.median(rate)),
                               ("admission_tax_cpu", "ns CPU a call", "cpu_ns_per_call", statistics.median(cpu))):
    print(json.dumps({"name": name, "value": median(1, key), "unit": unit, "baseline": median(0, key), "ratio": round(ratio, 4),
                      "goal": "at least 0.99", "met": ratio >= 0.99}))
END
