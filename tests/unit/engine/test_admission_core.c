/*
 * Goal:   the decision in memory is right and stays right under threads: never more than the limit, everything given
 * back. Method: admission without a database (limits set by hand); running calls are counted independently of
 * admission.
 */
#include <check.h>
#include <pthread.h>
#include <stdlib.h>

#include "common/clock.h"
#include "common/err.h"
#include "engine/admission_internal.h"

#define ACCOUNT INT64_C(100000000001)
#define THREADS 64
#define ROUNDS 3000

static struct admission *open_memory(const struct admission_prices *prices)
{
    struct admission_options options = {.default_concurrency = 1000, .prices = prices};
    struct admission *admission = NULL;
    struct err err = {0};
    ck_assert_int_eq(admission_open(&options, &admission, &err), 0);
    return admission;
}

static struct admission_request call(int64_t now_us)
{
    return (struct admission_request){.account_id = ACCOUNT,
                                      .function_id = 7,
                                      .memory_mib = 128,
                                      .timeout_s = 1,
                                      .reserved_concurrency = -1,
                                      .now_us = now_us};
}

static struct usage_record record_of(int64_t started_us, uint32_t billed_ms)
{
    return (struct usage_record){
        .started_us = started_us, .billed_ms = billed_ms, .memory_mib = 128, .billed_requests = 1};
}

struct hammer {
    struct admission *admission;
    _Atomic int running, most, admitted, refused;
    int limit;
};

static void *hammer_main(void *ctx)
{
    struct hammer *hammer = ctx;
    struct admission_request request = call(clock_wall_us());
    for (int i = 0; i < ROUNDS; i++) {
        struct admission_ticket ticket;
        struct admission_refusal refusal;
        int rc = admission_reserve(hammer->admission, &request, &ticket, &refusal, NULL, NULL);
        if (rc == 0) {
            int now = atomic_fetch_add(&hammer->running, 1) + 1;
            int most = atomic_load(&hammer->most);
            while (most < now && !atomic_compare_exchange_weak(&hammer->most, &most, now)) {
            }
            sched_yield();
            atomic_fetch_sub(&hammer->running, 1);
            struct usage_record record = record_of(request.now_us, 10);
            admission_settle(hammer->admission, &ticket, &record);
            atomic_fetch_add(&hammer->admitted, 1);
        } else {
            ck_assert_int_eq(rc, 1);
            ck_assert_int_eq(refusal.reason, USAGE_REFUSED_CONCURRENCY);
            atomic_fetch_add(&hammer->refused, 1);
        }
    }
    return NULL;
}

