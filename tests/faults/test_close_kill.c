/*
 * Goal:   a month close that is killed at random instants, with two workers side by side, and started again leaves no
 * gap in the numbers, no twin and no account out; issued invoices cannot be changed; void and parked accounts come
 * right. Method: children close the month and die by a timer (SIGALRM, not caught) set from a seed, somewhere in the
 * time that a whole close takes here; after every second round the month is closed to its end, PostgreSQL itself adds
 * up what is there, and it begins anew. FARTHING_SEED chooses the run, FARTHING_ROUNDS how often it is killed.
 */
#include "billing/close.h"
#include "billing/invoice.h"
#include "billing/price_book.h"
#include "common/clock.h"
#include "common/err.h"
#include "schema/pg.h"
#include "tests/support/pgtest.h"

#include <check.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#define WORKERS 2
#define ROUNDS_A_MONTH 2

static const struct close_options OCTOBER = {.month = {2026, 10}, .batch = 50};

static long from_env(const char *name, long otherwise)
{
    const char *text = getenv(name);
    return text == NULL ? otherwise : strtol(text, NULL, 10);
}

static void script(struct pg *pg, const char *sql)
{
    struct err err = {0};
    int rc = pg_script(pg, sql, &err);
    ck_assert_msg(rc == 0, "%s", err.text);
}

static struct pg *open_database(const char *conninfo)
{
    struct pg *pg = NULL;
    struct err err = {0};
    int rc = pg_open(conninfo, &pg, &err);
    ck_assert_msg(rc == 0, "%s", err.text);
    rc = price_book_seed(pg, &err);
    ck_assert_msg(rc == 0, "%s", err.text);
    script(pg,
           "INSERT INTO account (account_id, name) SELECT 100000000000 + n, 'a' || n FROM generate_series(1, 1000) n;"
           "INSERT INTO usage_hourly SELECT 100000000000 + n, '2026-10-05 10:00+00', f, 0, 1536, 0, 0, n * 3001, "
           "n * 3001, 0, 0, 0, 0, 0, 0, 0, n * 36001, n::int8 * 55297536, 0, 0, 0, 0, 0, 0, 0, 0, 0 "
           "FROM generate_series(1, 999) n, generate_series(1, 3) f");
    return pg;
}

static pid_t start_worker(const char *conninfo, suseconds_t dies_after_us)
{
    pid_t pid = fork();
    ck_assert_int_ge(pid, 0);
    if (pid == 0) {
        struct itimerval timer = {.it_value = {.tv_usec = dies_after_us}};
        struct close_result result = {0};
        struct pg *pg = NULL;
        struct err err = {0};
        if (pg_open(conninfo, &pg, &err) != 0) {
            _exit(2);
        }
        (void)signal(SIGALRM, SIG_DFL); /* Check's own handler would end the whole test */
        (void)setitimer(ITIMER_REAL, &timer, NULL);
        _exit(close_month(pg, &OCTOBER, &result, &err) == 0 ? 0 : 1);
    }
    return pid;
}

/* Account 1000 used nothing and gets no invoice. */
static const char CHECK_SQL[] =
    "DO $$ BEGIN "
    "ASSERT (SELECT count(*) FROM invoice WHERE state = 'issued') = 999, 'missing or twin'; "
    "ASSERT (SELECT count(DISTINCT account_id) FROM invoice) = 999, 'twin'; "
    "ASSERT (SELECT count(DISTINCT number) FROM invoice) = (SELECT sum(last_number) FROM invoice_series), 'gap'; "
    "ASSERT (SELECT max(right(number, 6)::int) FROM invoice) = (SELECT count(*) FROM invoice), 'gap'; "
    "ASSERT (SELECT sum(net_minor) FROM invoice) = (SELECT sum(amount_minor) FROM invoice_line WHERE kind <> 'tax'), "
    "'lines'; "
    "ASSERT (SELECT sum(quantity) FROM invoice_line WHERE meter = 'requests') = "
    "(SELECT sum(billed_requests) FROM usage_hourly), 'requests'; "
    "ASSERT (SELECT sum(quantity) FROM invoice_line WHERE meter = 'compute_x86_64') = "
    "(SELECT sum(mb_ms) FROM usage_hourly), 'compute'; "
    "ASSERT NOT EXISTS (SELECT FROM invoice_line WHERE kind = 'usage' AND amount_minor <> round(exact_amount * 100)), "
    "'rounding'; "
    "ASSERT NOT EXISTS (SELECT FROM invoice_line WHERE meter = 'compute_x86_64' AND "
    "exact_amount <> quantity * unit_price / 1024000), 'product'; "
    "END $$";

/* Start two workers, each killed somewhere in the time a whole close takes; how many were. */
static int kill_some(const char *conninfo, long seed, int64_t whole_us)
{
    pid_t pids[WORKERS];
    int killed = 0;
    for (int i = 0; i < WORKERS; i++) {
        pids[i] = start_worker(conninfo, 1000 + random() % (long)whole_us);
    }
    for (int i = 0; i < WORKERS; i++) {
        int status = 0;
        ck_assert_int_eq(waitpid(pids[i], &status, 0), pids[i]);
        ck_assert_msg(WIFSIGNALED(status) || WEXITSTATUS(status) == 0, "seed %ld: a worker failed", seed);
        killed += WIFSIGNALED(status) ? 1 : 0;
    }
    return killed;
}

