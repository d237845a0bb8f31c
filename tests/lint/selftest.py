#!/usr/bin/env python3
"""Plants violations, one at a time, in a small tree, and sees each found: by its rule, in its file, and nothing else."""
import pathlib
import shutil
import sys
import tempfile

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).parent))
import lint  # noqa: E402

GOOD = {
    "common/a.h": "#ifndef FARTHING_COMMON_A_H\n#define FARTHING_COMMON_A_H\n#endif\n",
    "schema/migrations/0001_a.sql": "-- first\n",
    "billing/ok.c": '#include "common/a.h"\n/* double the time( */\nint x(void)\n{\n    return pg_get_time(0) + a.time(1);\n}\n',
}
GUARDED = "#ifndef FARTHING_BILLING_B_H\n#define FARTHING_BILLING_B_H\nextern double d;\n#endif\n"
LENGTH = "/* b.c - Length: one table. */\n"
CALLS = [name for name in lint.BANNED]

# (rule or "" for none, file, text)
PLANTS = [
    ("", "billing/fine.c", "int y;\n"),
    ("include", "common/b.c", '#include "schema/pg.h"\n'),
    ("include", "schema/b.c", '#include "metering/hook.h"\n'),
    ("include", "metering/b.c", '#include "engine/engine.h"\n'),
    ("include", "metering/b.c", '#include "billing/money.h"\n'),
    ("include", "engine/b.c", '#include "billing/money.h"\n'),
    ("include", "engine/b.c", '  #  include "api/api.h"\n'),
    ("include", "engine/launcher/b.c", '#include "reports/bill.h"\n'),
    ("include", "billing/b.c", '#include "engine/engine.h"\n'),
    ("include", "billing/b.c", '#include "api/api.h"\n'),
    ("include", "reports/b.c", '#include "api/api.h"\n'),
    ("include", "api/b.c", '#include "cli/cmd.h"\n'),
    ("include", "common/b.c", '#include "tests/support/pgtest.h"\n'),
    ("", "cli/b.c", '#include "api/api.h"\n#include "reports/bill.h"\n'),
    ("", "engine/b.c", '/* #include "billing/money.h" */\n'),
    ("home", "billing/b.c", "#include <libpq-fe.h>\n"),
    ("home", "engine/server.c", "#include <microhttpd.h>\n"),
    ("", "schema/b.c", "#include <libpq-fe.h>\n"),
    ("call", "tests/unit/test_b.c", "int z = usleep(1);\n"),
    ("", "common/clock.c", "int z = clock_gettime(0, 0);\n"),
    ("", "engine/b.c", '/* system(1) */ const char *t = "system(1)"; // popen(1)\n'),
    ("", "engine/b.c", "int z = x->time(1) + my_system(2) + vsnprintf(3) + mktime(4);\n"),
    ("", "tests/unit/test_b.c", "int z = usleep(1); /* lint: paces the load, nobody waits for it */\n"),
    ("call", "tests/unit/test_b.c", "int z = usleep(1); /* lint: */\n"),
    ("call", "tests/unit/test_b.c", "int z = usleep(1); /* because */\n"),
    ("", "bench/b.c", "int z = nanosleep(1);\n"),
    ("call", "bench/b.c", "int z = atoi(1);\n"),
    ("float", "metering/b.c", "float f;\n"),
    ("float", "billing/b.h", GUARDED),
    ("", "engine/b.c", "double d;\n"),
    ("", "engine/b.c", "int a;\n" * 500),
    ("file", "engine/b.c", "int a;\n" * 501),
    ("", "engine/b.c", LENGTH + "int a;\n" * 799),
    ("file", "engine/b.c", "/* b.c */\nchar a[] = \"Content-Length: 1\"; /* a header */\n" + "int a;\n" * 600),
    ("file", "engine/b.c", LENGTH + "int a;\n" * 800),
    ("", "engine/b.c", "int f(void)\n{\n" + "    g();\n" * 68 + "}\n"),
    ("function", "engine/b.c", "int f(void)\n{\n" + "    g();\n" * 69 + "}\n"),
    ("columns", "engine/b.c", "/* " + "x" * 120 + " */\n"),
    ("sql", "engine/b.c", 'const char *s = "SELECT 1";\n'),
    ("sql", "api/b.c", 'const char *s = "  INSERT INTO t VALUES (1)";\n'),
    ("sql", "cli/b.c", 'const char *s = "UPDATE t SET x = 1";\n'),
    ("", "api/b_store.c", 'const char *s = "SELECT 1";\n'),
    ("", "api/b.c", 'const char *s = "DELETE"; /* "SELECT 1" */\n'),
    ("guard", "engine/b.h", "#ifndef B_H\n#define B_H\n#endif\n"),
    ("migration", "schema/migrations/0001_b.sql", "-- twin\n"),
    ("migration", "schema/migrations/2_b.sql", "-- short\n"),
] + [("call", "engine/b.c", f"int z = {name} (1);\n") for name in CALLS]


def put(tree, path, text):
    file = tree / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")


def try_one(tree, rule, path, text):
    shutil.rmtree(tree)
    for good_path, good_text in GOOD.items():
        put(tree, good_path, good_text)
    put(tree, path, text)
    found = lint.Lint(tree).run()
    wanted = [line for line in found if line.startswith(path + ":") and f": {rule}: " in line]
    if rule == "" and found:
        return f"refused without reason: {found}"
    if rule != "" and (len(found) != 1 or len(wanted) != 1):
        return f"planted {rule} in {path}, found {found or 'nothing'}"
    return None


def main():
    scratch = pathlib.Path(tempfile.mkdtemp()).resolve()
    tree = scratch / "tree"
    tree.mkdir()
    try:
        problems = [problem for plant in PLANTS if (problem := try_one(tree, *plant))]
        shutil.rmtree(tree)
        tree.mkdir()
        if not lint.Lint(tree).run():
            problems.append("an empty tree was found good")
    finally:
        shutil.rmtree(scratch)
    for problem in problems:
        print(problem)
    print(f"{len(PLANTS)} plants, {len(problems)} not as they should be")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
