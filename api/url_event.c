/* url_event.c - a request as an event in API Gateway's payload format 2.0. */
#include <arpa/inet.h>
#include <microhttpd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#include "api/api.h"
#include "api/function_url.h"
#include "api/http.h"
#include "common/calendar.h"
#include "common/clock.h"
#include "common/digest.h"
#include "common/json.h"
#include "common/text.h"

#define FIELDS_MAX 128

struct fields {
    struct pair items[FIELDS_MAX];
    int count;
};

static enum MHD_Result take_field(void *ctx, enum MHD_ValueKind kind, const char *name, const char *value)
{
    struct fields *fields = ctx;
    (void)kind;
    if (fields->count < FIELDS_MAX) {
        fields->items[fields->count++] = (struct pair){name, value != NULL ? value : ""};
    }
    return MHD_YES;
}

static const char *lower(const char *text, struct buf *out)
{
    buf_clear(out);
    for (; *text != '\0'; text++) {
        buf_putc(out, *text >= 'A' && *text <= 'Z' ? (char)(*text - 'A' + 'a') : *text);
    }
    return buf_text(out);
}

/* What a function is not told: its caller's signature, and what has a place of its own in the event. */
static bool is_hidden(const struct request *request, const char *name)
{
    return strcasecmp(name, "Cookie") == 0 || (request->url->iam && strcasecmp(name, "Authorization") == 0);
}

static bool is_first(const struct fields *fields, int at)
{
    for (int i = 0; i < at; i++) {
        if (strcasecmp(fields->items[i].name, fields->items[at].name) == 0) {
            return false;
        }
    }
    return true;
}

/* Values of the same name are joined by commas; names are lower-case. */
static void put_headers(const struct request *request, const struct fields *fields, const char *ip,
                        struct json_writer *writer)
{
    struct buf name = {0};
    struct buf value = {0};
    bool tls = api_get_options(request->api)->tls_cert != NULL;
    json_open_object(writer, "headers");
    for (int i = 0; i < fields->count; i++) {
        if (is_hidden(request, fields->items[i].name) || !is_first(fields, i) ||
            text_starts(lower(fields->items[i].name, &name), "x-forwarded-")) {
            continue;
        }
        buf_clear(&value);
        for (int j = i; j < fields->count; j++) {
            if (strcasecmp(fields->items[j].name, fields->items[i].name) == 0) {
                buf_puts(&value, j > i ? "," : "");
                buf_puts(&value, fields->items[j].value);
            }
        }
        json_put_text(writer, buf_text(&name), buf_text(&value));
    }
    json_put_text(writer, "x-forwarded-for", ip);
    json_put_text(writer, "x-forwarded-proto", tls ? "https" : "http");
    json_close_object(writer);
    buf_free(&name);
    buf_free(&value);
}

static void put_cookies(const struct fields *fields, struct json_writer *writer)
{
    bool open = false;
    for (int i = 0; i < fields->count; i++) {
        const char *at = strcasecmp(fields->items[i].name, "Cookie") == 0 ? fields->items[i].value : "";
        while (*at != '\0') {
            at += strspn(at, " ;");
            size_t length = strcspn(at, ";");
            char *one = length > 0 ? strndup(at, length) : NULL;
            if (one != NULL) {
                if (!open) {
                    json_open_array(writer, "cookies");
                    open = true;
                }
                json_put_text(writer, NULL, one);
                free(one);
            }
            at += length;
        }
    }
    if (open) {
        json_close_array(writer);
    }
}

/* Decoded where it can be; the raw query is in the event, too. */
static void decode(const char *text, size_t length, struct buf *out)
{
    buf_clear(out);
    if (request_decode(text, length, true, out) != 0) {
        buf_clear(out);
        buf_append(out, text, length);
        buf_append(out, "", 1);
    }
}

