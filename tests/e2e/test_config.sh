#!/usr/bin/env bash
# A node's options from a file: every key there is, the command line on top, and each mistake named by file, line, key, rule.
set -euo pipefail
source_dir=${FARTHING_SOURCE:-$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)}
farthing=${FARTHING_BUILD:?the build folder}/cli/farthing
[[ -x $farthing ]] || { echo "skipped: $farthing is not built"; exit 77; }
. "$source_dir/tests/e2e/node.sh"
export NO_COLOR=1
fail() { echo "FAILED: $*" >&2; exit 1; }
conf=$scratch/farthing.conf
check() { # CODE TEXT [OPTION...]: what --check-config says about $conf
    local code=$1 text=$2 rc=0
    shift 2
    "$farthing" serve --config "$conf" --check-config --data-dir "$scratch/none" "$@" >"$scratch/out" 2>&1 || rc=$?
    [[ $rc == "$code" ]] || fail "exit code $rc, not $code, for: $(cat "$conf"): $(cat "$scratch/out")"
    grep -Fq -- "$text" "$scratch/out" || fail "no \"$text\" in: $(cat "$scratch/out")"
    [[ ! -e $scratch/none ]] || fail "a check made the data directory"
}

# The printed file is right as it is, names each option of the help once, and reads every one of them.
"$farthing" serve --print-config >"$conf"
check 0 "is right"
options=$("$farthing" serve --help | grep -oE '^  --[a-z-]+( FILE)?( --[a-z-]+)?' | grep -oE '\-\-[a-z-]+' | sed 's/^--//' |
    grep -vE '^(config|check-config|print-config)$' | sort)
keys=$(sed -n 's/^#\([a-z-]*\) = .*/\1/p' "$conf" | sort)
[[ -n $keys && $keys == "$options" ]] || fail "keys and options differ: $(diff <(echo "$keys") <(echo "$options"))"
for key in $keys; do
    printf '%s =\n' "$key" >"$conf"
    "$farthing" serve --config "$conf" --check-config >"$scratch/out" 2>&1 && fail "$key may be empty"
    grep -Fq -- "$conf:1: $key: " "$scratch/out" || fail "$key is not known or not named: $(cat "$scratch/out")"
done

# What a person writes: comments, blanks, values with blanks and equals signs.
printf '# ours\n\n  listen = 127.0.0.1:0\ndatabase=host=db1,db2 dbname=farthing\r\nissuer = Rhine Cloud GmbH  \nclose-months = yes\ndemo = no\n' >"$conf"
check 0 "$conf is right"

# Mistakes, each with its place and rule.
while IFS='|' read -r text want; do
    printf "$text" >"$conf"
    check 2 "$want"
done <<ROWS
listen = x\nlisen = y\n|$conf:2: lisen: there is no such key; did you mean listen?
nothing_like_it = 1\n|$conf:1: nothing_like_it: there is no such key
\n\nlisten\n|$conf:3: "listen" has no =; a line is: key = value
demo = maybe\n|$conf:1: demo: is "maybe"; it must be yes or no
spool-mib = 3\n|$conf:1: spool-mib:
spool-mib = many\n|$conf:1: spool-mib:
issuer = a\nissuer = b\n|$conf:2: issuer: stands in line 1 already
listen =\n|$conf:1: listen: has no value
config = other\n|$conf:1: config: there is no such key
# x\nlog-level = loud\n|$conf:2: log-level:
sandbox = chroot\n|$conf:1: sandbox: sandbox is "chroot"; it is auto, bwrap or none
tls-cert = /nowhere\n|$conf:1: tls-cert:
a\\0b = 1\n|is no text
ROWS
printf "issuer-file = /nowhere\n" >"$conf"
check 1 "$conf:1: issuer-file:"
rm "$conf"
check 1 "$conf"

# The command line wins over the file, and a node runs from it.
printf 'log-level = loud\n' >"$conf"
check 0 "is right" --log-level info
printf 'roles = api,aggregator\nissuer = From the file\nlisten = 256.0.0.1:1\n' >"$conf"
start_node "$farthing" --config "$conf"
curl -fsS -o /dev/null "$FARTHING_URL/readyz"
echo "options from a file: $(wc -w <<<"$keys") keys"
