#include "api/sigv4.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "api/auth.h"
#include "api/http.h"
#include "common/buf.h"
#include "common/calendar.h"
#include "common/clock.h"
#include "common/digest.h"
#include "common/err.h"
#include "common/text.h"

#define ALGORITHM "AWS4-HMAC-SHA256"
#define SKEW_US_MAX INT64_C(300000000)
#define QUERY_PAIRS_MAX 64

bool sigv4_is(const char *authorization)
{
    return authorization != NULL && strncmp(authorization, ALGORITHM " ", sizeof ALGORITHM) == 0;
}

static int refuse(struct err *err, const char *slug, const char *text)
{
    (void)err_set(err, ERR_INVALID, "%s", text);
    return err_slug(err, slug);
}

/* "Name=value" of the comma separated list; the value ends at ',' or the end. */
static int part(const char *authorization, const char *name, char *value, size_t size)
{
    const char *at = strstr(authorization, name);
    if (at == NULL) {
        return -1;
    }
    at += strlen(name);
    size_t length = strcspn(at, ", ");
    if (length >= size) {
        return -1;
    }
    memcpy(value, at, length);
    value[length] = '\0';
    return 0;
}

/* "AKID/20261123/us-east-1/lambda/aws4_request" */
static int scope_split(char *credential, struct sigv4_parts *parts)
{
    char *rest = credential;
    const char *fields[5] = {NULL};
    for (int i = 0; i < 5; i++) {
        fields[i] = strsep(&rest, "/");
        if (fields[i] == NULL || fields[i][0] == '\0') {
            return -1;
        }
    }
    if (rest != NULL || strcmp(fields[4], "aws4_request") != 0) {
        return -1;
    }
    return text_copy(parts->access_key_id, sizeof parts->access_key_id, fields[0]) |
           text_copy(parts->date, sizeof parts->date, fields[1]) |
           text_copy(parts->region, sizeof parts->region, fields[2]) |
           text_copy(parts->service, sizeof parts->service, fields[3]);
}

int sigv4_parse(const char *authorization, struct sigv4_parts *parts, struct err *err)
{
    char credential[256];
    memset(parts, 0, sizeof *parts);
    if (!sigv4_is(authorization) || part(authorization, "Credential=", credential, sizeof credential) != 0 ||
        scope_split(credential, parts) != 0 ||
        part(authorization, "SignedHeaders=", parts->signed_headers, sizeof parts->signed_headers) != 0 ||
        part(authorization, "Signature=", parts->signature, sizeof parts->signature) != 0 ||
        strlen(parts->signature) != 64) {
        return refuse(err, "IncompleteSignatureException",
                      "Authorization header requires 'Credential', 'SignedHeaders' and 'Signature' parameters.");
    }
    return 0;
}

int sigv4_time(const char *text, int64_t *at_us)
{
    char iso[24];
    if (text == NULL || strlen(text) != 16 || text[8] != 'T' || text[15] != 'Z') {
        return -1;
    }
    (void)snprintf(iso, sizeof iso, "%.4s-%.2s-%.2sT%.2s:%.2s:%.2sZ", text, text + 4, text + 6, text + 9, text + 11,
                   text + 13);
    return calendar_parse(iso, "X-Amz-Date", at_us, NULL);
}

static void encode(struct buf *out, const char *text, size_t length, bool keep_slash)
{
    static const char digits[] = "0123456789ABCDEF";
    for (size_t i = 0; i < length; i++) {
        unsigned char c = (unsigned char)text[i];
        bool plain = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' ||
                     c == '.' || c == '_' || c == '~' || (c == '/' && keep_slash);
        if (plain) {
            buf_putc(out, (char)c);
        } else {
            buf_putc(out, '%');
            buf_putc(out, digits[c >> 4]);
            buf_putc(out, digits[c & 15]);
        }
    }
}

