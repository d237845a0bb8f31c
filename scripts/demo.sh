#!/usr/bin/env bash
# The whole round with real functions: deploy, invoke, usage, a quota at work, the month's bill.
#   scripts/demo.sh [--data-dir DIR] [serve options...]   a node of its own, every step checked, then it ends (./run --once)
#   scripts/demo.sh --setup                               account demo on the node at FARTHING_URL, what to type next
# FARTHING_BIN is the program. Exit code 0: every step was right.
set -euo pipefail
export LC_ALL=C.UTF-8 NO_COLOR=1
here=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
farthing=${FARTHING_BIN:?FARTHING_BIN is the farthing program}
account=demo
mode=once
data_dir=
serve_args=()
while (($# > 0)); do
    case $1 in
    --once) mode=once ;;
    --setup) mode=setup ;;
    --data-dir) data_dir=${2:?a folder is missing}; shift ;;
    --data-dir=*) data_dir=${1#*=} ;;
    *) serve_args+=("$1") ;;
    esac
    shift
done

node_pid=
scratch=$(mktemp -d "${TMPDIR:-/tmp}/farthing-demo-XXXXXX")
chmod 711 "$scratch" # the node's PostgreSQL may run as another user
stop() {
    local rc=$?
    trap - EXIT
    if [[ -n $node_pid ]]; then
        kill -TERM "$node_pid" 2>/dev/null || true
        wait "$node_pid" 2>/dev/null || true
        if ((rc != 0)) && [[ -s $scratch/node.log ]]; then
            echo "--- the node's last words:" >&2
            tail -n 20 "$scratch/node.log" >&2
        fi
    fi
    rm -rf "$scratch"
    exit "$rc"
}
trap stop EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

fail() {
    echo "demo: $*" >&2
    exit 1
}
step() { printf '\n\033[1m== %s\033[0m\n' "$*" | if [[ -t 1 ]]; then cat; else sed 's/\x1b\[[0-9;]*m//g'; fi; }
# The command as a person would type it, then what it prints.
show() {
    local word line='$ farthing'
    for word in "$@"; do
        [[ $word == *' '* ]] && word="\"$word\""
        line+=" $word"
    done
    printf '%s\n' "$line"
    "$farthing" "$@"
}
json() { python3 -c "import json,sys; d=json.load(sys.stdin); print($1)"; }

# ---- the example functions: folders of examples/ but hook, which is no function; in C the echo, in the others a greeting
examples() {
    find "$here/examples" -mindepth 1 -maxdepth 1 -type d ! -name hook -printf '%f\n' | sort
}

names() {
    local dir
    while IFS= read -r dir; do
        printf '%s\n' "$(name_of "$dir")"
    done < <(examples)
}

name_of() {
    if [[ $1 == c ]]; then echo echo-c; else echo "hello-$1"; fi
}

