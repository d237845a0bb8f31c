#!/usr/bin/env bash
# A month from its usage to a bill that strangers can check: closed, verified by both verifiers, and every change to bill,
# records or proof is named by both.
set -euo pipefail
source_dir=${FARTHING_SOURCE:-$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)}
farthing=${FARTHING_BUILD:?the build folder}/cli/farthing
[[ -x $farthing ]] || { echo "skipped: $farthing is not built"; exit 77; }
. "$source_dir/tests/e2e/node.sh"
export NO_COLOR=1
python=(python3 "$source_dir/scripts/verify_bill.py")
fail() { echo "FAILED: $*" >&2; exit 1; }
expect() {
    local code=$1 text=$2 rc=0
    shift 2
    "$@" >"$scratch/out" 2>&1 </dev/null || rc=$?
    [[ $rc == "$code" ]] || fail "$*: exit code $rc, not $code: $(cat "$scratch/out")"
    grep -Eq -- "$text" "$scratch/out" || fail "$*: no \"$text\" in: $(cat "$scratch/out")"
}
month=$(date -u -d "$(date -u +%Y-%m-01) -1 day" +%Y-%m)
start_node "$farthing"
cd "$scratch"

"$farthing" account create acme >/dev/null
python3 - "$month" >events.json <<'PY'
import json, sys
print(json.dumps([{
    "specversion": "1.0", "type": "dev.farthing.invocation", "source": "test", "id": f"e{i}", "subject": "acme",
    "time": f"{sys.argv[1]}-{1 + i % 27:02d}T10:00:00Z",
    "data": {"function": ["thumb", "pdf"][i % 2], "duration_ms": 900000, "memory_mb": 10240, "status": "ok"}} for i in range(60)]))
PY
expect 0 "60" "$farthing" events send --batch events.json
expect 0 "1.00 USD" "$farthing" account credit acme 1.00 --reason welcome
expect 0 "would be issued" "$farthing" close-month "$month" --dry-run
expect 0 "1 invoice issued now" "$farthing" close-month "$month"
expect 0 "^$month: 0 invoices issued now; 1 in all" "$farthing" close-month "$month"
expect 2 "not over" "$farthing" close-month "$(date -u +%Y-%m)"
expect 0 "INV-[0-9]+-000001 +$month +issued" "$farthing" invoice list acme
expect 0 "^matches" "$farthing" invoice verify acme "$month"

"$farthing" bill acme "$month" >bill.csv
"$farthing" bill acme "$month" --layout records >records.csv
expect 0 "as the invoice states" "$farthing" verify bill.csv --records records.csv
expect 0 "as the invoice states" "${python[@]}" bill.csv records.csv

# One digit of a price, one cent, one record less, one twice, another status: named by both.
both() {
    expect 1 "$1" "$farthing" verify "$2" --records "$3"
    expect 1 "match" "${python[@]}" "$2" "$3"
}
sed 's/0\.0000166667/0.0000166668/' bill.csv >b1.csv
both "unit_price" b1.csv records.csv
awk -F, 'BEGIN {OFS = ","} $1 == "total" {sub(/[0-9]$/, "9", $16)} {print}' bill.csv | sed 's/9$/&/' >b2.csv
cmp -s bill.csv b2.csv && sed -i '/^total/s/,\([0-9]*\)\.\([0-9]\)\([0-9]\),/,\1.\27,/' b2.csv
both "total" b2.csv records.csv
sed 7d records.csv >r1.csv
both "does not match|quantity" bill.csv r1.csv
sed '/^share/d' bill.csv >b3.csv
expect 1 "missing|share" "$farthing" verify b3.csv --records records.csv
sed '5s/,ok,/,error,/' records.csv >r2.csv
both "records_root" bill.csv r2.csv
sed '5{p}' records.csv >r3.csv
expect 2 "stands there twice" "$farthing" verify bill.csv --records r3.csv
expect 1 "twice" "${python[@]}" bill.csv r3.csv

python3 "$source_dir/tests/e2e/verify_mutations.py" "$farthing" bill.csv records.csv || fail "a change was not named"

