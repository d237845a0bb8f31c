#!/usr/bin/env bash
# Goal: a handler written for Lambda's Node.js runtime runs unmodified under AWS's own runtime interface client, in our sandbox:
# answers, failures, init failures, log lines, context, streaming. Method: aws-lambda-ric from npm, its native part built here
# once a build folder; the function's package is the client, the handler and a bootstrap of three lines.
set -euo pipefail
FARTHING_SOURCE=${FARTHING_SOURCE:-$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)}
farthing=${FARTHING_BUILD:?the build folder}/cli/farthing
. "$FARTHING_SOURCE/tests/integration/modules.sh"
[[ -x $farthing ]] || skip "$farthing is not built"
for tool in cmake g++ make autoconf automake libtoolize python3; do
    command -v "$tool" >/dev/null || skip "$tool is not installed: aws-lambda-ric builds a native part"
done
use_modules "$FARTHING_SOURCE/tests/integration/ric"
ric=$MODULES
headers=$(dirname "$(dirname "$(node -p process.execPath)")")
[[ -r $headers/include/node/node.h ]] || skip "the headers of Node.js are not in $headers/include/node"
exec 7>"$ric/.build.lock"
flock 7
if [[ ! -e $ric/aws-lambda-ric/dist/rapid-client.node ]]; then
    log=$(dirname "$ric")/build.log
    (cd "$(dirname "$ric")" && npm_config_nodedir=$headers MAKEFLAGS=-j2 timeout 480 npm rebuild aws-lambda-ric >"$log" 2>&1) ||
        skip "the native part of aws-lambda-ric is not built: $log"
fi
flock -u 7

use_modules "$FARTHING_SOURCE/tests/integration"
. "$FARTHING_SOURCE/tests/e2e/node.sh"
package=$scratch/package
mkdir -p "$package/node_modules/aws-lambda-ric"
cp -r "$ric"/aws-lambda-ric/{bin,dist,package.json} "$package/node_modules/aws-lambda-ric/"
cat >"$package/bootstrap" <<'SH'
#!/bin/sh
cd "$LAMBDA_TASK_ROOT" && exec node node_modules/aws-lambda-ric/bin/index.mjs "$_HANDLER"
SH
chmod 755 "$package/bootstrap"
cp "$FARTHING_SOURCE"/tests/integration/ric/{handler.js,broken.js} "$package/"
start_node "$farthing"
new_account acme
PACKAGE=$package NODE_NO_WARNINGS=1 node "$FARTHING_SOURCE/tests/integration/lambda_ric.mjs"
