#include "api/http.h"

#include <microhttpd.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "api/function_url.h"
#include "api/server.h"
#include "common/calendar.h"
#include "common/clock.h"
#include "common/err.h"
#include "common/text.h"

static int hex_value(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    if (c >= 'a' && c <= 'f') {
        return c - 'a' + 10;
    }
    if (c >= 'A' && c <= 'F') {
        return c - 'A' + 10;
    }
    return -1;
}

int request_decode(const char *text, size_t length, bool plus_is_space, struct buf *out)
{
    size_t start = out->length;

    for (size_t i = 0; i < length; i++) {
        char c = text[i];
        if (c == '%') {
            if (length - i < 3) {
                return -1;
            }
            int h = hex_value(text[i + 1]);
            int l = hex_value(text[i + 2]);
            if (h < 0 || l < 0 || (h == 0 && l == 0)) {
                return -1;
            }
            c = (char)(h * 16 + l);
            i += 2;
        } else if (c == '+' && plus_is_space) {
            c = ' ';
        }
        buf_putc(out, c);
    }
    /* PostgreSQL takes no text that is not UTF-8; it is the client's fault, not ours. */
    if (out->length > start && !text_utf8(out->data + start, out->length - start)) {
        return -1;
    }
    buf_append(out, "", 1);
    return buf_ok(out) ? 0 : -1;
}

/* The query as pairs; their texts live in scratch, which is sized before so that it never moves. */
int request_parse_query(struct request *request, struct err *err)
{
    const char *at = request->query_text;
    while (*at != '\0') {
        size_t length = strcspn(at, "&");
        if (length > 0) {
            if (request->query_count == REQUEST_QUERY_MAX) {
                return err_set(err, ERR_INVALID, "more than %d query parameters", REQUEST_QUERY_MAX);
            }
            const char *equals = memchr(at, '=', length);
            size_t name_length = equals != NULL ? (size_t)(equals - at) : length;
            struct pair *pair = &request->query[request->query_count];
            pair->name = request->scratch.data + request->scratch.length;
            if (request_decode(at, name_length, true, &request->scratch) != 0) {
                return err_set(err, ERR_INVALID, "the query has a bad percent escape");
            }
            pair->value = request->scratch.data + request->scratch.length;
            size_t value_length = equals != NULL ? length - name_length - 1 : 0;
            if (request_decode(equals != NULL ? equals + 1 : at, value_length, true, &request->scratch) != 0) {
                return err_field(err, pair->name, "%.60s has a bad percent escape", pair->name);
            }
            request->query_count++;
        }
        at += length;
        at += *at == '&';
    }
    return 0;
}

int request_split_uri(struct request *request, const char *uri, struct err *err)
{
    size_t length = strlen(uri);
    if (length > REQUEST_URI_BYTES_MAX) {
        (void)err_set(err, ERR_INVALID, "the address is %zu bytes long; the most is %d", length, REQUEST_URI_BYTES_MAX);
        return err_slug(err, "uri_too_long");
    }
    if (uri[0] != '/') {
        return err_set(err, ERR_INVALID, "the address is to start with /");
    }
    request->uri = strdup(uri);
    request->path = strdup(uri);
    if (request->uri == NULL || request->path == NULL) {
        return err_set(err, ERR_SYSTEM, "out of memory");
    }
    char *mark = strchr(request->path, '?');
    request->query_text = request->path + strlen(request->path);
    if (mark != NULL) {
        *mark = '\0';
        request->query_text = mark + 1;
    }
    /* Decoded texts are never longer than the address; one NUL a name, value and path segment comes on top. */
    buf_append(&request->scratch, uri, length);
    for (int i = 0; i < 2 * REQUEST_QUERY_MAX + REQUEST_PARAMS_MAX + 1; i++) {
        buf_putc(&request->scratch, '\0');
    }
    buf_append(&request->scratch, uri, length); /* params decode the path once more */
    if (!buf_ok(&request->scratch)) {
        return err_set(err, ERR_SYSTEM, "out of memory");
    }
    buf_clear(&request->scratch);
    return 0;
}

int request_parse_uri(struct request *request, const char *uri, struct err *err)
{
    return request_split_uri(request, uri, err) != 0 ? -1 : request_parse_query(request, err);
}

