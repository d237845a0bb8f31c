/*
 * Goal:   functions in four languages run in real sandboxes, stay warm, are killed on timeout, and every run leaves one
 * record. Method: a real database and spool; the engine's public interface only; what was metered is read from results
 * and the hook.
 */
#include <check.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/err.h"
#include "common/fs.h"
#include "engine/engine.h"
#include "metering/hook.h"
#include "schema/pg.h"
#include "tests/support/pgtest.h"

#define ACCOUNT INT64_C(100000000001)

static char dir[] = "/tmp/farthing-engine-XXXXXX";
static struct engine *engine;
static struct farthing_hook *hook;
static struct pg *pg;
static struct err err;
static uint8_t key[32] = {7};

struct answer {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    int count;
    enum invoke_outcome outcome;
    struct usage_record record;
    char payload[4096];
    size_t length;
    char error[64], tail[4200], chunks[256], problem[400];
    int version;
    bool replayed;
};

static void on_done(const struct invoke_result *result, void *ctx)
{
    struct answer *answer = ctx;
    (void)pthread_mutex_lock(&answer->lock);
    answer->outcome = result->outcome;
    answer->record = result->record;
    answer->length = result->payload_length;
    size_t kept =
        result->payload_length < sizeof answer->payload - 1 ? result->payload_length : sizeof answer->payload - 1;
    if (kept > 0) {
        memcpy(answer->payload, result->payload, kept);
    }
    answer->payload[kept] = '\0';
    (void)snprintf(answer->error, sizeof answer->error, "%s",
                   result->function_error != NULL ? result->function_error : "");
    (void)snprintf(answer->problem, sizeof answer->problem, "%s",
                   result->outcome == INVOKE_FAILED    ? result->error->text
                   : result->outcome == INVOKE_REFUSED ? result->refusal.detail
                                                       : "");
    if (result->log_tail_length > 0) {
        memcpy(answer->tail, result->log_tail, result->log_tail_length);
    }
    answer->tail[result->log_tail_length] = '\0';
    answer->version = result->version;
    answer->replayed = result->replayed;
    answer->count++;
    (void)pthread_cond_broadcast(&answer->changed);
    (void)pthread_mutex_unlock(&answer->lock);
}

static void on_chunk(const struct invoke_piece *piece, void *ctx)
{
    struct answer *answer = ctx;
    strncat(answer->chunks, piece->bytes, piece->length);
}

static void begin(struct answer *answer, const struct invoke_request *request)
{
    memset(answer, 0, sizeof *answer);
    (void)pthread_mutex_init(&answer->lock, NULL);
    (void)pthread_cond_init(&answer->changed, NULL);
    ck_assert_msg(engine_invoke(engine, request, on_done, on_chunk, answer, &err) == 0, "%s", err.text);
}

static void finish(struct answer *answer)
{
    (void)pthread_mutex_lock(&answer->lock);
    while (answer->count == 0) {
        (void)pthread_cond_wait(&answer->changed, &answer->lock);
    }
    (void)pthread_mutex_unlock(&answer->lock);
}

static struct answer call(const char *function, const char *payload)
{
    static struct answer answer;
    const struct invoke_request request = {.account_id = ACCOUNT,
                                           .function = function,
                                           .payload = payload,
                                           .payload_length = strlen(payload),
                                           .log_tail = true};
    begin(&answer, &request);
    finish(&answer);
    return answer;
}

/* A path in the source tree: this file's name is absolute and three levels down. */
static const char *source(const char *below)
{
    static char path[4096];
    (void)snprintf(path, sizeof path, "%s", __FILE__);
    for (int i = 0; i < 3; i++) {
        *strrchr(path, '/') = '\0';
    }
    (void)snprintf(path + strlen(path), sizeof path - strlen(path), "/%s", below);
    return path;
}

static void create(const char *name, const char *runtime, const char *handler, const char *folder, int memory,
                   int timeout)
{
    struct buf zip = {0};
    struct function function;
    ck_assert_msg(code_pack_dir(folder, &zip, &err) == 0, "%s", err.text);
    const struct function_change change = {.runtime = runtime,
                                           .handler = handler,
                                           .zip = zip.data,
                                           .zip_length = zip.length,
                                           .memory_mib = memory,
                                           .timeout_s = timeout,
                                           .ephemeral_mib = -1,
                                           .arch = -1,
                                           .network = -1,
                                           .environment_json = "{\"GREETING\":\"hi\"}"};
    ck_assert_msg(function_create(pg, ACCOUNT, name, &change, &function, &err) == 0, "%s", err.text);
    buf_free(&zip);
}

