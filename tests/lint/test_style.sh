#!/usr/bin/env bash
# Goal:   the house rules of lint.py hold, and every rule can fail.
# Method: selftest.py plants violations in a tree of its own, and each must be found; then the source itself.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
python3 -B "$here/selftest.py"
python3 -B "$here/lint.py" "${FARTHING_SOURCE:-$here/../..}"
