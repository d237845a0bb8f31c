#include "cli/rest.h"

#include <ctype.h>
#include <curl/curl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/problem.h"
#include "common/check.h"
#include "common/err.h"
#include "common/fs.h"
#include "common/text.h"

#define URL_DEFAULT "http://127.0.0.1:8080"
#define KEY_BYTES_MAX 256
#define CONNECT_TIMEOUT_S 10L

struct rest {
    CURL *curl;
    char url[512];
    char key[KEY_BYTES_MAX];
    const char *key_from; /* for messages */
};

/* First line of <data-dir>/name; -1 when it cannot be read. */
static int read_line(const char *data_dir, const char *name, char *line, size_t size)
{
    char path[4096];
    struct buf text = {0};
    int rc = -1;

    if (data_dir == NULL || snprintf(path, sizeof path, "%s/%s", data_dir, name) >= (int)sizeof path) {
        return -1;
    }
    if (fs_read(path, size - 1, &text, NULL) == 0 && text.length > 0) {
        text.data[strcspn(text.data, "\r\n")] = '\0';
        rc = text_copy(line, size, text.data);
    }
    buf_free(&text);
    return rc;
}

static const char *environment(const char *name)
{
    const char *value = getenv(name);
    return value != NULL && value[0] != '\0' ? value : NULL;
}

static int find_url(struct rest *rest, const struct rest_options *options, struct err *err)
{
    const char *url = options->url != NULL ? options->url : environment("FARTHING_URL");
    size_t length = 0;

    if (url == NULL && read_line(options->data_dir, "url", rest->url, sizeof rest->url) != 0) {
        url = URL_DEFAULT;
    }
    if (url != NULL && text_copy(rest->url, sizeof rest->url, url) != 0) {
        return err_field(err, "url", "the address is longer than %zu bytes", sizeof rest->url - 1);
    }
    if (!text_starts(rest->url, "http://") && !text_starts(rest->url, "https://")) {
        return err_field(err, "url", "the address is \"%s\"; it must start with http:// or https://", rest->url);
    }
    length = strlen(rest->url);
    if (rest->url[length - 1] == '/') {
        rest->url[length - 1] = '\0';
    }
    return 0;
}

static int find_key(struct rest *rest, const struct rest_options *options, struct err *err)
{
    const char *key = options->key;

    rest->key_from = "--key";
    if (key == NULL) {
        key = environment("FARTHING_KEY");
        rest->key_from = "FARTHING_KEY";
    }
    if (key == NULL) {
        rest->key_from =
            read_line(options->data_dir, "admin.key", rest->key, sizeof rest->key) == 0 ? "admin.key" : NULL;
        return 0;
    }
    if (text_copy(rest->key, sizeof rest->key, key) != 0 || strpbrk(key, "\r\n") != NULL) {
        return err_field(err, "key", "%s is not a key", rest->key_from);
    }
    return 0;
}

int rest_open(const struct rest_options *options, struct rest **out, struct err *err)
{
    struct rest *rest = calloc(1, sizeof *rest);
    int rc = -1;

    if (rest == NULL) {
        return err_set(err, ERR_SYSTEM, "out of memory");
    }
    if (find_url(rest, options, err) != 0 || find_key(rest, options, err) != 0) {
        goto out;
    }
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK || (rest->curl = curl_easy_init()) == NULL) {
        (void)err_set(err, ERR_SYSTEM, "libcurl does not start");
        goto out;
    }
    *out = rest;
    rest = NULL;
    rc = 0;
out:
    rest_close(&rest);
    return rc;
}

void rest_close(struct rest **rest)
{
    if (*rest != NULL) {
        curl_easy_cleanup((*rest)->curl);
        explicit_bzero((*rest)->key, sizeof(*rest)->key);
        free(*rest);
        *rest = NULL;
    }
}

const char *rest_url(const struct rest *rest)
{
    return rest->url;
}

const char *rest_key(const struct rest *rest)
{
    return rest->key;
}

struct sink {
    struct rest_answer *answer;
    const struct rest_call *call;
    CURL *curl;
};

