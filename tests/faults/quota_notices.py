"""Thresholds fire exactly once, whatever dies: three nodes killed with SIGKILL at random while accounts pass theirs.

    quota_notices.py [--seconds N] [--accounts N] [--seed S]

Use comes from calls and from events of another runtime; limits are on requests, GB-seconds and money. The receiver is an HTTP
server here that answers 500 now and then, breaks connections, and checks every signature with its own HMAC. In the end each
account, quota and threshold has one notice, and one event of one id, which arrived, signed, at the account's webhook.
"""
import argparse
import collections
import hashlib
import hmac
import http.server
import json
import pathlib
import random
import sys
import threading
import time
import uuid
from http.client import HTTPException

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
from cluster import Cluster, Failed, main  # noqa: E402

TYPE = "dev.farthing.quota.threshold"


class Receiver(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, seed):
        super().__init__(("127.0.0.1", 0), Handler)
        self.random, self.lock = random.Random(seed), threading.Lock()
        self.secrets, self.seen, self.wrong, self.broken = {}, collections.defaultdict(collections.Counter), [], 0
        self.rough = True
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def take(self, path, signature, body):
        """What to answer; what is well signed is noted before, since an answer may get lost."""
        account = path.strip("/")
        words = dict(word.split("=", 1) for word in signature.split(","))
        with self.lock:
            expected = hmac.new(self.secrets[account].encode(), words["t"].encode() + b"." + body, hashlib.sha256).hexdigest()
            if not hmac.compare_digest(expected, words["v1"]) or abs(time.time() - int(words["t"])) > 60:
                self.wrong.append((account, signature))
                return 400
            event = json.loads(body)
            dice = self.random.random() if self.rough else 1
            if dice < 0.25:
                return 500
            if event["type"] == TYPE:
                self.seen[account, event["subject"], event["data"]["threshold"]][event["id"]] += 1
            if dice < 0.35:
                self.broken += 1
                return None
            return 204


class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        status = self.server.take(self.path, self.headers["Farthing-Signature"], body)
        if status is not None:
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()
        self.close_connection = True

    def log_message(self, *_):
        pass


