/* function_url.c - ids and host names of function URLs, and what this node remembers of them. */
#include "api/function_url.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/clock.h"
#include "common/digest.h"
#include "common/err.h"
#include "common/map.h"
#include "common/text.h"

#define RANDOM_BYTES 12
#define ID_BYTES 20
#define HOST_BYTES 200

static const char ALPHABET[] = "abcdefghijklmnopqrstuvwxyz234567";

struct known {
    struct function_url url;
    int64_t until_us;
};

struct function_urls {
    char scheme[8], host[HOST_BYTES], port[8]; /* port with its colon, or "" */
    pthread_mutex_t lock;
    struct map *known;
};

/* ---- ids: 12 random bytes, then the account's number under the first 8 of them, in base 32 ---- */

void function_url_id_make(int64_t account_id, char id[FUNCTION_URL_ID_BYTES])
{
    uint8_t bytes[ID_BYTES];
    random_bytes(bytes, RANDOM_BYTES);
    for (int i = 0; i < 8; i++) {
        bytes[RANDOM_BYTES + i] = bytes[i] ^ (uint8_t)((uint64_t)account_id >> (56 - 8 * i));
    }
    for (int i = 0; i < FUNCTION_URL_ID_BYTES - 1; i++) {
        int bit = 5 * i;
        unsigned pair = (unsigned)bytes[bit / 8] << 8 | (bit / 8 + 1 < ID_BYTES ? bytes[bit / 8 + 1] : 0u);
        id[i] = ALPHABET[pair >> (11 - bit % 8) & 31];
    }
    id[FUNCTION_URL_ID_BYTES - 1] = '\0';
}

int function_url_id_account(const char *id, int64_t *account_id)
{
    uint8_t bytes[ID_BYTES] = {0};
    uint64_t number = 0;
    if (strlen(id) != FUNCTION_URL_ID_BYTES - 1 || strspn(id, ALPHABET) != FUNCTION_URL_ID_BYTES - 1) {
        return -1;
    }
    for (int i = 0; i < FUNCTION_URL_ID_BYTES - 1; i++) {
        int bit = 5 * i;
        unsigned value = (unsigned)(strchr(ALPHABET, id[i]) - ALPHABET) << (11 - bit % 8);
        bytes[bit / 8] |= (uint8_t)(value >> 8);
        if (bit / 8 + 1 < ID_BYTES) {
            bytes[bit / 8 + 1] |= (uint8_t)value;
        }
    }
    for (int i = 0; i < 8; i++) {
        number = number << 8 | (uint8_t)(bytes[RANDOM_BYTES + i] ^ bytes[i]);
    }
    *account_id = (int64_t)number;
    return 0;
}

/* ---- host names ---- */

static int bad_base(const char *base, struct err *err)
{
    return err_field(err, "function-url-base",
                     "\"%.120s\" is not the base of function URLs; it is to look like https://functions.example.org or "
                     "http://functions.example.org:8080, without a path",
                     base);
}

static int base_read(const char *base, struct function_urls *urls, struct err *err)
{
    bool secure = text_starts(base, "https://");
    if (!secure && !text_starts(base, "http://")) {
        return bad_base(base, err);
    }
    const char *host = base + (secure ? 8 : 7);
    size_t length = strspn(host, "abcdefghijklmnopqrstuvwxyz0123456789-.");
    const char *rest = host + length;
    size_t digits = rest[0] == ':' ? strspn(rest + 1, "0123456789") : 0;
    if (length == 0 || length >= HOST_BYTES || host[0] == '.' || (rest[0] == ':' && (digits == 0 || digits > 5)) ||
        rest[rest[0] == ':' ? digits + 1 : 0] != '\0') {
        return bad_base(base, err);
    }
    (void)snprintf(urls->scheme, sizeof urls->scheme, "%s", secure ? "https" : "http");
    (void)snprintf(urls->host, sizeof urls->host, "%.*s", (int)length, host);
    (void)snprintf(urls->port, sizeof urls->port, "%s", rest);
    return 0;
}

int function_url_base_check(const char *base, struct err *err)
{
    struct function_urls urls;
    return base_read(base, &urls, err);
}

