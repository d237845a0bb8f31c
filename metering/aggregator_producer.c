/*
 * One producer as the aggregator sees it: reader, cursor, and how complete it is.
 */
#include "common/check.h"
#include "common/log.h"
#include "metering/aggregator_internal.h"
#include "metering/ingest_turns.h"
#include "metering/record.h"
#include "metering/spool.h"
#include "metering/spool_reader.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define TOUCH_INTERVAL_US INT64_C(1000000)
#define SAMPLE_INTERVAL_US INT64_C(20000)
#define BEHIND_PART 10 /* a batch of a tenth of the largest one, and what waits is worth the next one now */

static void producer_free(struct producer *producer)
{
    spool_reader_close(&producer->reader);
    free(producer);
}

void producer_list_free(struct producer_list *list)
{
    for (size_t i = 0; i < list->count; i++) {
        producer_free(list->items[i]);
    }
    list->count = 0;
}

static struct producer *find(struct producer_list *list, uint64_t id)
{
    for (size_t i = 0; i < list->count; i++) {
        if (list->items[i]->id == id) {
            return list->items[i];
        }
    }
    return NULL;
}

static int add(struct producer_list *list, uint64_t id, struct err *err)
{
    struct producer *producer = calloc(1, sizeof *producer);
    if (producer == NULL || list->count == PRODUCERS_MAX) {
        free(producer);
        return err_set(err, ERR_SYSTEM, "aggregator: too many producers");
    }
    producer->id = id;
    producer->seen = true;
    producer->batch_max = SIZE_MAX;
    list->items[list->count++] = producer;
    return 0;
}

int producer_list_scan(struct producer_list *list, const char *spool_dir, struct err *err)
{
    int rc = 0;
    DIR *dir = opendir(spool_dir);
    if (dir == NULL && errno != ENOENT) {
        return err_set(err, ERR_SYSTEM, "list spool %s: %s", spool_dir, strerror(errno));
    }
    for (size_t i = 0; i < list->count; i++) {
        list->items[i]->seen = false;
    }
    for (struct dirent *entry = dir != NULL ? readdir(dir) : NULL; entry != NULL && rc == 0; entry = readdir(dir)) {
        uint64_t id;
        if (!spool_producer_parse(entry->d_name, &id)) {
            continue;
        }
        struct producer *known = find(list, id);
        if (known != NULL) {
            known->seen = true;
        } else {
            rc = add(list, id, err);
        }
    }
    if (dir != NULL) {
        (void)closedir(dir);
    }
    for (size_t i = list->count; i > 0; i--) {
        struct producer *producer = list->items[i - 1];
        if (!producer->seen) {
            list->items[i - 1] = list->items[--list->count];
            producer_free(producer);
        }
    }
    return rc;
}

/* Once: one broken producer must not stop the others, nor fill the log. Its complete_through stands still meanwhile. */
static void complain(struct producer *producer, const struct err *failure)
{
    if (!producer->broken) {
        producer->broken = true;
        LOG(LOG_LEVEL_ERROR, "spool.unreadable", LF_STR("error", failure->text));
    }
}

static int open_reader(struct producer *producer, const char *spool_dir)
{
    struct err failure = {0};
    if (producer->reader != NULL ||
        spool_reader_open(spool_dir, producer->id, true, &producer->reader, &failure) == 0) {
        return 0;
    }
    /* Being made, or another aggregator's: quiet. Damaged or foreign: loud. */
    if (failure.code == ERR_INVALID || failure.code == ERR_SYSTEM) {
        complain(producer, &failure);
    }
    return -1;
}

int producer_ready(struct producer *producer, struct pg *pg, const char *spool_dir, struct err *err)
{
    struct spool_look look;
    if (open_reader(producer, spool_dir) != 0 || producer->cursor_known) {
        return 0;
    }
    if (spool_reader_look(producer->reader, &look, err) != 0 ||
        ingest_cursor_read(pg, producer->id, look.node_id, look.created_us, &producer->cursor, err) != 0) {
        return -1;
    }
    if (producer->cursor.epoch > look.epoch) {
        struct err ahead = {0};
        (void)err_set(&ahead, ERR_INVALID,
                      "the database has stored epoch %llu of producer %016llx, its spool is at %llu: an old copy?",
                      (unsigned long long)producer->cursor.epoch, (unsigned long long)producer->id,
                      (unsigned long long)look.epoch);
        complain(producer, &ahead);
        spool_reader_close(&producer->reader);
        return 0;
    }
    producer->node_id = look.node_id;
    producer->cursor_known = true;
    producer->sample_count = 0;
    spool_reader_seek(producer->reader, producer->cursor.epoch, (uint64_t)(producer->cursor.last_sequence + 1));
    return 0;
}

