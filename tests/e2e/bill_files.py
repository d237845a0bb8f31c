#!/usr/bin/env python3
"""Reads the files of one month's bill with readers that are not Farthing's and compares them with each other.

    bill_files.py DIR ACCOUNT MONTH [--function NAME]... [--note NUMBER --of NUMBER]

Python's csv and sqlite3 read every table back and give the same values again; the sums of summary, FOCUS, AWS's layout,
InvoiceDetail and UBL are one and the same; the manifest says what the files are. Names given must be found as they are.
Every number in the files of a credit note is the opposite of the one in its invoice's, and everything else is the same.
"""
import argparse
import csv
import decimal
import hashlib
import io
import json
import pathlib
import sqlite3
import sys
import xml.etree.ElementTree as ET

decimal.getcontext().prec = 80
D = decimal.Decimal
CBC = "{urn:oasis:names:specification:ubl:schema:xsd:CommonBasicComponents-2}"
CAC = "{urn:oasis:names:specification:ubl:schema:xsd:CommonAggregateComponents-2}"


def fail(text):
    sys.exit(f"bill_files.py: {text}")


def rows_of(path):
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.reader(file, strict=True))


def again(rows):
    out = io.StringIO()
    csv.writer(out).writerows(rows)
    return list(csv.reader(io.StringIO(out.getvalue(), newline="")))


def through_sqlite(rows):
    db = sqlite3.connect(":memory:")
    names = [f"c{i}" for i in range(len(rows[0]))]
    db.execute(f"CREATE TABLE t ({', '.join(name + ' TEXT' for name in names)})")
    db.executemany(f"INSERT INTO t VALUES ({', '.join('?' for _ in names)})", rows)
    return [list(row) for row in db.execute("SELECT * FROM t ORDER BY rowid")]


def tables(folder):
    found = {}
    for path in sorted(folder.glob("*.csv")):
        raw = path.read_bytes()
        if raw.count(b"\n") and raw.replace(b"\r\n", b"").count(b"\r"):
            fail(f"{path.name}: a lone carriage return")
        rows = rows_of(path)
        if any(len(row) != len(rows[0]) for row in rows):
            fail(f"{path.name}: rows of different lengths")
        if again(rows) != rows or through_sqlite(rows) != rows:
            fail(f"{path.name}: csv or sqlite3 give other values")
        found[path.name] = [dict(zip(rows[0], row)) for row in rows[1:]]
    return found


def check_manifest(folder, found):
    manifest = json.loads((folder / "manifest.json").read_text())
    for item in manifest["files"]:
        raw = (folder / item["file"]).read_bytes()
        if len(raw) != item["size"] or hashlib.sha256(raw).hexdigest() != item["sha256"]:
            fail(f"{item['file']} is not what the manifest says")
        if item["file"] in found and len(found[item["file"]]) != item["rows"]:
            fail(f"{item['file']} has {len(found[item['file']])} rows, the manifest says {item['rows']}")
    named = {item["file"] for item in manifest["files"]} | {"manifest.json", "SHA256SUMS"}
    others = {path.name for path in folder.iterdir()} - named
    if others:
        fail(f"the manifest does not name {others}")


