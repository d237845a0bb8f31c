#!/usr/bin/env python3
"""Mutated requests against a live node: api_storm.py HOST:PORT KEY[,KEY...] SOURCE THINGS REQUESTS SEED

Every route of SOURCE/api/router.c and the host of a function URL get requests whose methods, paths, queries, headers and bodies are
changed by a seeded choice, from bodies that are right (the examples of openapi.yaml, and those below) and names of things that are
there (THINGS, a JSON object: parameter of a path -> values; "url_host"). Some connections are cut, some are slow, some carry several
requests. The first key is the operator's; with it the storm puts back now and then what it broke. What must hold: every answer is
HTTP, no answer is a 5xx that is not deliberate (501, 502 of a function, 503, 505), /healthz answers at the end. One line a failure
with what was sent; exit code 1 when there was one.
"""
import base64
import copy
import io
import json
import os
import random
import re
import socket
import sys
import threading
import zipfile

import yaml

WORKERS = int(os.environ.get("FARTHING_STORM_WORKERS", "8"))
HALF_WAIT_S = float(os.environ.get("FARTHING_STORM_WAIT_S", "0.5"))  # for an answer to a request that is not whole
FAILURES_MAX = 20
BODY_BYTES_MAX = 70000
DELIBERATE = {501, 502, 503, 505}  # 502: a function failed
REPAIR_EVERY = 100  # requests of one of the workers
FRAMING = re.compile(rb"\r\n(content-length: (-1|9|5\r|0x)|transfer-encoding|expect)|content-encoding", re.I)
METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE", "CONNECT", "get", "BREW", ""]
WORDS = ["storm", "demo", "default", "2026-11", "2026-13", "0000-00", "9999-12", "acct_1", "acct_99999999999999999999", "inv_1", "1", "-1",
         "0", "18446744073709551616", "%00", "%ff%fe", "%2e%2e", "..", "%2F", "a" * 300, "'", "%27%3B--", "\u00e9", "$LATEST", "*", "", "%"]
QUERIES = ["from", "to", "month", "limit", "cursor", "group_by", "granularity", "layout", "format", "q", "after", "explain", "prices"]
VALUES = ["", "-1", "0", "1", "9223372036854775807", "9223372036854775808", "1e309", "NaN", "2026-11-01T00:00:00Z", "2026-02-30T25:61:61Z",
          "9999-12-31T23:59:59Z", "0000-00-00T00:00:00Z", "day", "hour", "function", "function,function,function", "csv", "focus", "%00",
          "%F0%9F%92%A9", "%ff", "a" * 5000, "null", "[]", "true"]
HEADERS = [("Accept", ["text/csv", "application/x-ndjson", "*/*", "x", "text/html;q=0.5,", ";" * 50]),
           ("Content-Type", ["application/json", "application/cloudevents+json", "application/cloudevents-batch+json", "text/plain", "", "a/b/c"]),
           ("If-Match", ['"0"', "*", "W/\"1\"", "x" * 400]), ("If-None-Match", ["*", '"x"', ","]),
           ("Idempotency-Key", ["storm", "", "k" * 300, "\x01"]), ("Accept-Encoding", ["gzip", "gzip;q=0", "br, *;q=0"]),
           ("Range", ["bytes=0-", "bytes=-1", "bytes=9-1"]), ("Content-Encoding", ["gzip", "deflate"]), ("Expect", ["100-continue", "x"]),
           ("Transfer-Encoding", ["chunked", "gzip, chunked", "identity"]), ("Content-Length", ["-1", "99999999999999999999", "5", "0x5"]),
           ("Origin", ["http://elsewhere.example"]), ("X-Amz-Date", ["20261101T000000Z", "x"]), ("ce-specversion", ["1.0", "2.0"]),
           ("X-Amz-Invocation-Type", ["Event", "DryRun", "None"]), ("X-Long", ["h" * 40000]), ("Connection", ["close", "upgrade"])]
ATOMS = ["null", "true", "-0", "1e400", "9223372036854775808", "0.1", '""', '"storm"', '"\\u0000"', '"\\ud800"', '"' + "x" * 4000 + '"', "[]", "{}",
         '"2026-11-01T00:00:00Z"', '"12.345678901234567890"', '"-1"', "[[[[[[]]]]]]", '{"a":{"a":{"a":{}}}}']


def value(rng, names, depth=0):
    if depth < 3 and rng.random() < 0.35:
        if rng.random() < 0.3:
            return "[" + ",".join(value(rng, names, depth + 1) for _ in range(rng.randrange(4))) + "]"
        return "{" + ",".join(f'"{rng.choice(names)}":{value(rng, names, depth + 1)}' for _ in range(rng.randrange(6))) + "}"
    return rng.choice(ATOMS)


