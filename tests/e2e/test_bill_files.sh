#!/usr/bin/env bash
# Goal:   bills as files are what other programs read: Python's csv, sqlite3's .import, PostgreSQL's COPY, DuckDB and
#         LibreOffice give the same values back; the sums of all layouts and of the electronic invoice are one; files of a
#         closed month are the same when written again; --put sends them. Names begin with = + - @, have quotes, commas, line breaks,
#         emoji, right-to-left text and 255 characters.
#         A credit note and what is billed after it are documents like others, and a month adds up with them.
# Method: a node with usage put in by SQL, one month closed; readers that are not Farthing's.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
farthing=${FARTHING_BUILD:?}/cli/farthing
# shellcheck source=tests/e2e/node.sh
. "$here/node.sh"
fail() { echo "test_bill_files: $*" >&2; exit 1; }

cat >"$scratch/issuer.json" <<'JSON'
{"name": "Rhenus Cloud GmbH", "address": ["Uferweg 3"], "city": "Basel", "country": "CH", "tax_id": "CHE123456789",
 "payment": "IBAN CH00 0000", "terms": "Net 30 days."}
JSON
start_node "$farthing" --issuer-file "$scratch/issuer.json"
database=$(cat "$FARTHING_DATA_DIR/database-url")
"$farthing" account create acme >/dev/null
id=$("$farthing" account list --json | python3 -c 'import json,sys; print(json.load(sys.stdin)["items"][0]["id"][5:])')
names=('=1+1' '+1' '-1' '@a' 'a,b' 'say "hi"' $'two\nlines' '🚀 launch' 'שלום עולם' 'مرحبا' ' lead' 'trail ' '#hash' "it's" NULL)
long=$(python3 -c 'print(("= long, \"name\" ü🚀 " * 20)[:120], end="")')

values=
for i in "${!names[@]}"; do
    values+="(:id, $((i + 1)), \$n\$${names[i]}\$n\$),"
