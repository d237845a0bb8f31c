/*
 * Goal:   the conventions of HTTP and of this API hold on every route: methods, media types, sizes, conditions,
 * compression, cursors; clients that are slow, stop reading or hang up cost nobody else anything. Method: the route
 * table is walked over HTTP; what a well-behaved client library would not send goes through a plain socket. Waits end
 * with an event (a byte, the end of a connection), not with a time.
 * Length: one node serves all of it, and starting it is the slow part.
 */
#include <arpa/inet.h>
#include <check.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <zlib.h>

#include "api/server.h"
#include "common/digest.h"
#include "tests/support/api_client.h"

#define CODE                                                                                                           \
    "UEsDBBQAAAAAAAAAIVyjt17aEQAAABEAAAAJAAAAYm9vdHN0cmFwIyEvYmluL3NoCmV4aXQgMQpQSwECFAMUAAAAAAAAACFco7de2hEAAAARAAAA" \
    "CQ"                                                                                                               \
    "AAAAAAAAAAAAAA7QEAAAAAYm9vdHN0cmFwUEsFBgAAAAABAAEANwAAADgAAAAAAA=="
#define WAIT_MS 60000

static char key[80];

static void up(void)
{
    api_node_up();
    for (int i = 0; i < 5; i++) {
        char body[40];
        (void)snprintf(body, sizeof body, "{\"name\":\"acme-%d\"}", i);
        api_make("POST", "/v1/accounts", i == 0 ? "{\"name\":\"acme\"}" : body, NULL, NULL, 0);
    }
    api_make("POST", "/v1/accounts/acme/keys", "{\"scope\":\"account\"}", "key", key, sizeof key);
    api_make("POST", "/v1/accounts/acme/functions",
             "{\"name\":\"f\",\"runtime\":\"provided\",\"handler\":\"x\",\"code\":\"" CODE "\"}", NULL, NULL, 0);
}

/* ---- small helpers ---- */

static bool has(const struct api_answer *answer, const char *line)
{
    return strstr(buf_text(&answer->headers), line) != NULL;
}

/* The value of a header, "" without it. */
static void header_of(const struct api_answer *answer, const char *name, char value[300])
{
    char start[80];
    (void)snprintf(start, sizeof start, "\n%s: ", name);
    const char *at = strstr(buf_text(&answer->headers), start);
    value[0] = '\0';
    if (at != NULL) {
        at += strlen(start);
        (void)snprintf(value, 300, "%.*s", (int)strcspn(at, "\r\n"), at);
    }
}

static struct api_answer ask_with(const char *method, const char *path, const char *header, const void *body,
                                  size_t length)
{
    return api_ask_as("Bearer " API_TEST_ADMIN, method, path, header, body, length);
}

static void path_of(const struct route *route, char path[300])
{
    size_t used = 0;
    for (const char *p = route->pattern; *p != '\0';) {
        if (*p != '{') {
            path[used++] = *p++;
            continue;
        }
        const char *with = strncmp(p, "{a}", 3) == 0       ? "acme"
                           : strncmp(p, "{f}", 3) == 0     ? "f"
                           : strncmp(p, "{month}", 7) == 0 ? "2026-01"
                           : strncmp(p, "{quota}", 7) == 0 ? "concurrency"
                           : strncmp(p, "{book}", 6) == 0  ? "default"
                                                           : "thing";
        used += (size_t)snprintf(path + used, 300 - used, "%s", with);
        p += strcspn(p, "}") + 1;
    }
    path[used] = '\0';
}

static bool lambda(const struct route *route)
{
    return (route->flags & ROUTE_LAMBDA) != 0;
}

/* ---- methods ---- */