static void split_query(const char *query, struct buf *texts, struct fields *fields)
{
    struct buf part = {0};
    size_t starts[2 * FIELDS_MAX];
    int count = 0;
    for (const char *at = query; *at != '\0' && count < FIELDS_MAX;) {
        size_t length = strcspn(at, "&");
        size_t name = length > 0 ? strcspn(at, "=") : 0;
        name = name < length ? name : length;
        for (int i = 0; i < 2 && length > 0; i++) {
            size_t value = name < length ? length - name - 1 : 0;
            decode(i == 0 ? at : at + length - value, i == 0 ? name : value, &part);
            starts[2 * count + i] = texts->length;
            buf_append(texts, part.data, part.length);
        }
        count += length > 0;
        at += length;
        at += *at == '&';
    }
    buf_free(&part);
    for (int i = 0; i < count && buf_ok(texts); i++) {
        fields->items[i] = (struct pair){texts->data + starts[2 * i], texts->data + starts[2 * i + 1]};
        fields->count++;
    }
}

static void put_query(const struct request *request, struct json_writer *writer)
{
    struct buf texts = {0};
    struct buf value = {0};
    struct fields *fields = calloc(1, sizeof *fields);
    if (fields != NULL && request->query_text[0] != '\0') {
        split_query(request->query_text, &texts, fields);
        json_open_object(writer, "queryStringParameters");
        for (int i = 0; i < fields->count; i++) {
            bool again = false;
            for (int j = 0; j < i; j++) {
                again = again || strcmp(fields->items[j].name, fields->items[i].name) == 0;
            }
            buf_clear(&value);
            for (int j = i; j < fields->count && !again; j++) {
                if (strcmp(fields->items[j].name, fields->items[i].name) == 0) {
                    buf_puts(&value, j > i ? "," : "");
                    buf_puts(&value, fields->items[j].value);
                }
            }
            if (!again) {
                json_put_text(writer, fields->items[i].name, buf_text(&value));
            }
        }
        json_close_object(writer);
    }
    free(fields);
    buf_free(&texts);
    buf_free(&value);
}

static void client_ip(const struct request *request, char text[INET6_ADDRSTRLEN])
{
    const union MHD_ConnectionInfo *info =
        request->connection != NULL ? MHD_get_connection_info(request->connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS)
                                    : NULL;
    text[0] = '\0';
    if (info == NULL || info->client_addr == NULL) {
        return;
    }
    if (info->client_addr->sa_family == AF_INET) {
        struct sockaddr_in address;
        memcpy(&address, info->client_addr, sizeof address);
        (void)inet_ntop(AF_INET, &address.sin_addr, text, INET6_ADDRSTRLEN);
    } else if (info->client_addr->sa_family == AF_INET6) {
        struct sockaddr_in6 address;
        memcpy(&address, info->client_addr, sizeof address);
        (void)inet_ntop(AF_INET6, &address.sin6_addr, text, INET6_ADDRSTRLEN);
    }
}

static void put_authorizer(const struct request *request, struct json_writer *writer)
{
    char account[24];
    char arn[120];
    char key[40];
    (void)snprintf(account, sizeof account, "%lld", (long long)request->account_id);
    (void)snprintf(key, sizeof key, "key_%lld", (long long)request->caller.key_id);
    (void)snprintf(arn, sizeof arn, "arn:aws:iam::%s:user/%s", account, key);
    json_open_object(writer, "authorizer");
    json_open_object(writer, "iam");
    json_put_text(writer, "accessKey", key);
    json_put_text(writer, "accountId", account);
    json_put_text(writer, "callerId", key);
    json_put_null(writer, "cognitoIdentity");
    json_put_null(writer, "principalOrgId");
    json_put_text(writer, "userArn", arn);
    json_put_text(writer, "userId", key);
    json_close_object(writer);
    json_close_object(writer);
}

