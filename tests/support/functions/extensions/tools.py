"""What extensions and functions of the tests say to the API of their instance: one request a connection."""
import http.client
import json
import os


def ask(method, path, headers=None, body=None):
    """Status, headers in small letters, and what it says as JSON."""
    connection = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
    text = body if body is None or isinstance(body, (str, bytes)) else json.dumps(body)
    connection.request(method, path, text, headers or {})
    answer = connection.getresponse()
    told = answer.read()
    connection.close()
    return answer.status, {k.lower(): v for k, v in answer.getheaders()}, json.loads(told) if told else None


def register(name, events, **more):
    return ask("POST", "/2020-01-01/extension/register", {"Lambda-Extension-Name": name, **more}, {"events": events})


def following(identifier):
    """The next event."""
    return ask("GET", "/2020-01-01/extension/event/next", {"Lambda-Extension-Identifier": identifier})