void producer_doubt(struct producer *producer)
{
    producer->cursor_known = false;
}

int producer_sample(struct producer *producer, int64_t wall_us, int64_t mono_us, struct err *err)
{
    struct spool_look look;
    struct sample *last = producer->sample_count > 0 ? &producer->samples[producer->sample_count - 1] : NULL;
    if (spool_reader_look(producer->reader, &look, err) != 0) {
        return -1;
    }
    producer->alive = look.alive;
    producer->pending = look.pending;
    /* When they fill up the newest is moved on: the age of the answer gets coarser, it stays true. */
    bool replace =
        last != NULL && (producer->sample_count == SAMPLES_MAX ||
                         (producer->sample_count > 1 &&
                          mono_us - producer->samples[producer->sample_count - 2].mono_us < SAMPLE_INTERVAL_US));
    if (!replace) {
        last = &producer->samples[producer->sample_count++];
    }
    *last = (struct sample){.wall_us = wall_us, .mono_us = mono_us, .epoch = look.epoch, .claimed = look.claimed};
    return 0;
}

/* Samples that are covered once everything before (epoch, next) is stored; 0: none. */
static size_t samples_covered(const struct producer *producer, uint64_t epoch, uint64_t next)
{
    size_t covered = 0;
    while (covered < producer->sample_count) {
        const struct sample *sample = &producer->samples[covered];
        if (sample->epoch > epoch || (sample->epoch == epoch && sample->claimed > next)) {
            break;
        }
        covered++;
    }
    return covered;
}

/* They are stored. */
static void pass_samples(struct producer *producer, size_t covered)
{
    if (covered > 0) {
        producer->through_wall_us = producer->samples[covered - 1].wall_us;
        producer->through_mono_us = producer->samples[covered - 1].mono_us;
        producer->sample_count -= covered;
        memmove(producer->samples, producer->samples + covered, producer->sample_count * sizeof *producer->samples);
    }
}

static void count_batch(const struct spool_batch *batch, struct producer_totals *totals)
{
    totals->batches++;
    totals->records += batch->record_count;
    uint64_t slots = 0;
    for (size_t i = 0; i < batch->hole_count; i++) {
        slots += batch->holes[i].slots;
        totals->damaged += batch->holes[i].reason == SPOOL_HOLE_DAMAGED ? batch->holes[i].slots : 0;
    }
    totals->holes += slots;
    if (slots > 0) {
        /* One line a batch, of the first: all of them are in table spool_hole. */
        LOG(LOG_LEVEL_ERROR, "spool.holes", LF_I64("holes", batch->hole_count), LF_I64("slots", slots),
            LF_I64("epoch", batch->epoch), LF_I64("sequence", batch->holes[0].sequence),
            LF_STR("reason", spool_hole_name(batch->holes[0].reason)));
    }
}

/* The one record of this batch is in a closed day already: it becomes a hole with that reason. */
static void turn_into_hole(struct spool_batch *batch)
{
    batch->holes[0] = (struct spool_hole){batch->records[0]->sequence, 1, SPOOL_HOLE_DUPLICATE};
    batch->hole_count = 1;
    batch->record_count = 0;
}

static int store_one(struct producer *producer, struct store *store, struct spool_batch *batch,
                     const struct ingest_state *state, struct err *err)
{
    if (ingest_batch(store->ingest, store->pg, batch, state, &producer->cursor, err) == 0) {
        producer->batch_max = producer->batch_max > SIZE_MAX / 2 ? SIZE_MAX : producer->batch_max * 2;
        return 0;
    }
    if (err->slug == NULL || strcmp(err->slug, "duplicate") != 0) {
        return -1;
    }
    if (batch->record_count + batch->hole_count > 1) {
        producer->batch_max = (batch->record_count + batch->hole_count) / 2;
        spool_reader_seek(producer->reader, batch->epoch, batch->first);
        batch->end = batch->first; /* nothing stored; the next step tries half of it */
        return 0;
    }
    turn_into_hole(batch);
    return ingest_batch(store->ingest, store->pg, batch, state, &producer->cursor, err);
}

/* What the transaction of a batch that ends at (epoch, next) says about its producer. */
static struct ingest_state state_after(const struct producer *producer, size_t covered)
{
    return (struct ingest_state){
        .node_id = producer->node_id,
        .complete_through_us = covered > 0 ? producer->samples[covered - 1].wall_us : producer->through_wall_us,
        .pending = producer->pending,
    };
}

