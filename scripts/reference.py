#!/usr/bin/env python3
"""Writes the pages of docs/reference/ from the program's own tables, or says which of them is old.

    FARTHING_BUILD=build/dev FARTHING_URL=... scripts/reference.py [--check]

Options come from `farthing serve --print-config`, metrics and routes from a node at FARTHING_URL, problem codes, error
types and limits from the source. What is in the code and not explained here is an error: nothing is left undocumented.
"""
import glob
import json
import os
import re
import subprocess
import sys
import urllib.request

SOURCE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
MADE = "<!-- Made by scripts/reference.py. -->\n"

ENVIRONMENT = {
    "FARTHING_URL": "where the node is, for the command line (the `url` file of the data directory; http://127.0.0.1:8080)",
    "FARTHING_KEY": "API key of the command line (else `admin.key` of the data directory)",
    "FARTHING_ACCOUNT": "account of `function deploy`, `invoke` and `logs`, where none is named",
    "FARTHING_CA_CERT": "certificate the command line trusts, for a node with its own",
    "FARTHING_DATA_DIR": "data directory, of a node and of the command line (`/var/lib/farthing` as root, else `~/.local/share/farthing`)",
    "FARTHING_DATABASE": "connection string, of a node and of `migrate`, `doctor` and `replay`; in place of `--database`",
    "FARTHING_PG_BINDIR": "folder of PostgreSQL's programs, where they are not found",
    "FARTHING_SHARE": "folder of the examples and scripts that `serve --demo` uses",
    "NO_COLOR": "no colours, whatever its value",
    "PGSERVICEFILE": "with `PGPASSFILE` and the other variables of libpq: address and password of the database (how-to/own-postgresql.md)",
}

CODES = {
    "invalid": "see `errors`: each has a `pointer` into the body or the name of a `parameter`",
    "invalid_json": "mend the body",
    "unauthorized": "no key, or it is unknown, revoked or expired",
    "forbidden": "the scope of the key is too small, or the account is suspended",
    "not_found": "also what belongs to another account",
    "method_not_allowed": "see `Allow`",
    "not_acceptable": "ask for another `Accept` or `format`",
    "conflict": "a name is taken, or the state does not allow it; read it again",
    "idempotency_in_progress": "wait for the first request, then ask again with the same key",
    "precondition_failed": "read it again, then change it",
    "stale_version": "the `ETag` in `If-Match` is old: read it again, then change it",
    "body_too_large": "see [limits.md](limits.md)",
    "code_too_large": "see [limits.md](limits.md)",
    "uri_too_long": "see [limits.md](limits.md)",
    "unsupported_media_type": "the detail names those that are known",
    "idempotency_mismatch": "use another `Idempotency-Key`",
    "quota_exceeded": "`violated-policies`, `limit`, `used`, `held` and `resets_at` say why; `Retry-After` when",
    "limit": "a limit of the program or of the account; the detail names it",
    "retry": "nothing happened; try again after `Retry-After`",
    "uncertain": "try again with the same `Idempotency-Key`: it is not done twice",
    "overloaded": "try again after `Retry-After`",
    "shutting_down": "ask another node, or this one when it is back",
    "not_implemented": "Lambda operations that Farthing does not have",
    "system": "report it; the node's log has the `request_id`",
}

FUNCTION_ERRORS = {
    "Runtime.ExitError": "the process ended without an answer",
    "Runtime.OutOfMemory": "it was ended at its memory limit",
    "Sandbox.Timedout": "it ran longer than its timeout",
    "Function.ResponseSizeTooLarge": "the answer is larger than 6 MiB",
    "Runtime.HandlerNotFound": "the module has no such function",
    "Runtime.ImportModuleError": "the module of the handler cannot be loaded",
    "Runtime.MalformedHandlerName": "the handler is not MODULE.FUNCTION",
    "Runtime.UserCodeSyntaxError": "the code cannot be parsed",
    "Runtime.InvalidEntrypoint": "`bootstrap` is missing or cannot be executed",
    "Runtime.InvalidWorkingDir": "the package cannot be entered",
    "Runtime.Unknown": "the runtime reported an error without a type",
    "Extension.InitError": "an extension said that it cannot start",
    "Extension.ExitError": "an extension said that it cannot go on",
    "Extension.Crash": "the process of an extension ended",
    "Extension.LaunchError": "a program in `/opt/extensions` cannot be executed",
    "Extension.TooManyExtensions": "there are more than ten",
}