# A C function is built first: a folder with an executable called bootstrap is what the runtime "provided" runs.
package_of() {
    local dir=$here/examples/$1 out=$scratch/package/$1
    if compgen -G "$dir/*.c" >/dev/null; then
        mkdir -p "$out"
        "${CC:-cc}" -O2 -D_GNU_SOURCE -o "$out/bootstrap" "$dir"/*.c >&2 || return 1
        printf '%s\n' "$out"
    else
        printf '%s\n' "$dir"
    fi
}

deploy_all() {
    local dir package name
    while IFS= read -r dir; do
        name=$(name_of "$dir")
        package=$(package_of "$dir") || fail "examples/$dir cannot be built"
        printf '$ farthing function deploy %s --account %s --name %s\n' "examples/$dir" "$account" "$name"
        "$farthing" function deploy "$package" --account "$account" --name "$name" --memory 128 --timeout 10 \
            --description "examples/$dir" || fail "$name cannot be deployed"
    done < <(examples)
}

ensure_account() {
    if ! "$farthing" account show "$account" >/dev/null 2>&1; then
        show account create "$account" --display-name "Demo account" || fail "the account cannot be made"
    fi
}

# ---- against a running node
setup() {
    local key_file=${FARTHING_DATA_DIR:-$scratch}/demo.key url=${FARTHING_URL:?} key
    ensure_account >/dev/null
    if [[ $("$farthing" function list "$account" --json | json "len(d['items'])") -lt $(examples | wc -l) ]]; then
        deploy_all >/dev/null
    fi
    key=$(cat "$key_file" 2>/dev/null || true)
    if [[ -z $key ]] || ! "$farthing" key whoami --key "$key" >/dev/null 2>&1; then
        key=$("$farthing" key create "$account" --name "demo of ./run" --quiet)
        (umask 077 && printf '%s\n' "$key" >"$key_file")
    fi
    if [[ $("$farthing" usage "$account" --json | json "d['total']['invocations'] if 'total' in d else 0") == 0 ]]; then
        local name
        while IFS= read -r name; do
            "$farthing" invoke "$account/$name" --payload '{"name":"Ada"}' >/dev/null 2>&1 || true
        done < <(names)
    fi
    local first month
    first=$(names | sed -n '$p')
    month=$(date -u +%Y-%m)
    cat <<END

Farthing is running. Account "$account" has $(names | wc -l) functions: $(names | paste -sd' ').

  dashboard   $url/
  key         $key

In another terminal:

  alias farthing=$farthing
  export FARTHING_URL=$url FARTHING_KEY=$key
  farthing invoke $account/$first --payload '{"name":"Ada"}'
  farthing usage $account --by function
  farthing bill $account $month

Or with curl:

  curl -H "Authorization: Bearer $key" $url/v1/accounts/$account/functions/$first/invocations -d '{"name":"Ada"}'
  curl -H "Authorization: Bearer $key" "$url/v1/accounts/$account/usage?group_by=function"
  curl -H "Authorization: Bearer $key" $url/v1/accounts/$account/bills/$month

Limits are the operator's to set, with the admin key of this node:

  FARTHING_KEY=\$(cat ${FARTHING_DATA_DIR:-DATA_DIR}/admin.key) farthing quota set $account concurrency=5

Ctrl-C stops it; the data stay.
END
}

# ---- a node of its own, every step checked
port_is_free() { ! (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

start_node() {
    local port=8080 tries=0
    data_dir=${data_dir:-$scratch/data}
    mkdir -p "$data_dir"
    port_is_free 8080 || port=0
    printf '$ farthing serve --listen 127.0.0.1:%s\n' "$port"
    rm -f "$data_dir/url"
    "$farthing" serve --listen "127.0.0.1:$port" --data-dir "$data_dir" --sandbox auto "${serve_args[@]}" >"$scratch/node.log" 2>&1 &
    node_pid=$!
    until [[ -s $data_dir/url ]] && curl -fsS -o /dev/null "$(cat "$data_dir/url")/readyz" 2>/dev/null; do
        kill -0 "$node_pid" 2>/dev/null || fail "the node ended"
        ((++tries < 600)) || fail "the node is not ready after a minute"
        sleep 0.1
    done
    FARTHING_URL=$(cat "$data_dir/url")
    FARTHING_KEY=$(cat "$data_dir/admin.key")
    export FARTHING_URL FARTHING_KEY FARTHING_DATA_DIR=$data_dir
    echo "ready at $FARTHING_URL"
}

invocations=0
invoke_all() {
    local name round
    while IFS= read -r name; do
        for round in 1 2; do
            printf "\$ farthing invoke %s/%s --payload '{\"name\":\"Ada\"}'\n" "$account" "$name"
            "$farthing" invoke "$account/$name" --payload '{"name":"Ada"}' 2>"$scratch/cost" || {
                cat "$scratch/cost" >&2
                fail "$name failed"
            }
            cat "$scratch/cost"
            grep -Eq '^billed [1-9][0-9]* ms, 128 MiB, peak [0-9]+\.[0-9] MiB' "$scratch/cost" ||
                fail "$name: no billed milliseconds or no peak memory"
            invocations=$((invocations + 1))
        done
    done < <(names)
}

# Freshness is seconds at most; the answer says itself how complete it is.
wait_for_usage() {
    local tries=0
    until [[ $("$farthing" usage "$account" --json | json "d['total']['invocations']") -ge $invocations ]]; do
        ((++tries < 300)) || fail "usage shows fewer than $invocations invocations after half a minute"
        sleep 0.1
    done
}

check_usage() {
    "$farthing" usage "$account" --by function --json | python3 -c '
import json, sys
d = json.load(sys.stdin)
rows = {r["function"]: r for r in d["items"]}
names = sys.argv[1:]
for name in names:
    assert rows[name]["invocations"] >= 2, (name, "invocations")
    assert int(rows[name]["billed_ms"]) > 0 and int(rows[name]["mb_ms"]) == 128 * int(rows[name]["billed_ms"]), (name, "ms")
assert sum(int(r["mb_ms"]) for r in d["items"]) == int(d["total"]["mb_ms"]), "total"
' $(names) || fail "usage by function is not right"
}

quota_refuses() {
    local name status tries=0
    name=$(names | sed -n 1p)
    show quota set "$account" gb_seconds_per_month=0.02 concurrency=5 --action block
    # In force on every node within a second.
    until status=$(curl -sS -o "$scratch/problem" -w '%{http_code}' -H "Authorization: Bearer $FARTHING_KEY" \
        -d '{}' "$FARTHING_URL/v1/accounts/$account/functions/$name/invocations") && [[ $status == 429 ]]; do
        ((++tries < 100)) || fail "the quota does not refuse (status $status)"
        sleep 0.1
    done
    printf '$ curl %s/v1/accounts/%s/functions/%s/invocations -d {}\n%s ' "$FARTHING_URL" "$account" "$name" "$status"
    python3 -m json.tool "$scratch/problem"
    python3 -c '
import json, sys
p = json.load(open(sys.argv[1]))
assert p["status"] == 429 and p["violated-policies"] == ["gb_seconds_per_month"], p
assert p["limit"] == "0.02" and "used" in p and "held" in p, p
' "$scratch/problem" || fail "the refusal does not say what it should"
    printf '$ farthing invoke %s/%s\n' "$account" "$name"
    local rc=0
    "$farthing" invoke "$account/$name" || rc=$?
    ((rc == 1)) || fail "invoke ends with $rc, not 1, when a quota refuses"
    show quota remove "$account" gb_seconds_per_month
}

steady() { sed 's/,[0-9-]*T[0-9:]*Z,/,,/' "$1"; }

check_bill() {
    local month
    month=$(date -u +%Y-%m)
    printf '$ farthing bill %s %s\n' "$account" "$month"
    "$farthing" bill "$account" "$month" | tee "$scratch/bill.csv"
    curl -fsS -H "Authorization: Bearer $FARTHING_KEY" -o "$scratch/rest.csv" \
        "$FARTHING_URL/v1/accounts/$account/bills/$month"
    # but for up to when an estimate is complete, which moves on between two calls
    cmp <(steady "$scratch/bill.csv") <(steady "$scratch/rest.csv") || fail "the command line and REST give different bytes"
    python3 "$here/scripts/check_bill.py" "$scratch/bill.csv" || fail "the bill does not add up"
}

# All of this is free with the default prices; at five cents a call the same month is a bill one can see.
other_prices() {
    local month
    month=$(date -u +%Y-%m)
    "$farthing" prices show default | python3 -c '
import json, sys
book = json.load(sys.stdin)
book["name"] = "five-cents"
book["description"] = "Demonstration prices: five cents a call"
book.pop("free")
book["meters"]["requests"]["bands"] = [{"id": "t1", "price": "0.05"}]
book["meters"]["compute_x86_64"]["bands"] = [{"id": "t1", "price": "2.5"}]
json.dump(book, sys.stdout)
' >"$scratch/five-cents.json"
    show prices put five-cents "$scratch/five-cents.json"
    "$farthing" account set "$account" --price-book five-cents >/dev/null || fail "the price book cannot be changed"
    echo "$ farthing bill $account $month"
    "$farthing" bill "$account" "$month" | tee "$scratch/paid.csv"
    python3 "$here/scripts/check_bill.py" "$scratch/paid.csv" || fail "the bill does not add up"
    ! grep -Eq '^total,.*,0\.00,' "$scratch/paid.csv" || fail "the total is nothing"
}

once() {
    step "A node, with its own PostgreSQL"
    start_node
    step "An account and its functions"
    ensure_account
    deploy_all
    step "Invocations: what each one cost"
    invoke_all
    step "Usage"
    wait_for_usage
    show usage "$account" --by function
    check_usage
    step "A quota at work"
    quota_refuses
    step "The bill"
    check_bill
    step "The same month at other prices"
    other_prices
    printf '\nEvery step was right.\n'
}

$mode
