"""Three whole nodes on one PostgreSQL under load, killed with SIGKILL at random: no month's total ever passes a limit.

    quota_nodes.py [--seconds N] [--seed S] [--nodes N] [--callers N] [--sandbox MODE]

Real functions are called over HTTP on accounts with blocking monthly limits: GB-seconds, requests, spending (with a free
allowance, graduated bands and a discount), and all three. Limits rise now and then, so that both sides of "reached" are
met. The totals are counted from usage_record, which nothing of admission writes; the money is worked out here, in exact
fractions, by a second hand. Then everything rests, one small caller goes on, and at least 99 % must have been usable.
"""
import argparse
import json
import pathlib
import random
import signal
import subprocess
import sys
import threading
import time
from fractions import Fraction
from http.client import HTTPConnection, HTTPException

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
from cluster import Cluster, Failed, main  # noqa: E402

MB_MS = 1024000  # of a GB-second
BOOK = {"name": "steps", "currency": "USD", "rounding": "half_up",
        "policy": [{"from": "2014-11-13", "grain_ms": 1, "bill_init": True}],
        "free": [{"id": "free", "meters": ["requests"], "quantity": "300"},
                 {"id": "free", "meters": ["compute_x86_64"], "quantity": "3"}],
        "meters": {"requests": {"bands": [{"id": "t1", "up_to": "2000", "price": "0.0007"}, {"id": "t2", "price": "0.0003"}]},
                   "compute_x86_64": {"bands": [{"id": "t1", "up_to": "40", "price": "0.0371"},
                                                {"id": "t2", "up_to": "90", "price": "0.0253"},
                                                {"id": "t3", "price": "0.0111111111"}]}}}
DISCOUNT = Fraction(875, 1000)  # 12.5 per cent off
ACCOUNTS = ("compute", "requests", "spend", "all")


def banded(quantity, meter):
    """Money for a quantity of a meter: what the free allowance leaves goes through the bands."""
    left = max(0, quantity - next(Fraction(row["quantity"]) for row in BOOK["free"] if meter in row["meters"]))
    sum_, reached = Fraction(0), Fraction(0)
    for band in BOOK["meters"][meter]["bands"]:
        upto = min(left, Fraction(band["up_to"])) if "up_to" in band else left
        if upto > reached:
            sum_ += (upto - reached) * Fraction(band["price"])
            reached = upto
    return sum_


def money(calls, mb_ms):
    return DISCOUNT * (banded(Fraction(calls), "requests") + banded(Fraction(mb_ms, MB_MS), "compute_x86_64"))


# ---- the callers: a process of their own, so that they do not slow each other down ----

class Caller(threading.Thread):
    def __init__(self, node_folder, key, seed, slow, stop):
        super().__init__(daemon=True)
        self.slow = slow
        self.file, self.key, self.random, self.stop = node_folder / "url", key, random.Random(seed), stop
        self.seen = {}
        self.connection = None

    def once(self):
        if self.connection is None:
            host, port = self.file.read_text().strip().removeprefix("http://").rsplit(":", 1)
            self.connection = HTTPConnection(host, int(port), timeout=30)
        account = self.random.choice(ACCOUNTS)
        ms = self.random.choice((0, 0, 1, 2, 5, 20, 60)) if self.random.random() < 0.98 else 700
        if self.slow:
            ms = 0 if account == "requests" else 700
        headers = {"Authorization": "Bearer " + self.key, "Content-Type": "application/json"}
        name = self.random.choice(("one", "two"))
        self.connection.request("POST", f"/v1/accounts/{account}/functions/{name}/invocations", '{"ms":%d}' % ms, headers)
        answer = self.connection.getresponse()
        answer.read()
        word = f"{account} {answer.status}"
        self.seen[word] = self.seen.get(word, 0) + 1
        if answer.status != 200:
            self.stop.wait(0.004)

    def run(self):
        while not self.stop.is_set():
            try:
                self.once()
            except (OSError, HTTPException, ValueError):
                self.connection = None
                self.seen["broken"] = self.seen.get("broken", 0) + 1
                self.stop.wait(0.05)


def drive(folder, key, callers, seed, slow):
    stop = threading.Event()
    threads = [Caller(pathlib.Path(folder), key, seed * 1000 + i, slow, stop) for i in range(callers)]
    for thread in threads:
        thread.start()
    sys.stdin.read()  # until whoever started this closes it
    stop.set()
    sums = {}
    for thread in threads:
        thread.join()
        for word, count in thread.seen.items():
            sums[word] = sums.get(word, 0) + count
    print(json.dumps(sums))


# ---- the judge ----