# Limits that somebody who uses the program can meet: macro of a header -> (group, words, unit).
LIMITS = {
    "FUNCTION_MEMORY_MIB_MAX": ("Functions", "memory", "MiB"),
    "FUNCTION_TIMEOUT_S_MAX": ("Functions", "timeout", "s"),
    "FUNCTION_EPHEMERAL_MIB_MAX": ("Functions", "ephemeral storage (`/tmp`)", "MiB"),
    "FUNCTION_ENVIRONMENT_BYTES_MAX": ("Functions", "environment, names and values together", "bytes"),
    "FUNCTION_ZIP_BYTES_MAX": ("Functions", "package", "bytes"),
    "FUNCTION_UNZIPPED_BYTES_MAX": ("Functions", "package and layers together, unpacked", "bytes"),
    "FUNCTION_LAYERS_MAX": ("Functions", "layers of a function", ""),
    "LAYER_RUNTIMES_MAX": ("Functions", "runtimes a layer says it is meant for", ""),
    "LAYER_ARCHITECTURES_MAX": ("Functions", "architectures a layer says it is meant for", ""),
    "INVOKE_REQUEST_BYTES_MAX": ("Invocations", "event", "bytes"),
    "INVOKE_ASYNC_BYTES_MAX": ("Invocations", "event, asynchronous", "bytes"),
    "INVOKE_RESPONSE_BYTES_MAX": ("Invocations", "answer", "bytes"),
    "INVOKE_STREAM_BYTES_MAX": ("Invocations", "answer, streamed", "bytes"),
    "PAYLOAD_DEPTH_MAX": ("Invocations", "depth of an event's JSON", "levels"),
    "EVENT_RETRIES_MAX": ("Invocations", "retries of an asynchronous event", ""),
    "EVENT_AGE_S_MAX": ("Invocations", "age of an asynchronous event", "s"),
    "EVENT_HOPS_MAX": ("Invocations", "functions that send each other one event", ""),
    "REPLY_HEADERS_FOREIGN_MAX": ("Invocations", "headers and cookies in the answer of a function URL", ""),
    "URL_HEADER_BYTES_MAX": ("Invocations", "headers in the answer of a function URL, names and values", "bytes"),
    "URL_PRELUDE_BYTES_MAX": ("Invocations", "status and headers before a streamed answer of a function URL", "bytes"),
    "LOG_LINE_MAX": ("Invocations", "line of a log; the rest is cut off", "bytes"),
    "IDEM_KEY_BYTES_MAX": ("Invocations", "`Idempotency-Key`", "bytes"),
    "IDEM_ENTRIES_MAX": ("Invocations", "answers a node remembers for `Idempotency-Key`", ""),
    "RUNTIME_API_CONNECTIONS_MAX": ("Invocations", "connections of one instance to its Runtime API", ""),
    "HTTP_HEAD_BYTES_MAX": ("Invocations", "head of a request to the Runtime API", "bytes"),
    "EXTENSIONS_MAX": ("Invocations", "extensions of an instance", ""),
    "EXTENSION_BODY_BYTES_MAX": ("Invocations", "body that registers an extension", "bytes"),
    "EXTENSIONS_SHUTDOWN_MS_MAX": ("Invocations", "time extensions have at the end of their instance", "ms"),
    "QUOTA_THRESHOLDS_MAX": ("Accounts", "thresholds of a quota", ""),
    "QUOTA_UNRESERVED_MIN": ("Accounts", "concurrency that reserving must leave to other functions, where the account has ten times that", ""),
    "WEBHOOKS_MAX": ("Accounts", "webhooks", ""),
    "NOTICE_ATTEMPTS_MAX": ("Accounts", "attempts to deliver an event to a webhook", ""),
    "ACCOUNT_JSON_BYTES_MAX": ("Accounts", "billing details", "bytes"),
    "INVOICE_REASON_BYTES_MAX": ("Accounts", "reason of a void or credited invoice", "bytes"),
    "CREDIT_MINOR_MAX": ("Accounts", "one credit, in minor units of the currency", ""),
    "EVENTS_MAX": ("REST", "usage events in a batch", ""),
    "REQUEST_URI_BYTES_MAX": ("REST", "address", "bytes"),
    "REQUEST_QUERY_MAX": ("REST", "parameters in a query", ""),
    "PAGE_LIMIT_MAX": ("REST", "items on a page", ""),
    "LAMBDA_PAGE_MAX": ("REST", "items on a page of Lambda's API", ""),
    "USAGE_ROWS_MAX": ("REST", "rows of one usage answer", ""),
    "JSON_DEPTH_MAX": ("REST", "depth of a JSON body", "levels"),
    "API_CONNECTIONS_MAX": ("REST", "connections to a node", ""),
    "STAMPER_BATCH_MAX": ("REST", "questions about usage and cost that share one look whether anything changed", ""),
    "STAMPER_WAITING_MAX": ("REST", "questions that wait for that look; the next goes to a worker", ""),
    "API_QUEUE_MAX": ("REST", "requests that wait for a worker; the next gets 503", ""),
    "PRICE_BOOK_BYTES_MAX": ("Price books", "document", "bytes"),
    "PRICE_BANDS_MAX": ("Price books", "bands of a meter", ""),
    "PRICE_FREE_MAX": ("Price books", "free allowances", ""),
    "PRICE_TAXES_MAX": ("Price books", "taxes", ""),
    "PRICE_POLICIES_MAX": ("Price books", "dated policies", ""),
    "PRICE_SCALE_MAX": ("Price books", "decimals of a price", ""),
    "REPORT_DOCUMENTS_MAX": ("Bills", "invoices and credit notes of an account about one month, in a file of all accounts", ""),
    "PRINTED_FUNCTIONS_MAX": ("Bills", "functions on the printed bill; the rest is one row", ""),
    "PARTY_ADDRESS_LINES_MAX": ("Bills", "lines of an address", ""),
    "PARTY_DOCUMENT_BYTES_MAX": ("Bills", "issuer file", "bytes"),
    "CORRECTION_LINES_MAX": ("Bills", "correction lines on one invoice", ""),
    "CLOSE_WORKERS_MAX": ("Bills", "connections of a month's close", ""),
    "CLOSER_GRACE_HOURS_MAX": ("Bills", "`--close-grace`", "h"),
    "RETENTION_DAYS_MAX": ("Bills", "`--record-retention`", "days"),
    "WHAT_IF_RECORDS_MAX": ("Bills", "records of a month that `--grain` or `--init` rounds again", ""),
    "WHAT_IF_GRAIN_MS_MAX": ("Bills", "`--grain`", "ms"),
    "HOOK_THREADS_MAX": ("Hook library", "threads that emit at the same time", ""),
    "CONFIG_FILE_BYTES_MAX": ("Command line", "configuration file", "bytes"),
    "REST_BODY_BYTES_MAX": ("Command line", "answer it reads", "bytes"),
}
# Limits of headers that no user meets (those of *_internal.h and cli/ need no mention): sizes of buffers, batches and retries inside.
INSIDE = set("""
ACCOUNT_ID_MAX ADMISSION_ROOMS_MAX API_BATCH_MAX ARG_LIST_MAX AWS_PRODUCTS_MAX AWS_REGIONS_MAX BILL_FILES_MAX CLOSER_ACCOUNTS_BYTES_MAX CLOSE_BATCH_MAX
CLOSE_CURRENCIES_MAX CONFIG_KEYS_MAX CSV_FIELDS_MAX CSV_ROW_BYTES_MAX EMBEDDED_PATH_MAX ENGINE_ERROR_BYTES_MAX ENGINE_QUEUE_MAX
ENGINE_SPOOL_FILL_MAX ERR_FIELD_BYTES_MAX ERR_TEXT_BYTES_MAX EXACT_DECIMALS_MAX FUNCTION_URL_KNOWN_MAX HTTP_FIELDS_MAX IDEM_BYTES_MAX
JSON_WRITER_DEPTH_MAX LAYERS_READ_MAX LATENCY_COUNT_MAX LAUNCH_EXTENSIONS_MAX LAUNCH_FILES_MAX LAUNCH_TEXT_BYTES_MAX LEASE_UNITS_MAX LOG_LINE_BYTES_MAX MERKLE_PATH_MAX
PARTITION_DAYS_MAX PDF_COLUMNS_MAX PG_CHANNELS_MAX PG_PARAMS_MAX PG_TX_TRIES_MAX PRICE_PROBLEMS_MAX PRINTED_DAYS_MAX
PRINTED_SERIES_MAX PRINTED_SUMS_MAX PRODUCERS_MAX PROOF_JSON_BYTES_MAX RATED_LINES_MAX READER_SEGMENTS_MAX REPLY_HEADERS_MAX
REPLY_MEMORY_BYTES_MAX REQUEST_PARAMS_MAX SAMPLES_MAX SEAL_DAYS_MAX SHARE_LEVELS_MAX SPOOL_SLOTS_MAX TABLE_COLUMNS_MAX
TRACE_FILE_BYTES_MAX TRACE_HASH_BYTES_MAX USAGE_FEED_BATCH_MAX USAGE_FEED_HOOKS_MAX
""".split())


