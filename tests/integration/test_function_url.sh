#!/usr/bin/env bash
# Goal: a function's URL behaves as Lambda's: its configuration through AWS's own SDK, its events and answers over plain
# HTTP, signatures, cross-origin rules, streaming; and nobody reaches more than the URL says. Method: function_url.mjs.
set -euo pipefail
FARTHING_SOURCE=${FARTHING_SOURCE:-$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)}
farthing=${FARTHING_BUILD:?the build folder}/cli/farthing
. "$FARTHING_SOURCE/tests/integration/modules.sh"
[[ -x $farthing ]] || skip "$farthing is not built"
use_modules "$FARTHING_SOURCE/tests/integration"
. "$FARTHING_SOURCE/tests/e2e/node.sh"
start_node "$farthing" --function-url-base http://fn.example.test
new_account globex
OTHER_ID=$AWS_ACCESS_KEY_ID OTHER_SECRET=$AWS_SECRET_ACCESS_KEY
export OTHER_ID OTHER_SECRET
new_account acme
FARTHING_PROGRAM=$farthing NODE_NO_WARNINGS=1 node "$FARTHING_SOURCE/tests/integration/function_url.mjs"