/* A batch is in the database. */
static void note_stored(struct producer *producer, const struct spool_batch *batch, struct producer_totals *totals,
                        uint64_t *stored)
{
    *stored += batch->end - batch->first;
    pass_samples(producer, samples_covered(producer, batch->epoch, batch->end));
    producer->touched_mono_us = producer->through_mono_us;
    count_batch(batch, totals);
    spool_reader_release(producer->reader, batch->epoch, batch->end, 0);
}

/* What the transaction of this batch says, once all before it are stored. */
static struct ingest_state state_with(struct producer *producer, const struct spool_batch *batch)
{
    uint64_t slots = batch->end - batch->first;
    producer->pending = producer->pending > slots ? producer->pending - slots : 0;
    return state_after(producer, samples_covered(producer, batch->epoch, batch->end));
}

static int step_alone(struct producer *producer, struct store *store, struct spool_batch *batch, uint64_t *stored,
                      struct err *err)
{
    struct ingest_state state = state_with(producer, batch);
    if (store_one(producer, store, batch, &state, err) != 0) {
        producer_doubt(producer);
        return -1;
    }
    /* A transaction costs as much as thousands of records. Where fewer came, the next one waits for company: at 14,000
     * calls a second, batches without a pause had 140 records and took a sixth of the machine. */
    uint64_t many = store->batch_max / BEHIND_PART;
    producer->behind = batch->end - batch->first >= many || batch->end == batch->first || producer->pending >= many;
    if (batch->end != batch->first) {
        note_stored(producer, batch, &store->totals, stored);
    }
    return 0;
}

static bool whole(const struct spool_batch *batch, size_t max)
{
    return batch->record_count == max && batch->hole_count == 0;
}

/* Whole batches are waiting: TURNS_BATCHES of them, each copied beside the end of the one before. */
static int step_in_turns(struct producer *producer, struct store *store, struct spool_batch *batch, uint64_t *stored,
                         struct err *err)
{
    struct spool_batch before = {0};
    struct err unread;
    bool done = false;
    int rc = 0;
    size_t max = batch->record_count;
    for (int i = 0; i < TURNS_BATCHES && rc == 0 && whole(batch, max); i++) {
        struct ingest_state state = state_with(producer, batch);
        rc = ingest_turns_put(store->turns, batch, &state, &producer->cursor, &done, err);
        if (done) {
            note_stored(producer, &before, &store->totals, stored);
        }
        before = *batch;
        if (rc == 0 && (i + 1 == TURNS_BATCHES || spool_reader_next(producer->reader, max, batch, &unread) != 0)) {
            break; /* what cannot be read is complained about by the next step, which finds it first */
        }
    }
    producer->behind = true;
    if (rc == 0) {
        rc = ingest_turns_wait(store->turns, &producer->cursor, &done, err);
        if (done) {
            note_stored(producer, &before, &store->totals, stored);
        }
    } else if (err->slug != NULL && strcmp(err->slug, "duplicate") == 0) {
        producer->batch_max = max / 2; /* one at a time from here on, until it is found */
        rc = 0;
    }
    if (rc != 0) {
        producer_doubt(producer);
        return -1;
    }
    spool_reader_seek(producer->reader, producer->cursor.epoch, (uint64_t)(producer->cursor.last_sequence + 1));
    return 0;
}

int producer_step(struct producer *producer, struct store *store, uint64_t *stored, struct err *err)
{
    struct spool_batch batch;
    struct err failure = {0};
    uint64_t epoch;
    uint64_t next;
    size_t max = producer->batch_max < store->batch_max ? producer->batch_max : store->batch_max;
    *stored = 0;
    producer->behind = false;
    if (spool_reader_next(producer->reader, max, &batch, &failure) != 0) {
        complain(producer, &failure);
        return 0;
    }
    if (batch.end == batch.first) {
        spool_reader_position(producer->reader, &epoch, &next);
        pass_samples(producer, samples_covered(producer, epoch, next));
        spool_reader_release(producer->reader, epoch, next, 0);
        return 0;
    }
    if (max == store->batch_max && max > 1 && whole(&batch, max)) {
        return step_in_turns(producer, store, &batch, stored, err);
    }
    return step_alone(producer, store, &batch, stored, err);
}

int producer_touch(struct producer *producer, struct pg *pg, int64_t mono_us, struct err *err)
{
    struct ingest_state state = {
        .node_id = producer->node_id,
        .complete_through_us = producer->through_wall_us,
        .pending = producer->pending,
    };
    if (!producer->cursor_known || producer->through_wall_us == 0 ||
        mono_us - producer->touched_mono_us < TOUCH_INTERVAL_US) {
        return 0;
    }
    producer->touched_mono_us = mono_us;
    return ingest_touch(pg, &producer->cursor, &state, err);
}
