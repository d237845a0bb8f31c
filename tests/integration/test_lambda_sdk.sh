#!/usr/bin/env bash
# Goal: a program written against AWS Lambda with AWS's own JavaScript SDK works against a node, from CreateFunction to
# DeleteFunction, and a client that gives up waiting and sends again runs and pays once; what is refused is refused as AWS does.
# Method: lambda_sdk.mjs, lambda_strict.mjs.
set -euo pipefail
FARTHING_SOURCE=${FARTHING_SOURCE:-$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)}
farthing=${FARTHING_BUILD:?the build folder}/cli/farthing
. "$FARTHING_SOURCE/tests/integration/modules.sh"
[[ -x $farthing ]] || skip "$farthing is not built"
use_modules "$FARTHING_SOURCE/tests/integration"
. "$FARTHING_SOURCE/tests/e2e/node.sh"
start_node "$farthing" --allow-private-webhooks
new_account acme
NODE_NO_WARNINGS=1 node "$FARTHING_SOURCE/tests/integration/lambda_sdk.mjs"
NODE_NO_WARNINGS=1 node "$FARTHING_SOURCE/tests/integration/lambda_strict.mjs"