class Story:
    def __init__(self, cluster, options):
        self.cluster, self.options, self.random = cluster, options, random.Random(options.seed)
        self.receiver = Receiver(options.seed)
        self.accounts = [f"a{i}" for i in range(options.accounts)]
        self.stop = threading.Event()

    def prepare(self):
        url = f"http://127.0.0.1:{self.receiver.server_address[1]}/"
        self.cluster.must(0, "PUT", "/v1/price-books/flat", {
            "name": "flat", "currency": "USD", "rounding": "half_up",
            "policy": [{"from": "2014-11-13", "grain_ms": 1, "bill_init": True}],
            "meters": {"requests": {"bands": [{"id": "t1", "price": "0.0001"}]},
                       "compute_x86_64": {"bands": [{"id": "t1", "price": "0.0005"}]}}})
        for i, account in enumerate(self.accounts):
            self.cluster.must(0, "POST", "/v1/accounts", {"name": account, "price_book": "flat"})
            hook = self.cluster.must(0, "POST", f"/v1/accounts/{account}/webhooks", {"url": url + account, "events": [TYPE]})
            self.receiver.secrets[account] = hook["secret"]
            self.cluster.deploy(account, "f")
            quota, limit = [("requests_per_month", "60"), ("gb_seconds_per_month", "20"), ("spend_per_month", "0.015")][i % 3]
            self.cluster.must(0, "PUT", f"/v1/accounts/{account}/quotas/{quota}",
                              {"limit": limit, "action": "notify" if i % 2 else "block", "thresholds": [10, 25, 50, 75, 90]})

    def wanted(self):
        return {(account, ("requests_per_month", "gb_seconds_per_month", "spend_per_month")[i % 3], threshold)
                for i, account in enumerate(self.accounts) for threshold in (10, 25, 50, 75, 90)}

    def use(self, node):
        """Calls, and events of another runtime that weigh more, until all is used up."""
        dice = random.Random(self.options.seed * 100 + node)
        while not self.stop.is_set():
            account = dice.choice(self.accounts)
            try:
                if dice.random() < 0.7:
                    self.cluster.call(node, "POST", f"/v1/accounts/{account}/functions/f/invocations", '{"ms":1}')
                else:
                    event = {"specversion": "1.0", "id": str(uuid.UUID(int=dice.getrandbits(128))), "source": "/elsewhere",
                             "type": "dev.farthing.invocation", "subject": f"{account}/far-away",
                             "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
                             "data": {"duration_ms": 4000, "memory_mb": 512, "status": "ok"}}
                    self.cluster.call(node, "POST", "/v1/events", event, {"Content-Type": "application/cloudevents+json"})
            except (OSError, HTTPException):
                self.cluster.local.kept = {}
                self.stop.wait(0.05)

    def storm(self):
        callers = [threading.Thread(target=self.use, args=(node,)) for node in (0, 1, 2, 0, 1, 2)]
        for caller in callers:
            caller.start()
        until, kills = time.monotonic() + self.options.seconds, 0
        while time.monotonic() < until:
            time.sleep(self.random.uniform(0.1, 1.5))  # the random moment of the kill
            victim = self.random.randrange(3)
            self.cluster.kill(victim)
            self.cluster.start(victim)
            kills += 1
        return callers, kills

    def notices(self):
        return self.cluster.sql("SELECT a.name, n.name, n.threshold FROM quota_notice n JOIN account a USING (account_id)")

    def run(self):
        self.prepare()
        callers, kills = self.storm()
        wanted, until = self.wanted(), time.monotonic() + self.options.patience
        while time.monotonic() < until and len(self.notices()) < len(wanted):
            time.sleep(1)  # the callers go on until every threshold is passed
        self.stop.set()
        for caller in callers:
            caller.join()
        self.receiver.rough = False
        # What a killed node had taken is due again after a minute; what failed, after its backoff. Neither is waited for here.
        self.cluster.sql("UPDATE webhook_delivery SET due_at = now() WHERE delivered_at IS NULL")
        while time.monotonic() < until:
            if self.cluster.sql("SELECT count(*) FROM webhook_delivery WHERE delivered_at IS NULL") == [["0"]]:
                break
            time.sleep(0.5)
        self.judge(wanted, kills)

    def judge(self, wanted, kills):
        fired = collections.Counter((account, quota, int(threshold)) for account, quota, threshold in self.notices())
        queued = self.cluster.sql("SELECT count(*), count(delivered_at), sum(attempts) FROM webhook_delivery")[0]
        seen = self.receiver.seen
        print(f"{kills} kills, {len(fired)} thresholds of {len(wanted)} fired, {queued[0]} events queued, {queued[1]} delivered in "
              f"{queued[2]} attempts, {self.receiver.broken} answers lost, {sum(sum(ids.values()) for ids in seen.values())} "
              f"signed calls taken, {len(self.receiver.wrong)} wrong signatures")
        if set(fired) != wanted or max(fired.values()) != 1:
            raise Failed(f"missing {sorted(wanted - set(fired))[:5]}, unexpected {sorted(set(fired) - wanted)[:5]}")
        if self.receiver.wrong:
            raise Failed(f"signatures: {self.receiver.wrong[:3]}")
        if set(seen) != wanted or any(len(ids) != 1 for ids in seen.values()):
            raise Failed(f"events: missing {sorted(wanted - set(seen))[:5]}, twice "
                         f"{[(key, dict(ids)) for key, ids in seen.items() if len(ids) != 1][:5]}")
        shown = self.cluster.must(0, "GET", f"/v1/accounts/{self.accounts[0]}/notices")["items"]
        if len(shown) != 5 or "requests_per_month" not in self.cluster.farthing(0, "quota", "notices", "a0").stdout:
            raise Failed(f"the notices are not shown: {shown}")


def test():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=15)
    parser.add_argument("--accounts", type=int, default=12)
    parser.add_argument("--patience", type=float, default=180)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    with Cluster(3, options=("--allow-private-webhooks",)) as cluster:
        Story(cluster, options).run()


if __name__ == "__main__":
    main(test)
