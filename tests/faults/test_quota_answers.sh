#!/bin/bash
# Goal: each quota refuses with the right words on native and Lambda routes, the queue keeps throttled events, and refusals are
# counted exactly once, by reason, in usage and metrics, over kill -9. Method: quota_answers.py.
set -eu
command -v python3 > /dev/null && command -v psql > /dev/null || { echo "skipped: python3 or psql is not there"; exit 77; }
exec python3 "$FARTHING_SOURCE/tests/faults/quota_answers.py"