START_TEST(head_is_get_without_a_body)
{
    static const char *const same[] = {"Content-Type", "ETag", "Vary", "Cache-Control"};
    for (const struct route *route = router_table(); route->pattern != NULL; route++) {
        if (route->method != HTTP_GET || lambda(route) || strcmp(route->pattern, "/metrics") == 0) {
            continue;
        }
        char path[300], left[300], right[300];
        path_of(route, path);
        struct api_answer get = api_ask(API_TEST_ADMIN, "GET", path, NULL);
        struct api_answer head = api_ask(API_TEST_ADMIN, "HEAD", path, NULL);
        ck_assert_msg(get.status == head.status && head.body.length == 0, "%s: %ld and %ld", path, get.status,
                      head.status);
        for (size_t i = 0; i < sizeof same / sizeof same[0]; i++) {
            header_of(&get, same[i], left);
            header_of(&head, same[i], right);
            /* Answers with their own age in them have another content a moment later. */
            bool ages = strcmp(same[i], "ETag") == 0 && left[1] != 'r';
            ck_assert_msg(ages || strcmp(left, right) == 0, "%s: %s is \"%s\" and \"%s\"", path, same[i], left, right);
        }
        api_answer_free(&get);
        api_answer_free(&head);
    }
}
END_TEST

START_TEST(options_and_405)
{
    static const char *const methods[] = {"GET", "POST", "PUT", "PATCH", "DELETE", "BREW", "TRACE"};
    for (const struct route *route = router_table(); route->pattern != NULL; route++) {
        char path[300], allow[300];
        if (lambda(route)) {
            continue;
        }
        path_of(route, path);
        struct api_answer options = api_ask_as(NULL, "OPTIONS", path, "Origin: https://elsewhere.example", NULL, 0);
        header_of(&options, "Allow", allow);
        ck_assert_msg(options.status == 204 && strstr(allow, api_method_name(route->method)) != NULL &&
                          strstr(allow, "OPTIONS") != NULL,
                      "OPTIONS %s: %ld, Allow: %s", path, options.status, allow);
        ck_assert_msg(strstr(buf_text(&options.headers), "Access-Control") == NULL, "%s", buf_text(&options.headers));
        for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++) {
            if (strstr(allow, methods[i]) != NULL) {
                continue;
            }
            struct api_answer other = api_ask(API_TEST_ADMIN, methods[i], path, NULL);
            char allow_other[300];
            header_of(&other, "Allow", allow_other);
            ck_assert_msg(other.status == 405 && strcmp(allow, allow_other) == 0, "%s %s: %ld, Allow: %s", methods[i],
                          path, other.status, allow_other);
            api_answer_free(&other);
        }
        api_answer_free(&options);
    }
}
END_TEST

START_TEST(media_types)
{
    int walked = 0;
    for (const struct route *route = router_table(); route->pattern != NULL; route++) {
        char path[300], accept[300];
        if ((route->flags & ROUTE_JSON) == 0) {
            continue;
        }
        path_of(route, path);
        struct api_answer text =
            ask_with(api_method_name(route->method), path, "Content-Type: text/plain", "hello", strlen("hello"));
        header_of(&text, "Accept", accept);
        ck_assert_msg(text.status == 415 && strcmp(accept, "application/json") == 0, "%s: %ld", path, text.status);
        struct api_answer none = ask_with(api_method_name(route->method), path, "Content-Type:", "{}", 2);
        ck_assert_msg(none.status == 415, "%s without a type: %ld", path, none.status);
        api_answer_free(&text);
        api_answer_free(&none);
        walked++;
    }
    ck_assert_int_ge(walked, 15);
    static const struct {
        const char *accept;
        int status;
        const char *type;
    } rows[] = {{"Accept: image/png", 406, "application/problem+json"},
                {"Accept: application/json;q=0, text/csv;q=0", 406, "application/problem+json"},
                {"Accept: text/csv", 200, "text/csv"},
                {"Accept: application/json;q=0.1, text/csv;q=0.9", 200, "text/csv"},
                {"Accept: application/x-ndjson", 200, "application/x-ndjson"},
                {"Accept: text/*", 200, "text/csv"},
                {"Accept: */*", 200, "application/json"}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char type[300];
        struct api_answer answer = ask_with("GET", "/v1/accounts/acme/usage", rows[i].accept, NULL, 0);
        header_of(&answer, "Content-Type", type);
        ck_assert_msg(answer.status == rows[i].status && strncmp(type, rows[i].type, strlen(rows[i].type)) == 0,
                      "%s: %ld %s", rows[i].accept, answer.status, type);
        api_answer_free(&answer);
    }
}
END_TEST

