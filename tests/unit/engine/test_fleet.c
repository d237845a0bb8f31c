/*
 * Goal:   instances that are kept ready, starts that fail again and again, old code and the end of a node.
 * Method: an engine that stands still (support/still_engine.h).
 */
#include <check.h>
#include <stdlib.h>

#include "tests/support/fake_clock.h"
#include "tests/support/still_engine.h"

/* ---- kept ready ---- */

START_TEST(provisioned_ones_stay_and_leave_a_quarter_of_the_node)
{
    engine->memory_max_mib = 1280;
    fleets[0].function.provisioned = 100;
    (void)tend();
    ck_assert_int_eq(fleets[0].provisioned, 7); /* three quarters of ten */
    for (int i = 0; i < 7; i++) {
        ck_assert_ptr_null(asks(first(&fleets[0], INSTANCE_STARTING)));
    }
    for (int i = 0; i < 3; i++) {
        (void)invoke(1);
    }
    ck_assert_int_eq(fleets[1].starting, 3);
    fake_clock_advance_us(3600 * SECOND_US);
    (void)tend();
    ck_assert_int_eq(fleets[0].idle_count, 7); /* they do not grow old */
    fleets[0].function.provisioned = 2;
    (void)tend();
    ck_assert_int_eq(fleets[0].provisioned, 2);
    ck_assert_int_eq(fleets[0].idle_count, 7); /* ordinary ones now, as if just used */
    fake_clock_advance_us(300 * SECOND_US);
    (void)tend();
    ck_assert_int_eq(fleets[0].idle_count, 2);
}
END_TEST

/* ---- starts that fail ---- */

START_TEST(a_crash_loop_waits_longer_each_time_and_a_start_that_works_ends_it)
{
    static const int64_t WAITS_MS[] = {0, 0, 0, 500, 1000, 2000, 4000, 8000, 16000, 32000, 60000, 60000};
    for (size_t i = 0; i < sizeof WAITS_MS / sizeof WAITS_MS[0]; i++) {
        int64_t now_ns = clock_mono_ns();
        fleets[0].start_after_ns = now_ns;
        fleet_crashed(&fleets[0], now_ns);
        ck_assert_int_eq(fleets[0].start_after_ns - now_ns, WAITS_MS[i] * 1000000);
    }
    int64_t until_ns = fleets[0].start_after_ns;
    (void)invoke(0);
    ck_assert_int_eq(fleets[0].starting, 0);
    ck_assert_int_eq(state_count(NULL, INSTANCE_STARTING), 0);
    fleets[0].queue_head->queued_ns += 60 * SECOND_NS; /* this one has more patience than others */
    fake_clock_advance_us((until_ns - clock_mono_ns()) / 1000 - 1);
    (void)tend();
    ck_assert_int_eq(fleets[0].starting, 0);
    fake_clock_advance_us(1);
    (void)tend();
    ck_assert_int_eq(fleets[0].starting, 1);
    struct instance *works = first(&fleets[0], INSTANCE_STARTING);
    ck_assert_ptr_nonnull(asks(works));
    ck_assert_int_eq(fleets[0].crashes, 0);
}
END_TEST

START_TEST(a_provisioned_one_that_does_not_start_waits_too)
{
    fleets[0].function.provisioned = 1;
    for (int i = 0; i < 4; i++) {
        (void)tend();
        ck_assert_int_eq(fleets[0].starting, 1);
        gone(first(&fleets[0], INSTANCE_STARTING));
    }
    ck_assert_int_eq(fleets[0].crashes, 4);
    ck_assert_int_eq(tend(), clock_mono_ns() + SECOND_NS / 2);
    ck_assert_int_eq(fleets[0].starting, 0);
    fake_clock_advance_us(SECOND_US / 2);
    (void)tend();
    ck_assert_int_eq(fleets[0].starting, 1);
}
END_TEST

/* ---- the end of a node ---- */

START_TEST(a_node_that_stops_starts_nothing_and_what_runs_may_end)
{
    (void)invoke(0);
    struct instance *busy = first(&fleets[0], INSTANCE_STARTING);
    struct call *running = asks(busy);
    ck_assert_ptr_nonnull(running);
    fleets[1].function.provisioned = 1;
    engine->closing = true;
    struct call *late = invoke(0);
    ck_assert_int_eq(late->outcome, INVOKE_FAILED);
    ck_assert_int_eq(late->error.code, ERR_RETRY);
    (void)tend();
    ck_assert_int_eq(state_count(NULL, INSTANCE_STARTING), 0);
    ck_assert_int_eq(busy->state, INSTANCE_BUSY);
    answers(busy);
    ck_assert_ptr_null(asks(busy)); /* no further event: it goes */
    ck_assert_int_eq(busy->state, INSTANCE_STOPPING);
}
END_TEST

START_TEST(instances_of_old_code_end_after_what_they_do)
{
    struct instance *idle = idle_one(0, 0);
    (void)invoke(0);
    (void)invoke(0);
    struct instance *second = first(&fleets[0], INSTANCE_STARTING);
    ck_assert_ptr_nonnull(asks(second));
    answers(second);
    ck_assert_ptr_null(asks(second));
    fleet_retire(engine, &fleets[0]);
    ck_assert_int_eq(second->state, INSTANCE_STOPPING);
    ck_assert_int_eq(idle->state, INSTANCE_BUSY); /* it has the first call */
    answers(idle);
    ck_assert_ptr_null(asks(idle));
    ck_assert_int_eq(idle->state, INSTANCE_STOPPING);
}
END_TEST

START_TEST(calls_that_wait_for_old_code_still_get_it)
{
    for (int i = 0; i < 3; i++) {
        (void)invoke(0);
    }
    fleet_retire(engine, &fleets[0]);
    struct instance *starting = first(&fleets[0], INSTANCE_STARTING);
    for (int i = 0; i < 3; i++) {
        struct call *call = asks(starting);
        ck_assert_ptr_nonnull(call);
        answers(starting);
    }
    ck_assert_int_eq(fleets[0].queued, 0);
    ck_assert_ptr_null(asks(starting)); /* nobody else waits */
    ck_assert_int_eq(starting->state, INSTANCE_STOPPING);
    (void)tend();
    ck_assert_int_eq(fleets[0].idle_count, 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("fleet");
    TCase *tcase = tcase_create("instances");
    tcase_add_checked_fixture(tcase, still_setup, still_teardown);
    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, provisioned_ones_stay_and_leave_a_quarter_of_the_node);
    tcase_add_test(tcase, a_crash_loop_waits_longer_each_time_and_a_start_that_works_ends_it);
    tcase_add_test(tcase, a_provisioned_one_that_does_not_start_waits_too);
    tcase_add_test(tcase, a_node_that_stops_starts_nothing_and_what_runs_may_end);
    tcase_add_test(tcase, instances_of_old_code_end_after_what_they_do);
    tcase_add_test(tcase, calls_that_wait_for_old_code_still_get_it);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
