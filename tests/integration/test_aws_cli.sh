#!/usr/bin/env bash
# Goal: the aws command line drives the whole life of a function on a node, with nothing but --endpoint-url. Method: Debian's
# awscli, each command and what it prints.
set -euo pipefail
FARTHING_SOURCE=${FARTHING_SOURCE:-$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)}
farthing=${FARTHING_BUILD:?the build folder}/cli/farthing
. "$FARTHING_SOURCE/tests/integration/modules.sh"
[[ -x $farthing ]] || skip "$farthing is not built"
command -v aws >/dev/null || skip "the aws command line (awscli) is not installed"
. "$FARTHING_SOURCE/tests/e2e/node.sh"
start_node "$farthing"
new_account acme
export AWS_CONFIG_FILE=$scratch/none AWS_SHARED_CREDENTIALS_FILE=$scratch/none
fail() {
    echo "FAILED: $*" >&2
    exit 1
}
lambda() { aws --endpoint-url "$FARTHING_URL" --output json --no-cli-pager lambda "$@"; }
aws --version 2>&1 | grep -q '^aws-cli/1' && lambda() { aws --endpoint-url "$FARTHING_URL" --output json lambda "$@"; }
# get COMMAND... -- FIELD: one member of what it prints
get() {
    local command=()
    while [[ $1 != -- ]]; do
        command+=("$1")
        shift
    done
    lambda "${command[@]}" --query "$2" --output text || fail "aws lambda ${command[*]}"
}
is() { [[ $1 == "$2" ]] || fail "$3: $1, not $2"; }
refused() {
    local code=$1 rc=0
    shift
    lambda "$@" >"$scratch/out" 2>&1 || rc=$?
    ((rc != 0)) || fail "aws lambda $* is not refused"
    grep -q "($code)" "$scratch/out" || fail "aws lambda $*: no $code in $(cat "$scratch/out")"
}

mkdir -p "$scratch/code"
package() {
    printf 'def handler(event, context):\n    print("seen")\n    return {"greeting": "%s", "event": event}\n' "$1" >"$scratch/code/main.py"
    (cd "$scratch/code" && python3 -c 'import zipfile; z = zipfile.ZipFile("../code.zip", "w"); z.write("main.py"); z.close()')
}
package hello
raw=(--cli-binary-format raw-in-base64-out)
aws --version 2>&1 | grep -q '^aws-cli/1' && raw=()

is "$(get create-function --function-name story --runtime python3.11 --handler main.handler --zip-file "fileb://$scratch/code.zip" \
    --role arn:aws:iam::123456789012:role/any --timeout 10 --tags team=a --environment 'Variables={A=b}' -- State)" Pending "a new function"
lambda wait function-active-v2 --function-name story || fail "wait function-active-v2"
lambda wait function-active --function-name story || fail "wait function-active"
is "$(get get-function --function-name story -- 'Configuration.[FunctionName,Runtime,Environment.Variables.A]' | tr '\t' ' ')" "story python3.11 b" "get-function"
refused ResourceConflictException create-function --function-name story --runtime python3.11 --handler main.handler \
    --zip-file "fileb://$scratch/code.zip" --role arn:aws:iam::123456789012:role/any
refused ResourceNotFoundException get-function --function-name nobody

is "$(get invoke --function-name story "${raw[@]}" --payload '{"n":1}' "$scratch/answer" -- 'StatusCode')" 200 "invoke"
grep -q '"greeting": *"hello"' "$scratch/answer" || fail "the answer: $(cat "$scratch/answer")"
lambda invoke --function-name story --log-type Tail "$scratch/answer" --query LogResult --output text | base64 -d >"$scratch/tail"
grep -q '^seen$' "$scratch/tail" && grep -q '^REPORT RequestId: ' "$scratch/tail" || fail "the tail: $(cat "$scratch/tail")"
is "$(get invoke --function-name story --invocation-type Event "$scratch/answer" -- StatusCode)" 202 "an event"
is "$(get invoke --function-name story --invocation-type DryRun "$scratch/answer" -- StatusCode)" 204 "a dry run"

