"""Every operation of Lambda's service model, called by AWS's own Python client: it is either there or refused by its name in
an answer that the client does not send again. Nothing is a silent success, and the node is well afterwards."""

import io
import os
import sys
import urllib.request
import zipfile

try:
    from botocore import session
    from botocore.config import Config
except ImportError:  # Debian's awscli brings its own
    try:
        from awscli.botocore import session
        from awscli.botocore.config import Config
    except ImportError:
        print("skipped: no botocore")
        sys.exit(77)

# What is here, in the order of a function's life: each call needs what the ones before it made.
SUPPORTED = """PublishLayerVersion GetLayerVersion GetLayerVersionByArn ListLayers ListLayerVersions CreateFunction GetFunction GetFunctionConfiguration ListFunctions UpdateFunctionCode UpdateFunctionConfiguration
PublishVersion ListVersionsByFunction CreateAlias GetAlias ListAliases UpdateAlias Invoke InvokeAsync InvokeWithResponseStream
PutFunctionConcurrency GetFunctionConcurrency DeleteFunctionConcurrency PutProvisionedConcurrencyConfig
GetProvisionedConcurrencyConfig ListProvisionedConcurrencyConfigs DeleteProvisionedConcurrencyConfig
PutFunctionEventInvokeConfig UpdateFunctionEventInvokeConfig GetFunctionEventInvokeConfig ListFunctionEventInvokeConfigs
DeleteFunctionEventInvokeConfig CreateFunctionUrlConfig GetFunctionUrlConfig UpdateFunctionUrlConfig ListFunctionUrlConfigs
DeleteFunctionUrlConfig TagResource ListTags UntagResource GetAccountSettings DeleteAlias DeleteFunction
DeleteLayerVersion""".split()

url = os.environ["FARTHING_URL"]
mode = sys.argv[1] if len(sys.argv) > 1 else "standard"
if mode == "legacy" and "awscli" in session.__name__:
    mode = "adaptive"  # the newer one has no other
client = session.get_session().create_client(
    "lambda", region_name="local", endpoint_url=url, aws_access_key_id=os.environ["AWS_ACCESS_KEY_ID"],
    aws_secret_access_key=os.environ["AWS_SECRET_ACCESS_KEY"],
    config=Config(retries={"mode": mode}, parameter_validation=False),
)
model = client.meta.service_model
sent = []
client.meta.events.register("before-send.lambda", lambda request, **_: sent.append(request.url))


def package(text):
    into = io.BytesIO()
    with zipfile.ZipFile(into, "w") as archive:
        archive.writestr("main.py", f"def handler(event, context):\n    return '{text}'\n")
    return into.getvalue()


ARN = "arn:aws:lambda:local:{}:function:all"
GIVEN = {
    "PublishLayerVersion": {"LayerName": "all", "Content": {"ZipFile": package("layer")}},
    "CreateFunction": {"FunctionName": "all", "Runtime": "python3.11", "Handler": "main.handler", "Role": "r",
                       "Code": {"ZipFile": package("one")}},
    "UpdateFunctionCode": {"FunctionName": "all", "ZipFile": package("two")},
    "UpdateFunctionConfiguration": {"FunctionName": "all", "Timeout": 5},
    "CreateAlias": {"FunctionName": "all", "Name": "live", "FunctionVersion": "1"},
    "InvokeAsync": {"FunctionName": "all", "InvokeArgs": b"{}"},
    "GetAlias": {"FunctionName": "all", "Name": "live"},
    "UpdateAlias": {"FunctionName": "all", "Name": "live", "Description": "d"},
    "DeleteAlias": {"FunctionName": "all", "Name": "live"},
    "PutFunctionConcurrency": {"FunctionName": "all", "ReservedConcurrentExecutions": 2},
    "PutProvisionedConcurrencyConfig": {"FunctionName": "all", "Qualifier": "1", "ProvisionedConcurrentExecutions": 1},
    "GetProvisionedConcurrencyConfig": {"FunctionName": "all", "Qualifier": "1"},
    "DeleteProvisionedConcurrencyConfig": {"FunctionName": "all", "Qualifier": "1"},
    "PutFunctionEventInvokeConfig": {"FunctionName": "all", "MaximumRetryAttempts": 1},
    "UpdateFunctionEventInvokeConfig": {"FunctionName": "all", "MaximumRetryAttempts": 0},
    "CreateFunctionUrlConfig": {"FunctionName": "all", "AuthType": "NONE"},
    "TagResource": {"Resource": ARN, "Tags": {"a": "b"}},
    "ListTags": {"Resource": ARN},
    "UntagResource": {"Resource": ARN, "TagKeys": ["a"]},
}


