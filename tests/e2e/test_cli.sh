#!/usr/bin/env bash
# The command line against a real node: each job a person has, and each refusal with the field it names.
set -euo pipefail
source_dir=${FARTHING_SOURCE:-$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)}
farthing=${FARTHING_BUILD:?the build folder}/cli/farthing
[[ -x $farthing ]] || { echo "skipped: $farthing is not built"; exit 77; }
. "$source_dir/tests/e2e/node.sh"
export NO_COLOR=1
fail() { echo "FAILED: $*" >&2; exit 1; }
expect() {
    local code=$1 text=$2 rc=0
    shift 2
    "$farthing" "$@" >"$scratch/out" 2>&1 </dev/null || rc=$?
    [[ $rc == "$code" ]] || fail "farthing $*: exit code $rc, not $code: $(cat "$scratch/out")"
    grep -Eq -- "$text" "$scratch/out" || fail "farthing $*: no \"$text\" in: $(cat "$scratch/out")"
}
json() { python3 -c "import json,sys; d=json.load(sys.stdin); print($1)"; }
month=$(date -u +%Y-%m)
start_node "$farthing"

expect 0 "No accounts yet" account list
expect 0 "^name +acme$" account create acme --display-name "Acme Ltd"
expect 1 "acme" account create acme
expect 2 "name" account create "Not A Name"
expect 0 "acct_1[0-9]+ +acme +active" account list
expect 0 "No functions yet" function list acme
expect 0 "scope admin, all accounts" key whoami
key=$("$farthing" key create acme --name test --quiet)
expect 0 "account acme" key whoami --key "$key"
expect 1 "key" account list --key far_wrong

# functions
mkdir -p "$scratch/echo"
printf 'export const handler = async (event) => { console.log("seen"); return { seen: event, greeting: process.env.GREETING }; };\n' >"$scratch/echo/index.mjs"
expect 0 "^created echo" function deploy "$scratch/echo" --account acme --env GREETING=Hi --key "$key"
expect 0 "^updated echo" function deploy "$scratch/echo" --account acme --memory 256 --tag team=red --key "$key"
expect 2 "memory_mb" function deploy "$scratch/echo" --account acme --memory 64
expect 1 "no" function deploy "$scratch/echo" --account nobody
expect 0 "echo .*nodejs" function list acme
expect 0 '"greeting": ?"Hi"' invoke acme/echo --payload '{"a":1}' --key "$key"
expect 0 "^billed [1-9][0-9]* ms, 256 MiB, peak [0-9.]+ MiB, ran .*, (cold|warm)$" invoke acme/echo
expect 0 "seen" invoke acme/echo --tail
expect 0 "queued" invoke acme/echo --async
expect 0 "would be admitted" invoke acme/echo --dry-run
expect 1 "" invoke acme/nothing
expect 0 "^version 1$" function publish acme/echo
expect 0 "is version 1" function alias acme/echo live 1
expect 0 "ran" invoke acme/echo:live
expect 0 "REPORT RequestId" logs acme/echo
[[ $("$farthing" invoke acme/echo --json --payload '{"b":2}' | json "d['payload']['seen']['b'], d['memory_mib']") == "2 256" ]] || fail "invoke --json"

# usage: 6 answered calls at least; asked until the answer says so itself
for ((i = 0; i < 600; i++)); do
    [[ $("$farthing" usage acme --json | json "d['total']['invocations']") -ge 6 ]] && break
    read -r -t 0.1 <> <(:) || true
done
expect 0 "^echo +[0-9]" usage acme --by function
expect 0 "complete through 20" usage acme --granularity day --by function,version
expect 0 "^at,account,function" usage acme --csv
expect 2 "exclude each other" usage acme --month "$month" --from 2026-01-01
expect 2 "month" usage acme --month 2026-13
expect 0 "^records +[1-9]" usage --all --month "$month"
[[ $("$farthing" usage --all --month "$month" --json | json "d['records'] >= 6 and d['accounts'] == 1 and d['functions'] == 1 and d['mb_ms'] > d['billed_ms']") == True ]] || fail "usage --all --json"

