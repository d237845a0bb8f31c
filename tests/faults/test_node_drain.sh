#!/usr/bin/env bash
# Goal: a node that is told to stop answers what runs and hands on what waits: nothing is lost, nothing runs twice, and the next
# node need not wait for a lease to end. Method: node_drain.py.
set -eu
command -v python3 >/dev/null && command -v psql >/dev/null || { echo "skipped: python3 or psql is not there"; exit 77; }
exec python3 "$FARTHING_SOURCE/tests/faults/node_drain.py"
