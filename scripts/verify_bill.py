#!/usr/bin/env python3
"""Checks a Farthing bill against its records, from docs/verification.md alone: no server, no package, no Farthing.

usage: verify_bill.py BILL.csv RECORDS.csv      the bill in layout summary, the records in layout records
       verify_bill.py --proof PROOF.json [ROOT] one invocation, and the records root it must lead to

Exit code 0: it holds. 1: it does not; the first difference is printed.
"""
import csv
import hashlib
import json
import sys
from decimal import ROUND_HALF_UP, Decimal, getcontext
from fractions import Fraction

getcontext().prec = 200
LINE = ("account function_id version started_at request_id attempt status duration_us init_us billed_ms memory_mib peak_kib "
        "cpu_us response_bytes billed_requests ephemeral_mib flags").split()
PER_UNIT = {"requests": 1, "streamed_bytes": 1 << 30}
GB_S = 1_024_000


class Differs(Exception):
    pass


def check(condition, text):
    if not condition:
        raise Differs(text)


def sha(data):
    return hashlib.sha256(data).digest()


def leaf(text):
    return sha(b"\0" + text.encode())


def tree(leaves):
    if not leaves:
        return sha(b"")
    if len(leaves) == 1:
        return leaves[0]
    left = 1
    while left * 2 < len(leaves):
        left *= 2
    return sha(b"\1" + tree(leaves[:left]) + tree(leaves[left:]))


def follow(path, node):
    """RFC 9162, 2.1.3.2."""
    index, last = path["index"], path["count"] - 1
    check(index <= last, "the path's index is beyond its tree")
    for text in path["hashes"]:
        other = bytes.fromhex(text)
        check(last != 0, "the path is too long")
        if index & 1 or index == last:
            node = sha(b"\1" + other + node)
            while not index & 1 and index:
                index, last = index >> 1, last >> 1
        else:
            node = sha(b"\1" + node + other)
        index, last = index >> 1, last >> 1
    check(last == 0, "the path is too short")
    return node


def read(path):
    with open(path, newline="", encoding="utf-8-sig") as source:
        return list(csv.DictReader(source))


def records_root(records):
    days = {}
    for row in sorted(records, key=lambda r: (r["started_at"], r["request_id"], int(r["attempt"]))):
        line = ",".join(["farthing-record-1"] + [row[column] for column in LINE])
        days.setdefault(row["started_at"][:10], []).append(leaf(line))
    account = records[0]["account"] if records else ""
    return tree([leaf(f"farthing-day-1,{account},{day},{len(leaves)},{tree(leaves).hex()}")
                 for day, leaves in sorted(days.items())]).hex()


def quantities(records):
    total, seen = {}, set()
    for number, row in enumerate(records, 2):
        identity = (row["request_id"], row["attempt"])
        check(identity not in seen, f"row {number} of the records: {identity} stands there twice")
        seen.add(identity)
        billed, memory, flags = int(row["billed_ms"]), int(row["memory_mib"]), int(row["flags"])
        check(int(row["mb_ms"]) == billed * memory, f"row {number} of the records: mb_ms is not billed_ms x memory_mib")
        storage = max(int(row["ephemeral_mib"]) - 512, 0) * billed
        check(int(row["storage_mb_ms"]) == storage, f"row {number} of the records: storage_mb_ms is not {storage}")
        arch = "arm64" if flags & 8 else "x86_64"
        compute = ("provisioned_compute_" if flags & 4 else "compute_") + arch
        for meter, amount in (("requests", int(row["billed_requests"])), (compute, billed * memory),
                              ("ephemeral_storage", storage), ("streamed_bytes", int(row["streamed_bytes"]))):
            total[meter] = total.get(meter, 0) + amount
    return {meter: amount for meter, amount in total.items() if amount}


def check_money(lines, shares):
    for line in lines:
        name, amount = f"line {line['line']}", Decimal(line["amount"])
        exact = Decimal(line["exact_amount"])
        if line["record_type"] == "line":
            check(exact == Decimal(line["quantity"]) * Decimal(line["unit_price"]),
                  f"{name}: exact_amount is not quantity x unit_price")
            step = Decimal(1).scaleb(amount.as_tuple().exponent)
            check(amount == exact.quantize(step, ROUND_HALF_UP), f"{name}: amount is not exact_amount rounded once")
        parts = [share for share in shares if share["line"] == line["line"]]
        for column in ("amount", "quantity"):
            check(not parts or sum(Decimal(part[column]) for part in parts) == Decimal(line[column]),
                  f"{name}: its shares do not add up to its {column}")


def verify(bill, records):
    total = bill[-1] if bill else {}
    check(total.get("record_type") == "total", "the bill has no total in its last row")
    shares = [row for row in bill if row["record_type"] == "share"]
    lines = [row for row in bill if row["record_type"] not in ("share", "subtotal", "total")]
    check_money(lines, shares)
    check(sum(Decimal(line["amount"]) for line in lines) == Decimal(total["amount"]),
          "the lines do not add up to the total")
    billed = {}
    for line in lines:
        # Configured concurrency is billed by the time it was configured, not by records.
        if line["record_type"] == "line" and not line["meter"].startswith("provisioned_concurrency_"):
            amount = Fraction(line["quantity"]) * PER_UNIT.get(line["meter"], GB_S)
            billed[line["meter"]] = billed.get(line["meter"], 0) + amount
    counted = quantities(records)
    for meter in sorted(set(billed) | set(counted)):
        check(billed.get(meter, 0) == counted.get(meter, 0),
              f"{meter}: the bill has {billed.get(meter, 0)}, the records give {counted.get(meter, 0)}")
    for row in records:
        check(row["account"] == total["account"] and row["started_at"][:7] == total["month"],
              f"invocation {row['request_id']} is of another account or month")
    root, stated = records_root(records), total.get("records_root", "")
    check(not stated or stated == root, f"records_root is {stated} on the bill; the records give {root}")
    print(f"matches: {len(records)} records give {len(lines)} lines and {total['amount']} {total['currency']}")
    print(f"records root {root}: " + ("as the invoice states" if stated else "the bill states none"))


def verify_proof(proof, root):
    record, day = proof["record"].split(","), proof["day"].split(",")
    check(record[0] == "farthing-record-1" and day[0] == "farthing-day-1", "the lines are of another format")
    check(record[1] == day[1] and record[4][:10] == day[2], "the record is not of that account and day")
    check(day[3] == str(proof["in_day"]["count"]), "the day has another number of records than the path")
    check(follow(proof["in_day"], leaf(proof["record"])).hex() == day[4], "the record is not under the root of the day")
    reached = follow(proof["in_month"], leaf(proof["day"])).hex()
    check(reached == proof["records_root"], "the day is not under the records root")
    check(root in ("", reached), f"the proof leads to {reached}")
    print(f"holds: {proof['record']}")


def main():
    try:
        if sys.argv[1:2] == ["--proof"] and len(sys.argv) in (3, 4):
            with open(sys.argv[2], encoding="utf-8") as source:
                verify_proof(json.load(source), "".join(sys.argv[3:]))
        elif len(sys.argv) == 3:
            verify(read(sys.argv[1]), read(sys.argv[2]))
        else:
            sys.exit(__doc__)
    except Differs as difference:
        print(f"does not match: {difference}")
        sys.exit(1)


main()
