#include "api/auth.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "api/account_store.h"
#include "api/key_store.h"
#include "common/clock.h"
#include "common/err.h"
#include "common/ids.h"
#include "common/log.h"
#include "common/map.h"
#include "common/text.h"
#include "engine/node_key.h"
#include "schema/pg.h"

#define WATCH_MS 250
#define CACHE_ENTRIES_MAX 100000
#define USED_WRITE_US INT64_C(60000000)
#define USED_BATCH_MAX 500

struct entry {
    struct auth_key key;
    atomic_bool used;
    int64_t used_written_us; /* watcher only */
};

struct auth {
    char *conninfo;
    const uint8_t *node_key;
    pthread_rwlock_t lock;
    struct map *keys;                 /* by SHA-256 of the key: struct entry */
    struct map *sigv4;                /* by access key id: struct entry, others than in keys */
    struct map *accounts;             /* by text: struct auth_account */
    int64_t generation;               /* grows when the caches are emptied */
    atomic_int_fast64_t confirmed_us; /* monotonic: the database agreed that nothing changed */
    pthread_t watcher;
    bool watching;
    atomic_bool stop;
};

static void free_value(const void *key, size_t length, void *value, void *ctx)
{
    (void)key;
    (void)length;
    (void)ctx;
    free(value);
}

static int clear_map(struct map **map)
{
    if (*map != NULL) {
        map_each(*map, free_value, NULL);
        map_free(map);
    }
    *map = map_new();
    return *map != NULL ? 0 : -1;
}

static void clear_locked(struct auth *auth)
{
    auth->generation++;
    if (clear_map(&auth->keys) != 0 || clear_map(&auth->sigv4) != 0 || clear_map(&auth->accounts) != 0) {
        LOG(LOG_LEVEL_ERROR, "auth.out_of_memory", LF_I64("entries", 0));
        abort();
    }
}

void auth_forget(struct auth *auth)
{
    pthread_rwlock_wrlock(&auth->lock);
    clear_locked(auth);
    pthread_rwlock_unlock(&auth->lock);
}

/* ---- the watcher ---- */

struct used_list {
    struct buf ids;
    int count;
    int64_t now_us;
};

static void collect_used(const void *key, size_t length, void *value, void *ctx)
{
    struct entry *entry = value;
    struct used_list *list = ctx;
    (void)key;
    (void)length;
    if (list->count < USED_BATCH_MAX && list->now_us - entry->used_written_us > USED_WRITE_US &&
        atomic_exchange(&entry->used, false)) {
        entry->used_written_us = list->now_us;
        buf_puts(&list->ids, list->count == 0 ? "{" : ",");
        buf_i64(&list->ids, entry->key.caller.key_id);
        list->count++;
    }
}

static int write_used(struct auth *auth, struct pg *pg, struct err *err)
{
    struct used_list list = {.now_us = clock_mono_us()};
    int rc = 0;
    pthread_rwlock_rdlock(&auth->lock);
    map_each(auth->keys, collect_used, &list);
    map_each(auth->sigv4, collect_used, &list);
    pthread_rwlock_unlock(&auth->lock);
    if (list.count > 0) {
        buf_puts(&list.ids, "}");
        rc = key_store_used(pg, buf_text(&list.ids), err);
    }
    buf_free(&list.ids);
    return rc;
}

static int watch_once(struct auth *auth, struct pg **pg, int64_t *known, struct err *err)
{
    int64_t epoch = 0;
    bool arrived = false;
    char payload[64];
    if (*pg == NULL) {
        if (pg_open(auth->conninfo, pg, err) != 0 || pg_listen(*pg, AUTH_CHANNEL, err) != 0) {
            return -1;
        }
    } else if (pg_ensure(*pg, err) != 0) {
        return -1;
    }
    int64_t asked_us = clock_mono_us();
    if (key_store_epoch(*pg, &epoch, err) != 0) {
        return -1;
    }
    if (epoch != *known) {
        auth_forget(auth);
        *known = epoch;
    }
    atomic_store(&auth->confirmed_us, asked_us);
    if (write_used(auth, *pg, err) != 0) {
        return -1;
    }
    return pg_wait_notify(*pg, WATCH_MS, &arrived, payload, sizeof payload, err);
}

static void *watcher_main(void *ctx)
{
    struct auth *auth = ctx;
    struct pg *pg = NULL;
    int64_t known = -1;
    while (!atomic_load(&auth->stop)) {
        struct err err = {0};
        if (watch_once(auth, &pg, &known, &err) != 0) {
            pg_close(&pg);
            struct timespec pause = {.tv_nsec = WATCH_MS * 1000000L};
            (void)nanosleep(&pause, NULL); /* lint: nothing to wait on, the server is gone */
        }
    }
    pg_close(&pg);
    return NULL;
}

