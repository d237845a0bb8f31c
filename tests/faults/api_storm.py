#!/usr/bin/env python3
"""Mutated requests against a live node: api_storm.py HOST:PORT KEY[,KEY...] OPENAPI REQUESTS SEED

Methods, paths, queries, headers and bodies are changed by a seeded choice; some connections are cut, some are slow. What must
hold: every answer is HTTP, no answer is a 5xx that is not deliberate (501, 503, 505), /healthz answers at the end. One line
a failure with what was sent; exit code 1 when there was one.
"""
import os
import random
import re
import socket
import sys
import threading

WORKERS = int(os.environ.get("FARTHING_STORM_WORKERS", "8"))
HALF_WAIT_S = float(os.environ.get("FARTHING_STORM_WAIT_S", "0.5"))  # for an answer to a request that is not whole
FAILURES_MAX = 20
BODY_BYTES_MAX = 70000
DELIBERATE = {501, 503, 505}
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


def body(rng, names):
    kind = rng.random()
    if kind < 0.3:
        return b""
    if kind < 0.8:
        text = "{" + ",".join(f'"{rng.choice(names)}":{value(rng, names)}' for _ in range(rng.randrange(8))) + "}"
        raw = bytearray(text.encode())
        for _ in range(rng.choice([0, 0, 0, 1, 3])):
            raw[rng.randrange(len(raw))] = rng.randrange(256)
        return bytes(raw)
    if kind < 0.9:
        return rng.randbytes(rng.choice([1, 20, 2000]))
    if kind < 0.95:
        return b"[" * rng.choice([10, 1000, 30000])
    return b'{"name":"' + b"y" * rng.randrange(BODY_BYTES_MAX)


def request(rng, paths, names, key, host):
    pattern, described = rng.choice(paths)
    path = re.sub(r"\{[^}]+\}", lambda _: rng.choice(WORDS), pattern)
    if rng.random() < 0.1:
        at = rng.randrange(len(path) + 1)
        path = path[:at] + rng.choice(["%", "//", "\\", "\x7f", "?", "#", "%zz", "{", ";a=b"]) + path[at:]
    if rng.random() < 0.4:
        path += "?" + "&".join(rng.choice(QUERIES) + "=" + rng.choice(VALUES) for _ in range(rng.randrange(1, 5)))
    method = rng.choice(described) if rng.random() < 0.85 else rng.choice(METHODS)
    content = body(rng, names) if method not in ("GET", "HEAD") or rng.random() < 0.1 else b""
    headers = [f"Host: {host}"]
    if rng.random() < 0.9:
        headers.append(f"Authorization: Bearer {key}")
    elif rng.random() < 0.7:
        headers.append("Authorization: " + rng.choice(["", "Bearer", "Bearer " + key[:-1], "Basic e30=", "AWS4-HMAC-SHA256 Credential=/////"]))
    if rng.random() < 0.7:
        headers.append("Content-Type: application/json")
    for name, choices in rng.sample(HEADERS, rng.choice([0, 0, 1, 2])):
        headers.append(f"{name}: {rng.choice(choices)}")
    if content and not any(h.startswith(("Content-Length", "Transfer-Encoding")) for h in headers):
        headers.append(f"Content-Length: {len(content)}")
    version = "HTTP/1.1" if rng.random() < 0.98 else rng.choice(["HTTP/1.0", "HTTP/9.9", "", "HTTP/1.1 "])
    head = f"{method} {path} {version}\r\n" + "\r\n".join(headers) + "\r\nConnection: close\r\n\r\n"
    return head.encode("utf-8", "surrogateescape") + content


class Storm:
    def __init__(self, address, keys, paths, names):
        self.address, self.keys, self.paths, self.names = address, keys, paths, names
        self.lock, self.failures, self.statuses = threading.Lock(), [], {}

    def count(self, status, sent, start):
        with self.lock:
            self.statuses[status] = self.statuses.get(status, 0) + 1
            bad = status == "no HTTP" or (isinstance(status, int) and status >= 500 and status not in DELIBERATE)
            if bad and len(self.failures) < FAILURES_MAX:
                self.failures.append(f"{status}: sent {sent[:300]!r} got {start[:300]!r}")

    def one(self, rng):
        sent = request(rng, self.paths, self.names, rng.choice(self.keys), "%s:%d" % self.address)
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
                    answer = answer if len(answer) > 4096 else answer + piece
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
        for _ in range(requests):
            try:
                self.one(rng)
            except OSError as error:
                with self.lock:
                    self.failures.append(f"seed {seed}: {error}")
                return


def main():
    place, key, openapi, requests, seed = sys.argv[1:6]
    host, port = place.rsplit(":", 1)
    text = open(openapi, encoding="utf-8").read()
    paths = []
    for line in text.splitlines():
        if match := re.match(r'^  "?(/.*?)"?:\s*$', line):
            paths.append((match[1], []))
        elif paths and (match := re.match(r"^    (get|post|put|patch|delete):", line)):
            paths[-1][1].append(match[1].upper())
    paths = [path for path in paths if path[1]]
    if not paths:
        sys.exit(f"no paths in {openapi}")
    names = sorted(set(re.findall(r"^\s+([a-z_]{3,30}):", text, re.M)))
    storm = Storm((host, int(port)), key.split(","), paths, names)
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
    print(f"seed {seed}: {each * WORKERS} requests over {len(paths)} paths: {counts}")
    print("\n".join(storm.failures), end="\n" if storm.failures else "")
    return 1 if storm.failures or not any(isinstance(k, int) and k < 300 for k in storm.statuses) else 0


if __name__ == "__main__":
    sys.exit(main())
