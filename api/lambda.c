#include "api/lambda.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/api.h"
#include "api/functions.h"
#include "api/http.h"
#include "common/calendar.h"
#include "common/digest.h"
#include "common/err.h"
#include "common/text.h"
#include "engine/engine.h"
#include "engine/function.h"

void lambda_arn(const struct request *request, const char *name, const char *qualifier, char arn[LAMBDA_ARN_BYTES])
{
    const char *region = api_get_options(request->api)->region;
    bool qualified = qualifier != NULL && qualifier[0] != '\0';
    (void)snprintf(arn, LAMBDA_ARN_BYTES, "arn:aws:lambda:%s:%lld:function:%.64s%s%.128s", region,
                   (long long)request->account_id, name, qualified ? ":" : "", qualified ? qualifier : "");
}

int lambda_not_found(const struct request *request, const struct lambda_target *target, struct err *err)
{
    char arn[LAMBDA_ARN_BYTES];
    if (err->code == ERR_NOT_FOUND) {
        bool alias = target->qualifier[0] != '\0' &&
                     strspn(target->qualifier, "0123456789") != strlen(target->qualifier) &&
                     strcmp(target->qualifier, "$LATEST") != 0;
        lambda_arn(request, target->name, target->qualifier, arn);
        (void)err_set(err, ERR_NOT_FOUND, "%s: %s", alias ? "Cannot find alias arn" : "Function not found", arn);
        err->field[0] = '\0';
    }
    return -1;
}

static int invalid_name(struct err *err, const char *text)
{
    (void)err_set(
        err, ERR_INVALID,
        "1 validation error detected: Value '%.140s' at 'functionName' failed to satisfy constraint: Member must "
        "satisfy regular expression pattern for function names and ARNs",
        text);
    return err_slug(err, "ValidationException");
}

/* "name" or "name:qualifier" after the account was taken off. */
static int name_and_qualifier(const char *text, const char *whole, struct lambda_target *target, struct err *err)
{
    size_t length = strcspn(text, ":");
    if (length == 0 || length >= sizeof target->name ||
        strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                     "0123456789-_") != length) {
        return invalid_name(err, whole);
    }
    memcpy(target->name, text, length);
    target->name[length] = '\0';
    target->qualifier[0] = '\0';
    if (text[length] == ':' && text_copy(target->qualifier, sizeof target->qualifier, text + length + 1) != 0) {
        return invalid_name(err, whole);
    }
    return 0;
}

int lambda_target_parse(const struct request *request, const char *text, struct lambda_target *target, struct err *err)
{
    const char *rest = text;
    char own[24];
    (void)snprintf(own, sizeof own, "%lld", (long long)request->account_id);
    memset(target, 0, sizeof *target);
    if (text_starts(rest, "arn:")) { /* arn:aws:lambda:region: */
        for (int i = 0; i < 4; i++) {
            rest = strchr(rest, ':');
            if (rest == NULL) {
                return invalid_name(err, text);
            }
            rest++;
        }
    }
    const char *mark = strstr(rest, ":function:");
    if (mark != NULL) {
        bool mine = (size_t)(mark - rest) == strlen(own) && strncmp(rest, own, strlen(own)) == 0;
        if (name_and_qualifier(mark + strlen(":function:"), text, target, err) != 0) {
            return -1;
        }
        return mine ? 0 : err_set(err, ERR_NOT_FOUND, "Function not found: %.250s", text);
    }
    return rest != text ? invalid_name(err, text) : name_and_qualifier(rest, text, target, err);
}

static int check_qualifier(const char *text, struct err *err)
{
    if (text[0] == '\0' || strcmp(text, "$LATEST") == 0 ||
        strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_") == strlen(text)) {
        return 0;
    }
    (void)err_set(
        err, ERR_INVALID,
        "1 validation error detected: Value '%.128s' at 'qualifier' failed to satisfy constraint: Member must "
        "satisfy regular expression pattern: (|[a-zA-Z0-9$_-]+)",
        text);
    return err_slug(err, "ValidationException");
}

int lambda_target(const struct request *request, struct lambda_target *target, struct err *err)
{
    const char *asked = request_query(request, "Qualifier");
    if (lambda_target_parse(request, request_param(request, "f"), target, err) != 0) {
        return -1;
    }
    if (asked == NULL || asked[0] == '\0') {
        return check_qualifier(target->qualifier, err);
    }
    if (target->qualifier[0] != '\0' && strcmp(target->qualifier, asked) != 0) {
        (void)err_set(err, ERR_INVALID,
                      "The derived qualifier from the function name does not match the specified qualifier.");
        return err_slug(err, "InvalidParameterValueException");
    }
    return text_copy(target->qualifier, sizeof target->qualifier, asked) == 0 ? check_qualifier(asked, err)
                                                                              : invalid_name(err, asked);
}

int lambda_function(struct request *request, const struct lambda_target *target, struct function *function,
                    struct err *err)
{
    const char *qualifier = target->qualifier[0] != '\0' ? target->qualifier : NULL;
    if (function_get(request->pg, request->account_id, target->name, qualifier, function, err) != 0) {
        return lambda_not_found(request, target, err);
    }
    return 0;
}

