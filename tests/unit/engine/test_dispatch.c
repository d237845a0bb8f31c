/*
 * Goal:   how many instances there are, and which: the scaling rate, idle ones that end, the one idle for longest that
 * makes room. Method: an engine that stands still (support/still_engine.h).
 */
#include <check.h>
#include <stdlib.h>

#include "tests/support/fake_clock.h"
#include "tests/support/still_engine.h"

/* ---- how fast ---- */

START_TEST(a_thousand_at_once_and_a_hundred_each_second)
{
    for (int i = 0; i < 2500; i++) {
        (void)invoke(0);
    }
    ck_assert_int_eq(state_count(&fleets[0], INSTANCE_STARTING), 1000);
    (void)tend();
    ck_assert_int_eq(state_count(&fleets[0], INSTANCE_STARTING), 1000);
    fake_clock_advance_us(5 * SECOND_US);
    (void)tend();
    ck_assert_int_eq(state_count(&fleets[0], INSTANCE_STARTING), 1500);
    ck_assert_int_eq(fleets[0].queued, 2500);
}
END_TEST

START_TEST(the_rate_does_not_depend_on_how_often_it_is_looked_at)
{
    /* 7 ms and 13 us: no whole number of anything. Ten seconds of it are a thousand instances, not fewer. */
    for (int i = 0; i < 3000; i++) {
        (void)invoke(0);
    }
    int64_t end_ns = clock_mono_ns() + 10 * SECOND_NS;
    while (clock_mono_ns() < end_ns) {
        fake_clock_advance_us(_i == 0 ? 7013 : 3);
        (void)tend();
        if (_i == 1 && clock_mono_ns() > end_ns - 9 * SECOND_NS - SECOND_NS / 2) {
            break; /* half a second in steps of 3 us is enough */
        }
    }
    ck_assert_int_eq(state_count(&fleets[0], INSTANCE_STARTING), _i == 0 ? 2000 : 1050);
}
END_TEST

START_TEST(what_was_not_used_is_not_saved_up)
{
    fake_clock_advance_us(3600 * SECOND_US);
    for (int i = 0; i < 1200; i++) {
        (void)invoke(0);
    }
    ck_assert_int_eq(state_count(&fleets[0], INSTANCE_STARTING), 1000);
    for (int i = 0; i < 700; i++) {
        (void)invoke(1);
    }
    ck_assert_int_eq(state_count(&fleets[1], INSTANCE_STARTING), 700); /* each function has a rate of its own */
}
END_TEST

START_TEST(no_more_than_calls_wait_and_the_room_is_not_paid_for_with_the_rate)
{
    for (int i = 0; i < 3; i++) {
        (void)invoke(0);
    }
    (void)tend();
    ck_assert_int_eq(fleets[0].starting, 3);
    engine->instances_max = 3;
    int64_t tokens = fleets[1].scale_tokens_milli;
    (void)invoke(1);
    (void)tend();
    ck_assert_int_eq(fleets[1].starting, 0);
    ck_assert_int_eq(fleets[1].scale_tokens_milli, tokens);
}
END_TEST

/* ---- idle ones ---- */

START_TEST(idle_ones_end_when_their_time_is_over)
{
    struct instance *old = idle_one(0, 0);
    for (int i = 0; i < 2; i++) {
        (void)invoke(0); /* the second needs one more */
    }
    struct instance *young = first(&fleets[0], INSTANCE_STARTING);
    ck_assert_ptr_nonnull(asks(young));
    answers(old);
    ck_assert_ptr_null(asks(old));
    fake_clock_advance_us(100 * SECOND_US);
    answers(young);
    ck_assert_ptr_null(asks(young));
    fake_clock_advance_us(200 * SECOND_US - 1);
    ck_assert_int_eq(tend(), clock_mono_ns() + 1000); /* the old one's time comes in a microsecond */
    ck_assert_int_eq(fleets[0].idle_count, 2);
    fake_clock_advance_us(1);
    ck_assert_int_eq(tend(), clock_mono_ns() + 100 * SECOND_NS);
    ck_assert_int_eq(old->state, INSTANCE_STOPPING);
    ck_assert_int_eq(young->state, INSTANCE_IDLE);
    gone(old);
    ck_assert_int_eq(fleets[0].total, 1);
    /* The one used last is used next: the others become old. */
    struct call *call = invoke(0);
    ck_assert_ptr_eq(call->instance, young);
}
END_TEST

