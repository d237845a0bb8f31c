#include "metering/daily.h"

#include "common/calendar.h"
#include "common/err.h"
#include "metering/daily_store.h"
#include "schema/pg.h"

#include <stdlib.h>

static bool stopped(bool (*stop)(void *ctx), void *ctx)
{
    return stop != NULL && stop(ctx);
}

/* READ COMMITTED on purpose: each statement is to see what was committed while the one before it waited. */
static int begin(struct pg *pg, struct err *err)
{
    return pg_begin(pg, PG_READ_COMMITTED, err);
}

static int end(struct pg *pg, int rc, struct err *err)
{
    if (rc != 0) {
        pg_rollback(pg);
        return -1;
    }
    return pg_commit(pg, err);
}

static int declare(struct pg *pg, struct daily_state *state, struct err *err)
{
    int64_t over_us = calendar_day_start(state->complete_through_us - DAILY_SETTLE_US) - CALENDAR_DAY_US;
    if (over_us > state->through_us) {
        if (begin(pg, err) != 0 || end(pg, daily_store_declare(pg, over_us, err), err) != 0) {
            return err_wrap(err, "declare days over");
        }
        state->through_us = over_us;
    }
    return 0;
}

static int mark(struct pg *pg, const struct daily_state *state, bool (*stop)(void *ctx), void *ctx, int64_t *marked,
                struct err *err)
{
    int64_t day_us = state->marked_us != INT64_MIN ? state->marked_us + CALENDAR_DAY_US : INT64_MIN;
    if (day_us == INT64_MIN && state->first_us != INT64_MIN) {
        day_us = calendar_day_start(state->first_us);
    }
    /* Without any usage there is nothing to note, and nothing is noted as looked through. */
    for (*marked = 0; day_us != INT64_MIN && day_us <= state->through_us && *marked < DAILY_MARKS_A_RUN;
         day_us += CALENDAR_DAY_US, ++*marked) {
        if (stopped(stop, ctx)) {
            return 0;
        }
        if (begin(pg, err) != 0 || end(pg, daily_store_mark(pg, day_us, err), err) != 0) {
            return err_wrap(err, "note the accounts of a day");
        }
    }
    return 0;
}

static int sum_some(struct pg *pg, int quiet_s, struct daily_due *due, struct err *err)
{
    if (begin(pg, err) != 0) {
        return -1;
    }
    int rc = daily_store_due(pg, quiet_s, due, err);
    if (rc == 0 && due->count > 0) {
        rc = daily_store_sum(pg, due, err);
    }
    return end(pg, rc, err);
}

int daily_run(struct pg *pg, int quiet_s, bool (*stop)(void *ctx), void *ctx, struct daily_result *result,
              struct err *err)
{
    struct daily_state state;
    struct daily_result done = {0};
    struct daily_due *due = malloc(sizeof *due);
    if (due == NULL) {
        return err_set(err, ERR_SYSTEM, "daily: out of memory");
    }
    int rc = daily_store_state(pg, &state, err);
    if (rc == 0) {
        rc = declare(pg, &state, err);
    }
    if (rc == 0) {
        rc = mark(pg, &state, stop, ctx, &done.declared, err);
    }
    do {
        due->count = 0;
        if (rc == 0 && !stopped(stop, ctx)) {
            rc = sum_some(pg, quiet_s, due, err);
        }
        done.summed += rc == 0 ? due->count : 0;
    } while (rc == 0 && due->count == DAILY_BATCH);
    free(due);
    if (rc == 0) {
        *result = done;
    }
    return rc;
}