# cost, in parts that add up to the whole however it is cut
expect 0 "^echo +[0-9]" cost acme
expect 0 "^echo:1 +[0-9]" cost acme --by version
expect 0 "^echo:.LATEST +[0-9]" cost acme --by version
expect 0 "^$month-[0-9]{2} +[0-9]" cost acme --by day
expect 0 "^red +[0-9]" cost acme --by tag:team
expect 2 "it is function, version, day or tag:KEY" cost acme --by month
# A book without an allowance and with round prices, so that there is something to add up.
printf '{"name":"dear","currency":"USD","meters":{"requests":{"bands":[{"id":"a","price":"0.0107"}]},"compute_x86_64":{"bands":[{"id":"b","price":"3.33333"}]}}}' >"$scratch/dear.json"
expect 0 "" prices put dear "$scratch/dear.json" --effective-from 2020-01-01T00:00:00Z
expect 0 "" account set acme --price-book dear
for by in function version day tag:team tag:none; do
    curl -fsS -H "Authorization: Bearer $FARTHING_KEY" "$FARTHING_URL/v1/accounts/acme/cost?by=$by" | python3 -c '
import json, sys
from decimal import Decimal as D
d = json.load(sys.stdin)
for column in ("amount", "exact_amount"):
    whole, parts = sum(D(x[column]) for x in d["lines"]), sum(D(x[column]) for x in d["by"])
    assert whole > 0 and parts == whole == sum(D(x[column]) for x in d["functions"]), (column, whole, parts)
assert sum(x["invocations"] for x in d["by"]) == sum(int(x["quantity"]) for x in d["lines"] if x["meter"] == "requests")
' || fail "cost by $by does not add up"
done

expect 0 "" account set acme --price-book default

# limits
expect 0 "nothing ran" quota set acme concurrency=50 spend_per_month=200.00 --action block --dry-run
# A call that just ended may still be counted for a moment.
expect 0 "^concurrency +[01] +no limit" quota show acme
expect 0 "^concurrency +[^ ]+ +0 +0 +50 +50 +block" quota set acme concurrency=50 gb_seconds_per_month=1000 --action block
expect 2 "limit" quota set acme concurrency=-1
expect 1 "no quota" quota set acme nonsense=1
expect 1 "" quota set acme concurrency=1 --key "$key"
expect 0 "no limit" quota remove acme concurrency
expect 0 "No threshold was crossed" quota notices acme
expect 0 "No webhooks yet" webhook list acme
expect 0 "^whsec_[0-9a-f]+" webhook add acme http://127.0.0.1:9/hook --event dev.farthing.quota.threshold
expect 0 "wh_1 +http://127.0.0.1:9/hook +dev.farthing.quota.threshold +yes" webhook list acme
expect 0 "is on its way" webhook test acme wh_1
until "$farthing" webhook log acme wh_1 | grep -q "trying again"; do :; done # the sender looks twice a second
expect 0 "inside the operator's network" webhook log acme wh_1
expect 0 "wh_1 is removed" webhook remove acme wh_1
expect 1 "no webhook wh_1" webhook test acme wh_1
expect 0 "quotas +the escrow of" doctor

# the bill: the same bytes as REST
# The same bytes, but for the last columns: up to when an estimate is complete moves on between two calls.
same() {
    cmp <(sed 's/,[^,]*,[^,]*$//' "$1") <(sed 's/,[^,]*,[^,]*$//' "$2")
}
"$farthing" bill acme "$month" >"$scratch/bill.csv"
python3 "$source_dir/scripts/check_bill.py" "$scratch/bill.csv" >/dev/null || fail "the bill does not add up"
curl -fsS -H "Authorization: Bearer $key" -o "$scratch/rest.csv" "$FARTHING_URL/v1/accounts/acme/bills/$month"
same "$scratch/bill.csv" "$scratch/rest.csv" || fail "the command line and REST give different bytes"
expect 0 "acme-$month-summary.csv" bill acme "$month" --out "$scratch/bills"
same "$scratch/bill.csv" "$scratch/bills/acme-$month-summary.csv" || fail "--out gives other bytes"
expect 2 "month" bill acme 2026-13
expect 2 "layout" bill acme "$month" --layout nonsense
expect 0 '^default +1 +USD' prices list
expect 0 '"meters"|"currency"' prices show default

# the end of a key, of a function, of an account
id=$("$farthing" key list acme --json | json "d['items'][0]['id']")
expect 0 "is revoked" key revoke acme "$id"
expect 1 "the key came from --key" account list --key "$key"
expect 0 "is deleted" function delete acme/echo
expect 0 "^state +suspended" account suspend acme
expect 0 "node +ready at" doctor
expect 0 "warn +node +none answers at http://127.0.0.1:1;" doctor --url http://127.0.0.1:1
expect 0 "^acme " top --once
echo "command line: fine"