/* ---- limits a client can see ---- */

START_TEST(what_is_left_is_said)
{
    char left[300], policy[300];
    api_make("PUT", "/v1/accounts/acme/quotas/requests_per_second", "{\"limit\":\"50\"}", NULL, NULL, 0);
    api_make("PUT", "/v1/accounts/acme/quotas/requests_per_month", "{\"limit\":\"1000\"}", NULL, NULL, 0);
    static const char path[] = "/v1/accounts/acme/functions/f/invocations";
    struct api_answer answer = {0};
    for (int i = 0; i < 2000; i++) { /* a change of a quota is in force within a second */
        api_answer_free(&answer);
        answer = api_ask(key, "POST", path, "{}");
        header_of(&answer, "RateLimit-Policy", policy);
        if (strstr(policy, "second") != NULL && strstr(policy, "month") != NULL) {
            break;
        }
    }
    header_of(&answer, "RateLimit", left);
    ck_assert_msg(answer.status == 200, "%ld %s", answer.status, buf_text(&answer.body));
    ck_assert_str_eq(policy, "\"requests_per_second\";q=50;w=1, \"requests_per_month\";q=1000");
    long long second = -1, month = -1, second_t = -1, month_t = -1;
    ck_assert_msg(sscanf(left, "\"requests_per_second\";r=%lld;t=%lld, \"requests_per_month\";r=%lld;t=%lld", &second,
                         &second_t, &month, &month_t) == 4,
                  "%s", left);
    ck_assert_msg(second >= 0 && second <= 50 && /* a slow call gives the token time to come back */
                      month > 0 && month < 1000 && month_t > 0,
                  "%s", left);
    api_answer_free(&answer);
    api_make("DELETE", "/v1/accounts/acme/quotas/requests_per_second", NULL, NULL, NULL, 0);
    api_make("DELETE", "/v1/accounts/acme/quotas/requests_per_month", NULL, NULL, NULL, 0);
}
END_TEST

/* ---- conditions ---- */

START_TEST(conditions)
{
    static const char path[] = "/v1/accounts/acme/quotas/memory_mb";
    char etag[300], header[400];
    struct api_answer made = ask_with("PUT", path, "Content-Type: application/json", "{\"limit\":\"512\"}", 15);
    header_of(&made, "ETag", etag);
    ck_assert_msg(made.status == 200 && etag[0] == '"', "%ld %s", made.status, etag);
    static const struct {
        const char *condition;
        bool tagged; /* the current tag stands behind it */
        int status;
    } rows[] = {{"If-Match: \"r0\"", false, 412},
                {"If-Match: \"r99\"", false, 412},
                {"If-Match: \"nonsense\"", false, 400}, /* a slip is said to be one: it is no tag of a quota */
                {"If-Match: W/", true, 400},            /* a change needs a strong one */
                {"If-Match: ", true, 200}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const char *condition = rows[i].condition;
        (void)snprintf(header, sizeof header, "Content-Type: application/json\r\n%s%s", condition,
                       rows[i].tagged ? etag : "");
        struct api_answer put = ask_with("PUT", path, header, "{\"limit\":\"513\"}", 15);
        ck_assert_msg(put.status == rows[i].status, "%s: %ld %s", condition, put.status, buf_text(&put.body));
        api_answer_free(&put);
    }
    (void)snprintf(header, sizeof header, "If-Match: %s", etag); /* it has moved on */
    struct api_answer gone = ask_with("DELETE", path, header, NULL, 0);
    ck_assert_int_eq((int)gone.status, 412);
    struct api_answer get = ask_with("GET", path, NULL, NULL, 0);
    header_of(&get, "ETag", etag);
    (void)snprintf(header, sizeof header, "If-None-Match: \"x\", %s", etag);
    struct api_answer same = ask_with("GET", path, header, NULL, 0);
    ck_assert_int_eq((int)same.status, 304);
    ck_assert_uint_eq(same.body.length, 0);
    ck_assert(has(&same, etag));
    api_answer_free(&made);
    api_answer_free(&gone);
    api_answer_free(&get);
    api_answer_free(&same);
}
END_TEST

