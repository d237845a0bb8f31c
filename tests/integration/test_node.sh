#!/bin/bash
# Goal: a node on its own PostgreSQL keeps everything over a clean stop and over kill -9, and a second node on the same data
# directory is refused. Method: the program itself, asked with curl.
set -u
bin="$FARTHING_BUILD/cli/farthing"
[ -x "$bin" ] || { echo "skipped: $bin is not built"; exit 77; }
command -v curl > /dev/null || { echo "skipped: curl is not there"; exit 77; }
dir=$(mktemp -d /tmp/farthing-node-test-XXXXXX)
chmod 711 "$dir" # as root the server is another user
pid=
cleanup() {
    [ -n "$pid" ] && kill "$pid" 2> /dev/null && wait "$pid" 2> /dev/null
    rm -rf "$dir"
}
trap cleanup EXIT
fail() { echo "FAILED: $1"; tail -5 "$dir/log" 2> /dev/null; exit 1; }

up() {
    rm -f "$dir/data/url"
    "$bin" serve --data-dir "$dir/data" --listen 127.0.0.1:0 --sandbox none > "$dir/out" 2> "$dir/log" &
    pid=$!
    until [ -s "$dir/data/url" ]; do
        kill -0 "$pid" 2> /dev/null || { cat "$dir/log"; fail "the node does not start"; }
        sleep 0.05 # the file is the signal; this only spares the processor
    done
    url=$(cat "$dir/data/url")
    key=$(cat "$dir/data/admin.key")
}
api() { curl -sS --retry 20 --retry-connrefused --retry-delay 1 -H "Authorization: Bearer $key" -H 'Content-Type: application/json' "$@"; }

up
[ "$(stat -c %a "$dir/data/admin.key")" = 600 ] || fail "admin.key can be read by others"
api -X POST "$url/v1/accounts" -d '{"name":"kept"}' | grep -q '"name":"kept"' || fail "an account is made"
"$bin" serve --data-dir "$dir/data" --listen 127.0.0.1:0 > /dev/null 2> "$dir/second" && fail "a second node starts"
kill -TERM "$pid"
wait "$pid" || fail "a clean stop exits 0"
pid=
up
api "$url/v1/accounts/kept" | grep -q '"name":"kept"' || fail "the account is kept over a stop"
kill -9 "$pid"
wait "$pid" 2> /dev/null
pid=
up
api "$url/v1/accounts/kept" | grep -q '"name":"kept"' || fail "the account is kept over kill -9"
curl -sS "$url/readyz" | grep -q '"ready"' || fail "ready again"
kill -TERM "$pid"
wait "$pid" || fail "a clean stop exits 0 again"
pid=
echo "ok"
