#!/usr/bin/env bash
# Builds the dashboard: build.sh WORK    result in WORK/dist. Called by the build of api/.
# With npm: bundled, with Chart.js. Where npm or its registry is out of reach: the same pages from the plain sources.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
work=${1:?where to work}
mkdir -p "$work"

plain() {
    echo "dashboard: $1; built without npm (plain charts)" >&2
    rm -rf "$work/plain"
    mkdir -p "$work/plain"
    cp "$here"/src/* "$work/plain/"
    mv "$work/plain/chart.plain.js" "$work/plain/chart.js"
    rm -rf "$work/dist"
    mv "$work/plain" "$work/dist"
    exit 0
}

[[ ${FARTHING_DASHBOARD:-} != plain ]] || plain "asked for"
command -v npm >/dev/null && command -v node >/dev/null || plain "npm is not installed"

cp "$here/package.json" "$here/package-lock.json" "$here/.npmrc" "$here/build.mjs" "$work/"
rm -rf "$work/src"
cp -r "$here/src" "$work/src"
cd "$work"
if ! cmp -s package-lock.json node_modules/.lock; then
    timeout 180 npm ci --ignore-scripts --no-progress --fetch-retries=1 --fetch-timeout=30000 >npm.log 2>&1 ||
        plain "npm ci failed (${work##*/}/npm.log)"
    cp package-lock.json node_modules/.lock
fi
node build.mjs dist || plain "the bundler failed"