# One invocation, without the records of the others.
id=$(sed -n 9p records.csv | cut -d, -f6)
expect 0 "^holds" "$farthing" verify --invocation "$id" --account acme --month "$month" --save proof.json
root=$(tail -n 1 bill.csv | tr -d '\r' | sed 's/.*,//')
expect 0 "^holds" "$farthing" verify --proof proof.json bill.csv
expect 0 "^holds" "${python[@]}" --proof proof.json "$root"
expect 0 "^holds" "$farthing" verify bill.csv --records records.csv --invocation "$id" --save own.json
expect 0 "^holds" "$farthing" verify --proof own.json --root "$root"
sed 's/900000/900001/' proof.json >changed.json
expect 1 "does not hold" "$farthing" verify --proof changed.json bill.csv
expect 1 "does not match" "${python[@]}" --proof changed.json
expect 1 "the bill states" "$farthing" verify --proof proof.json --root "${root//[0-9]/0}"

# Void: the number is gone, the credit is back, the next close bills again.
expect 0 "is void now" "$farthing" invoice void acme "INV-$(date -u +%Y)-000001" --reason "wrong address"
expect 0 "cr_1 +credit +1.00 +1.00" "$farthing" account credits acme
expect 0 "1 invoice issued now" "$farthing" close-month "$month" --workers 2
expect 0 "credit note CN-" "$farthing" invoice credit acme "INV-$(date -u +%Y)-000002" --reason "billed in error"
expect 1 "only an issued invoice" "$farthing" invoice credit acme "INV-$(date -u +%Y)-000002" --reason again

# Prices agreed with one account: on the bill, in every layout, verified like any other; the month before them keeps its own.
"$farthing" account create globex >/dev/null
sed 's/"acme"/"globex"/g; s/"id": "e/"id": "g/g' events.json >more.json
expect 0 "60" "$farthing" events send --batch more.json
expect 0 "pays what its price book says" "$farthing" prices override globex
printf '{"discount_percent": "10", "discount_amount": "1.00", "minimum_fee": "2.00"}' >agreed.json
expect 2 "/discount_percent: discount_percent is 101" "$farthing" prices override globex <(sed 's/"10"/"101"/' agreed.json)
expect 0 "prices of its own from $month" "$farthing" prices override globex agreed.json --effective-from "$month-01"
expect 0 "prices of its own from $month .version 1" "$farthing" prices override globex agreed.json --effective-from "$month-01"
"$farthing" bill globex "$month" >estimate.csv
until [[ $(grep -c '^share' estimate.csv) -ge 4 ]]; do "$farthing" bill globex "$month" >estimate.csv; done
expect 0 "1 invoice issued now" "$farthing" close-month "$month"
"$farthing" bill globex "$month" >agreed.csv
"$farthing" bill globex "$month" --layout records >agreed-records.csv
expect 0 "^discount,.*,-1.00," cat agreed.csv
expect 0 "as the invoice states" "$farthing" verify agreed.csv --records agreed-records.csv --override agreed.json
expect 1 "unit_price is" "$farthing" verify agreed.csv --records agreed-records.csv
sed 's/^\(discount,.*\),-1.00,/\1,-0.50,/' agreed.csv >b4.csv
expect 1 "Discount|discount" "$farthing" verify b4.csv --records agreed-records.csv --override agreed.json
expect 0 "as the invoice states" "${python[@]}" agreed.csv agreed-records.csv
python3 "$source_dir/scripts/check_bill.py" agreed.csv >/dev/null || fail "the bill with a discount does not add up"
python3 - bill.csv agreed.csv <<'PY' || fail "what was agreed is not what is billed"
import csv, sys
from decimal import Decimal as D
def lines(path):
    return {(r["meter"], r["band"], r["record_type"]): r for r in csv.DictReader(open(path))}
plain, agreed = lines(sys.argv[1]), lines(sys.argv[2])
for key, line in plain.items():
    if key[2] == "line":
        assert D(agreed[key]["unit_price"]) == D(line["unit_price"]) * 9 / 10, key
        assert agreed[key]["quantity"] == line["quantity"], key
        assert D(agreed[key]["exact_amount"]) == D(line["exact_amount"]) * 9 / 10, key
