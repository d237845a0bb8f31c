/*
 * bench/freshness.c - from an emit to the moment the usage answer says so.
 *
 * One thread emits at the rate; the main thread asks for the month's usage again and again and notes how old each
 * counted record is. Baseline: 300 ms. Without a node, hook and aggregator are in this process, beside a PostgreSQL of
 * its own (fsync on), and the question is asked in C. With one (freshness.sh starts it), this process only writes into
 * the node's spool, as any runtime may, and asks over HTTP, as a tenant would: FARTHING_URL, FARTHING_KEY and
 * FARTHING_DATA_DIR say where.
 *
 *     bench_freshness [records/s] [seconds] [account's name and id in that node]
 */
#include "common/calendar.h"
#include "common/check.h"
#include "common/clock.h"
#include "common/err.h"
#include "common/fs.h"
#include "metering/aggregator.h"
#include "metering/hook.h"
#include "metering/usage.h"
#include "schema/embedded.h"
#include "schema/migrate.h"
#include "schema/pg.h"

#include <curl/curl.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ACCOUNT INT64_C(100000000001)
#define FUNCTIONS 100
#define GOAL_MS 300
#define BODY_BYTES 65536

static void must(int rc, const struct err *err)
{
    if (rc != 0) {
        (void)fprintf(stderr, "bench_freshness: %s\n", err->text);
        exit(EXIT_FAILURE);
    }
}

struct emitter {
    struct farthing_hook *hook;
    uint64_t rate, count;
    int64_t account_id;
    int64_t *emitted_us; /* when record n was emitted */
};

static void *emit_main(void *arg)
{
    struct emitter *self = arg;
    int64_t started_us = clock_mono_us();
    for (uint64_t n = 0; n < self->count; n++) {
        int64_t due_us = started_us + (int64_t)(n * 1000000 / self->rate);
        while (clock_mono_us() < due_us) {
            (void)poll(NULL, 0, 1);
        }
        const struct usage_record record = {.kind = USAGE_KIND_INVOCATION,
                                            .account_id = self->account_id,
                                            .function_id = (int64_t)(n % FUNCTIONS) + 1,
                                            .started_us = clock_wall_us(),
                                            .duration_us = 1000 + n % 5000,
                                            .billed_ms = 6,
                                            .memory_mib = 128,
                                            .billed_requests = 1,
                                            .attempt = 1};
        self->emitted_us[n] = clock_mono_us();
        CHECK(farthing_hook_emit(self->hook, &record) == FARTHING_HOOK_OK);
    }
    return NULL;
}

static int keep_count(const struct usage_row *row, void *ctx, struct err *err)
{
    (void)err;
    *(uint64_t *)ctx = (uint64_t)row->sums.invocations;
    return 0;
}

static int compare(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a;
    int64_t y = *(const int64_t *)b;
    return x < y ? -1 : x > y;
}

/* Who is asked: the database, or a node. */
struct asked {
    struct pg *pg;
    CURL *curl;
    char url[300];
};

static uint64_t ask_database(const struct asked *asked)
{
    struct err err = {0};
    uint64_t counted = 0;
    struct usage_query query = {.account_id = ACCOUNT};
    month_range(month_of(clock_wall_us()), &query.from_us, &query.to_us);
    must(usage_query_run(asked->pg, &query, keep_count, &counted, NULL, &err), &err);
    return counted;
}

static size_t keep_body(char *data, size_t size, size_t count, void *ctx)
{
    char *body = ctx;
    size_t length = strlen(body);
    size_t more = size * count < BODY_BYTES - 1 - length ? size * count : BODY_BYTES - 1 - length;
    memcpy(body + length, data, more);
    body[length + more] = '\0';
    return size * count;
}

static uint64_t ask_node(const struct asked *asked)
{
    static const char FIELD[] = "\"invocations\":";
    char body[BODY_BYTES] = "";
    long status = 0;
    CHECK(curl_easy_setopt(asked->curl, CURLOPT_WRITEDATA, body) == CURLE_OK);
    CHECK(curl_easy_perform(asked->curl) == CURLE_OK);
    CHECK(curl_easy_getinfo(asked->curl, CURLINFO_RESPONSE_CODE, &status) == CURLE_OK && status == 200);
    const char *at = strstr(body, FIELD);
    return at != NULL ? strtoull(at + sizeof FIELD - 1, NULL, 10) : 0;
}

/* Fills visible_us[n] with how long record n took to be counted. */
static void watch(const struct asked *asked, const struct emitter *emitter, int64_t *visible_us)
{
    for (uint64_t seen = 0; seen < emitter->count;) {
        uint64_t counted = asked->curl != NULL ? ask_node(asked) : ask_database(asked);
        int64_t now_us = clock_mono_us();
        for (; seen < counted; seen++) {
            visible_us[seen] = now_us - emitter->emitted_us[seen];
        }
    }
}

