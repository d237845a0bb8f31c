/*
 * bench/queries.c - fills a node with records through its spool, for queries.sh: bench_queries MILLIONS FIRST ACCOUNTS
 *
 * Records go to ACCOUNTS accounts from number FIRST on, four functions each, spread over the whole of last month: what
 * is asked for is as much on every day of a month. The node is the one of FARTHING_DATA_DIR; this program returns when
 * all records are in its spool.
 */
#include "common/calendar.h"
#include "common/check.h"
#include "common/clock.h"
#include "common/err.h"
#include "metering/hook.h"

#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FUNCTIONS 4

static uint64_t next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

static void emit_all(struct farthing_hook *hook, uint64_t count, int64_t first, uint64_t accounts)
{
    int64_t from_us = 0, to_us = 0;
    uint64_t state = UINT64_C(0x9E3779B97F4A7C15);
    month_range(month_of(clock_wall_us()), &from_us, &to_us);
    month_range(month_of(from_us - 1), &from_us, &to_us);
    for (uint64_t n = 0; n < count; n++) {
        uint64_t r = next_random(&state);
        struct usage_record record = {
            .kind = USAGE_KIND_INVOCATION,
            .account_id = first + (int64_t)(r % accounts),
            .function_id = (int64_t)(r % (accounts * FUNCTIONS)) + 1,
            .started_us = from_us + (int64_t)((uint64_t)(to_us - from_us) / count * n),
            .duration_us = 1000 + r % 50000,
            .billed_ms = 51,
            .memory_mib = 128,
            .ephemeral_mib = 512,
            .billed_requests = 1,
            .attempt = 1,
        };
        uint64_t id[2] = {r, n};
        memcpy(record.request_id, id, sizeof id);
        int code = farthing_hook_emit(hook, &record);
        while (code == FARTHING_HOOK_FULL) {
            (void)poll(NULL, 0, 5); /* the node has to catch up */
            code = farthing_hook_emit(hook, &record);
        }
        CHECK(code == FARTHING_HOOK_OK);
    }
}

int main(int argc, char **argv)
{
    char path[300];
    struct err err = {0};
    struct farthing_hook *hook = NULL;
    const char *data_dir = getenv("FARTHING_DATA_DIR");
    if (argc != 4 || data_dir == NULL) {
        (void)fprintf(stderr, "usage: FARTHING_DATA_DIR=... bench_queries MILLIONS FIRST ACCOUNTS\n");
        return 2;
    }
    (void)snprintf(path, sizeof path, "%s/spool", data_dir);
    const struct farthing_hook_options options = {.dir = path};
    if (farthing_hook_open(&options, &hook, &err) != 0) {
        (void)fprintf(stderr, "bench_queries: %s\n", err.text);
        return 1;
    }
    emit_all(hook, strtoull(argv[1], NULL, 10) * 1000000, strtoll(argv[2], NULL, 10), strtoull(argv[3], NULL, 10));
    farthing_hook_close(&hook);
    return 0;
}
