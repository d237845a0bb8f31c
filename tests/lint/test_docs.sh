#!/usr/bin/env bash
# Pages lead somewhere: every relative link of a Markdown file names a file that is there, and a heading that is in it; every page of
# docs/ can be reached from README.md.
set -euo pipefail
source_dir=${FARTHING_SOURCE:-$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)}
exec python3 "$source_dir/tests/lint/docs.py" "$source_dir"