/* What is left is issued, and everything is as if nobody had been killed; how many there were before. */
static int64_t finish_and_check(struct pg *pg, long seed)
{
    struct close_result result = {0};
    struct err err = {0};
    int rc = close_month(pg, &OCTOBER, &result, &err);
    ck_assert_msg(rc == 0, "seed %ld: %s", seed, err.text);
    ck_assert_int_eq(result.issued + result.existing, 999);
    int64_t before = result.existing;
    script(pg, CHECK_SQL);
    rc = close_month(pg, &OCTOBER, &result, &err);
    ck_assert_msg(rc == 0, "%s", err.text);
    ck_assert_int_eq(result.issued, 0);
    return before;
}

static void begin_again(const char *conninfo)
{
    struct pg *owner = NULL;
    struct err err = {0};
    ck_assert_int_eq(pg_open_owner(conninfo, &owner, &err), 0);
    script(owner, "TRUNCATE invoice_document, invoice_line, invoice_event, invoice_series");
    pg_close(&owner);
}

/* How long a close takes on this machine, as busy as it is. */
static int64_t whole_close_us(struct pg *pg, const char *conninfo)
{
    struct close_result result = {0};
    struct err err = {0};
    begin_again(conninfo);
    int64_t began_us = clock_mono_us();
    ck_assert_int_eq(close_month(pg, &OCTOBER, &result, &err), 0);
    return clock_mono_us() - began_us;
}

START_TEST(killed_at_random_and_started_again)
{
    const char *conninfo = pgtest_database();
    long seed = from_env("FARTHING_SEED", 20261123);
    long rounds = from_env("FARTHING_ROUNDS", 20);
    int killed = 0;
    int halfway = 0;
    struct pg *pg = open_database(conninfo);

    srandom((unsigned)seed);
    ck_assert_int_eq(finish_and_check(pg, seed), 0); /* seals the days */
    int64_t whole_us = whole_close_us(pg, conninfo);
    for (long round = 0; round < rounds; round++) {
        if (round % ROUNDS_A_MONTH == 0) {
            begin_again(conninfo);
        }
        killed += kill_some(conninfo, seed, whole_us);
        if (round % ROUNDS_A_MONTH == ROUNDS_A_MONTH - 1 || round + 1 == rounds) {
            int64_t before = finish_and_check(pg, seed);
            halfway += before > 0 && before < 999 ? 1 : 0;
            /* Dead before they did anything, or done before they died: aim between the two. */
            whole_us = before == 0 ? whole_us * 3 / 2 : before == 999 ? whole_us * 3 / 4 + 1000 : whole_us;
        }
    }
    (void)fprintf(stderr, "seed %ld: %d workers killed in %ld rounds, %d months were half closed\n", seed, killed,
                  rounds, halfway);
    ck_assert_int_gt(killed, 0);
    pg_close(&pg);
}
END_TEST

START_TEST(issued_is_frozen_void_is_reissued_mismatch_is_parked)
{
    struct pg *pg = open_database(pgtest_database());
    struct close_result result = {0};
    struct err err = {0};
    int rc = 0;

    script(pg,
           "SELECT usage_partition_ensure('2026-10-01', '2026-10-31');"
           "INSERT INTO usage_record SELECT 100000000007, '2026-10-05 10:00+00', 1, gen_random_uuid(), 1, 0, 0, 0, 1, "
           "1, 1, 128, 0, 0, 512, 1, 1, 1, 1, 0, 0");
    rc = close_month(pg, &OCTOBER, &result, &err);
    ck_assert_msg(rc == 0, "%s", err.text);
    ck_assert_int_eq(result.parked, 999); /* one day has records, of one account: every account differs on it */
    ck_assert_int_eq(result.issued, 0);
    struct close_options options = OCTOBER;
    options.skip_crosscheck = true;
    rc = close_month(pg, &options, &result, &err);
    ck_assert_msg(rc == 0, "%s", err.text);
    ck_assert_int_eq(result.issued, 999);
    ck_assert_int_eq(result.parked, 0);

    static const char *const forbidden[] = {
        "UPDATE invoice_document SET total_minor = 0", "DELETE FROM invoice_document", "DELETE FROM invoice_line",
        "UPDATE invoice_line SET amount_minor = 0", "UPDATE invoice_event SET state = 'void'"};
    for (size_t i = 0; i < sizeof forbidden / sizeof forbidden[0]; i++) {
        ck_assert_msg(pg_script(pg, forbidden[i], &err) == -1, "%s went through", forbidden[i]);
    }
    ck_assert_int_eq(invoice_void(pg, 100000000001, 999999, "none", &err), -1);
    ck_assert_int_eq(err.code, ERR_NOT_FOUND);
    int64_t id = 0;
    for (id = 1; invoice_void(pg, 100000000001, id, "wrong address", &err) != 0; id++) {
        ck_assert_int_lt(id, 100000);
    }
    ck_assert_int_eq(invoice_void(pg, 100000000001, id, "again", &err), -1);
    ck_assert_int_eq(err.code, ERR_CONFLICT);
    rc = close_month(pg, &options, &result, &err);
    ck_assert_msg(rc == 0, "%s", err.text);
    ck_assert_int_eq(result.issued, 1);
    script(pg, "DO $$ BEGIN ASSERT (SELECT string_agg(state, ' ' ORDER BY number) FROM invoice WHERE account_id = "
               "100000000001) = 'void issued'; END $$");
    options.month = (struct month){2026, 11};
    options.grace_us = INT64_C(400) * 365 * CALENDAR_DAY_US;
    ck_assert_int_eq(close_month(pg, &options, &result, &err), -1);
    ck_assert_int_eq(err.code, ERR_INVALID);
    pg_close(&pg);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("close_kill");
    TCase *tcase = tcase_create("close_kill");
    tcase_set_timeout(tcase, 1800);
    tcase_add_test(tcase, killed_at_random_and_started_again);
    tcase_add_test(tcase, issued_is_frozen_void_is_reissued_mismatch_is_parked);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