static int compare_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The pairs as they were sent, sorted; a name without '=' gets one. */
static int canonical_query(struct buf *out, const char *raw)
{
    char *pairs[QUERY_PAIRS_MAX];
    int count = 0;
    int rc = 0;
    for (const char *at = raw; *at != '\0' && rc == 0;) {
        size_t length = strcspn(at, "&");
        if (length > 0) {
            rc = count < QUERY_PAIRS_MAX &&
                         asprintf(&pairs[count], "%.*s%s", (int)length, at, memchr(at, '=', length) ? "" : "=") >= 0
                     ? 0
                     : -1;
            count += rc == 0;
        }
        at += length;
        at += *at == '&';
    }
    qsort(pairs, (size_t)count, sizeof pairs[0], compare_text);
    for (int i = 0; i < count; i++) {
        buf_puts(out, i > 0 ? "&" : "");
        buf_puts(out, pairs[i]);
        free(pairs[i]);
    }
    return rc;
}

/* Trimmed, runs of spaces made one. */
static void header_value(struct buf *out, const char *value)
{
    while (*value == ' ' || *value == '\t') {
        value++;
    }
    for (; *value != '\0'; value++) {
        bool space = *value == ' ' || *value == '\t';
        const char *rest = value + strspn(value, " \t");
        if (!space) {
            buf_putc(out, *value);
        } else if (*rest == '\0') {
            return;
        } else if (value[1] != ' ' && value[1] != '\t') {
            buf_putc(out, ' ');
        }
    }
}

static int canonical_headers(struct buf *out, const char *signed_headers, sigv4_header_fn *header, void *ctx)
{
    char name[128];
    bool host = false;
    for (const char *at = signed_headers; *at != '\0';) {
        size_t length = strcspn(at, ";");
        if (length == 0 || length >= sizeof name) {
            return -1;
        }
        memcpy(name, at, length);
        name[length] = '\0';
        const char *value = header(ctx, name);
        if (value == NULL) {
            return -1;
        }
        host = host || strcmp(name, "host") == 0;
        buf_printf(out, "%s:", name);
        header_value(out, value);
        buf_putc(out, '\n');
        at += length;
        at += *at == ';';
    }
    return host ? 0 : -1;
}

static void derive_key(const struct sigv4_parts *parts, const char *secret, uint8_t key[SHA256_BYTES])
{
    char first[128];
    uint8_t next[SHA256_BYTES];
    (void)snprintf(first, sizeof first, "AWS4%s", secret);
    hmac_sha256(first, strlen(first), parts->date, strlen(parts->date), key);
    hmac_sha256(key, SHA256_BYTES, parts->region, strlen(parts->region), next);
    hmac_sha256(next, SHA256_BYTES, parts->service, strlen(parts->service), key);
    hmac_sha256(key, SHA256_BYTES, "aws4_request", 12, next);
    memcpy(key, next, SHA256_BYTES);
}

int sigv4_sign(const struct sigv4_parts *parts, const char *secret, const char *method, const char *raw_path,
               const char *raw_query, const char *amz_date, const char *payload_hash, sigv4_header_fn *header,
               void *ctx, char signature[65], struct err *err)
{
    struct buf canonical = {0};
    struct buf to_sign = {0};
    uint8_t digest[SHA256_BYTES];
    uint8_t key[SHA256_BYTES];
    char hex[SHA256_HEX_BYTES];
    buf_printf(&canonical, "%s\n", method);
    encode(&canonical, raw_path, strlen(raw_path), true);
    buf_putc(&canonical, '\n');
    int rc = canonical_query(&canonical, raw_query);
    buf_putc(&canonical, '\n');
    if (rc == 0) {
        rc = canonical_headers(&canonical, parts->signed_headers, header, ctx);
    }
    if (rc == 0) {
        buf_printf(&canonical, "\n%s\n%s", parts->signed_headers, payload_hash);
        sha256(buf_text(&canonical), canonical.length, digest);
        hex_encode(digest, sizeof digest, hex);
        buf_printf(&to_sign, ALGORITHM "\n%s\n%s/%s/%s/aws4_request\n%s", amz_date, parts->date, parts->region,
                   parts->service, hex);
        derive_key(parts, secret, key);
        hmac_sha256(key, sizeof key, buf_text(&to_sign), to_sign.length, digest);
        hex_encode(digest, sizeof digest, signature);
    } else {
        (void)refuse(err, "InvalidSignatureException",
                     "A signed header is missing, host is not signed, or the query is too long.");
    }
    buf_free(&canonical);
    buf_free(&to_sign);
    return rc;
}

