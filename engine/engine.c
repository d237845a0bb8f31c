#include "engine/engine.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/fs.h"
#include "common/ids.h"
#include "common/log.h"
#include "common/map.h"
#include "engine/async.h"
#include "engine/counters.h"
#include "engine/engine_internal.h"
#include "engine/function_store.h"
#include "engine/idempotency.h"
#include "engine/image.h"
#include "engine/log_store.h"
#include "engine/meter.h"
#include "engine/payload.h"
#include "engine/runtime_api.h"
#include "schema/pg.h"

#define MEMORY_SHARE_PERCENT                                                                                           \
    200 /* configured memory of all instances against the machine's: most use a fraction of theirs */
#define INSTANCES_PER_GIB 64
#define KILL_WAIT_MS 10000
#define SITE_NAME_BYTES 8 /* of the digest of the data directory */

/* ---- open ---- */

static int64_t machine_memory_mib(void)
{
    return (int64_t)sysconf(_SC_PHYS_PAGES) * (sysconf(_SC_PAGESIZE) / 1024) / 1024;
}

/* As root, instances run as users who must be able to walk to the code; a data directory below a private one is no
 * place for it. */
static bool walkable(const char *path)
{
    char part[ENGINE_PATH_BYTES];
    struct stat found;
    (void)snprintf(part, sizeof part, "%s", path);
    for (char *slash = part + strlen(part); slash != NULL && slash > part; slash = strrchr(part, '/')) {
        *slash = '\0';
        if (part[0] != '\0' && stat(part, &found) == 0 && (found.st_mode & S_IXOTH) == 0) {
            return false;
        }
    }
    return true;
}

static int choose_dirs(struct engine *engine, struct err *err)
{
    char base[ENGINE_PATH_BYTES / 2];
    char *real = NULL;
    if (fs_make_dirs(engine->data_dir, 0755, err) != 0) {
        return -1;
    }
    real = realpath(engine->data_dir, NULL);
    if (real == NULL) {
        return err_set(err, ERR_SYSTEM, "engine: %s is no directory", engine->data_dir);
    }
    (void)snprintf(base, sizeof base, "%.1900s", real);
    free(real);
    struct stat found;
    bool open = stat(base, &found) == 0 && (found.st_mode & S_IXOTH) != 0 && walkable(base);
    if (geteuid() == 0 && !open) {
        uint8_t digest[SHA256_BYTES];
        char hex[17];
        sha256(base, strlen(base), digest);
        hex_encode(digest, 8, hex);
        (void)snprintf(base, sizeof base, "/var/cache/farthing/%s", hex);
        LOG(LOG_LEVEL_INFO, "engine.code_elsewhere", LF_STR("dir", base));
    }
    (void)snprintf(engine->code_dir, sizeof engine->code_dir, "%s/code", base);
    (void)snprintf(engine->image_dir, sizeof engine->image_dir, "%s/runtime", base);
    /* Searchable, not listable: names are digests. */
    if (fs_make_dirs(engine->code_dir, 0711, err) != 0) {
        return -1;
    }
    (void)chmod(engine->code_dir, 0711);
    return image_install(engine->image_dir, err);
}

static int choose_sandbox(struct engine *engine, struct err *err)
{
    char finding[200];
    bool usable = engine->options.sandbox != SANDBOX_NONE && sandbox_probe(finding, sizeof finding);
    if (engine->options.sandbox == SANDBOX_BWRAP && !usable) {
        return err_set(
            err, ERR_SYSTEM,
            "functions cannot be isolated on this machine (%s); --sandbox none runs them as plain processes, "
            "for development only",
            finding);
    }
    engine->isolated = usable;
    if (!usable) {
        LOG(LOG_LEVEL_WARN, "engine.no_sandbox",
            LF_STR("meaning", "functions run as plain processes of this node's user"));
    }
    return 0;
}

/*
 * Nodes of different databases may share a machine, and number themselves alike: the data directory tells them apart.
 */
static int open_site(struct engine *engine, struct err *err)
{
    uint8_t digest[SHA256_BYTES];
    char name[2 * SITE_NAME_BYTES + 1];
    sha256(engine->data_dir, strlen(engine->data_dir), digest);
    hex_encode(digest, SITE_NAME_BYTES, name);
    return meter_site_open(name, &engine->site, err);
}

static int open_parts(struct engine *engine, struct err *err)
{
    if (choose_dirs(engine, err) != 0 || choose_sandbox(engine, err) != 0 || open_site(engine, err) != 0 ||
        log_store_open(&engine->logs, err) != 0 || idem_open(&engine->idem, err) != 0 ||
        pg_pool_open(engine->conninfo, ENGINE_WORKERS + 2, &engine->pool, err) != 0 || loop_start(engine, err) != 0 ||
        workers_start(engine, err) != 0 || runtime_api_open(engine, &engine->runtime_api, err) != 0 ||
        async_open(engine, &engine->async, err) != 0) {
        return -1;
    }
    return 0;
}