def package():
    """The zip of a function that answers with what it got."""
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as file:
        file.writestr("index.js", "exports.handler = async (event) => event;")
    return base64.b64encode(data.getvalue()).decode()


CODE = package()
ROLE = "arn:aws:iam::100000000001:role/r"
BODIES = {  # what is right where the description has no example; the key is the end of "METHOD pattern"
    "POST /functions": {"name": "made", "runtime": "nodejs", "memory_mb": 128, "timeout_s": 3, "code": CODE},
    "PATCH /functions/{f}": {"memory_mb": 256, "description": "changed", "environment": {"A": "b"}, "tags": {"team": "x"}, "layers": ["deps"]},
    "POST /v1/accounts/{a}/layers/{layer}/versions": {"code": CODE, "runtimes": ["nodejs"], "license": "MIT"},
    "POST /2018-10-31/layers/{layer}/versions": {"Content": {"ZipFile": CODE}, "CompatibleRuntimes": ["nodejs18.x"]},
    "POST /versions": {"description": "one more"},
    "POST /invocations": {"name": "Ada"},
    "POST /response-streaming-invocations": {"name": "Ada"},
    "POST /invoke-async": {"name": "Ada"},
    "POST /v1/events": {"specversion": "1.0", "type": "t", "source": "s", "id": "7", "subject": "storm/storm",
                        "data": {"duration_ms": 5, "memory_mb": 128}},
    "PUT /v1/price-books/{book}": {"currency": "USD", "meters": {"requests": {"bands": [{"price": "0.05"}]}}},
    "POST /2015-03-31/functions": {"FunctionName": "lambda", "Runtime": "nodejs18.x", "Handler": "index.handler", "Role": ROLE,
                                   "Code": {"ZipFile": CODE}, "MemorySize": 128, "Timeout": 3},
    "PUT /configuration": {"MemorySize": 256, "Timeout": 4, "Environment": {"Variables": {"A": "b"}}},
    "PUT /code": {"ZipFile": CODE, "Publish": True},
    "POST /aliases": {"Name": "live", "FunctionVersion": "1", "RoutingConfig": {"AdditionalVersionWeights": {"2": 0.1}}},
    "PUT /2015-03-31/functions/{f}/aliases/{alias}": {"FunctionVersion": "1"},
    "PUT /concurrency": {"ReservedConcurrentExecutions": 5},
    "PUT /provisioned-concurrency": {"ProvisionedConcurrentExecutions": 1},
    "PUT /event-invoke-config": {"MaximumRetryAttempts": 1, "MaximumEventAgeInSeconds": 60},
    "POST /event-invoke-config": {"MaximumRetryAttempts": 0},
    "POST /2021-10-31/functions/{f}/url": {"AuthType": "NONE", "Cors": {"AllowOrigins": ["*"]}},
    "PUT /2021-10-31/functions/{f}/url": {"AuthType": "AWS_IAM", "InvokeMode": "RESPONSE_STREAM"},
    "POST /tags/{arn}": {"Tags": {"team": "x"}},
    "POST /webhooks": {"url": "http://127.0.0.1:9/hook", "events": []},
}


def routes(source):
    """[(method, pattern)] of the table in router.c; /\x00 stands for the host of a function URL."""
    with open(f"{source}/api/router.c", encoding="utf-8") as file:
        text = file.read()
    macros = dict(re.findall(r'#define (\w+) ("[^"]*")$', text, re.M))
    found = []
    for method, pattern in re.findall(r'\{HTTP_(\w+), ((?:\w+ )?"[^"]*"|[A-Z]\w*),', text):
        parts = [macros.get(part, part).strip('"') for part in re.findall(r'"[^"]*"|\w+', pattern) if part.startswith('"') or part in macros]
        found.append((method, "".join(parts)))
    assert len(found) > 100, f"{len(found)} routes in router.c"
    return found + [(method, "/\0" + path) for method in ("GET", "POST", "PUT", "OPTIONS") for path in ("/", "/a/b")]


