/* A node: the parts in order, the loop that watches them, and their end in reverse.
 * Length: every part is started and stopped here, and nowhere else. */
#include "api/node.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "api/api.h"
#include "api/audit_store.h"
#include "api/auth.h"
#include "api/closer.h"
#include "api/key_store.h"
#include "api/node_prices.h"
#include "api/node_store.h"
#include "api/upkeep.h"
#include "api/webhook_sender.h"
#include "billing/price_book.h"
#include "common/buf.h"
#include "common/calendar.h"
#include "common/check.h"
#include "common/clock.h"
#include "common/err.h"
#include "common/fs.h"
#include "common/json.h"
#include "common/log.h"
#include "common/text.h"
#include "engine/admission.h"
#include "engine/engine.h"
#include "engine/node_key.h"
#include "metering/aggregator.h"
#include "metering/hook.h"
#include "schema/embedded.h"
#include "schema/migrate.h"
#include "schema/pg.h"

#define BEAT_US INT64_C(5000000)
#define EXPIRE_US INT64_C(600000000)
#define DRAIN_API_MS 10000
#define DRAIN_ENGINE_MS 10000
#define DRAIN_REST_MS 5000
#define FIRST_ROUND_MS 5000

struct node {
    struct node_options options;
    char data_dir[PATH_MAX - 64];
    char url[300];
    char admin_key[AUTH_KEY_BYTES + 200];
    char name[160];
    uint8_t key[NODE_KEY_BYTES];
    int lock_fd;
    char *conninfo;
    struct embedded *embedded;
    struct pg *pg; /* of the main thread */
    int64_t node_id;
    struct farthing_hook *hook;
    struct aggregator *aggregator;
    struct prices *prices;
    struct admission *admission;
    struct engine *engine;
    struct webhook_sender *webhooks;
    struct upkeep *upkeep;
    struct closer *closer;
    struct api *api;
    atomic_bool stop;
    int64_t beat_us, expire_us;
    int64_t price_epoch;
};

static void path_in(const struct node *node, const char *name, char path[PATH_MAX])
{
    (void)snprintf(path, PATH_MAX, "%s/%s", node->data_dir, name);
}

static bool has_role(const struct node *node, const char *role)
{
    const char *at = node->options.roles;
    size_t length = strlen(role);
    while (at != NULL && *at != '\0') {
        size_t next = strcspn(at, ",");
        if (next == length && strncmp(at, role, length) == 0) {
            return true;
        }
        at += next;
        at += *at == ',';
    }
    return node->options.roles == NULL;
}

/* ---- the data directory ---- */

/* One node a directory: the lock goes with the process, however it ends. */
static int lock_take(struct node *node, struct err *err)
{
    char path[PATH_MAX];
    path_in(node, "lock", path);
    node->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (node->lock_fd < 0) {
        return err_set(err, ERR_SYSTEM, "cannot open %s: %s", path, strerror(errno));
    }
    if (flock(node->lock_fd, LOCK_EX | LOCK_NB) != 0) {
        return errno == EWOULDBLOCK ? err_set(err, ERR_CONFLICT, "another node runs in %s", node->data_dir)
                                    : err_set(err, ERR_SYSTEM, "cannot lock %s: %s", path, strerror(errno));
    }
    return 0;
}

static int file_put(const struct node *node, const char *name, const char *text, struct err *err)
{
    char path[PATH_MAX];
    path_in(node, name, path);
    return fs_write_atomic(path, text, strlen(text), 0600, err);
}

/* The first line of a file; "" when it is not there. */
static int file_get(const struct node *node, const char *name, char *text, size_t size, struct err *err)
{
    char path[PATH_MAX];
    struct buf bytes = {0};
    path_in(node, name, path);
    text[0] = '\0';
    if (access(path, F_OK) != 0) {
        return 0;
    }
    if (fs_read(path, size - 1, &bytes, err) != 0) {
        return -1;
    }
    (void)snprintf(text, size, "%s", buf_text(&bytes));
    text[strcspn(text, "\r\n")] = '\0';
    buf_free(&bytes);
    return 0;
}

