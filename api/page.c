#include "api/http.h"

#include <stdio.h>
#include <string.h>

#include "common/digest.h"
#include "common/err.h"
#include "common/text.h"

/* A cursor is base64 of the first 4 bytes of SHA-256 of the path, then the key: bound to what it was made for. */
#define CURSOR_BIND_BYTES 4

static void path_mark(const struct request *request, uint8_t mark[SHA256_BYTES])
{
    sha256(request->path, strlen(request->path), mark);
}

int page_get(const struct request *request, struct page *page, struct err *err)
{
    page->limit = PAGE_LIMIT_DEFAULT;
    page->after[0] = '\0';
    if (request_query_i64(request, "limit", 1, INT32_MAX, &page->limit, err) != 0) {
        return -1;
    }
    page->limit = page->limit > PAGE_LIMIT_MAX ? PAGE_LIMIT_MAX : page->limit;
    const char *cursor = request_query(request, "cursor");
    if (cursor == NULL) {
        return 0;
    }
    struct buf plain = {0};
    struct buf standard = {0};
    uint8_t mark[SHA256_BYTES];
    path_mark(request, mark);
    for (const char *at = cursor; *at != '\0'; at++) {
        buf_putc(&standard, *at == '-' ? '+' : *at == '_' ? '/' : *at);
    }
    while (standard.length % 4 != 0) {
        buf_putc(&standard, '=');
    }
    int rc = -1;
    if (base64_decode(buf_text(&standard), standard.length, &plain) == 0 && plain.length >= CURSOR_BIND_BYTES &&
        plain.length - CURSOR_BIND_BYTES < sizeof page->after && memcmp(plain.data, mark, CURSOR_BIND_BYTES) == 0 &&
        memchr(plain.data + CURSOR_BIND_BYTES, '\0', plain.length - CURSOR_BIND_BYTES) == NULL &&
        text_utf8(plain.data + CURSOR_BIND_BYTES, plain.length - CURSOR_BIND_BYTES)) {
        memcpy(page->after, plain.data + CURSOR_BIND_BYTES, plain.length - CURSOR_BIND_BYTES);
        page->after[plain.length - CURSOR_BIND_BYTES] = '\0';
        rc = 0;
    } else {
        (void)err_field(err, "cursor", "the cursor was not made for this list; start again without one");
    }
    buf_free(&plain);
    buf_free(&standard);
    return rc;
}

static void cursor_put(const struct request *request, const char *last, struct buf *out)
{
    struct buf plain = {0};
    struct buf text = {0};
    uint8_t mark[SHA256_BYTES];
    path_mark(request, mark);
    buf_append(&plain, mark, CURSOR_BIND_BYTES);
    buf_puts(&plain, last);
    base64_encode(buf_text(&plain), plain.length, &text);
    for (size_t i = 0; i < text.length && text.data[i] != '='; i++) {
        char c = text.data[i];
        buf_putc(out, c == '+' ? '-' : c == '/' ? '_' : c);
    }
    buf_free(&plain);
    buf_free(&text);
}

/* The query as it was, without its cursor. */
static void query_without_cursor(const char *query, struct buf *out)
{
    for (const char *at = query; *at != '\0';) {
        size_t length = strcspn(at, "&");
        if (length > 0 && strncmp(at, "cursor=", 7) != 0) {
            buf_append(out, at, length);
            buf_putc(out, '&');
        }
        at += length;
        at += *at == '&';
    }
}

void page_put(struct request *request, struct json_writer *writer, const char *last)
{
    if (last == NULL) {
        json_put_null(writer, "next");
        return;
    }
    struct buf next = {0};
    struct buf link = {0};
    buf_puts(&next, request->path);
    buf_putc(&next, '?');
    query_without_cursor(request->query_text, &next);
    buf_puts(&next, "cursor=");
    cursor_put(request, last, &next);
    json_put_text(writer, "next", buf_text(&next));
    buf_printf(&link, "<%s>; rel=\"next\"", buf_text(&next));
    reply_header(&request->reply, "Link", buf_text(&link));
    buf_free(&next);
    buf_free(&link);
}