static void setup(void)
{
    char path[300];
    const char *database = pgtest_database();
    ck_assert_ptr_nonnull(mkdtemp(dir));
    (void)chmod(dir, 0755);
    (void)snprintf(path, sizeof path, "%s/spool", dir);
    const struct farthing_hook_options hook_options = {.dir = path, .node_id = 1};
    ck_assert_msg(farthing_hook_open(&hook_options, &hook, &err) == 0, "%s", err.text);
    ck_assert_msg(pg_open(database, &pg, &err) == 0, "%s", err.text);
    char data[300];
    (void)snprintf(data, sizeof data, "%s/data", dir);
    const struct engine_options options = {
        .data_dir = data, .conninfo = database, .hook = hook, .node_id = 900000 + getpid() % 1000, .node_key = key};
    ck_assert_msg(engine_open(&options, &engine, &err) == 0, "%s", err.text);
    char command[4400];
    (void)snprintf(command, sizeof command, "mkdir -p %s/c && cc -O2 -D_GNU_SOURCE -o %s/c/bootstrap %s", dir, dir,
                   source("examples/c/bootstrap.c"));
    ck_assert_int_eq(system(command), 0); /* lint: the compiler, with words of this file */
    (void)snprintf(path, sizeof path, "%s/c", dir);
    create("c", "provided", "", path, 128, 3);
    create("shell", "provided", "", source("examples/shell"), 128, 3);
    create("node", "nodejs20.x", "index.handler", source("examples/nodejs"), 256, 3);
    create("py", "python3.11", "main.handler", source("examples/python"), 128, 3);
}

static void crash_functions(void)
{
    static const char *const HANDLERS[] = {"handler", "exit3",  "exit0", "throws",      "hang",
                                           "big",     "memory", "spin",  "environment", "stream"};
    char name[40];
    char handler[40];
    for (size_t i = 0; i < sizeof HANDLERS / sizeof HANDLERS[0]; i++) {
        (void)snprintf(name, sizeof name, "t_%s", HANDLERS[i]);
        (void)snprintf(handler, sizeof handler, "index.%s", HANDLERS[i]);
        create(name, "nodejs", handler, source("tests/support/functions/crash"), 256, 2);
    }
    create("t_init", "nodejs", "index.handler", source("tests/support/functions/init"), 256, 2);
}

static void teardown(void)
{
    engine_close(&engine, 1000);
    farthing_hook_close(&hook);
    pg_close(&pg);
    (void)fs_remove_tree(dir, NULL);
}

static void show(const char *what, const struct answer *answer)
{
    fprintf(stderr,
            "%-12s outcome %d status %d error '%s' billed %u ms init %llu us peak %u KiB cpu %llu us: %.200s %s\n",
            what, (int)answer->outcome, answer->record.status, answer->error, answer->record.billed_ms,
            (unsigned long long)answer->record.init_us, answer->record.peak_kib,
            (unsigned long long)answer->record.cpu_us, answer->payload, answer->problem);
}

START_TEST(four_languages)
{
    static const char *const NAMES[] = {"c", "shell", "node", "py"};
    for (size_t i = 0; i < 4; i++) {
        uint64_t before = farthing_hook_emitted(hook);
        struct answer cold = call(NAMES[i], "{\"name\":\"Ada\"}");
        show(NAMES[i], &cold);
        ck_assert_int_eq(cold.outcome, INVOKE_DONE);
        ck_assert_str_eq(cold.error, "");
        ck_assert_ptr_nonnull(strstr(cold.payload, "Ada"));
        ck_assert_uint_eq(cold.record.flags & USAGE_FLAG_COLD, USAGE_FLAG_COLD);
        ck_assert_uint_gt(cold.record.init_us, 0);
        ck_assert_uint_gt(cold.record.peak_kib, 0);
        ck_assert_uint_eq(cold.record.billed_ms, (cold.record.duration_us + cold.record.init_us + 999) / 1000);
        ck_assert_ptr_nonnull(strstr(cold.tail, "START RequestId: "));
        ck_assert_ptr_nonnull(strstr(cold.tail, "\tInit Duration: "));
        struct answer warm = call(NAMES[i], "{\"name\":\"Grace\"}");
        show(NAMES[i], &warm);
        ck_assert_uint_eq(warm.record.flags & USAGE_FLAG_COLD, 0);
        ck_assert_uint_eq(warm.record.init_us, 0);
        ck_assert_ptr_nonnull(strstr(warm.payload, "Grace"));
        ck_assert_uint_eq(farthing_hook_emitted(hook), before + 2);
    }
}
END_TEST