START_TEST(idempotency)
{
    static const char body[] = "{\"url\":\"https://example.com/once\"}";
    static const char path[] = "/v1/accounts/acme/webhooks";
    static const char header[] = "Content-Type: application/json\r\nIdempotency-Key: hook-1";
    char long_header[400] = "Content-Type: application/json\r\nIdempotency-Key: ";
    struct api_answer first = ask_with("POST", path, header, body, strlen(body));
    struct api_answer again = ask_with("POST", path, header, body, strlen(body));
    struct api_answer elsewhere = ask_with("POST", "/v1/accounts/acme-1/webhooks", header, body, strlen(body));
    struct api_answer other = ask_with("POST", path, header, "{\"url\":\"https://example.com/two\"}", 33);
    memset(long_header + strlen(long_header), 'k', 256);
    struct api_answer longer = ask_with("POST", path, long_header, body, strlen(body));
    ck_assert_int_eq((int)first.status, 201);
    ck_assert_str_eq(buf_text(&first.body), buf_text(&again.body)); /* the secret too, which is shown once otherwise */
    ck_assert(has(&again, "Idempotency-Replayed: true"));
    ck_assert_int_eq((int)elsewhere.status, 201);
    ck_assert(!has(&elsewhere, "Idempotency-Replayed"));
    ck_assert_int_eq((int)other.status, 422);
    ck_assert_int_eq((int)longer.status, 400);
    api_answer_free(&first);
    api_answer_free(&again);
    api_answer_free(&elsewhere);
    api_answer_free(&other);
    api_answer_free(&longer);
}
END_TEST

/* ---- compression ---- */

static size_t gzip(const void *bytes, size_t length, unsigned char *out, size_t size)
{
    union {
        const void *in;
        Bytef *z;
    } input = {.in = bytes};
    z_stream z = {.next_in = input.z, .avail_in = (uInt)length, .next_out = out, .avail_out = (uInt)size};
    ck_assert_int_eq(deflateInit2(&z, 9, Z_DEFLATED, 15 + 16, 9, Z_DEFAULT_STRATEGY), Z_OK);
    ck_assert_int_eq(deflate(&z, Z_FINISH), Z_STREAM_END);
    (void)deflateEnd(&z);
    return size - z.avail_out;
}

START_TEST(gzip_in)
{
    static const char good[] = "{\"url\":\"https://example.com/zipped\"}";
    static const char path[] = "/v1/accounts/acme/webhooks";
    static const char header[] = "Content-Type: application/json\r\nContent-Encoding: gzip";
    size_t size = 8u * 1024 * 1024;
    unsigned char *packed = malloc(65536);
    char *zeros = calloc(1, size);
    ck_assert(packed != NULL && zeros != NULL);
    size_t length = gzip(good, strlen(good), packed, 65536);
    const struct {
        const char *header;
        const void *bytes;
        size_t length;
        int status;
    } rows[] = {{header, packed, length, 201},
                {header, packed, length - 3, 400}, /* cut */
                {header, good, strlen(good), 400}, /* not gzip */
                {"Content-Type: application/json\r\nContent-Encoding: identity", good, strlen(good), 201},
                {"Content-Type: application/json\r\nContent-Encoding: br", good, strlen(good), 415},
                {"Content-Type: application/json\r\nContent-Encoding: gzip, gzip", packed, length, 415}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct api_answer answer = ask_with("POST", path, rows[i].header, rows[i].bytes, rows[i].length);
        ck_assert_msg(answer.status == rows[i].status, "%zu: %ld %s", i, answer.status, buf_text(&answer.body));
        api_answer_free(&answer);
    }
    length = gzip(zeros, size, packed, 65536); /* 8 MiB in 8 KiB */
    struct api_answer bomb = ask_with("POST", path, header, packed, length);
    ck_assert_msg(bomb.status == 413, "%ld %s", bomb.status, buf_text(&bomb.body));
    api_answer_free(&bomb);
    free(packed);
    free(zeros);
}
END_TEST

