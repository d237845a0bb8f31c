#!/usr/bin/env bash
# The JSON Schema of price books and the program agree, with an independent validator (python3-jsonschema):
# tests/price_books/good-* both accept, bad-* both refuse, rule-* only the program refuses (rules no schema can say).
set -euo pipefail
source_dir=${FARTHING_SOURCE:-$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)}
farthing=${FARTHING_BUILD:?the build folder}/cli/farthing
[[ -x $farthing ]] || { echo "skipped: $farthing is not built"; exit 77; }
python3 -c 'import jsonschema' 2>/dev/null || { echo "skipped: python3-jsonschema is not installed"; exit 77; }
exec python3 - "$source_dir" "$farthing" <<'PYTHON'
import json, pathlib, re, subprocess, sys, warnings
warnings.simplefilter("ignore")
import jsonschema

root, farthing = pathlib.Path(sys.argv[1]), sys.argv[2]
schema = json.loads((root / "docs/price-book.schema.json").read_text())
jsonschema.Draft202012Validator.check_schema(schema)
validator = jsonschema.Draft202012Validator(schema)
wrong = []

def program(path):
    done = subprocess.run([farthing, "prices", "check", str(path)], capture_output=True, text=True)
    return done.returncode == 0, done.stderr

files = sorted((root / "tests/price_books").glob("*.json"))
if len(files) < 30:
    wrong.append(f"only {len(files)} books in tests/price_books")
for path in files:
    kind = path.name.split("-")[0]
    by_schema = validator.is_valid(json.loads(path.read_text()))
    by_program, said = program(path)
    if (by_schema, by_program) != {"good": (True, True), "bad": (False, False), "rule": (True, False)}[kind]:
        wrong.append(f"{path.name}: schema says {by_schema}, program says {by_program}: {said}")
    if not by_program and not re.search(r"(^|[ :(])/", said, re.M):
        wrong.append(f"{path.name}: the refusal names no place: {said}")

default = re.search(r'DEFAULT_BOOK\[\] =\n(.*?);', (root / "billing/price_default.c").read_text(), re.S).group(1)
default = json.loads("".join(json.loads(line) for line in re.findall(r'"(?:\\.|[^"\\])*"', default)))
documented = json.loads(re.search(r"```json\n(.*?)```", (root / "docs/price-book.md").read_text(), re.S).group(1))
for name, book in (("the default book", default), ("the example of docs/price-book.md", documented)):
    for error in validator.iter_errors(book):
        wrong.append(f"{name}: {error.json_path}: {error.message}")
print("\n".join(wrong) if wrong else f"{len(files)} books: schema and program agree")
sys.exit(1 if wrong else 0)
PYTHON