static void put_context(const struct request *request, const char *ip, struct json_writer *writer)
{
    static const char *const MONTHS[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                         "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    const char *host = request_header(request, "Host");
    const char *agent = request_header(request, "User-Agent");
    int64_t now_us = clock_wall_us();
    struct civil c;
    char text[64];
    calendar_split(now_us, &c);
    json_open_object(writer, "requestContext");
    (void)snprintf(text, sizeof text, "%lld", (long long)request->account_id);
    json_put_text(writer, "accountId", request->url->iam ? text : "anonymous");
    json_put_text(writer, "apiId", request->url->id);
    json_put_null(writer, "authentication");
    if (request->url->iam) {
        put_authorizer(request, writer);
    }
    char *domain = strndup(host != NULL ? host : "", strcspn(host != NULL ? host : "", ":"));
    json_put_text(writer, "domainName", domain);
    free(domain);
    json_put_text(writer, "domainPrefix", request->url->id);
    json_open_object(writer, "http");
    json_put_text(writer, "method", request->method_name);
    json_put_text(writer, "path", request->path);
    json_put_text(writer, "protocol", "HTTP/1.1");
    json_put_text(writer, "sourceIp", ip);
    json_put_text(writer, "userAgent", agent != NULL ? agent : "");
    json_close_object(writer);
    json_put_text(writer, "requestId", request->id_text);
    json_put_text(writer, "routeKey", "$default");
    json_put_text(writer, "stage", "$default");
    (void)snprintf(text, sizeof text, "%02d/%s/%04d:%02d:%02d:%02d +0000", c.day, MONTHS[c.month - 1], c.year, c.hour,
                   c.minute, c.second);
    json_put_text(writer, "time", text);
    json_put_i64(writer, "timeEpoch", now_us / 1000);
    json_close_object(writer);
}

/* Text types arrive as they are, everything else in base64. */
static bool is_text(const struct request *request)
{
    static const char *const TYPES[] = {"application/json", "application/javascript", "application/xml"};
    const char *type = request_header(request, "Content-Type");
    bool text = type == NULL || strncasecmp(type, "text/", 5) == 0;
    size_t length = type != NULL ? strcspn(type, "; \t") : 0;
    for (size_t i = 0; i < sizeof TYPES / sizeof TYPES[0] && !text; i++) {
        text = strlen(TYPES[i]) == length && strncasecmp(type, TYPES[i], length) == 0;
    }
    text = text || (length > 5 && strncasecmp(type + length - 5, "+json", 5) == 0) ||
           (length > 4 && strncasecmp(type + length - 4, "+xml", 4) == 0);
    return text && request_header(request, "Content-Encoding") == NULL &&
           memchr(buf_text(&request->body), '\0', request->body.length) == NULL &&
           text_utf8(buf_text(&request->body), request->body.length);
}

static void put_body(const struct request *request, struct json_writer *writer)
{
    bool text = request->body.length == 0 || is_text(request);
    if (request->body.length > 0 && text) {
        json_put_text(writer, "body", buf_text(&request->body));
    } else if (request->body.length > 0) {
        struct buf coded = {0};
        base64_encode(request->body.data, request->body.length, &coded);
        json_put_text(writer, "body", buf_text(&coded));
        buf_free(&coded);
    }
    json_put_bool(writer, "isBase64Encoded", !text);
}

void url_event_write(const struct request *request, struct buf *event)
{
    struct json_writer writer;
    char ip[INET6_ADDRSTRLEN];
    struct fields *fields = calloc(1, sizeof *fields);
    if (fields == NULL) {
        event->failed = true;
        return;
    }
    if (request->connection != NULL) {
        (void)MHD_get_connection_values(request->connection, MHD_HEADER_KIND, take_field, fields);
    }
    client_ip(request, ip);
    json_writer_init(&writer, event);
    json_open_object(&writer, NULL);
    json_put_text(&writer, "version", "2.0");
    json_put_text(&writer, "routeKey", "$default");
    json_put_text(&writer, "rawPath", request->path);
    json_put_text(&writer, "rawQueryString", request->query_text);
    put_cookies(fields, &writer);
    put_headers(request, fields, ip, &writer);
    put_query(request, &writer);
    put_context(request, ip, &writer);
    put_body(request, &writer);
    json_close_object(&writer);
    free(fields);
}
