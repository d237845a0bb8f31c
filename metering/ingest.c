#include "metering/ingest.h"

#include "common/buf.h"
#include "common/calendar.h"
#include "common/check.h"
#include "common/err.h"
#include "metering/ingest_store.h"
#include "metering/record.h"
#include "metering/rollup.h"
#include "metering/rows.h"
#include "metering/spool_reader.h"
#include "schema/partition.h"
#include "schema/pg.h"

#include <stdlib.h>

#define COPY_CHUNK_BYTES (256u * 1024u)
#define DAYS_KNOWN 512

struct ingest {
    struct rollup *rollup;
    struct buf copy;
    struct buf scratch;
    int64_t days[DAYS_KNOWN]; /* starts of days that have their partition; a ring */
    size_t day_next;
    uint32_t hourly_type; /* 0: not asked yet */
};

int ingest_new(struct ingest **ingest, struct err *err)
{
    struct ingest *self = calloc(1, sizeof *self);
    if (self == NULL) {
        return err_set(err, ERR_SYSTEM, "ingest: out of memory");
    }
    for (size_t i = 0; i < DAYS_KNOWN; i++) {
        self->days[i] = INT64_MIN;
    }
    if (rollup_new(&self->rollup, err) != 0) {
        free(self);
        return -1;
    }
    *ingest = self;
    return 0;
}

void ingest_free(struct ingest **ingest)
{
    struct ingest *self = *ingest;
    if (self != NULL) {
        rollup_free(&self->rollup);
        buf_free(&self->copy);
        buf_free(&self->scratch);
        free(self);
        *ingest = NULL;
    }
}

int ingest_cursor_read(struct pg *pg, uint64_t producer_id, int64_t node_id, int64_t created_us,
                       struct ingest_cursor *cursor, struct err *err)
{
    struct ingest_cursor read = {.producer_id = producer_id};
    if (ingest_store_cursor_add(pg, producer_id, node_id, created_us, err) != 0 ||
        ingest_store_cursor_get(pg, &read, err) != 0) {
        return err_wrap(err, "read cursor of producer %016llx", (unsigned long long)producer_id);
    }
    *cursor = read;
    return 0;
}

static bool day_known(const struct ingest *ingest, int64_t day_us)
{
    for (size_t i = 0; i < DAYS_KNOWN; i++) {
        /* The newest first: a batch is nearly always of one day. */
        if (ingest->days[(ingest->day_next + DAYS_KNOWN - 1 - i) % DAYS_KNOWN] == day_us) {
            return true;
        }
    }
    return false;
}

/* Partitions of the days of this batch, and of the day after, so that midnight finds one. */
static int ensure_days(struct ingest *ingest, struct pg *pg, const struct spool_batch *batch, struct err *err)
{
    int64_t last = INT64_MIN;
    for (size_t i = 0; i < batch->record_count; i++) {
        int64_t day_us = calendar_day_start(batch->records[i]->started_us);
        if (day_us == last || day_known(ingest, day_us)) {
            last = day_us;
            continue;
        }
        if (partition_ensure(pg, day_us, day_us + 2 * CALENDAR_DAY_US, err) != 0) {
            return err_wrap(err, "make the partition of a day");
        }
        ingest->days[ingest->day_next] = day_us;
        ingest->day_next = (ingest->day_next + 1) % DAYS_KNOWN;
        last = day_us;
    }
    return 0;
}

/* After a failure the next batch asks again: a partition may have been dropped, the database another. */
static void forget(struct ingest *ingest)
{
    ingest->hourly_type = 0;
    for (size_t i = 0; i < DAYS_KNOWN; i++) {
        ingest->days[i] = INT64_MIN;
    }
}

static int flush_copy(struct ingest *ingest, struct pg *pg, struct err *err)
{
    if (!buf_ok(&ingest->copy)) {
        return err_set(err, ERR_SYSTEM, "ingest: out of memory");
    }
    int rc = pg_copy_in_put(pg, ingest->copy.data, ingest->copy.length, err);
    buf_clear(&ingest->copy);
    return rc;
}

/* COPY the invocations and add everything up on the way: one walk over the mapped records. */
static int copy_records(struct ingest *ingest, struct pg *pg, const struct spool_batch *batch, uint64_t producer_id,
                        struct err *err)
{
    int64_t stored = 0;
    int64_t sent = 0;
    rollup_clear(ingest->rollup);
    buf_clear(&ingest->copy);
    rows_copy_head(&ingest->copy);
    if (ingest_store_copy_begin(pg, err) != 0) {
        return -1;
    }
    for (size_t i = 0; i < batch->record_count; i++) {
        const struct usage_record *record = batch->records[i];
        if (rollup_add(ingest->rollup, record, err) != 0) {
            return -1;
        }
        if (record->kind == USAGE_KIND_INVOCATION) {
            rows_put_record(&ingest->copy, record, producer_id, batch->epoch);
            sent++;
        }
        if (ingest->copy.length >= COPY_CHUNK_BYTES && flush_copy(ingest, pg, err) != 0) {
            return -1;
        }
    }
    rows_copy_tail(&ingest->copy);
    if (flush_copy(ingest, pg, err) != 0 || pg_copy_in_end(pg, &stored, err) != 0) {
        return -1;
    }
    CHECK(stored == sent);
    return 0;
}