static void print_row(const char *name, bool http, uint64_t rate, int64_t value_us)
{
    (void)printf("{\"name\":\"%s%s_%" PRIu64 "\",\"what\":\"emit to visible in the usage answer%s, %" PRIu64
                 " records/s\",\"value\":%" PRId64 ",\"unit\":\"ms\",\"baseline\":%d,\"ratio\":%" PRId64 ".%03" PRId64
                 ",\"goal\":1,\"met\":%s}\n",
                 name, http ? "_http" : "", rate, http ? " over HTTP" : "", rate, value_us / 1000, GOAL_MS,
                 value_us / 1000 / GOAL_MS, value_us / GOAL_MS % 1000, value_us < GOAL_MS * 1000 ? "true" : "false");
}

/* Emit and watch at once, then say how long it took. */
static void run(struct emitter *emitter, const struct asked *asked)
{
    pthread_t thread;
    int64_t *visible_us = calloc(emitter->count, sizeof *visible_us);
    CHECK(visible_us != NULL);
    CHECK(pthread_create(&thread, NULL, emit_main, emitter) == 0);
    watch(asked, emitter, visible_us);
    (void)pthread_join(thread, NULL);
    qsort(visible_us, emitter->count, sizeof *visible_us, compare);
    print_row("freshness_p50", asked->curl != NULL, emitter->rate, visible_us[emitter->count / 2]);
    print_row("freshness_p99", asked->curl != NULL, emitter->rate, visible_us[emitter->count * 99 / 100]);
    free(visible_us);
}

static void run_alone(struct emitter *emitter)
{
    char dir[] = "/tmp/farthing-bench-XXXXXX";
    char path[64];
    struct embedded *server = NULL;
    struct aggregator *aggregator = NULL;
    struct asked asked = {0};
    struct err err = {0};
    struct migrate_report migrated;
    CHECK(mkdtemp(dir) != NULL);
    (void)snprintf(path, sizeof path, "%s/postgresql", dir);
    const struct embedded_options options = {.dir = path};
    must(embedded_open(&options, &server, &err), &err);
    must(migrate_run(embedded_conninfo(server), &migrated, &err), &err);
    must(pg_open(embedded_conninfo(server), &asked.pg, &err), &err);
    (void)snprintf(path, sizeof path, "%s/spool", dir);
    const struct farthing_hook_options hook_options = {.dir = path};
    must(farthing_hook_open(&hook_options, &emitter->hook, &err), &err);
    const struct aggregator_options aggregator_options = {.spool_dir = path, .conninfo = embedded_conninfo(server)};
    must(aggregator_start(&aggregator_options, &aggregator, &err), &err);
    run(emitter, &asked);
    farthing_hook_close(&emitter->hook);
    aggregator_stop(&aggregator, true);
    pg_close(&asked.pg);
    embedded_close(&server);
    (void)fs_remove_tree(dir, NULL);
}

static const char *setting(const char *name)
{
    const char *value = getenv(name);
    CHECK(value != NULL);
    return value;
}

static void run_beside_node(struct emitter *emitter, const char *account)
{
    char path[300];
    char header[200];
    char from[CALENDAR_TEXT_BYTES];
    char to[CALENDAR_TEXT_BYTES];
    int64_t from_us;
    int64_t to_us;
    struct err err = {0};
    struct asked asked = {.curl = curl_easy_init()};
    CHECK(asked.curl != NULL);
    month_range(month_of(clock_wall_us()), &from_us, &to_us);
    calendar_format(from_us, from);
    calendar_format(to_us, to);
    (void)snprintf(asked.url, sizeof asked.url, "%s/v1/accounts/%s/usage?from=%s&to=%s", setting("FARTHING_URL"),
                   account, from, to);
    (void)snprintf(header, sizeof header, "Authorization: Bearer %s", setting("FARTHING_KEY"));
    struct curl_slist *headers = curl_slist_append(NULL, header);
    CHECK(headers != NULL && curl_easy_setopt(asked.curl, CURLOPT_HTTPHEADER, headers) == CURLE_OK &&
          curl_easy_setopt(asked.curl, CURLOPT_URL, asked.url) == CURLE_OK &&
          curl_easy_setopt(asked.curl, CURLOPT_WRITEFUNCTION, keep_body) == CURLE_OK);
    (void)snprintf(path, sizeof path, "%s/spool", setting("FARTHING_DATA_DIR"));
    const struct farthing_hook_options hook_options = {.dir = path};
    must(farthing_hook_open(&hook_options, &emitter->hook, &err), &err);
    run(emitter, &asked);
    farthing_hook_close(&emitter->hook);
    curl_slist_free_all(headers);
    curl_easy_cleanup(asked.curl);
}

int main(int argc, char **argv)
{
    struct emitter emitter = {.rate = argc > 1 ? strtoull(argv[1], NULL, 10) : 5000, .account_id = ACCOUNT};
    uint64_t seconds = argc > 2 ? strtoull(argv[2], NULL, 10) : 10;
    emitter.count = emitter.rate * seconds;
    emitter.emitted_us = calloc(emitter.count, sizeof *emitter.emitted_us);
    CHECK(emitter.emitted_us != NULL && emitter.count > 0);
    if (argc > 4) {
        emitter.account_id = strtoll(argv[4], NULL, 10);
        run_beside_node(&emitter, argv[3]);
    } else {
        run_alone(&emitter);
    }
    free(emitter.emitted_us);
    return EXIT_SUCCESS;
}
