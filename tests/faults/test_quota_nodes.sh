#!/bin/bash
# Goal: with three whole nodes on one PostgreSQL under load, killed with SIGKILL at random, no month's total ever passes a
# limit on GB-seconds, requests or money, and at rest one small caller can use the rest up. Method: quota_nodes.py; a longer
# run by hand: FARTHING_BUILD=build/dev python3 tests/faults/quota_nodes.py --seconds 900 --sandbox bwrap
set -eu
command -v python3 > /dev/null && command -v psql > /dev/null || { echo "skipped: python3 or psql is not there"; exit 77; }
exec python3 "$FARTHING_SOURCE/tests/faults/quota_nodes.py" --seconds 15 --seed "${FARTHING_TEST_SEED:-1}"
