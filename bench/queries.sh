#!/usr/bin/env bash
# What a tenant waits for usage and cost over HTTP at 32 connections, with 10 million records behind them: 25 accounts ask in turn,
# each with its own key. Baseline: asking who the key is, which touches no database, in turns with the others. First of all the
# memory of the node while nothing happens, without its PostgreSQL.
#   QUERIES_MILLIONS=10 QUERIES_SECONDS=10 QUERIES_ROUNDS=3
set -euo pipefail
command -v wrk >/dev/null || { echo "wrk is needed: scripts/setup.sh"; exit 77; }
source "$FARTHING_SOURCE/tests/e2e/node.sh"
farthing=$FARTHING_BUILD/cli/farthing
millions=${QUERIES_MILLIONS:-10}
start_node "$farthing"

# Idle: nothing asked since it was ready, ten seconds long.
read -r -t 10 <> <(:) || true
rss_kib=$(sed -n 's/^VmRSS:[^0-9]*\([0-9]*\).*/\1/p' "/proc/$node_pid/status")
python3 - "$rss_kib" <<'PY'
import json, sys
mib = int(sys.argv[1]) / 1024
print(json.dumps({"name": "idle_rss", "value": round(mib, 1), "unit": "MiB", "baseline": 30, "ratio": round(mib / 30, 3), "goal": 1,
                  "met": mib < 30}))
PY

for i in $(seq 25); do
    id=$("$farthing" account create "tenant-$i" --json | sed -n 's/.*"id": *"acct_\([0-9]*\)".*/\1/p')
    ((i > 1)) || first=$id
    "$farthing" key create "tenant-$i" --scope read --json | sed -n 's/.*"key": *"\(far_[0-9a-f]*\)".*/\1/p'
done >"$scratch/keys"
month=$(date -u -d "$(date -u +%Y-%m-01) -1 day" +%Y-%m)
"$FARTHING_BUILD/bench/bench_queries" "$millions" "$first" 25
stored() {
    curl -fsS -H "Authorization: Bearer $FARTHING_KEY" "$FARTHING_URL/v1/usage?month=$month&granularity=month" |
        python3 -c 'import json, sys; print(sum(int(row["invocations"]) for row in json.load(sys.stdin)["items"]))'
}
until (($(stored) >= millions * 1000000)); do
    kill -0 "$node_pid" || exit 1
    read -r -t 0.5 <> <(:) || true # looks twice a second; the records are what is waited for
done

cat >"$scratch/ask.lua" <<LUA
local keys, n = {}, 0
for line in io.lines("$scratch/keys") do keys[#keys + 1] = line end
local paths = { key = "/v1/key", usage = "/v1/accounts/tenant-%d/usage?month=$month&granularity=day&group_by=function",
                cost = "/v1/accounts/tenant-%d/cost?month=$month" }
local what = nil
function init(args) what = args[1] end
function request()
    n = n + 1
    local i = n % #keys + 1
    return wrk.format("GET", string.format(paths[what], i), { Authorization = "Bearer " .. keys[i] })
end
function done(summary, latency)
    local bad = summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.status + summary.errors.timeout
    io.write(string.format("RESULT %d %d %d %d\n", latency:percentile(50), latency:percentile(99), summary.requests, bad))
end
LUA
python3 - "$scratch/ask.lua" "$FARTHING_URL" "${QUERIES_SECONDS:-10}" "${QUERIES_ROUNDS:-3}" "$millions" <<'PY'
import json, statistics, subprocess, sys
script, url, seconds, rounds, millions = sys.argv[1:]
GOAL_MS = 10
took = {"key": [], "usage": [], "cost": []}
for turn in range(int(rounds) + 1):  # the first one warms up and is not counted
    for what in took:
        told = subprocess.run(["wrk", "-t2", "-c32", f"-d{2 if turn == 0 else seconds}s", "-s", script, url, "--", what],
                              capture_output=True, text=True, check=True).stdout
        p50, p99, requests, bad = map(int, told.split("RESULT ")[1].split())
        if bad:
            sys.exit(f"{what}: {bad} of {requests} requests were not answered 200\n{told}")
        if turn > 0:
            took[what].append((p50, p99, requests / int(seconds)))
middle = {what: [statistics.median(row[i] for row in rows) for i in range(3)] for what, rows in took.items()}
for what in ("usage", "cost"):
    p50, p99, rate = middle[what]
    text = f"a month's {what} over HTTP, 32 connections, {millions} million records, {rate:,.0f}/s"
    for name, value, base in (("p50", p50, middle["key"][0]), ("p99", p99, middle["key"][1])):
        print(json.dumps({"name": f"api_{what}_{name}", "what": text, "value": round(value / 1000, 2), "unit": "ms",
                          "baseline": round(base / 1000, 2), "ratio": round(value / base, 2), "goal": GOAL_MS,
                          "met": value < GOAL_MS * 1000}))
PY
