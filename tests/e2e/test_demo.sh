#!/usr/bin/env bash
# scripts/demo.sh: the whole round with a node of its own ends well, leaves nothing behind, and its checks can fail.
set -euo pipefail
source_dir=${FARTHING_SOURCE:-$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)}
farthing=${FARTHING_BUILD:?the build folder}/cli/farthing
[[ -x $farthing ]] || { echo "skipped: $farthing is not built"; exit 77; }
scratch=$(mktemp -d "${TMPDIR:-/tmp}/farthing-demotest-XXXXXX")
chmod 711 "$scratch"
trap 'rm -rf "$scratch"' EXIT
fail() { echo "FAILED: $*" >&2; exit 1; }
export TMPDIR=$scratch

FARTHING_BIN=$farthing bash "$source_dir/scripts/demo.sh" >"$scratch/out" 2>&1 || { cat "$scratch/out" >&2; fail "the demo"; }
for text in "billed " "429 " "quota-exceeded" "add up to the total" "Every step was right."; do
    grep -Fq "$text" "$scratch/out" || fail "the demo does not show \"$text\""
done
[[ -z $(find "$scratch" -mindepth 1 ! -name out) ]] || fail "the demo leaves behind: $(ls "$scratch")"

# A bill that does not add up is noticed.
printf 'record_type,line,amount,quantity,currency\r\nline,1,1.00,1,USD\r\ntotal,,1.01,,USD\r\n' >"$scratch/bad.csv"
! python3 "$source_dir/scripts/check_bill.py" "$scratch/bad.csv" 2>/dev/null || fail "check_bill.py accepts a wrong total"
echo "demo: fine"