static int data_dir_open(struct node *node, struct err *err)
{
    char path[PATH_MAX];
    char resolved[PATH_MAX];
    if (fs_make_dirs(node->options.data_dir, 0700, err) != 0) {
        return -1;
    }
    if (realpath(node->options.data_dir, resolved) == NULL ||
        text_copy(node->data_dir, sizeof node->data_dir, resolved) != 0) {
        return err_set(err, ERR_INVALID, "the data directory %.200s cannot be used: %s", node->options.data_dir,
                       strerror(errno));
    }
    path_in(node, "node.key", path);
    if (lock_take(node, err) != 0 || node_key_load(path, node->key, err) != 0 ||
        file_get(node, "node.name", node->name, sizeof node->name, err) != 0) {
        return -1;
    }
    if (node->name[0] != '\0') {
        return 0;
    }
    char host[100] = "node";
    uint32_t mark = 0;
    (void)gethostname(host, sizeof host - 1);
    random_bytes(&mark, sizeof mark);
    (void)snprintf(node->name, sizeof node->name, "%s-%08x", host, mark);
    return file_put(node, "node.name", node->name, err);
}

/* ---- the parts, in the order they start ---- */

/* Where the role that connects may make no roles, the API's own checks are all there is between accounts. */
static int say_if_one_wall(const char *conninfo, struct err *err)
{
    struct pg *pg = NULL;
    if (pg_open_tenant(conninfo, &pg, err) != 0) {
        return -1;
    }
    if (!pg_is_walled(pg)) {
        LOG(LOG_LEVEL_WARN, "database.no_tenant_role",
            LF_STR("hint", "the role that migrates needs CREATEROLE and CREATE on the database: see docs/decisions/"
                           "second-wall-between-accounts.md"));
    }
    pg_close(&pg);
    return 0;
}

static int database_open(struct node *node, struct err *err)
{
    struct migrate_report report = {0};
    if (node->options.database != NULL && node->options.database[0] != '\0') {
        node->conninfo = strdup(node->options.database);
    } else {
        char dir[PATH_MAX];
        path_in(node, "postgresql", dir);
        /* The server runs as another user when we are root: it must be able to walk down to its own folder. */
        if (geteuid() == 0 && chmod(node->data_dir, 0711) != 0) {
            return err_set(err, ERR_SYSTEM, "cannot change the mode of %s: %s", node->data_dir, strerror(errno));
        }
        const struct embedded_options options = {.dir = dir};
        if (embedded_open(&options, &node->embedded, err) != 0) {
            return -1;
        }
        node->conninfo = strdup(embedded_conninfo(node->embedded));
    }
    if (node->conninfo == NULL) {
        return err_set(err, ERR_SYSTEM, "out of memory");
    }
    if (migrate_run(node->conninfo, &report, err) != 0 || pg_open(node->conninfo, &node->pg, err) != 0 ||
        price_book_seed(node->pg, err) != 0) {
        return -1;
    }
    LOG(LOG_LEVEL_INFO, "database.ready", LF_I64("migrations_applied", report.applied),
        LF_I64("version", report.version));
    if (say_if_one_wall(node->conninfo, err) != 0) {
        return -1;
    }
    return file_put(node, "database-url", node->conninfo, err);
}

static int admin_key_open(struct node *node, struct err *err)
{
    uint8_t digest[SHA256_BYTES];
    char prefix[9];
    bool made = false;
    if (node->options.admin_key != NULL) {
        if (text_copy(node->admin_key, sizeof node->admin_key, node->options.admin_key) != 0 ||
            !text_starts(node->admin_key, AUTH_KEY_PREFIX)) {
            return err_field(err, "admin-key", "an admin key starts with " AUTH_KEY_PREFIX);
        }
    } else if (file_get(node, "admin.key", node->admin_key, sizeof node->admin_key, err) != 0) {
        return -1;
    }
    if (node->admin_key[0] == '\0') {
        auth_new_key(node->admin_key);
        made = true;
    }
    (void)snprintf(prefix, sizeof prefix, "%.8s", node->admin_key);
    sha256(node->admin_key, strlen(node->admin_key), digest);
    if (node_store_admin_key(node->pg, digest, prefix, err) != 0 ||
        file_put(node, "admin.key", node->admin_key, err) != 0) {
        return -1;
    }
    if (made) {
        /* Shown once to a person; where output is a file or a journal, only where it is. */
        bool person = isatty(STDOUT_FILENO) == 1;
        (void)printf("the admin key is in %s/admin.key%s%s\n", node->data_dir, person ? ": " : "",
                     person ? node->admin_key : "");
        (void)fflush(stdout);
    }
    return 0;
}