int function_urls_new(const char *base, bool tls, int port, struct function_urls **out, struct err *err)
{
    char text[64];
    struct function_urls *urls = calloc(1, sizeof *urls);
    if (urls == NULL || (urls->known = map_new()) == NULL) {
        free(urls);
        return err_set(err, ERR_SYSTEM, "out of memory");
    }
    (void)pthread_mutex_init(&urls->lock, NULL);
    (void)snprintf(text, sizeof text, "%s://lambda-url.localhost:%d", tls ? "https" : "http", port);
    if (base_read(base != NULL ? base : text, urls, err) != 0) {
        function_urls_free(&urls);
        return -1;
    }
    *out = urls;
    return 0;
}

static void free_known(const void *key, size_t length, void *value, void *ctx)
{
    struct known *known = value;
    (void)key;
    (void)length;
    (void)ctx;
    function_url_free(&known->url);
    free(known);
}

void function_urls_free(struct function_urls **ref)
{
    struct function_urls *urls = *ref;
    if (urls == NULL) {
        return;
    }
    *ref = NULL;
    map_each(urls->known, free_known, NULL);
    map_free(&urls->known);
    (void)pthread_mutex_destroy(&urls->lock);
    free(urls);
}

void function_url_text(const struct function_urls *urls, const char *id, struct buf *out)
{
    buf_printf(out, "%s://%s.%s%s/", urls->scheme, id, urls->host, urls->port);
}

bool function_urls_host(const struct function_urls *urls, const char *host, char id[FUNCTION_URL_ID_BYTES])
{
    size_t length = host != NULL ? strcspn(host, ":") : 0;
    size_t base = strlen(urls->host);
    if (length < base + 2 || host[length - base - 1] != '.' ||
        strncasecmp(host + length - base, urls->host, base) != 0) {
        return false;
    }
    id[0] = '\0';
    if (length - base - 1 == FUNCTION_URL_ID_BYTES - 1) {
        for (int i = 0; i < FUNCTION_URL_ID_BYTES - 1; i++) {
            id[i] = host[i] >= 'A' && host[i] <= 'Z' ? (char)(host[i] - 'A' + 'a') : host[i];
        }
        id[FUNCTION_URL_ID_BYTES - 1] = '\0';
    }
    return true;
}

/* ---- what is remembered ---- */

static void copy(struct function_url *to, const struct function_url *from)
{
    *to = *from;
    to->cors = (struct buf){0};
    buf_append(&to->cors, from->cors.data, from->cors.length);
}

bool function_urls_known(struct function_urls *urls, const char *id, struct function_url *found)
{
    bool hit = false;
    (void)pthread_mutex_lock(&urls->lock);
    const struct known *known = map_get(urls->known, id, strlen(id));
    if (known != NULL && clock_mono_us() < known->until_us) {
        copy(found, &known->url);
        hit = true;
    }
    (void)pthread_mutex_unlock(&urls->lock);
    return hit;
}

void function_urls_learn(struct function_urls *urls, const struct function_url *url)
{
    struct known *known = calloc(1, sizeof *known);
    if (known == NULL) {
        return;
    }
    copy(&known->url, url);
    known->until_us = clock_mono_us() + FUNCTION_URL_KNOWN_US;
    (void)pthread_mutex_lock(&urls->lock);
    if (map_count(urls->known) >= FUNCTION_URL_KNOWN_MAX) {
        struct map *fresh = map_new();
        if (fresh != NULL) {
            map_each(urls->known, free_known, NULL);
            map_free(&urls->known);
            urls->known = fresh;
        }
    }
    struct known *before = map_get(urls->known, url->id, strlen(url->id));
    if (map_put(urls->known, url->id, strlen(url->id), known) == 0) {
        known = before;
    }
    (void)pthread_mutex_unlock(&urls->lock);
    if (known != NULL) {
        free_known(NULL, 0, known, NULL);
    }
}

void function_urls_forget(struct function_urls *urls, const char *id)
{
    (void)pthread_mutex_lock(&urls->lock);
    struct known *known = map_remove(urls->known, id, strlen(id));
    (void)pthread_mutex_unlock(&urls->lock);
    if (known != NULL) {
        free_known(NULL, 0, known, NULL);
    }
}
