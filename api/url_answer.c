/* url_answer.c - what a function returned, as an HTTP answer: Lambda's rules for function URLs. */
#include <string.h>
#include <strings.h>

#include "api/function_url.h"
#include "api/http.h"
#include "common/digest.h"
#include "common/err.h"
#include "common/json.h"

#define SEPARATOR_BYTES 8

static int malformed(struct err *err, const char *why)
{
    return err_set(err, ERR_INVALID, "the function's answer is malformed: %s", why);
}

/* What belongs to the connection or is computed here. */
static bool is_ours(const char *name)
{
    static const char *const NAMES[] = {"Connection",
                                        "Keep-Alive",
                                        "Proxy-Authenticate",
                                        "Proxy-Authorization",
                                        "TE",
                                        "Trailer",
                                        "Transfer-Encoding",
                                        "Upgrade",
                                        "Content-Length",
                                        "Date",
                                        "x-amzn-RequestId"};
    for (size_t i = 0; i < sizeof NAMES / sizeof NAMES[0]; i++) {
        if (strcasecmp(NAMES[i], name) == 0) {
            return true;
        }
    }
    return false;
}

static bool is_token(const char *name)
{
    return name[0] != '\0' && strspn(name, "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz"
                                           "ABCDEFGHIJKLMNOPQRSTUVWXYZ") == strlen(name);
}

static int put_header(struct reply *reply, const char *name, const char *value, size_t *bytes, struct err *err)
{
    *bytes += strlen(name) + strlen(value);
    if (!is_token(name)) {
        return malformed(err, "a header has a name that is none");
    }
    if (*bytes > URL_HEADER_BYTES_MAX || reply_header_add(reply, name, value) != 0) {
        return malformed(err, "too many headers, or too long ones");
    }
    return 0;
}

static int headers_read(const cJSON *tree, struct reply *reply, size_t *bytes, struct err *err)
{
    const cJSON *headers = cJSON_GetObjectItemCaseSensitive(tree, "headers");
    const cJSON *item;
    if (headers == NULL || cJSON_IsNull(headers)) {
        return 0;
    }
    if (!cJSON_IsObject(headers)) {
        return malformed(err, "headers is no object");
    }
    cJSON_ArrayForEach(item, headers)
    {
        char *number = cJSON_IsNumber(item) || cJSON_IsBool(item) ? cJSON_PrintUnformatted(item) : NULL;
        const char *value = number != NULL ? number : cJSON_GetStringValue(item);
        int rc = value == NULL           ? malformed(err, "a header has no text as its value")
                 : is_ours(item->string) ? 0
                                         : put_header(reply, item->string, value, bytes, err);
        cJSON_free(number);
        if (rc != 0) {
            return -1;
        }
    }
    return 0;
}

static int cookies_read(const cJSON *tree, struct reply *reply, size_t *bytes, struct err *err)
{
    const cJSON *cookies = cJSON_GetObjectItemCaseSensitive(tree, "cookies");
    const cJSON *item;
    if (cookies == NULL || cJSON_IsNull(cookies)) {
        return 0;
    }
    if (!cJSON_IsArray(cookies)) {
        return malformed(err, "cookies is no list");
    }
    cJSON_ArrayForEach(item, cookies)
    {
        const char *text = cJSON_GetStringValue(item);
        if (text == NULL) {
            return malformed(err, "a cookie is no text");
        }
        if (put_header(reply, "Set-Cookie", text, bytes, err) != 0) {
            return -1;
        }
    }
    return 0;
}

/* Status, headers and cookies. A status may come as a number or as its digits. */
static int head_read(const cJSON *tree, const char *type, struct reply *reply, struct err *err)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(tree, "statusCode");
    const char *digits = cJSON_GetStringValue(item);
    size_t bytes = 0;
    int status = 200;
    if (cJSON_IsNumber(item)) {
        status = item->valueint;
    } else if (digits != NULL && strlen(digits) == 3 && strspn(digits, "0123456789") == 3) {
        status = (digits[0] - '0') * 100 + (digits[1] - '0') * 10 + (digits[2] - '0');
    } else if (item != NULL) {
        return malformed(err, "statusCode is no number");
    }
    if (status < 200 || status > 599) {
        return malformed(err, "statusCode is not between 200 and 599");
    }
    if (headers_read(tree, reply, &bytes, err) != 0 || cookies_read(tree, reply, &bytes, err) != 0) {
        return -1;
    }
    reply->status = status;
    reply->content_type = reply_header_get(reply, "Content-Type") == NULL ? type : NULL;
    return 0;
}

static int body_read(const cJSON *tree, struct reply *reply, struct err *err)
{
    const cJSON *body = cJSON_GetObjectItemCaseSensitive(tree, "body");
    const char *text = cJSON_GetStringValue(body);
    if (body == NULL || cJSON_IsNull(body)) {
        return 0;
    }
    if (text == NULL) {
        return malformed(err, "body is no text");
    }
    if (!cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(tree, "isBase64Encoded"))) {
        buf_puts(&reply->body, text);
    } else if (base64_decode(text, strlen(text), &reply->body) != 0) {
        return malformed(err, "body is not in base64 though isBase64Encoded is true");
    }
    return buf_ok(&reply->body) ? 0 : err_set(err, ERR_SYSTEM, "out of memory");
}

int url_answer_read(const char *payload, size_t length, struct reply *reply, struct err *err)
{
    struct err local = {0};
    cJSON *tree = NULL;
    bool strict = json_parse(payload, length, &tree, &local) == 0;
    if (!strict) { /* deeper than what is read elsewhere, or with a NUL: passed on, but not looked into */
        tree = cJSON_ParseWithLength(payload, length);
    }
    bool shaped = cJSON_GetObjectItemCaseSensitive(tree, "statusCode") != NULL;
    int rc = 0;
    if (tree == NULL) {
        rc = malformed(err, "it is no JSON");
    } else if (shaped && !strict) {
        rc = malformed(err, local.text);
    } else if (shaped) {
        rc = head_read(tree, "application/json", reply, err) != 0 ? -1 : body_read(tree, reply, err);
    } else {
        reply->status = 200;
        reply->content_type = "application/json";
        buf_append(&reply->body, payload, length);
    }
    cJSON_Delete(tree);
    return rc;
}

size_t url_prelude_length(const char *bytes, size_t length)
{
    static const char SEPARATOR[SEPARATOR_BYTES] = {0};
    const char *at = length >= SEPARATOR_BYTES ? memmem(bytes, length, SEPARATOR, SEPARATOR_BYTES) : NULL;
    return at != NULL ? (size_t)(at - bytes) + SEPARATOR_BYTES : 0;
}

int url_prelude_read(const char *bytes, size_t length, struct reply *reply, struct err *err)
{
    cJSON *tree = NULL;
    struct err local = {0};
    if (json_parse(bytes, length - SEPARATOR_BYTES, &tree, &local) != 0 || !cJSON_IsObject(tree)) {
        cJSON_Delete(tree);
        return malformed(err, local.text[0] != '\0' ? local.text : "its prelude is no object");
    }
    int rc = head_read(tree, "application/octet-stream", reply, err);
    cJSON_Delete(tree);
    return rc;
}
