#include "cli/bill_files.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/cli.h"
#include "common/buf.h"
#include "common/err.h"
#include "common/fs.h"
#include "common/json.h"
#include "common/text.h"

#define PUT_TIMEOUT_S 600L
#define PUT_CONNECT_S 20L
#define ANSWER_BYTES_MAX 400

/* What runs along while bytes go by. */
struct passing {
    FILE *file;
    struct sha256 *state;
    int64_t bytes, records;
    bool quoted;  /* inside a quoted field: its line ends are text */
    bool partial; /* of the last record something came already */
};

static void count_records(struct passing *passing, const char *bytes, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        if (bytes[i] == '"') {
            passing->quoted = !passing->quoted;
        }
        passing->partial = bytes[i] != '\n' || passing->quoted;
        passing->records += passing->partial ? 0 : 1;
    }
}

static int on_piece(const char *bytes, size_t length, void *ctx)
{
    struct passing *passing = ctx;
    sha256_update(passing->state, bytes, length);
    passing->bytes += (int64_t)length;
    count_records(passing, bytes, length);
    return fwrite(bytes, 1, length, passing->file) == length ? 0 : -1;
}

static void finish(struct passing *passing, bool table, struct bill_saved *saved)
{
    uint8_t digest[SHA256_BYTES];
    sha256_end(&passing->state, digest);
    hex_encode(digest, sizeof digest, saved->sha256);
    saved->bytes = passing->bytes;
    saved->rows = -1;
    if (table) {
        int64_t records = passing->records + (passing->partial ? 1 : 0);
        saved->rows = records > 0 ? records - 1 : 0;
    }
}

static int check_digest(const struct cli *cli, const char *name, const struct bill_saved *saved, struct err *err)
{
    char etag[160];
    rest_header(&cli->answer, "etag", etag, sizeof etag);
    if (strlen(etag) == SHA256_HEX_BYTES + 1 && strncmp(etag + 1, saved->sha256, SHA256_HEX_BYTES - 1) != 0) {
        return err_set(err, ERR_SYSTEM, "%s arrived with other bytes than the node sent (sha256 %s, not %.64s)", name,
                       saved->sha256, etag + 1);
    }
    return 0;
}

int bill_files_get(struct cli *cli, const char *path, const char *dir, const char *name, bool table,
                   struct bill_saved *saved, struct err *err)
{
    char whole[4096 + 256];
    char part[4096 + 264];
    struct passing passing = {0};
    struct rest_call call = {.method = "GET", .path = path, .accept = "*/*", .on_piece = on_piece, .ctx = &passing};
    (void)snprintf(whole, sizeof whole, "%.4095s/%.199s", dir, name);
    (void)snprintf(part, sizeof part, "%s.part", whole);
    passing.file = fopen(part, "wb");
    if (passing.file == NULL) {
        return err_set(err, ERR_SYSTEM, "write %s: %s", part, strerror(errno));
    }
    passing.state = sha256_new();
    int rc = rest_run(cli->rest, &call, &cli->answer, err);
    finish(&passing, table, saved);
    (void)snprintf(saved->name, sizeof saved->name, "%s", name);
    if (fclose(passing.file) != 0 && rc == 0) {
        rc = err_set(err, ERR_SYSTEM, "write %s: %s", part, strerror(errno));
    }
    rc = rc == 0 ? check_digest(cli, name, saved, err) : rc;
    if (rc == 0 && rename(part, whole) != 0) {
        rc = err_set(err, ERR_SYSTEM, "write %s: %s", whole, strerror(errno));
    }
    if (rc != 0) {
        (void)unlink(part);
    }
    return rc;
}

int bill_files_write(const char *dir, const char *name, const struct buf *text, struct bill_saved *saved,
                     struct err *err)
{
    char path[4096 + 256];
    uint8_t digest[SHA256_BYTES];
    (void)snprintf(path, sizeof path, "%.4095s/%.199s", dir, name);
    if (!buf_ok(text)) {
        return err_set(err, ERR_SYSTEM, "out of memory");
    }
    if (fs_write_atomic(path, buf_text(text), text->length, 0644, err) != 0) {
        return -1;
    }
    *saved = (struct bill_saved){.layout = "", .media_type = "text/plain", .rows = -1};
    (void)snprintf(saved->name, sizeof saved->name, "%s", name);
    saved->bytes = (int64_t)text->length;
    sha256(buf_text(text), text->length, digest);
    hex_encode(digest, sizeof digest, saved->sha256);
    return 0;
}