int auth_open(const char *conninfo, const uint8_t *node_key, struct auth **out, struct err *err)
{
    struct auth *auth = calloc(1, sizeof *auth);
    if (auth == NULL) {
        return err_set(err, ERR_SYSTEM, "out of memory");
    }
    auth->conninfo = strdup(conninfo);
    auth->node_key = node_key;
    pthread_rwlock_init(&auth->lock, NULL);
    clear_locked(auth);
    atomic_store(&auth->confirmed_us, clock_mono_us());
    if (auth->conninfo == NULL || pthread_create(&auth->watcher, NULL, watcher_main, auth) != 0) {
        auth_close(&auth);
        return err_set(err, ERR_SYSTEM, "cannot start a thread: %s", strerror(errno));
    }
    auth->watching = true;
    *out = auth;
    return 0;
}

void auth_close(struct auth **ref)
{
    struct auth *auth = *ref;
    if (auth == NULL) {
        return;
    }
    *ref = NULL;
    atomic_store(&auth->stop, true);
    if (auth->watching) {
        pthread_join(auth->watcher, NULL);
    }
    clear_locked(auth);
    map_free(&auth->keys);
    map_free(&auth->sigv4);
    map_free(&auth->accounts);
    pthread_rwlock_destroy(&auth->lock);
    free(auth->conninfo);
    free(auth);
}

/* ---- lookups ---- */

static bool cache_trusted(struct auth *auth)
{
    return clock_mono_us() - atomic_load(&auth->confirmed_us) < AUTH_OFFLINE_S * INT64_C(1000000);
}

static int unauthorized(struct err *err, const char *why)
{
    (void)err_set(err, ERR_INVALID, "%s", why);
    return err_slug(err, "unauthorized");
}

static int check_expiry(const struct auth_key *key, struct err *err)
{
    if (key->expires_us != 0 && clock_wall_us() >= key->expires_us) {
        return unauthorized(err, "this key has expired");
    }
    return 0;
}

static bool cache_get(struct auth *auth, struct map *const *map, const void *name, size_t length,
                      struct auth_key *found)
{
    bool hit = false;
    pthread_rwlock_rdlock(&auth->lock);
    struct entry *entry = map_get(*map, name, length);
    if (entry != NULL && cache_trusted(auth)) {
        *found = entry->key;
        if (!atomic_load_explicit(&entry->used, memory_order_relaxed)) {
            atomic_store(&entry->used, true);
        }
        hit = true;
    }
    pthread_rwlock_unlock(&auth->lock);
    return hit;
}

/* Keep what the database said, unless something changed since it was asked. */
static void cache_put(struct auth *auth, struct map *const *map, const void *name, size_t length,
                      const struct auth_key *key, int64_t generation)
{
    struct entry *entry = calloc(1, sizeof *entry);
    if (entry == NULL) {
        return;
    }
    entry->key = *key;
    atomic_store(&entry->used, true);
    entry->used_written_us = INT64_MIN / 2;
    pthread_rwlock_wrlock(&auth->lock);
    if (map_count(*map) >= CACHE_ENTRIES_MAX) {
        clear_locked(auth);
        generation = auth->generation;
    }
    struct entry *old = auth->generation == generation ? map_get(*map, name, length) : NULL;
    if (auth->generation == generation && map_put(*map, name, length, entry) == 0) {
        entry = old;
    }
    pthread_rwlock_unlock(&auth->lock);
    free(entry);
}

static int64_t generation_now(struct auth *auth)
{
    pthread_rwlock_rdlock(&auth->lock);
    int64_t generation = auth->generation;
    pthread_rwlock_unlock(&auth->lock);
    return generation;
}

static enum scope scope_of(const char *text)
{
    return strcmp(text, "admin") == 0 ? SCOPE_ADMIN : strcmp(text, "account") == 0 ? SCOPE_ACCOUNT : SCOPE_READ;
}

static int key_from_row(struct auth *auth, const struct key_row *row, const struct buf *sealed, struct auth_key *key,
                        struct err *err)
{
    memset(key, 0, sizeof *key);
    key->caller.scope = scope_of(row->scope);
    key->caller.key_id = row->key_id;
    key->caller.account_id = row->account_id;
    (void)text_copy(key->caller.account_name, sizeof key->caller.account_name, row->account_name);
    key->expires_us = row->expires_us;
    key->suspended = row->account_suspended;
    if (row->sigv4_id[0] != '\0') {
        struct buf plain = {0};
        if (node_key_open(auth->node_key, row->sigv4_id, sealed->data, sealed->length, &plain, err) != 0) {
            return err_wrap(err, "secret of key_%lld", (long long)row->key_id);
        }
        (void)text_copy(key->sigv4_secret, sizeof key->sigv4_secret, buf_text(&plain));
        buf_free(&plain);
    }
    return 0;
}

