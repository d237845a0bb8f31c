/* lifecycle.c - instances: launched, watched, stopped, buried. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/calendar.h"
#include "common/check.h"
#include "common/clock.h"
#include "common/digest.h"
#include "common/log.h"
#include "engine/engine_internal.h"
#include "engine/extensions.h"
#include "engine/log_store.h"
#include "engine/meter.h"
#include "engine/runtime_api.h"

#define UID_BASE 1879048192U /* 0x70000000: far from users of any machine */
#define UID_NODES 1024U
#define UID_SLOTS 65536U

enum instance_action instance_step(struct instance *instance, enum instance_event event)
{
    const struct instance_step *step = instance_table(instance->state, event);
    CHECK(step->action != ACT_IMPOSSIBLE);
    instance->state = step->next;
    return step->action;
}

void instance_ref(struct instance *instance)
{
    atomic_fetch_add(&instance->refs, 1);
}

void instance_unref(struct instance *instance)
{
    if (atomic_fetch_sub(&instance->refs, 1) != 1) {
        return;
    }
    buf_free(&instance->partial);
    buf_free(&instance->init_error);
    extensions_free(&instance->extensions);
    (void)pthread_mutex_destroy(&instance->log_lock);
    free(instance);
}

static void list_add(struct engine *engine, struct instance *instance)
{
    instance->all_next = engine->instances;
    if (engine->instances != NULL) {
        engine->instances->all_prev = instance;
    }
    engine->instances = instance;
    engine->instance_count++;
    engine->memory_used_mib += instance->fleet->function.memory_mib;
}

static void list_remove(struct engine *engine, struct instance *instance)
{
    if (instance->all_prev != NULL) {
        instance->all_prev->all_next = instance->all_next;
    } else {
        engine->instances = instance->all_next;
    }
    if (instance->all_next != NULL) {
        instance->all_next->all_prev = instance->all_prev;
    }
    engine->instance_count--;
    engine->memory_used_mib -= instance->fleet->function.memory_mib;
    if (engine->instance_count == 0) {
        (void)pthread_cond_broadcast(&engine->idle_changed);
    }
}

/* The variables that differ from instance to instance are added to those of the fleet. */
static int start(struct engine *engine, struct instance *instance, struct err *err)
{
    const struct fleet *fleet = instance->fleet;
    char(*texts)[4200] = calloc(2, sizeof *texts);
    const char *argv[5];
    const char *extension_paths[EXTENSIONS_MAX + 1];
    struct buf extension_texts = {0};
    struct buf environment = {0};
    struct meter *meter = NULL;
    uint32_t node = (uint32_t)engine->options.node_id % UID_NODES;
    struct sandbox_spec spec;
    int rc = -1;

    if (texts == NULL || meter_new(engine->site, instance->number, fleet->function.memory_mib, &meter, err) != 0) {
        goto out;
    }
    if (!extensions_find(fleet->opt_dir, &instance->extensions)) {
        (void)err_set(err, ERR_LIMIT, "%s", instance->extensions->failure_text);
        goto out;
    }
    extensions_paths(instance->extensions, engine->isolated ? "/opt" : fleet->opt_dir, &extension_texts,
                     extension_paths);
    environment_argv(engine, fleet, texts, argv);
    buf_append(&environment, fleet->environment.data, fleet->environment.length);
    buf_printf(&environment, "AWS_LAMBDA_LOG_STREAM_NAME=%s", instance->log_stream);
    buf_putc(&environment, '\0');
    buf_printf(&environment, "LAMBDA_TASK_ROOT=%s", engine->isolated ? "/var/task" : fleet->code_dir);
    buf_putc(&environment, '\0');
    spec = (struct sandbox_spec){
        .isolated = engine->isolated,
        .network_host = fleet->function.network == NETWORK_HOST && engine->options.allow_network_host,
        .code_dir = fleet->code_dir,
        .opt_dir = fleet->opt_dir[0] != '\0' ? fleet->opt_dir : NULL,
        .image_dir = engine->image_dir,
        .argv = argv,
        .extensions = instance->extensions != NULL ? extension_paths : NULL,
        .environment = &environment,
        .environment_count = fleet->environment_count + 2,
        .memory_mib = fleet->function.memory_mib,
        .ephemeral_mib = fleet->function.ephemeral_mib,
        .uid = UID_BASE + node * UID_SLOTS + (uint32_t)(instance->number % UID_SLOTS),
    };
    instance->uid = spec.uid;
    instance->guarded = spec.isolated && spec.network_host && geteuid() == 0;
    rc = sandbox_start(&spec, meter, &instance->sandbox, err);
    meter = NULL;
out:
    meter_free(&meter);
    buf_free(&extension_texts);
    free(texts);
    buf_free(&environment);
    return rc;
}