START_TEST(the_one_used_last_is_used_next)
{
    struct instance *one = idle_one(0, SECOND_US);
    (void)invoke(0);
    (void)invoke(0);
    struct instance *two = first(&fleets[0], INSTANCE_STARTING);
    ck_assert_ptr_nonnull(asks(two));
    answers(one);
    ck_assert_ptr_null(asks(one));
    fake_clock_advance_us(SECOND_US);
    answers(two);
    ck_assert_ptr_null(asks(two));
    for (int i = 0; i < 3; i++) {
        struct call *call = invoke(0);
        ck_assert_ptr_eq(call->instance, two);
        ck_assert(!call->cold);
        answers(two);
        ck_assert_ptr_null(asks(two));
    }
}
END_TEST

/* ---- memory is short ---- */

START_TEST(the_one_idle_for_longest_makes_room)
{
    struct instance *oldest = idle_one(0, SECOND_US);
    struct instance *younger = idle_one(1, SECOND_US);
    engine->memory_max_mib = 256;
    (void)invoke(2);
    ck_assert_int_eq(oldest->state, INSTANCE_STOPPING);
    ck_assert_int_eq(younger->state, INSTANCE_IDLE);
    ck_assert_int_eq(fleets[2].starting, 0); /* not before its processes are gone */
    /* However often it is looked at meanwhile: one goes, one is enough. */
    for (int i = 0; i < 10; i++) {
        fake_clock_advance_us(1000);
        (void)tend();
    }
    ck_assert_int_eq(younger->state, INSTANCE_IDLE);
    gone(oldest);
    (void)tend();
    ck_assert_int_eq(fleets[2].starting, 1);
    ck_assert_int_eq(younger->state, INSTANCE_IDLE);
    ck_assert_int_eq(engine->memory_used_mib, 256);
}
END_TEST

START_TEST(as_many_go_as_are_needed_and_none_in_vain)
{
    struct instance *a = idle_one(0, SECOND_US);
    struct instance *b = idle_one(1, SECOND_US);
    engine->memory_max_mib = 256;
    fleets[2].function.memory_mib = 512; /* never fits: nobody is stopped for it */
    (void)invoke(2);
    ck_assert_int_eq(a->state, INSTANCE_IDLE);
    ck_assert_int_eq(b->state, INSTANCE_IDLE);
    fleets[2].function.memory_mib = 200; /* needs the room of both */
    (void)tend();
    ck_assert_int_eq(a->state, INSTANCE_STOPPING);
    ck_assert_int_eq(b->state, INSTANCE_STOPPING);
    fleets[2].function.memory_mib = 128;
}
END_TEST

START_TEST(who_works_or_is_kept_ready_does_not_make_room)
{
    fleets[0].function.provisioned = 1;
    (void)tend();
    struct instance *ready = first(&fleets[0], INSTANCE_STARTING);
    ck_assert(ready->provisioned);
    ck_assert_ptr_null(asks(ready));
    (void)invoke(1);
    struct instance *busy = first(&fleets[1], INSTANCE_STARTING);
    ck_assert_ptr_nonnull(asks(busy));
    engine->instances_max = 2;
    struct call *call = invoke(2);
    ck_assert_int_eq(ready->state, INSTANCE_IDLE);
    ck_assert_int_eq(busy->state, INSTANCE_BUSY);
    ck_assert_int_eq(fleets[2].starting, 0);
    /* It waits for its turn, but not for ever. */
    fake_clock_advance_us(30 * SECOND_US - 1);
    ck_assert_int_le(tend(), clock_mono_ns() + 1000);
    ck_assert_int_eq(fleets[2].queued, 1);
    fake_clock_advance_us(1);
    (void)tend();
    ck_assert_int_eq(fleets[2].queued, 0);
    ck_assert_int_eq(call->outcome, INVOKE_REFUSED);
    ck_assert_int_eq(call->refusal.reason, USAGE_REFUSED_CAPACITY);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("dispatch");
    TCase *tcase = tcase_create("instances");
    tcase_add_checked_fixture(tcase, still_setup, still_teardown);
    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, a_thousand_at_once_and_a_hundred_each_second);
    tcase_add_loop_test(tcase, the_rate_does_not_depend_on_how_often_it_is_looked_at, 0, 2);
    tcase_add_test(tcase, what_was_not_used_is_not_saved_up);
    tcase_add_test(tcase, no_more_than_calls_wait_and_the_room_is_not_paid_for_with_the_rate);
    tcase_add_test(tcase, idle_ones_end_when_their_time_is_over);
    tcase_add_test(tcase, the_one_used_last_is_used_next);
    tcase_add_test(tcase, the_one_idle_for_longest_makes_room);
    tcase_add_test(tcase, as_many_go_as_are_needed_and_none_in_vain);
    tcase_add_test(tcase, who_works_or_is_kept_ready_does_not_make_room);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
