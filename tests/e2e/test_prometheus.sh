#!/usr/bin/env bash
# Goal: what /metrics says is what Prometheus reads: promtool's linter, the alert rules, and a real Prometheus that scrapes a
# node, counts a call, evaluates every rule, and whose answers to every query of the Grafana dashboard are no errors.
set -euo pipefail
source_dir=${FARTHING_SOURCE:-$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)}
farthing=${FARTHING_BUILD:?the build folder}/cli/farthing
[[ -x $farthing ]] || { echo "skipped: $farthing is not built"; exit 77; }
command -v promtool >/dev/null && command -v prometheus >/dev/null || { echo "skipped: Prometheus is not installed"; exit 77; }
. "$source_dir/tests/e2e/node.sh"
fail() { echo "FAILED: $*" >&2; exit 1; }
promtool check rules "$source_dir/packaging/prometheus/farthing.rules.yml" >"$scratch/rules" || fail "$(cat "$scratch/rules")"
start_node "$farthing"
"$farthing" account create acme >/dev/null
"$farthing" function deploy "$source_dir/examples/nodejs" --account acme >/dev/null
"$farthing" invoke acme/nodejs --payload '{}' >/dev/null 2>&1
curl -fsS "$FARTHING_URL/metrics" >"$scratch/metrics"
promtool check metrics <"$scratch/metrics" >"$scratch/lint" 2>&1 || fail "$(cat "$scratch/lint")"
grep -q "^farthing_invocations_total 1$" "$scratch/metrics" || fail "the call is not counted: $(grep farthing_invocations "$scratch/metrics")"

# Lambda's metrics of each function: the operator's key sees all, an account's its own, and none without a key.
"$farthing" account create other >/dev/null
"$farthing" function deploy "$source_dir/examples/nodejs" --account other >/dev/null
"$farthing" invoke other/nodejs --payload '{}' >/dev/null 2>&1
"$farthing" invoke other/nodejs --payload '{}' >/dev/null 2>&1
other=$("$farthing" key create other --scope read --quiet)
scrape() { curl -fsS -H "Authorization: Bearer $1" "$FARTHING_URL$2"; }
scrape "$FARTHING_KEY" /v1/metrics >"$scratch/functions"
promtool check metrics <"$scratch/functions" >"$scratch/lint" 2>&1 || fail "$(cat "$scratch/lint")"
[[ $(grep -c '^farthing_function_invocations_total{' "$scratch/functions") == 2 ]] || fail "not both functions: $(cat "$scratch/functions")"
scrape "$other" /v1/accounts/other/metrics >"$scratch/mine"
grep -q '^farthing_function_invocations_total{account="acct_[0-9]*",function="nodejs"} 2$' "$scratch/mine" || fail "$(cat "$scratch/mine")"
grep -q '^farthing_function_cold_starts_total{.*} 1$' "$scratch/mine" || fail "cold starts: $(cat "$scratch/mine")"
grep -q '^farthing_function_duration_seconds_total{.*} [0-9]*\.[0-9]\{6\}$' "$scratch/mine" || fail "duration: $(cat "$scratch/mine")"
[[ $(grep -c '^farthing_function_invocations_total{' "$scratch/mine") == 1 ]] || fail "another account's function is there"
! curl -fsS "$FARTHING_URL/v1/metrics" >/dev/null 2>&1 || fail "functions are told without a key"
! scrape "$other" /v1/metrics >/dev/null 2>&1 || fail "an account is told of all"

# A Prometheus of our own, on a free port of the loopback.
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
sed -e "s/127.0.0.1:8080/${FARTHING_URL#http://}/" -e 's/15s/1s/' "$source_dir/packaging/prometheus/prometheus.yml" >"$scratch/prometheus.yml"
cp "$source_dir/packaging/prometheus/farthing.rules.yml" "$scratch/"
promtool check config "$scratch/prometheus.yml" >"$scratch/config" || fail "$(cat "$scratch/config")"
prometheus --config.file="$scratch/prometheus.yml" --storage.tsdb.path="$scratch/tsdb" --web.listen-address="127.0.0.1:$port" \
    >"$scratch/prometheus.log" 2>&1 &
prometheus_pid=$!
trap 'kill "$prometheus_pid" 2>/dev/null; node_cleanup' EXIT
python3 - "http://127.0.0.1:$port" "$source_dir/packaging/grafana/farthing.json" <<'PY' || fail "$(tail -n 5 "$scratch/prometheus.log")"
import json, sys, time, urllib.parse, urllib.request

base, board = sys.argv[1:]


def ask(path):
    with urllib.request.urlopen(base + path, timeout=5) as answer:
        return json.load(answer)


def query(text):
    return ask("/api/v1/query?query=" + urllib.parse.quote(text))["data"]["result"]


value = None
for _ in range(600):  # until it has scraped once; what is asserted is what it then says
    try:
        value = query('farthing_invocations_total{job="farthing"}')
        if value and ask("/api/v1/rules")["data"]["groups"][0]["rules"][0]["health"] != "unknown":
            break
    except OSError:
        pass
    time.sleep(0.1)
assert value and value[0]["value"][1] == "1", value
assert query('up{job="farthing"}')[0]["value"][1] == "1"
rules = ask("/api/v1/rules")["data"]["groups"][0]["rules"]
bad = [rule["name"] for rule in rules if rule["health"] == "err"]
assert len(rules) >= 10 and not bad, bad
firing = [rule["name"] for rule in rules if rule["state"] == "firing"]
assert not firing, firing
with open(board, encoding="utf-8") as source:
    panels = json.load(source)["panels"]
names = {name["metric"]["__name__"] for name in query('{job="farthing"}')}
for panel in panels:
    for target in panel["targets"]:
        text = target["expr"].replace("$instance", ".*").replace("$__rate_interval", "1m")
        query(text)
        used = {word for word in names if word in text}
        assert used, f"{panel['title']}: no such metric in {text}"
print(f"{len(rules)} rules and {len(panels)} panels hold")
PY
