/*
 * auth.h - who is calling: keys and signatures to callers, from memory when it was asked before.
 *
 * Why:       an invocation must not wait for the database to know its caller; a revoked key must stop working within a
 * second. How:       what the database said is kept until the epoch (table auth_epoch) moves; a watcher hears of it at
 * once through LISTEN and looks twice a second. While the database cannot be asked, what is known stays good for
 *            AUTH_OFFLINE_S.
 * Threads:   any; the watcher is a thread of its own.
 */
#ifndef FARTHING_API_AUTH_H
#define FARTHING_API_AUTH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "api/http.h"
#include "common/digest.h"

struct auth;
struct err;
struct pg;

#define AUTH_OFFLINE_S 60
#define AUTH_KEY_PREFIX "far_"
#define AUTH_KEY_BYTES 53 /* "far_", 48 characters, NUL */

struct auth_key {
    struct caller caller;
    int64_t expires_us; /* 0: never */
    bool suspended;
    char sigv4_secret[64]; /* "" when it has none */
};

struct auth_account {
    int64_t account_id;
    char name[64];
    bool suspended;
};

enum auth_result { AUTH_OK = 0, AUTH_ASK = 1 }; /* ASK: not known in memory and pg was NULL */

int auth_open(const char *conninfo, const uint8_t *node_key, struct auth **auth, struct err *err);
void auth_close(struct auth **auth);

/* pg NULL: memory only. ERR_INVALID with slug "unauthorized" for keys that are unknown, revoked or expired. */
int auth_bearer(struct auth *auth, struct pg *pg, const char *key, struct auth_key *found, struct err *err);
int auth_sigv4_key(struct auth *auth, struct pg *pg, const char *access_key_id, struct auth_key *found,
                   struct err *err);
/* Account by "acct_N" or name. ERR_NOT_FOUND. */
int auth_account(struct auth *auth, struct pg *pg, const char *text, struct auth_account *found, struct err *err);
/* Something cached changed: forget it here and now. The writer also moves the epoch (key_store_touch). */
void auth_forget(struct auth *auth);

/* "Bearer far_..." to the key itself; NULL when it is anything else. */
const char *auth_bearer_text(const char *authorization);
void auth_new_key(char key[AUTH_KEY_BYTES]);

#endif
