/*
 * admission_room.c - how many more calls the limits of an account leave, for clients that pace themselves by it.
 */
#include "common/clock.h"
#include "engine/admission_internal.h"

#define SECOND_NS INT64_C(1000000000)

/* Tokens in the bucket; account_try explains how it is kept. */
static bool rate_room(struct account *account, int64_t now_ns, struct admission_room *room)
{
    int64_t limit = atomic_load_explicit(&account->rate_limit, memory_order_relaxed);
    if (limit < 0) {
        return false;
    }
    *room =
        (struct admission_room){.quota = QUOTA_REQUESTS_PER_SECOND, .limit = limit, .window_s = 1, .resets_after_s = 1};
    if (limit > 0) {
        int64_t interval = atomic_load_explicit(&account->rate_interval_ns, memory_order_relaxed);
        int64_t tolerance = atomic_load_explicit(&account->rate_tolerance_ns, memory_order_relaxed);
        int64_t ahead = atomic_load_explicit(&account->rate_next_ns, memory_order_relaxed) - now_ns;
        ahead = ahead > 0 ? ahead : 0;
        room->remaining = ahead > tolerance ? 0 : (tolerance - ahead) / interval + 1;
        room->resets_after_s = (ahead + SECOND_NS - 1) / SECOND_NS;
    }
    return true;
}

static bool month_room(const struct admission *admission, struct account *account, int64_t now_us,
                       struct admission_room *room)
{
    int64_t month = admission_month(admission, now_us);
    const struct pool *pool = &account->monthly[0][month & 1];
    if (!atomic_load(&pool->bounded) || atomic_load(&pool->month) != month) {
        return false;
    }
    /* What this node has in hand, and what nobody holds as far as it has heard. */
    int64_t free = atomic_load(&pool->free);
    int64_t limit = atomic_load(&pool->limit);
    int64_t unclaimed = limit - atomic_load(&pool->used) - atomic_load(&pool->held);
    int64_t remaining = (free > 0 ? free : 0) + (unclaimed > 0 ? unclaimed : 0);
    *room =
        (struct admission_room){.quota = QUOTA_REQUESTS_PER_MONTH,
                                .limit = limit,
                                .remaining = remaining < limit ? remaining : limit,
                                .resets_after_s = (month_start_us(admission, month + 1) - now_us + 999999) / 1000000};
    return true;
}

int admission_rooms(const struct admission *admission, int64_t account_id, int64_t now_us,
                    struct admission_room rooms[ADMISSION_ROOMS_MAX])
{
    struct account *account = account_find(admission, account_id);
    int count = 0;
    if (account == NULL || !atomic_load(&account->loaded)) {
        return 0;
    }
    count += rate_room(account, clock_mono_ns(), &rooms[count]) ? 1 : 0;
    count += month_room(admission, account, now_us, &rooms[count]) ? 1 : 0;
    return count;
}
