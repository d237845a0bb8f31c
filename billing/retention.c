#include "billing/retention.h"

#include "billing/retention_store.h"
#include "common/calendar.h"
#include "common/err.h"
#include "schema/partition.h"

#include <stdlib.h>

struct days {
    int64_t *items; /* to drop */
    int64_t count, room;
    int64_t kept;
};

static int on_day(const struct pg_row *row, void *ctx, struct err *err)
{
    struct days *days = ctx;
    if (pg_get_bool(row, "open") || !pg_get_bool(row, "sealed")) {
        days->kept++;
        return 0;
    }
    if (days->count == days->room) {
        int64_t room = days->room == 0 ? 64 : days->room * 2;
        int64_t *more = realloc(days->items, (size_t)room * sizeof *more);
        if (more == NULL) {
            return err_set(err, ERR_SYSTEM, "retention: out of memory");
        }
        days->items = more;
        days->room = room;
    }
    days->items[days->count++] = pg_get_time(row, "at");
    return 0;
}

int retention_run(struct pg *pg, int64_t now_us, int days, int64_t *dropped, int64_t *kept, struct err *err)
{
    struct days found = {0};
    *dropped = 0;
    int rc = retention_store_days(pg, now_us - days * CALENDAR_DAY_US, on_day, &found, err);
    *kept = found.kept;
    for (int64_t i = 0; i < found.count && rc == 0; i++) {
        bool did = false;
        rc = partition_drop(pg, found.items[i], &did, err);
        *dropped += did;
    }
    free(found.items);
    return rc == 0 ? 0 : err_wrap(err, "drop records that are billed and old");
}
