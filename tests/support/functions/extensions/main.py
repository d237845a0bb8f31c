"""Functions with extensions inside: MODE says which."""
import os
import signal
import sys
import threading
import time

from tools import ask, following, register

mode = os.environ.get("MODE", "")
seen = []
told = {}


def loop(identifier, linger_s=0.0):
    while True:
        status, headers, event = following(identifier)
        seen.append({"status": status, "event": event, "id": headers.get("lambda-extension-event-identifier", "")})
        end = time.monotonic() + linger_s
        while time.monotonic() < end:
            pass


def inside(name="inside", **how):
    status, headers, answer = register(name, ["INVOKE"], **{"Lambda-Extension-Accept-Feature": "accountId"})
    told["registered"] = [status, answer]
    identifier = headers["lambda-extension-identifier"]
    told["identifier"] = identifier
    threading.Thread(target=loop, args=(identifier,), kwargs=how, daemon=True).start()
    return identifier


def error_of(answer):
    return [answer[0], answer[2]["errorType"]]


def subscribe(path):
    return error_of(ask("PUT", path, {"Lambda-Extension-Identifier": told["identifier"]},
                        {"schemaVersion": "2022-12-13", "types": ["platform"],
                         "destination": {"protocol": "HTTP", "URI": "http://sandbox.localdomain:8080"}}))


def wrong_requests():
    """Everything that is refused, in the order of the questions."""
    path = "/2020-01-01/extension/register"
    name = {"Lambda-Extension-Name": "other"}
    return {
        "nameless": error_of(ask("POST", path, {}, {"events": []})),
        "endless": error_of(ask("POST", path, {"Lambda-Extension-Name": "n" * 4000}, {"events": []})),
        "no json": error_of(ask("POST", path, name, "{")),
        "no list": error_of(ask("POST", path, name, {"events": "INVOKE"})),
        "large": error_of(ask("POST", path, name, '{"events":[' + " " * 300000 + "]}")),
        "no event": ask("POST", path, name, {"events": ['"WAKE"\n']})[2],
        "shutdown": error_of(register("other", ["INVOKE", "SHUTDOWN"])),
        "twice": error_of(register("inside", ["INVOKE"])),
        "next of nobody": error_of(ask("GET", "/2020-01-01/extension/event/next")),
        "next of nonsense": error_of(following("me")),
        "next of a stranger": error_of(following("11111111-2222-4333-8444-555555555555")),
        "error of nobody": error_of(ask("POST", "/2020-01-01/extension/exit/error")),
        "error of no type": error_of(ask("POST", "/2020-01-01/extension/exit/error",
                                         {"Lambda-Extension-Identifier": told["identifier"]})),
        "telemetry": subscribe("/2022-07-01/telemetry"),
        "logs": subscribe("/2020-08-15/logs"),
        "telemetry for nobody": error_of(ask("PUT", "/2022-07-01/telemetry", {}, {})),
        "another method": ask("DELETE", path, name)[0],
        "another path": ask("GET", "/2020-01-01/extension/event/last")[0],
    }


def on_term(number, frame):
    print("the runtime was asked to end", flush=True)
    sys.exit(0)


if mode == "wrong":
    inside()
    told["wrong"] = wrong_requests()
elif mode == "many":
    answers = [register(f"e{i}", []) for i in range(11)]
    told["many"] = [answer[0] for answer in answers]
    told["last"] = error_of(answers[10])
    for answer in answers[:10]:
        threading.Thread(target=following, args=(answer[1]["lambda-extension-identifier"],), daemon=True).start()
elif mode == "lingers":
    inside(linger_s=0.3)
elif mode == "silent":
    told["identifier"] = register("inside", ["INVOKE"])[1]["lambda-extension-identifier"]
    threading.Thread(target=following, args=(told["identifier"],), daemon=True).start()
elif mode == "never":
    register("inside", [])
elif mode == "init":
    ask("POST", "/2020-01-01/extension/init/error",
        {"Lambda-Extension-Identifier": inside(), "Lambda-Extension-Function-Error-Type": "Extension.NoConfig"}, {})
elif mode == "plain":
    inside()
    signal.signal(signal.SIGTERM, on_term)


def handler(event, context):
    if event.get("exit"):
        return error_of(ask("POST", "/2020-01-01/extension/exit/error",
                            {"Lambda-Extension-Identifier": told["identifier"],
                             "Lambda-Extension-Function-Error-Type": "Extension.Tired"}, {}))
    if event.get("as"):
        return error_of(following(event["as"]))
    if event.get("late"):
        return error_of(register("late", ["INVOKE"]))
    if event.get("sleep_s"):
        time.sleep(event["sleep_s"])
    if event.get("die"):
        os._exit(event["die"])
    if event.get("read"):
        with open("/tmp/heard") as file:
            return file.read().split("\n")
    while mode in ("plain", "wrong") and (not seen or seen[-1]["event"]["requestId"] != context.aws_request_id):
        time.sleep(0.001)  # the event of this call is on its way to the extension
    return {"seen": seen, "told": told, "request": context.aws_request_id, "arn": context.invoked_function_arn}
