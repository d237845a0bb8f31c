#!/usr/bin/env bash
# A storm of mutated requests (api_storm.py) against a node: no crash, no 5xx that is not deliberate, and it stops cleanly, which is
# when an address sanitizer speaks of leaks. FARTHING_STORM_REQUESTS=1000000 for a long one, FARTHING_SEED for another one.
set -euo pipefail
source_dir=${FARTHING_SOURCE:-$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)}
farthing=${FARTHING_BUILD:?the build folder}/cli/farthing
[[ -x $farthing ]] || { echo "skipped: $farthing is not built"; exit 77; }
. "$source_dir/tests/e2e/node.sh"
start_node "$farthing"
"$farthing" account create storm >/dev/null
month=$(date -u -d "$(date -u +%Y-%m-01) -1 day" +%Y-%m)
printf '{"specversion":"1.0","type":"t","source":"s","id":"1","subject":"storm/other","time":"%s-05T10:00:00Z","data":{"duration_ms":900,"memory_mb":512}}' \
    "$month" >"$scratch/event.json"
"$farthing" events send "$scratch/event.json" >/dev/null
"$farthing" close-month "$month" >/dev/null
# Everything there is a route for, once: a function that ran, a version, an alias, an address, a webhook, an invoice, a proof.
mkdir "$scratch/storm"
echo 'exports.handler = async (event) => event;' >"$scratch/storm/index.js"
"$farthing" function deploy "$scratch/storm" --account storm >/dev/null
"$farthing" function publish storm/storm >/dev/null
"$farthing" function alias storm/storm live 1 >/dev/null
"$farthing" invoke storm/storm --payload '{}' >/dev/null 2>&1
"$farthing" layer publish "$source_dir/examples/shell" --account storm --name deps >/dev/null
"$farthing" webhook add storm http://127.0.0.1:9/hook >/dev/null
"$farthing" prices override storm <(echo '{"discount_percent": "10"}') >/dev/null
url=$("$farthing" function url storm/storm --public | head -n 1)
request=$("$farthing" bill storm "$month" --layout records | sed -n 2p | cut -d, -f6)
keys=$FARTHING_KEY
# Most of the requests come from a tenant, some from the operator, some may only read.
for scope in account account read; do
    keys+=,$("$farthing" key create storm --scope "$scope" --json | python3 -c 'import json, sys; print(json.load(sys.stdin)["key"])')
done
spare=$("$farthing" key create storm --json | python3 -c 'import json, sys; print(json.load(sys.stdin)["id"])')
things=$(python3 - "$month" "$request" "$url" "$spare" <<'PY'
import json, sys
from urllib.parse import urlsplit
month, request, url, spare = sys.argv[1:]
print(json.dumps({
    "a": ["storm"], "f": ["storm", "storm", "lambda", "storm:live", "made"], "month": [month], "invoice": ["inv_1"], "line": ["1", "2"],
    "request": [request], "book": ["default", "own"], "alias": ["live", "other"], "layer": ["deps", "arn:aws:lambda:local:100000000001:layer:deps"], "version": ["1", "2"], "webhook": ["wh_1", "wh_2"], "key": [spare],
    "quota": ["concurrency", "requests_per_second", "requests_per_month", "gb_seconds_per_month", "spend_per_month", "functions",
              "memory_mb", "code_bytes", "async_queue"],
    "arn": ["arn:aws:lambda:farthing:100000000001:function:storm"], "url_host": urlsplit(url).netloc}))
PY
)
rc=0
python3 "$source_dir/tests/faults/api_storm.py" "${FARTHING_URL#http://}" "$keys" "$source_dir" "$things" \
    "${FARTHING_STORM_REQUESTS:-3000}" "${FARTHING_SEED:-1}" || rc=1
kill -TERM "$node_pid"
wait "$node_pid" || { echo "the node ended with $?" >&2; rc=1; }
node_pid=
if grep -E 'Sanitizer|runtime error:' "$scratch/node.log" >&2; then rc=1; fi
exit "$rc"