def check_sums(found, prefix):
    summary = found[f"{prefix}-summary.csv"]
    total = next(D(row["amount"]) for row in summary if row["record_type"] == "total")
    parts = sum(D(row["amount"]) for row in summary if row["record_type"] not in ("total", "share"))
    aws = found[f"{prefix}-aws.csv"]
    focus = found[f"{prefix}-focus.csv"]
    sums = {
        "summary lines": parts,
        "aws InvoiceTotal": next(D(row["TotalCost"]) for row in aws if row["RecordType"] == "InvoiceTotal"),
        "aws lines": sum(D(row["TotalCost"]) for row in aws if row["RecordType"] == "LinkedLineItem"),
        "focus BilledCost": sum((D(row["BilledCost"]) for row in focus), D(0)),
    }
    detail = found[f"{prefix}-focus-invoice.csv"]
    if any(row["InvoiceId"] for row in focus):
        sums["focus InvoiceDetail"] = sum(D(row["BilledCost"]) for row in detail)
    for name, value in sums.items():
        if value != total:
            fail(f"{name} is {value}, the total {total}")
    for row in focus:
        if row["ListUnitPrice"] and D(row["ListUnitPrice"]) * D(row["PricingQuantity"]) != D(row["ListCost"]):
            fail(f"ListCost of {row['ResourceName']} is no product")
    by_line = {}
    for row in focus:
        by_line.setdefault(row["InvoiceDetailId"], []).append(D(row["BilledCost"]))
    for row in detail:
        if sum(by_line.get(row["InvoiceDetailId"], [D(0)])) != D(row["BilledCost"]):
            fail(f"rows of {row['InvoiceDetailId']} do not add up")
    return total


def money(node, path):
    found = node.find(path)
    return D(found.text) if found is not None else D(0)


def check_ubl(path, total):
    root = ET.parse(path).getroot()
    totals = root.find(f"{CAC}LegalMonetaryTotal")
    note = root.tag == "{urn:oasis:names:specification:ubl:schema:xsd:CreditNote-2}CreditNote"
    if not note and root.tag != "{urn:oasis:names:specification:ubl:schema:xsd:Invoice-2}Invoice":
        fail(f"{path.name} is a {root.tag}")
    if root.find(f"{CBC}{'CreditNote' if note else 'Invoice'}TypeCode").text != ("381" if note else "380"):
        fail(f"{path.name}: type code")
    lines = root.findall(f"{CAC}{'CreditNote' if note else 'Invoice'}Line")
    total = -total if note else total
    allowances = sum(money(node, f"{CBC}Amount") for node in root.findall(f"{CAC}AllowanceCharge"))
    net = money(totals, f"{CBC}TaxExclusiveAmount")
    tax = money(root, f"{CAC}TaxTotal/{CBC}TaxAmount")
    subtotals = root.findall(f"{CAC}TaxTotal/{CAC}TaxSubtotal")
    rules = {
        "BR-CO-10": money(totals, f"{CBC}LineExtensionAmount") == sum(money(n, f"{CBC}LineExtensionAmount") for n in lines),
        "BR-CO-11": money(totals, f"{CBC}AllowanceTotalAmount") == allowances,
        "BR-CO-13": net == money(totals, f"{CBC}LineExtensionAmount") - allowances,
        "BR-CO-14": tax == sum(money(node, f"{CBC}TaxAmount") for node in subtotals),
        "BR-CO-15": money(totals, f"{CBC}TaxInclusiveAmount") == net + tax,
        "BR-CO-16": money(totals, f"{CBC}PayableAmount")
        == money(totals, f"{CBC}TaxInclusiveAmount") - money(totals, f"{CBC}PrepaidAmount"),
        "BR-S-08": sum(money(node, f"{CBC}TaxableAmount") for node in subtotals) == net,
        "BR-27": all(money(node, f"{CAC}Price/{CBC}PriceAmount") >= 0 for node in lines),
        "BR-16": len(lines) > 0,
        "payable is the total": money(totals, f"{CBC}PayableAmount") == total,
    }
    for node in subtotals:
        rate = money(node, f"{CAC}TaxCategory/{CBC}Percent")
        exact = (money(node, f"{CBC}TaxableAmount") * rate / 100).quantize(D("0.01"), decimal.ROUND_HALF_UP)
        rules["BR-CO-17"] = exact == money(node, f"{CBC}TaxAmount")
    for node in lines:
        product = money(node, f"{CBC}{'Credited' if note else 'Invoiced'}Quantity") * money(node, f"{CAC}Price/{CBC}PriceAmount")
        rules["R120"] = rules.get("R120", True) and abs(product - money(node, f"{CBC}LineExtensionAmount")) <= D("0.02")
    broken = [name for name, kept in rules.items() if not kept]
    if broken:
        fail(f"{path.name} breaks {', '.join(broken)}")


