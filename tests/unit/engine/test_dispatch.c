/*
 * Goal:   how many instances there are, and which: the scaling rate, idle ones that end, the one idle for longest that
 * makes room, starts that fail again and again, provisioned ones, and the end of a node. Method: an engine without
 * threads and processes; the clock stands still. Jobs that would start processes are dropped, and the test says what
 * each instance did, by the functions that the loop and the Runtime API call.
 * Length: one engine that stands still serves all of it; in two files it would be there twice.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/map.h"
#include "engine/engine_internal.h"
#include "tests/support/fake_clock.h"

#define SECOND_US INT64_C(1000000)
#define SECOND_NS INT64_C(1000000000)
#define FLEETS 3
#define CALLS 4000

static struct engine *engine;
static struct fleet fleets[FLEETS];
static struct target targets[FLEETS];
static struct call *calls;
static int call_count;

static void setup(void)
{
    fake_clock_freeze(INT64_C(1790000000) * SECOND_US);
    fake_clock_advance_us(1000 * SECOND_US);
    engine = calloc(1, sizeof *engine);
    calls = calloc(CALLS, sizeof *calls);
    ck_assert(engine != NULL && calls != NULL);
    (void)pthread_mutex_init(&engine->lock, NULL);
    (void)pthread_mutex_init(&engine->mail_lock, NULL);
    (void)pthread_mutex_init(&engine->job_lock, NULL);
    (void)pthread_cond_init(&engine->job_wake, NULL);
    (void)pthread_cond_init(&engine->idle_changed, NULL);
    engine->mail_fd = engine->timer_fd = engine->epoll_fd = -1;
    engine->options.idle_s = 300;
    engine->instances_max = 100000;
    engine->memory_max_mib = INT64_C(1) << 40;
    engine->fleets = map_new();
    call_count = 0;
    memset(fleets, 0, sizeof fleets);
    memset(targets, 0, sizeof targets);
    for (int i = 0; i < FLEETS; i++) {
        fleets[i].function.function_id = i + 1;
        fleets[i].function.memory_mib = 128;
        fleets[i].function.timeout_s = 3;
        fleets[i].scale_tokens_milli = (int64_t)ENGINE_SCALE_BURST * 1000;
        fleets[i].scale_ns = clock_mono_ns();
        targets[i].fleet = &fleets[i];
        targets[i].reserved = -1;
        ck_assert_int_eq(map_put(engine->fleets, &i, sizeof i, &fleets[i]), 0);
    }
}

static void drop_jobs(void)
{
    while (engine->job_head != NULL) {
        struct job *job = engine->job_head;
        engine->job_head = job->next;
        free(job);
    }
    engine->job_tail = NULL;
}

static void run_jobs(void)
{
    while (engine->job_head != NULL) {
        struct job *job = engine->job_head;
        engine->job_head = job->next;
        if (engine->job_head == NULL) {
            engine->job_tail = NULL;
        }
        job->run(engine, NULL, job->ctx);
        free(job);
    }
}

static int state_count(const struct fleet *fleet, enum instance_state state)
{
    int count = 0;
    for (const struct instance *at = engine->instances; at != NULL; at = at->all_next) {
        count += (fleet == NULL || at->fleet == fleet) && at->state == state ? 1 : 0;
    }
    return count;
}

static struct instance *first(const struct fleet *fleet, enum instance_state state)
{
    struct instance *at = engine->instances;
    while (at != NULL && (at->fleet != fleet || at->state != state)) {
        at = at->all_next;
    }
    ck_assert_ptr_nonnull(at);
    return at;
}

static struct call *invoke(int fleet)
{
    ck_assert_int_lt(call_count, CALLS);
    struct call *call = &calls[call_count++];
    call->engine = engine;
    call->target = &targets[fleet];
    atomic_init(&call->refs, 1);
    dispatch_resolved(call);
    drop_jobs();
    return call;
}

/* The clock's turn of the loop; when it wants to be woken. */
static int64_t tend(void)
{
    int64_t wake_ns = INT64_MAX;
    fleet_tend(engine, clock_mono_ns(), &wake_ns);
    drop_jobs();
    return wake_ns;
}

/* It asks for its next event, as runtime_api.c says it. */
static struct call *asks(struct instance *instance)
{
    enum instance_state was = instance->state;
    ck_assert_int_eq(instance_step(instance, INSTANCE_NEXT), ACT_OFFER);
    if (was == INSTANCE_STARTING) {
        instance->deadline_ns = 0;
        instance->fleet->starting--;
        instance->fleet->crashes = 0;
    }
    struct call *call = fleet_next(engine, instance, clock_mono_ns());
    drop_jobs();
    return call;
}

static void answers(struct instance *instance)
{
    ck_assert_int_eq(instance_step(instance, INSTANCE_ANSWER), ACT_FINISH);
    ck_assert_ptr_nonnull(instance_detach(instance));
}

/* Its processes are gone. */
static void gone(struct instance *instance)
{
    instance_bury(engine, instance);
    run_jobs();
    drop_jobs();
}

static void all_gone(enum instance_state state)
{
    struct instance *next = NULL;
    for (struct instance *at = engine->instances; at != NULL; at = next) {
        next = at->all_next;
        if (at->state == state) {
            instance_bury(engine, at);
        }
    }
    /* Only what buries is there: a start that follows is queued behind and dropped by the next call. */
    run_jobs();
}

static void teardown(void)
{
    for (int i = 0; i < FLEETS; i++) {
        while (fleet_pop(&fleets[i]) != NULL) {
        }
        fleets[i].queued = 0;
    }
    for (struct instance *at = engine->instances; at != NULL; at = at->all_next) {
        if (at->current != NULL) {
            (void)instance_detach(at);
        }
        instance_stop(engine, at, USAGE_KILLED);
    }
    while (state_count(NULL, INSTANCE_STOPPING) > 0) {
        all_gone(INSTANCE_STOPPING);
    }
    ck_assert_int_eq(engine->instance_count, 0);
    ck_assert_int_eq(engine->memory_used_mib, 0);
    map_free(&engine->fleets);
    free(engine);
    free(calls);
    fake_clock_release();
}

/* One of each, idle, in this order of age: fleet 0 oldest. */
static struct instance *idle_one(int fleet, int64_t pause_us)
{
    (void)invoke(fleet);
    struct instance *instance = first(&fleets[fleet], INSTANCE_STARTING);
    ck_assert_ptr_nonnull(asks(instance));
    answers(instance);
    ck_assert_ptr_null(asks(instance));
    fake_clock_advance_us(pause_us);
    return instance;
}

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

int main(void)
{
    Suite *suite = suite_create("dispatch");
    TCase *tcase = tcase_create("instances");
    tcase_add_checked_fixture(tcase, setup, teardown);
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
    tcase_add_test(tcase, provisioned_ones_stay_and_leave_a_quarter_of_the_node);
    tcase_add_test(tcase, a_crash_loop_waits_longer_each_time_and_a_start_that_works_ends_it);
    tcase_add_test(tcase, a_provisioned_one_that_does_not_start_waits_too);
    tcase_add_test(tcase, a_node_that_stops_starts_nothing_and_what_runs_may_end);
    tcase_add_test(tcase, instances_of_old_code_end_after_what_they_do);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
