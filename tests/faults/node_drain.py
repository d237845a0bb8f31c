"""A node is told to stop while calls run and events wait: what runs is answered, what waits runs on the next node, each once."""
import base64
import io
import os
import sys
import threading
import time
import zipfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from cluster import Cluster, Failed, main  # noqa: E402

EVENTS = 40
PATIENCE_S = 90
CODE = """
import os, time
def handler(event, context):
    print("began", event["n"], flush=True)
    time.sleep(event["s"])
    return event["n"]
"""


def package():
    into = io.BytesIO()
    with zipfile.ZipFile(into, "w") as archive:
        archive.writestr("main.py", CODE)
    return base64.b64encode(into.getvalue()).decode()


def wait_for(what, ask):
    until = time.monotonic() + PATIENCE_S
    while time.monotonic() < until:
        if (answer := ask()) is not None:
            return answer
        time.sleep(0.05)  # spares the processor between two looks
    raise Failed(f"{what}: it never came")


def run():
    with Cluster(nodes=1) as cluster:
        cluster.must(0, "POST", "/v1/accounts", {"name": "acme"})
        for name in ("call", "event"):
            cluster.must(0, "POST", "/v1/accounts/acme/functions",
                         {"name": name, "runtime": "python", "handler": "main.handler", "memory_mb": 128, "timeout_s": 30, "code": package()})
        # One at a time: most events wait when the node is told to stop.
        cluster.must(0, "PATCH", "/v1/accounts/acme/functions/event", {"reserved_concurrency": 1})
        told = {}

        def call():
            told["answer"] = cluster.call(0, "POST", "/v1/accounts/acme/functions/call/invocations", {"n": 7, "s": 6})

        caller = threading.Thread(target=call)
        caller.start()
        wait_for("the call runs", lambda: True if any("began 7" in str(line) for line in cluster.must(
            0, "GET", "/v1/accounts/acme/functions/call/logs")["items"]) else None)
        accepted = []
        for n in range(EVENTS):
            status, answer, headers = cluster.call(0, "POST", "/v1/accounts/acme/functions/event/invocations?type=async", {"n": n, "s": 0.5})
            if status != 202:
                raise Failed(f"an event is answered {status} {answer}")
            accepted.append(headers["Farthing-Request-Id"])
        node = cluster.nodes[0]
        node.process.terminate()
        caller.join()
        status, answer, _ = told["answer"]
        if status != 200 or answer != 7:
            raise Failed(f"the call that ran is answered {status} {answer}")
        if (code := node.process.wait(PATIENCE_S)) != 0:
            raise Failed(f"the node ended with {code}")
        waiting = int(cluster.sql("SELECT count(*) FROM async_event")[0][0])
        held = int(cluster.sql("SELECT count(*) FROM async_event WHERE owner_node IS NOT NULL")[0][0])
        if waiting == 0:
            raise Failed("nothing waited: the test shows nothing")
        if held != 0:
            raise Failed(f"{held} events still belong to the node that is gone")

        cluster.nodes.append(type(node)(cluster.folder / "node1"))
        cluster.start(1)

        def all_recorded():
            items = cluster.must(1, "GET", "/v1/accounts/acme/functions/event/invocations?limit=1000")["items"]
            return items if {one["request_id"] for one in items} >= set(accepted) else None

        items = wait_for("every event ran", all_recorded)
        if len(items) != EVENTS:
            raise Failed(f"{len(items)} runs of {EVENTS} events")
        if bad := [one for one in items if one["status"] != "ok"]:
            raise Failed(f"not ok: {bad}")
        print(f"{EVENTS - waiting} events ran on the first node, {waiting} moved to the second")


main(run)