class Judge:
    def __init__(self, cluster, options):
        self.cluster, self.options, self.random = cluster, options, random.Random(options.seed)
        self.limits = {account: {} for account in ACCOUNTS}
        self.up = 0  # a node that is never killed while this asks it
        self.answers, self.last = {}, {}
        self.looks = 0

    def prepare(self):
        cluster = self.cluster
        cluster.must(0, "PUT", "/v1/price-books/steps", BOOK)
        for account in ACCOUNTS:
            cluster.must(0, "POST", "/v1/accounts", {"name": account, "price_book": "steps"})
            for name, timeout in (("one", 1), ("two", 2)):
                cluster.deploy(account, name, 128, timeout)
        self.ids = {name: int(id_) for id_, name in cluster.sql("SELECT account_id, name FROM account")}
        cluster.sql("INSERT INTO price_override (account_id, version, effective_from, body) SELECT account_id, 1, '2014-11-13',"
                    " '{\"discount_percent\": \"12.5\"}' FROM account WHERE name IN ('compute', 'requests', 'spend', 'all')")

    def quotas(self, account):
        return {"compute": ("gb_seconds_per_month",), "requests": ("requests_per_month",), "spend": ("spend_per_month",),
                "all": ("gb_seconds_per_month", "requests_per_month", "spend_per_month")}[account]

    def totals(self):
        rows = self.cluster.sql("SELECT account_id, count(*), sum(billed_ms::int8 * memory_mib) FROM usage_record"
                                " GROUP BY account_id")
        by_id = {int(row[0]): (int(row[1]), int(row[2])) for row in rows}
        return {name: by_id.get(self.ids[name], (0, 0)) for name in ACCOUNTS}

    def used(self, quota, calls, mb_ms):
        return {"requests_per_month": Fraction(calls), "gb_seconds_per_month": Fraction(mb_ms, MB_MS),
                "spend_per_month": money(calls, mb_ms)}[quota]

    def raise_limits(self, seconds):
        """So much that the callers reach it about as often as not."""
        for account, (calls, mb_ms) in self.totals().items():
            for quota in self.quotas(account):
                step = {"requests_per_month": 120, "gb_seconds_per_month": 2, "spend_per_month": 0.1}[quota] * seconds
                more = Fraction(self.random.randint(200, 1000), 1000) * Fraction(str(step))
                limit = max(self.limits[account].get(quota, 0), self.used(quota, calls, mb_ms) + more)
                self.set_limit(account, quota, limit)

    def set_limit(self, account, quota, limit):
        digits = {"requests_per_month": 0, "gb_seconds_per_month": 3, "spend_per_month": 12}[quota]
        whole = int(limit * 10 ** digits)
        text = str(whole) if digits == 0 else f"{whole // 10 ** digits}.{whole % 10 ** digits:0{digits}d}"
        self.limits[account][quota] = Fraction(text)  # known here before it is known there
        self.cluster.must(self.up, "PUT", f"/v1/accounts/{account}/quotas/{quota}", {"limit": text, "action": "block"})

    def check(self):
        """What was consumed so far against the highest limit there ever was."""
        totals = self.totals()
        self.looks += 1
        for account, (calls, mb_ms) in totals.items():
            for quota, limit in self.limits[account].items():
                used = self.used(quota, calls, mb_ms)
                if used > limit:
                    raise Failed(f"{account}: {quota} is {limit}, and {used} was used: {float(used - limit)} too much")
        return totals

    def drivers(self, pace):
        return [subprocess.Popen([sys.executable, __file__, "--drive", node.folder, self.cluster.admin_key,
                                  str(self.options.callers), str(self.options.seed + i), pace],
                                 stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
                for i, node in enumerate(self.cluster.nodes)]

    def gather(self, drivers):
        for driver in drivers:
            out, _ = driver.communicate()
            for word, count in json.loads(out).items():
                self.answers[word] = self.answers.get(word, 0) + count

    def storm(self):
        options, cluster = self.options, self.cluster
        drivers = self.drivers("fast")
        until, kills, raised, looked = time.monotonic() + options.seconds, 0, time.monotonic(), time.monotonic()
        pace = min(20, max(4, options.seconds / 6))
        while time.monotonic() < until:
            time.sleep(self.random.uniform(0.1, 2.5))  # the random moment of the kill
            victim = self.random.randrange(len(cluster.nodes))
            cluster.kill(victim)
            kills += 1
            self.up = (victim + 1) % len(cluster.nodes)
            if self.random.random() < 0.2:  # sometimes it is gone for a while
                time.sleep(self.random.uniform(0, 3))
            cluster.start(victim)
            if time.monotonic() - raised > pace:
                self.raise_limits(pace)
                raised = time.monotonic()
            if time.monotonic() - looked > 5:
                self.check()
                looked = time.monotonic()
        self.gather(drivers)
        return kills

    def calm(self):
        """Limits a hundred and more of the largest calls wide, so that per cents mean something; used up by long calls."""
        totals = self.totals()
        for account in ACCOUNTS:
            for quota, limit in self.limits[account].items():
                wide = max(limit, 130 * self.smallest(quota), self.used(quota, *totals[account]) + 20 * self.smallest(quota))
                if quota != "requests_per_month" and account != "all":
                    self.set_limit(account, quota, wide)
        drivers = self.drivers("slow")
        until = time.monotonic() + 240
        while time.monotonic() < until:
            time.sleep(5)  # the callers work
            totals = self.check()
            if all(any(self.used(quota, *totals[account]) > limit * 97 / 100 for quota, limit in self.limits[account].items())
                   for account in ACCOUNTS):
                break
        self.gather(drivers)

    def stored(self):
        """Wait until everything the nodes emitted is in."""
        before = None
        for _ in range(200):
            now = self.totals()
            if now == before:
                return now
            before = now
            time.sleep(0.7)
        raise Failed("records do not come to an end")

    def rest(self, account):
        """One small caller goes on until it was refused for a while."""
        refused, calls, began = 0, 0, time.monotonic()
        while refused < 30 and time.monotonic() - began < self.options.rest_seconds:
            ms = 0 if "requests_per_month" in self.limits[account] else 600
            status, answer, _ = self.cluster.call(0, "POST", f"/v1/accounts/{account}/functions/one/invocations",
                                                  '{"ms":%d}' % ms)
            if status == 200:
                refused, calls = 0, calls + 1
            elif status in (429, 503):
                refused += 1
                self.last[account] = answer
                time.sleep(0.4)
            else:
                raise Failed(f"the small caller: {status} {answer}")
        return calls

    def run(self):
        options = self.options
        self.prepare()
        self.raise_limits(min(20, options.seconds / 4))
        kills = self.storm()
        if options.seconds >= 300:
            self.calm()
        answers = self.answers
        loaded = self.stored()
        self.check()
        waiting = [threading.Thread(target=self.rest, args=(account,)) for account in ACCOUNTS]
        for thread in waiting:
            thread.start()
        for thread in waiting:
            thread.join()
        self.stored()
        totals = self.check()
        print(f"{options.nodes} nodes, {options.seconds} s, {kills} kills, {sum(calls for calls, _ in totals.values())} "
              f"calls, {self.looks} looks; answers {json.dumps(answers, sort_keys=True)}")
        shares = []
        for account, (calls, mb_ms) in totals.items():
            known = sum(count for word, count in answers.items() if word == f"{account} 200")
            if known > calls:
                raise Failed(f"{account}: {known} calls were answered, {calls} records are there")
            best, room = 0, Fraction(-1)
            for quota, limit in self.limits[account].items():
                share = float(100 * self.used(quota, calls, mb_ms) / limit)
                under_load = float(100 * self.used(quota, *loaded[account]) / limit)
                best = max(best, share)
                print(f"  {account:9} {quota:21} limit {float(limit):14.6f} used {float(self.used(quota, calls, mb_ms)):14.6f}"
                      f" = {share:8.4f} % ({under_load:.4f} % under load)")
                room = max(room, self.smallest(quota) - (limit - self.used(quota, calls, mb_ms)))
            if best < 99 and room <= 0:
                print(self.last.get(account))
                print(self.cluster.sql(f"SELECT * FROM quota_period WHERE account_id = {self.ids[account]}"))
                print(self.cluster.sql("SELECT sum(invocations), sum(mb_ms), sum(throttles) FROM usage_hourly"
                                       f" WHERE account_id = {self.ids[account]}"))
                for row in self.cluster.sql(
                        "SELECT l.*, c.epoch, c.last_sequence, c.complete_through FROM quota_lease l LEFT JOIN producer_cursor c"
                        f" USING (producer_id) WHERE l.account_id = {self.ids[account]} AND l.name NOT LIKE 'conc%'"):
                    print(row)
                raise Failed(f"{account}: {best:.3f} % of a limit could be used, and a small call would still fit")
            shares.append(best)
        for account in ACCOUNTS:
            self.against_the_bill(account, totals[account])
        if options.seconds >= 300 and min(shares) < 99:
            raise Failed("less than 99 % of a limit could be used")

    def smallest(self, quota):
        """What the small caller's call reserves: timeout and initialisation at the price that may still come."""
        worst = Fraction(128 * (1000 + 10000), MB_MS)
        price = DISCOUNT * (worst * Fraction("0.0371") + Fraction("0.0007"))
        return {"requests_per_month": 1, "gb_seconds_per_month": worst, "spend_per_month": price}[quota]

    def against_the_bill(self, account, total):
        """The money worked out here is the money of the bill."""
        cost = self.cluster.must(0, "GET", f"/v1/accounts/{account}/cost")
        exact = Fraction(cost["exact"]) if "exact" in cost else None
        if exact is not None and exact != money(*total):
            raise Failed(f"{account}: the bill says {cost['exact']}, {float(money(*total))} it should be")


def options_read():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--rest-seconds", type=float, default=400)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--nodes", type=int, default=3)
    parser.add_argument("--callers", type=int, default=8)
    parser.add_argument("--sandbox", default="none")
    return parser.parse_args()


def test():
    options = options_read()
    with Cluster(options.nodes, options.sandbox) as cluster:
        Judge(cluster, options).run()


if __name__ == "__main__":
    if sys.argv[1:2] == ["--drive"]:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        drive(sys.argv[2], sys.argv[3], int(sys.argv[4]), int(sys.argv[5]), sys.argv[6] == "slow")
    else:
        main(test)
