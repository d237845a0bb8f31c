/*
 * Goal:   the life of an instance is what its table says, for every pair.
 * Method: each state against each event; the impossible pairs are counted, the way of a normal life is walked.
 */
#include <check.h>
#include <stdlib.h>

#include "engine/instance.h"

START_TEST(a_normal_life)
{
    static const struct {
        enum instance_event event;
        enum instance_state next;
        enum instance_action action;
    } LIFE[] = {
        {INSTANCE_NEXT, INSTANCE_IDLE, ACT_OFFER},        {INSTANCE_ASSIGN, INSTANCE_BUSY, ACT_RUN},
        {INSTANCE_ANSWER, INSTANCE_ANSWERED, ACT_FINISH}, {INSTANCE_NEXT, INSTANCE_IDLE, ACT_OFFER},
        {INSTANCE_STOP, INSTANCE_STOPPING, ACT_KILL},     {INSTANCE_GONE, INSTANCE_DEAD, ACT_BURY},
    };
    enum instance_state state = INSTANCE_STARTING;
    for (size_t i = 0; i < sizeof LIFE / sizeof LIFE[0]; i++) {
        const struct instance_step *step = instance_table(state, LIFE[i].event);
        ck_assert_int_eq(step->next, LIFE[i].next);
        ck_assert_int_eq(step->action, LIFE[i].action);
        state = step->next;
    }
}
END_TEST

START_TEST(every_pair_is_decided)
{
    enum instance_state state = (enum instance_state)(_i / INSTANCE_EVENT_COUNT);
    enum instance_event event = (enum instance_event)(_i % INSTANCE_EVENT_COUNT);
    const struct instance_step *step = instance_table(state, event);
    /* Only the engine assigns, and only to idle ones; a runtime can never cause an impossible pair. */
    ck_assert_int_eq(step->action == ACT_IMPOSSIBLE, event == INSTANCE_ASSIGN && state != INSTANCE_IDLE);
    if (step->action == ACT_REFUSE || step->action == ACT_IMPOSSIBLE) {
        ck_assert_int_eq(step->next, state);
    }
    if (event == INSTANCE_GONE) {
        ck_assert_int_eq(step->next, INSTANCE_DEAD);
    }
    if (state == INSTANCE_DEAD) {
        ck_assert_int_eq(step->next, INSTANCE_DEAD);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("instance");
    TCase *tcase = tcase_create("table");
    tcase_add_test(tcase, a_normal_life);
    tcase_add_loop_test(tcase, every_pair_is_decided, 0, INSTANCE_STATE_COUNT * INSTANCE_EVENT_COUNT);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
