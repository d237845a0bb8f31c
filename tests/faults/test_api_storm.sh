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
printf '{"specversion":"1.0","type":"t","source":"s","id":"1","subject":"storm/storm","time":"%s-05T10:00:00Z","data":{"duration_ms":900,"memory_mb":512}}' \
    "$month" >"$scratch/event.json"
"$farthing" events send "$scratch/event.json" >/dev/null
"$farthing" close-month "$month" >/dev/null
# Most of the requests come from a tenant, some from the operator, some may only read.
keys=$FARTHING_KEY
for scope in account account read; do
    keys+=,$("$farthing" key create storm --scope "$scope" --json | python3 -c 'import json, sys; print(json.load(sys.stdin)["key"])')
done
rc=0
python3 "$source_dir/tests/faults/api_storm.py" "${FARTHING_URL#http://}" "$keys" "$source_dir/api/openapi.yaml" \
    "${FARTHING_STORM_REQUESTS:-3000}" "${FARTHING_SEED:-1}" || rc=1
kill -TERM "$node_pid"
wait "$node_pid" || { echo "the node ended with $?" >&2; rc=1; }
node_pid=
if grep -E 'Sanitizer|runtime error:' "$scratch/node.log" >&2; then rc=1; fi
exit "$rc"