static void launch_job(struct engine *engine, struct pg *pg, void *ctx)
{
    (void)pg;
    struct instance *instance = ctx;
    struct err err = {0};
    bool started = start(engine, instance, &err) == 0;
    (void)pthread_mutex_lock(&engine->lock);
    instance->started = started;
    bool stop = instance->state == INSTANCE_STOPPING;
    if (started &&
        (loop_watch(engine, instance->sandbox.control_fd, &instance->control_watch, WATCH_CONTROL, instance) != 0 ||
         loop_watch(engine, instance->sandbox.log_fd, &instance->log_watch, WATCH_LOG, instance) != 0 ||
         loop_watch(engine, instance->sandbox.pid_fd, &instance->process_watch, WATCH_PROCESS, instance) != 0)) {
        CHECK(!"epoll takes no more descriptors");
    }
    (void)pthread_mutex_unlock(&engine->lock);
    if (!started) {
        LOG(LOG_LEVEL_ERROR, "instance.not_started", LF_STR("function", instance->fleet->function.name),
            LF_STR("error", err.text));
        (void)pthread_mutex_lock(&engine->lock);
        instance->gone = true; /* the loop buries it */
        (void)pthread_mutex_unlock(&engine->lock);
        loop_poke(engine);
    } else if (stop) {
        sandbox_kill(&instance->sandbox);
    }
}

void instance_launch(struct engine *engine, struct fleet *fleet, bool provisioned, int64_t now_ns)
{
    struct instance *instance = calloc(1, sizeof *instance);
    uint8_t random[16];
    char hex[33];
    char day[CALENDAR_TEXT_BYTES];
    CHECK(instance != NULL);
    atomic_init(&instance->refs, 1);
    (void)pthread_mutex_init(&instance->log_lock, NULL);
    instance->number = ++engine->next_number;
    instance->fleet = fleet;
    instance->listener = -1;
    instance->sandbox.pid_fd = instance->sandbox.control_fd = instance->sandbox.log_fd = -1;
    instance->fresh = true;
    instance->provisioned = provisioned;
    instance->spawn_ns = now_ns;
    instance->stop_reason = USAGE_KILLED;
    instance->deadline_ns = now_ns + (int64_t)ENGINE_INIT_LIMIT_MS * 1000000;
    instance->log_budget = ENGINE_LOG_BYTES_PER_S;
    instance->log_budget_ns = now_ns;
    random_bytes(random, sizeof random);
    hex_encode(random, sizeof random, hex);
    calendar_format_day(clock_wall_us(), day);
    day[4] = day[7] = '/';
    if (fleet->function.version == FUNCTION_VERSION_LATEST) {
        (void)snprintf(instance->log_stream, sizeof instance->log_stream, "%.10s/[$LATEST]%s", day, hex);
    } else {
        (void)snprintf(instance->log_stream, sizeof instance->log_stream, "%.10s/[%d]%s", day, fleet->function.version,
                       hex);
    }
    list_add(engine, instance);
    fleet->total++;
    fleet->provisioned += provisioned ? 1 : 0;
    fleet->starting++;
    loop_wake_at(engine, instance->deadline_ns);
    worker_do(engine, launch_job, false, instance);
}