START_TEST(gzip_out)
{
    struct api_answer plain = ask_with("GET", "/openapi.json", NULL, NULL, 0);
    struct api_answer packed = ask_with("GET", "/openapi.json", "Accept-Encoding: gzip;q=0.5", NULL, 0);
    struct api_answer none = ask_with("GET", "/openapi.json", "Accept-Encoding: gzip;q=0, identity", NULL, 0);
    ck_assert(has(&packed, "Content-Encoding: gzip") && has(&packed, "Vary: Accept, Accept-Encoding"));
    ck_assert(!has(&plain, "Content-Encoding") && !has(&none, "Content-Encoding"));
    size_t size = plain.body.length + 100;
    unsigned char *out = malloc(size);
    ck_assert_ptr_nonnull(out);
    z_stream z = {.next_in = (Bytef *)packed.body.data,
                  .avail_in = (uInt)packed.body.length,
                  .next_out = out,
                  .avail_out = (uInt)size};
    ck_assert_int_eq(inflateInit2(&z, 15 + 16), Z_OK);
    ck_assert_int_eq(inflate(&z, Z_FINISH), Z_STREAM_END);
    ck_assert_uint_eq(size - z.avail_out, plain.body.length);
    ck_assert_mem_eq(out, plain.body.data, plain.body.length);
    (void)inflateEnd(&z);
    free(out);
    api_answer_free(&plain);
    api_answer_free(&packed);
    api_answer_free(&none);
}
END_TEST

/* ---- cursors ---- */

static const char *const KEYS_OF_ROWS[] = {"",
                                           "x",
                                           "-1",
                                           "99999999999999999999",
                                           "1 OR 1=1",
                                           "'",
                                           "2026-01-01T00:00:00Z",
                                           "\xff\xfe",
                                           "1,2,3,4",
                                           "1970-01-01T00:00:00.000000Z,,"};

/* A cursor as the node would make it, around a key that it never gave out. */
static void make_cursor(const char *path, const char *row, char cursor[200])
{
    uint8_t mark[SHA256_BYTES];
    struct buf plain = {0}, text = {0};
    sha256(path, strlen(path), mark);
    buf_append(&plain, mark, 4);
    buf_puts(&plain, row);
    base64_encode(buf_text(&plain), plain.length, &text);
    size_t used = 0;
    for (const char *p = buf_text(&text); *p != '\0' && *p != '='; p++) {
        cursor[used++] = *p == '+' ? '-' : *p == '/' ? '_' : *p;
    }
    cursor[used] = '\0';
    buf_free(&plain);
    buf_free(&text);
}

START_TEST(made_up_cursors)
{
    int walked = 0;
    for (const struct route *route = router_table(); route->pattern != NULL; route++) {
        if (strstr(route->query, "cursor") == NULL) {
            continue;
        }
        for (size_t i = 0; i < sizeof KEYS_OF_ROWS / sizeof KEYS_OF_ROWS[0]; i++) {
            char path[300], cursor[200], full[600];
            path_of(route, path);
            make_cursor(path, KEYS_OF_ROWS[i], cursor);
            (void)snprintf(full, sizeof full, "%s?cursor=%s", path, cursor);
            struct api_answer answer = api_ask(API_TEST_ADMIN, "GET", full, NULL);
            ck_assert_msg(answer.status == 200 || answer.status == 400 || answer.status == 404, "%s (%s): %ld %s", full,
                          KEYS_OF_ROWS[i], answer.status, buf_text(&answer.body));
            api_answer_free(&answer);
        }
        walked++;
    }
    ck_assert_int_ge(walked, 8);
}
END_TEST

