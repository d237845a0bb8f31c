/*
 * Goal:   what a lease asks for, and what it makes of the answers: nothing lost, nothing kept idle, nothing past the
 * deadline. Method: lease_plan and lease_apply by hand, with the invariant granted = free + reserved + spent after each
 * step.
 */
#include <check.h>
#include <stdlib.h>

#include "engine/lease.h"

#define SECOND INT64_C(1000000000)

static uint64_t records;

static uint64_t emitted(void *ctx)
{
    (void)ctx;
    return records;
}

static void pool_open(struct pool *pool)
{
    *pool = (struct pool){0};
    pool_reset(pool, 1);
    atomic_store(&pool->bounded, true);
}

static struct lease_answer granted(int64_t units)
{
    return (struct lease_answer){.known = true, .granted = units, .limit = 1000, .escrow = units, .nodes = 1};
}

START_TEST(take_spend_return)
{
    struct pool pool;
    struct lease_request request;
    pool_open(&pool);
    ck_assert(!lease_plan(&pool, 0, 0, emitted, NULL, &request)); /* nobody asked */
    ck_assert(!pool_take(&pool, 10, 0));
    pool_demand(&pool, 10);
    pool_demand(&pool, 4);
    ck_assert(lease_plan(&pool, 1, 5000, emitted, NULL, &request));
    ck_assert_int_eq(request.sequence, 1);
    ck_assert_int_eq(request.need, 10);
    ck_assert_int_ge(request.want, 14);
    struct lease_answer answer = granted(20);
    ck_assert_int_eq(lease_apply(&pool, &answer, 1, 2), LEASE_DONE);
    ck_assert_int_eq(atomic_load(&pool.free), 20);
    ck_assert(pool_take(&pool, 10, 3));
    atomic_store(&pool.touched_ns, 3);
    pool_give(&pool, 10, 7);
    records = 1;
    ck_assert_int_eq(atomic_load(&pool.free), 13);
    /* Idle: everything free goes back, the mark says what was spent and how far the records go. */
    ck_assert(lease_plan(&pool, 2 * SECOND, 5000, emitted, NULL, &request));
    ck_assert_int_eq(request.sequence, 2);
    ck_assert_int_eq(request.giveback, 13);
    ck_assert_int_eq(request.mark_units, 7);
    ck_assert_int_eq(request.mark_sequence, 1);
    ck_assert_int_eq(atomic_load(&pool.free), 0);
    answer = granted(7);
    answer.mark_units = 7;
    ck_assert_int_eq(lease_apply(&pool, &answer, 2 * SECOND, 2 * SECOND + 1), LEASE_DONE);
    ck_assert(lease_quiet(&pool));
    ck_assert(!lease_plan(&pool, 30 * SECOND, 5000, emitted, NULL, &request));
}
END_TEST

START_TEST(lost_answer_is_asked_again)
{
    struct pool pool;
    struct lease_request first;
    struct lease_request second;
    pool_open(&pool);
    pool_demand(&pool, 5);
    ck_assert(lease_plan(&pool, 1, 0, emitted, NULL, &first));
    pool_demand(&pool, 50); /* new demand must not change what is sent again */
    ck_assert(lease_plan(&pool, 2, 0, emitted, NULL, &second));
    ck_assert_int_eq(second.sequence, first.sequence);
    ck_assert_int_eq(second.need, first.need);
    ck_assert_int_eq(second.want, first.want);
}
END_TEST

START_TEST(deadline_counts_from_sending)
{
    struct pool pool;
    struct lease_request request;
    struct lease_answer answer = granted(100);
    pool_open(&pool);
    pool_demand(&pool, 5);
    ck_assert(lease_plan(&pool, SECOND, 0, emitted, NULL, &request));
    ck_assert_int_eq(lease_apply(&pool, &answer, SECOND, 9 * SECOND), LEASE_DONE); /* the answer took 8 s */
    ck_assert(pool_take(&pool, 1, SECOND + LEASE_TTL_MS * INT64_C(1000000) - 1));
    ck_assert(!pool_take(&pool, 1, SECOND + LEASE_TTL_MS * INT64_C(1000000)));
}
END_TEST