static size_t on_body(char *bytes, size_t size, size_t count, void *ctx)
{
    struct sink *sink = ctx;
    size_t length = size * count;
    long status = 0;

    (void)curl_easy_getinfo(sink->curl, CURLINFO_RESPONSE_CODE, &status);
    if (sink->call->on_piece != NULL && status < 400) {
        return sink->call->on_piece(bytes, length, sink->call->ctx) == 0 ? length : 0;
    }
    if (sink->answer->body.length + length > REST_BODY_BYTES_MAX) {
        return 0;
    }
    buf_append(&sink->answer->body, bytes, length);
    return length;
}

static size_t on_header(char *bytes, size_t size, size_t count, void *ctx)
{
    struct sink *sink = ctx;
    size_t length = size * count;
    size_t name = 0;

    if (length > 5 && memcmp(bytes, "HTTP/", 5) == 0) {
        buf_clear(&sink->answer->headers); /* of a 100 Continue before */
        return length;
    }
    while (name < length && bytes[name] != ':') {
        bytes[name] = (char)tolower((unsigned char)bytes[name]);
        name++;
    }
    buf_append(&sink->answer->headers, bytes, length);
    return length;
}

static int add_header(struct curl_slist **list, const char *text, struct err *err)
{
    struct curl_slist *grown = curl_slist_append(*list, text);

    if (grown == NULL) {
        return err_set(err, ERR_SYSTEM, "out of memory");
    }
    *list = grown;
    return 0;
}

static int make_headers(const struct rest *rest, const struct rest_call *call, struct curl_slist **list,
                        struct err *err)
{
    char line[KEY_BYTES_MAX + 64];

    (void)snprintf(line, sizeof line, "Accept: %s", call->accept != NULL ? call->accept : "application/json");
    if (add_header(list, line, err) != 0 || add_header(list, "Expect:", err) != 0) {
        return -1;
    }
    if (rest->key[0] != '\0') {
        (void)snprintf(line, sizeof line, "Authorization: Bearer %s", rest->key);
        if (add_header(list, line, err) != 0) {
            return -1;
        }
    }
    if (call->body != NULL) {
        (void)snprintf(line, sizeof line, "Content-Type: %s",
                       call->content_type != NULL ? call->content_type : "application/json");
        if (add_header(list, line, err) != 0) {
            return -1;
        }
    }
    for (int i = 0; i < 8 && call->headers[i] != NULL; i++) {
        if (add_header(list, call->headers[i], err) != 0) {
            return -1;
        }
    }
    return 0;
}

static void set_options(struct rest *rest, const struct rest_call *call, const char *url, struct curl_slist *headers,
                        struct sink *sink)
{
    CURL *curl = rest->curl;

    curl_easy_reset(curl);
    (void)curl_easy_setopt(curl, CURLOPT_URL, url);
    (void)curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, call->method);
    (void)curl_easy_setopt(curl, CURLOPT_NOBODY, strcmp(call->method, "HEAD") == 0 ? 1L : 0L);
    (void)curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    (void)curl_easy_setopt(curl, CURLOPT_USERAGENT, "farthing/" FARTHING_VERSION);
    (void)curl_easy_setopt(curl, CURLOPT_ACCEPT_ENCODING, "");
    (void)curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, CONNECT_TIMEOUT_S);
    (void)curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    (void)curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    if (getenv("FARTHING_CA_CERT") != NULL) {
        (void)curl_easy_setopt(curl, CURLOPT_CAINFO, getenv("FARTHING_CA_CERT"));
    }
    (void)curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body);
    (void)curl_easy_setopt(curl, CURLOPT_WRITEDATA, sink);
    (void)curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, on_header);
    (void)curl_easy_setopt(curl, CURLOPT_HEADERDATA, sink);
    if (call->body != NULL) {
        (void)curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)call->body_length);
        (void)curl_easy_setopt(curl, CURLOPT_POSTFIELDS, call->body);
    } else if (strcmp(call->method, "POST") == 0 || strcmp(call->method, "PUT") == 0) {
        (void)curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE, 0L);
        (void)curl_easy_setopt(curl, CURLOPT_POSTFIELDS, "");
    }
}

