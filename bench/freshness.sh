#!/usr/bin/env bash
# From an emit to the moment the usage answer says so: asked in C beside the aggregator, and over HTTP of a whole node into
# whose spool another process writes, at 1,000 and 5,000 records/s. Rows are printed by bench_freshness.
set -euo pipefail
source "$FARTHING_SOURCE/tests/e2e/node.sh"
farthing=$FARTHING_BUILD/cli/farthing
seconds=${FRESHNESS_SECONDS:-10}
for rate in 1000 5000; do
    "$FARTHING_BUILD/bench/bench_freshness" "$rate" "$seconds"
done
start_node "$farthing"
for rate in 1000 5000; do
    id=$("$farthing" account create "at-$rate" --json | sed -n 's/.*"id": *"acct_\([0-9]*\)".*/\1/p')
    "$FARTHING_BUILD/bench/bench_freshness" "$rate" "$seconds" "at-$rate" "$id"
done
