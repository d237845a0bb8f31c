#!/usr/bin/python3
"""An extension of a layer: it writes down what it hears, in the log and in /tmp/heard."""
import os
import sys
import time

sys.path.insert(0, "/opt")
from tools import following, register  # noqa: E402

OPTIONS = {}
name = os.path.basename(sys.argv[0])


def note(text):
    print(name, text, flush=True)
    with open("/tmp/heard", "a") as file:
        file.write(f"{name} {text}\n")


if OPTIONS.get("quits"):
    sys.exit(OPTIONS["quits"])
status, headers, answer = register(name, OPTIONS["events"])
if OPTIONS["events"]:
    note(f"registered {status} {answer}".replace("'", '"'))
    again = register(name, [])
    print(name, "again", again[0], again[2]["errorType"], flush=True)
while True:
    status, _, event = following(headers["lambda-extension-identifier"])
    if event["eventType"] == "INVOKE":
        note(f"INVOKE {event['requestId']}")
        if OPTIONS.get("exits"):
            time.sleep(OPTIONS.get("first_s", 0))
            sys.exit(OPTIONS["exits"])
    else:
        note(f"SHUTDOWN {event['shutdownReason']} {event['deadlineMs'] - int(time.time() * 1000)}")
        time.sleep(OPTIONS.get("last_words_s", 0))
        sys.exit(0)
