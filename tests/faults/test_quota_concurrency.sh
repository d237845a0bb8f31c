#!/bin/bash
# Goal: 64 callers on an account with a concurrency of 10 never have 11 calls running, on one node and over three, counted by
# the functions themselves. Method: quota_concurrency.py.
set -eu
command -v python3 > /dev/null && command -v psql > /dev/null || { echo "skipped: python3 or psql is not there"; exit 77; }
exec python3 "$FARTHING_SOURCE/tests/faults/quota_concurrency.py"
