/*
 * Goal:   no Authorization header, date, query or header breaks the check of a signature, and what is signed is what
 * counts: the order of the query's pairs does not matter, nor spaces around a header, and everything else does. Method:
 * lines of text: Authorization, X-Amz-Date, path, query, and headers "name:value".
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/sigv4.h"
#include "common/check.h"
#include "common/err.h"

#define LINES_MAX 16

struct lines {
    char *at[LINES_MAX];
    int count;
    bool spaced; /* headers come with spaces around their values */
    char value[70000];
};

static const char *header(void *ctx, const char *name)
{
    struct lines *lines = ctx;
    size_t length = strlen(name);
    CHECK(length > 0 && strchr(name, ';') == NULL);
    for (int i = 4; i < lines->count; i++) {
        if (strncmp(lines->at[i], name, length) == 0 && lines->at[i][length] == ':') {
            (void)snprintf(lines->value, sizeof lines->value, "%s%s%s", lines->spaced ? "  \t" : "",
                           lines->at[i] + length + 1, lines->spaced ? " \t" : "");
            return lines->value;
        }
    }
    return strcmp(name, "host") == 0 ? "localhost" : NULL;
}

static int sign(const struct sigv4_parts *parts, struct lines *lines, const char *secret, const char *query,
                const char *payload, char signature[65])
{
    struct err err = {0};
    int rc =
        sigv4_sign(parts, secret, "POST", lines->at[2], query, lines->at[1], payload, header, lines, signature, &err);
    CHECK(rc == 0 ? strlen(signature) == 64 && strspn(signature, "0123456789abcdef") == 64
                  : strcmp(err.slug, "InvalidSignatureException") == 0);
    return rc;
}

/* The pairs the other way round. */
static void turn(const char *query, char *turned)
{
    size_t end = strlen(query);
    size_t used = 0;
    while (end > 0) {
        size_t start = end;
        while (start > 0 && query[start - 1] != '&') {
            start--;
        }
        memcpy(turned + used, query + start, end - start);
        used += end - start;
        if (start > 0) {
            turned[used++] = '&';
        }
        end = start > 0 ? start - 1 : 0;
    }
    turned[used] = '\0';
}

static void check_signature(const struct sigv4_parts *parts, struct lines *lines)
{
    char one[65];
    char two[65];
    char *turned = malloc(strlen(lines->at[3]) + 2);
    CHECK(turned != NULL);
    lines->spaced = false;
    if (sign(parts, lines, "secret", lines->at[3], "hash", one) == 0) {
        turn(lines->at[3], turned);
        CHECK(sign(parts, lines, "secret", turned, "hash", two) == 0 && strcmp(one, two) == 0);
        lines->spaced = true;
        CHECK(sign(parts, lines, "secret", lines->at[3], "hash", two) == 0 && strcmp(one, two) == 0);
        CHECK(sign(parts, lines, "secreT", lines->at[3], "hash", two) == 0 && strcmp(one, two) != 0);
        CHECK(sign(parts, lines, "secret", lines->at[3], "hasH", two) == 0 && strcmp(one, two) != 0);
    }
    free(turned);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct lines lines;
    struct sigv4_parts parts;
    struct err err = {0};
    int64_t at_us = 0;
    char *text = calloc(1, size + 1);
    CHECK(text != NULL && size < sizeof lines.value - 16);
    memcpy(text, data, size);
    lines.count = 0;
    for (char *rest = text; rest != NULL && lines.count < LINES_MAX;) {
        lines.at[lines.count++] = strsep(&rest, "\n");
    }
    bool whole = lines.count >= 4;
    if (sigv4_parse(lines.at[0], &parts, &err) == 0) {
        CHECK(sigv4_is(lines.at[0]));
        CHECK(parts.access_key_id[0] != '\0' && parts.region[0] != '\0' && parts.service[0] != '\0');
        CHECK(strlen(parts.signature) == 64 && strchr(parts.signed_headers, ',') == NULL);
        if (whole) {
            check_signature(&parts, &lines);
        }
    } else {
        CHECK(strcmp(err.slug, "IncompleteSignatureException") == 0);
    }
    if (lines.count > 1 && sigv4_time(lines.at[1], &at_us) == 0) {
        CHECK(strlen(lines.at[1]) == 16);
    }
    free(text);
    return 0;
}