static int metering_open(struct node *node, struct err *err)
{
    char spool[PATH_MAX];
    path_in(node, "spool", spool);
    const struct farthing_hook_options hook = {
        .dir = spool, .spool_bytes_max = node->options.spool_bytes_max, .node_id = (uint32_t)node->node_id};
    if (farthing_hook_open(&hook, &node->hook, err) != 0) {
        return -1;
    }
    if (!has_role(node, "aggregator")) {
        return 0;
    }
    const struct aggregator_options aggregator = {
        .spool_dir = spool, .conninfo = node->conninfo, .node_id = node->node_id};
    struct err late = {0};
    if (aggregator_start(&aggregator, &node->aggregator, err) != 0) {
        return -1;
    }
    /* Once our producer is known to the database no answer says "complete" beyond it: before anybody can ask. */
    if (aggregator_flush(node->aggregator, FIRST_ROUND_MS, &late) != 0) {
        LOG(LOG_LEVEL_WARN, "node.spool_not_read_yet", LF_STR("reason", late.text));
    }
    return upkeep_start(node->conninfo, node->options.retention_days, &node->upkeep, err);
}

static int sandbox_of(const char *text, enum engine_sandbox *sandbox, struct err *err)
{
    static const char *const words[] = {"auto", "bwrap", "none"};
    for (unsigned i = 0; i < 3; i++) {
        if (text == NULL || strcmp(text, words[i]) == 0) {
            *sandbox = (enum engine_sandbox)i;
            return 0;
        }
    }
    return err_field(err, "sandbox", "sandbox is \"%.20s\"; it is auto, bwrap or none", text);
}

static int engine_start(struct node *node, struct err *err)
{
    enum engine_sandbox sandbox = SANDBOX_AUTO;
    if (!has_role(node, "engine")) {
        return 0;
    }
    const struct admission_prices prices = {
        .worst = prices_worst, .actual = prices_actual, .month = prices_month, .ctx = node->prices};
    const struct admission_options admission = {
        .conninfo = node->conninfo, .node_id = node->node_id, .hook = node->hook, .prices = &prices};
    if (sandbox_of(node->options.sandbox, &sandbox, err) != 0 ||
        admission_open(&admission, &node->admission, err) != 0) {
        return -1;
    }
    const struct engine_options options = {.data_dir = node->data_dir,
                                           .conninfo = node->conninfo,
                                           .hook = node->hook,
                                           .admission = node->admission,
                                           .node_id = node->node_id,
                                           .node_key = node->key,
                                           .sandbox = sandbox,
                                           .allow_network_host = node->options.allow_network_host,
                                           .policy = prices_policy,
                                           .policy_ctx = node->prices};
    return engine_open(&options, &node->engine, err);
}

static int webhooks_start(struct node *node, struct err *err)
{
    const struct webhook_sender_options options = {
        .conninfo = node->conninfo, .node_key = node->key, .allow_private = node->options.allow_private_webhooks};
    return has_role(node, "api") ? webhook_sender_start(&options, &node->webhooks, err) : 0;
}

static int biller_start(struct node *node, struct err *err)
{
    const struct closer_options options = {.conninfo = node->conninfo,
                                           .automatic = node->options.close_months,
                                           .grace_us = node->options.close_grace_hours * CALENDAR_HOUR_US,
                                           .workers = 1};
    return has_role(node, "biller") ? closer_start(&options, &node->closer, err) : 0;
}

