/*
 * Goal:   whatever byte a link to the database dies at, pg.h does not lie: 0 means it is in, RETRY that it is not,
 * UNCERTAIN that it is in once or not at all; and nothing else is ever said. Method: a proxy in a thread forwards bytes
 * between libpq and the server and cuts after a seeded number of them, in one direction or the other. After each run,
 * when the server's backend is gone, a link of its own counts the rows.
 */
#include "common/err.h"
#include "schema/pg.h"
#include "tests/support/pgtest.h"

#include <check.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define RUNS 150
#define NO_CUT INT64_MAX

enum direction { TO_SERVER, TO_CLIENT };

struct proxy {
    struct sockaddr_un server;
    int listener;
    enum direction direction;
    int64_t cut_after; /* bytes of the first connection in that direction */
    int64_t passed[2]; /* bytes of the first connection */
};

static struct err err;
static char dir[40];
static char through[300];
static struct pg *direct;
static struct proxy proxy;

#define OK(call) ck_assert_msg((call) == 0, "%s: %s", #call, err.text)

/* ---- the proxy ---- */

/* One piece in one direction; false when the connection is over. */
static bool pass(struct proxy *self, const int fds[2], enum direction direction, bool first)
{
    char bytes[4096];
    int64_t left = first && direction == self->direction ? self->cut_after - self->passed[direction] : NO_CUT;
    size_t wanted = left < (int64_t)sizeof bytes ? (size_t)left : sizeof bytes;
    int from = direction == TO_SERVER ? fds[0] : fds[1];
    int to = direction == TO_SERVER ? fds[1] : fds[0];
    ssize_t got = wanted > 0 ? recv(from, bytes, wanted, 0) : 0;
    if (got <= 0 || send(to, bytes, (size_t)got, MSG_NOSIGNAL) != got) {
        return false;
    }
    self->passed[direction] += first ? got : 0;
    return !(first && direction == self->direction && self->passed[direction] >= self->cut_after);
}

static void serve(struct proxy *self, int client, bool first)
{
    int upstream = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const int fds[2] = {client, upstream};
    bool open = connect(upstream, (const struct sockaddr *)&self->server, sizeof self->server) == 0;
    while (open) {
        struct pollfd both[] = {{.fd = client, .events = POLLIN}, {.fd = upstream, .events = POLLIN}};
        open = poll(both, 2, -1) > 0 && (both[0].revents == 0 || pass(self, fds, TO_SERVER, first)) &&
               (both[1].revents == 0 || pass(self, fds, TO_CLIENT, first));
    }
    (void)close(upstream);
    (void)close(client);
}

/* Until the listener is shut down. */
static void *run_proxy(void *ctx)
{
    struct proxy *self = ctx;
    bool first = true;
    for (;;) {
        int client = accept(self->listener, NULL, NULL);
        if (client < 0) {
            return NULL;
        }
        serve(self, client, first);
        first = false;
    }
}

static void set_path(struct sockaddr_un *address, const char *folder, size_t length)
{
    *address = (struct sockaddr_un){.sun_family = AF_UNIX};
    ck_assert_int_lt(snprintf(address->sun_path, sizeof address->sun_path, "%.*s/.s.PGSQL.5432", (int)length, folder),
                     (int)sizeof address->sun_path);
}

static pthread_t start_proxy(enum direction direction, int64_t cut_after)
{
    struct sockaddr_un own;
    pthread_t thread;
    set_path(&own, dir, strlen(dir));
    (void)unlink(own.sun_path);
    proxy.direction = direction;
    proxy.cut_after = cut_after;
    proxy.passed[0] = proxy.passed[1] = 0;
    proxy.listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(bind(proxy.listener, (const struct sockaddr *)&own, sizeof own), 0);
    ck_assert_int_eq(listen(proxy.listener, 8), 0);
    ck_assert_int_eq(pthread_create(&thread, NULL, run_proxy, &proxy), 0);
    return thread;
}

static void stop_proxy(pthread_t thread)
{
    (void)shutdown(proxy.listener, SHUT_RDWR);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    (void)close(proxy.listener);
}

/* ---- what is tried ---- */

static const struct pg_stmt INSERT = {
    .name = "cut.insert",
    .sql = "INSERT INTO t (k, v) VALUES ($1::int8, $2::text)",
    .expect = PG_NO_ROWS,
};
static const struct pg_stmt COPY = {.name = "cut.copy", .sql = "COPY t (k, v) FROM STDIN", .expect = PG_NO_ROWS};

static int insert(struct pg *pg, void *ctx, struct err *e)
{
    (void)ctx;
    const struct pg_param params[] = {PG_P_I64(1), PG_P_TEXT("value"), PG_P_END};
    return pg_run(pg, &INSERT, params, NULL, NULL, NULL, e);
}

static int copy(struct pg *pg, void *ctx, struct err *e)
{
    static const char row[] = "1\tvalue\n";
    int64_t rows = 0;
    (void)ctx;
    if (pg_copy_in_begin(pg, &COPY, e) != 0 || pg_copy_in_put(pg, row, sizeof row - 1, e) != 0) {
        return -1;
    }
    return pg_copy_in_end(pg, &rows, e);
}

static int insert_in_tx(struct pg *pg, void *ctx, struct err *e)
{
    return pg_tx(pg, insert, ctx, e);
}

static int copy_in_tx(struct pg *pg, void *ctx, struct err *e)
{
    return pg_tx_at(pg, PG_READ_COMMITTED, copy, ctx, e);
}

