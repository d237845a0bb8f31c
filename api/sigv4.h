/*
 * sigv4.h - AWS Signature Version 4, the verifying side.
 *
 * Why:       AWS SDKs sign; the secret itself is needed to check (sealed in api_key, in memory while cached).
 * Rules:     canonical URI: each path segment as sent, encoded once more (service is not S3); canonical query: the
 * pairs as sent, sorted; payload hash: x-amz-content-sha256 when it was signed, which must then fit the body, or the
 * SHA-256 of the body. Clocks may differ by 5 minutes.
 */
#ifndef FARTHING_API_SIGV4_H
#define FARTHING_API_SIGV4_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct auth;
struct auth_key;
struct buf;
struct err;
struct pg;
struct request;

bool sigv4_is(const char *authorization);
/* 0, AUTH_ASK (pg NULL and the key is not in memory), or -1 with the slug of AWS's error. */
int sigv4_verify(struct request *request, struct auth *auth, struct pg *pg, struct auth_key *key, struct err *err);

/* ---- the parts, for tests ---- */

struct sigv4_parts {
    char access_key_id[64];
    char date[9]; /* YYYYMMDD */
    char region[64];
    char service[32];
    char signed_headers[1024];
    char signature[65];
};
int sigv4_parse(const char *authorization, struct sigv4_parts *parts, struct err *err);
/* header(ctx, lower-case name) gives the value as sent or NULL. payload_hash is hex. */
typedef const char *sigv4_header_fn(void *ctx, const char *name);
int sigv4_sign(const struct sigv4_parts *parts, const char *secret, const char *method, const char *raw_path,
               const char *raw_query, const char *amz_date, const char *payload_hash, sigv4_header_fn *header,
               void *ctx, char signature[65], struct err *err);
/* "20261123T064551Z" to microseconds. */
int sigv4_time(const char *text, int64_t *at_us);

#endif