static int http_start(struct node *node, struct err *err)
{
    const char *listen = node->options.listen != NULL ? node->options.listen : "127.0.0.1:8080";
    const struct api_options options = {.listen = listen,
                                        .conninfo = node->conninfo,
                                        .head_wait_s = node->options.head_wait_s,
                                        .ready_lag_s = node->options.ready_lag_s,
                                        .tls_cert = node->options.tls_cert,
                                        .tls_key = node->options.tls_key,
                                        .issuer = node->options.issuer,
                                        .issuer_party = node->options.issuer_party,
                                        .function_url_base = node->options.function_url_base,
                                        .region = "local",
                                        .data_dir = node->data_dir,
                                        .node_key = node->key,
                                        .node_id = node->node_id,
                                        .engine = node->engine,
                                        .admission = node->admission,
                                        .aggregator = node->aggregator,
                                        .hook = node->hook,
                                        .closer = node->closer,
                                        .price_changed = prices_forget,
                                        .price_ctx = node->prices};
    if (api_open(&options, &node->api, err) != 0) {
        return -1;
    }
    const char *colon = strrchr(listen, ':');
    int host = colon != NULL ? (int)(colon - listen) : 0;
    (void)snprintf(node->url, sizeof node->url, "%s://%.*s:%d", node->options.tls_cert != NULL ? "https" : "http",
                   host > 0 ? host : 9, host > 0 ? listen : "127.0.0.1", api_port(node->api));
    return file_put(node, "url", node->url, err);
}

static int start_all(struct node *node, struct err *err)
{
    if (data_dir_open(node, err) != 0 || database_open(node, err) != 0 || admin_key_open(node, err) != 0 ||
        node_store_put(node->pg, node->name, "", FARTHING_VERSION, &node->node_id, err) != 0 ||
        prices_open(node->conninfo, &node->prices, err) != 0 || metering_open(node, err) != 0 ||
        engine_start(node, err) != 0 || webhooks_start(node, err) != 0 || biller_start(node, err) != 0) {
        return -1;
    }
    return http_start(node, err);
}

/* Threads of all parts inherit this: only node_run hears of the signals. */
static void block_signals(sigset_t *set)
{
    sigemptyset(set);
    sigaddset(set, SIGTERM);
    sigaddset(set, SIGINT);
    sigaddset(set, SIGHUP);
    CHECK(pthread_sigmask(SIG_BLOCK, set, NULL) == 0);
    (void)signal(SIGPIPE, SIG_IGN);
}

int node_open(const struct node_options *options, struct node **out, struct err *err)
{
    struct node *node = calloc(1, sizeof *node);
    sigset_t set;
    if (node == NULL) {
        return err_set(err, ERR_SYSTEM, "out of memory");
    }
    node->options = *options;
    node->lock_fd = -1;
    node->price_epoch = -1;
    if (options->data_dir == NULL) {
        free(node);
        return err_field(err, "data-dir", "data-dir is missing");
    }
    block_signals(&set);
    if (start_all(node, err) != 0) {
        node_close(&node);
        return -1;
    }
    LOG(LOG_LEVEL_INFO, "node.started", LF_STR("url", node->url), LF_STR("name", node->name),
        LF_I64("node_id", node->node_id), LF_STR("version", FARTHING_VERSION));
    *out = node;
    return 0;
}

const char *node_url(const struct node *node)
{
    return node->url;
}

const char *node_admin_key(const struct node *node)
{
    return node->admin_key;
}

/* ---- the loop ---- */

static void status_json(const struct node *node, struct buf *out)
{
    struct json_writer writer;
    struct api_stats api = {0};
    json_writer_init(&writer, out);
    json_open_object(&writer, NULL);
    api_stats(node->api, &api);
    json_put_i64(&writer, "requests_in_flight", api.in_flight);
    json_put_i64(&writer, "spool_fill_thousandths", farthing_hook_fill(node->hook));
    if (node->aggregator != NULL) {
        struct aggregator_stats stats;
        aggregator_stats(node->aggregator, &stats);
        json_put_i64(&writer, "records_stored", (int64_t)stats.records);
        json_put_i64(&writer, "records_pending", (int64_t)stats.pending);
        json_put_i64(&writer, "lag_us", stats.lag_us);
    }
    if (node->engine != NULL) {
        struct engine_stats stats = {0};
        engine_stats(node->engine, &stats);
        json_put_i64(&writer, "instances", stats.instances);
        json_put_i64(&writer, "instances_busy", stats.instances_busy);
        json_put_i64(&writer, "invocations", stats.invocations);
        json_put_text(&writer, "sandbox", stats.sandbox);
        json_put_text(&writer, "memory_source", stats.memory_source);
    }
    json_close_object(&writer);
}

