# Sourced by tests that need npm packages: use_modules FOLDER makes MODULES a folder with what FOLDER/package-lock.json pins,
# and skips the test where they cannot be had. Nothing of theirs is run while they are installed.
skip() {
    echo "skipped: $*"
    exit 77
}

use_modules() {
    local from=$1 work
    work=$FARTHING_BUILD/modules-$(basename "$1")
    command -v npm >/dev/null && command -v node >/dev/null || skip "npm is not installed"
    mkdir -p "$work"
    exec 7>"$work/.lock"
    flock 7
    cp "$from"/{package.json,package-lock.json,.npmrc} "$work/"
    if ! cmp -s "$work/package-lock.json" "$work/node_modules/.lock"; then
        (cd "$work" && timeout 180 npm ci --ignore-scripts --no-progress --fetch-retries=1 >npm.log 2>&1) || skip "npm ci failed: $work/npm.log"
        cp "$work/package-lock.json" "$work/node_modules/.lock"
    fi
    flock -u 7
    export MODULES=$work/node_modules
}

# An account with a key pair for AWS clients: new_account NAME sets AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and ACCOUNT_KEY.
new_account() {
    local made
    curl -fsS -H "Authorization: Bearer $FARTHING_KEY" -H 'Content-Type: application/json' -o /dev/null \
        "$FARTHING_URL/v1/accounts" -d "{\"name\":\"$1\"}"
    made=$(curl -fsS -H "Authorization: Bearer $FARTHING_KEY" -H 'Content-Type: application/json' \
        "$FARTHING_URL/v1/accounts/$1/keys" -d '{"name":"aws","sigv4":true}')
    field() { sed -E "s/.*\"$1\": ?\"([^\"]*)\".*/\1/" <<<"$made"; }
    AWS_ACCESS_KEY_ID=$(field aws_access_key_id)
    AWS_SECRET_ACCESS_KEY=$(field aws_secret_access_key)
    ACCOUNT_KEY=$(field key)
    export AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY ACCOUNT_KEY AWS_REGION=local AWS_DEFAULT_REGION=local AWS_PAGER= AWS_EC2_METADATA_DISABLED=true
}
