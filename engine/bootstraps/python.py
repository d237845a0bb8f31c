"""Runtime for Python handlers written for AWS Lambda: handler(event, context).

Speaks the Runtime API at AWS_LAMBDA_RUNTIME_API over one keep-alive socket; standard library only. The request for the
next event is sent right behind an answer, in the same packet.
"""
import json
import os
import socket
import sys
import time
import traceback

BASE = "/2018-06-01/runtime"
HOST, PORT = os.environ["AWS_LAMBDA_RUNTIME_API"].split(":")
NEXT = ("GET %s/invocation/next HTTP/1.1\r\nHost: %s:%s\r\n\r\n" % (BASE, HOST, PORT)).encode()


class Wire:
    def __init__(self):
        self.socket = socket.create_connection((HOST, int(PORT)))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.rest = b""

    def next(self):
        self.socket.sendall(NEXT)

    def answer(self, target, headers, body, and_next):
        lines = ["POST %s%s HTTP/1.1" % (BASE, target), "Host: %s:%s" % (HOST, PORT)]
        lines.extend("%s: %s" % pair for pair in headers)
        lines.append("Content-Length: %d" % len(body))
        head = ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1", "replace")
        self.socket.sendall(head + body + (NEXT if and_next else b""))

    def read(self):
        data = self.rest
        while True:
            end = data.find(b"\r\n\r\n")
            if end >= 0:
                break
            data += self.more()
        lines = data[:end].decode("latin-1").split("\r\n")
        status = int(lines[0][9:12])
        found = {}
        for line in lines[1:]:
            name, _, value = line.partition(":")
            found[name.lower()] = value.strip()
        need = end + 4 + int(found.get("content-length", 0))
        parts, size = [data], len(data)
        while size < need:
            piece = self.more()
            parts.append(piece)
            size += len(piece)
        data = b"".join(parts)
        self.rest = data[need:]
        return status, found, data[end + 4:need]

    def more(self):
        piece = self.socket.recv(262144)
        if not piece:
            sys.exit(1)
        return piece


class Identity:
    def __init__(self, value):
        value = value or {}
        self.cognito_identity_id = value.get("cognitoIdentityId")
        self.cognito_identity_pool_id = value.get("cognitoIdentityPoolId")


class Client:
    def __init__(self, value):
        for name in ("installation_id", "app_title", "app_version_name", "app_version_code", "app_package_name"):
            setattr(self, name, value.get(name))


class ClientContext:
    def __init__(self, value):
        self.client = Client(value.get("client") or {})
        self.custom = value.get("custom")
        self.env = value.get("env")


class LambdaContext:
    def __init__(self, headers):
        self.aws_request_id = headers["lambda-runtime-aws-request-id"]
        self.invoked_function_arn = headers.get("lambda-runtime-invoked-function-arn")
        self.function_name = os.environ.get("AWS_LAMBDA_FUNCTION_NAME")
        self.function_version = os.environ.get("AWS_LAMBDA_FUNCTION_VERSION")
        self.memory_limit_in_mb = os.environ.get("AWS_LAMBDA_FUNCTION_MEMORY_SIZE")
        self.log_group_name = os.environ.get("AWS_LAMBDA_LOG_GROUP_NAME")
        self.log_stream_name = os.environ.get("AWS_LAMBDA_LOG_STREAM_NAME")
        client = headers.get("lambda-runtime-client-context")
        identity = headers.get("lambda-runtime-cognito-identity")
        self.client_context = ClientContext(json.loads(client)) if client else None
        self.identity = Identity(json.loads(identity) if identity else None)
        self._deadline_ms = int(headers.get("lambda-runtime-deadline-ms", 0))

    def get_remaining_time_in_millis(self):
        return max(0, self._deadline_ms - int(time.time() * 1000))

    def log(self, message):
        sys.stdout.write(str(message))


class Fault(Exception):
    def __init__(self, kind, message):
        super().__init__(message)
        self.kind = kind


def plain(value):
    import decimal

    if isinstance(value, decimal.Decimal):
        return float(value)
    raise TypeError("Object of type %s is not JSON serializable" % value.__class__.__name__)


def load():
    text = os.environ["_HANDLER"]
    module_name, dot, name = text.rpartition(".")
    if not dot or not module_name or not name:
        raise Fault("Runtime.MalformedHandlerName", "Bad handler '%s': not enough values to unpack (expected 2, got 1)" % text)
    import importlib

    for root in reversed(os.environ.get("PYTHONPATH", "").split(os.pathsep)):  # layers as pip lays them out
        site = "%s/lib/python%d.%d/site-packages" % (root, *sys.version_info[:2])
        if root and os.path.isdir(site):
            sys.path.insert(0, site)
    sys.path.insert(0, os.environ["LAMBDA_TASK_ROOT"])
    try:
        module = importlib.import_module(module_name.replace("/", "."))
    except ImportError as error:
        raise Fault("Runtime.ImportModuleError", "Unable to import module '%s': %s" % (module_name, error))
    except SyntaxError as error:
        raise Fault("Runtime.UserCodeSyntaxError", "Syntax error in module '%s': %s" % (module_name, error))
    if not hasattr(module, name):
        raise Fault("Runtime.HandlerNotFound", "Handler '%s' missing on module '%s'" % (name, module_name))
    return getattr(module, name)


def describe(error, request_id, skip):
    if isinstance(error, Fault):
        return {"errorMessage": str(error), "errorType": error.kind, "requestId": request_id, "stackTrace": []}
    trace = traceback.extract_tb(error.__traceback__)[skip:]
    return {
        "errorMessage": str(error),
        "errorType": type(error).__name__,
        "requestId": request_id,
        "stackTrace": traceback.format_list(trace),
    }


def tell(told):
    print("[ERROR] %s: %s\rTraceback (most recent call last):\r%s"
          % (told["errorType"], told["errorMessage"], "".join(told["stackTrace"]).replace("\n", "\r")), flush=True)


def post_error(wire, target, told, and_next):
    kind = told["errorType"].encode("ascii", "replace").decode()
    wire.answer(target, (("Content-Type", "application/json"), ("Lambda-Runtime-Function-Error-Type", kind)),
                json.dumps(told).encode(), and_next)
    wire.read()


def main():
    sys.stdout.reconfigure(line_buffering=True)
    wire = Wire()
    try:
        handler = load()
    except BaseException as error:  # also SystemExit while importing
        told = describe(error, "", 0)
        tell(told)
        post_error(wire, "/init/error", told, False)
        sys.exit(1)
    wire.next()
    while True:
        status, headers, body = wire.read()
        if status != 200:
            sys.exit(1)
        request_id = headers["lambda-runtime-aws-request-id"]
        os.environ["_X_AMZN_TRACE_ID"] = headers.get("lambda-runtime-trace-id", "")
        try:
            value = handler(json.loads(body), LambdaContext(headers))
            answer = json.dumps(value, default=plain).encode()
        except SystemExit:
            raise
        except BaseException as error:
            told = describe(error, request_id, 1)
            tell(told)
            post_error(wire, "/invocation/%s/error" % request_id, told, True)
            continue
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
        wire.answer("/invocation/%s/response" % request_id, (("Content-Type", "application/json"),), answer, True)
        wire.read()


main()
