/*
 * bench/peers.c - our ingest against FreeRADIUS, the accounting server that internet providers bill from.
 *
 * One PostgreSQL (fsync on) takes both in turn. FreeRADIUS gets start and stop records over UDP from several radclient
 * processes at once and answers each after its own INSERT or UPDATE; each counts as a record. Ours are as many records
 * through hook, spool and aggregator, from the first emit until all are stored, rollups included. No goal: the peer
 * promises something else (an answer a record), the row says what that costs.
 *
 *     bench_peers [sessions]      (5,000 when not given); the script beside it says what must be installed
 */
#include "common/check.h"
#include "common/clock.h"
#include "common/err.h"
#include "common/fs.h"
#include "metering/aggregator.h"
#include "metering/hook.h"
#include "schema/embedded.h"
#include "schema/migrate.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define SKIPPED 77
#define DRAIN_MS 60000
#define USERS 400

static void must(int rc, const struct err *err)
{
    if (rc != 0) {
        (void)fprintf(stderr, "bench_peers: %s\n", err->text);
        exit(EXIT_FAILURE);
    }
}

/* Records a second through the whole path. */
static int64_t run_ours(const char *dir, const char *conninfo, uint64_t records)
{
    struct farthing_hook *hook = NULL;
    struct aggregator *aggregator = NULL;
    struct err err = {0};
    char path[80];
    (void)snprintf(path, sizeof path, "%s/spool", dir);
    const struct farthing_hook_options hook_options = {.dir = path};
    const struct aggregator_options options = {.spool_dir = path, .conninfo = conninfo};
    must(farthing_hook_open(&hook_options, &hook, &err), &err);
    must(aggregator_start(&options, &aggregator, &err), &err);
    int64_t wall_us = clock_wall_us();
    int64_t started_us = clock_mono_us();
    for (uint64_t n = 0; n < records; n++) {
        struct usage_record record = {.kind = USAGE_KIND_INVOCATION,
                                      .account_id = 1,
                                      .function_id = (int64_t)(n % USERS) + 1,
                                      .started_us = wall_us,
                                      .duration_us = 1000 + n % 900,
                                      .billed_ms = 2,
                                      .memory_mib = 128,
                                      .response_bytes = n % 5000,
                                      .billed_requests = 1,
                                      .attempt = 1};
        memcpy(record.request_id, &n, sizeof n);
        CHECK(farthing_hook_emit(hook, &record) == FARTHING_HOOK_OK);
    }
    must(aggregator_flush(aggregator, DRAIN_MS, &err), &err);
    int64_t took_us = clock_mono_us() - started_us;
    farthing_hook_close(&hook);
    aggregator_stop(&aggregator, true);
    return (int64_t)records * 1000000 / took_us;
}

/* Records a second; 0 when it failed, -1 when it is not installed. */
static int64_t run_freeradius(const char *conninfo, uint64_t sessions, uint64_t *records)
{
    const char *source = getenv("FARTHING_SOURCE");
    char script[600];
    char count[24];
    char line[100] = "";
    uint64_t took_us = 0;
    int ends[2];
    int status = 0;
    (void)snprintf(script, sizeof script, "%s/bench/peers/freeradius.sh", source != NULL ? source : ".");
    (void)snprintf(count, sizeof count, "%" PRIu64, sessions);
    CHECK(pipe(ends) == 0);
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        (void)dup2(ends[1], STDOUT_FILENO);
        (void)close(ends[0]);
        (void)close(ends[1]);
        (void)execlp("bash", "bash", script, conninfo, count, (char *)NULL);
        _exit(EXIT_FAILURE);
    }
    (void)close(ends[1]);
    FILE *out = fdopen(ends[0], "r");
    CHECK(out != NULL);
    bool read = fgets(line, sizeof line, out) != NULL;
    (void)fclose(out);
    CHECK(waitpid(pid, &status, 0) == pid);
    if (WIFEXITED(status) && WEXITSTATUS(status) == SKIPPED) {
        return -1;
    }
    if (status != 0 || !read || sscanf(line, "%" SCNu64 " %" SCNu64, records, &took_us) != 2 || took_us == 0) {
        return 0;
    }
    return (int64_t)(*records * 1000000 / took_us);
}

int main(int argc, char **argv)
{
    uint64_t sessions = argc > 1 ? strtoull(argv[1], NULL, 10) : 5000;
    uint64_t records = 0;
    char dir[] = "/tmp/farthing-bench-XXXXXX";
    char path[64];
    struct embedded *server = NULL;
    struct migrate_report migrated;
    struct err err = {0};
    CHECK(sessions > 0 && mkdtemp(dir) != NULL);
    (void)snprintf(path, sizeof path, "%s/postgresql", dir);
    const struct embedded_options options = {.dir = path};
    must(embedded_open(&options, &server, &err), &err);
    must(migrate_run(embedded_conninfo(server), &migrated, &err), &err);
    int64_t peer = run_freeradius(embedded_conninfo(server), sessions, &records);
    if (peer > 0) {
        int64_t ours = run_ours(dir, embedded_conninfo(server), records);
        int64_t permille = ours * 1000 / peer;
        (void)printf("{\"name\":\"peer_freeradius\",\"what\":\"records stored, hook to PostgreSQL, against FreeRADIUS "
                     "accounting (start and stop) into the same server\",\"value\":%" PRId64
                     ",\"unit\":\"records/s\",\"baseline\":%" PRId64 ",\"ratio\":%" PRId64 ".%03" PRId64 "}\n",
                     ours, peer, permille / 1000, permille % 1000);
    }
    embedded_close(&server);
    (void)fs_remove_tree(dir, NULL);
    return peer > 0 ? EXIT_SUCCESS : peer < 0 ? SKIPPED : EXIT_FAILURE;
}
