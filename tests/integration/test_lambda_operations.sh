#!/usr/bin/env bash
# Goal: a tool that uses any operation of Lambda either gets what it asked for or hears at once, and by name, that it is not here.
# Method: lambda_operations.py calls all of the service's model, in both of the client's ways to retry.
set -euo pipefail
FARTHING_SOURCE=${FARTHING_SOURCE:-$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)}
farthing=${FARTHING_BUILD:?the build folder}/cli/farthing
. "$FARTHING_SOURCE/tests/integration/modules.sh"
[[ -x $farthing ]] || skip "$farthing is not built"
. "$FARTHING_SOURCE/tests/e2e/node.sh"
start_node "$farthing"
new_account acme
unset AWS_CA_BUNDLE
export AWS_CONFIG_FILE=$scratch/none AWS_SHARED_CREDENTIALS_FILE=$scratch/none
for mode in standard legacy; do
    python3 "$FARTHING_SOURCE/tests/integration/lambda_operations.py" "$mode"
done
