#include "metering/replay.h"

#include "common/calendar.h"
#include "common/check.h"
#include "common/clock.h"
#include "common/digest.h"
#include "common/err.h"
#include "metering/hook.h"
#include "metering/spool_reader.h"
#include "metering/trace.h"
#include "metering/trace_store.h"
#include "schema/pg.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>

#define POLL_MS 20
#define PROGRESS_EVERY 1024u
#define MINUTE_US INT64_C(60000000)

struct replay {
    const struct replay_options *options;
    struct trace *trace;
    struct pg *pg;
    struct farthing_hook *hook;
    uint64_t producer_id;
    uint8_t *stored;    /* a bit an invocation */
    uint64_t *ordinals; /* next invocation of each function */
    uint64_t done;
    int64_t started_us;
    struct replay_report report;
};

static void say(const struct replay *replay, const char *phase, uint64_t done, uint64_t total)
{
    if (replay->options->on_progress != NULL) {
        replay->options->on_progress(phase, done, total, replay->options->ctx);
    }
}

static uint64_t make_producer_id(const struct replay_options *options, const struct trace *trace)
{
    uint64_t words[2] = {(uint64_t)options->day_us, options->seed};
    uint8_t digest[SHA256_BYTES];
    uint64_t id;
    struct sha256 *state = sha256_new();
    sha256_update(state, "farthing replay", 15);
    sha256_update(state, trace->digest, sizeof trace->digest);
    sha256_update(state, words, sizeof words);
    sha256_end(&state, digest);
    memcpy(&id, digest, sizeof id);
    id &= INT64_MAX;
    return id != 0 ? id : 1;
}

/* Is everything in the spool of this producer stored? *left is about how much is not. */
static int spool_stored(struct replay *replay, bool *stored, uint64_t *left, struct err *err)
{
    struct spool_reader *reader = NULL;
    struct spool_batch batch;
    struct spool_look look;
    struct err failure = {0};
    uint64_t epoch;
    int64_t last;
    int rc = -1;
    if (trace_store_cursor(replay->pg, replay->producer_id, &epoch, &last, err) != 0) {
        return -1;
    }
    if (spool_reader_open(replay->options->spool_dir, replay->producer_id, false, &reader, &failure) != 0) {
        *stored = failure.code == ERR_RETRY; /* no spool: nothing was ever emitted */
        *left = 0;
        return *stored ? 0 : err_set(err, failure.code, "%s", failure.text);
    }
    spool_reader_seek(reader, epoch, (uint64_t)(last + 1));
    if (spool_reader_look(reader, &look, err) == 0 && spool_reader_next(reader, 1, &batch, err) == 0) {
        *stored = batch.first == batch.end;
        *left = look.pending;
        rc = 0;
    }
    spool_reader_close(&reader);
    return rc;
}

/* Wait for the node, as long as it makes progress. */
static int wait_stored(struct replay *replay, const char *phase, struct err *err)
{
    uint64_t left = 0;
    uint64_t best = UINT64_MAX;
    bool stored = false;
    int64_t moved_us = clock_mono_us();
    for (;;) {
        struct err failure = {0};
        int rc = spool_stored(replay, &stored, &left, &failure);
        if (rc == 0 && stored) {
            return 0;
        }
        if (rc != 0 && failure.code != ERR_RETRY && failure.code != ERR_UNCERTAIN) {
            return err_set(err, failure.code, "%s", failure.text);
        }
        if (rc == 0 && left < best) {
            best = left;
            moved_us = clock_mono_us();
            say(replay, phase, replay->trace->invocations - (left < replay->trace->invocations ? left : 0),
                replay->trace->invocations);
        }
        if (clock_mono_us() - moved_us > (int64_t)replay->options->wait_ms_max * 1000) {
            return err_set(err, ERR_RETRY, "records wait in %s and nothing stores them: is the node running?",
                           replay->options->spool_dir);
        }
        (void)poll(NULL, 0, POLL_MS); /* another process moves the cursor; there is nothing to wait on */
    }
}

static void on_stored_id(const uint8_t request_id[16], void *ctx)
{
    struct replay *replay = ctx;
    uint64_t number = trace_number(request_id, replay->options->seed, replay->trace->digest);
    if (number < replay->trace->invocations) {
        replay->stored[number / 8] |= (uint8_t)(1u << (number % 8));
    }
}

static bool is_stored(const struct replay *replay, uint64_t number)
{
    return (replay->stored[number / 8] >> (number % 8) & 1) != 0;
}

static int emit(struct replay *replay, const struct usage_record *record, struct err *err)
{
    int64_t moved_us = clock_mono_us();
    for (;;) {
        int code = farthing_hook_emit(replay->hook, record);
        switch (code) {
        case FARTHING_HOOK_OK:
            replay->report.emitted++;
            return 0;
        case FARTHING_HOOK_FULL:
            if (clock_mono_us() - moved_us > (int64_t)replay->options->wait_ms_max * 1000) {
                return err_set(err, ERR_RETRY, "the spool is full and nothing empties it: is the node running?");
            }
            (void)poll(NULL, 0, POLL_MS);
            break;
        case FARTHING_HOOK_FAILED:
            (void)err_set(err, ERR_SYSTEM, "the spool failed");
            farthing_hook_error(replay->hook, err);
            return -1;
        default:
            return err_set(err, ERR_SYSTEM, "a record of the trace was refused (code %d)", code);
        }
    }
}

