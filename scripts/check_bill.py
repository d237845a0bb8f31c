#!/usr/bin/env python3
"""Does a bill (layout summary) add up? check_bill.py BILL.csv: total = sum of its lines, every line = sum of its shares."""
import csv
import sys
from decimal import Decimal

NOT_ADDED = {"share", "subtotal", "total"}


def main():
    with open(sys.argv[1], newline="", encoding="utf-8-sig") as source:
        rows = list(csv.DictReader(source))
    totals = [row for row in rows if row["record_type"] == "total"]
    added = [row for row in rows if row["record_type"] not in NOT_ADDED]
    if len(totals) != 1 or rows[-1]["record_type"] != "total":
        sys.exit("the bill has no total in its last row")
    if not added:
        sys.exit("the bill has no lines")
    total = Decimal(totals[0]["amount"])
    lines = sum(Decimal(row["amount"]) for row in added)
    if lines != total:
        sys.exit(f"the lines add up to {lines}, the total is {total}")
    for line in added:
        shares = [row for row in rows if row["record_type"] == "share" and row["line"] == line["line"]]
        for column in ("amount", "quantity"):
            if shares and sum(Decimal(row[column]) for row in shares) != Decimal(line[column]):
                sys.exit(f"line {line['line']}: the shares' {column} is not that of the line, {line[column]}")
    print(f"{len(added)} lines add up to the total: {total} {totals[0]['currency']}")


main()
