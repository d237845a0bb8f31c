#!/usr/bin/env bash
# Goal: layers are what users of Lambda know: published, listed, given to functions, merged below /opt, deleted without
# harm. Method: AWS's own client; lambda_layers.mjs.
set -euo pipefail
FARTHING_SOURCE=${FARTHING_SOURCE:-$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)}
farthing=${FARTHING_BUILD:?the build folder}/cli/farthing
. "$FARTHING_SOURCE/tests/integration/modules.sh"
[[ -x $farthing ]] || skip "$farthing is not built"
use_modules "$FARTHING_SOURCE/tests/integration"
. "$FARTHING_SOURCE/tests/e2e/node.sh"
start_node "$farthing"
new_account rival
export RIVAL_ID=$AWS_ACCESS_KEY_ID RIVAL_SECRET=$AWS_SECRET_ACCESS_KEY
new_account acme
NODE_NO_WARNINGS=1 node "$FARTHING_SOURCE/tests/integration/lambda_layers.mjs"
