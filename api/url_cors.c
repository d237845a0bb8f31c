/* url_cors.c - cross-origin rules of function URLs (Fetch standard, "HTTP extensions"). */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "api/function_url.h"
#include "api/http.h"
#include "common/err.h"
#include "common/json.h"

#define LIST_MAX 100
#define METHODS_MAX 6
#define ORIGIN_BYTES_MAX 253
#define HEADER_BYTES_MAX 1024
#define METHOD_BYTES_MAX 6
#define AGE_S_MAX 86400

/* ---- the configuration ---- */

static int list_read(const cJSON *cors, const char *name, int count_max, size_t bytes_max, struct json_writer *writer,
                     struct err *err)
{
    const cJSON *list = cJSON_GetObjectItemCaseSensitive(cors, name);
    const cJSON *item;
    if (list == NULL || cJSON_IsNull(list)) {
        return 0;
    }
    if (!cJSON_IsArray(list) || cJSON_GetArraySize(list) > count_max) {
        return err_set(err, ERR_INVALID, "Cors.%s is to be a list of at most %d texts.", name, count_max);
    }
    json_open_array(writer, name);
    cJSON_ArrayForEach(item, list)
    {
        const char *text = cJSON_GetStringValue(item);
        if (text == NULL || text[0] == '\0' || strlen(text) > bytes_max || strpbrk(text, "\r\n,") != NULL) {
            return err_set(err, ERR_INVALID, "Cors.%s has '%.60s'; each is a text of 1 to %zu characters, no comma.",
                           name, text != NULL ? text : "no text", bytes_max);
        }
        json_put_text(writer, NULL, text);
    }
    json_close_array(writer);
    return 0;
}

static bool has(const cJSON *cors, const char *name, const char *word)
{
    const cJSON *item;
    cJSON_ArrayForEach(item, cJSON_GetObjectItemCaseSensitive(cors, name))
    {
        const char *text = cJSON_GetStringValue(item);
        if (text != NULL && strcasecmp(text, word) == 0) {
            return true;
        }
    }
    return false;
}

static int members_read(const cJSON *cors, struct json_writer *writer, struct err *err)
{
    const cJSON *credentials = cJSON_GetObjectItemCaseSensitive(cors, "AllowCredentials");
    const cJSON *age = cJSON_GetObjectItemCaseSensitive(cors, "MaxAge");
    if (credentials != NULL && !cJSON_IsNull(credentials)) {
        if (!cJSON_IsBool(credentials)) {
            return err_set(err, ERR_INVALID, "Cors.AllowCredentials is to be true or false.");
        }
        if (cJSON_IsTrue(credentials) && has(cors, "AllowOrigins", "*")) {
            return err_set(err, ERR_INVALID,
                           "Cors.AllowCredentials cannot be true when AllowOrigins has '*': every page could read what "
                           "belongs to whoever is signed in. Name the origins.");
        }
        json_put_bool(writer, "AllowCredentials", cJSON_IsTrue(credentials));
    }
    if (list_read(cors, "AllowHeaders", LIST_MAX, HEADER_BYTES_MAX, writer, err) != 0 ||
        list_read(cors, "AllowMethods", METHODS_MAX, METHOD_BYTES_MAX, writer, err) != 0 ||
        list_read(cors, "AllowOrigins", LIST_MAX, ORIGIN_BYTES_MAX, writer, err) != 0 ||
        list_read(cors, "ExposeHeaders", LIST_MAX, HEADER_BYTES_MAX, writer, err) != 0) {
        return -1;
    }
    if (age != NULL && !cJSON_IsNull(age)) {
        if (!cJSON_IsNumber(age) || age->valueint < 0 || age->valueint > AGE_S_MAX) {
            return err_set(err, ERR_INVALID, "Cors.MaxAge is to be a number of seconds from 0 to %d.", AGE_S_MAX);
        }
        json_put_i64(writer, "MaxAge", age->valueint);
    }
    return 0;
}