package second
is "$(get update-function-code --function-name story --zip-file "fileb://$scratch/code.zip" -- LastUpdateStatus)" InProgress "update-function-code"
lambda wait function-updated-v2 --function-name story || fail "wait function-updated-v2"
lambda invoke --function-name story "$scratch/answer" >/dev/null
grep -q second "$scratch/answer" || fail "the new code runs: $(cat "$scratch/answer")"
is "$(get update-function-configuration --function-name story --memory-size 256 -- MemorySize)" 256 "update-function-configuration"
is "$(get publish-version --function-name story -- Version)" 1 "publish-version"
package third
is "$(get update-function-code --function-name story --publish --zip-file "fileb://$scratch/code.zip" -- Version)" 2 "update and publish"
lambda wait published-version-active --function-name story --qualifier 2 || fail "wait published-version-active"
is "$(get list-versions-by-function --function-name story -- 'Versions[].Version' | tr '\t' ' ')" '$LATEST 1 2' "list-versions-by-function"
lambda create-alias --function-name story --name live --function-version 1 --routing-config 'AdditionalVersionWeights={2=1}' >/dev/null
is "$(get invoke --function-name story:live "$scratch/answer" -- ExecutedVersion)" 2 "all of an alias' weight"
lambda update-alias --function-name story --name live --routing-config 'AdditionalVersionWeights={}' >/dev/null
is "$(get invoke --function-name story --qualifier live "$scratch/answer" -- ExecutedVersion)" 1 "an alias without weights"
is "$(get list-aliases --function-name story -- 'Aliases[].Name')" live "list-aliases"

is "$(get put-function-concurrency --function-name story --reserved-concurrent-executions 0 -- ReservedConcurrentExecutions)" 0 "put-function-concurrency"
# Refused, sent again by the command line itself, and answered once there is room.
lambda invoke --function-name story "$scratch/answer" >"$scratch/throttled" 2>&1 && fail "a function switched off is invoked"
grep -q '(TooManyRequestsException).*reached max retries' "$scratch/throttled" || fail "no retries: $(cat "$scratch/throttled")"
lambda delete-function-concurrency --function-name story
is "$(get get-function-concurrency --function-name story -- ReservedConcurrentExecutions)" None "get-function-concurrency"
is "$(get get-account-settings -- AccountUsage.FunctionCount)" 1 "get-account-settings"

is "$(get publish-layer-version --layer-name deps --zip-file "fileb://$scratch/code.zip" --compatible-runtimes python3.11 -- Version)" 1 "publish-layer-version"
layer=$(get get-layer-version --layer-name deps --version-number 1 -- LayerVersionArn)
is "$(get get-layer-version-by-arn --arn "$layer" -- 'CompatibleRuntimes[0]')" python3.11 "get-layer-version-by-arn"
is "$(get list-layers -- 'Layers[].LayerName')" deps "list-layers"
is "$(get list-layer-versions --layer-name deps -- 'LayerVersions[].Version')" 1 "list-layer-versions"
is "$(get update-function-configuration --function-name story --layers "$layer" -- 'Layers[].Arn')" "$layer" "--layers"
lambda delete-layer-version --layer-name deps --version-number 1
is "$(get get-function-configuration --function-name story -- 'Layers[].Arn')" "$layer" "a deleted layer stays with its function"
is "$(get update-function-configuration --function-name story --layers "[]" -- 'Layers')" None "no layers"

arn=$(get get-function-configuration --function-name story -- FunctionArn)
lambda tag-resource --resource "$arn" --tags team=b,cost=7
lambda untag-resource --resource "$arn" --tag-keys team
is "$(get list-tags --resource "$arn" -- 'Tags.[team,cost]' | tr '\t' ' ')" "None 7" "tags"
for name in one two three; do
    lambda create-function --function-name "$name" --runtime python3.11 --handler main.handler \
        --zip-file "fileb://$scratch/code.zip" --role arn:aws:iam::123456789012:role/any >/dev/null
done
is "$(get list-functions --page-size 2 -- 'Functions[].FunctionName' | tr '\n\t' '  ' | sed 's/ *$//')" "one story three two" "list-functions by pages"

lambda delete-alias --function-name story --name live
lambda delete-function --function-name story --qualifier 1 >/dev/null
for name in story one two three; do
    lambda delete-function --function-name "$name" >/dev/null
done
is "$(get list-functions -- 'length(Functions)')" 0 "all deleted"
refused ResourceNotFoundException invoke --function-name story "$scratch/answer"
echo "ok"
