#!/usr/bin/env bash
# Goal:   the house rules of lint.py hold, and every rule can fail.
# Method: first violations are planted, one at a time, in a small tree of its own: each must be found, by its rule and in
#         its file. Then the source itself.
set -euo pipefail
source_dir=${FARTHING_SOURCE:-$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)}
lint=$source_dir/tests/lint/lint.py
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT
failures=0

reset() {
    rm -rf "${tree:?}"/*
    mkdir -p "$tree"/{common,schema/migrations,metering,engine,billing,reports,api,cli,tests/unit,bench}
    printf '#ifndef FARTHING_COMMON_A_H\n#define FARTHING_COMMON_A_H\n#endif\n' >"$tree/common/a.h"
    printf -- '-- first\n' >"$tree/schema/migrations/0001_a.sql"
    printf '#include "common/a.h"\n/* double the time( */\nint x(void)\n{\n    return pg_get_time(0) + a.time(1);\n}\n' >"$tree/billing/ok.c"
}

# plant RULE FILE TEXT: the text in that file must be refused by that rule. An empty RULE: it must not be.
plant() {
    local rule=$1 file=$2 out
    reset
    mkdir -p "$(dirname "$tree/$file")"
    printf '%b' "$3" >"$tree/$file"
    out=$(python3 "$lint" "$tree") || true
    if [[ -z $rule ]]; then
        if [[ -n $out ]]; then
            echo "refused without reason ($file): $out"
            failures=$((failures + 1))
        fi
    elif ! grep -q "^$file:[0-9]*: $rule: " <<<"$out" || (($(wc -l <<<"$out") != 1)); then
        echo "planted $rule in $file, found: ${out:-nothing}"
        failures=$((failures + 1))
    fi
}

lines() { # lines N TEXT
    local i
    for ((i = 0; i < $1; i++)); do printf '%s\\n' "$2"; done
}

plant '' billing/fine.c 'int y;\n'
plant include common/b.c '#include "schema/pg.h"\n'
plant include schema/b.c '#include "metering/hook.h"\n'
plant include metering/b.c '#include "engine/engine.h"\n'
plant include engine/b.c '#include "billing/money.h"\n'
plant include engine/b.c '#include "api/api.h"\n'
plant include billing/b.c '#include "engine/engine.h"\n'
plant include billing/b.c '#include "api/api.h"\n'
plant include reports/b.c '#include "api/api.h"\n'
plant include api/b.c '#include "cli/cmd.h"\n'
plant include common/b.c '#include "tests/support/pgtest.h"\n'
plant '' cli/b.c '#include "api/api.h"\n#include "reports/bill.h"\n'
plant home billing/b.c '#include <libpq-fe.h>\n'
plant home engine/server.c '#include <microhttpd.h>\n'
plant '' engine/runtime_api_next.c '#include <microhttpd.h>\n'
plant '' schema/b.c '#include <libpq-fe.h>\n'
for call in strcpy sprintf gets strtok atoi system popen time gettimeofday clock_gettime sleep usleep; do
    plant call "engine/b.c" "int z = $call (1);\n"
done
plant call tests/unit/test_b.c 'int z = usleep(1);\n'
plant '' common/clock.c 'int z = clock_gettime(0, 0);\n'
plant '' engine/b.c '/* system(1) */ const char *t = "system(1)";\n'
plant float metering/b.c 'float f;\n'
plant float billing/b.h '#ifndef FARTHING_BILLING_B_H\n#define FARTHING_BILLING_B_H\nextern double d;\n#endif\n'
plant '' engine/b.c 'double d;\n'
plant '' engine/b.c "$(lines 500 'int a;')"
plant file engine/b.c "$(lines 501 'int a;')"
plant '' engine/b.c "/* b.c - Length: one table. */\n$(lines 799 'int a;')"
plant file engine/b.c "/* b.c - Length: one table. */\n$(lines 800 'int a;')"
plant '' engine/b.c "int f(void)\n{\n$(lines 68 '    g();')}\n"
plant function engine/b.c "int f(void)\n{\n$(lines 69 '    g();')}\n"
plant columns engine/b.c "/* $(printf 'x%.0s' {1..120}) */\n"
plant sql engine/b.c 'const char *s = "SELECT 1";\n'
plant sql api/b.c 'const char *s = "  INSERT INTO t VALUES (1)";\n'
plant '' api/b_store.c 'const char *s = "SELECT 1";\n'
plant '' api/b.c 'const char *s = "DELETE";\n'
plant guard engine/b.h '#ifndef B_H\n#define B_H\n#endif\n'
plant migration schema/migrations/0001_b.sql '-- twin\n'
plant migration schema/migrations/2_b.sql '-- short\n'

reset
rm -rf "${tree:?}"/*
if python3 "$lint" "$tree" >/dev/null; then
    echo "an empty tree was found good"
    failures=$((failures + 1))
fi
if ((failures > 0)); then
    echo "$failures rules of the lint do not work"
    exit 1
fi

python3 "$lint" "$source_dir"
