/*
 * lambda.h - the Lambda-compatible side of the API: AWS's errors, names and documents.
 *
 * Why:       AWS SDKs and the CLI work with --endpoint-url; they read the error class from x-amzn-ErrorType and the
 * message from "message" or "Message", depending on the class.
 */
#ifndef FARTHING_API_LAMBDA_H
#define FARTHING_API_LAMBDA_H

#include <stdbool.h>
#include <stdint.h>

#include "api/layers.h"
#include "common/digest.h"
#include "common/json.h"

struct admission_refusal;
struct err;
struct function;
struct function_alias;
struct json_writer;
struct request;

/* ---- lambda_errors.c ---- */

void lambda_error_reply(struct request *request, const struct err *err);
/* HTTP status with the error class that fits it. */
void lambda_status_reply(struct request *request, int status, const char *code, const char *detail);
void lambda_refusal_reply(struct request *request, const struct admission_refusal *refusal);

/* ---- lambda_read.c ---- */

#define LAMBDA_PAGE_MAX 50

/* The body as an object; an empty one is an empty object. The caller deletes *tree. */
int lambda_body(struct request *request, cJSON **tree, struct err *err);
/* InvalidParameterValueException. Returns -1. */
int lambda_parameter(struct err *err, const char *text);
/* Is it the store's "somebody changed it"? Then it is in AWS's words now. */
bool lambda_changed_meanwhile(struct err *err);
/* Every member that is set is in known (words), or says no more than that something which is not here stays off
 * (lambda_members.c); InvalidParameterValueException naming the member otherwise. */
int lambda_members_check(const cJSON *object, const char *known, struct err *err);
const char *lambda_text(const cJSON *object, const char *name); /* NULL when it is no string */

/* lambda_concurrency.c: a number of concurrent executions out of the body. */
int lambda_concurrency_read(struct request *request, const char *member, int least, int *value, struct err *err);

/* A page of a list whose keys rise by strcmp: rows are offered in order, those of the page are taken. */
struct lambda_page {
    const char *marker;
    int64_t left;
    char last[140];
    bool more;
};
int lambda_page_begin(const struct request *request, struct lambda_page *page, struct err *err);
bool lambda_page_take(struct lambda_page *page, const char *key);
void lambda_page_end(const struct lambda_page *page, struct json_writer *writer);

/* ---- lambda_stream.c: application/vnd.amazon.eventstream ---- */

struct buf;
struct invoke_piece;
struct invoke_result;
struct pieces;

void lambda_stream_frame(struct buf *out, const char *type, const char *content_type, const void *payload,
                         size_t length);
/* The last message, InvokeComplete; whole: the payload before it, in one piece. */
void lambda_stream_end(struct buf *out, const struct invoke_result *result, bool whole);
/* The first piece begins the answer: after it the request belongs to the server. */
void lambda_stream_piece(struct pieces *pieces, struct request *request, const struct invoke_piece *piece);
void lambda_stream_finish(struct pieces *pieces, const struct invoke_result *result);

/* ---- lambda.c ---- */

#define LAMBDA_ARN_BYTES 320

struct lambda_target {
    char name[65];
    char qualifier[129]; /* "" when none was given */
};

/* The function a path names: a name, a partial or a full ARN, with or without a qualifier, and ?Qualifier=. */
int lambda_target(const struct request *request, struct lambda_target *target, struct err *err);
/* Another account's ARN is not found. */
int lambda_target_parse(const struct request *request, const char *text, struct lambda_target *target, struct err *err);
void lambda_arn(const struct request *request, const char *name, const char *qualifier, char arn[LAMBDA_ARN_BYTES]);
/* Puts AWS's sentence in place of ours where the thing is missing. Returns -1. */
int lambda_not_found(const struct request *request, const struct lambda_target *target, struct err *err);
/* The function of the target; errors in AWS's words. */
int lambda_function(struct request *request, const struct lambda_target *target, struct function *function,
                    struct err *err);

enum lambda_state { LAMBDA_CREATING, LAMBDA_UPDATING, LAMBDA_READY };
/* The members of a function configuration. with_environment reads the variables of this version. */
int lambda_configuration(struct request *request, struct json_writer *writer, const struct function *function,
                         enum lambda_state state, bool with_qualifier, struct err *err);
int lambda_configuration_reply(struct request *request, int status, const struct function *function,
                               enum lambda_state state, bool with_qualifier, struct err *err);
/* lambda_package.c: an address of a package that works without a key for a while. */
#define LAMBDA_LOCATION_BYTES 400
void lambda_package_location(const struct request *request, const uint8_t digest[SHA256_BYTES],
                             char location[LAMBDA_LOCATION_BYTES]);
#define LAMBDA_TIME_BYTES 40
void lambda_time(int64_t at_us, char text[LAMBDA_TIME_BYTES]);
void lambda_changed(struct request *request, const char *name);

/* ---- lambda_layers.c ---- */

struct lambda_layers {
    struct function_layer layers[LAYERS_READ_MAX];
    char prefix[LAMBDA_ARN_BYTES];
};
/* Member Layers of a request goes into change, which points into read. */
int lambda_layers_read(const struct request *request, const cJSON *tree, struct lambda_layers *read,
                       struct function_change *change, struct err *err);
/* Member Layers of a configuration; none when there are none. */
void lambda_layers_member(const struct request *request, struct json_writer *writer, const struct function *function);

#endif
