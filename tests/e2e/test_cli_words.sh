#!/usr/bin/env bash
# The command line without a node: help, misspelt words, exit codes, completions, manual; what scripts and people rely on.
set -euo pipefail
source_dir=${FARTHING_SOURCE:-$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)}
farthing=${FARTHING_BUILD:?the build folder}/cli/farthing
[[ -x $farthing ]] || { echo "skipped: $farthing is not built"; exit 77; }
scratch=$(mktemp -d "${TMPDIR:-/tmp}/farthing-words-XXXXXX")
trap 'rm -rf "$scratch"' EXIT
export FARTHING_URL=http://127.0.0.1:1 FARTHING_KEY=far_test NO_COLOR=1 HOME=$scratch
unset FARTHING_DATA_DIR FARTHING_ACCOUNT FARTHING_DATABASE
fail() { echo "FAILED: $*" >&2; exit 1; }

# expect CODE TEXT WORDS...: the exit code, and TEXT somewhere in what was said
expect() {
    local code=$1 text=$2 rc=0
    shift 2
    "$farthing" "$@" >"$scratch/out" 2>&1 </dev/null || rc=$?
    [[ $rc == "$code" ]] || fail "farthing $*: exit code $rc, not $code: $(cat "$scratch/out")"
    grep -Fq -- "$text" "$scratch/out" || fail "farthing $*: no \"$text\" in: $(cat "$scratch/out")"
}

expect 2 "close-month" # no word at all: the list of commands
expect 0 "close-month" --help
expect 0 "farthing 0." version
expect 0 '"version":' version --json
expect 2 'did you mean "quota"?' qouta
expect 2 'did you mean "set"?' quota sett acme
expect 2 "did you mean --month?" usage acme --mnth 2026-10
expect 2 "--month needs a value" usage acme --month
expect 2 "--json takes no value" usage acme --json=yes
expect 2 '"b" is not NAME=LIMIT' quota set acme b
expect 2 "say which account" usage
expect 2 "something is missing" invoke
expect 2 "names no account" invoke hello
expect 2 "No such file" function deploy "$scratch/nothing" --account a
expect 2 "must start with http" account list --url ftp://x
expect 3 "no node answers at http://127.0.0.1:1" account list
expect 2 "it is \`farthing migrate --database URL\`" migrate
expect 2 "--log-level is \"loud\"" serve --log-level loud
expect 2 "belong together" serve --tls-cert a.pem
expect 2 "bash, zsh or fish" completion tcsh

# Every command has help with an example of itself.
while read -r name; do
    expect 0 "Examples:" "$name" --help
    grep -q "^  .*\(farthing\|source\).* *$name" "$scratch/out" || fail "$name: no example"
done < <("$farthing" --help | sed -n 's/^  \([a-z][a-z-]*\) .*/\1/p' | grep -v -- '^--')

# Completions are programs themselves.
"$farthing" completion bash >"$scratch/bash"
bash -c 'source "$1"; COMP_WORDS=(farthing qu); COMP_CWORD=1; _farthing; [[ ${COMPREPLY[*]} == quota ]]' _ "$scratch/bash" || fail "bash completion of a command"
bash -c 'source "$1"; COMP_WORDS=(farthing bill --lay); COMP_CWORD=2; _farthing; [[ ${COMPREPLY[*]} == --layout ]]' _ "$scratch/bash" || fail "bash completion of an option"
"$farthing" completion zsh >"$scratch/zsh"
grep -q '^#compdef farthing$' "$scratch/zsh" || fail "zsh completion"
"$farthing" completion fish >"$scratch/fish"
grep -q "from quota' -a set$" "$scratch/fish" || fail "fish completion"
"$farthing" help --man >"$scratch/farthing.1"
if command -v groff >/dev/null; then
    groff -man -Tutf8 -ww "$scratch/farthing.1" >/dev/null 2>"$scratch/groff" || fail "the man page"
    [[ ! -s $scratch/groff ]] || fail "the man page: $(cat "$scratch/groff")"
fi
"$farthing" help --markdown | cmp -s - "$source_dir/docs/cli.md" || fail "docs/cli.md is old: cmake --build BUILD --target cli_docs"
echo "words: fine"
