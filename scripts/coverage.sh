#!/usr/bin/env bash
# scripts/coverage.sh SOURCE BUILD: what the tests reached, a line a folder; details in BUILD/coverage.html.
set -euo pipefail
source_dir=$1
build_dir=$2
cd "$source_dir"
mkdir -p "$build_dir/coverage"
gcovr --root . --object-directory "$build_dir" --filter '(common|schema|metering|engine|billing|reports|api|cli)/' \
    --exclude-throw-branches --gcov-ignore-parse-errors --json "$build_dir/coverage/all.json" \
    --html-details "$build_dir/coverage/index.html" "$build_dir" >/dev/null
printf '\n%-12s %10s %10s\n' folder lines branches
for folder in common schema metering engine billing reports api cli; do
    gcovr --root . --add-tracefile "$build_dir/coverage/all.json" --filter "$folder/" --json-summary 2>/dev/null |
        python3 -c '
import json, sys
s = json.load(sys.stdin)
if s["line_total"]:
    print("%-12s %9.1f%% %9.1f%%" % (sys.argv[1], s["line_percent"], s["branch_percent"]))' "$folder"
done
echo "details: $build_dir/coverage/index.html"