struct expected {
    const char *function, *type, *message;
    enum usage_status status;
};

static const struct expected FAILURES[] = {
    {"t_handler", "Runtime.ExitError", "signal: segmentation fault", USAGE_ERROR},
    {"t_exit3", "Runtime.ExitError", "exit status 3", USAGE_ERROR},
    {"t_exit0", "Runtime.ExitError", "Runtime exited without providing a reason", USAGE_ERROR},
    {"t_throws", "TypeError", "it broke", USAGE_ERROR},
    {"t_hang", "Sandbox.Timedout", "Task timed out after 2.00 seconds", USAGE_TIMEOUT},
    {"t_big", "Function.ResponseSizeTooLarge", "6291556 bytes", USAGE_ERROR},
    {"t_init", "TypeError", "init failed on purpose", USAGE_INIT_ERROR},
    {"t_memory", "Runtime.ExitError", "signal: killed", USAGE_OUT_OF_MEMORY},
};

START_TEST(failures_are_told_and_metered)
{
    const struct expected *expected = &FAILURES[_i];
    crash_functions();
    uint64_t before = farthing_hook_emitted(hook);
    struct answer answer = call(expected->function, "{}");
    show(expected->function, &answer);
    ck_assert_int_eq(answer.outcome, INVOKE_DONE);
    ck_assert_str_eq(answer.error, "Unhandled");
    ck_assert_ptr_nonnull(strstr(answer.payload, expected->type));
    ck_assert_ptr_nonnull(strstr(answer.payload, expected->message));
    ck_assert_int_eq(answer.record.status, expected->status);
    ck_assert_uint_eq(farthing_hook_emitted(hook), before + 1);
    if (expected->status == USAGE_TIMEOUT) {
        ck_assert_uint_eq(answer.record.duration_us, 2000000);
    }
}
END_TEST

START_TEST(streams_and_keys)
{
    crash_functions();
    struct answer answer;
    struct invoke_request request = {
        .account_id = ACCOUNT, .function = "t_stream", .payload = "{}", .payload_length = 2, .stream = true};
    begin(&answer, &request);
    finish(&answer);
    show("stream", &answer);
    ck_assert_str_eq(answer.chunks, "one two three");
    request.payload = "{\"fail\":true}";
    request.payload_length = strlen(request.payload);
    begin(&answer, &request);
    finish(&answer);
    ck_assert_str_eq(answer.error, "Unhandled");
    ck_assert_ptr_nonnull(strstr(answer.payload, "half way"));
    uint64_t before = farthing_hook_emitted(hook);
    struct answer twice[2];
    request = (struct invoke_request){
        .account_id = ACCOUNT, .function = "t_spin", .payload = "{}", .payload_length = 2, .idempotency_key = "once"};
    begin(&twice[0], &request);
    begin(&twice[1], &request);
    finish(&twice[0]);
    finish(&twice[1]);
    begin(&answer, &request);
    finish(&answer);
    ck_assert(answer.replayed);
    ck_assert_str_eq(answer.payload, "\"done\"");
    ck_assert_uint_eq(farthing_hook_emitted(hook), before + 1);
}
END_TEST

/* Where bubblewrap cannot work, for example in a container without user namespaces, functions run as plain processes.
 */
static bool isolated(void)
{
    struct engine_stats stats;
    engine_stats(engine, &stats);
    return strcmp(stats.sandbox, "none") != 0;
}

