#!/usr/bin/env bash
# Goal: extensions that were written for Lambda work: inside the runtime's process and beside it, from layers; none of them can cheat
# the meter, hold up a node or be somebody else. Method: extensions.mjs, with functions that ask for everything that is wrong, too.
set -euo pipefail
export FARTHING_SOURCE=${FARTHING_SOURCE:-$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)}
farthing=${FARTHING_BUILD:?the build folder}/cli/farthing
. "$FARTHING_SOURCE/tests/integration/modules.sh"
[[ -x $farthing ]] || skip "$farthing is not built"
use_modules "$FARTHING_SOURCE/tests/integration"
. "$FARTHING_SOURCE/tests/e2e/node.sh"
start_node "$farthing"
new_account acme
NODE_NO_WARNINGS=1 node "$FARTHING_SOURCE/tests/integration/extensions.mjs"