START_TEST(cursors_of_other_lists)
{
    char next[300], path[400];
    struct api_answer first = api_ask(API_TEST_ADMIN, "GET", "/v1/accounts?limit=2", NULL);
    api_text(&first, "next", next, sizeof next);
    struct api_answer second = api_ask(API_TEST_ADMIN, "GET", next, NULL);
    ck_assert_int_eq((int)second.status, 200);
    ck_assert(has(&first, "Link: <") && has(&first, "rel=\"next\""));
    (void)snprintf(path, sizeof path, "/v1/audit-log%s", strchr(next, '?'));
    struct api_answer other = api_ask(API_TEST_ADMIN, "GET", path, NULL);
    ck_assert_int_eq((int)other.status, 400);
    size_t start = (size_t)(strstr(next, "cursor=") - next) + strlen("cursor=");
    for (size_t i = start; i < start + 5; i++) { /* the mark of the list */
        char changed[300];
        (void)snprintf(changed, sizeof changed, "%s", next);
        changed[i] = changed[i] == 'A' ? 'B' : 'A';
        struct api_answer answer = api_ask(API_TEST_ADMIN, "GET", changed, NULL);
        ck_assert_msg(answer.status == 400, "%s: %ld", changed, answer.status);
        api_answer_free(&answer);
    }
    api_answer_free(&first);
    api_answer_free(&second);
    api_answer_free(&other);
}
END_TEST

/* ---- plain sockets ---- */

static int dial(void)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    to.sin_port = htons((uint16_t)strtol(strrchr(api_node_url(), ':') + 1, NULL, 10));
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert(fd >= 0 && connect(fd, (const struct sockaddr *)&to, sizeof to) == 0);
    return fd;
}

static void say(int fd, const char *text)
{
    ck_assert_int_eq((int)send(fd, text, strlen(text), MSG_NOSIGNAL), (int)strlen(text));
}

/* All that comes until the node hangs up, or until text has come. */
static void hear(int fd, const char *text, struct buf *out)
{
    char piece[4096];
    struct pollfd link = {.fd = fd, .events = POLLIN};
    while (text == NULL || strstr(buf_text(out), text) == NULL) {
        ck_assert_msg(poll(&link, 1, WAIT_MS) == 1, "nothing came after: %s", buf_text(out));
        ssize_t got = recv(fd, piece, sizeof piece, 0);
        if (got <= 0) {
            return;
        }
        buf_append(out, piece, (size_t)got);
    }
}

static void still_there(void)
{
    struct api_answer answer = api_ask(API_TEST_ADMIN, "GET", "/v1/accounts/acme", NULL);
    ck_assert_int_eq((int)answer.status, 200);
    api_answer_free(&answer);
}

static const struct {
    const char *what, *sent, *answer; /* answer "": hung up without a word */
} RAW[] = {
    {"length twice",
     "POST /v1/accounts HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " API_TEST_ADMIN
     "\r\nContent-Type: application/json\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n",
     "HTTP/1.1 400"},
    {"too large and asks first",
     "POST /v1/accounts HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " API_TEST_ADMIN
     "\r\nContent-Type: application/json\r\nContent-Length: 99999999\r\n"
     "Expect: 100-continue\r\n\r\n",
     "HTTP/1.1 413"},
    {"no key, and asks first",
     "POST /v1/accounts HTTP/1.1\r\nHost: x\r\nContent-Length: 99\r\nExpect: 100-continue\r\n\r\n", "HTTP/1.1 401"},
    {"HTTP/1.0", "GET /healthz HTTP/1.0\r\n\r\n", "200 OK"},
    {"two at once", "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\nGET /nothing HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 404"},
    {"no host", "GET /healthz HTTP/1.1\r\n\r\n", "HTTP/1.1 400"},
    {"not HTTP", "\x16\x03\x01\x02\x01 hello\r\n\r\n", "HTTP/1.1 400"},
    {"escape", "GET /v1/accounts/%0 HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 400"},
};