static int transport_error(const struct rest *rest, CURLcode code, struct err *err)
{
    if (code == CURLE_COULDNT_CONNECT || code == CURLE_COULDNT_RESOLVE_HOST) {
        return err_set(
            err, ERR_RETRY,
            "no node answers at %s; start one with `farthing serve`, or say where it is (--url, FARTHING_URL)",
            rest->url);
    }
    if (code == CURLE_PEER_FAILED_VERIFICATION || code == CURLE_SSL_CACERT_BADFILE) {
        return err_set(err, ERR_INVALID,
                       "the certificate of the node at %s cannot be trusted (%s); FARTHING_CA_CERT=FILE names the "
                       "authority that signed it, or the certificate itself",
                       rest->url, curl_easy_strerror(code));
    }
    if (code == CURLE_WRITE_ERROR) {
        return err_set(err, ERR_SYSTEM, "the answer of %s cannot be written (or is larger than %d MiB)", rest->url,
                       REST_BODY_BYTES_MAX / 1024 / 1024);
    }
    return err_set(err, ERR_RETRY, "the node at %s did not finish its answer: %s", rest->url, curl_easy_strerror(code));
}

int rest_run(struct rest *rest, const struct rest_call *call, struct rest_answer *answer, struct err *err)
{
    struct curl_slist *headers = NULL;
    struct buf url = {0};
    struct sink sink = {.answer = answer, .call = call, .curl = rest->curl};
    CURLcode code = CURLE_OK;
    int rc = -1;

    rest_answer_free(answer);
    buf_puts(&url, rest->url);
    buf_puts(&url, call->path);
    if (make_headers(rest, call, &headers, err) != 0) {
        goto out;
    }
    set_options(rest, call, buf_text(&url), headers, &sink);
    code = curl_easy_perform(rest->curl);
    if (code != CURLE_OK) {
        rc = transport_error(rest, code, err);
        goto out;
    }
    (void)curl_easy_getinfo(rest->curl, CURLINFO_RESPONSE_CODE, &answer->status);
    rc = answer->status < 400 || call->problem_is_answer ? 0 : problem_err(answer, rest->key_from, err);
out:
    curl_slist_free_all(headers);
    buf_free(&url);
    return rc;
}

int rest_get(struct rest *rest, const char *path, struct rest_answer *answer, struct err *err)
{
    return rest_run(rest, &(struct rest_call){.method = "GET", .path = path}, answer, err);
}

void rest_answer_free(struct rest_answer *answer)
{
    buf_free(&answer->body);
    buf_free(&answer->headers);
    *answer = (struct rest_answer){0};
}

void rest_header(const struct rest_answer *answer, const char *name, char *value, size_t size)
{
    const char *line = buf_text(&answer->headers);
    size_t length = strlen(name);

    value[0] = '\0';
    for (; line != NULL && *line != '\0'; line = strchr(line, '\n') != NULL ? strchr(line, '\n') + 1 : NULL) {
        if (strncmp(line, name, length) == 0 && line[length] == ':') {
            const char *text = line + length + 1 + strspn(line + length + 1, " ");
            (void)snprintf(value, size, "%.*s", (int)strcspn(text, "\r\n"), text);
            return;
        }
    }
}

static void encode(struct buf *path, const char *text)
{
    for (; *text != '\0'; text++) {
        unsigned char c = (unsigned char)*text;
        if (isalnum(c) || strchr("-._~$:", c) != NULL) {
            buf_putc(path, (char)c);
        } else {
            buf_printf(path, "%%%02X", c);
        }
    }
}

void rest_path(struct buf *path, const char *format, ...)
{
    va_list texts;

    va_start(texts, format);
    for (; *format != '\0'; format++) {
        if (format[0] == '{' && format[1] == '}') {
            encode(path, va_arg(texts, const char *));
            format++;
        } else {
            buf_putc(path, *format);
        }
    }
    va_end(texts);
}

void rest_query(struct buf *path, const char *name, const char *value)
{
    if (value != NULL) {
        buf_printf(path, "%c%s=", strchr(buf_text(path), '?') != NULL ? '&' : '?', name);
        encode(path, value);
    }
}
