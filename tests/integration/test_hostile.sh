#!/usr/bin/env bash
# Goal: functions that attack their node, their host and their neighbours get nowhere, whoever runs the node. Method: hostile.mjs
# against a node, as this user and, when this user is root, once more as an ordinary one.
set -euo pipefail
export FARTHING_SOURCE=${FARTHING_SOURCE:-$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)}
farthing=${FARTHING_BUILD:?the build folder}/cli/farthing
. "$FARTHING_SOURCE/tests/integration/modules.sh"
[[ -x $farthing ]] || skip "$farthing is not built"
"$farthing" doctor >/dev/null 2>&1 || true
command -v bwrap >/dev/null || skip "bwrap is not installed: functions cannot be isolated here"
use_modules "$FARTHING_SOURCE/tests/integration"
if [[ -z ${HOSTILE_AS:-} && $(id -u) == 0 ]]; then
    HOSTILE_AS=root bash "$0"
    command -v setpriv >/dev/null || { echo "skipped: no setpriv, so not as an ordinary user"; exit 0; }
    HOSTILE_AS=ordinary bash "$0"
    exit 0
fi
. "$FARTHING_SOURCE/tests/e2e/node.sh"
program=$farthing
if [[ ${HOSTILE_AS:-} == ordinary ]]; then
    # The program where that user can read it, and a data directory that is its own.
    cp -r "$(dirname "$(dirname "$farthing")")/engine/farthing-launcher" "$scratch/farthing-launcher" 2>/dev/null || true
    mkdir -p "$scratch/data" "$scratch/home"
    chown 65534:65534 "$scratch/data" "$scratch/home"
    cat >"$scratch/as-ordinary" <<SH
#!/bin/sh
HOME=$scratch/home exec setpriv --reuid=65534 --regid=65534 --clear-groups --inh-caps=-all "$farthing" "\$@"
SH
    chmod 755 "$scratch/as-ordinary"
    program=$scratch/as-ordinary
    setpriv --reuid=65534 --regid=65534 --clear-groups test -x "$farthing" || skip "the build folder is closed to ordinary users"
    setpriv --reuid=65534 --regid=65534 --clear-groups bwrap --ro-bind / / --unshare-all true 2>/dev/null ||
        skip "this machine lets no ordinary user make namespaces (farthing doctor says so)"
fi
start_node "$program" --sandbox bwrap --allow-network-host
new_account acme
echo "as ${HOSTILE_AS:-$(id -un)}:"
NODE_NO_WARNINGS=1 node "$FARTHING_SOURCE/tests/integration/hostile.mjs"
