"""A handler as Lambda has them. Deploy with runtime `python`, handler `main.handler`."""


def handler(event, context):
    print("hello from", context.function_name)
    return {"message": "hello, %s" % event.get("name", "world"), "request_id": context.aws_request_id}
