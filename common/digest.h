/*
 * digest.h - hashes, signatures, random bytes and encodings, on OpenSSL's libcrypto.
 *
 * Errors: libcrypto failing on these primitives is a CHECK (it cannot run at all then). Threads: any.
 */
#ifndef FARTHING_COMMON_DIGEST_H
#define FARTHING_COMMON_DIGEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf;

#define SHA256_BYTES 32
#define SHA256_HEX_BYTES 65 /* 64 characters and a NUL */

struct sha256; /* a running hash */

void sha256(const void *bytes, size_t length, uint8_t digest[SHA256_BYTES]);
struct sha256 *sha256_new(void);
void sha256_update(struct sha256 *state, const void *bytes, size_t length);
/* Writes the digest, frees the state and sets *state to NULL. NULL digest: only free. NULL-safe. */
void sha256_end(struct sha256 **state, uint8_t digest[SHA256_BYTES]);
void hmac_sha256(const void *key, size_t key_length, const void *bytes, size_t length, uint8_t mac[SHA256_BYTES]);

void random_bytes(void *bytes, size_t length);
bool equal_constant_time(const void *a, const void *b, size_t length);

/* hex has room for 2 * length + 1. */
void hex_encode(const void *bytes, size_t length, char *hex);
/* Exactly 2 * length digits; -1 otherwise. */
int hex_decode(const char *hex, void *bytes, size_t length);
void base64_encode(const void *bytes, size_t length, struct buf *out);
/* Standard alphabet with padding; -1 for anything else. */
int base64_decode(const char *text, size_t length, struct buf *out);

#endif
