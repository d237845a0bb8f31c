#!/usr/bin/env bash
# api/openapi.yaml against the live node, judged by validators from npm.
set -euo pipefail
source_dir=${FARTHING_SOURCE:-$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)}
farthing=${FARTHING_BUILD:?the build folder}/cli/farthing
[[ -x $farthing ]] || { echo "skipped: $farthing is not built"; exit 77; }
. "$source_dir/tests/integration/modules.sh"
use_modules "$source_dir/tests/openapi"
. "$source_dir/tests/e2e/node.sh"
start_node "$farthing"
node "$source_dir/tests/openapi/contract.mjs" "$MODULES" "$source_dir/api/openapi.yaml" "$FARTHING_URL" "$FARTHING_KEY"