START_TEST(raw_requests)
{
    struct buf got = {0};
    int fd = dial();
    say(fd, RAW[_i].sent);
    hear(fd, RAW[_i].answer, &got);
    ck_assert_msg(strstr(buf_text(&got), RAW[_i].answer) != NULL, "%s: %s", RAW[_i].what, buf_text(&got));
    ck_assert_ptr_null(strstr(buf_text(&got), "100 Continue"));
    (void)close(fd);
    buf_free(&got);
    still_there();
}
END_TEST

/* The head of a request has to come in time, byte by byte or not at all, also after an answer. */
START_TEST(slow_heads_are_shown_out)
{
    static const char *const starts[] = {"", "G", "GET /healthz HTTP/1.1\r\nHost: x\r\nX-Slow: "};
    int fds[9];
    struct buf got = {0};
    for (int i = 0; i < 9; i++) {
        fds[i] = dial();
        say(fds[i], starts[i % 3]);
    }
    for (int i = 0; i < 9; i++) {
        struct pollfd link = {.fd = fds[i], .events = POLLIN};
        while (poll(&link, 1, 100) == 0) { /* a byte now and then, until the node has had enough */
            (void)send(fds[i], "a", 1, MSG_NOSIGNAL);
        }
        hear(fds[i], NULL, &got);
        (void)close(fds[i]);
        still_there();
    }
    ck_assert_ptr_null(strstr(buf_text(&got), "200 OK"));
    buf_free(&got);
}
END_TEST

START_TEST(cut_and_stalled_clients)
{
    static const char head[] = "POST /v1/accounts HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " API_TEST_ADMIN
                               "\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{\"name\":";
    int readers[60];
    for (int i = 0; i < 60; i++) { /* hang up in the head, in the body, without reading the answer */
        int fd = dial();
        char part[sizeof head];
        (void)snprintf(part, sizeof part, "%.*s", (int)(sizeof head * (unsigned)i / 60), head);
        say(fd, part);
        (void)close(fd);
    }
    for (int i = 0; i < 60; i++) { /* ask for much, many times, and read nothing */
        readers[i] = dial();
        for (int n = 0; n < 40; n++) {
            say(readers[i], "GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n");
        }
    }
    for (int i = 0; i < 50; i++) {
        still_there();
    }
    for (int i = 0; i < 60; i++) {
        (void)close(readers[i]);
    }
    still_there();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("conventions");
    TCase *tcase = tcase_create("conventions");
    tcase_set_timeout(tcase, 200);
    tcase_add_unchecked_fixture(tcase, up, api_node_down);
    tcase_add_test(tcase, head_is_get_without_a_body);
    tcase_add_test(tcase, options_and_405);
    tcase_add_test(tcase, media_types);
    tcase_add_test(tcase, what_is_left_is_said);
    tcase_add_test(tcase, conditions);
    tcase_add_test(tcase, idempotency);
    tcase_add_test(tcase, gzip_in);
    tcase_add_test(tcase, gzip_out);
    tcase_add_test(tcase, made_up_cursors);
    tcase_add_test(tcase, cursors_of_other_lists);
    tcase_add_loop_test(tcase, raw_requests, 0, (int)(sizeof RAW / sizeof RAW[0]));
    tcase_add_test(tcase, slow_heads_are_shown_out);
    tcase_add_test(tcase, cut_and_stalled_clients);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_set_fork_status(runner, CK_NOFORK); /* the node's threads live in this process */
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
