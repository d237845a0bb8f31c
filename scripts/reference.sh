#!/usr/bin/env bash
# scripts/reference.sh BUILD [--check]: starts a node of that build for a moment and writes docs/reference/ from it.
set -euo pipefail
source_dir=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
export FARTHING_BUILD=${1:?the build folder}
shift
. "$source_dir/tests/e2e/node.sh"
start_node "$FARTHING_BUILD/cli/farthing"
python3 "$source_dir/scripts/reference.py" "$@"
