/*
 * Whatever an instance sends as a request: heads, chunked bodies, trailers. However the bytes are cut into pieces, the
 * same request comes out; nothing is read or written outside of them; fields are texts without line ends.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "common/check.h"
#include "engine/runtime_http.h"

struct seen {
    enum http_result head, body;
    struct buf text; /* method, target, fields, body, trailers */
};

static void put_fields(struct buf *text, const struct http_fields *fields)
{
    CHECK(fields->count <= HTTP_FIELDS_MAX);
    for (size_t i = 0; i < fields->count; i++) {
        CHECK(strpbrk(fields->at[i].value, "\r\n") == NULL && fields->at[i].name[0] != '\0');
        CHECK(http_field(fields, fields->at[i].name) != NULL);
        buf_puts(text, fields->at[i].name);
        buf_puts(text, fields->at[i].value);
    }
}

static void read_in_steps(const uint8_t *data, size_t size, size_t step, struct seen *seen)
{
    struct http_head head;
    struct http_body body = {0};
    size_t scanned = 0;
    size_t used = 0;
    size_t there = 0;
    char *bytes = malloc(size + 1);
    CHECK(bytes != NULL);
    seen->head = HTTP_MORE;
    seen->body = HTTP_MORE;
    while (seen->head == HTTP_MORE && there < size) {
        size_t more = size - there < step ? size - there : step;
        memcpy(bytes + there, data + there, more);
        there += more;
        seen->head = http_head_read(bytes, there, &scanned, &head, &used);
    }
    if (seen->head == HTTP_DONE) {
        CHECK(used <= there);
        buf_puts(&seen->text, head.method);
        buf_puts(&seen->text, head.target);
        put_fields(&seen->text, &head.fields);
        http_body_begin(&body, &head);
        const uint8_t *at = data + used;
        size_t left = size - used;
        seen->body = HTTP_PIECE;
        while (seen->body == HTTP_PIECE || (seen->body == HTTP_MORE && left > 0)) {
            const char *piece = NULL;
            size_t length = 0;
            size_t took = 0;
            size_t some = left < step ? left : step;
            seen->body = http_body_read(&body, (const char *)at, some, &took, &piece, &length);
            CHECK(took <= some);
            if (seen->body == HTTP_PIECE) {
                CHECK(length > 0 || some == 0);
                CHECK(length == 0 || ((const uint8_t *)piece >= at && (const uint8_t *)piece + length <= at + took));
                buf_append(&seen->text, piece, length);
            }
            at += took;
            left -= took;
        }
        if (seen->body == HTTP_DONE) {
            put_fields(&seen->text, &body.trailers);
        }
    }
    http_body_free(&body);
    free(bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct seen whole = {0};
    struct seen cut = {0};
    if (size == 0) {
        return 0;
    }
    read_in_steps(data, size, size, &whole);
    read_in_steps(data, size, 1 + data[0] % 7, &cut);
    CHECK(whole.head == cut.head);
    if (whole.head == HTTP_DONE) {
        CHECK(whole.body == cut.body && whole.text.length == cut.text.length);
        CHECK(whole.text.length == 0 || memcmp(whole.text.data, cut.text.data, cut.text.length) == 0);
    }
    buf_free(&whole.text);
    buf_free(&cut.text);
    return 0;
}