static void init_locks(struct engine *engine)
{
    pthread_condattr_t attributes;
    (void)pthread_mutex_init(&engine->lock, NULL);
    (void)pthread_mutex_init(&engine->mail_lock, NULL);
    (void)pthread_mutex_init(&engine->job_lock, NULL);
    (void)pthread_cond_init(&engine->job_wake, NULL);
    (void)pthread_condattr_init(&attributes);
    (void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&engine->idle_changed, &attributes);
    (void)pthread_condattr_destroy(&attributes);
}

int engine_open(const struct engine_options *options, struct engine **engine, struct err *err)
{
    struct engine *made = calloc(1, sizeof *made);
    if (made == NULL) {
        return err_set(err, ERR_SYSTEM, "engine: out of memory");
    }
    init_locks(made);
    made->epoll_fd = made->mail_fd = made->timer_fd = -1;
    made->options = *options;
    made->data_dir = strdup(options->data_dir);
    made->conninfo = strdup(options->conninfo);
    made->region = strdup(options->region != NULL ? options->region : "local");
    made->targets = map_new();
    made->fleets = map_new();
    made->counters = map_new();
    made->memory_max_mib = machine_memory_mib() * MEMORY_SHARE_PERCENT / 100;
    int most = (int)(machine_memory_mib() / 1024 * INSTANCES_PER_GIB);
    made->instances_max = options->instances_max > 0 ? options->instances_max : most < 16 ? 16 : most;
    made->options.idle_s = options->idle_s > 0 ? options->idle_s : ENGINE_IDLE_S;
    if (options->node_key != NULL) {
        memcpy(made->node_key, options->node_key, sizeof made->node_key);
        function_store_key_set(options->node_key);
    }
    if (made->data_dir == NULL || made->conninfo == NULL || made->region == NULL || made->targets == NULL ||
        made->fleets == NULL || made->counters == NULL) {
        (void)err_set(err, ERR_SYSTEM, "engine: out of memory");
    } else if (open_parts(made, err) == 0) {
        worker_do(made, provisioned_prepare_job, true, NULL);
        *engine = made;
        return 0;
    }
    engine_close(&made, 0);
    return -1;
}

/* ---- close ---- */

/* Wait on idle_changed until a count is zero or the time is over. Lock held. */
static void wait_for(struct engine *engine, const int *counter, int wait_ms)
{
    struct timespec until;
    clock_deadline(wait_ms, &until);
    while (*counter > 0) {
        if (pthread_cond_timedwait(&engine->idle_changed, &engine->lock, &until) != 0) {
            return;
        }
    }
}

static void refuse_waiting(const void *key, size_t key_length, void *value, void *ctx)
{
    (void)key;
    (void)key_length;
    struct fleet *fleet = value;
    struct call *call = NULL;
    (void)ctx;
    while ((call = fleet_pop(fleet)) != NULL) {
        call->outcome = INVOKE_FAILED;
        (void)err_set(&call->error, ERR_RETRY, "this node is stopping");
        call_later(call);
    }
}

static void drain(struct engine *engine, int wait_ms)
{
    (void)pthread_mutex_lock(&engine->lock);
    engine->closing = true;
    map_each(engine->fleets, refuse_waiting, NULL);
    wait_for(engine, &engine->active_calls, wait_ms);
    for (struct instance *at = engine->instances; at != NULL; at = at->all_next) {
        instance_stop(engine, at, USAGE_KILLED);
    }
    wait_for(engine, &engine->active_calls, KILL_WAIT_MS);
    wait_for(engine, &engine->instance_count, KILL_WAIT_MS);
    (void)pthread_mutex_unlock(&engine->lock);
}

void engine_close(struct engine **engine, int wait_ms)
{
    struct engine *self = *engine;
    *engine = NULL;
    if (self == NULL) {
        return;
    }
    async_stop(self->async);
    if (self->logs != NULL) {
        log_store_stop(self->logs);
    }
    if (self->loop_started) {
        drain(self, wait_ms);
    }
    async_close(&self->async);
    workers_stop(self);
    loop_stop(self);
    runtime_api_close(&self->runtime_api);
    targets_free(self);
    counters_free(self);
    idem_close(&self->idem);
    log_store_close(&self->logs);
    meter_site_close(&self->site);
    pg_pool_close(&self->pool);
    (void)pthread_cond_destroy(&self->idle_changed);
    (void)pthread_cond_destroy(&self->job_wake);
    (void)pthread_mutex_destroy(&self->job_lock);
    (void)pthread_mutex_destroy(&self->mail_lock);
    (void)pthread_mutex_destroy(&self->lock);
    free(self->data_dir);
    free(self->conninfo);
    free(self->region);
    free(self);
}

/* ---- invoke ---- */

