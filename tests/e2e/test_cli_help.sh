#!/usr/bin/env bash
# The help of every command: its options and subcommands are those of the program, and each of its examples parses.
set -euo pipefail
export FARTHING_SOURCE=${FARTHING_SOURCE:-$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)}
[[ -x ${FARTHING_BUILD:?the build folder}/cli/farthing ]] || { echo "skipped: farthing is not built"; exit 77; }
exec python3 "$FARTHING_SOURCE/tests/e2e/cli_help.py"