def value(shape, depth=0):
    """Something of this shape: required members only, and what the model says of the value as far as it matters."""
    if shape.type_name == "structure":
        return {name: value(shape.members[name], depth + 1) for name in shape.required_members} if depth < 5 else {}
    if shape.type_name == "list":
        return [value(shape.member, depth + 1)]
    if shape.type_name == "map":
        return {"key": value(shape.value, depth + 1)}
    if shape.type_name in ("integer", "long", "float", "double"):
        return 1
    if shape.type_name == "boolean":
        return True
    if shape.type_name == "blob":
        return b"{}"
    if shape.type_name == "timestamp":
        return 0
    return getattr(shape, "enum", None)[0] if getattr(shape, "enum", None) else "all"


def call(name):
    """The client's answer, or its error, and how often the request went out."""
    operation = model.operation_model(name)
    given = GIVEN.get(name) or value(operation.input_shape)
    given = {key: one.format(account) if one == ARN else one for key, one in given.items()}
    method = getattr(client, "".join("_" + c.lower() if c.isupper() else c for c in name).lstrip("_"))
    sent.clear()
    try:
        answer = method(**given)
        for part in ("Payload", "EventStream"):
            if part in answer:
                answer[part] = list(answer[part])
        return answer["ResponseMetadata"]["HTTPStatusCode"], "", "", len(sent)
    except Exception as error:  # ClientError; Debian's awscli has that class twice
        if not hasattr(error, "response"):
            raise
        told = error.response
        message = told["Error"].get("Message", "")
        return told["ResponseMetadata"]["HTTPStatusCode"], told["Error"]["Code"], message, len(sent)


failures = []


def check(fine, text):
    if not fine:
        failures.append(text)


account = ""
there = 0
for name in SUPPORTED:
    if name not in model.operation_names:
        continue  # an older client
    status, code, message, count = call(name)
    check(200 <= status < 300 and count == 1, f"{name}: {status} {code} {message}, sent {count} times")
    there += 1
    if name == "PublishLayerVersion":
        newest = client.list_layers()["Layers"][0]["LatestMatchingVersion"]
        one = {"LayerName": "all", "VersionNumber": newest["Version"]}
        GIVEN.update(GetLayerVersion=one, DeleteLayerVersion=one, GetLayerVersionByArn={"Arn": newest["LayerVersionArn"]})
    if name == "GetFunction":
        account = client.get_function(FunctionName="all")["Configuration"]["FunctionArn"].split(":")[4]
missing = [name for name in model.operation_names if name not in SUPPORTED]
for name in missing:
    status, code, message, count = call(name)
    told = f"{name}: {status} {code} {message}, sent {count} times"
    check(status == 501 and code == "NotImplementedException", told)
    check(message == f"{name} is not supported here.", told)
    check(count == 1, told)
check(there + len(missing) == len(model.operation_names), "all")
with urllib.request.urlopen(f"{url}/readyz") as reply:
    check(reply.status == 200, "the node is ready afterwards")
for text in failures:
    print(f"FAILED: {text}")
print(f"{there} operations are here, {len(missing)} say that they are not ({len(model.operation_names)} in the model)")
sys.exit(1 if failures else 0)