class Gap(Exception):
    """Something of the code that is not explained."""


def text_of(path):
    with open(os.path.join(SOURCE, path), encoding="utf-8") as file:
        return file.read()


def sources(ending):
    parts = ("common", "schema", "metering", "engine", "billing", "reports", "api", "cli")
    return sorted(name for part in parts for name in glob.glob(f"{SOURCE}/{part}/**/*{ending}", recursive=True))


def same(what, ours, theirs):
    """Every name of the code is explained, and nothing is explained that is gone."""
    if missing := sorted(set(theirs) - set(ours)):
        raise Gap(f"{what}: not explained in scripts/reference.py: {', '.join(missing)}")
    if gone := sorted(set(ours) - set(theirs)):
        raise Gap(f"{what}: explained, but no longer there: {', '.join(gone)}")


def cell(text):
    return text.replace("|", "\\|").replace("<", "&lt;")


def table(heads, rows):
    lines = ["| " + " | ".join(heads) + " |", "|" + "---|" * len(heads)]
    return "\n".join(lines + ["| " + " | ".join(cell(word) for word in row) + " |" for row in rows]) + "\n"


def configuration(program):
    printed = subprocess.run([program, "serve", "--print-config"], check=True, capture_output=True, text=True).stdout
    rows = []
    for block in printed.split("\n\n")[1:]:
        words = " ".join(line[2:] for line in block.split("\n") if line.startswith("# "))
        keys = re.findall(r"^#([a-z-]+) = (.*)$", block, re.M)
        if not keys or not words:
            raise Gap(f"configuration: no key or no words in: {block}")
        for key, value in keys:
            rows.append((f"`{key}`", "`yes` or `no`" if value == "no" else f"`{value}`", words))
    named = set(re.findall(r"(?:getenv|environment)\(\"(\w+)\"\)", "".join(map(text_of, sources(".c")))))
    same("environment", set(ENVIRONMENT) - {"PGSERVICEFILE"},
         {name for name in named if name.startswith("FARTHING_")} | {"NO_COLOR"})
    return ("# Configuration\n\n" + MADE + "\n"
            "Options of `farthing serve`, on the command line (`--key value`) or in a file (`--config FILE`, a line `key = value`\n"
            "each; `farthing serve --print-config` writes one). The command line wins. A default stands in parentheses.\n\n"
            + table(("key", "value", "meaning"), rows) +
            "\n`farthing serve --config FILE --check-config` names file, line, key and rule of what is wrong, and starts nothing.\n"
            "\n## Environment\n\n" + table(("variable", "meaning"), [(f"`{k}`", v) for k, v in ENVIRONMENT.items()]))