done
cat >"$scratch/fill.sql" <<SQL
INSERT INTO function (account_id, function_id, name) VALUES ${values%,};
UPDATE account SET display_name = \$n\$$long\$n\$, billing = '{"name": "Acme & Söhne", "country": "DE", "city": "Köln"}';
INSERT INTO usage_hourly SELECT :id, '2026-10-01 05:00+00'::timestamptz + d * interval '1 day', f, f % 3, 512, f % 2, 0,
  70001 * f, 70001 * f, 0, 0, 0, 0, 0, 0, 0, 1, 90000000077 * f + d, 0, 0, 0, 0, 0, 0, 0, 0, 0
  FROM generate_series(1, ${#names[@]}) f, generate_series(0, 30) d;
SELECT usage_partition_ensure('2026-09-01', '2026-09-30');
INSERT INTO usage_record SELECT :id, '2026-09-05 10:00+00'::timestamptz + n * interval '7 hours', 1 + n % ${#names[@]},
  md5(n::text)::uuid, 1000000, 0, 0, 0, 1, n, 1000000 + n, 1024, 0, n % 2, 512, 400000, 1, 1, 1, 0, 0
  FROM generate_series(1, 60) n;
SQL
psql -q -v ON_ERROR_STOP=1 -v "id=$id" -f "$scratch/fill.sql" "$database"

words=()
for name in "${names[@]}"; do words+=("--function=$name"); done
check() { python3 "$here/bill_files.py" "$1" acme 2026-10 "${words[@]}" --name "$long"; }

"$farthing" bill acme 2026-10 --out "$scratch/open" >/dev/null
check "$scratch/open"
"$farthing" close-month 2026-10 >"$scratch/close.log" || fail "the month does not close: $(cat "$scratch/close.log")"
"$farthing" bill acme 2026-10 --out "$scratch/bill" >"$scratch/said"
grep -q "acme-2026-10-ubl.xml" "$scratch/said" || fail "no electronic invoice"
check "$scratch/bill"
(cd "$scratch/bill" && sha256sum --quiet -c SHA256SUMS) || fail "SHA256SUMS"
"$farthing" bill acme 2026-10 --out "$scratch/again" >/dev/null
diff -r "$scratch/bill" "$scratch/again" || fail "the same invoice gives other files"
"$farthing" bill --each 2026-10 --out "$scratch/each" >/dev/null
diff -r "$scratch/bill" "$scratch/each/acme" || fail "--each gives other files"
"$farthing" bill --all 2026-10 --out "$scratch/all" >/dev/null
cmp "$scratch/bill/acme-2026-10-focus.csv" "$scratch/all/all-2026-10-focus.csv" || fail "--all gives other rows"

# one file: its digest beside it, in the headers, and instead of it
"$farthing" bill acme 2026-10 --layout focus --out "$scratch/one" >/dev/null
(cd "$scratch/one" && sha256sum --quiet -c ./*.sha256) || fail ".sha256"
curl -fsS -D "$scratch/headers" -o "$scratch/plain" -H "Authorization: Bearer $FARTHING_KEY" \
    "$FARTHING_URL/v1/accounts/acme/bills/2026-10?layout=focus"
cmp "$scratch/plain" "$scratch/one/acme-2026-10-focus.csv" || fail "REST gives other bytes"
sum=$(sha256sum <"$scratch/plain" | cut -c1-64)
grep -qi "^etag: \"$sum\"" "$scratch/headers" || fail "ETag is not the digest"
grep -qi "^digest: sha-256=$(openssl dgst -sha256 -binary "$scratch/plain" | base64)" "$scratch/headers" || fail "Digest"
curl -fsS --compressed -D "$scratch/headers" -o "$scratch/unpacked" -H "Authorization: Bearer $FARTHING_KEY" \
    "$FARTHING_URL/v1/accounts/acme/bills/2026-10?layout=focus"
cmp "$scratch/plain" "$scratch/unpacked" || fail "gzip"
grep -qi "^content-encoding: gzip" "$scratch/headers" || fail "was not packed"
! grep -qi "^digest:" "$scratch/headers" || fail "a digest of other bytes than those that travel"
[[ $(curl -fsS -H "Authorization: Bearer $FARTHING_KEY" "$FARTHING_URL/v1/accounts/acme/bills/2026-10?layout=focus&sha256=true") == "$sum  acme-2026-10-focus.csv" ]] ||
    fail "?sha256"

# cells a spreadsheet would take for formulas, and the byte order mark
"$farthing" bill acme 2026-10 --csv-safe --bom >"$scratch/safe.csv"
[[ $(head -c 3 "$scratch/safe.csv" | od -An -tx1 | tr -d ' ') == efbbbf ]] || fail "--bom"
grep -q "\"'=1+1\"" "$scratch/safe.csv" || fail "--csv-safe"

# readers that are not ours: values in, values out
equal() { # NAME OURS THEIRS
    python3 - "$@" <<'PYTHON' || fail "$1 gives other values"
import csv, sys
name, ours, theirs = sys.argv[1:]
a, b = ([r for r in csv.reader(open(p, encoding="utf-8", newline=""))] for p in (ours, theirs))
if name == "sqlite3" and not b:  # it prints no header when there are no rows
    b = a[:1]
if name == "libreoffice":  # it reads a line break of a cell as one of its own
    a = [[c.replace("\r\n", "\n") for c in r] for r in a]
for i, (x, y) in enumerate(zip(a, b)):
    if x != y:
        sys.exit(f"row {i}: {[p for p in zip(x, y) if p[0] != p[1]][:3]}")
sys.exit(0 if len(a) == len(b) else f"{len(a)} rows and {len(b)}")
PYTHON
}
# shellcheck source=tests/integration/modules.sh
duckdb=$(. "$here/../integration/modules.sh"; use_modules "$here/readers" && echo "$MODULES") || { echo "DuckDB: $duckdb"; duckdb=; }
"$farthing" bill acme 2026-09 --layout records --out "$scratch/september" >/dev/null
[[ $(grep -c . "$scratch/september/acme-2026-09-records.csv") -gt 60 ]] || fail "the records of September"
for file in "$scratch"/bill/*.csv "$scratch/september/"*.csv; do
    base=$(basename "$file")
    columns=$(python3 -c 'import csv,sys; print(",".join("\"" + c + "\" text" for c in next(csv.reader(open(sys.argv[1], newline="")))))' "$file")
    psql -q -v ON_ERROR_STOP=1 "$database" -c "CREATE TEMP TABLE t ($columns, n serial)" \
        -c "\\copy t ($(sed 's/ text//g' <<<"$columns")) FROM '$file' (FORMAT csv, HEADER)" \
        -c "\\copy (SELECT $(sed 's/ text//g' <<<"$columns") FROM t ORDER BY n) TO '$scratch/copy.csv' (FORMAT csv, HEADER)"
    equal copy "$file" "$scratch/copy.csv"
    if command -v sqlite3 >/dev/null; then
        rm -f "$scratch/db"
        sqlite3 "$scratch/db" "CREATE TABLE t ($columns)" ".mode csv" ".import --skip 1 $file t" ".headers on" ".once $scratch/sqlite.csv" "SELECT * FROM t ORDER BY rowid"
        equal sqlite3 "$file" "$scratch/sqlite.csv"
    fi
    if [[ -n $duckdb ]]; then
        MODULES=$duckdb node "$here/readers/duckdb.mjs" "$file" "$scratch/duckdb.csv" "$(sed 's/ text//g; s/"//g' <<<"$columns")" ||
            fail "DuckDB cannot read $base"
        equal duckdb "$file" "$scratch/duckdb.csv"
    fi
    if command -v soffice >/dev/null; then
        formats=$(python3 -c 'import csv,sys; n=len(next(csv.reader(open(sys.argv[1], newline="")))); print("/".join(f"{i}/2" for i in range(1, n+1)))' "$file")
        HOME=$scratch soffice --headless --infilter="CSV:44,34,76,1,$formats" --convert-to "csv:Text - txt - csv (StarCalc):44,34,76,1,,0,false,true,false" \
            --outdir "$scratch/office" "$file" >/dev/null 2>&1 || fail "LibreOffice cannot read $base"
        equal libreoffice "$file" "$scratch/office/$base"
    fi
done
# A credit note: documents of its own, the opposite of its invoice in every layout; then the month is billed anew, and all
# that stands adds up to the new invoice. A void invoice and a credited one say on paper what they are.
invoice=$("$farthing" invoice list acme --json | python3 -c 'import json,sys; print(json.load(sys.stdin)["items"][0]["number"])')
"$farthing" invoice credit acme "$invoice" --reason "the discount <b> & all was missing" >"$scratch/said"
note=$(grep -o 'CN-[0-9-]*' "$scratch/said") || fail "no credit note: $(cat "$scratch/said")"
"$farthing" bill acme 2026-10 --out "$scratch/credited" >/dev/null
"$farthing" bill acme "$invoice" --out "$scratch/credited-alone" >/dev/null
"$farthing" bill --all 2026-10 --out "$scratch/credited-all" >/dev/null
balance() { # FILE.csv: sum and sums by document
    python3 -c 'import csv,sys
from decimal import Decimal as D
sums = {}
for r in csv.DictReader(open(sys.argv[1], newline="")): sums[r["InvoiceId"]] = sums.get(r["InvoiceId"], D(0)) + D(r["BilledCost"])
print(sum(sums.values()).quantize(D("0.01")), " ".join(f"{k}={v.quantize(D(str(0.01)))}" for k, v in sums.items()))' "$1"
}
total=$("$farthing" invoice show acme "$invoice" --json | python3 -c 'import json,sys; print(json.load(sys.stdin)["total"])')
[[ $(balance "$scratch/credited-all/all-2026-10-focus.csv") == "0.00 $invoice=$total $note=-$total" ]] || fail "a credited month is not nothing"
[[ $(balance "$scratch/credited-all/all-2026-10-focus-invoice.csv") == "0.00 $invoice=$total $note=-$total" ]] || fail "InvoiceDetail of it"
"$farthing" close-month 2026-10 | grep -q "^2026-10: 0 invoices" || fail "a credited month is billed anew without being asked"
! "$farthing" close-month 2026-10 --reissue 2>"$scratch/said" || fail "--reissue for everybody"
grep -q "accounts must say whose" "$scratch/said" || fail "--reissue: $(cat "$scratch/said")"
"$farthing" close-month 2026-10 --accounts acme --reissue | grep -q "^2026-10: 1 invoice issued now" || fail "--reissue"
"$farthing" close-month 2026-10 --accounts acme --reissue | grep -q "^2026-10: 0 invoices" || fail "--reissue twice"
again=$("$farthing" invoice list acme --json | python3 -c 'import json,sys; print(json.load(sys.stdin)["items"][0]["number"])')
"$farthing" invoice list acme --month 2026-10 | grep -Eq "together +- +- +$total" || fail "the month's documents are not added up"
"$farthing" bill acme 2026-10 --out "$scratch/anew" >/dev/null
check "$scratch/anew"
python3 "$here/bill_files.py" "$scratch/anew" acme 2026-10 --note "$note" --of "$invoice" || fail "the credit note"
"$farthing" bill --all 2026-10 --layout focus >"$scratch/all.csv"
[[ $(balance "$scratch/all.csv") == "$total $invoice=$total $note=-$total $again=$total" ]] || fail "billed anew: $(balance "$scratch/all.csv")"
cmp <("$farthing" bill acme "$note" --layout aws) "$scratch/anew/acme-$note-aws.csv" || fail "one document by its number"
curl -fsS -H "Authorization: Bearer $FARTHING_KEY" -D "$scratch/headers" -o "$scratch/plain" "$FARTHING_URL/v1/accounts/acme/invoices/$note/document?layout=pdf"
cmp "$scratch/plain" "$scratch/anew/acme-$note-pdf.pdf" || fail "the document over REST"
grep -qi "filename=\"acme-$note-pdf.pdf\"" "$scratch/headers" || fail "its name"
! "$farthing" bill acme "$note" --layout records 2>"$scratch/said" || fail "records of a credit note"
grep -q "they are those of $invoice" "$scratch/said" || fail "records: $(cat "$scratch/said")"
! "$farthing" verify <("$farthing" bill acme "$note") --records "$scratch/anew/acme-2026-10-records.csv" >"$scratch/said" 2>&1 || fail "verify of a credit note"
grep -q "credit note" "$scratch/said" || fail "verify of a credit note says: $(cat "$scratch/said")"
"$farthing" invoice void acme "$again" --reason "never sent" >/dev/null
"$farthing" bill acme "$again" --out "$scratch/void" >/dev/null
says() { # FILE.pdf WORDS...: the words are on the paper
    local text word
    text=$(pdftotext "$1" - | tr -s ' \n' ' ')
    for word in "${@:2}"; do [[ $text == *"$word"* ]] || fail "$1 does not say \"$word\""; done
}
says "$scratch/anew/acme-$note-pdf.pdf" "Credit note" "$note" "Taken back" "In your favour" "the discount <b> & all was missing" "$invoice of"
says "$scratch/anew/acme-$invoice-pdf.pdf" "Credited: $note takes it back" "Nothing is due"
says "$scratch/void/acme-$again-pdf.pdf" "Void: nothing is to be paid" "never sent"
grep -q "the discount &lt;b&gt; &amp; all" "$scratch/anew/acme-$note-html.html" || fail "the page of a credit note"
grep -q "CREDITED" "$scratch/anew/acme-$invoice-html.html" && grep -q "VOID" "$scratch/void/acme-$again-html.html" || fail "pages are not marked"
! grep -q "How to pay" "$scratch/void/acme-$again-html.html" "$scratch/anew/acme-$note-html.html" "$scratch/anew/acme-$invoice-html.html" ||
    fail "a document nobody has to pay says how to pay"

command -v sqlite3 >/dev/null || echo "sqlite3 is missing: not tried"
command -v soffice >/dev/null || echo "LibreOffice is missing: not tried"
echo "bill files: fine"
