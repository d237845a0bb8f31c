/* url_cors.c - cross-origin rules of function URLs (Fetch standard, "HTTP extensions"). */
#include <stdarg.h>
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

enum { CREDENTIALS, HEADERS, METHODS, ORIGINS, EXPOSED, AGE, CORS_MEMBERS };

/* What a member is called: kept and in Lambda's API as AWS calls it, over REST as this API calls things. */
static const struct cors_name {
    const char *aws, *rest;
    int count_max;
    size_t bytes_max;
} NAMES[CORS_MEMBERS] = {
    [CREDENTIALS] = {"AllowCredentials", "allow_credentials", 0, 0},
    [HEADERS] = {"AllowHeaders", "allow_headers", LIST_MAX, HEADER_BYTES_MAX},
    [METHODS] = {"AllowMethods", "allow_methods", METHODS_MAX, METHOD_BYTES_MAX},
    [ORIGINS] = {"AllowOrigins", "allow_origins", LIST_MAX, ORIGIN_BYTES_MAX},
    [EXPOSED] = {"ExposeHeaders", "expose_headers", LIST_MAX, HEADER_BYTES_MAX},
    [AGE] = {"MaxAge", "max_age_s", 0, 0},
};

struct cors_reading {
    const cJSON *cors;
    bool rest;
    struct json_writer writer;
};

static const char *name_in(const struct cors_reading *reading, int member)
{
    return reading->rest ? NAMES[member].rest : NAMES[member].aws;
}

static const cJSON *member_in(const struct cors_reading *reading, int member)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(reading->cors, name_in(reading, member));
    return item == NULL || cJSON_IsNull(item) ? NULL : item;
}

__attribute__((format(printf, 4, 5))) static int refuse(const struct cors_reading *reading, int member, struct err *err,
                                                        const char *format, ...)
{
    char pointer[48];
    char text[320];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    (void)snprintf(pointer, sizeof pointer, "/%s/%s", reading->rest ? "cors" : "Cors", name_in(reading, member));
    return err_field(err, pointer, "%s %s", name_in(reading, member), text);
}

static int list_read(struct cors_reading *reading, int member, struct err *err)
{
    const struct cors_name *name = &NAMES[member];
    const cJSON *list = member_in(reading, member);
    const cJSON *item;
    if (list == NULL) {
        return 0;
    }
    if (!cJSON_IsArray(list) || cJSON_GetArraySize(list) > name->count_max) {
        return refuse(reading, member, err, "is to be a list of at most %d texts", name->count_max);
    }
    json_open_array(&reading->writer, name->aws);
    cJSON_ArrayForEach(item, list)
    {
        const char *text = cJSON_GetStringValue(item);
        if (text == NULL || text[0] == '\0' || strlen(text) > name->bytes_max || strpbrk(text, "\r\n,") != NULL) {
            return refuse(reading, member, err, "has '%.60s'; each is a text of 1 to %zu characters, no comma",
                          text != NULL ? text : "no text", name->bytes_max);
        }
        json_put_text(&reading->writer, NULL, text);
    }
    json_close_array(&reading->writer);
    return 0;
}

static bool has(const cJSON *list, const char *word)
{
    const cJSON *item;
    cJSON_ArrayForEach(item, list)
    {
        const char *text = cJSON_GetStringValue(item);
        if (text != NULL && strcasecmp(text, word) == 0) {
            return true;
        }
    }
    return false;
}

static int members_read(struct cors_reading *reading, struct err *err)
{
    const cJSON *credentials = member_in(reading, CREDENTIALS);
    const cJSON *age = member_in(reading, AGE);
    if (credentials != NULL) {
        if (!cJSON_IsBool(credentials)) {
            return refuse(reading, CREDENTIALS, err, "is to be true or false");
        }
        if (cJSON_IsTrue(credentials) && has(member_in(reading, ORIGINS), "*")) {
            return refuse(reading, CREDENTIALS, err,
                          "cannot be true when %s has '*': every page could read what belongs to whoever is signed in. "
                          "Name the origins",
                          name_in(reading, ORIGINS));
        }
        json_put_bool(&reading->writer, NAMES[CREDENTIALS].aws, cJSON_IsTrue(credentials));
    }
    for (int member = HEADERS; member <= EXPOSED; member++) {
        if (list_read(reading, member, err) != 0) {
            return -1;
        }
    }
    if (age != NULL) {
        if (!cJSON_IsNumber(age) || age->valueint < 0 || age->valueint > AGE_S_MAX) {
            return refuse(reading, AGE, err, "is to be a number of seconds from 0 to %d", AGE_S_MAX);
        }
        json_put_i64(&reading->writer, NAMES[AGE].aws, age->valueint);
    }
    return 0;
}

static int unknown_refuse(const struct cors_reading *reading, struct err *err)
{
    const cJSON *item;
    cJSON_ArrayForEach(item, reading->cors)
    {
        int member = 0;
        while (member < CORS_MEMBERS && strcmp(item->string, name_in(reading, member)) != 0) {
            member++;
        }
        if (member == CORS_MEMBERS) {
            return err_field(err, reading->rest ? "/cors" : "/Cors", "cors has no member %.60s", item->string);
        }
    }
    return 0;
}

int url_cors_read(const struct cJSON *cors, bool rest, struct buf *out, struct err *err)
{
    struct cors_reading reading = {.cors = cors, .rest = rest};
    buf_clear(out);
    if (cJSON_IsNull(cors)) {
        return 0;
    }
    if (!cJSON_IsObject(cors)) {
        return err_field(err, rest ? "/cors" : "/Cors", "cors is to be an object");
    }
    if (unknown_refuse(&reading, err) != 0) {
        return -1;
    }
    if (cJSON_GetArraySize(cors) == 0) {
        return 0; /* {} takes the rules away */
    }
    json_writer_init(&reading.writer, out);
    json_open_object(&reading.writer, NULL);
    if (members_read(&reading, err) != 0) {
        return -1;
    }
    json_close_object(&reading.writer);
    return buf_ok(out) ? 0 : err_set(err, ERR_SYSTEM, "out of memory");
}

void url_cors_write(const struct function_url *url, struct json_writer *writer)
{
    cJSON *cors = cJSON_Parse(buf_text(&url->cors));
    const cJSON *item;
    const cJSON *text;
    cJSON_ArrayForEach(item, cors)
    {
        int member = 0;
        while (member < CORS_MEMBERS - 1 && strcmp(item->string, NAMES[member].aws) != 0) {
            member++;
        }
        if (cJSON_IsArray(item)) {
            json_open_array(writer, NAMES[member].rest);
            cJSON_ArrayForEach(text, item)
            {
                json_put_text(writer, NULL, text->valuestring);
            }
            json_close_array(writer);
        } else if (cJSON_IsBool(item)) {
            json_put_bool(writer, NAMES[member].rest, cJSON_IsTrue(item));
        } else {
            json_put_i64(writer, NAMES[member].rest, item->valueint);
        }
    }
    cJSON_Delete(cors);
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
    reply_header(&request->reply, "Access-Control-Allow-Origin",
                 has(cJSON_GetObjectItemCaseSensitive(cors, "AllowOrigins"), "*") ? "*" : origin);
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
    if (origin_allowed(cors, origin) && (has(cJSON_GetObjectItemCaseSensitive(cors, "AllowMethods"), "*") ||
                                         has(cJSON_GetObjectItemCaseSensitive(cors, "AllowMethods"), method))) {
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