net = sum(D(line["amount"]) for key, line in agreed.items() if key[2] == "line")
total = [line for key, line in agreed.items() if key[2] == "total"][0]
assert D(total["amount"]) == max(net - 1, D(2)), (net, total["amount"])
PY
printf '{}' >nothing.json
expect 0 "version 2" "$farthing" prices override globex nothing.json --effective-from "$month-01"
"$farthing" bill globex "$month" | cmp - agreed.csv || fail "an issued invoice changed with what was agreed afterwards"
expect 0 "from $month .version 2" "$farthing" prices override globex

# Another version of the book: what it would have meant for the month, account by account; nothing that was issued changes.
"$farthing" prices show default --json | python3 -c '
import json, sys
book = json.load(sys.stdin)["document"]
book["meters"]["compute_x86_64"]["bands"] = [{"price": "0.0000200000"}]
book["free"] = []
json.dump(book, sys.stdout)' >dearer.json
expect 0 "version 2" "$farthing" prices put default dearer.json
"$farthing" prices override globex agreed.json --effective-from "$month-01" >/dev/null
expect 0 "^acme +[0-9.]+ +[0-9.]+ +[0-9]" "$farthing" prices rerate default --month "$month" --from 1 --to 2
expect 0 "before: default version 1, after: default version 2" "$farthing" prices rerate default --month "$month" --from 1 --to 2
expect 0 "difference 0.00; 2 accounts" "$farthing" prices rerate default --month "$month"
expect 1 "has no version 9" "$farthing" prices rerate default --month "$month" --to 9
expect 2 "nothing was used then" "$farthing" prices rerate default --month 2099-01
"$farthing" prices rerate default --month "$month" --from 1 --to 2 --csv >rerate.csv
"$farthing" prices rerate default --month "$month" --from 1 --to 2 --csv | cmp - rerate.csv || fail "rating again gives other bytes"
"$farthing" prices rerate default --month "$month" --from 1 --to 2 --json >rerate.json
python3 - bill.csv agreed.csv rerate.csv rerate.json <<'PY' || fail "the month rated again does not add up"
import csv, json, sys
from decimal import Decimal as D, ROUND_HALF_UP
read = lambda path: list(csv.DictReader(open(path)))
bills, rows, tree = {"acme": read(sys.argv[1]), "globex": read(sys.argv[2])}, read(sys.argv[3]), json.load(open(sys.argv[4]))
cent = D("0.01")
for account, bill in bills.items():
    mine = {row["meter"]: row for row in rows if row["account"] == account}
    for meter in ("requests", "compute_x86_64"):
        lines = [line for line in bill if line["record_type"] == "line" and line["meter"] == meter]
        assert sum(D(line["amount"]) for line in lines) == D(mine[meter]["before"]), (account, meter)
    # By hand: no allowance, one price, and globex has 10 % off and 1.00 off the month, but pays 2.00 at least.
    gb_s = D(mine["compute_x86_64"]["quantity"]) / 1024000
    price = D("0.00002") * (D("0.9") if account == "globex" else 1)
    after = (gb_s * price).quantize(cent, ROUND_HALF_UP)
    assert D(mine["compute_x86_64"]["after"]) == after, (account, after, mine)
    net = after + D(mine["requests"]["after"])
    assert D(mine[""]["after"]) == (max(net - 1, D(2)) if account == "globex" else net), (account, net, mine[""])
for row in rows:
    assert D(row["after"]) - D(row["before"]) == D(row["difference"])
total = [row for row in rows if row["record_type"] == "total"][0]
assert D(total["after"]) == sum(D(row["after"]) for row in rows if row["record_type"] == "account") == D(tree["total"]["after"])
assert tree["total"]["accounts"] == 2 and [item["name"] for item in tree["items"]] == ["acme", "globex"]
PY
"$farthing" bill globex "$month" | cmp - agreed.csv || fail "an issued invoice changed with the price book"
echo "a month was closed, verified twice over and taken back"