# Column: what a credit note has instead of what its invoice has. The others are numbers, which turn, or stay.
OWN = {
    "summary": {"state": "issued", "invoice": "NOTE", "records_root": None},
    "focus": {"InvoiceId": "NOTE", "ChargeClass": "Correction", "x_BillState": "issued"},
    "focus-invoice": {"InvoiceId": "NOTE", "ReferenceInvoiceId": "INVOICE", "PaymentTerms": "Due on receipt"},
    "aws": {"InvoiceID": "NOTE"},
}
TURN = {
    "summary": ["quantity", "exact_amount", "amount"],
    "focus": ["BilledCost", "ConsumedQuantity", "ContractedCost", "EffectiveCost", "ListCost", "PricingCurrencyEffectiveCost",
              "PricingQuantity", "x_RoundingAdjustment"],
    "focus-invoice": ["BilledCost"],
    "aws": ["UsageQuantity", "CostBeforeTax", "Credits", "TaxAmount", "TotalCost"],
}
TIMES = ["InvoiceDetailCreated", "InvoiceDetailLastUpdated", "InvoiceIssueDate", "PaymentDueDate", "InvoiceDate"]


def check_note(found, account, note, invoice):
    for layout, own in OWN.items():
        rows = found[f"{account}-{note}-{layout}.csv"]
        whole = found[f"{account}-{invoice}-{layout}.csv"]
        if len(rows) != len(whole) or not rows:
            fail(f"{layout}: {note} has {len(rows)} rows, {invoice} {len(whole)}")
        for row, other in zip(rows, whole):
            for column, value in row.items():
                before = other[column]
                if column in own:
                    wanted = {"NOTE": note, "INVOICE": invoice, None: before}.get(own[column], own[column])
                elif column == "InvoiceDetailId":
                    wanted = before.replace(invoice, note)
                elif column in TURN[layout]:
                    wanted = before if not before or D(before) == 0 else before[1:] if before[0] == "-" else "-" + before
                else:
                    wanted = value if column in TIMES else before
                if value != wanted:
                    fail(f"{layout} of {note}: {column} is {value!r}, not {wanted!r}")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("dir", type=pathlib.Path)
    parser.add_argument("account")
    parser.add_argument("month")
    parser.add_argument("--function", action="append", default=[])
    parser.add_argument("--name")
    parser.add_argument("--note")
    parser.add_argument("--of")
    words = parser.parse_args()
    found = tables(words.dir)
    prefix = f"{words.account}-{words.month}"
    check_manifest(words.dir, found)
    total = check_sums(found, prefix)
    names = {row["function"] for row in found[f"{prefix}-summary.csv"]}
    for name in words.function:
        if name not in names or name not in {row["ResourceName"] for row in found[f"{prefix}-focus.csv"]}:
            fail(f"function {name!r} does not come back as it is")
    if words.name and {row["BillingAccountName"] for row in found[f"{prefix}-focus.csv"]} != {words.name}:
        fail("the account's name does not come back as it is")
    if words.note:
        check_note(found, words.account, words.note, words.of)
        for number in (words.note, words.of):
            document = words.dir / f"{words.account}-{number}-ubl.xml"
            check_ubl(document, check_sums(found, f"{words.account}-{number}"))
        reference = ET.parse(words.dir / f"{words.account}-{words.note}-ubl.xml").find(
            f"{CAC}BillingReference/{CAC}InvoiceDocumentReference/{CBC}ID")
        if reference is None or reference.text != words.of:
            fail(f"the electronic {words.note} does not name {words.of}")
    ubl = words.dir / f"{prefix}-ubl.xml"
    if ubl.exists():
        check_ubl(ubl, total)
    print(f"{prefix}: total {total}, {len(found)} tables, {'with' if ubl.exists() else 'no'} ubl")


if __name__ == "__main__":
    main()