void lambda_time(int64_t at_us, char text[LAMBDA_TIME_BYTES])
{
    struct civil c;
    calendar_split(at_us, &c);
    (void)snprintf(text, LAMBDA_TIME_BYTES, "%04d-%02d-%02dT%02d:%02d:%02d.%03d+0000", c.year, c.month, c.day, c.hour,
                   c.minute, c.second, c.micros / 1000);
}

static void state_members(struct json_writer *writer, enum lambda_state state)
{
    bool creating = state == LAMBDA_CREATING;
    json_put_text(writer, "State", creating ? "Pending" : "Active");
    if (creating) {
        json_put_text(writer, "StateReason", "The function is being created.");
        json_put_text(writer, "StateReasonCode", "Creating");
    }
    if (state == LAMBDA_UPDATING) {
        json_put_text(writer, "LastUpdateStatus", "InProgress");
        json_put_text(writer, "LastUpdateStatusReason", "The function is being created.");
        json_put_text(writer, "LastUpdateStatusReasonCode", "Creating");
    } else if (!creating) {
        json_put_text(writer, "LastUpdateStatus", "Successful");
    }
}

static void fixed_members(struct json_writer *writer, const struct function *function)
{
    char group[100];
    json_open_array(writer, "Architectures");
    json_put_text(writer, NULL, function->arch == ARCH_ARM64 ? "arm64" : "x86_64");
    json_close_array(writer);
    json_open_object(writer, "EphemeralStorage");
    json_put_i64(writer, "Size", function->ephemeral_mib);
    json_close_object(writer);
    json_open_object(writer, "TracingConfig");
    json_put_text(writer, "Mode", "PassThrough");
    json_close_object(writer);
    json_open_object(writer, "SnapStart");
    json_put_text(writer, "ApplyOn", "None");
    json_put_text(writer, "OptimizationStatus", "Off");
    json_close_object(writer);
    json_open_object(writer, "LoggingConfig");
    json_put_text(writer, "LogFormat", "Text");
    (void)snprintf(group, sizeof group, "/aws/lambda/%s", function->name);
    json_put_text(writer, "LogGroup", group);
    json_close_object(writer);
    json_put_text(writer, "PackageType", "Zip");
}

static int environment_member(struct request *request, struct json_writer *writer, const struct function *function,
                              struct err *err)
{
    struct buf variables = {0};
    if (request->caller.scope < SCOPE_ACCOUNT) {
        return 0;
    }
    int rc =
        function_environment_get(request->pg, request->account_id, function->name, function->version, &variables, err);
    if (rc == 0 && variables.length > 2) {
        json_open_object(writer, "Environment");
        json_put_raw(writer, "Variables", buf_text(&variables));
        json_close_object(writer);
    }
    buf_free(&variables);
    return rc;
}

int lambda_configuration(struct request *request, struct json_writer *writer, const struct function *function,
                         enum lambda_state state, bool with_qualifier, struct err *err)
{
    char arn[LAMBDA_ARN_BYTES];
    char version[16];
    char modified[LAMBDA_TIME_BYTES];
    char revision[UUID_TEXT_BYTES];
    struct buf digest = {0};
    function_version_text(function->version, version);
    lambda_arn(request, function->name, with_qualifier ? version : NULL, arn);
    lambda_time(function->modified_us, modified);
    uuid_format(&function->revision, revision);
    base64_encode(function->code_sha256, SHA256_BYTES, &digest);
    json_put_text(writer, "FunctionName", function->name);
    json_put_text(writer, "FunctionArn", arn);
    json_put_text(writer, "Runtime", function->runtime);
    json_put_text(writer, "Role", function->role);
    json_put_text(writer, "Handler", function->handler);
    json_put_i64(writer, "CodeSize", function->code_bytes);
    json_put_text(writer, "Description", function->description);
    json_put_i64(writer, "Timeout", function->timeout_s);
    json_put_i64(writer, "MemorySize", function->memory_mib);
    json_put_text(writer, "LastModified", modified);
    json_put_text(writer, "CodeSha256", buf_text(&digest));
    json_put_text(writer, "Version", version);
    json_put_text(writer, "RevisionId", revision);
    state_members(writer, state);
    fixed_members(writer, function);
    lambda_layers_member(request, writer, function);
    buf_free(&digest);
    return environment_member(request, writer, function, err);
}

int lambda_configuration_reply(struct request *request, int status, const struct function *function,
                               enum lambda_state state, bool with_qualifier, struct err *err)
{
    struct json_writer writer;
    reply_json_begin(request, &writer);
    if (lambda_configuration(request, &writer, function, state, with_qualifier, err) != 0) {
        return -1;
    }
    return reply_json_end(request, status, &writer, err);
}

void lambda_changed(struct request *request, const char *name)
{
    struct engine *engine = api_get_options(request->api)->engine;
    if (engine != NULL) {
        engine_function_changed(engine, request->account_id, name);
    }
}
