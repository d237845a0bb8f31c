"""64 callers hammer one account that may run 10 calls at once: the functions themselves say how many ran together.

    quota_concurrency.py [--seconds N] [--callers N] [--limit N] [--sandbox MODE]

Each call answers when it began and ended by the machine's monotonic clock; the largest number of calls that overlap is
counted from these, on one node and over three, with two functions of one account, and for a function's reserved concurrency.
"""
import argparse
import json
import pathlib
import subprocess
import sys
import threading
import time
from http.client import HTTPConnection

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
from cluster import Cluster, Failed, main  # noqa: E402


def overlap(spans):
    """The most spans that are open at one instant."""
    edges = sorted([(began, 1) for began, _ in spans] + [(ended, -1) for _, ended in spans])
    most = now = 0
    for _, step in edges:
        now += step
        most = max(most, now)
    return most


def hammer(address, key, callers, seconds, account, functions):
    """Spans and refusals of callers that never pause."""
    spans, refused, lock, until = [], {}, threading.Lock(), time.monotonic() + seconds

    def one(index):
        mine, no = [], {}
        host, port = address.rsplit(":", 1)
        connection = HTTPConnection(host, int(port), timeout=90)  # longer than a call waits for an instance
        headers = {"Authorization": "Bearer " + key, "Content-Type": "application/json"}
        turn = index
        while time.monotonic() < until:
            turn += 1
            connection.request("POST", f"/v1/accounts/{account}/functions/{functions[turn % len(functions)]}/invocations",
                               '{"ms":%d}' % (turn * 7 % 23), headers)
            answer = connection.getresponse()
            body = json.loads(answer.read())
            if answer.status == 200:
                mine.append((body["began"], body["ended"]))
            else:
                word = f"{answer.status} {body.get('reason', body.get('code'))}"
                no[word] = no.get(word, 0) + 1
        with lock:
            spans.extend(mine)
            for word, count in no.items():
                refused[word] = refused.get(word, 0) + count

    threads = [threading.Thread(target=one, args=(i,)) for i in range(callers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(json.dumps([spans, refused]))


def storm(cluster, nodes, options, account, functions, limit, what):
    each = options.callers // len(nodes)
    counts = [each + (1 if i < options.callers % len(nodes) else 0) for i in range(len(nodes))]
    drivers = [subprocess.Popen([sys.executable, __file__, "--hammer", cluster.nodes[node].address, cluster.admin_key,
                                 str(count), str(options.seconds), account, *functions],
                                stdout=subprocess.PIPE, text=True) for node, count in zip(nodes, counts)]
    spans, refused = [], {}
    for driver in drivers:
        out, _ = driver.communicate()
        if driver.returncode != 0:
            raise Failed("a caller broke")
        more, no = json.loads(out)
        spans += more
        for word, count in no.items():
            refused[word] = refused.get(word, 0) + count
    most = overlap(spans)
    print(f"{what}: {options.callers} callers, limit {limit}, {len(spans)} calls, at most {most} at once, refused {refused}",
          flush=True)
    if most > limit:
        raise Failed(f"{most} calls ran at once, {limit} may")
    if not spans or not refused:
        raise Failed("nothing ran or nothing was refused: that proves nothing")
    return most


SETTLE_S = 120


def settle(cluster, account, function, limit):
    """Until every node refuses for the limit of a function. That a change is there within a second is measured elsewhere
    (quota_limits.py); here it is to be there, however busy the machine."""
    until = time.monotonic() + SETTLE_S
    for index in range(len(cluster.nodes)):
        refused = False
        while not refused:
            if time.monotonic() > until:
                raise Failed(f"node {index} never went by the limit of {limit}")
            told = []

            def one():
                told.append(cluster.call(index, "POST", f"/v1/accounts/{account}/functions/{function}/invocations",
                                         {"ms": 300})[1].get("reason"))

            threads = [threading.Thread(target=one) for _ in range(limit + 4)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            refused = "reserved_concurrency" in told


def options_read():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=4)
    parser.add_argument("--callers", type=int, default=64)
    parser.add_argument("--limit", type=int, default=10)
    parser.add_argument("--sandbox", default="none")
    return parser.parse_args()


def test():
    options = options_read()
    with Cluster(3, options.sandbox) as cluster:
        cluster.must(0, "POST", "/v1/accounts", {"name": "busy"})
        for name in ("one", "two"):
            cluster.deploy("busy", name)
        cluster.must(0, "PUT", "/v1/accounts/busy/quotas/concurrency", {"limit": options.limit, "action": "block"})
        most = storm(cluster, [0], options, "busy", ["one", "two"], options.limit, "one node")
        if most < options.limit:
            raise Failed("the limit was never used up")
        storm(cluster, [0, 1, 2], options, "busy", ["one", "two"], options.limit, "three nodes")
        cluster.must(0, "PUT", "/v1/accounts/busy/quotas/concurrency", {"limit": "50", "action": "block"})
        cluster.must(0, "PATCH", "/v1/accounts/busy/functions/one", {"reserved_concurrency": 4})
        settle(cluster, "busy", "one", 4)
        storm(cluster, [0, 1, 2], options, "busy", ["one"], 4, "reserved concurrency, three nodes")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--hammer"]:
        hammer(sys.argv[2], sys.argv[3], int(sys.argv[4]), float(sys.argv[5]), sys.argv[6], sys.argv[7:])
    else:
        main(test)
