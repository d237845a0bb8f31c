#include "api/node_prices.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "billing/bill.h"
#include "billing/price_book.h"
#include "billing/rating.h"
#include "common/calendar.h"
#include "common/err.h"
#include "common/log.h"
#include "common/map.h"
#include "schema/pg.h"

#define BOOKS_MAX 20000
#define POOL_LIMIT 2
#define POOL_WAIT_MS 5000

struct book_key {
    int64_t account_id;
    int64_t month; /* year * 12 + month */
};

/* The book of an account and month, and how far into the bands the bill is (rate_reached): those behind are over. */
struct entry {
    struct price_book *book;
    _Atomic int64_t reached[METER_COUNT]; /* only grows */
};

struct prices {
    struct pg_pool *pool;
    pthread_rwlock_t lock;
    struct map *books; /* struct book_key to struct entry */
};

static void entry_free(struct entry *entry)
{
    if (entry != NULL) {
        price_book_free(&entry->book);
        free(entry);
    }
}

static void free_entry(const void *key, size_t length, void *value, void *ctx)
{
    (void)key;
    (void)length;
    (void)ctx;
    entry_free(value);
}

static void forget_locked(struct prices *prices)
{
    if (prices->books != NULL) {
        map_each(prices->books, free_entry, NULL);
        map_free(&prices->books);
    }
    prices->books = map_new();
    if (prices->books == NULL) {
        abort();
    }
}

int prices_open(const char *conninfo, struct prices **out, struct err *err)
{
    struct prices *prices = calloc(1, sizeof *prices);
    if (prices == NULL) {
        return err_set(err, ERR_SYSTEM, "out of memory");
    }
    pthread_rwlock_init(&prices->lock, NULL);
    forget_locked(prices);
    if (pg_pool_open(conninfo, POOL_LIMIT, &prices->pool, err) != 0) {
        prices_close(&prices);
        return -1;
    }
    *out = prices;
    return 0;
}

void prices_close(struct prices **ref)
{
    struct prices *prices = *ref;
    if (prices == NULL) {
        return;
    }
    *ref = NULL;
    map_each(prices->books, free_entry, NULL);
    map_free(&prices->books);
    pg_pool_close(&prices->pool);
    pthread_rwlock_destroy(&prices->lock);
    free(prices);
}

void prices_forget(void *ctx)
{
    struct prices *prices = ctx;
    pthread_rwlock_wrlock(&prices->lock);
    forget_locked(prices);
    pthread_rwlock_unlock(&prices->lock);
}

static struct book_key key_of(int64_t account_id, int64_t at_us)
{
    struct month month = month_of(at_us);
    return (struct book_key){.account_id = account_id, .month = (int64_t)month.year * 12 + month.month};
}

static int load(struct prices *prices, const struct book_key *key, int64_t at_us, struct err *err)
{
    struct pg *pg = NULL;
    struct entry *entry = calloc(1, sizeof *entry);
    int64_t version = 0;
    if (entry == NULL) {
        return err_set(err, ERR_SYSTEM, "out of memory");
    }
    if (pg_pool_take(prices->pool, POOL_WAIT_MS, &pg, err) != 0) {
        free(entry);
        return -1;
    }
    int rc = price_book_load(pg, key->account_id, at_us, &entry->book, &version, err);
    pg_pool_give(prices->pool, &pg);
    if (rc != 0) {
        free(entry);
        return -1;
    }
    pthread_rwlock_wrlock(&prices->lock);
    if (map_count(prices->books) >= BOOKS_MAX) {
        forget_locked(prices);
    }
    if (map_get(prices->books, key, sizeof *key) == NULL && map_put(prices->books, key, sizeof *key, entry) == 0) {
        entry = NULL;
    }
    pthread_rwlock_unlock(&prices->lock);
    entry_free(entry);
    return 0;
}

/* The entry, with the read lock held (book_unlock gives it back); loaded when it is not there. NULL: err is set. */
static struct entry *book_lock(struct prices *prices, int64_t account_id, int64_t at_us, struct err *err)
{
    struct book_key key = key_of(account_id, at_us);
    for (int tries = 0; tries < 3; tries++) {
        pthread_rwlock_rdlock(&prices->lock);
        struct entry *entry = map_get(prices->books, &key, sizeof key);
        if (entry != NULL) {
            return entry;
        }
        pthread_rwlock_unlock(&prices->lock);
        if (load(prices, &key, at_us, err) != 0) {
            return NULL;
        }
    }
    (void)err_set(err, ERR_RETRY, "prices change faster than they can be read");
    return NULL;
}

static void book_unlock(struct prices *prices)
{
    pthread_rwlock_unlock(&prices->lock);
}

static enum meter compute_meter(uint16_t flags)
{
    bool arm = (flags & USAGE_FLAG_ARM64) != 0;
    if ((flags & USAGE_FLAG_PROVISIONED) != 0) {
        return arm ? METER_PROVISIONED_COMPUTE_ARM : METER_PROVISIONED_COMPUTE_X86;
    }
    return arm ? METER_COMPUTE_ARM : METER_COMPUTE_X86;
}