static int check_request(const struct invoke_request *request, struct err *err)
{
    size_t at = 0;
    if (name_check_function(request->function, "/function", err) != 0) {
        return -1;
    }
    if (request->qualifier != NULL && strlen(request->qualifier) > 128) {
        return err_field(err, "/qualifier", "a qualifier has at most 128 characters");
    }
    size_t most = request->type == INVOKE_EVENT ? INVOKE_ASYNC_BYTES_MAX : INVOKE_REQUEST_BYTES_MAX;
    if (request->payload_length > most) {
        (void)err_set(err, ERR_LIMIT, "Request must be smaller than %zu bytes for the InvokeFunction operation", most);
        return err_slug(err, "body_too_large");
    }
    if (request->payload_length > 0 && !payload_is_json(request->payload, request->payload_length, &at)) {
        (void)err_field(err, "/payload", "Could not parse request body into json: it stops to be JSON at byte %zu", at);
        return err_slug(err, "invalid_request_content");
    }
    if (request->idempotency_key != NULL && strlen(request->idempotency_key) > IDEM_KEY_BYTES_MAX) {
        return err_field(err, "Idempotency-Key", "an idempotency key has at most %d characters", IDEM_KEY_BYTES_MAX);
    }
    return 0;
}

void engine_start(struct call *call)
{
    struct engine *engine = call->engine;
    if (call->type != INVOKE_EVENT || call->async) {
        dispatch_first(call);
        return;
    }
    (void)pthread_mutex_lock(&engine->lock);
    engine->active_calls++;
    (void)pthread_mutex_unlock(&engine->lock);
    async_accept(engine->async, call);
}

/* The first run's answer becomes this call's. */
static void take_known(const struct invoke_result *result, void *ctx)
{
    struct call *call = ctx;
    call->replayed = true;
    call->outcome = result->outcome;
    call->known_version = result->version;
    call->id = result->request_id;
    call->record = result->record;
    call->function_error = result->function_error != NULL;
    (void)snprintf(call->content_type, sizeof call->content_type, "%s", result->content_type);
    buf_append(&call->answer, result->payload, result->payload_length);
    buf_append(&call->tail, result->log_tail, result->log_tail_length);
}

int engine_invoke(struct engine *engine, const struct invoke_request *request, invoke_done_fn *done,
                  invoke_chunk_fn *on_chunk, void *ctx, struct err *err)
{
    if (check_request(request, err) != 0) {
        return -1;
    }
    struct call *call = call_new(engine, request);
    if (call == NULL) {
        return err_set(err, ERR_SYSTEM, "engine: out of memory");
    }
    call->done = done;
    call->on_chunk = on_chunk;
    call->ctx = ctx;
    if (request->idempotency_key != NULL && request->idempotency_key[0] != '\0' && request->type != INVOKE_DRY_RUN) {
        enum idem_verdict verdict =
            idem_begin(engine->idem, request->account_id, request->function, request->idempotency_key, clock_mono_ns(),
                       done, ctx, take_known, call, &call->idem);
        if (verdict == IDEM_JOINED) {
            call_unref(call);
            return 0;
        }
        if (verdict == IDEM_KNOWN) {
            (void)pthread_mutex_lock(&engine->lock);
            engine->active_calls++;
            (void)pthread_mutex_unlock(&engine->lock);
            call_later(call);
            return 0;
        }
    }
    engine_start(call);
    return 0;
}

void engine_function_changed(struct engine *engine, int64_t account_id, const char *name)
{
    target_changed(engine, account_id, name);
}

/* ---- looking in ---- */

static void count_queued(const void *key, size_t key_length, void *value, void *ctx)
{
    (void)key;
    (void)key_length;
    const struct fleet *fleet = value;
    struct engine_stats *stats = ctx;
    stats->queued += fleet->queued;
    stats->instances_busy += fleet->busy;
    stats->instances_starting += fleet->starting;
}

void engine_stats(const struct engine *engine, struct engine_stats *stats)
{
    struct engine *self = (struct engine *)(uintptr_t)engine;
    *stats = (struct engine_stats){
        .invocations = atomic_load(&self->invocations),
        .errors = atomic_load(&self->errors),
        .refusals = atomic_load(&self->refusals),
        .cold_starts = atomic_load(&self->cold_starts),
        .timeouts = atomic_load(&self->timeouts),
        .sandbox = engine->isolated ? "bwrap" : "none",
        .memory_source = meter_site_source(engine->site),
    };
    int64_t now_us = clock_wall_us();
    (void)pthread_mutex_lock(&self->lock);
    stats->async_pending = engine->events_waiting;
    stats->async_oldest_us =
        engine->oldest_event_us != 0 && now_us > engine->oldest_event_us ? now_us - engine->oldest_event_us : 0;
    stats->instances = engine->instance_count;
    map_each(engine->fleets, count_queued, stats);
    (void)pthread_mutex_unlock(&self->lock);
}

int engine_logs(struct engine *engine, int64_t account_id, const char *function, int64_t since_us, int limit,
                engine_log_fn *on_line, void *ctx, struct err *err)
{
    struct log_ring *ring = log_store_ring(engine->logs, account_id, function);
    if (ring == NULL) {
        return err_set(err, ERR_SYSTEM, "logs: out of memory");
    }
    return log_ring_read(ring, since_us, limit, on_line, ctx, err);
}