START_TEST(never_eleven)
{
    struct hammer hammer = {.admission = open_memory(NULL)};
    pthread_t threads[THREADS];
    admission_limit_set(hammer.admission, ACCOUNT, QUOTA_CONCURRENCY, 10);
    for (int i = 0; i < THREADS; i++) {
        ck_assert_int_eq(pthread_create(&threads[i], NULL, hammer_main, &hammer), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
    }
    struct admission_stats stats;
    admission_stats(hammer.admission, &stats);
    ck_assert_int_le(atomic_load(&hammer.most), 10);
    ck_assert_int_ge(atomic_load(&hammer.most), 2);
    ck_assert_int_eq(atomic_load(&hammer.admitted) + atomic_load(&hammer.refused), THREADS * ROUNDS);
    ck_assert_int_eq(stats.admitted, atomic_load(&hammer.admitted));
    ck_assert_int_eq(stats.refused, atomic_load(&hammer.refused));
    ck_assert_int_eq(stats.running, 0);
    ck_assert_int_eq(atomic_load(&account_find(hammer.admission, ACCOUNT)->concurrency.free), 10);
    admission_close(&hammer.admission);
}
END_TEST

START_TEST(every_place_is_used)
{
    struct admission *admission = open_memory(NULL);
    struct admission_request request = call(clock_wall_us());
    struct admission_ticket tickets[3];
    struct admission_refusal refusal;
    admission_limit_set(admission, ACCOUNT, QUOTA_CONCURRENCY, 2);
    ck_assert_int_eq(admission_reserve(admission, &request, &tickets[0], &refusal, NULL, NULL), 0);
    ck_assert_int_eq(admission_reserve(admission, &request, &tickets[1], &refusal, NULL, NULL), 0);
    ck_assert_int_eq(admission_reserve(admission, &request, &tickets[2], &refusal, NULL, NULL), 1);
    ck_assert_str_eq(refusal.limit_text, "2");
    ck_assert_int_eq(refusal.retry_after_s, 1);
    admission_settle(admission, &tickets[0], NULL);
    ck_assert_int_eq(admission_reserve(admission, &request, &tickets[0], &refusal, NULL, NULL), 0);
    admission_settle(admission, &tickets[0], NULL);
    admission_settle(admission, &tickets[1], NULL);
    admission_close(&admission);
}
END_TEST

START_TEST(reserve_worst_settle_real)
{
    struct admission *admission = open_memory(NULL);
    int64_t now_us = clock_wall_us();
    struct admission_request request = call(now_us);
    struct admission_ticket ticket;
    struct admission_refusal refusal;
    /* One worst case and half of another: the second call fits only after the first gave its rest back. */
    admission_limit_set(admission, ACCOUNT, QUOTA_GB_SECONDS_PER_MONTH, 128 * 1500);
    ck_assert_int_eq(admission_reserve(admission, &request, &ticket, &refusal, NULL, NULL), 0);
    ck_assert_uint_eq(ticket.reserved_mb_ms, 128 * 1000);
    struct admission_ticket second;
    ck_assert_int_eq(admission_reserve(admission, &request, &second, &refusal, NULL, NULL), 1);
    ck_assert_int_eq(refusal.reason, USAGE_REFUSED_GB_SECONDS);
    struct usage_record record = record_of(now_us, 500);
    admission_settle(admission, &ticket, &record);
    ck_assert_int_eq(admission_reserve(admission, &request, &second, &refusal, NULL, NULL), 0);
    record = record_of(now_us, 1000);
    admission_settle(admission, &second, &record);
    struct account *account = account_find(admission, ACCOUNT);
    int64_t month = admission_month(admission, now_us);
    ck_assert_int_eq(atomic_load(&account->monthly[1][month & 1].free), 0);
    ck_assert_int_eq(atomic_load(&account->monthly[1][month & 1].spent), 128 * 1500);
    request.memory_mib = 1;
    request.timeout_s = 1;
    ck_assert_int_eq(admission_reserve(admission, &request, &second, &refusal, NULL, NULL), 1);
    admission_close(&admission);
}
END_TEST

START_TEST(refused_call_leaves_nothing)
{
    struct admission *admission = open_memory(NULL);
    struct admission_request request = call(clock_wall_us());
    struct admission_ticket ticket;
    struct admission_refusal refusal;
    admission_limit_set(admission, ACCOUNT, QUOTA_REQUESTS_PER_SECOND, 5);
    admission_limit_set(admission, ACCOUNT, QUOTA_REQUESTS_PER_MONTH, 100);
    admission_limit_set(admission, ACCOUNT, QUOTA_GB_SECONDS_PER_MONTH, 10);
    for (int i = 0; i < 50; i++) { /* more than the burst: the token of a refused call goes back */
        ck_assert_int_eq(admission_reserve(admission, &request, &ticket, &refusal, NULL, NULL), 1);
        ck_assert_int_eq(refusal.reason, USAGE_REFUSED_GB_SECONDS);
    }
    struct account *account = account_find(admission, ACCOUNT);
    int64_t month = admission_month(admission, request.now_us);
    ck_assert_int_eq(atomic_load(&account->concurrency.free), 1000);
    ck_assert_int_eq(atomic_load(&account->monthly[0][month & 1].free), 100);
    ck_assert_int_eq(atomic_load(&account->monthly[1][month & 1].free), 10);
    admission_close(&admission);
}
END_TEST

START_TEST(token_bucket)
{
    struct admission *admission = open_memory(NULL);
    struct account *account = account_add(admission, ACCOUNT);
    struct admission_request request = call(clock_wall_us());
    struct admission_ticket ticket;
    struct obstacle obstacle = {0};
    account_rate_set(account, 10, 1);
    int64_t now_ns = INT64_C(1000000000000);
    int admitted = 0;
    for (int i = 0; i < 20; i++) { /* a burst of one second's worth at once */
        admitted += account_try(admission, account, &request, now_ns, &ticket, &obstacle) == VERDICT_TAKEN;
    }
    ck_assert_int_eq(admitted, 10);
    ck_assert_int_eq(obstacle.reason, USAGE_REFUSED_RATE);
    ck_assert_int_eq(obstacle.wait_ns, 100000000);
    for (int ms = 1; ms <= 10000; ms++) { /* then ten a second, however often one asks */
        admitted += account_try(admission, account, &request, now_ns + ms * INT64_C(1000000), &ticket, &obstacle) ==
                    VERDICT_TAKEN;
    }
    ck_assert_int_eq(admitted, 110);
    account_rate_set(account, 10, 5); /* shared by five nodes: two a second here */
    admitted = 0;
    for (int ms = 0; ms < 10000; ms++) {
        admitted += account_try(admission, account, &request, now_ns + INT64_C(100000000000) + ms * INT64_C(1000000),
                                &ticket, &obstacle) == VERDICT_TAKEN;
    }
    ck_assert_int_eq(admitted, 21);
    account_rate_set(account, 0, 1);
    ck_assert_int_eq(account_try(admission, account, &request, now_ns * 2, &ticket, &obstacle), VERDICT_REFUSED);
    admission_close(&admission);
}
END_TEST

START_TEST(months)
{
    struct admission *admission = open_memory(NULL);
    ck_assert_int_eq(admission_month(admission, 0), 0);
    for (int64_t month = 0; month < ADMISSION_MONTHS; month++) {
        ck_assert_int_eq(admission_month(admission, month_start_us(admission, month)), month);
        ck_assert_int_eq(admission_month(admission, month_start_us(admission, month + 1) - 1), month);
    }
    admission_close(&admission);
}
END_TEST

/* A call admitted in the last seconds of a month counts where its record says. */
START_TEST(rollover)
{
    struct admission *admission = open_memory(NULL);
    int64_t month = admission_month(admission, clock_wall_us());
    int64_t midnight_us = month_start_us(admission, month + 1);
    struct account *account = account_add(admission, ACCOUNT);
    struct admission_request request = call(midnight_us - 1);
    struct admission_ticket ticket;
    struct admission_refusal refusal;
    admission_limit_set(admission, ACCOUNT, QUOTA_REQUESTS_PER_MONTH, 5);
    struct pool *old = &account->monthly[0][month & 1];
    struct pool *new = &account->monthly[0][(month + 1) & 1];
    ck_assert_int_eq(admission_reserve(admission, &request, &ticket, &refusal, NULL, NULL), 0);
    ck_assert_int_eq(atomic_load(&old->free), 4);
    ck_assert_int_eq(atomic_load(&new->free), 4);
    struct usage_record record = record_of(midnight_us + 5, 10);
    admission_settle(admission, &ticket, &record);
    ck_assert_int_eq(atomic_load(&old->free), 5);
    ck_assert_int_eq(atomic_load(&new->free), 4);
    ck_assert_int_eq(atomic_load(&new->spent), 1);
    ck_assert_int_eq(admission_reserve(admission, &request, &ticket, &refusal, NULL, NULL), 0);
    record = record_of(midnight_us - 1, 10);
    admission_settle(admission, &ticket, &record);
    ck_assert_int_eq(atomic_load(&old->spent), 1);
    ck_assert_int_eq(atomic_load(&new->spent), 1);
    admission_close(&admission);
}
END_TEST

static int worst(void *ctx, int64_t account_id, int64_t started_us, uint64_t mb_ms, uint16_t flags, int64_t *picos,
                 struct err *err)
{
    (void)account_id;
    (void)started_us;
    (void)flags;
    (void)err;
    ++*(int *)ctx;
    *picos = 200 + (int64_t)mb_ms * 3;
    return 0;
}

static int actual(void *ctx, int64_t account_id, const struct usage_record *record, int64_t *picos, struct err *err)
{
    (void)ctx;
    (void)account_id;
    (void)err;
    *picos = (int64_t)record->response_bytes;
    return 0;
}

static int month_bill(void *ctx, int64_t account_id, int64_t month_us, int64_t *picos, struct err *err)
{
    (void)ctx;
    (void)account_id;
    (void)month_us;
    (void)err;
    *picos = 0;
    return 0;
}

START_TEST(spend)
{
    int asked = 0;
    struct admission_prices prices = {.worst = worst, .actual = actual, .month = month_bill, .ctx = &asked};
    struct admission *admission = open_memory(&prices);
    int64_t now_us = clock_wall_us();
    struct admission_request request = call(now_us);
    struct admission_ticket ticket;
    struct admission_refusal refusal;
    int64_t worst_call = 200 + 128 * 1000 * 3;
    admission_limit_set(admission, ACCOUNT, QUOTA_SPEND_PER_MONTH, worst_call + 99999);
    ck_assert_int_eq(admission_reserve(admission, &request, &ticket, &refusal, NULL, NULL), 0);
    ck_assert_int_eq(ticket.reserved_picos, worst_call);
    struct usage_record record = record_of(now_us, 100);
    admission_settle(admission, &ticket, &record); /* 200 + 38,400 */
    ck_assert_int_eq(admission_reserve(admission, &request, &ticket, &refusal, NULL, NULL), 0);
    record.response_bytes = 77777; /* meters that worst does not know make it dearer */
    admission_settle(admission, &ticket, &record);
    ck_assert_int_eq(admission_reserve(admission, &request, &ticket, &refusal, NULL, NULL), 1);
    ck_assert_int_eq(refusal.reason, USAGE_REFUSED_SPEND);
    ck_assert_int_eq(asked, 3); /* one reservation asked, two settlements; the others came from memory */
    admission_close(&admission);
}
END_TEST

START_TEST(spend_without_prices_is_refused)
{
    struct admission *admission = open_memory(NULL);
    struct admission_request request = call(clock_wall_us());
    struct admission_ticket ticket;
    struct admission_refusal refusal;
    admission_limit_set(admission, ACCOUNT, QUOTA_SPEND_PER_MONTH, 1000000);
    ck_assert_int_eq(admission_reserve(admission, &request, &ticket, &refusal, NULL, NULL), 1);
    ck_assert_int_eq(refusal.reason, USAGE_REFUSED_SPEND);
    admission_close(&admission);
}
END_TEST

START_TEST(switched_off_function)
{
    struct admission *admission = open_memory(NULL);
    struct admission_request request = call(clock_wall_us());
    struct admission_ticket ticket;
    struct admission_refusal refusal;
    request.reserved_concurrency = 0;
    ck_assert_int_eq(admission_reserve(admission, &request, &ticket, &refusal, NULL, NULL), 1);
    ck_assert_int_eq(refusal.reason, USAGE_REFUSED_RESERVED_CONCURRENCY);
    ck_assert_str_eq(refusal.detail, "The function's reserved concurrency of 0 is in use: it is switched off.");
    admission_close(&admission);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("admission_core");
    TCase *tcase = tcase_create("core");
    tcase_set_timeout(tcase, 120);
    tcase_add_test(tcase, never_eleven);
    tcase_add_test(tcase, every_place_is_used);
    tcase_add_test(tcase, reserve_worst_settle_real);
    tcase_add_test(tcase, refused_call_leaves_nothing);
    tcase_add_test(tcase, token_bucket);
    tcase_add_test(tcase, months);
    tcase_add_test(tcase, rollover);
    tcase_add_test(tcase, spend);
    tcase_add_test(tcase, spend_without_prices_is_refused);
    tcase_add_test(tcase, switched_off_function);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