/* Extensions are told first, and have their time. Lock held. */
static void end_processes(struct engine *engine, struct instance *instance, enum usage_status reason)
{
    const char *word = reason == USAGE_KILLED ? "SPINDOWN" : reason == USAGE_TIMEOUT ? "TIMEOUT" : "FAILURE";
    int ms = instance->started ? extensions_shutdown(instance, word, clock_wall_us()) : 0;
    if (ms > 0) {
        instance->kill_ns = clock_mono_ns() + (int64_t)ms * 1000000;
        loop_wake_at(engine, instance->kill_ns);
    } else if (instance->started) {
        sandbox_kill(&instance->sandbox);
    }
}

void instance_stop(struct engine *engine, struct instance *instance, enum usage_status reason)
{
    struct fleet *fleet = instance->fleet;
    switch (instance->state) {
    case INSTANCE_STARTING:
        fleet->starting--;
        break;
    case INSTANCE_IDLE:
        if (instance->idle_next != NULL || instance->idle_prev != NULL || fleet->idle == instance) {
            fleet_idle_remove(fleet, instance);
        }
        break;
    case INSTANCE_BUSY:
    case INSTANCE_ANSWERED:
    case INSTANCE_STOPPING:
    case INSTANCE_DEAD:
        break;
    }
    if (instance_step(instance, INSTANCE_STOP) == ACT_KILL) {
        instance->stop_reason = reason;
        instance->deadline_ns = 0;
        end_processes(engine, instance, reason);
    }
}

struct call *instance_detach(struct instance *instance)
{
    struct call *call = instance->current;
    if (call != NULL) {
        instance->current = NULL;
        instance->fleet->busy--;
        instance->deadline_ns = 0;
        (void)snprintf(instance->last_id, sizeof instance->last_id, "%s", call->id_text);
    }
    return call;
}

/* ---- the end ---- */

static void release_job(struct engine *engine, struct pg *pg, void *ctx)
{
    (void)pg;
    struct instance *instance = ctx;
    if (instance->started) {
        sandbox_free(&instance->sandbox, NULL);
    }
    (void)pthread_mutex_lock(&engine->lock);
    instance->fleet->total--;
    instance->fleet->provisioned -= instance->provisioned ? 1 : 0;
    list_remove(engine, instance);
    int64_t now_ns = clock_mono_ns();
    if (instance->fleet->queued > 0) {
        fleet_grow(instance->fleet, engine, now_ns);
    }
    (void)pthread_mutex_unlock(&engine->lock);
    loop_poke(engine); /* others may wait for the room it had */
    instance_unref(instance);
}

void instance_gone(struct engine *engine, struct instance *instance)
{
    struct launch_report report;
    int passed = -1;
    if (instance->started) {
        loop_unwatch(engine, instance->sandbox.pid_fd);
        while (sandbox_report(&instance->sandbox, &report, &passed) == 1) {
            if (passed >= 0) {
                (void)close(passed);
            }
            if (report.kind != LAUNCH_LISTENING) {
                instance_told(engine, instance, &report);
            }
        }
        loop_unwatch(engine, instance->sandbox.control_fd);
        instance_read_log(engine, instance, true);
        if (!instance->log_paused) {
            loop_unwatch(engine, instance->sandbox.log_fd);
        }
    }
    if (instance->listener >= 0) {
        loop_unwatch(engine, instance->listener);
        (void)close(instance->listener);
        instance->listener = -1;
    }
    (void)pthread_mutex_lock(&engine->lock);
    instance->gone = true;
    instance->gone_ns = clock_mono_ns();
    struct link *waiting = instance->waiting;
    instance->waiting = NULL;
    if (waiting != NULL) {
        runtime_api_drop(waiting);
    }
    /* Its last words may still be in a socket: what it posted before it ended counts. */
    bool wait = instance->current != NULL && instance->connections > 0 && instance->state == INSTANCE_BUSY;
    (void)pthread_mutex_unlock(&engine->lock);
    if (wait) {
        loop_wake_at(engine, instance->gone_ns + ENGINE_GRACE_NS);
    } else {
        instance_bury(engine, instance);
    }
}

