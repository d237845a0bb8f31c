#!/usr/bin/env bash
# Nobody finds a secret where it does not belong: a run uses one of each kind (keys, SigV4 secrets, webhook secrets, values of a
# function's environment, the password of the database) in good and in bad requests; then the logs, the command lines of all
# processes and all answers but the one that is to show the secret are searched for each.
set -euo pipefail
source_dir=${FARTHING_SOURCE:-$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)}
farthing=${FARTHING_BUILD:?the build folder}/cli/farthing
server=$FARTHING_BUILD/tests/support/farthing_pgserver
[[ -x $farthing && -x $server ]] || { echo "skipped: $farthing or $server is not built"; exit 77; }
. "$source_dir/tests/e2e/node.sh"
coproc database { exec "$server" "$scratch/pg"; }
read -r conninfo <&"${database[0]}"
password="db-password-$RANDOM$RANDOM"
export FARTHING_DATABASE="$conninfo password=$password"
start_node "$farthing" --log-level debug
unset FARTHING_DATABASE
environment="environment-value-$RANDOM$RANDOM"
url=$FARTHING_URL/v1

answers=$scratch/answers
ask() { # KEY METHOD PATH [BODY]: the answer goes to standard output
    curl -sS -X "$2" -H "Authorization: Bearer $1" -H 'Content-Type: application/json' ${4:+-d "$4"} "$url$3"
}
member() { python3 -c 'import json, sys
at = json.load(sys.stdin)
for name in sys.argv[1].split("."): at = at[name]
print(at)' "$1"; }

ask "$FARTHING_KEY" POST /accounts '{"name":"acme"}' >>"$answers"
shown=$(ask "$FARTHING_KEY" POST /accounts/acme/keys '{"scope":"account","sigv4":true}')
key=$(member key <<<"$shown")
secret=$(member aws_secret_access_key <<<"$shown")
hook=$(ask "$key" POST /accounts/acme/webhooks '{"url":"https://example.com/x"}' | member secret)
code=$(python3 - <<'PY'
import base64, io, zipfile
out = io.BytesIO()
with zipfile.ZipFile(out, "w") as package:
    package.writestr(zipfile.ZipInfo("bootstrap"), "#!/bin/sh\nexit 1\n")
print(base64.b64encode(out.getvalue()).decode())
PY
)
ask "$key" POST /accounts/acme/functions \
    "{\"name\":\"f\",\"runtime\":\"provided\",\"handler\":\"x\",\"code\":\"$code\",\"environment\":{\"TOKEN\":\"$environment\"}}" >/dev/null
# Good and bad requests: errors of each layer, with secrets in headers, paths, queries and bodies.
{
    ask "$key" POST /accounts/acme/functions/f/invocations '{}'
    ask "$key" GET /accounts/acme/functions/none
    ask "${key}0" GET /accounts/acme
    ask "$key" GET /accounts/acme/keys
    ask "$key" GET /accounts/acme/webhooks
    ask "$key" GET /accounts/acme/functions
    ask "$key" GET /accounts/acme/audit-log
    ask "$FARTHING_KEY" GET /audit-log
    ask "$key" POST /accounts/acme/webhooks '{"url":"ftp://x"}'
    ask "$key" POST /accounts/acme/functions '{"name":"'
    ask "$key" PUT /price-books/default '{}'
    ask "$FARTHING_KEY" GET /nodes
    curl -sS "$FARTHING_URL/metrics"
    curl -sS "$FARTHING_URL/readyz"
    curl -sS -H "Authorization: AWS4-HMAC-SHA256 Credential=$(member aws_access_key_id <<<"$shown")/20260101/us-east-1/lambda/aws4_request, SignedHeaders=host, Signature=0" "$FARTHING_URL/2015-03-31/functions"
    "$farthing" key list acme
    "$farthing" doctor
} >>"$answers" 2>&1 || true

ps -eo args | grep -F -- "$scratch" >"$scratch/lines" || true
grep -q 'farthing serve' "$scratch/lines" || { echo "FAILED: the node's command line was not found" >&2; exit 1; }
grep -q 'postgres' "$scratch/lines" || { echo "FAILED: the server's command line was not found" >&2; exit 1; }

failed=0
look() { # NAME SECRET
    [[ ${#2} -ge 12 ]] || { echo "FAILED: the run has no $1" >&2; failed=1; return; }
    local place
    for place in "$scratch/node.log" "$answers" "$scratch/lines" "$scratch"/pg/*.log; do
        if [[ -e $place ]] && grep -aqF -- "$2" "$place"; then
            echo "FAILED: $1 is in $place: $(grep -aF -- "$2" "$place" | head -n 1 | cut -c 1-300)" >&2
            failed=1
        fi
    done
}
look "the operator's key" "$FARTHING_KEY"
look "the key of an account" "$key"
look "the secret of a SigV4 pair" "$secret"
look "the secret of a webhook" "$hook"
look "the value of an environment" "$environment"
look "the password of the database" "$password"
# The search itself finds what is there.
grep -aqF acme "$answers" && grep -aq '"event":"node\.' "$scratch/node.log" || { echo "FAILED: nothing was searched" >&2; failed=1; }
exit "$failed"
