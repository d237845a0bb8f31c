/*
 * A runtime that is not Farthing's own reports its invocations: open a hook, emit a record for each, close.
 *
 *     cc emit.c $(pkg-config --cflags --libs farthing-hook) -o emit
 *     ./emit SPOOL_DIR ACCOUNT_ID FUNCTION_ID COUNT
 *
 * Start it as often as you like on one directory: every process gets a producer of its own in it. An aggregator that
 * reads the directory (farthing serve) stores each record exactly once.
 */
#include <common/err.h>
#include <metering/hook.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static int64_t wall_us(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_REALTIME, &now); /* lint: a program of its own has no common/clock.h */
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

/* FULL says that the aggregator is behind and the directory at its limit: a real runtime stops taking work until then.
 */
static int emit(struct farthing_hook *hook, const struct usage_record *record)
{
    const struct timespec pause = {.tv_nsec = 10 * 1000 * 1000};
    int code = farthing_hook_emit(hook, record);
    while (code == FARTHING_HOOK_FULL) {
        (void)nanosleep(&pause, NULL); /* lint: the spool is full until the aggregator has read */
        code = farthing_hook_emit(hook, record);
    }
    return code;
}

int main(int argc, char **argv)
{
    if (argc != 5) {
        (void)fprintf(stderr, "usage: emit SPOOL_DIR ACCOUNT_ID FUNCTION_ID COUNT\n");
        return 2;
    }
    struct farthing_hook *hook = NULL;
    struct err err = {0};
    const struct farthing_hook_options options = {.dir = argv[1]};
    const struct billing_policy policy = {.grain_ms = 1, .bill_init = true};
    long count = strtol(argv[4], NULL, 10);
    if (farthing_hook_open(&options, &hook, &err) != 0) {
        (void)fprintf(stderr, "emit: %s\n", err.text);
        return 1;
    }
    uint64_t producer;
    uint64_t epoch;
    farthing_hook_identity(hook, &producer, &epoch);
    for (long i = 0; i < count; i++) {
        struct usage_record record = {
            .kind = USAGE_KIND_INVOCATION,
            .status = USAGE_OK,
            .account_id = strtoll(argv[2], NULL, 10),
            .function_id = strtoll(argv[3], NULL, 10),
            .started_us = wall_us(),
            .duration_us = 1500,
            .memory_mib = 128,
            .ephemeral_mib = 512,
            .billed_requests = 1,
            .attempt = 1,
        };
        uint64_t id[2] = {producer ^ epoch << 48, (uint64_t)i}; /* a runtime has request ids; they must be unique */
        memcpy(record.request_id, id, sizeof record.request_id);
        record.billed_ms = billed_duration_ms(&policy, record.duration_us, record.init_us);
        int code = emit(hook, &record);
        if (code != FARTHING_HOOK_OK) {
            (void)usage_record_check(&record, &err);
            farthing_hook_error(hook, &err);
            (void)fprintf(stderr, "emit: record %ld: code %d %s\n", i, code, err.text);
            farthing_hook_close(&hook);
            return 1;
        }
    }
    (void)printf("%llu records by producer %016llx\n", (unsigned long long)farthing_hook_emitted(hook),
                 (unsigned long long)producer);
    farthing_hook_close(&hook);
    return 0;
}