def examples(source):
    """The description's words, and "METHOD pattern" -> a body that is right."""
    with open(f"{source}/api/openapi.yaml", encoding="utf-8") as file:
        text = file.read()
    tree, found = yaml.safe_load(text), {}
    for pattern, item in tree["paths"].items():
        for method, operation in item.items():
            if method not in ("post", "put", "patch"):
                continue
            schema = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
            if isinstance(schema, dict) and "$ref" in schema:
                schema = tree["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]]
            if not isinstance(schema, dict):
                continue
            made = {name: member["example"] for name, member in schema.get("properties", {}).items() if "example" in member}
            if example := (schema.get("examples") or [made])[0]:
                found[f"{method.upper()} {pattern}"] = example
    return sorted(set(re.findall(r"^\s+([a-z_]{3,30}):", text, re.M))), found


def places(tree, at=()):
    yield at
    for key, inner in tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ():
        yield from places(inner, at + (key,))


def changed(rng, tree, names):
    """tree with one of its values, or one member more, or one less."""
    tree = copy.deepcopy(tree)
    *above, last = rng.choice([place for place in places(tree) if place] or [("x",)])
    inside = tree
    for key in above:
        inside = inside[key]
    kind = rng.random()
    if kind < 0.2 and isinstance(inside, dict):
        inside.pop(last, None)
    elif kind < 0.4 and isinstance(inside, dict):
        inside[rng.choice(names)] = 1
    elif isinstance(inside, dict) or last != "x":
        inside[last] = "\0atom"
    return json.dumps(tree).replace('"\\u0000atom"', value(rng, names, 2))


def body(rng, names, right):
    kind = rng.random()
    if right is not None and kind < 0.75:
        raw = bytearray((json.dumps(right) if kind < 0.35 else changed(rng, right, names)).encode())
        if kind > 0.65:
            raw[rng.randrange(len(raw))] = rng.randrange(256)
        return bytes(raw)
    if kind < 0.8:
        return b""
    if kind < 0.9:
        text = "{" + ",".join(f'"{rng.choice(names)}":{value(rng, names)}' for _ in range(rng.randrange(8))) + "}"
        raw = bytearray(text.encode())
        for _ in range(rng.choice([0, 0, 0, 1, 3])):
            raw[rng.randrange(len(raw))] = rng.randrange(256)
        return bytes(raw)
    if kind < 0.95:
        return rng.randbytes(rng.choice([1, 20, 2000]))
    if kind < 0.98:
        return b"[" * rng.choice([10, 1000, 30000])
    return b'{"name":"' + b"y" * rng.randrange(BODY_BYTES_MAX)


def request(rng, storm, key, last=True):
    method, pattern = rng.choice(storm.routes)
    names, things = storm.names, storm.things
    # A thing that is there is seldom taken away, or the storm would soon be about nothing.
    there = 0.05 if method == "DELETE" else 0.8
    path = re.sub(r"\{([^}]+)\}", lambda m: rng.choice(things.get(m[1]) or WORDS if rng.random() < there else WORDS), pattern)
    host = "%s:%d" % storm.address
    if path.startswith("/\0"):
        path, host = path[2:], things["url_host"]
    right = storm.right(f"{method} {pattern}")
    if rng.random() < 0.1:
        at = rng.randrange(len(path) + 1)
        path = path[:at] + rng.choice(["%", "//", "\\", "\x7f", "?", "#", "%zz", "{", ";a=b"]) + path[at:]
    if rng.random() < 0.3:
        path += "?" + "&".join(rng.choice(QUERIES) + "=" + rng.choice(VALUES) for _ in range(rng.randrange(1, 5)))
    if rng.random() < 0.1:
        method = rng.choice(METHODS)
    content = body(rng, names, right) if method not in ("GET", "HEAD") or rng.random() < 0.1 else b""
    headers = [f"Host: {host}"]
    if rng.random() < 0.9:
        headers.append(f"Authorization: Bearer {key}")
    elif rng.random() < 0.7:
        headers.append("Authorization: " + rng.choice(["", "Bearer", "Bearer " + key[:-1], "Basic e30=", "AWS4-HMAC-SHA256 Credential=/////"]))
    if rng.random() < 0.85:
        headers.append("Content-Type: application/" + ("cloudevents+json" if pattern.endswith("v1/events") else "json"))
    for name, choices in rng.sample(HEADERS, rng.choice([0, 0, 0, 1, 2])):
        headers.append(f"{name}: {rng.choice(choices)}")
    if content and not any(h.startswith(("Content-Length", "Transfer-Encoding")) for h in headers):
        headers.append(f"Content-Length: {len(content)}")
    version = "HTTP/1.1" if rng.random() < 0.98 else rng.choice(["HTTP/1.0", "HTTP/9.9", "", "HTTP/1.1 "])
    head = f"{method} {path} {version}\r\n" + "\r\n".join(headers) + ("\r\nConnection: close" if last else "") + "\r\n\r\n"
    return head.encode("utf-8", "surrogateescape") + content


class Storm:
    def __init__(self, address, keys, source, things):
        self.address, self.keys, self.things = address, keys, things
        self.routes = routes(source)
        self.names, self.examples = examples(source)
        self.lock, self.failures, self.statuses = threading.Lock(), [], {}

    def right(self, name):
        for end, tree in BODIES.items():
            method, pattern = end.split(" ", 1)
            if name.startswith(method + " ") and name.endswith(pattern):
                return tree
        return self.examples.get(name)

    def repair(self, rng):
        """What the storm took from itself is put back: the tenant's state, its limits, its function and its address."""
        account, function = self.things["a"][0], self.things["f"][0]
        wanted = [("PATCH", f"/v1/accounts/{account}", {"state": "active", "price_book": "default"}),
                  ("PUT", f"/v1/accounts/{account}/quotas/concurrency", {"limit": "1000"}),
                  ("POST", f"/v1/accounts/{account}/functions", {**BODIES["POST /functions"], "name": function}),
                  ("PUT", f"/v1/accounts/{account}/functions/{function}/url", {"authorization": "none"})]
        wanted += [("DELETE", f"/v1/accounts/{account}/quotas/{name}", None) for name in self.things["quota"] if name != "concurrency"]
        method, path, tree = rng.choice(wanted)
        content = b"" if tree is None else json.dumps(tree).encode()
        self.send(rng, f"{method} {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {self.keys[0]}\r\nContent-Type: application/json\r\n"
                  f"Content-Length: {len(content)}\r\nConnection: close\r\n\r\n".encode() + content)

    def count(self, status, sent, start):
        with self.lock:
            self.statuses[status] = self.statuses.get(status, 0) + 1
            bad = status == "no HTTP" or (isinstance(status, int) and status >= 500 and status not in DELIBERATE)
            if bad and len(self.failures) < FAILURES_MAX:
                self.failures.append(f"{status}: sent {sent[:300]!r} got {start[:700]!r}")

    def one(self, rng):
        sent = request(rng, self, rng.choice(self.keys))
        while rng.random() < 0.05:  # several on one connection
            sent = request(rng, self, rng.choice(self.keys), last=False) + sent
        self.send(rng, sent)

    def send(self, rng, sent):
        # Whoever announces more than it sends is let wait by the node until its own limit; the storm does not wait that long.
        whole = not FRAMING.search(sent)
        with socket.create_connection(self.address, timeout=60 if whole else HALF_WAIT_S) as link:
            fate = rng.random()
            if fate < 0.03:  # cut while sending
                link.sendall(sent[:rng.randrange(len(sent))])
                return self.count("cut", sent, b"")
            try:
                pieces = 200 if fate < 0.05 else 0  # byte by byte at first
                for at in range(min(len(sent), pieces)):
                    link.sendall(sent[at:at + 1])
                link.sendall(sent[pieces:])
                if fate > 0.98:  # never reads
                    return self.count("not read", sent, b"")
                answer = b""
                while piece := link.recv(65536):
                    answer = answer if len(answer) > 65536 else answer + piece
            except socket.timeout:
                if whole:
                    return self.count("no HTTP", sent, b"(60 s without an answer)")
                return self.count("waits", sent, b"")
            except OSError:
                return self.count("reset", sent, b"")
            answer = answer.removeprefix(b"HTTP/1.1 100 Continue\r\n\r\n")
        if not answer:  # the request was not whole: the node may hang up without a word
            return self.count("closed", sent, b"")
        line = re.match(rb"HTTP/1\.[01] (\d\d\d) ", answer)
        return self.count(int(line[1]) if line else "no HTTP", sent, answer)

    def work(self, seed, requests):
        rng = random.Random(seed)
        for at in range(requests):
            try:
                self.one(rng)
                if at % REPAIR_EVERY == 0 and seed.endswith("-0"):
                    self.repair(rng)
            except OSError as error:
                with self.lock:
                    self.failures.append(f"seed {seed}: {error}")
                return


def main():
    place, key, source, things, requests, seed = sys.argv[1:7]
    host, port = place.rsplit(":", 1)
    storm = Storm((host, int(port)), key.split(","), source, json.loads(things))
    each = max(1, int(requests) // WORKERS)
    threads = [threading.Thread(target=storm.work, args=(f"{seed}-{i}", each)) for i in range(WORKERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with socket.create_connection(storm.address, timeout=60) as link:
        link.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        if not link.recv(64).startswith(b"HTTP/1.1 200"):
            storm.failures.append("/healthz does not answer 200 after the storm")
    counts = ", ".join(f"{k} {v}" for k, v in sorted(storm.statuses.items(), key=lambda kv: str(kv[0])))
    print(f"seed {seed}: {each * WORKERS} requests over {len(storm.routes)} routes: {counts}")
    print("\n".join(storm.failures), end="\n" if storm.failures else "")
    return 1 if storm.failures or not any(isinstance(k, int) and k < 300 for k in storm.statuses) else 0


if __name__ == "__main__":
    sys.exit(main())