/* The highest price of quantity own units of a meter from here on this month, added to *sum. */
static int add_worst(const struct entry *entry, enum meter meter, uint64_t quantity, int64_t *sum, struct err *err)
{
    int64_t picos = 0;
    if (quantity == 0) {
        return 0;
    }
    if (quantity > INT64_MAX) {
        return err_set(err, ERR_LIMIT, "a call of this size cannot be priced");
    }
    if (rate_worst_case(entry->book, meter, atomic_load_explicit(&entry->reached[meter], memory_order_relaxed),
                        (int64_t)quantity, &picos, err) != 0) {
        return -1;
    }
    return __builtin_add_overflow(*sum, picos, sum) ? err_set(err, ERR_LIMIT, "the price of a call overflows") : 0;
}

int prices_worst(void *ctx, int64_t account_id, int64_t started_us, uint64_t mb_ms, uint16_t flags, int64_t *picos,
                 struct err *err)
{
    struct prices *prices = ctx;
    const struct entry *book = book_lock(prices, account_id, started_us, err);
    int64_t sum = 0;
    if (book == NULL) {
        return -1;
    }
    int rc = add_worst(book, METER_REQUESTS, 1, &sum, err);
    /* Where instances are kept ready the call may get one or not: the dearer counts. */
    int64_t other = sum;
    if (rc == 0) {
        rc = add_worst(book, compute_meter(flags), mb_ms, &sum, err);
    }
    if (rc == 0 && (flags & USAGE_FLAG_PROVISIONED) != 0) {
        rc = add_worst(book, compute_meter((uint16_t)(flags & ~USAGE_FLAG_PROVISIONED)), mb_ms, &other, err);
    }
    book_unlock(prices);
    if (rc == 0) {
        *picos = sum > other ? sum : other;
    }
    return rc;
}

int prices_actual(void *ctx, int64_t account_id, const struct usage_record *record, int64_t *picos, struct err *err)
{
    struct prices *prices = ctx;
    const struct entry *book = book_lock(prices, account_id, record->started_us, err);
    int64_t sum = 0;
    if (book == NULL) {
        return -1;
    }
    int rc = add_worst(book, METER_REQUESTS, record->billed_requests, &sum, err);
    if (rc == 0) {
        rc = add_worst(book, compute_meter(record->flags), usage_mb_ms(record), &sum, err);
    }
    if (rc == 0) {
        rc = add_worst(book, METER_EPHEMERAL_STORAGE, usage_storage_mb_ms(record), &sum, err);
    }
    if (rc == 0) {
        rc = add_worst(book, METER_STREAMED_BYTES, usage_streamed_bytes(record), &sum, err);
    }
    book_unlock(prices);
    if (rc == 0) {
        *picos = sum;
    }
    return rc;
}

/* Exact cost of the usage lines, rounded up to picos; fees, discounts of a whole month and credits are not spending. */
static int lines_picos(const struct bill *bill, int64_t *picos, struct err *err)
{
    struct exact sum = {0};
    for (int i = 0; i < bill->line_count; i++) {
        if (bill->lines[i].kind == LINE_USAGE && exact_add(sum, bill->lines[i].exact_amount, &sum, err) != 0) {
            return -1;
        }
    }
    return exact_picos(sum, picos, err);
}

/* What the bill counted is behind us: prices of bands that are over no longer come. */
static void reached_note(struct prices *prices, int64_t account_id, int64_t month_start_us, const struct bill *bill)
{
    struct usage_totals totals = {0};
    int64_t reached[METER_COUNT] = {0};
    for (int i = 0; i < bill->line_count; i++) {
        if (bill->lines[i].kind == LINE_USAGE) {
            totals.quantity[bill->lines[i].meter] += bill->lines[i].quantity;
        }
    }
    struct book_key key = key_of(account_id, month_start_us);
    pthread_rwlock_rdlock(&prices->lock);
    struct entry *entry = map_get(prices->books, &key, sizeof key);
    if (entry != NULL) {
        rate_reached(entry->book, &totals, reached);
    }
    for (int meter = 0; entry != NULL && meter < METER_COUNT; meter++) {
        int64_t seen = atomic_load(&entry->reached[meter]);
        while (seen < reached[meter] && !atomic_compare_exchange_weak(&entry->reached[meter], &seen, reached[meter])) {
        }
    }
    pthread_rwlock_unlock(&prices->lock);
}

int prices_month(void *ctx, int64_t account_id, int64_t month_start_us, int64_t *picos, struct err *err)
{
    struct prices *prices = ctx;
    struct bill *bill = NULL;
    struct pg *pg = NULL;
    if (pg_pool_take(prices->pool, POOL_WAIT_MS, &pg, err) != 0) {
        return -1;
    }
    int rc = bill_load(pg, account_id, month_of(month_start_us), 0, &bill, err);
    pg_pool_give(prices->pool, &pg);
    if (rc == 0) {
        rc = lines_picos(bill, picos, err);
    }
    if (rc == 0) {
        reached_note(prices, account_id, month_start_us, bill);
    }
    bill_free(&bill);
    return rc;
}

struct billing_policy prices_policy(void *ctx, int64_t account_id, int64_t at_us, const char *runtime)
{
    struct prices *prices = ctx;
    struct billing_policy policy = {.grain_ms = 1, .bill_init = true};
    struct err err = {0};
    const struct entry *book = book_lock(prices, account_id, at_us, &err);
    if (book == NULL) {
        LOG(LOG_LEVEL_WARN, "policy.defaulted", LF_I64("account_id", account_id), LF_STR("error", err.text));
        return policy;
    }
    price_book_policy(book->book, at_us, runtime, &policy);
    book_unlock(prices);
    return policy;
}
