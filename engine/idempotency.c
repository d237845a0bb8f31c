#include "engine/idempotency.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "common/clock.h"
#include "common/err.h"
#include "common/map.h"

struct joiner {
    struct joiner *next;
    invoke_done_fn *done;
    void *ctx;
};

struct idem_entry {
    struct idem_entry *next, *prev; /* in order of time, oldest first */
    struct buf key;
    bool finished;
    int64_t expires_ns;
    struct joiner *joiners;
    struct invoke_result result; /* its pointers lead into bytes */
    struct err error;
    struct buf payload, tail;
    char content_type[128];
};

struct idem {
    pthread_mutex_t lock;
    struct map *entries;
    struct idem_entry *oldest, *newest;
    int64_t bytes;
};

int idem_open(struct idem **idem, struct err *err)
{
    struct idem *made = calloc(1, sizeof *made);
    if (made == NULL || (made->entries = map_new()) == NULL) {
        free(made);
        return err_set(err, ERR_SYSTEM, "idempotency: out of memory");
    }
    (void)pthread_mutex_init(&made->lock, NULL);
    *idem = made;
    return 0;
}

static void unlink_entry(struct idem *idem, struct idem_entry *entry)
{
    *(entry->prev != NULL ? &entry->prev->next : &idem->oldest) = entry->next;
    *(entry->next != NULL ? &entry->next->prev : &idem->newest) = entry->prev;
    entry->next = entry->prev = NULL;
}

static void append_entry(struct idem *idem, struct idem_entry *entry)
{
    entry->prev = idem->newest;
    entry->next = NULL;
    *(idem->newest != NULL ? &idem->newest->next : &idem->oldest) = entry;
    idem->newest = entry;
}

static void drop(struct idem *idem, struct idem_entry *entry)
{
    unlink_entry(idem, entry);
    (void)map_remove(idem->entries, entry->key.data, entry->key.length);
    idem->bytes -= (int64_t)(entry->payload.length + entry->tail.length);
    buf_free(&entry->key);
    buf_free(&entry->payload);
    buf_free(&entry->tail);
    free(entry);
}

/* Running ones stay whatever happens: someone holds them. */
static void expire(struct idem *idem, int64_t now_ns)
{
    struct idem_entry *next = NULL;
    int looked = 0;
    for (struct idem_entry *at = idem->oldest; at != NULL && looked < 64; at = next, looked++) {
        next = at->next;
        bool full = map_count(idem->entries) >= IDEM_ENTRIES_MAX || idem->bytes > IDEM_BYTES_MAX;
        if (at->finished && (full || now_ns >= at->expires_ns)) {
            drop(idem, at);
        }
    }
}

void idem_close(struct idem **idem)
{
    struct idem *self = *idem;
    *idem = NULL;
    if (self == NULL) {
        return;
    }
    while (self->oldest != NULL) {
        while (self->oldest->joiners != NULL) {
            struct joiner *joiner = self->oldest->joiners;
            self->oldest->joiners = joiner->next;
            free(joiner);
        }
        drop(self, self->oldest);
    }
    map_free(&self->entries);
    (void)pthread_mutex_destroy(&self->lock);
    free(self);
}

static struct idem_entry *make(struct idem *idem, struct buf *key)
{
    struct idem_entry *entry = calloc(1, sizeof *entry);
    if (entry == NULL || map_put(idem->entries, key->data, key->length, entry) != 0) {
        free(entry);
        return NULL;
    }
    entry->key = *key;
    *key = (struct buf){0};
    append_entry(idem, entry);
    return entry;
}

enum idem_verdict idem_begin(struct idem *idem, int64_t account_id, const char *function, const char *key,
                             int64_t now_ns, invoke_done_fn *done, void *ctx, invoke_done_fn *known, void *known_ctx,
                             struct idem_entry **entry)
{
    struct buf name = {0};
    enum idem_verdict verdict = IDEM_FIRST;
    *entry = NULL;
    buf_append(&name, &account_id, sizeof account_id);
    buf_puts(&name, function);
    buf_putc(&name, '\0');
    buf_puts(&name, key);
    (void)pthread_mutex_lock(&idem->lock);
    expire(idem, now_ns);
    struct idem_entry *found = buf_ok(&name) ? map_get(idem->entries, name.data, name.length) : NULL;
    if (found == NULL) {
        if (buf_ok(&name) && map_count(idem->entries) < IDEM_ENTRIES_MAX) {
            *entry = make(idem, &name);
        }
    } else if (found->finished) {
        struct invoke_result result = found->result;
        result.replayed = true;
        verdict = IDEM_KNOWN;
        known(&result, known_ctx);
    } else {
        struct joiner *joiner = calloc(1, sizeof *joiner);
        if (joiner != NULL) {
            *joiner = (struct joiner){.next = found->joiners, .done = done, .ctx = ctx};
            found->joiners = joiner;
            verdict = IDEM_JOINED;
        }
    }
    (void)pthread_mutex_unlock(&idem->lock);
    buf_free(&name);
    return verdict;
}

static void keep(struct idem *idem, struct idem_entry *entry, const struct invoke_result *result)
{
    buf_append(&entry->payload, result->payload, result->payload_length);
    buf_append(&entry->tail, result->log_tail, result->log_tail_length);
    (void)strncpy(entry->content_type, result->content_type, sizeof entry->content_type - 1);
    entry->result = *result;
    entry->result.payload = entry->payload.data;
    entry->result.log_tail = entry->tail.data;
    entry->result.content_type = entry->content_type;
    entry->result.error = NULL;
    entry->finished = true;
    entry->expires_ns = clock_mono_ns() + IDEM_KEEP_NS;
    idem->bytes += (int64_t)(entry->payload.length + entry->tail.length);
    unlink_entry(idem, entry); /* its time runs from now */
    append_entry(idem, entry);
}

void idem_finish(struct idem *idem, struct idem_entry *entry, const struct invoke_result *result)
{
    (void)pthread_mutex_lock(&idem->lock);
    struct joiner *joiners = entry->joiners;
    entry->joiners = NULL;
    if (result->outcome == INVOKE_DONE || result->outcome == INVOKE_ACCEPTED) {
        keep(idem, entry, result);
    } else {
        drop(idem, entry);
    }
    (void)pthread_mutex_unlock(&idem->lock);
    struct invoke_result replay = *result;
    replay.replayed = true;
    while (joiners != NULL) {
        struct joiner *joiner = joiners;
        joiners = joiner->next;
        joiner->done(&replay, joiner->ctx);
        free(joiner);
    }
}
