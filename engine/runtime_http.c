#include "engine/runtime_http.h"

#include <string.h>
#include <strings.h>

#define CHUNK_DIGITS_MAX 15

/* ---- fields ---- */

static bool is_token(char c)
{
    return c > ' ' && c < 127 && strchr("\"(),/:;<=>?@[\\]{}", c) == NULL;
}

/* Lines until the empty one; end is behind its line feed. Every line ends in CR LF; no folding. */
static bool fields_read(char *at, const char *end, struct http_fields *fields)
{
    fields->count = 0;
    while (at + 2 < end) {
        char *line_end = memchr(at, '\r', (size_t)(end - at));
        char *colon = memchr(at, ':', (size_t)(end - at));
        if (line_end == NULL || line_end + 1 >= end || line_end[1] != '\n' || colon == NULL || colon >= line_end ||
            colon == at || fields->count == HTTP_FIELDS_MAX) {
            return false;
        }
        for (const char *c = at; c < colon; c++) {
            if (!is_token(*c)) {
                return false;
            }
        }
        char *value = colon + 1;
        while (*value == ' ' || *value == '\t') {
            value++;
        }
        char *value_end = line_end;
        while (value_end > value && (value_end[-1] == ' ' || value_end[-1] == '\t')) {
            value_end--;
        }
        if (value > line_end || memchr(at, '\0', (size_t)(line_end - at)) != NULL ||
            memchr(at, '\n', (size_t)(line_end - at)) != NULL) {
            return false;
        }
        *colon = '\0';
        *value_end = '\0';
        fields->at[fields->count++] = (struct http_field){.name = at, .value = value};
        at = line_end + 2;
    }
    return at + 2 == end && at[0] == '\r' && at[1] == '\n';
}

const char *http_field(const struct http_fields *fields, const char *name)
{
    for (size_t i = 0; i < fields->count; i++) {
        if (strcasecmp(fields->at[i].name, name) == 0) {
            return fields->at[i].value;
        }
    }
    return NULL;
}

/* ---- head ---- */

static bool bad(struct http_head *head, int status)
{
    head->status = status;
    return false;
}

static bool length_read(const char *text, uint64_t *length)
{
    *length = 0;
    if (*text == '\0') {
        return false;
    }
    for (; *text != '\0'; text++) {
        if (*text < '0' || *text > '9' || *length > UINT64_MAX / 100) {
            return false;
        }
        *length = *length * 10 + (uint64_t)(*text - '0');
    }
    return true;
}

static bool framing_read(struct http_head *head, bool old)
{
    int lengths = 0;
    int codings = 0;
    head->last = old;
    for (size_t i = 0; i < head->fields.count; i++) {
        const struct http_field *field = &head->fields.at[i];
        if (strcasecmp(field->name, "Content-Length") == 0) {
            if (++lengths > 1 || !length_read(field->value, &head->body_bytes)) {
                return bad(head, 400);
            }
        } else if (strcasecmp(field->name, "Transfer-Encoding") == 0) {
            if (++codings > 1 || strcasecmp(field->value, "chunked") != 0) {
                return bad(head, 501);
            }
            head->chunked = true;
        } else if (strcasecmp(field->name, "Connection") == 0) {
            head->last = strcasecmp(field->value, "close") == 0        ? true
                         : strcasecmp(field->value, "keep-alive") == 0 ? false
                                                                       : head->last;
        } else if (strcasecmp(field->name, "Expect") == 0) {
            head->expects_continue = strcasecmp(field->value, "100-continue") == 0;
        }
    }
    return lengths == 0 || codings == 0 ? true : bad(head, 400);
}

static bool request_line_read(char *bytes, char *line_end, struct http_head *head, bool *old)
{
    char *space = memchr(bytes, ' ', (size_t)(line_end - bytes));
    char *second = space != NULL ? memchr(space + 1, ' ', (size_t)(line_end - space - 1)) : NULL;
    if (second == NULL || space == bytes || second == space + 1 || line_end - second != 9 ||
        memcmp(second + 1, "HTTP/1.", 7) != 0) {
        return bad(head, 400);
    }
    if (second[8] != '0' && second[8] != '1') {
        return bad(head, 505);
    }
    *old = second[8] == '0';
    for (const char *at = bytes; at < second; at++) {
        if (at != space && (*at <= ' ' || *at == 127)) {
            return bad(head, 400);
        }
    }
    *space = '\0';
    *second = '\0';
    head->method = bytes;
    head->target = space + 1;
    return true;
}

