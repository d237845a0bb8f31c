"""What callers are told when a quota says no: native routes, Lambda's routes, the asynchronous queue, usage and metrics.

    quota_answers.py

One node, each quota in turn at a limit that refuses the next call. Every refusal is counted once: in the usage of the account,
by reason, through the real spool, over a kill of the node, and in the metrics.
"""
import collections
import json
import pathlib
import re
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
from cluster import Cluster, Failed, main  # noqa: E402

CASES = (  # quota, limit that lets nothing through, reason here, Lambda's Reason
    ("concurrency", "0", "concurrency", "ConcurrentInvocationLimitExceeded"),
    ("requests_per_second", "0", "requests_per_second", "CallerRateLimitExceeded"),
    ("requests_per_month", "0", "requests_per_month", "CallerRateLimitExceeded"),
    ("gb_seconds_per_month", "0.001", "gb_seconds_per_month", "CallerRateLimitExceeded"),
    ("spend_per_month", "0.000001", "spend_per_month", "CallerRateLimitExceeded"),
)


def check(what, wanted, found):
    if wanted != found:
        raise Failed(f"{what}: {found} where {wanted} is right")


class Story:
    def __init__(self, cluster):
        self.cluster = cluster
        self.refused = collections.Counter()
        self.key = None

    def limit(self, quota, limit):
        if limit is None:
            self.cluster.must(0, "DELETE", f"/v1/accounts/a/quotas/{quota}")
        else:
            self.cluster.must(0, "PUT", f"/v1/accounts/a/quotas/{quota}", {"limit": limit, "action": "block"})

    def native(self, what="f"):
        return self.cluster.call(0, "POST", f"/v1/accounts/a/functions/{what}/invocations", '{"ms":0}')

    def aws(self, what="f"):
        return self.cluster.call(0, "POST", f"/2015-03-31/functions/{what}/invocations", '{"ms":0}',
                                 {"Authorization": "Bearer " + self.key})

    def until(self, what, true):
        for _ in range(300):
            if true():
                return
            time.sleep(0.1)  # the background works
        raise Failed(what)

    def refused_both_ways(self, quota, limit, reason, word):
        self.limit(quota, limit)
        self.until(f"{quota} does not refuse", lambda: self.count(self.native(), reason) == 429)
        status, body, headers = self.native()
        self.count((status, body, headers), reason)
        check(f"{quota}: status", 429, status)
        check(f"{quota}: type", "application/problem+json", headers["Content-Type"].split(";")[0])
        check(f"{quota}: problem", "https://iana.org/assignments/http-problem-types#quota-exceeded", body["type"])
        check(f"{quota}: reason", reason, body["reason"])
        check(f"{quota}: violated", [quota], body["violated-policies"])
        check(f"{quota}: resets_at", "month" in quota, body["resets_at"] is not None)
        for name in ("limit", "used", "held"):
            check(f"{quota}: {name} is text", True, isinstance(body[name], str))
        check(f"{quota}: Retry-After", True, int(headers["Retry-After"]) >= 1)
        status, body, headers = self.aws()
        self.count((status, body, headers), reason)
        check(f"{quota}: Lambda's status", 429, status)
        check(f"{quota}: Lambda's type", "TooManyRequestsException", headers["x-amzn-ErrorType"].split(":")[0])
        check(f"{quota}: Lambda's reason", word, body["Reason"])
        self.limit(quota, None)
        self.until(f"{quota} is gone and refuses", lambda: self.count(self.native(), reason) == 200)

    def count(self, answer, reason):
        if answer[0] == 429:
            self.refused[reason] += 1
        return answer[0]

    def reserved(self):
        self.cluster.must(0, "PATCH", "/v1/accounts/a/functions/f", {"reserved_concurrency": 0})
        self.until("a reserved concurrency of 0 lets calls through",
                   lambda: self.count(self.native(), "reserved_concurrency") == 429)
        status, body, headers = self.aws()
        self.count((status, body, headers), "reserved_concurrency")
        check("reserved: Lambda's reason", "ReservedFunctionConcurrentInvocationLimitExceeded", body["Reason"])
        for path, wanted in (("/v1/accounts/a/functions/f", 901),):
            status, body, _ = self.cluster.call(0, "PATCH", path, {"reserved_concurrency": wanted})
            check("reserving more than the account can spare", 400, status)
            check("reserving: pointer", "#/reserved_concurrency", body["errors"][0]["pointer"])
        check("the command line says so, too", True, "UnreservedConcurrentExecution" in self.cluster.farthing(
            0, "function", "deploy", str(self.cluster.folder / "deploy"), "--account", "a", "--name", "f", "--runtime", "provided",
            "--reserved", "901", check=False).stdout)
        self.cluster.must(0, "PATCH", "/v1/accounts/a/functions/f", {"reserved_concurrency": -1})
        self.until("f stays refused", lambda: self.count(self.native(), "reserved_concurrency") == 200)

    def queue_waits(self):
        """An event that is throttled stays in the queue, is not failed, and runs when it may."""
        ran = int(self.cluster.sql("SELECT count(*) FROM usage_record")[0][0])
        self.limit("concurrency", "0")
        self.until("concurrency does not refuse", lambda: self.count(self.native(), "concurrency") == 429)
        self.cluster.must(0, "POST", "/v1/accounts/a/functions/f/invocations?type=async", '{"ms":0}', status=202)
        self.until("a throttled event is not put back",
                   lambda: self.cluster.sql("SELECT count(*) FROM async_event WHERE throttles > 0") == [["1"]])
        check("its attempts", [["0"]], self.cluster.sql("SELECT attempt FROM async_event"))
        self.limit("concurrency", None)
        throttles = 1

        def gone():
            nonlocal throttles
            rows = self.cluster.sql("SELECT throttles FROM async_event")
            throttles = max([throttles] + [int(row[0]) for row in rows])
            return not rows
        self.until("the event does not run", gone)
        self.refused["concurrency"] += throttles  # an event in the queue is refused like a call
        self.until("it has no record", lambda: int(self.cluster.sql(
            "SELECT count(*) FROM usage_record WHERE flags & 2 <> 0")[0][0]) > 0
            or int(self.cluster.sql("SELECT count(*) FROM usage_record")[0][0]) > ran)

    def counted_once(self):
        """A flood from many callers, then the node dies: what the callers were told is what usage says."""
        self.limit("requests_per_month", "0")
        self.until("requests_per_month does not refuse", lambda: self.count(self.native(), "requests_per_month") == 429)
        lock = threading.Lock()

        def flood():
            for _ in range(50):
                answer = self.native()
                with lock:
                    self.count(answer, "requests_per_month")
        threads = [threading.Thread(target=flood) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        metric = collections.Counter()
        text = self.cluster.call(0, "GET", "/metrics")[1]
        text = text.decode() if isinstance(text, bytes) else text
        for reason, count in re.findall(r'farthing_quota_refusals_total\{reason="(\w+)"\} (\d+)', text):
            metric[reason] = int(count)
        time.sleep(2.5)  # refusals are handed to the spool once a second; what waits dies with the node
        self.cluster.kill(0)
        self.cluster.start(0)
        self.until("refusals are not all stored", lambda: self.throttles() >= sum(self.refused.values()))
        time.sleep(2)  # nothing more may come
        check("refusals in the usage", sum(self.refused.values()), self.throttles())
        items = self.cluster.must(0, "GET", "/v1/accounts/a/refusals")["items"]
        usage = {item["reason"]: item["refusals"] for item in items}
        print(f"refused {dict(self.refused)}, metrics {dict((k, v) for k, v in metric.items() if v)}, usage {usage}")
        check("refusals by reason in the usage", dict(self.refused), usage)
        for reason, count in self.refused.items():
            check(f"metric of {reason}", count, metric[reason])

    def throttles(self):
        return int(self.cluster.sql("SELECT coalesce(sum(throttles), 0)::int8 FROM usage_hourly")[0][0])

    def run(self):
        self.cluster.must(0, "POST", "/v1/accounts", {"name": "a"})
        self.cluster.must(0, "PUT", "/v1/price-books/dear", {
            "name": "dear", "currency": "USD", "rounding": "half_up",
            "policy": [{"from": "2014-11-13", "grain_ms": 1, "bill_init": True}],
            "meters": {"requests": {"bands": [{"id": "t1", "price": "0.1"}]}}})
        self.cluster.must(0, "PATCH", "/v1/accounts/a", {"price_book": "dear"})
        self.cluster.deploy("a", "f")
        deploy = self.cluster.folder / "deploy"
        deploy.mkdir()
        (deploy / "bootstrap").write_bytes((self.cluster.folder / "bootstrap").read_bytes())
        (deploy / "bootstrap").chmod(0o755)
        self.key = self.cluster.must(0, "POST", "/v1/accounts/a/keys", {"scope": "account", "name": "k"})["key"]
        for case in CASES:
            self.refused_both_ways(*case)
        self.reserved()
        self.queue_waits()
        self.counted_once()


def test():
    with Cluster(1) as cluster:
        Story(cluster).run()


if __name__ == "__main__":
    main(test)
