"""Changes a bill and its records in many ways, one at a time: the verifier names each, whatever it is.

    verify_mutations.py FARTHING BILL.csv RECORDS.csv [COUNT] [SEED]

A bit is flipped, a line goes, comes twice or changes its place, a digit becomes another, a name of the header changes or two
columns change places in it, the last line ends early. What differs only in how it is written (the end of a line, quotes) is no
change: of that the verifier says "matches".
"""
import csv
import io
import pathlib
import random
import subprocess
import sys
import tempfile

farthing, bill, records = sys.argv[1:4]
count, seed = (int(word) for word in (sys.argv[4:] + ["300", "1"][len(sys.argv) - 4:])[:2])
draw = random.Random(seed)


def told(row):
    """Its cells by name; why a credit was given or what was corrected stands in no record."""
    stated = row.get("record_type") in ("credit", "correction")
    return sorted((str(name), "" if stated and name == "description" else str(cell)) for name, cell in row.items())


def values(data):
    try:
        return [told(row) for row in csv.DictReader(io.StringIO(data.decode(), newline=""))]
    except (UnicodeDecodeError, csv.Error):
        return None


def mutate(data):
    lines = data.splitlines(keepends=True)
    at = draw.randrange(len(lines))
    kind = draw.choice(("bit", "bit", "digit", "digit", "drop", "twice", "swap", "header", "cut", "ends"))
    if kind == "header":
        names = lines[0].rstrip(b"\r\n").split(b",")
        one, other = draw.sample(range(len(names)), 2)
        if draw.randrange(2):
            names[one], names[other] = names[other], names[one]
        else:
            names[one] = draw.choice((names[other], names[one].upper(), names[one] + b"x", b""))
        return f"header {b','.join(names).decode()}", b"".join([b",".join(names) + b"\r\n", *lines[1:]])
    if kind == "cut":
        left = draw.randrange(1, len(lines[-1].rstrip(b"\r\n")))
        return f"the last {left} bytes gone", data.rstrip(b"\r\n")[:-left] + draw.choice((b"", b"\r\n"))
    if kind == "ends":
        return "other line ends", data.replace(b"\r\n", b"\n") if draw.randrange(2) else data.rstrip(b"\r\n")
    if kind == "bit":
        place = draw.randrange(len(data))
        return f"bit {place}", data[:place] + bytes([data[place] ^ 1 << draw.randrange(8)]) + data[place + 1:]
    if kind == "digit":
        digits = [i for i, byte in enumerate(data) if chr(byte).isdigit()]
        place = draw.choice(digits)
        other = draw.choice([byte for byte in b"0123456789" if byte != data[place]])
        return f"digit {place}", data[:place] + bytes([other]) + data[place + 1:]
    if kind == "drop":
        return f"line {at + 1} gone", b"".join(lines[:at] + lines[at + 1:])
    if kind == "twice":
        return f"line {at + 1} twice", b"".join(lines[:at + 1] + lines[at:])
    other = draw.randrange(len(lines))
    lines[at], lines[other] = lines[other], lines[at]
    return f"lines {at + 1} and {other + 1} swapped", b"".join(lines)


def where(before, after):
    """Row and column of the first cell that differs."""
    for number, (one, other) in enumerate(zip(before, after or []), 2):
        for left, right in zip(one, other):
            if left != right:
                return f"row {number}: {left!r}, now {right!r}"
    return "rows"


missed, tried = [], 0
with tempfile.TemporaryDirectory() as folder:
    changed = pathlib.Path(folder) / "changed.csv"
    for turn in range(count):
        of_bill = turn % 2 == 0
        data = pathlib.Path(bill if of_bill else records).read_bytes()
        what, other = mutate(data)
        before, after = values(data), values(other)
        if what == "other line ends":
            changed.write_bytes(other)
            words = [changed, "--records", records] if of_bill else [bill, "--records", changed]
            done = subprocess.run([farthing, "verify", *words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
            if done.returncode != 0 or b"matches" not in done.stdout:
                missed.append(f"{'bill' if of_bill else 'records'}: {what} are a change: {done.stdout.decode()}")
            continue
        if before == after or (not of_bill and after is not None and sorted(map(str, before)) == sorted(map(str, after))):
            continue  # the order of records is the verifier's, not the file's
        changed.write_bytes(other)
        words = [changed, "--records", records] if of_bill else [bill, "--records", changed]
        done = subprocess.run([farthing, "verify", *words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
        tried += 1
        if done.returncode not in (1, 2) or len(done.stdout) < 20:
            missed.append(f"{'bill' if of_bill else 'records'}: {what}: {where(before, after)}: exit code {done.returncode}")
for text in missed:
    print(f"FAILED: {text}")
print(f"{tried} changes, {len(missed)} not named")
sys.exit(1 if missed or tried < count // 2 else 0)