static int store_sums(struct ingest *ingest, struct pg *pg, struct err *err)
{
    size_t rows;
    size_t refusals;
    const struct rollup_row *const *hourly = rollup_rows(ingest->rollup, &rows);
    const struct rollup_refusal *refused = rollup_refusals(ingest->rollup, &refusals);
    if (rows > 0 && ((ingest->hourly_type == 0 && ingest_store_hourly_type(pg, &ingest->hourly_type, err) != 0) ||
                     ingest_store_hourly(pg, ingest->hourly_type, hourly, rows, &ingest->scratch, err) != 0)) {
        return -1;
    }
    return refusals == 0 ? 0 : ingest_store_refusals(pg, refused, refusals, &ingest->scratch, err);
}

static int tell_days(struct ingest *ingest, struct pg *pg, int64_t over_through_us, struct err *err)
{
    size_t rows;
    const struct rollup_row *const *hourly = rollup_rows(ingest->rollup, &rows);
    return over_through_us == INT64_MIN
               ? 0
               : ingest_store_days_changed(pg, hourly, rows, over_through_us, &ingest->scratch, err);
}

static int end_in_transaction(struct ingest *ingest, struct pg *pg, const struct spool_batch *batch,
                              const struct ingest_state *state, const struct ingest_cursor *from,
                              const struct ingest_cursor *to, struct err *err)
{
    struct ingest_moved moved;
    if (batch->record_count > 0 && store_sums(ingest, pg, err) != 0) {
        return -1;
    }
    if (batch->hole_count > 0 && ingest_store_holes(pg, from->producer_id, batch->epoch, batch->holes,
                                                    batch->hole_count, &ingest->scratch, err) != 0) {
        return -1;
    }
    if (ingest_store_cursor_move(pg, from, to, state, &moved, err) != 0) {
        return -1;
    }
    if (!moved.moved) {
        (void)err_set(err, ERR_CONFLICT, "the cursor of producer %016llx has moved",
                      (unsigned long long)from->producer_id);
        return err_slug(err, "cursor_moved");
    }
    /* After the cursor: with its row comes which days are over. */
    return batch->record_count > 0 ? tell_days(ingest, pg, moved.over_through_us, err) : 0;
}

static int failed(struct ingest *ingest, uint64_t producer_id, const struct err *failure, struct err *err)
{
    struct err wrapped = *failure;
    forget(ingest);
    (void)err_wrap(&wrapped, "store batch of producer %016llx", (unsigned long long)producer_id);
    if (err != NULL) {
        *err = wrapped;
    }
    return -1;
}

int ingest_begin(struct ingest *ingest, struct pg *pg, const struct spool_batch *batch, uint64_t producer_id,
                 struct err *err)
{
    struct err failure = {0};
    CHECK(batch->end > batch->first);
    if (ensure_days(ingest, pg, batch, &failure) != 0 || pg_begin(pg, PG_READ_COMMITTED, &failure) != 0) {
        return failed(ingest, producer_id, &failure, err);
    }
    if (batch->record_count > 0 && copy_records(ingest, pg, batch, producer_id, &failure) != 0) {
        pg_rollback(pg);
        if (failure.code == ERR_CONFLICT) {
            /* The only constraint in the way of a COPY is the unique index of a closed day. */
            (void)err_slug(&failure, "duplicate");
        }
        return failed(ingest, producer_id, &failure, err);
    }
    return 0;
}

int ingest_end(struct ingest *ingest, struct pg *pg, const struct spool_batch *batch, const struct ingest_state *state,
               struct ingest_cursor *cursor, struct err *err)
{
    struct err failure = {0};
    struct ingest_cursor to = {
        .producer_id = cursor->producer_id,
        .epoch = batch->epoch,
        .last_sequence = (int64_t)batch->end - 1,
    };
    if (end_in_transaction(ingest, pg, batch, state, cursor, &to, &failure) != 0) {
        pg_rollback(pg);
        return failed(ingest, cursor->producer_id, &failure, err);
    }
    if (pg_commit(pg, &failure) != 0) {
        return failed(ingest, cursor->producer_id, &failure, err);
    }
    *cursor = to;
    return 0;
}

int ingest_batch(struct ingest *ingest, struct pg *pg, const struct spool_batch *batch,
                 const struct ingest_state *state, struct ingest_cursor *cursor, struct err *err)
{
    return ingest_begin(ingest, pg, batch, cursor->producer_id, err) == 0
               ? ingest_end(ingest, pg, batch, state, cursor, err)
               : -1;
}

int ingest_touch(struct pg *pg, const struct ingest_cursor *cursor, const struct ingest_state *state, struct err *err)
{
    struct ingest_moved moved;
    return ingest_store_cursor_move(pg, cursor, cursor, state, &moved, err);
}

int ingest_retire(struct pg *pg, const struct ingest_cursor *cursor, struct err *err)
{
    return ingest_store_retire(pg, cursor, err);
}
