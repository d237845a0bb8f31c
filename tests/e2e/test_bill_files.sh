#!/usr/bin/env bash
# Goal:   bills as files are what other programs read: Python's csv, sqlite3's .import, PostgreSQL's COPY and LibreOffice
#         give the same values back; the sums of all layouts and of the electronic invoice are one; files of a closed month
#         are the same when written again; --put sends them. Names begin with = + - @, have quotes, commas, line breaks,
#         emoji, right-to-left text and 255 characters.
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
for file in "$scratch"/bill/*.csv; do
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
    if command -v soffice >/dev/null; then
        formats=$(python3 -c 'import csv,sys; n=len(next(csv.reader(open(sys.argv[1], newline="")))); print("/".join(f"{i}/2" for i in range(1, n+1)))' "$file")
        HOME=$scratch soffice --headless --infilter="CSV:44,34,76,1,$formats" --convert-to "csv:Text - txt - csv (StarCalc):44,34,76,1,,0,false,true,false" \
            --outdir "$scratch/office" "$file" >/dev/null 2>&1 || fail "LibreOffice cannot read $base"
        equal libreoffice "$file" "$scratch/office/$base"
    fi
done
command -v sqlite3 >/dev/null || echo "sqlite3 is missing: not tried"
command -v soffice >/dev/null || echo "LibreOffice is missing: not tried"
echo "bill files: fine"