static const char *pair_find(const struct pair *pairs, int count, const char *name)
{
    for (int i = 0; i < count; i++) {
        if (strcmp(pairs[i].name, name) == 0) {
            return pairs[i].value;
        }
    }
    return NULL;
}

const char *request_param(const struct request *request, const char *name)
{
    const char *value = pair_find(request->params, request->param_count, name);
    return value != NULL ? value : "";
}

const char *request_query(const struct request *request, const char *name)
{
    return pair_find(request->query, request->query_count, name);
}

const char *request_header(const struct request *request, const char *name)
{
    if (request->connection == NULL) {
        for (int i = 0; i < REQUEST_COPIED_HEADERS; i++) {
            if (request->copied[i].name != NULL && strcasecmp(request->copied[i].name, name) == 0) {
                return request->copied[i].value;
            }
        }
        return NULL;
    }
    return MHD_lookup_connection_value(request->connection, MHD_HEADER_KIND, name);
}

int request_query_i64(const struct request *request, const char *name, int64_t min, int64_t max, int64_t *value,
                      struct err *err)
{
    const char *text = request_query(request, name);
    return text == NULL ? 0 : text_i64(text, name, min, max, value, err);
}

int request_query_bool(const struct request *request, const char *name, bool *value, struct err *err)
{
    const char *text = request_query(request, name);
    if (text == NULL) {
        return 0;
    }
    if (strcmp(text, "1") == 0 || strcmp(text, "true") == 0 || text[0] == '\0') {
        *value = true;
    } else if (strcmp(text, "0") == 0 || strcmp(text, "false") == 0) {
        *value = false;
    } else {
        return err_field(err, name, "%s is \"%.40s\"; it is 1, true, 0 or false", name, text);
    }
    return 0;
}

int request_query_time(const struct request *request, const char *name, int64_t *at_us, struct err *err)
{
    const char *text = request_query(request, name);
    return text == NULL ? 0 : calendar_parse(text, name, at_us, err);
}

int request_json(const struct request *request, const char *const *names, cJSON **tree, struct err *err)
{
    cJSON *parsed = NULL;
    if (request->body.length == 0) {
        return err_set(err, ERR_INVALID, "the body is empty; it is to be a JSON object");
    }
    if (json_parse(buf_text(&request->body), request->body.length, &parsed, err) != 0) {
        (void)err_at(err, "/");
        return err_slug(err, "invalid_json");
    }
    if (!cJSON_IsObject(parsed)) {
        cJSON_Delete(parsed);
        return err_set(err, ERR_INVALID, "the body is to be a JSON object");
    }
    if (names != NULL && json_only(parsed, "", names, err) != 0) {
        cJSON_Delete(parsed);
        return -1;
    }
    *tree = parsed;
    return 0;
}

/* "q=0.25" of one Accept element in thousandths. */
static int accept_quality(const char *element, size_t length)
{
    const char *q = memmem(element, length, "q=", 2);
    if (q == NULL) {
        return 1000;
    }
    int quality = 0;
    int unit = 1000;
    for (const char *at = q + 2; at < element + length && ((*at >= '0' && *at <= '9') || *at == '.'); at++) {
        if (*at != '.') {
            quality += (*at - '0') * unit;
            unit /= 10;
        }
    }
    return quality > 1000 ? 1000 : quality;
}

/* How well one Accept element fits: 0 not, 1 by *\/\*, 2 by its family, 3 exactly. */
static int accept_fit(const char *element, size_t length, const char *type)
{
    size_t name = 0;
    while (name < length && element[name] != ';' && element[name] != ' ') {
        name++;
    }
    if (name == 3 && memcmp(element, "*/*", 3) == 0) {
        return 1;
    }
    const char *slash = strchr(type, '/');
    size_t family = slash != NULL ? (size_t)(slash - type) + 1 : 0;
    if (name == family + 1 && strncasecmp(element, type, family) == 0 && element[family] == '*') {
        return 2;
    }
    return name == strlen(type) && strncasecmp(element, type, name) == 0 ? 3 : 0;
}

static int accept_weight(const char *accept, const char *type)
{
    int best_fit = 0;
    int quality = 0;
    for (const char *at = accept; *at != '\0';) {
        at += strspn(at, ", \t");
        size_t length = strcspn(at, ",");
        int fit = accept_fit(at, length, type);
        if (fit > best_fit) {
            best_fit = fit;
            quality = accept_quality(at, length);
        }
        at += length;
    }
    return quality;
}

