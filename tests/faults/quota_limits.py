"""How long until a changed limit holds on every node: three nodes, each asked without pause while the limit goes up and down.

    quota_limits.py [--changes N] [--quota NAME] [--deaf]

Lowered: from the answer of the change to the beginning of the last call that was still admitted. Raised: to the end of the
first call that was admitted again. Prints the median and the largest over all nodes and changes.
"""
import argparse
import pathlib
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
from cluster import Cluster, Failed, main  # noqa: E402


class Watcher(threading.Thread):
    """Calls one node without pause; notes when it began and ended, and whether it ran."""

    def __init__(self, cluster, node):
        super().__init__(daemon=True)
        self.cluster, self.node, self.stop, self.seen = cluster, node, threading.Event(), []

    def run(self):
        while not self.stop.is_set():
            began = time.monotonic()
            status, _, _ = self.cluster.call(self.node, "POST", "/v1/accounts/a/functions/f/invocations", '{"ms":0}')
            self.seen.append((began, time.monotonic(), status == 200))
            self.stop.wait(0.002)


def settle(watchers, since, wanted):
    """Wait until every node has gone by the new limit for a while; how long each took, in seconds."""
    until = time.monotonic() + 20
    while time.monotonic() < until:
        time.sleep(0.02)  # the watchers call meanwhile
        if all(len(watcher.seen) > 5 and all(ran == wanted and began > since for began, _, ran in watcher.seen[-5:])
               for watcher in watchers):
            break
    else:
        raise Failed("a changed limit does not hold on every node after 20 s")
    took = []
    for watcher in watchers:
        if wanted:
            took.append(max(0, min(ended for began, ended, ran in watcher.seen if ran and began > since) - since))
        else:
            late = [began for began, _, ran in watcher.seen if ran and began > since]
            took.append(max(late) - since if late else 0)
        watcher.seen.clear()
    return took


def test():
    parser = argparse.ArgumentParser()
    parser.add_argument("--changes", type=int, default=50)
    parser.add_argument("--quota", default="requests_per_month")
    parser.add_argument("--deaf", action="store_true", help="no notification is sent: nodes have to find out by polling")
    options = parser.parse_args()
    with Cluster(3) as cluster:
        cluster.must(0, "POST", "/v1/accounts", {"name": "a"})
        cluster.deploy("a", "f")
        high = {"requests_per_month": "100000000", "spend_per_month": "1000000"}.get(options.quota, "1000")
        cluster.must(0, "PUT", f"/v1/accounts/a/quotas/{options.quota}", {"limit": high})
        if options.deaf:
            cluster.sql("CREATE OR REPLACE FUNCTION quota_changed(p_account bigint) RETURNS void LANGUAGE sql AS 'INSERT INTO"
                        " quota_change (account_id, changed_at) VALUES (p_account, clock_timestamp()) ON CONFLICT (account_id)"
                        " DO UPDATE SET revision = quota_change.revision + 1, changed_at = clock_timestamp()'")
        watchers = [Watcher(cluster, node) for node in range(3)]
        for watcher in watchers:
            watcher.start()
        settle(watchers, time.monotonic(), True)
        down, up = [], []
        for change in range(options.changes):
            raised = change % 2 == 1
            limit = high if raised else "0"
            cluster.must(change % 3, "PUT", f"/v1/accounts/a/quotas/{options.quota}", {"limit": limit, "action": "block"})
            (up if raised else down).extend(settle(watchers, time.monotonic(), raised))
        for watcher in watchers:
            watcher.stop.set()
        for watcher in watchers:
            watcher.join()
    for word, took in (("lowered", sorted(down)), ("raised", sorted(up))):
        print(f"{options.quota} {word}: {len(took)} times, median {took[len(took) // 2] * 1000:.1f} ms, "
              f"largest {took[-1] * 1000:.1f} ms")


if __name__ == "__main__":
    main(test)