int url_cors_read(const struct cJSON *cors, struct buf *out, struct err *err)
{
    struct json_writer writer;
    buf_clear(out);
    if (cJSON_IsNull(cors)) {
        return 0;
    }
    if (!cJSON_IsObject(cors)) {
        return err_set(err, ERR_INVALID, "Cors is to be an object.");
    }
    if (cJSON_GetArraySize(cors) == 0) {
        return 0; /* {} takes the rules away */
    }
    json_writer_init(&writer, out);
    json_open_object(&writer, NULL);
    if (members_read(cors, &writer, err) != 0) {
        return -1;
    }
    json_close_object(&writer);
    return buf_ok(out) ? 0 : err_set(err, ERR_SYSTEM, "out of memory");
}

/* ---- requests ---- */

/* "*", the origin itself, or a beginning of it before a star (all of https). */
static bool origin_allowed(const cJSON *cors, const char *origin)
{
    const cJSON *item;
    cJSON_ArrayForEach(item, cJSON_GetObjectItemCaseSensitive(cors, "AllowOrigins"))
    {
        const char *text = cJSON_GetStringValue(item);
        size_t length = text != NULL ? strlen(text) : 0;
        if (length == 0) {
            continue;
        }
        if (strcasecmp(text, origin) == 0 || (text[length - 1] == '*' && strncasecmp(text, origin, length - 1) == 0)) {
            return true;
        }
    }
    return false;
}

static void put_list(struct request *request, const char *header, const cJSON *cors, const char *name)
{
    struct buf text = {0};
    const cJSON *item;
    cJSON_ArrayForEach(item, cJSON_GetObjectItemCaseSensitive(cors, name))
    {
        buf_puts(&text, text.length > 0 ? "," : "");
        buf_puts(&text, cJSON_GetStringValue(item));
    }
    if (text.length > 0) {
        reply_header(&request->reply, header, buf_text(&text));
    }
    buf_free(&text);
}

static void put_origin(struct request *request, const cJSON *cors, const char *origin)
{
    bool credentials = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(cors, "AllowCredentials"));
    reply_header(&request->reply, "Access-Control-Allow-Origin", has(cors, "AllowOrigins", "*") ? "*" : origin);
    if (credentials) {
        reply_header(&request->reply, "Access-Control-Allow-Credentials", "true");
    }
    reply_header(&request->reply, "Vary", "Origin");
}

static cJSON *cors_of(const struct request *request)
{
    cJSON *cors = NULL;
    const struct buf *text = &request->url->cors;
    return text->length > 0 && json_parse(buf_text(text), text->length, &cors, NULL) == 0 ? cors : NULL;
}

bool url_cors_preflight(const struct request *request)
{
    return request->method == HTTP_OPTIONS && request->url->cors.length > 0 &&
           request_header(request, "Origin") != NULL &&
           request_header(request, "Access-Control-Request-Method") != NULL;
}

void url_cors_preflight_reply(struct request *request)
{
    const char *origin = request_header(request, "Origin");
    const char *method = request_header(request, "Access-Control-Request-Method");
    cJSON *cors = cors_of(request);
    const cJSON *age = cJSON_GetObjectItemCaseSensitive(cors, "MaxAge");
    (void)reply_empty(request, 200);
    if (origin_allowed(cors, origin) && (has(cors, "AllowMethods", "*") || has(cors, "AllowMethods", method))) {
        put_origin(request, cors, origin);
        put_list(request, "Access-Control-Allow-Methods", cors, "AllowMethods");
        put_list(request, "Access-Control-Allow-Headers", cors, "AllowHeaders");
        if (age != NULL) {
            reply_header_i64(&request->reply, "Access-Control-Max-Age", age->valueint);
        }
    }
    cJSON_Delete(cors);
}

void url_cors_headers(struct request *request)
{
    const char *origin = request_header(request, "Origin");
    cJSON *cors = origin != NULL ? cors_of(request) : NULL;
    if (cors != NULL && origin_allowed(cors, origin)) {
        put_origin(request, cors, origin);
        put_list(request, "Access-Control-Expose-Headers", cors, "ExposeHeaders");
    }
    cJSON_Delete(cors);
}