START_TEST(environment_and_versions)
{
    crash_functions();
    struct answer answer = call("t_environment", "{}");
    ck_assert_ptr_nonnull(strstr(answer.payload, "\"GREETING\":\"hi\""));
    if (isolated()) {
        ck_assert_ptr_nonnull(strstr(answer.payload, "\"LAMBDA_TASK_ROOT\":\"/var/task\""));
    }
    struct function version;
    struct function again;
    ck_assert_int_eq(function_publish(pg, ACCOUNT, "c", "first", &version, &err), 0);
    ck_assert_int_eq(function_publish(pg, ACCOUNT, "c", "again", &again, &err), 0);
    ck_assert_int_eq(version.version, 1);
    ck_assert_int_eq(again.version, 1);
    const struct invoke_request request = {
        .account_id = ACCOUNT, .function = "c", .qualifier = "1", .payload = "{}", .payload_length = 2};
    begin(&answer, &request);
    finish(&answer);
    ck_assert_int_eq(answer.version, 1);
    struct answer missing = call("nothing", "{}");
    ck_assert_int_eq(missing.outcome, INVOKE_FAILED);
}
END_TEST

START_TEST(events_run_from_the_queue)
{
    uint64_t before = farthing_hook_emitted(hook);
    struct answer answer;
    const struct invoke_request request = {
        .account_id = ACCOUNT, .function = "c", .type = INVOKE_EVENT, .payload = "{}", .payload_length = 2};
    begin(&answer, &request);
    finish(&answer);
    ck_assert_int_eq(answer.outcome, INVOKE_ACCEPTED);
    struct engine_stats stats;
    for (int i = 0; i < 500 && farthing_hook_emitted(hook) == before; i++) {
        engine_stats(engine, &stats);
        (void)usleep(10000); /* lint: there is nothing to wait on, the queue answers nobody */
    }
    ck_assert_uint_eq(farthing_hook_emitted(hook), before + 1);
}
END_TEST

static const struct {
    const char *handler, *must[8];
} HOSTILE[] = {
    {"look",
     {"\"shadow\":\"ENOENT\"", "\"root\":\"ENOENT\"", "\"host\":\"ENOENT\"", "\"code\":\"EROFS\"", "\"usr\":\"EROFS\"",
      "\"slash\":\"EROFS\"", "\"networks\":[\"lo\"]", NULL}},
    {"fill", {"\"error\":\"ENOSPC\"", NULL}},
    {"files", {"\"error\":\"EMFILE\"", NULL}},
    {"fork", {"\"failed\":", NULL}},
    {"lie", {"\"other\":400", "\"init\":403", "\"nonsense\":404", NULL}},
    {"flood", {"flooded", NULL}},
};

START_TEST(hostile_functions)
{
    if (!isolated()) {
        (void)printf("skipped: this machine makes no sandboxes (farthing doctor says why)\n");
        return;
    }
    char event[400];
    char name[40];
    char handler[40];
    (void)snprintf(name, sizeof name, "h_%s", HOSTILE[_i].handler);
    (void)snprintf(handler, sizeof handler, "index.%s", HOSTILE[_i].handler);
    create(name, "nodejs", handler, source("tests/support/functions/hostile"), 1024, 20);
    (void)snprintf(event, sizeof event, "{\"dir\":\"%s\"}", dir);
    struct answer answer = call(name, event);
    show(name, &answer);
    ck_assert_str_eq(answer.error, "");
    for (size_t i = 0; HOSTILE[_i].must[i] != NULL; i++) {
        ck_assert_msg(strstr(answer.payload, HOSTILE[_i].must[i]) != NULL, "%s not in %s", HOSTILE[_i].must[i],
                      answer.payload);
    }
    ck_assert_ptr_null(strstr(answer.payload, "\"failed\":0"));
    struct answer neighbour = call("c", "{\"still\":\"here\"}");
    ck_assert_str_eq(neighbour.payload, "{\"still\":\"here\"}");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("engine");
    TCase *tcase = tcase_create("engine");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, four_languages);
    tcase_add_loop_test(tcase, failures_are_told_and_metered, 0, (int)(sizeof FAILURES / sizeof FAILURES[0]));
    tcase_add_loop_test(tcase, hostile_functions, 0, (int)(sizeof HOSTILE / sizeof HOSTILE[0]));
    tcase_add_test(tcase, streams_and_keys);
    tcase_add_test(tcase, environment_and_versions);
    tcase_add_test(tcase, events_run_from_the_queue);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
