#!/usr/bin/env bash
# docs/reference/ is what the program's own tables say: configuration keys, metrics, errors, limits, routes. And the check fails
# when a page is changed by hand, when a key is left out, and when the code has something that is not explained.
set -euo pipefail
source_dir=${FARTHING_SOURCE:-$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)}
farthing=${FARTHING_BUILD:?the build folder}/cli/farthing
[[ -x $farthing ]] || { echo "skipped: $farthing is not built"; exit 77; }
. "$source_dir/tests/e2e/node.sh"
fail() { echo "FAILED: $*" >&2; cat "$scratch/out" >&2; exit 1; }
start_node "$farthing"
python3 "$source_dir/scripts/reference.py" --check >"$scratch/out" 2>&1 || fail "the reference"

keys=$("$farthing" serve --print-config | sed -n 's/^#\([a-z-]*\) = .*/\1/p' | sort)
documented=$(sed -n '/^## Environment/q; s/^| `\([a-z-]*\)` |.*/\1/p' "$source_dir/docs/reference/configuration.md" | sort)
[[ -n $keys && $keys == "$documented" ]] || fail "keys of --print-config and documented keys differ"

# The check sees: a copy of what it reads, broken in one place at a time.
copy=$scratch/copy
mkdir "$copy"
for part in common schema metering engine billing reports api cli docs scripts; do cp -r "$source_dir/$part" "$copy/"; done
check() {
    python3 "$copy/scripts/reference.py" --check >"$scratch/out" 2>&1 && fail "$1 is not noticed"
    grep -Fq -- "$2" "$scratch/out" || fail "$1: no \"$2\""
}
sed -i '/`close-grace`/d' "$copy/docs/reference/configuration.md"
check "a key that is left out" "docs/reference/configuration.md is old"
cp "$source_dir/docs/reference/configuration.md" "$copy/docs/reference/"
sed -i 's/^    {"limit", 429/    {"new_word", 418, "A new word"},\n&/' "$copy/api/problem.c"
check "a new problem code" "problem codes: not explained in scripts/reference.py: new_word"
cp "$source_dir/api/problem.c" "$copy/api/"
echo '#define ANOTHER_LIMIT_MAX 3' >>"$copy/api/api.h"
check "a new limit" "limits: not explained in scripts/reference.py: ANOTHER_LIMIT_MAX"
echo "reference: $(wc -w <<<"$keys") keys, all documented"