static int load_key(struct auth *auth, struct pg *pg, const uint8_t *digest, const char *access_key_id,
                    struct auth_key *key, struct err *err)
{
    struct key_row row;
    struct buf sealed = {0};
    struct err local = {0};
    int rc = digest != NULL ? key_store_find(pg, digest, &row, &sealed, &local)
                            : key_store_find_sigv4(pg, access_key_id, &row, &sealed, &local);
    if (rc != 0) {
        buf_free(&sealed);
        if (local.code == ERR_NOT_FOUND) {
            return unauthorized(err, "this key is not known");
        }
        *err = local;
        return -1;
    }
    rc = row.revoked_us != 0 ? unauthorized(err, "this key was revoked") : key_from_row(auth, &row, &sealed, key, err);
    buf_free(&sealed);
    return rc;
}

int auth_bearer(struct auth *auth, struct pg *pg, const char *text, struct auth_key *found, struct err *err)
{
    uint8_t digest[SHA256_BYTES];
    sha256(text, strlen(text), digest);
    if (cache_get(auth, &auth->keys, digest, sizeof digest, found)) {
        return check_expiry(found, err);
    }
    if (pg == NULL) {
        return AUTH_ASK;
    }
    int64_t generation = generation_now(auth);
    if (load_key(auth, pg, digest, NULL, found, err) != 0) {
        return -1;
    }
    cache_put(auth, &auth->keys, digest, sizeof digest, found, generation);
    return check_expiry(found, err);
}

int auth_sigv4_key(struct auth *auth, struct pg *pg, const char *access_key_id, struct auth_key *found, struct err *err)
{
    size_t length = strlen(access_key_id);
    if (cache_get(auth, &auth->sigv4, access_key_id, length, found)) {
        return check_expiry(found, err);
    }
    if (pg == NULL) {
        return AUTH_ASK;
    }
    int64_t generation = generation_now(auth);
    if (load_key(auth, pg, NULL, access_key_id, found, err) != 0) {
        return -1;
    }
    cache_put(auth, &auth->sigv4, access_key_id, length, found, generation);
    return check_expiry(found, err);
}

static void account_cache_put(struct auth *auth, const char *text, const struct auth_account *found, int64_t generation)
{
    struct auth_account *copy = malloc(sizeof *copy);
    if (copy == NULL) {
        return;
    }
    *copy = *found;
    pthread_rwlock_wrlock(&auth->lock);
    struct auth_account *old = NULL;
    if (auth->generation == generation && map_count(auth->accounts) < CACHE_ENTRIES_MAX) {
        old = map_get(auth->accounts, text, strlen(text));
        if (map_put(auth->accounts, text, strlen(text), copy) == 0) {
            copy = old;
        }
    }
    pthread_rwlock_unlock(&auth->lock);
    free(copy);
}

int auth_account(struct auth *auth, struct pg *pg, const char *text, struct auth_account *found, struct err *err)
{
    bool hit = false;
    pthread_rwlock_rdlock(&auth->lock);
    const struct auth_account *known = map_get(auth->accounts, text, strlen(text));
    if (known != NULL && cache_trusted(auth)) {
        *found = *known;
        hit = true;
    }
    pthread_rwlock_unlock(&auth->lock);
    if (hit) {
        return AUTH_OK;
    }
    if (pg == NULL) {
        return AUTH_ASK;
    }
    int64_t generation = generation_now(auth);
    struct account account;
    if (account_store_find(pg, text, &account, err) != 0) {
        return -1;
    }
    *found = (struct auth_account){.account_id = account.account_id, .suspended = strcmp(account.state, "active") != 0};
    (void)text_copy(found->name, sizeof found->name, account.name);
    account_cache_put(auth, text, found, generation);
    return AUTH_OK;
}

const char *auth_bearer_text(const char *authorization)
{
    if (authorization == NULL || strncasecmp(authorization, "Bearer ", 7) != 0) {
        return NULL;
    }
    const char *key = authorization + 7;
    key += strspn(key, " ");
    return text_starts(key, AUTH_KEY_PREFIX) && strlen(key) < 256 ? key : NULL;
}

void auth_new_key(char key[AUTH_KEY_BYTES])
{
    uint8_t random[24];
    memcpy(key, AUTH_KEY_PREFIX, 4);
    random_bytes(random, sizeof random);
    hex_encode(random, sizeof random, key + 4);
}
