#!/usr/bin/env python3
"""House rules that no compiler checks.

    lint.py ROOT      prints "file:line: rule: what", one a line; exit code 1 when there is any

Rules: include (arrows between folders point down only), home (one home a foreign header), call (banned functions),
float (none where usage and money are counted), file and function length, columns, sql (only where statements live),
guard (names of include guards), migration (names and numbers).
"""
import pathlib
import re
import sys

PARTS = ["common", "schema", "metering", "engine", "billing", "reports", "api", "cli"]
MAY_INCLUDE = {
    "common": {"common"},
    "schema": {"common", "schema"},
    "metering": {"common", "schema", "metering"},
    "engine": {"common", "schema", "metering", "engine"},
    "billing": {"common", "schema", "metering", "billing"},
    "reports": {"common", "schema", "metering", "billing", "reports"},
    "api": set(PARTS) - {"cli"},
    "cli": set(PARTS),
}
HOMES = {
    "libpq-fe.h": re.compile(r"schema/"),
    "microhttpd.h": re.compile(r"api/"),
}
BANNED = ["strcpy", "strcat", "sprintf", "vsprintf", "gets", "strtok", "atoi", "atol", "atoll", "atof", "system", "popen",
          "time", "gettimeofday", "clock_gettime", "sleep", "usleep", "nanosleep", "alloca", "setjmp", "longjmp"]
CLOCKS = {"common/clock.c", "tests/support/fake_clock.c"}
PACING = {"sleep", "usleep", "nanosleep", "clock_gettime"}  # a benchmark's load has a rhythm of its own
REASON = re.compile(r"/\* lint: [^*]{8,}\*/")  # a banned call that is right here says why, on its line
CALL = re.compile(r"(?<![\w.>])(" + "|".join(BANNED) + r")\s*\(")
SQL = re.compile(r'"\s*(SELECT |INSERT INTO |UPDATE [a-z_]+ SET|DELETE FROM |CREATE (TABLE|INDEX|UNIQUE)|ALTER TABLE |DROP |'
                 r'TRUNCATE |COPY [(a-z]|WITH [a-z_]+ AS|LOCK TABLE |MERGE INTO )')
FILE_LINES, FILE_LINES_WITH_REASON, FUNCTION_LINES, COLUMNS = 500, 800, 70, 120

STRIP = re.compile(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)


def blank(text, keep_strings):
    """Comments (and strings) become spaces; lines stay where they are."""
    def replace(match):
        found = match.group(0)
        if found[0] in "\"'" and keep_strings:
            return found
        return re.sub(r"[^\n]", " ", found)
    return STRIP.sub(replace, text)


class Lint:
    def __init__(self, root):
        self.root = root
        self.found = []

    def say(self, path, line, rule, what):
        self.found.append(f"{path}:{line}: {rule}: {what}")

    def includes(self, path, lines):
        part = path.split("/")[0]
        for number, line in enumerate(lines, 1):
            match = re.match(r'\s*#\s*include\s+["<]([^">]+)[">]', line)
            if not match or part not in MAY_INCLUDE:
                continue
            header = match.group(1)
            other = header.split("/")[0]
            if "/" in header and other in PARTS and other not in MAY_INCLUDE[part]:
                self.say(path, number, "include", f"{part}/ may not include {header}")
            if header.startswith("tests/"):
                self.say(path, number, "include", f"{header} is for tests")
            home = HOMES.get(header)
            if home and not home.match(path):
                self.say(path, number, "home", f"{header} has its home in {home.pattern}")

    def calls(self, path, code, lines):
        if path in CLOCKS:
            return
        for number, line in enumerate(code.split("\n"), 1):
            for match in CALL.finditer(line):
                allowed = REASON.search(lines[number - 1]) or (path.startswith("bench/") and match.group(1) in PACING)
                if not allowed:
                    self.say(path, number, "call", f"{match.group(1)}() is banned")

    def floats(self, path, code):
        if not path.startswith(("metering/", "billing/")):
            return
        for number, line in enumerate(code.split("\n"), 1):
            if re.search(r"\b(float|double)\b", line):
                self.say(path, number, "float", "usage and money are integers")

    def sizes(self, path, text, lines):
        limit = FILE_LINES_WITH_REASON if re.match(r"\s*/\*(?:(?!\*/).)*?\bLength:", text, re.S) else FILE_LINES
        if len(lines) > limit:
            self.say(path, len(lines), "file", f"{len(lines)} lines, at most {limit}")
        start = None
        for number, line in enumerate(lines, 1):
            if len(line) > COLUMNS:
                self.say(path, number, "columns", f"{len(line)} columns, at most {COLUMNS}")
            if line == "{":
                start = number
            elif line.startswith("}") and start:
                if number - start + 1 > FUNCTION_LINES:
                    self.say(path, start, "function", f"{number - start + 1} lines, at most {FUNCTION_LINES}")
                start = None

    def sql(self, path, code):
        if path.startswith(("schema/", "tests/", "bench/")) or path.endswith(("_store.c", "_rows.h")):
            return
        for number, line in enumerate(code.split("\n"), 1):
            if SQL.search(line):
                self.say(path, number, "sql", "statements live in *_store.c, what they share in *_rows.h")

    def guard(self, path, lines):
        if not path.endswith(".h") or path.split("/")[0] not in PARTS:
            return
        wanted = "FARTHING_" + re.sub(r"[^A-Z0-9]", "_", path.upper())
        first = next((line for line in lines if line.startswith("#ifndef")), "")
        if first.split()[1:] != [wanted]:
            self.say(path, 1, "guard", f"the include guard is {wanted}")

    def migrations(self):
        numbers = {}
        for file in sorted((self.root / "schema" / "migrations").glob("*")):
            path = str(file.relative_to(self.root))
            match = re.fullmatch(r"(\d{4})_[a-z0-9_]+\.sql", file.name)
            if not match:
                self.say(path, 1, "migration", "is named NNNN_name.sql")
            elif match.group(1) in numbers:
                self.say(path, 1, "migration", f"has the number of {numbers[match.group(1)]}")
            else:
                numbers[match.group(1)] = file.name

    def file(self, file):
        path = str(file.relative_to(self.root))
        text = file.read_text(encoding="utf-8")
        lines = text.split("\n")
        if lines and lines[-1] == "":
            lines.pop()
        code = blank(text, keep_strings=False)
        self.includes(path, blank(text, keep_strings=True).split("\n"))
        self.calls(path, code, lines)
        self.floats(path, code)
        self.sizes(path, text, lines)
        self.sql(path, blank(text, keep_strings=True))
        self.guard(path, lines)

    def run(self):
        files = 0
        for folder in PARTS + ["tests", "bench", "examples"]:
            for file in sorted((self.root / folder).rglob("*.[ch]")):
                if "node_modules" not in file.parts:
                    self.file(file)
                    files += 1
        self.migrations()
        if files == 0:
            self.say(str(self.root), 0, "lint", "no files found")
        return self.found


def main():
    found = Lint(pathlib.Path(sys.argv[1]).resolve()).run()
    for line in found:
        print(line)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