static const char *header_of(void *ctx, const char *name)
{
    return request_header(ctx, name);
}

static bool is_signed(const struct sigv4_parts *parts, const char *name)
{
    const char *at = strstr(parts->signed_headers, name);
    size_t length = strlen(name);
    return at != NULL && (at == parts->signed_headers || at[-1] == ';') && (at[length] == ';' || at[length] == '\0');
}

/* The payload hash that was signed; a hash that was sent must fit the body. */
static int payload_hash(const struct request *request, const struct sigv4_parts *parts, char hex[SHA256_HEX_BYTES],
                        struct err *err)
{
    uint8_t digest[SHA256_BYTES];
    const char *sent = request_header(request, "x-amz-content-sha256");
    sha256(buf_text(&request->body), request->body.length, digest);
    hex_encode(digest, sizeof digest, hex);
    if (sent == NULL || !is_signed(parts, "x-amz-content-sha256")) {
        return 0;
    }
    if (strcmp(sent, "UNSIGNED-PAYLOAD") == 0) {
        (void)text_copy(hex, SHA256_HEX_BYTES, sent);
        return 0;
    }
    if (strcasecmp(sent, hex) != 0) {
        return refuse(err, "InvalidSignatureException",
                      "The value of the x-amz-content-sha256 header does not match the calculated value.");
    }
    return 0;
}

static int check_time(const struct sigv4_parts *parts, const char *amz_date, struct err *err)
{
    int64_t at_us = 0;
    if (sigv4_time(amz_date, &at_us) != 0 || strncmp(amz_date, parts->date, 8) != 0) {
        return refuse(err, "IncompleteSignatureException",
                      "Authorization header requires existence of a valid X-Amz-Date.");
    }
    int64_t off_us = clock_wall_us() - at_us;
    if (off_us > SKEW_US_MAX || off_us < -SKEW_US_MAX) {
        return refuse(err, "RequestTimeTooSkewed",
                      "Signature expired or not yet current: check the clock (Date header).");
    }
    return 0;
}

int sigv4_verify(struct request *request, struct auth *auth, struct pg *pg, struct auth_key *key, struct err *err)
{
    struct sigv4_parts parts;
    struct err local = {0};
    char hash[SHA256_HEX_BYTES];
    char signature[65];
    const char *amz_date = request_header(request, "X-Amz-Date");
    if (sigv4_parse(request_header(request, "Authorization"), &parts, err) != 0 ||
        check_time(&parts, amz_date, err) != 0) {
        return -1;
    }
    int rc = auth_sigv4_key(auth, pg, parts.access_key_id, key, &local);
    if (rc != 0) {
        if (rc > 0) {
            return rc;
        }
        if (local.slug != NULL && strcmp(local.slug, "unauthorized") == 0) {
            return refuse(err, "UnrecognizedClientException", "The security token included in the request is invalid.");
        }
        *err = local;
        return -1;
    }
    if (payload_hash(request, &parts, hash, err) != 0 ||
        sigv4_sign(&parts, key->sigv4_secret, request->method_name, request->path, request->query_text, amz_date, hash,
                   header_of, request, signature, err) != 0) {
        return -1;
    }
    if (!equal_constant_time(signature, parts.signature, 64)) {
        return refuse(
            err, "InvalidSignatureException",
            "The request signature we calculated does not match the signature you provided. Check your AWS Secret "
            "Access Key and signing method. Consult the service documentation for details.");
    }
    return 0;
}