void instance_bury(struct engine *engine, struct instance *instance)
{
    (void)pthread_mutex_lock(&engine->lock);
    enum instance_state was = instance->state;
    if (was == INSTANCE_DEAD) {
        (void)pthread_mutex_unlock(&engine->lock);
        return;
    }
    if (was == INSTANCE_STARTING) {
        instance->fleet->starting--;
    } else if (was == INSTANCE_IDLE) {
        fleet_idle_remove(instance->fleet, instance);
    }
    enum instance_action action = instance_step(instance, INSTANCE_GONE);
    struct call *call = instance_detach(instance);
    instance->connections++; /* held until the end of this function: nothing is released meanwhile */
    (void)pthread_mutex_unlock(&engine->lock);

    if (action == ACT_FAIL || (was == INSTANCE_STOPPING && instance->fresh && instance->stop_reason != USAGE_KILLED)) {
        instance_init_failed(engine, instance);
    }
    if (call != NULL) {
        call_measure(call, instance, clock_mono_ns());
        instance_tail(engine, instance, NULL);
        bool memory = meter_out_of_memory(instance->sandbox.meter);
        call->status = was == INSTANCE_STOPPING ? instance->stop_reason : USAGE_ERROR;
        instance_end_call(call, instance, memory);
        if (!call->handed) { /* it died with the event on its way to it: nobody ran anything */
            call->started_us = clock_wall_us();
        }
        call_over(call);
    }
    (void)pthread_mutex_lock(&engine->lock);
    instance->connections--;
    instance_release(engine, instance);
    (void)pthread_mutex_unlock(&engine->lock);
}

void instance_release(struct engine *engine, struct instance *instance)
{
    if (instance->state == INSTANCE_DEAD && instance->connections == 0 && !instance->released) {
        instance->released = true;
        worker_do(engine, release_job, false, instance);
    }
}

/* ---- what it prints ---- */

static void put_line(struct instance *instance, const char *line, size_t length)
{
    log_ring_put(instance->fleet->log, clock_wall_us(), line, length);
    if (instance->tailed != NULL) {
        call_tail_put(instance->tailed, line, length);
    }
}

static void split_lines(struct instance *instance, const char *bytes, size_t length)
{
    struct buf *partial = &instance->partial;
    while (length > 0) {
        const char *end = memchr(bytes, '\n', length);
        size_t take = end != NULL ? (size_t)(end - bytes) : length;
        size_t room = LOG_LINE_MAX - partial->length;
        bool cut = take > room;
        take = cut ? room : take;
        buf_append(partial, bytes, take);
        bytes += take;
        length -= take;
        if (cut || end != NULL) {
            put_line(instance, buf_text(partial), partial->length);
            buf_clear(partial);
        }
        if (!cut && end != NULL) {
            bytes++;
            length--;
        }
    }
}

void instance_read_log(struct engine *engine, struct instance *instance, bool to_the_end)
{
    char bytes[65536];
    (void)pthread_mutex_lock(&instance->log_lock);
    for (int i = 0; i < 4; i++) {
        ssize_t got = read(instance->sandbox.log_fd, bytes, sizeof bytes);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got <= 0) {
            break;
        }
        instance->log_budget -= got;
        split_lines(instance, bytes, (size_t)got);
        if ((size_t)got < sizeof bytes) {
            break;
        }
    }
    if (to_the_end && instance->partial.length > 0) {
        put_line(instance, buf_text(&instance->partial), instance->partial.length);
        buf_clear(&instance->partial);
    }
    (void)pthread_mutex_unlock(&instance->log_lock);
    (void)engine;
}

void instance_tail(struct engine *engine, struct instance *instance, struct call *call)
{
    instance_read_log(engine, instance, call == NULL);
    (void)pthread_mutex_lock(&instance->log_lock);
    instance->tailed = call != NULL && call->log_tail ? call : NULL;
    (void)pthread_mutex_unlock(&instance->log_lock);
}