static pg_tx_fn *const ACTIONS[] = {insert, copy, insert_in_tx, copy_in_tx};

/* ---- looking ---- */

static int on_number(const struct pg_row *row, void *ctx, struct err *e)
{
    (void)e;
    *(int64_t *)ctx = pg_get_i64(row, "n");
    return 0;
}

static int64_t rows_in_table(void)
{
    static const struct pg_stmt others = {
        .name = "cut.others",
        .sql = "SELECT count(*)::int8 AS n FROM pg_stat_activity"
               " WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'",
        .expect = PG_ONE_ROW,
    };
    static const struct pg_stmt rows = {
        .name = "cut.rows", .sql = "SELECT count(*)::int8 AS n FROM t", .expect = PG_ONE_ROW};
    struct pollfd nothing = {.fd = -1};
    int64_t n = 1;
    /* A backend may still be at work on what it received before the cut. */
    for (;;) {
        OK(pg_run(direct, &others, NULL, on_number, &n, NULL, &err));
        if (n == 0) {
            break;
        }
        (void)poll(&nothing, 1, 1);
    }
    OK(pg_run(direct, &rows, NULL, on_number, &n, NULL, &err));
    return n;
}

/* One run; returns the code it ended with. */
static enum err_code attempt(pg_tx_fn *action, enum direction direction, int64_t cut_after)
{
    struct pg *pg = NULL;
    struct err said = {0};
    OK(pg_script(direct, "TRUNCATE t", &err));
    pthread_t thread = start_proxy(direction, cut_after);
    int rc = pg_open(through, &pg, &said);
    if (rc == 0) {
        rc = action(pg, NULL, &said);
    }
    pg_close(&pg);
    stop_proxy(thread);
    int64_t n = rows_in_table();
    ck_assert_int_eq(rc == 0, said.code == ERR_NONE);
    switch (said.code) {
    case ERR_NONE:
        ck_assert_int_eq(n, 1);
        break;
    case ERR_RETRY:
        ck_assert_msg(n == 0, "it said RETRY (%s) and did it", said.text);
        break;
    case ERR_UNCERTAIN:
        ck_assert_int_le(n, 1);
        break;
    case ERR_INVALID:
    case ERR_NOT_FOUND:
    case ERR_CONFLICT:
    case ERR_LIMIT:
    case ERR_SYSTEM:
        ck_abort_msg("after %lld bytes: %s", (long long)cut_after, said.text);
    }
    return said.code;
}

static void setup(void)
{
    const char *database = pgtest_database_empty();
    const char *host = strstr(database, "host='/");
    const char *rest;
    ck_assert_msg(host != NULL, "the test server is not on a unix socket");
    host += strlen("host='");
    rest = strchr(host, '\'');
    set_path(&proxy.server, host, (size_t)(rest - host));
    (void)snprintf(dir, sizeof dir, "/tmp/farthing-cut-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(dir));
    (void)snprintf(through, sizeof through, "host=%s%.200s", dir, rest + 1);
    OK(pg_open_owner(database, &direct, &err));
    OK(pg_script(direct, "CREATE TABLE t (k bigint PRIMARY KEY, v text)", &err));
    OK(pg_script(direct, "GRANT ALL ON t TO PUBLIC", &err));
}

static void teardown(void)
{
    char path[100];
    pg_close(&direct);
    (void)snprintf(path, sizeof path, "%s/.s.PGSQL.5432", dir);
    (void)unlink(path);
    (void)rmdir(dir);
}

static unsigned seed_of_run(void)
{
    const char *text = getenv("FARTHING_TEST_SEED");
    return text != NULL ? (unsigned)strtoul(text, NULL, 10) : 1;
}

START_TEST(no_cut_makes_it_lie)
{
    int seen[ERR_SYSTEM + 1] = {0};
    unsigned seed = seed_of_run();
    (void)fprintf(stderr, "seed %u, action %d\n", seed, _i);
    ck_assert_int_eq(attempt(ACTIONS[_i], TO_SERVER, NO_CUT), ERR_NONE);
    int64_t whole[2] = {proxy.passed[0], proxy.passed[1]};
    for (int run = 0; run < RUNS; run++) {
        enum direction direction = rand_r(&seed) % 2 == 0 ? TO_SERVER : TO_CLIENT;
        /* The connection's start is most of the bytes; three cuts in four fall behind it. */
        int64_t span = rand_r(&seed) % 4 == 0 ? whole[direction] : whole[direction] / 4;
        int64_t cut = whole[direction] - rand_r(&seed) % (span + 1);
        seen[attempt(ACTIONS[_i], direction, cut)]++;
    }
    /* Every answer was heard, or the cuts were not where they matter. */
    ck_assert_int_gt(seen[ERR_NONE], 0);
    ck_assert_int_gt(seen[ERR_RETRY], 0);
    ck_assert_int_gt(seen[ERR_UNCERTAIN], 0);
    (void)fprintf(stderr, "in %d, retry %d, uncertain %d\n", seen[ERR_NONE], seen[ERR_RETRY], seen[ERR_UNCERTAIN]);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("pg_cut");
    TCase *tc = tcase_create("cut");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_set_timeout(tc, 240);
    tcase_add_loop_test(tc, no_cut_makes_it_lie, 0, (int)(sizeof ACTIONS / sizeof ACTIONS[0]));
    suite_add_tcase(s, tc);
    return s;
}

int main(void)
{
    SRunner *runner = srunner_create(suite());
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