void bill_files_manifest(const char *account, const char *month, const struct bill_saved *saved, int count,
                         struct buf *out)
{
    struct json_writer writer;
    json_writer_init(&writer, out);
    json_open_object(&writer, NULL);
    json_put_text(&writer, "account", account);
    json_put_text(&writer, "month", month);
    json_open_array(&writer, "files");
    for (int i = 0; i < count; i++) {
        json_open_object(&writer, NULL);
        json_put_text(&writer, "file", saved[i].name);
        json_put_text(&writer, "document", saved[i].document[0] != '\0' ? saved[i].document : NULL);
        json_put_text(&writer, "layout", saved[i].layout);
        json_put_text(&writer, "media_type", saved[i].media_type);
        json_put_i64(&writer, "size", saved[i].bytes);
        json_put_text(&writer, "sha256", saved[i].sha256);
        if (saved[i].rows >= 0) {
            json_put_i64(&writer, "rows", saved[i].rows);
        } else {
            json_put_null(&writer, "rows");
        }
        json_close_object(&writer);
    }
    json_close_array(&writer);
    json_close_object(&writer);
    buf_putc(out, '\n');
}

/* ---- put ---- */

static void expand(const char *url, const char *name, struct buf *out)
{
    const char *at = strstr(url, "{file}");
    if (at == NULL) {
        buf_puts(out, url);
        return;
    }
    buf_append(out, url, (size_t)(at - url));
    buf_puts(out, name); /* of account, month and layout: nothing in it needs escapes */
    buf_puts(out, at + strlen("{file}"));
}

static size_t on_answer(const char *bytes, size_t size, size_t count, void *ctx)
{
    struct buf *answer = ctx;
    size_t length = size * count;
    size_t room = ANSWER_BYTES_MAX - (answer->length < ANSWER_BYTES_MAX ? answer->length : ANSWER_BYTES_MAX);
    buf_append(answer, bytes, length < room ? length : room);
    return length;
}

static void put_options(CURL *curl, const char *url, FILE *file, const struct bill_saved *saved,
                        struct curl_slist *headers, struct buf *answer)
{
    (void)curl_easy_setopt(curl, CURLOPT_URL, url);
    (void)curl_easy_setopt(curl, CURLOPT_UPLOAD, 1L);
    (void)curl_easy_setopt(curl, CURLOPT_READDATA, file);
    (void)curl_easy_setopt(curl, CURLOPT_INFILESIZE_LARGE, (curl_off_t)saved->bytes);
    (void)curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    (void)curl_easy_setopt(curl, CURLOPT_USERAGENT, "farthing/" FARTHING_VERSION);
    (void)curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, PUT_CONNECT_S);
    (void)curl_easy_setopt(curl, CURLOPT_TIMEOUT, PUT_TIMEOUT_S);
    (void)curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    (void)curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    (void)curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_answer);
    (void)curl_easy_setopt(curl, CURLOPT_WRITEDATA, answer);
}

/* The query of a presigned address is a secret: it stays out of messages. */
static int put_failed(const char *url, const char *why, struct err *err)
{
    return err_set(err, ERR_RETRY, "PUT %.*s: %s", (int)strcspn(url, "?"), url, why);
}

static int put_file(const char *url, FILE *file, const struct bill_saved *saved, struct err *err)
{
    struct curl_slist *headers = NULL;
    struct buf answer = {0};
    char type[128];
    char why[160];
    long status = 0;
    CURLcode code = CURLE_OK;
    int rc = 0;
    CURL *curl = curl_easy_init();
    (void)snprintf(type, sizeof type, "Content-Type: %.100s", saved->media_type);
    headers = curl_slist_append(headers, type);
    if (curl == NULL || headers == NULL) {
        rc = err_set(err, ERR_SYSTEM, "out of memory");
        goto out;
    }
    put_options(curl, url, file, saved, headers, &answer);
    code = curl_easy_perform(curl);
    (void)curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    if (code != CURLE_OK) {
        rc = put_failed(url, curl_easy_strerror(code), err);
    } else if (status < 200 || status > 299) {
        (void)snprintf(why, sizeof why, "answered %ld: %.100s", status, buf_text(&answer));
        rc = put_failed(url, why, err);
    }
out:
    curl_easy_cleanup(curl);
    curl_slist_free_all(headers);
    buf_free(&answer);
    return rc;
}

int bill_files_put(const char *url, const char *dir, const struct bill_saved *saved, struct err *err)
{
    char path[4096 + 256];
    struct buf whole = {0};
    (void)snprintf(path, sizeof path, "%.4095s/%s", dir, saved->name);
    if (!text_starts(url, "http://") && !text_starts(url, "https://")) {
        return err_field(err, "put", "--put is an address that starts with http:// or https://");
    }
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        return err_set(err, ERR_SYSTEM, "read %s: %s", path, strerror(errno));
    }
    expand(url, saved->name, &whole);
    int rc = put_file(buf_text(&whole), file, saved, err);
    buf_free(&whole);
    (void)fclose(file);
    return rc;
}
