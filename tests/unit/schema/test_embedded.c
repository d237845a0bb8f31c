/*
 * Goal:   the node's own server starts, keeps its data through every kind of end, and does not outlive its node.
 * Method: real servers in scratch folders; processes are killed as kill -9 would, ends are waited for through pidfd.
 */
#include "common/buf.h"
#include "common/err.h"
#include "common/fs.h"
#include "common/text.h"
#include "schema/embedded.h"
#include "schema/pg.h"

#include <check.h>
#include <dirent.h>
#include <grp.h>
#include <poll.h>
#include <pthread.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define OK(call) ck_assert_msg((call) == 0, "%s: %s", #call, err.text)

static struct err err;
static char root[40];
static char dir[400];
static struct embedded *server;

static void setup(void)
{
    err = (struct err){0};
    (void)snprintf(root, sizeof root, "/tmp/farthing-emb-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(root));
    (void)snprintf(dir, sizeof dir, "%s/postgresql", root);
}

static void teardown(void)
{
    embedded_close(&server);
    (void)fs_remove_tree(root, NULL);
}

static int open_server(void)
{
    const struct embedded_options options = {.dir = dir, .max_connections = 20};
    return embedded_open(&options, &server, &err);
}

static int on_number(const struct pg_row *row, void *ctx, struct err *e)
{
    (void)e;
    *(int64_t *)ctx = pg_get_i64(row, "n");
    return 0;
}

static int64_t number(const char *sql)
{
    const struct pg_stmt stmt = {.name = "test.number", .sql = sql, .expect = PG_ONE_ROW};
    struct pg *pg = NULL;
    int64_t n = -1;
    OK(pg_open(embedded_conninfo(server), &pg, &err));
    OK(pg_run(pg, &stmt, NULL, on_number, &n, NULL, &err));
    pg_close(&pg);
    return n;
}

static void script(const char *sql)
{
    struct pg *pg = NULL;
    OK(pg_open(embedded_conninfo(server), &pg, &err));
    OK(pg_script(pg, sql, &err));
    pg_close(&pg);
}

static pid_t postmaster(void)
{
    char path[500];
    struct buf text = {0};
    int64_t pid = 0;
    (void)snprintf(path, sizeof path, "%s/data/postmaster.pid", dir);
    OK(fs_read(path, 4096, &text, &err));
    text.data[strcspn(text.data, "\n")] = '\0';
    OK(text_i64(text.data, "pid", 2, INT32_MAX, &pid, &err));
    buf_free(&text);
    return (pid_t)pid;
}

static int open_pid(pid_t pid)
{
    return (int)syscall(SYS_pidfd_open, pid, 0);
}

static void wait_end(int pid_fd)
{
    struct pollfd end = {.fd = pid_fd, .events = POLLIN};
    ck_assert_int_eq(poll(&end, 1, 100000), 1);
    (void)close(pid_fd);
}

/* kill -9 and wait for the end. */
static void kill_hard(pid_t pid)
{
    int pid_fd = open_pid(pid);
    ck_assert_int_eq(kill(pid, SIGKILL), 0);
    wait_end(pid_fd);
}

static void wait_dead(void)
{
    struct pollfd nothing = {.fd = -1};
    while (embedded_alive(server)) {
        (void)poll(&nothing, 1, 1);
    }
}

START_TEST(starts_keeps_data_and_stops)
{
    struct stat info;
    OK(open_server());
    ck_assert(embedded_alive(server));
    ck_assert_int_eq(
        number("SELECT (current_setting('fsync') = 'on' AND current_setting('synchronous_commit') = 'on'"
               " AND current_setting('full_page_writes') = 'on' AND current_setting('data_checksums') = 'on'"
               " AND current_setting('listen_addresses') = '')::int::int8 AS n"),
        1);
    ck_assert_int_eq(number("SELECT current_setting('max_connections')::int8 AS n"), 20);
    script("CREATE TABLE kept (n bigint)");
    script("INSERT INTO kept VALUES (42)");
    ck_assert_int_eq(stat(dir, &info), 0);
    ck_assert_uint_eq(info.st_mode & 0777, 0700);
    int pid_fd = open_pid(postmaster());
    embedded_close(&server);
    wait_end(pid_fd);
    OK(open_server());
    ck_assert_int_eq(number("SELECT n FROM kept"), 42);
}
END_TEST

START_TEST(a_second_node_is_refused)
{
    struct embedded *second = NULL;
    const struct embedded_options options = {.dir = dir};
    OK(open_server());
    ck_assert_int_eq(embedded_open(&options, &second, &err), -1);
    ck_assert_int_eq(err.code, ERR_CONFLICT);
    ck_assert_ptr_null(second);
    ck_assert(embedded_alive(server));
}
END_TEST

START_TEST(a_killed_server_is_noticed_and_restarted)
{
    struct pg *pg = NULL;
    OK(open_server());
    script("CREATE TABLE kept (n bigint)");
    script("INSERT INTO kept VALUES (42)");
    OK(pg_open(embedded_conninfo(server), &pg, &err));
    for (int i = 0; i < 3; i++) {
        kill_hard(postmaster());
        wait_dead();
        OK(embedded_restart(server, &err));
        ck_assert(embedded_alive(server));
        ck_assert_int_eq(number("SELECT n FROM kept"), 42);
        OK(pg_ensure(pg, &err));
    }
    pg_close(&pg);
}
END_TEST

/* The node is a child of ours: it opens the server and is killed. */
static pid_t spawn_node(void)
{
    int ends[2];
    char byte = 0;
    ck_assert_int_eq(pipe(ends), 0);
    pid_t node = fork();
    if (node == 0) {
        byte = open_server() == 0 ? 'y' : 'n';
        ssize_t ignored = write(ends[1], &byte, 1);
        (void)ignored;
        (void)pause();
        _exit(0);
    }
    (void)close(ends[1]);
    ck_assert_int_eq(read(ends[0], &byte, 1), 1);
    (void)close(ends[0]);
    ck_assert_int_eq(byte, 'y');
    return node;
}

START_TEST(a_killed_node_takes_its_server_along)
{
    pid_t node = spawn_node();
    int pid_fd = open_pid(postmaster());
    kill_hard(node);
    ck_assert_int_eq(waitpid(node, NULL, 0), node);
    wait_end(pid_fd);
    OK(open_server());
    ck_assert_int_eq(number("SELECT 1::int8 AS n"), 1);
}
END_TEST

/* Parent of a process, from /proc. */
static pid_t parent_of(pid_t pid)
{
    char path[64];
    struct buf text = {0};
    (void)snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    OK(fs_read(path, 4096, &text, &err));
    const char *after = strrchr(text.data, ')');
    pid_t parent = (pid_t)strtol(after + 3, NULL, 10);
    buf_free(&text);
    return parent;
}

START_TEST(a_left_over_server_is_stopped_by_the_next_start)
{
    pid_t node = spawn_node();
    pid_t old = postmaster();
    pid_t keeper = parent_of(old);
    int pid_fd = open_pid(old);
    ck_assert_int_eq(kill(node, SIGSTOP), 0);
    kill_hard(keeper);
    kill_hard(node);
    ck_assert_int_eq(waitpid(node, NULL, 0), node);
    ck_assert_int_eq(kill(old, 0), 0); /* nobody stops it now */
    OK(open_server());
    wait_end(pid_fd);
    ck_assert_int_ne(postmaster(), old);
    ck_assert_int_eq(number("SELECT 1::int8 AS n"), 1);
}
END_TEST

START_TEST(a_half_made_data_folder_is_made_again)
{
    char path[500];
    OK(fs_make_dirs(dir, 0700, &err));
    (void)snprintf(path, sizeof path, "%s/data.new", dir);
    OK(fs_make_dirs(path, 0700, &err));
    (void)snprintf(path, sizeof path, "%s/data.new/rubbish", dir);
    OK(fs_write_atomic(path, "x", 1, 0600, &err));
    OK(open_server());
}
END_TEST

START_TEST(a_long_path_gets_a_short_socket)
{
    char first[300];
    (void)snprintf(dir, sizeof dir, "%s/%0100d", root, 7);
    OK(open_server());
    ck_assert_int_eq(number("SELECT 1::int8 AS n"), 1);
    ck_assert_int_eq(text_copy(first, sizeof first, embedded_conninfo(server)), 0);
    embedded_close(&server);
    OK(open_server());
    ck_assert_str_eq(embedded_conninfo(server), first);
    char *folder = strchr(first, '\'') + 1;
    *strchr(folder, '\'') = '\0';
    embedded_close(&server);
    OK(fs_remove_tree(folder, &err));
    OK(open_server()); /* a new one */
    OK(text_copy(first, sizeof first, embedded_conninfo(server)));
    embedded_close(&server);
    folder = strchr(first, '\'') + 1;
    *strchr(folder, '\'') = '\0';
    OK(fs_remove_tree(folder, &err));
}
END_TEST

START_TEST(an_unreachable_folder_says_so)
{
    char above[100];
    if (geteuid() != 0) {
        return;
    }
    (void)snprintf(above, sizeof above, "%s/private/sub", root);
    (void)snprintf(dir, sizeof dir, "%s/postgresql", above);
    ck_assert_int_eq(chmod(root, 0711), 0);
    OK(fs_make_dirs(above, 0711, &err));
    (void)snprintf(above, sizeof above, "%s/private", root);
    ck_assert_int_eq(chmod(above, 0700), 0);
    ck_assert_int_eq(open_server(), -1);
    ck_assert_ptr_nonnull(strstr(err.text, "cannot reach"));
    ck_assert_ptr_nonnull(strstr(err.text, "chmod o+x"));
}
END_TEST

START_TEST(missing_programs_say_so)
{
    char bindir[100] = "x";
    ck_assert_int_eq(setenv("FARTHING_PG_BINDIR", "/nonexistent", 1), 0);
    ck_assert_int_eq(embedded_find(bindir, sizeof bindir, &err), -1);
    ck_assert_str_eq(bindir, "");
    ck_assert_ptr_nonnull(strstr(err.text, "no PostgreSQL server"));
    ck_assert_int_eq(open_server(), -1);
    ck_assert_int_eq(unsetenv("FARTHING_PG_BINDIR"), 0);
    OK(embedded_find(bindir, sizeof bindir, &err));
}
END_TEST

START_TEST(works_as_an_ordinary_user)
{
    const struct passwd *user = getpwnam("nobody");
    int status = -1;
    if (geteuid() != 0 || user == NULL) {
        return; /* the other tests are that test then */
    }
    ck_assert_int_eq(chown(root, user->pw_uid, user->pw_gid), 0);
    pid_t node = fork();
    if (node == 0) {
        bool ok =
            setgroups(0, NULL) == 0 && setgid(user->pw_gid) == 0 && setuid(user->pw_uid) == 0 && open_server() == 0;
        if (!ok) {
            (void)fprintf(stderr, "%s\n", err.text);
        }
        embedded_close(&server);
        _exit(ok ? 0 : 1);
    }
    ck_assert_int_eq(waitpid(node, &status, 0), node);
    ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    OK(open_server()); /* root goes on with that user's data, as that user */
    ck_assert_int_eq(number("SELECT 1::int8 AS n"), 1);
}
END_TEST

/* Cancels whoever waits for a standby, as soon as somebody does. */
static void *cancel_waiter(void *ctx)
{
    static const struct pg_stmt cancel = {
        .name = "test.cancel",
        .sql = "SELECT count(pg_cancel_backend(pid))::int8 AS n FROM pg_stat_activity WHERE wait_event = 'SyncRep'",
        .expect = PG_ONE_ROW};
    struct pg *pg = NULL;
    struct pollfd nothing = {.fd = -1};
    int64_t cancelled = 0;
    if (pg_open_owner(ctx, &pg, NULL) == 0) {
        while (cancelled == 0 && pg_run(pg, &cancel, NULL, on_number, &cancelled, NULL, NULL) == 0) {
            (void)poll(&nothing, 1, 1);
        }
    }
    pg_close(&pg);
    return NULL;
}

static int insert_row(struct pg *pg, void *ctx, struct err *e)
{
    static const struct pg_stmt insert = {
        .name = "test.insert", .sql = "INSERT INTO kept VALUES (1)", .expect = PG_NO_ROWS};
    (void)ctx;
    return pg_run(pg, &insert, NULL, NULL, NULL, NULL, e);
}

static int insert_in_tx(struct pg *pg, void *ctx, struct err *e)
{
    return pg_tx(pg, insert_row, ctx, e);
}

/* The server then warns and reports success; the row may be lost with the next failover. */
START_TEST(a_commit_not_yet_on_the_standby_is_uncertain)
{
    static pg_tx_fn *const ways[] = {insert_row, insert_in_tx};
    struct pg *pg = NULL;
    pthread_t canceller;
    char conninfo[300];
    OK(open_server());
    OK(text_copy(conninfo, sizeof conninfo, embedded_conninfo(server)));
    script("CREATE TABLE kept (n bigint)");
    script("ALTER SYSTEM SET synchronous_standby_names = 'nobody'");
    script("SELECT pg_reload_conf()");
    while (number("SELECT (current_setting('synchronous_standby_names') = 'nobody')::int4::int8 AS n") == 0) {
    }
    OK(pg_open(embedded_conninfo(server), &pg, &err));
    for (int i = 0; i < 2; i++) {
        err = (struct err){0};
        ck_assert_int_eq(pthread_create(&canceller, NULL, cancel_waiter, conninfo), 0);
        ck_assert_int_eq(ways[i](pg, NULL, &err), -1);
        ck_assert_msg(err.code == ERR_UNCERTAIN, "%s", err.text);
        ck_assert_ptr_nonnull(strstr(err.text, "standby"));
        ck_assert_int_eq(pthread_join(canceller, NULL), 0);
    }
    ck_assert_int_eq(number("SELECT count(*)::int8 AS n FROM kept"), 2);
    pg_close(&pg);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("embedded");
    TCase *tc = tcase_create("embedded");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_set_timeout(tc, 240);
    tcase_add_test(tc, starts_keeps_data_and_stops);
    tcase_add_test(tc, a_second_node_is_refused);
    tcase_add_test(tc, a_killed_server_is_noticed_and_restarted);
    tcase_add_test(tc, a_killed_node_takes_its_server_along);
    tcase_add_test(tc, a_left_over_server_is_stopped_by_the_next_start);
    tcase_add_test(tc, a_half_made_data_folder_is_made_again);
    tcase_add_test(tc, a_long_path_gets_a_short_socket);
    tcase_add_test(tc, an_unreachable_folder_says_so);
    tcase_add_test(tc, missing_programs_say_so);
    tcase_add_test(tc, works_as_an_ordinary_user);
    tcase_add_test(tc, a_commit_not_yet_on_the_standby_is_uncertain);
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