def of_functions():
    call = r'(function|seconds)_family\(&page, &functions, "(\w+)", "([^"]+)",\s*(true|false)?'
    return [(f"`{name}{'' if counts == 'false' else '_total'}`", "gauge" if counts == "false" else "counter", words)
            for _, name, words, counts in re.findall(call, text_of("api/metrics.c"))]


def families(url, path):
    """Rows of what a page of metrics says of itself; labels stand where there is a sample."""
    request = urllib.request.Request(url + path, headers={"Accept": "text/plain;version=0.0.4",
                                                          "Authorization": "Bearer " + os.environ["FARTHING_KEY"]})
    with urllib.request.urlopen(request) as answer:
        page = answer.read().decode()
    kinds = dict(re.findall(r"^# TYPE (\S+) (\S+)$", page, re.M))
    rows = []
    for name, words in re.findall(r"^# HELP (\S+) (.*)$", page, re.M):
        sample = re.search(rf"^{name}(?:_info|_total)?\{{(\w+)=", page, re.M)
        rows.append((f"`{name}`", kinds[name], f"`{sample[1]}`" if sample else "", words))
    if not rows:
        raise Gap(f"metrics: {path} has none")
    return rows


def metrics(url):
    return ("# Metrics\n\n" + MADE + "\n"
            "OpenMetrics, or Prometheus' text format for those who ask for it. `packaging/prometheus/farthing.rules.yml` has alerts,\n"
            "`packaging/grafana/farthing.json` a dashboard; the Debian package puts both into `/usr/share/farthing/monitoring`.\n\n"
            "## Of a node\n\n`GET /metrics`, without a key. There are no account labels: their number has no bound.\n\n"
            + table(("name", "type", "label", "meaning"), families(url, "/metrics")) +
            "\n## Of functions\n\n`GET /v1/accounts/{a}/metrics` with a key of the account, `GET /v1/metrics` with an admin key: what ran on the node\n"
            "that is asked.\n\n"
            + table(("name", "type", "meaning"), [(row[0], row[1], row[3]) for row in families(url, "/v1/metrics")]))