bool request_accepts(const char *accept, const char *type)
{
    return accept == NULL || accept[0] == '\0' || accept_weight(accept, type) > 0;
}

static int negotiate_format(const char *format, const char *const *types, int *chosen, struct err *err)
{
    static const struct pair formats[] = {
        {"json", "application/json"}, {"csv", "text/csv"}, {"ndjson", "application/x-ndjson"}};
    for (size_t f = 0; f < sizeof formats / sizeof formats[0]; f++) {
        for (int i = 0; types[i] != NULL && strcmp(format, formats[f].name) == 0; i++) {
            if (strcmp(types[i], formats[f].value) == 0) {
                *chosen = i;
                return 0;
            }
        }
    }
    return err_field(err, "format", "format is \"%.40s\"; here it is one of json, csv, ndjson as documented", format);
}

int request_negotiate(const struct request *request, const char *const *types, int *chosen, struct err *err)
{
    const char *format = request_query(request, "format");
    if (format != NULL) {
        return negotiate_format(format, types, chosen, err);
    }
    const char *accept = request_header(request, "Accept");
    if (accept == NULL || accept[0] == '\0') {
        *chosen = 0;
        return 0;
    }
    int best = 0;
    for (int i = 0; types[i] != NULL; i++) {
        int weight = accept_weight(accept, types[i]);
        if (weight > best) {
            best = weight;
            *chosen = i;
        }
    }
    if (best == 0) {
        (void)err_set(err, ERR_INVALID, "none of the media types in Accept (%.100s) can be given here", accept);
        return err_slug(err, "not_acceptable");
    }
    return 0;
}

int request_if_match(const struct request *request, const char *etag, struct err *err)
{
    const char *wanted = request_header(request, "If-Match");
    if (wanted == NULL || strcmp(wanted, "*") == 0 || strstr(wanted, etag) != NULL) {
        return 0;
    }
    (void)err_set(err, ERR_CONFLICT, "If-Match is %.60s, the current version is %s: somebody changed it meanwhile",
                  wanted, etag);
    return err_slug(err, "stale_version");
}

bool request_media_type_is(const struct request *request, const char *type)
{
    const char *sent = request_header(request, "Content-Type");
    size_t length = strlen(type);
    return sent != NULL && strncasecmp(sent, type, length) == 0 &&
           (sent[length] == '\0' || sent[length] == ';' || sent[length] == ' ');
}

static int copy_headers(struct request *copy, const struct request *request)
{
    static const char *const names[REQUEST_COPIED_HEADERS] = {"Authorization", "Accept", "Accept-Encoding"};
    for (int i = 0; i < REQUEST_COPIED_HEADERS; i++) {
        const char *value = request_header(request, names[i]);
        copy->copied[i].value = value != NULL ? strdup(value) : NULL;
        copy->copied[i].name = copy->copied[i].value != NULL ? names[i] : NULL;
        if (value != NULL && copy->copied[i].value == NULL) {
            return -1;
        }
    }
    return 0;
}

struct request *request_copy(const struct request *request)
{
    unsigned allowed = 0;
    struct request *copy = calloc(1, sizeof *copy);
    if (copy == NULL) {
        return NULL;
    }
    copy->api = request->api;
    copy->method = request->method;
    memcpy(copy->method_name, request->method_name, sizeof copy->method_name);
    copy->started_mono_us = clock_mono_us();
    reply_init(&copy->reply);
    uuid_random(&copy->id);
    uuid_format(&copy->id, copy->id_text);
    if (request_parse_uri(copy, request->uri, NULL) != 0 || router_match(copy, &copy->route, &allowed) != 0 ||
        copy->route != request->route || copy_headers(copy, request) != 0) {
        request_free(copy);
        return NULL;
    }
    return copy;
}

void request_free(struct request *request)
{
    if (request == NULL) {
        return;
    }
    free(request->uri);
    free(request->path);
    if (request->url != NULL) {
        function_url_free(request->url);
        free(request->url);
    }
    buf_free(&request->body);
    buf_free(&request->scratch);
    buf_free(&request->audit_detail);
    for (int i = 0; i < REQUEST_COPIED_HEADERS; i++) {
        free((char *)(uintptr_t)request->copied[i].value);
    }
    reply_free(&request->reply);
    free(request);
}
