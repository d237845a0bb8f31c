#include "common/digest.h"

#include "common/buf.h"
#include "common/check.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/types.h>

struct sha256 {
    EVP_MD_CTX *context;
};

static EVP_MD *fetched;
static pthread_once_t fetch_once = PTHREAD_ONCE_INIT;

static void fetch(void)
{
    fetched = EVP_MD_fetch(NULL, "SHA256", NULL);
    CHECK(fetched != NULL);
}

/* Looked up once: EVP_sha256() is looked up by name at each use, which costs more than hashing a key. */
static const EVP_MD *algorithm(void)
{
    CHECK(pthread_once(&fetch_once, fetch) == 0);
    return fetched;
}

void sha256(const void *bytes, size_t length, uint8_t digest[SHA256_BYTES])
{
    unsigned int written = 0;
    CHECK(EVP_Digest(bytes, length, digest, &written, algorithm(), NULL) == 1 && written == SHA256_BYTES);
}

struct sha256 *sha256_new(void)
{
    struct sha256 *state = calloc(1, sizeof *state);
    CHECK(state != NULL);
    state->context = EVP_MD_CTX_new();
    CHECK(state->context != NULL && EVP_DigestInit_ex(state->context, algorithm(), NULL) == 1);
    return state;
}

void sha256_update(struct sha256 *state, const void *bytes, size_t length)
{
    CHECK(EVP_DigestUpdate(state->context, bytes, length) == 1);
}

void sha256_end(struct sha256 **state, uint8_t digest[SHA256_BYTES])
{
    if (*state == NULL) {
        return;
    }
    if (digest != NULL) {
        unsigned int written = 0;
        CHECK(EVP_DigestFinal_ex((*state)->context, digest, &written) == 1 && written == SHA256_BYTES);
    }
    EVP_MD_CTX_free((*state)->context);
    free(*state);
    *state = NULL;
}

void hmac_sha256(const void *key, size_t key_length, const void *bytes, size_t length, uint8_t mac[SHA256_BYTES])
{
    unsigned int written = 0;
    CHECK(key_length <= INT32_MAX);
    CHECK(HMAC(EVP_sha256(), key, (int)key_length, bytes, length, mac, &written) != NULL && written == SHA256_BYTES);
}

void random_bytes(void *bytes, size_t length)
{
    uint8_t *at = bytes;
    while (length > 0) {
        ssize_t got = getrandom(at, length, 0);
        CHECK(got > 0 || errno == EINTR);
        if (got > 0) {
            at += got;
            length -= (size_t)got;
        }
    }
}

bool equal_constant_time(const void *a, const void *b, size_t length)
{
    return CRYPTO_memcmp(a, b, length) == 0;
}

void hex_encode(const void *bytes, size_t length, char *hex)
{
    static const char DIGITS[] = "0123456789abcdef";
    const uint8_t *at = bytes;
    for (size_t i = 0; i < length; i++) {
        hex[2 * i] = DIGITS[at[i] >> 4];
        hex[2 * i + 1] = DIGITS[at[i] & 15];
    }
    hex[2 * length] = '\0';
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    if (c >= 'a' && c <= 'f') {
        return c - 'a' + 10;
    }
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

int hex_decode(const char *hex, void *bytes, size_t length)
{
    if (strlen(hex) != 2 * length || strspn(hex, "0123456789abcdefABCDEF") != 2 * length) {
        return -1;
    }
    uint8_t *at = bytes;
    for (size_t i = 0; i < length; i++) {
        at[i] = (uint8_t)(hex_digit(hex[2 * i]) * 16 + hex_digit(hex[2 * i + 1]));
    }
    return 0;
}

static const char BASE64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void base64_encode(const void *bytes, size_t length, struct buf *out)
{
    const uint8_t *at = bytes;
    for (size_t i = 0; i < length; i += 3) {
        size_t left = length - i;
        uint32_t three = (uint32_t)at[i] << 16;
        three |= left > 1 ? (uint32_t)at[i + 1] << 8 : 0;
        three |= left > 2 ? at[i + 2] : 0;
        char four[4] = {BASE64[three >> 18], BASE64[three >> 12 & 63], '=', '='};
        if (left > 1) {
            four[2] = BASE64[three >> 6 & 63];
        }
        if (left > 2) {
            four[3] = BASE64[three & 63];
        }
        buf_append(out, four, sizeof four);
    }
}

static int base64_digit(char c)
{
    if (c >= 'A' && c <= 'Z') {
        return c - 'A';
    }
    if (c >= 'a' && c <= 'z') {
        return c - 'a' + 26;
    }
    if (c >= '0' && c <= '9') {
        return c - '0' + 52;
    }
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* Four characters to one to three bytes; 0 when they are no group. Padding bits must be zero: one text a value. */
static size_t base64_group(const char four[4], bool last, uint8_t three[3])
{
    size_t pad = last && four[3] == '=' ? (four[2] == '=' ? 2 : 1) : 0;
    uint32_t bits = 0;
    for (size_t i = 0; i < 4; i++) {
        int value = i >= 4 - pad ? 0 : base64_digit(four[i]);
        if (value < 0) {
            return 0;
        }
        bits = bits << 6 | (uint32_t)value;
    }
    if ((pad == 1 && (bits & 0xff) != 0) || (pad == 2 && (bits & 0xffff) != 0)) {
        return 0;
    }
    three[0] = (uint8_t)(bits >> 16);
    three[1] = (uint8_t)(bits >> 8);
    three[2] = (uint8_t)bits;
    return 3 - pad;
}

int base64_decode(const char *text, size_t length, struct buf *out)
{
    size_t before = out->length;
    bool ok = length % 4 == 0;
    for (size_t i = 0; ok && i < length; i += 4) {
        uint8_t three[3];
        size_t count = base64_group(text + i, i + 4 == length, three);
        ok = count > 0;
        buf_append(out, three, count);
    }
    if (!ok || !buf_ok(out)) {
        if (out->length > before) {
            out->length = before;
            out->data[before] = '\0';
        }
        return -1;
    }
    return 0;
}