def errors():
    words = re.findall(r'^    \{"(\w+)", (\d+), "([^"]*)"\},$', text_of("api/problem.c"), re.M)
    same("problem codes", CODES, [slug for slug, _, _ in words])
    classes = re.findall(r'^    \{"(\w+)", (\d+), (?:true|false), (?:true|false)\},$', text_of("api/lambda_errors.c"), re.M)
    engine = "".join(text_of(name) for name in sources(".c") if "/engine/" in name)
    types = set(re.findall(r'"((?:Runtime|Sandbox|Function)\.[A-Z]\w+)"', engine))
    # The others of extensions are refusals of their API, which no caller sees.
    types |= set(re.findall(r'"(Extension\.(?:\w*Error|Crash|TooManyExtensions))"', engine))
    types |= set(re.findall(r'["\'](Runtime\.[A-Z]\w+)["\']', "".join(
        open(name, encoding="utf-8").read() for name in glob.glob(f"{SOURCE}/engine/bootstraps/*"))))
    same("error types", FUNCTION_ERRORS, types)
    return ("# Errors\n\n" + MADE + "\n"
            "## Problem codes\n\nErrors of the REST API are problem documents (RFC 9457). `code` does not change from version to version; "
            "`detail` is for people.\n\n"
            + table(("code", "status", "title", "what to do"), [(f"`{s}`", n, t, CODES[s]) for s, n, t in words]) +
            "\n## Errors of functions\n\nThe call was made and is billed; the status is 200, `Farthing-Function-Error` says `Unhandled`, "
            "and `errorType` in the body is that of the\nfunction's own error, or one of these.\n\n"
            + table(("errorType", "meaning"), [(f"`{k}`", v) for k, v in FUNCTION_ERRORS.items()]) +
            "\n## Lambda's REST API\n\nErrors have AWS's classes, in `x-amzn-ErrorType`.\n\n"
            + table(("class", "status"), [(f"`{name}`", status) for name, status in classes]))


def value_of(macro):
    """A macro's value as a number: literals, products and shifts."""
    text = re.sub(r"/\*.*", "", macro).strip()
    text = re.sub(r"U?INT(?:32|64)_C\((\w+)\)", r"\1", text)
    text = re.sub(r"\b(\d+)[uUlL]+\b", r"\1", text)
    if not re.fullmatch(r"[0-9xa-fA-F*+<() ]+", text):
        return None
    return eval(text, {"__builtins__": {}})  # digits and operators only, as matched above