static void wait_for_minute(const struct replay *replay, unsigned minute)
{
    if (replay->options->speed == 0) {
        return;
    }
    int64_t due_us = replay->started_us + (int64_t)minute * MINUTE_US / replay->options->speed;
    for (int64_t left_us = due_us - clock_mono_us(); left_us > 0; left_us = due_us - clock_mono_us()) {
        (void)poll(NULL, 0, (int)(left_us / 1000 < 1000 ? left_us / 1000 + 1 : 1000));
    }
}

static int emit_minute(struct replay *replay, unsigned minute, struct err *err)
{
    const struct trace *trace = replay->trace;
    wait_for_minute(replay, minute);
    for (size_t i = 0; i < trace->count; i++) {
        const struct trace_function *function = &trace->functions[i];
        for (uint32_t n = 0; n < function->minutes[minute]; n++) {
            struct usage_record record;
            uint64_t ordinal = replay->ordinals[i]++;
            trace_record(function, ordinal, minute, replay->options->day_us, replay->options->seed, trace->digest,
                         &record);
            replay->report.records++;
            replay->report.mb_ms += usage_mb_ms(&record);
            replay->report.billed_ms += record.billed_ms;
            if (!is_stored(replay, function->first + ordinal) && emit(replay, &record, err) != 0) {
                return -1;
            }
            if (++replay->done % PROGRESS_EVERY == 0) {
                say(replay, "emitted", replay->done, trace->invocations);
            }
        }
    }
    return 0;
}

static int compare_accounts(const void *a, const void *b)
{
    const int64_t *x = a;
    const int64_t *y = b;
    return *x < *y ? -1 : *x > *y;
}

static int count_names(struct replay *replay, struct err *err)
{
    const struct trace *trace = replay->trace;
    int64_t *accounts = calloc(trace->count + 1, sizeof *accounts);
    size_t count = 0;
    if (accounts == NULL) {
        return err_set(err, ERR_SYSTEM, "replay: out of memory");
    }
    for (size_t i = 0; i < trace->count; i++) {
        if (trace->functions[i].invocations > 0) {
            accounts[count++] = trace->functions[i].account_id;
        }
    }
    qsort(accounts, count, sizeof *accounts, compare_accounts);
    replay->report.functions = count;
    for (size_t i = 0; i < count; i++) {
        replay->report.accounts += i == 0 || accounts[i] != accounts[i - 1];
    }
    free(accounts);
    return 0;
}

static int prepare(struct replay *replay, struct err *err)
{
    const struct replay_options *options = replay->options;
    if (trace_open(options->trace_prefix, &replay->trace, err) != 0 ||
        pg_open(options->conninfo, &replay->pg, err) != 0 || trace_store_names(replay->pg, replay->trace, err) != 0 ||
        count_names(replay, err) != 0) {
        return -1;
    }
    replay->producer_id = make_producer_id(options, replay->trace);
    replay->stored = calloc(replay->trace->invocations / 8 + 1, 1);
    replay->ordinals = calloc(replay->trace->count + 1, sizeof *replay->ordinals);
    if (replay->stored == NULL || replay->ordinals == NULL) {
        return err_set(err, ERR_SYSTEM, "replay: out of memory");
    }
    return 0;
}

static int open_hook(struct replay *replay, struct err *err)
{
    const struct farthing_hook_options options = {.dir = replay->options->spool_dir,
                                                  .producer_id = replay->producer_id};
    return farthing_hook_open(&options, &replay->hook, err);
}

/*
 * The lock comes before the questions: from then on nobody else emits for this replay, so what is stored or in the
 * spool now is all there is.
 */
static int run(struct replay *replay, struct err *err)
{
    const struct replay_options *options = replay->options;
    if (prepare(replay, err) != 0 || open_hook(replay, err) != 0 || wait_stored(replay, "stored before", err) != 0 ||
        trace_store_ids(replay->pg, replay->producer_id, options->day_us, options->day_us + CALENDAR_DAY_US,
                        on_stored_id, replay, err) != 0) {
        return -1;
    }
    replay->started_us = clock_mono_us();
    for (unsigned minute = 0; minute < TRACE_MINUTES; minute++) {
        if (emit_minute(replay, minute, err) != 0) {
            return -1;
        }
    }
    say(replay, "emitted", replay->done, replay->trace->invocations);
    if (farthing_hook_sync(replay->hook, err) != 0 || wait_stored(replay, "stored", err) != 0) {
        return -1;
    }
    replay->report.elapsed_us = clock_mono_us() - replay->started_us;
    return 0;
}

int replay_run(const struct replay_options *options, struct replay_report *report, struct err *err)
{
    struct replay replay = {.options = options};
    int rc = run(&replay, err);
    if (rc == 0) {
        *report = replay.report;
    }
    farthing_hook_close(&replay.hook);
    pg_close(&replay.pg);
    trace_free(&replay.trace);
    free(replay.stored);
    free(replay.ordinals);
    return rc;
}
