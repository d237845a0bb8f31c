/* Errors as AWS writes them: class in x-amzn-ErrorType, "message" or "Message" depending on the class. */
#include <stdio.h>
#include <string.h>

#include "api/http.h"
#include "api/lambda.h"
#include "common/check.h"
#include "common/err.h"
#include "engine/admission.h"

struct lambda_class {
    const char *name;
    int status;
    bool capital; /* "Message" instead of "message" */
    bool service; /* Type is Service, not User */
};

static const struct lambda_class CLASSES[] = {
    {"InvalidParameterValueException", 400, false, false},
    {"InvalidRequestContentException", 400, false, false},
    {"ValidationException", 400, false, false},
    {"IncompleteSignatureException", 403, false, false},
    {"InvalidSignatureException", 403, false, false},
    {"UnrecognizedClientException", 403, false, false},
    {"RequestTimeTooSkewed", 403, false, false},
    {"AccessDeniedException", 403, true, false},
    {"ResourceNotFoundException", 404, true, false},
    {"ProvisionedConcurrencyConfigNotFoundException", 404, false, false},
    {"ResourceConflictException", 409, false, false},
    {"PreconditionFailedException", 412, false, false},
    {"RequestTooLargeException", 413, false, false},
    {"RequestEntityTooLargeException", 413, false, false},
    {"CodeStorageExceededException", 400, false, false},
    {"UnsupportedMediaTypeException", 415, false, false},
    {"TooManyRequestsException", 429, false, false},
    {"ServiceException", 500, true, true},
    {"NotImplementedException", 501, true, true},
    {"ServiceUnavailableException", 503, true, true},
};
#define CLASS_COUNT (sizeof CLASSES / sizeof CLASSES[0])

static const struct lambda_class *class_find(const char *name)
{
    for (size_t i = 0; name != NULL && i < CLASS_COUNT; i++) {
        if (strcmp(CLASSES[i].name, name) == 0) {
            return &CLASSES[i];
        }
    }
    return NULL;
}

static const char *class_of_status(int status)
{
    switch (status) {
    case 401:
    case 403:
        return "AccessDeniedException";
    case 404:
        return "ResourceNotFoundException";
    case 409:
        return "ResourceConflictException";
    case 412:
        return "PreconditionFailedException";
    case 413:
        return "RequestEntityTooLargeException";
    case 415:
        return "UnsupportedMediaTypeException";
    case 429:
        return "TooManyRequestsException";
    case 500:
        return "ServiceException";
    case 501:
        return "NotImplementedException";
    case 503:
        return "ServiceUnavailableException";
    default:
        return "InvalidParameterValueException";
    }
}

static void reply_class(struct request *request, const struct lambda_class *class, int status, const char *text,
                        const char *reason)
{
    struct json_writer writer;
    CHECK(class != NULL); /* callers name one of the table */
    reply_reset(&request->reply);
    request->reply.status = status;
    request->reply.content_type = "application/json";
    reply_header(&request->reply, "x-amzn-ErrorType", class->name);
    json_writer_init(&writer, &request->reply.body);
    json_open_object(&writer, NULL);
    if (reason != NULL) {
        json_put_text(&writer, "Reason", reason);
    }
    json_put_text(&writer, "Type", class->service ? "Service" : "User");
    json_put_text(&writer, class->capital ? "Message" : "message", text);
    json_close_object(&writer);
}

void lambda_error_reply(struct request *request, const struct err *err)
{
    const struct lambda_class *class = class_find(err->slug);
    int status = problem_http_status(err);
    if (class == NULL) {
        class = class_find(class_of_status(status));
    } else {
        status = class->status;
    }
    reply_class(request, class, status, err->text, NULL);
    if (status == 503) {
        reply_header(&request->reply, "Retry-After", "1");
    }
}

void lambda_status_reply(struct request *request, int status, const char *code, const char *detail)
{
    (void)code;
    reply_class(request, class_find(status == 401 ? "UnrecognizedClientException" : class_of_status(status)),
                status == 401 ? 403 : status, detail, NULL);
}

static const char *reason_word(enum usage_refusal_reason reason)
{
    switch (reason) {
    case USAGE_REFUSED_RESERVED_CONCURRENCY:
        return "ReservedFunctionConcurrentInvocationLimitExceeded";
    case USAGE_REFUSED_SCALING: /* how fast one function may grow */
        return "FunctionInvocationRateLimitExceeded";
    case USAGE_REFUSED_RATE: /* limits of the whole account, that is, of who calls */
    case USAGE_REFUSED_REQUESTS:
    case USAGE_REFUSED_GB_SECONDS:
    case USAGE_REFUSED_SPEND:
        return "CallerRateLimitExceeded";
    case USAGE_REFUSED_CONCURRENCY:
    case USAGE_REFUSED_CAPACITY:
    case USAGE_REFUSED_SUSPENDED:
        return "ConcurrentInvocationLimitExceeded";
    }
    return "ConcurrentInvocationLimitExceeded";
}

void lambda_refusal_reply(struct request *request, const struct admission_refusal *refusal)
{
    char text[256];
    bool monthly = refusal->resets_at_us != 0;
    (void)snprintf(text, sizeof text, "Rate Exceeded.%s%.200s", monthly ? " " : "", monthly ? refusal->detail : "");
    reply_class(request, class_find("TooManyRequestsException"), 429, text, reason_word(refusal->reason));
    reply_header_i64(&request->reply, "Retry-After", refusal->retry_after_s > 0 ? refusal->retry_after_s : 1);
}