def amount(number, unit):
    if unit == "bytes":
        for power, name in ((20, "MiB"), (10, "KiB")):
            if number % (1 << power) == 0:
                return f"{number >> power:,} {name}"
    return f"{number:,} {unit}".strip()


def limits(program):
    found = {}
    for name in sources(".h"):
        for macro, value in re.findall(r"^#define (\w+_(?:MAX|MIN)) +(.+)$", text_of(name), re.M):
            if macro.endswith("_MAX") or macro in LIMITS:
                found.setdefault(macro, value)
    for name in [name for name in sources(".h") if name.endswith("_internal.h") or "/cli/" in name]:
        for macro in re.findall(r"^#define (\w+_MAX) ", text_of(name), re.M):
            if macro not in LIMITS and macro not in INSIDE:
                found.pop(macro, None)
    same("limits", set(LIMITS) | (INSIDE & set(found)), found)
    rows = {}
    for macro, (group, words, unit) in LIMITS.items():
        number = value_of(found[macro])
        if number is None:
            raise Gap(f"limits: {macro} is not a number: {found[macro]}")
        rows.setdefault(group, []).append((words, amount(number, unit), f"`{macro}`"))
    text = subprocess.run([program, "quota", "--help"], check=True, capture_output=True, text=True).stdout
    quotas = re.findall(r"^  ([a-z_]+)  +(\S.*)$", text, re.M)
    kinds = re.search(r"enum quota_kind \{([^}]*)\}", "".join(map(text_of, sources(".h"))))[1]
    same("quotas", [name.upper() for name, _ in quotas],
         [name for name in re.findall(r"QUOTA_(\w+)", kinds) if name != "KIND_COUNT"])
    return ("# Quotas and limits\n\n" + MADE + "\n"
            "## Quotas\n\nThe operator sets these, for an account or as a default ([quotas.md](../quotas.md)).\n\n"
            + table(("name", "counts"), [(f"`{name}`", words) for name, words in quotas])
            + "\nWhere neither is set nothing is limited but `concurrency` (1000).\n\n"
            "## Limits of the program\n\nThese are fixed; the name is that in the source.\n"
            + "".join(f"\n### {group}\n\n" + table(("what", "at most" if group else "", "name"), rows[group]) for group in rows))


def rest(url):
    with urllib.request.urlopen(url + "/openapi.json") as answer:
        document = json.load(answer)
    groups = {tag["name"]: (tag.get("description", ""), []) for tag in document["tags"]}
    for path, item in document["paths"].items():
        for method in ("get", "post", "put", "patch", "delete"):
            if operation := item.get(method):
                scope = re.search(r"Needs a key of scope (\w+)", operation.get("description", ""))
                key = "none" if operation.get("security") == [] else scope[1] if scope else "read"
                groups[operation["tags"][0]][1].append(
                    (f"`{method.upper()}`", f"`{path}`", operation["summary"], key))
    return ("# REST\n\n" + MADE + "\n"
            "Every operation of the node's own API, from its description at `/openapi.json`, which has parameters, bodies and examples.\n"
            "How requests and answers look everywhere: [api.md](../api.md). `{a}` is an account's name or id.\n"
            + "".join(f"\n## {name}\n\n{words}\n\n" + table(("method", "address", "what", "scope of the key"), rows)
                      for name, (words, rows) in groups.items() if rows))


def main():
    program, url = os.environ["FARTHING_BUILD"] + "/cli/farthing", os.environ["FARTHING_URL"]
    pages = {"configuration": configuration(program), "metrics": metrics(url), "errors": errors(), "limits": limits(program),
             "rest": rest(url)}
    old = 0
    for name, text in pages.items():
        path = f"{SOURCE}/docs/reference/{name}.md"
        try:
            with open(path, encoding="utf-8") as file:
                current = file.read() == text
        except FileNotFoundError:
            current = False
        if not current and "--check" in sys.argv:
            print(f"docs/reference/{name}.md is old: cmake --build BUILD --target reference", file=sys.stderr)
            old = 1
        elif not current:
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "w", encoding="utf-8") as file:
                file.write(text)
            print(f"docs/reference/{name}.md")
    return old


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Gap as gap:
        sys.exit(str(gap))