enum http_result http_head_read(char *bytes, size_t length, size_t *scanned, struct http_head *head, size_t *used)
{
    size_t from = *scanned > 3 ? *scanned - 3 : 0;
    const char *end = length > from ? memmem(bytes + from, length - from, "\r\n\r\n", 4) : NULL;
    bool old = false;
    *scanned = length;
    head->method = head->target = "";
    head->fields.count = 0;
    head->chunked = head->expects_continue = head->last = false;
    head->body_bytes = 0;
    head->status = 400;
    if (end == NULL) {
        head->status = 431;
        return length < HTTP_HEAD_BYTES_MAX ? HTTP_MORE : HTTP_BAD;
    }
    char *line_end = memmem(bytes, (size_t)(end - bytes) + 2, "\r\n", 2);
    if (line_end == NULL || !request_line_read(bytes, line_end, head, &old)) {
        return HTTP_BAD;
    }
    if (!fields_read(line_end + 2, end + 4, &head->fields)) {
        head->status = head->fields.count == HTTP_FIELDS_MAX ? 431 : 400;
        return HTTP_BAD;
    }
    *used = (size_t)(end - bytes) + 4;
    return framing_read(head, old) ? HTTP_DONE : HTTP_BAD;
}

/* ---- body ---- */

void http_body_begin(struct http_body *body, const struct http_head *head)
{
    body->state = head->chunked ? HTTP_BODY_SIZE : HTTP_BODY_COUNTED;
    body->left = head->body_bytes;
    body->digits = 0;
    body->trailers.count = 0;
    buf_clear(&body->trailer);
}

void http_body_free(struct http_body *body)
{
    buf_free(&body->trailer);
}

static int hex_value(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

/* After the digits of a size: an extension, or the end of the line. */
static bool size_ended(struct http_body *body, char c)
{
    if (body->digits == 0 || (c != '\r' && c != ';' && c != ' ' && c != '\t')) {
        return false;
    }
    body->state = c == '\r' ? HTTP_BODY_SIZE_LF : HTTP_BODY_EXTENSION;
    return true;
}

/* One byte of what stands around the chunks. */
static enum http_result frame_byte(struct http_body *body, char c)
{
    int value = 0;
    switch (body->state) {
    case HTTP_BODY_SIZE:
        value = hex_value(c);
        if (value < 0) {
            return size_ended(body, c) ? HTTP_MORE : HTTP_BAD;
        }
        body->left = (body->digits == 0 ? 0 : body->left) * 16 + (uint64_t)value;
        return ++body->digits > CHUNK_DIGITS_MAX ? HTTP_BAD : HTTP_MORE;
    case HTTP_BODY_EXTENSION:
        if (c == '\r') {
            body->state = HTTP_BODY_SIZE_LF;
        }
        return ++body->digits > 1024 || c == '\n' ? HTTP_BAD : HTTP_MORE;
    case HTTP_BODY_SIZE_LF:
        body->state = body->left > 0 ? HTTP_BODY_DATA : HTTP_BODY_TRAILER;
        body->digits = 0;
        return c == '\n' ? HTTP_MORE : HTTP_BAD;
    case HTTP_BODY_DATA_CR:
        body->state = HTTP_BODY_DATA_LF;
        return c == '\r' ? HTTP_MORE : HTTP_BAD;
    case HTTP_BODY_DATA_LF:
        body->state = HTTP_BODY_SIZE;
        body->digits = 0;
        return c == '\n' ? HTTP_MORE : HTTP_BAD;
    case HTTP_BODY_TRAILER:
        buf_putc(&body->trailer, c);
        if (c != '\n' ||
            (body->trailer.length != 2 &&
             (body->trailer.length < 4 || memcmp(body->trailer.data + body->trailer.length - 4, "\r\n\r\n", 4) != 0))) {
            return body->trailer.length < HTTP_HEAD_BYTES_MAX ? HTTP_MORE : HTTP_BAD;
        }
        body->state = HTTP_BODY_END;
        return buf_ok(&body->trailer) &&
                       fields_read(body->trailer.data, body->trailer.data + body->trailer.length, &body->trailers)
                   ? HTTP_DONE
                   : HTTP_BAD;
    case HTTP_BODY_COUNTED:
    case HTTP_BODY_DATA:
    case HTTP_BODY_END:
        break;
    }
    return HTTP_BAD;
}

enum http_result http_body_read(struct http_body *body, const char *bytes, size_t length, size_t *used,
                                const char **piece, size_t *piece_length)
{
    *used = 0;
    if (body->state == HTTP_BODY_END || (body->state == HTTP_BODY_COUNTED && body->left == 0)) {
        return HTTP_DONE;
    }
    while (*used < length) {
        if (body->state == HTTP_BODY_COUNTED || body->state == HTTP_BODY_DATA) {
            size_t there = length - *used;
            *piece = bytes + *used;
            *piece_length = there < body->left ? there : (size_t)body->left;
            *used += *piece_length;
            body->left -= *piece_length;
            if (body->left == 0 && body->state == HTTP_BODY_DATA) {
                body->state = HTTP_BODY_DATA_CR;
            }
            return HTTP_PIECE;
        }
        enum http_result told = frame_byte(body, bytes[(*used)++]);
        if (told != HTTP_MORE) {
            return told;
        }
    }
    return HTTP_MORE;
}
