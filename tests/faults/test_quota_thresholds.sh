#!/bin/bash
# Goal: a threshold fires exactly once and its signed event arrives, with nodes killed between decision, queue and delivery,
# for calls and for events of other runtimes, on requests, GB-seconds and money. Method: quota_notices.py.
set -eu
command -v python3 > /dev/null && command -v psql > /dev/null || { echo "skipped: python3 or psql is not there"; exit 77; }
exec python3 "$FARTHING_SOURCE/tests/faults/quota_notices.py" --seed "${FARTHING_TEST_SEED:-1}"
