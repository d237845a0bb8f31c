#!/bin/bash
# Goal: a foreign runtime can use libfarthing-hook as installed. Method: install that component under a new prefix, build the
# example with nothing but pkg-config, run three of it at once on one spool directory, and count what is in there.
set -u
command -v pkg-config > /dev/null || { echo "skipped: pkg-config is not there"; exit 77; }
[ -e "$FARTHING_BUILD/metering/libfarthing-hook.so" ] || { echo "skipped: libfarthing-hook is not built"; exit 77; }
dir=$(mktemp -d /tmp/farthing-hook-test-XXXXXX)
trap 'rm -rf "$dir"' EXIT
fail() { echo "FAILED: $1"; cat "$dir/log" 2> /dev/null; exit 1; }

if nm -D "$FARTHING_BUILD/metering/libfarthing-hook.so" | grep -q '__\(a\|t\|ub\)san'; then
    echo "skipped: a sanitizer is in the library"
    exit 77
fi
cmake --install "$FARTHING_BUILD" --component farthing-hook --prefix "$dir/usr" > "$dir/log" 2>&1 || fail "install"
pc=$(dirname "$(find "$dir/usr" -name farthing-hook.pc)")
export PKG_CONFIG_PATH="$pc"
lib=$(pkg-config --variable=libdir farthing-hook)
# shellcheck disable=SC2046 # flags are words
"${CC:-cc}" -std=c17 -D_GNU_SOURCE -Wall -Wextra -Werror "$FARTHING_SOURCE/examples/hook/emit.c" -o "$dir/emit" \
    $(pkg-config --cflags --libs farthing-hook) > "$dir/log" 2>&1 || fail "the example builds"

# Nothing of ours that a runtime could have too leaves the library, and it asks for libc alone.
nm -D --defined-only "$lib/libfarthing-hook.so" | awk '{print $3}' \
    | grep -vE '^(farthing_hook_|FARTHING_HOOK_|usage_record_check|usage_status_name|usage_refusal_name|billed_duration_ms|err_code_name)' \
    > "$dir/log" && fail "these symbols leak"
readelf -d "$lib/libfarthing-hook.so" | grep NEEDED | grep -vE 'libc\.so|libgcov|ld-linux' > "$dir/log" && fail "needs more than libc"

pids=()
for function in 1 2 3; do
    LD_LIBRARY_PATH="$lib" "$dir/emit" "$dir/spool" 100000000001 "$function" 5000 > "$dir/out$function" 2>> "$dir/log" &
    pids+=($!)
done
for pid in "${pids[@]}"; do
    wait "$pid" || fail "an emitter fails"
done
# A producer whose process is gone is taken over by the next one, so there are one to three of them.
bin="$FARTHING_BUILD/cli/farthing"
if [ -x "$bin" ]; then
    "$bin" spool verify "$dir/spool" --json > "$dir/log" 2>&1 || fail "the spool verifies"
    found=$(grep -oE '"records":[0-9]+' "$dir/log" | awk -F: '{n += $2} END {print n}')
    [ "$found" = 15000 ] || fail "15,000 records are in the spool, not $found"
fi
[ "$(awk '{n += $1} END {print n}' "$dir"/out?)" = 15000 ] || fail "15,000 records were emitted"
echo ok