static int beat(struct node *node, struct err *err)
{
    struct buf status = {0};
    int64_t epoch = 0;
    int64_t now_us = clock_mono_us();
    int rc = pg_ensure(node->pg, err);
    if (rc == 0) {
        rc = key_store_epoch(node->pg, &epoch, err);
    }
    if (rc == 0 && epoch != node->price_epoch) {
        node->price_epoch = epoch;
        prices_forget(node->prices);
    }
    if (rc == 0 && now_us - node->beat_us >= BEAT_US) {
        status_json(node, &status);
        rc = node_store_beat(node->pg, node->node_id, node->url, buf_text(&status), err);
        node->beat_us = now_us;
    }
    if (rc == 0 && now_us - node->expire_us >= EXPIRE_US) {
        rc = idempotency_store_expire(node->pg, err);
        node->expire_us = now_us;
    }
    buf_free(&status);
    return rc;
}

/* The embedded server died under us: start it again, its recovery does the rest. */
static void watch_database(struct node *node)
{
    struct err err = {0};
    char dir[PATH_MAX];
    if (node->embedded == NULL || embedded_alive(node->embedded)) {
        return;
    }
    LOG(LOG_LEVEL_ERROR, "database.died", LF_STR("data_dir", node->data_dir));
    path_in(node, "postgresql", dir);
    embedded_close(&node->embedded);
    const struct embedded_options options = {.dir = dir};
    if (embedded_open(&options, &node->embedded, &err) != 0) {
        LOG(LOG_LEVEL_ERROR, "database.restart_failed", LF_STR("error", err.text));
        return;
    }
    LOG(LOG_LEVEL_INFO, "database.restarted", LF_I64("pid", 0));
}

int node_run(struct node *node, struct err *err)
{
    sigset_t set;
    bool lost = false;
    (void)err;
    block_signals(&set);
    while (!atomic_load(&node->stop)) {
        const struct timespec second = {.tv_sec = 1};
        struct err local = {0};
        watch_database(node);
        if (beat(node, &local) != 0) {
            if (!lost) {
                LOG(LOG_LEVEL_ERROR, "node.heartbeat_failed", LF_STR("error", local.text));
            }
            lost = true;
        } else {
            lost = false;
        }
        int signal_number = sigtimedwait(&set, NULL, &second);
        if (signal_number == SIGTERM || signal_number == SIGINT) {
            LOG(LOG_LEVEL_INFO, "node.stopping", LF_I64("signal", signal_number));
            break;
        }
    }
    return 0;
}

void node_stop(struct node *node)
{
    atomic_store(&node->stop, true);
}

void node_close(struct node **ref)
{
    struct node *node = *ref;
    if (node == NULL) {
        return;
    }
    *ref = NULL;
    if (node->api != NULL) {
        api_quiesce(node->api);
        (void)api_drained(node->api, DRAIN_API_MS);
    }
    engine_close(&node->engine, DRAIN_ENGINE_MS);
    if (node->api != NULL) {
        (void)api_drained(node->api, DRAIN_REST_MS);
        api_close(&node->api);
    }
    if (node->webhooks != NULL) {
        webhook_sender_stop(&node->webhooks);
    }
    closer_stop(&node->closer);
    upkeep_stop(&node->upkeep);
    if (node->aggregator != NULL) {
        aggregator_stop(&node->aggregator, true);
    }
    admission_close(&node->admission);
    farthing_hook_close(&node->hook);
    prices_close(&node->prices);
    pg_close(&node->pg);
    embedded_close(&node->embedded);
    free(node->conninfo);
    if (node->lock_fd >= 0) {
        char path[PATH_MAX];
        path_in(node, "url", path);
        (void)unlink(path);
        (void)close(node->lock_fd);
        LOG(LOG_LEVEL_INFO, "node.stopped", LF_STR("name", node->name));
    }
    free(node);
}