START_TEST(no_is_remembered)
{
    struct pool pool;
    struct lease_request request;
    struct lease_answer answer = {.known = true, .limit = 100, .used = 98, .nodes = 1};
    pool_open(&pool);
    pool_demand(&pool, 5);
    ck_assert(lease_plan(&pool, 1, 0, emitted, NULL, &request));
    ck_assert_int_eq(lease_apply(&pool, &answer, 1, 2), LEASE_REFUSED);
    ck_assert_int_eq(atomic_load(&pool.refuse_need), 5);
    ck_assert_int_eq(atomic_load(&pool.refuse_until_ns), 2 + LEASE_REFUSE_NS);
}
END_TEST

START_TEST(waits_while_others_lie_idle)
{
    struct pool pool;
    struct lease_request request;
    struct lease_answer answer = {.known = true, .limit = 100, .escrow = 100, .others_idle = 60, .nodes = 2};
    int64_t now_ns = SECOND;
    enum lease_outcome outcome = LEASE_WAIT;
    int asked = 0;
    pool_open(&pool);
    pool_demand(&pool, 5);
    for (; outcome == LEASE_WAIT && asked < 1000; asked++) {
        ck_assert(lease_plan(&pool, now_ns, 0, emitted, NULL, &request));
        ck_assert_int_eq(request.need, 5);
        outcome = lease_apply(&pool, &answer, now_ns, now_ns);
        now_ns += LEASE_RETRY_NS;
    }
    ck_assert_int_eq(outcome, LEASE_REFUSED); /* but not for ever */
    ck_assert_int_ge(asked, 30);
    ck_assert_int_le(asked, 40);
}
END_TEST

START_TEST(used_without_a_grant_is_declared)
{
    struct pool pool;
    struct lease_request request;
    pool_open(&pool);
    atomic_store(&pool.bounded, false); /* no limit yet: calls still move units */
    ck_assert(pool_take(&pool, 30, 0));
    ck_assert(pool_take(&pool, 30, 0));
    pool_give(&pool, 30, 12);
    ck_assert_int_eq(atomic_load(&pool.free), -42);
    ck_assert(!lease_plan(&pool, 1, 0, emitted, NULL, &request));
    atomic_store(&pool.bounded, true); /* a limit is set: 30 reserved, 12 spent */
    ck_assert(lease_plan(&pool, 2, 0, emitted, NULL, &request));
    ck_assert_int_eq(request.deficit, 42);
    ck_assert_int_eq(request.spent, 12);
    struct lease_answer answer = granted(42);
    ck_assert_int_eq(lease_apply(&pool, &answer, 2, 3), LEASE_DONE);
    ck_assert_int_eq(atomic_load(&pool.free), 0);
}
END_TEST

START_TEST(swept_lease_starts_anew)
{
    struct pool pool;
    struct lease_request request;
    struct lease_answer answer = granted(100);
    pool_open(&pool);
    pool_demand(&pool, 5);
    ck_assert(lease_plan(&pool, 1, 0, emitted, NULL, &request));
    (void)lease_apply(&pool, &answer, 1, 2);
    ck_assert(pool_take(&pool, 40, 3));
    pool_give(&pool, 40, 25);
    pool_demand(&pool, 90);
    ck_assert(lease_plan(&pool, 4, 0, emitted, NULL, &request));
    answer = granted(90);
    answer.known = false; /* it knows nothing of the 25 that were spent, nor of the 75 that were free */
    ck_assert_int_eq(lease_apply(&pool, &answer, 4, 5), LEASE_DONE);
    ck_assert_int_eq(atomic_load(&pool.free), 90);
    pool_demand(&pool, 1000);
    ck_assert(lease_plan(&pool, 6, 0, emitted, NULL, &request));
    ck_assert_int_eq(request.spent, 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("lease");
    TCase *tcase = tcase_create("lease");
    tcase_add_test(tcase, take_spend_return);
    tcase_add_test(tcase, lost_answer_is_asked_again);
    tcase_add_test(tcase, deadline_counts_from_sending);
    tcase_add_test(tcase, no_is_remembered);
    tcase_add_test(tcase, waits_while_others_lie_idle);
    tcase_add_test(tcase, used_without_a_grant_is_declared);
    tcase_add_test(tcase, swept_lease_starts_anew);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
