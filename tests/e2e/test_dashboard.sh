#!/usr/bin/env bash
# The dashboard in Debian's Chromium: every page and state against a stand-in, then the whole story against a real node.
# Goal: a person can sign in, see cost move, set a limit and see a refusal, download a bill; no accessibility violations.
set -euo pipefail
source_dir=${FARTHING_SOURCE:-$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)}
build_dir=${FARTHING_BUILD:?the build folder}
skip() {
    echo "skipped: $*"
    exit 77
}
chromium=$(command -v chromium || command -v chromium-browser) || skip "chromium is not installed"
command -v npm >/dev/null && command -v node >/dev/null || skip "npm is not installed"
[[ -s $build_dir/dashboard/dist/index.html ]] || skip "the dashboard is not built in $build_dir"

work=$build_dir/e2e
mkdir -p "$work"
exec 7>"$work/.lock"
flock 7
cp "$source_dir"/tests/e2e/{package.json,package-lock.json,.npmrc} "$work/"
if ! cmp -s "$work/package-lock.json" "$work/node_modules/.lock"; then
    (cd "$work" && timeout 180 npm ci --ignore-scripts --no-progress --fetch-retries=1 >npm.log 2>&1) || skip "npm ci failed: $work/npm.log"
    cp "$work/package-lock.json" "$work/node_modules/.lock"
fi
flock -u 7
export CHROMIUM=$chromium MODULES=$work/node_modules DIST=$build_dir/dashboard/dist

node "$source_dir/tests/e2e/dashboard_pages.mjs"

farthing=$build_dir/cli/farthing
[[ -x $farthing ]] || skip "pages are right; the program is not built, so not tried with a real node"
. "$source_dir/tests/e2e/node.sh"
start_node "$farthing"
FARTHING_BIN=$farthing FARTHING_SCHEMA_QUIET=1 node "$source_dir/tests/e2e/dashboard_story.mjs"
