/* dispatch.c - which instance runs a call, and when there are more or fewer of them. */
#include <stdlib.h>
#include <string.h>

#include "common/check.h"
#include "common/clock.h"
#include "common/digest.h"
#include "common/map.h"
#include "engine/engine_internal.h"
#include "engine/runtime_api.h"
#include "engine/runtime_internal.h"

#define CRASHES_FREE 3 /* failed starts in a row before it waits */
#define CRASH_WAIT_NS INT64_C(500000000)
#define CRASH_WAIT_MAX_NS INT64_C(60000000000)

static struct admission_refusal refusal_of(enum usage_refusal_reason reason, int retry_after_s, const char *detail)
{
    struct admission_refusal refusal = {.reason = reason, .quota = QUOTA_CONCURRENCY, .retry_after_s = retry_after_s};
    size_t length = strlen(detail);
    memcpy(refusal.detail, detail, length < sizeof refusal.detail ? length + 1 : sizeof refusal.detail);
    return refusal;
}

static void refuse_here(struct call *call, enum usage_refusal_reason reason, int retry_after_s, const char *detail)
{
    struct engine *engine = call->engine;
    call->refusal = refusal_of(reason, retry_after_s, detail);
    call->outcome = INVOKE_REFUSED;
    if (engine->options.admission != NULL) {
        admission_count_refusal(engine->options.admission, call->account_id,
                                call->fleet != NULL ? call->fleet->function.function_id : 0, reason);
    }
}

/* ---- queue of a fleet; lock held ---- */

static void push(struct fleet *fleet, struct call *call)
{
    call->next = NULL;
    if (fleet->queue_tail == NULL) {
        fleet->queue_head = call;
    } else {
        fleet->queue_tail->next = call;
    }
    fleet->queue_tail = call;
    fleet->queued++;
}

struct call *fleet_pop(struct fleet *fleet)
{
    struct call *call = fleet->queue_head;
    if (call != NULL) {
        fleet->queue_head = call->next;
        if (fleet->queue_head == NULL) {
            fleet->queue_tail = NULL;
        }
        call->next = NULL;
        fleet->queued--;
    }
    return call;
}

/* ---- idle instances, most recently used first; lock held ---- */

static void idle_add(struct fleet *fleet, struct instance *instance, int64_t now_ns)
{
    instance->idle_since_ns = now_ns;
    instance->idle_prev = NULL;
    instance->idle_next = fleet->idle;
    if (fleet->idle != NULL) {
        fleet->idle->idle_prev = instance;
    }
    fleet->idle = instance;
    fleet->idle_count++;
}

void fleet_idle_remove(struct fleet *fleet, struct instance *instance)
{
    if (instance->idle_prev != NULL) {
        instance->idle_prev->idle_next = instance->idle_next;
    } else {
        fleet->idle = instance->idle_next;
    }
    if (instance->idle_next != NULL) {
        instance->idle_next->idle_prev = instance->idle_prev;
    }
    instance->idle_next = instance->idle_prev = NULL;
    fleet->idle_count--;
}

static void assign(struct instance *instance, struct call *call, int64_t now_ns)
{
    (void)instance_step(instance, INSTANCE_ASSIGN);
    instance->fleet->busy++;
    instance->current = call;
    call->instance = instance;
    call->on_provisioned = instance->provisioned;
    call->cold = instance->fresh && !instance->provisioned;
    call->init_us = instance->fresh && !instance->provisioned ? (uint64_t)instance->init_us : 0;
    instance->fresh = false;
    instance->deadline_ns = now_ns + (int64_t)call->fleet->function.timeout_s * 1000000000;
    loop_wake_at(call->engine, instance->deadline_ns);
}

struct call *fleet_next(struct engine *engine, struct instance *instance, int64_t now_ns)
{
    struct fleet *fleet = instance->fleet;
    bool stops = instance->stop_wanted || engine->closing;
    struct call *call = stops ? NULL : fleet_pop(fleet);
    if (call != NULL) {
        assign(instance, call, now_ns);
        return call;
    }
    if (stops || fleet->retired) { /* calls that wait for old code get it: nobody else would run them */
        instance_stop(engine, instance, USAGE_KILLED);
        return NULL;
    }
    idle_add(fleet, instance, now_ns);
    return NULL;
}

/* ---- more instances; lock held ---- */

/* What there would be if those went that go already, and what could be told to go. */
struct room {
    int count;
    int64_t memory_mib;
    int idle_count;
    int64_t idle_mib;
};

static bool may_go(const struct instance *instance, const struct fleet *asking)
{
    return instance->state == INSTANCE_IDLE && instance->fleet != asking && !instance->provisioned;
}

static struct room room_of(const struct engine *engine, const struct fleet *asking)
{
    struct room room = {.count = engine->instance_count, .memory_mib = engine->memory_used_mib};
    for (const struct instance *at = engine->instances; at != NULL; at = at->all_next) {
        int64_t memory_mib = at->fleet->function.memory_mib;
        if (at->state == INSTANCE_STOPPING || at->state == INSTANCE_DEAD) {
            room.count--;
            room.memory_mib -= memory_mib;
        } else if (may_go(at, asking)) {
            room.idle_count++;
            room.idle_mib += memory_mib;
        }
    }
    return room;
}

static bool fits(const struct engine *engine, const struct fleet *fleet, int count, int64_t memory_mib)
{
    return count < engine->instances_max && memory_mib + fleet->function.memory_mib <= engine->memory_max_mib;
}

static struct instance *idle_for_longest(const struct engine *engine, const struct fleet *asking)
{
    struct instance *oldest = NULL;
    for (struct instance *at = engine->instances; at != NULL; at = at->all_next) {
        if (may_go(at, asking) && (oldest == NULL || at->idle_since_ns < oldest->idle_since_ns)) {
            oldest = at;
        }
    }
    return oldest;
}

bool fleet_room(struct engine *engine, const struct fleet *fleet)
{
    if (fits(engine, fleet, engine->instance_count, engine->memory_used_mib)) {
        return true;
    }
    /* As many go as are needed, those on their way counted, and none where all of them would not be enough. What is
     * reclaimed is given back when its processes are gone; the loop grows the fleet again then. */
    struct room room = room_of(engine, fleet);
    if (!fits(engine, fleet, room.count - room.idle_count, room.memory_mib - room.idle_mib)) {
        return false;
    }
    while (!fits(engine, fleet, room.count, room.memory_mib)) {
        struct instance *oldest = idle_for_longest(engine, fleet);
        CHECK(oldest != NULL);
        room.count--;
        room.memory_mib -= oldest->fleet->function.memory_mib;
        instance_stop(engine, oldest, USAGE_KILLED);
    }
    return false;
}

static bool scale_token(struct fleet *fleet, int64_t now_ns)
{
    const int64_t most = (int64_t)ENGINE_SCALE_BURST * 1000;
    const int64_t ns_each = ENGINE_SCALE_PERIOD_NS / most;
    int64_t grown = (now_ns - fleet->scale_ns) / ns_each;
    fleet->scale_ns += grown * ns_each; /* what is left over counts next time */
    fleet->scale_tokens_milli = fleet->scale_tokens_milli + grown > most ? most : fleet->scale_tokens_milli + grown;
    if (fleet->scale_tokens_milli < 1000) {
        return false;
    }
    fleet->scale_tokens_milli -= 1000;
    return true;
}

void fleet_grow(struct fleet *fleet, struct engine *engine, int64_t now_ns)
{
    while (fleet->queued > fleet->starting && !engine->closing) {
        if (now_ns < fleet->start_after_ns) {
            loop_wake_at(engine, fleet->start_after_ns);
            return;
        }
        if (!fleet_room(engine, fleet)) {
            return;
        }
        if (!scale_token(fleet, now_ns)) {
            loop_wake_at(engine, now_ns + ENGINE_SCALE_PERIOD_NS / ENGINE_SCALE_BURST);
            return;
        }
        instance_launch(engine, fleet, false, now_ns);
    }
}

void fleet_retire(struct engine *engine, struct fleet *fleet)
{
    fleet->retired = true;
    while (fleet->idle != NULL) {
        instance_stop(engine, fleet->idle, USAGE_KILLED);
    }
}

void fleet_crashed(struct fleet *fleet, int64_t now_ns)
{
    fleet->crashes++;
    if (fleet->crashes > CRASHES_FREE) {
        int doublings = fleet->crashes - CRASHES_FREE - 1;
        int64_t wait = doublings > 7 ? CRASH_WAIT_MAX_NS : CRASH_WAIT_NS << doublings;
        fleet->start_after_ns = now_ns + (wait > CRASH_WAIT_MAX_NS ? CRASH_WAIT_MAX_NS : wait);
    }
}

/* ---- a call on its way ---- */

static struct fleet *choose(const struct target *target)
{
    if (target->second != NULL) {
        uint32_t dice = 0;
        random_bytes(&dice, sizeof dice);
        if ((int)(dice % 1000000) < target->second_weight_ppm) {
            return target->second;
        }
    }
    return target->fleet;
}

/* Give it to an idle instance or queue it. Lock held. False: refused (call says why). */
static bool submit(struct engine *engine, struct call *call, struct link **waiting)
{
    struct fleet *fleet = call->fleet;
    int64_t now_ns = clock_mono_ns();
    *waiting = NULL;
    if (engine->closing) {
        call->outcome = INVOKE_FAILED;
        (void)err_set(&call->error, ERR_RETRY, "this node is stopping");
        return false;
    }
    struct instance *instance = provisioned_idle(fleet);
    if (instance != NULL) {
        fleet_idle_remove(fleet, instance);
        *waiting = instance->waiting;
        instance->waiting = NULL;
        assign(instance, call, now_ns);
        if (*waiting != NULL) {
            link_ref(*waiting);
            (void)call_ref(call);
        }
        return true;
    }
    if (fleet->queued >= ENGINE_QUEUE_MAX) {
        refuse_here(call, USAGE_REFUSED_CAPACITY, 1, "Too many calls of this function wait for an instance.");
        return false;
    }
    call->queued_ns = now_ns;
    push(fleet, call);
    fleet_grow(fleet, engine, now_ns);
    if (fleet->total == 0 && now_ns < fleet->start_after_ns) {
        loop_wake_at(engine, fleet->start_after_ns);
    }
    loop_wake_at(engine, now_ns + ENGINE_QUEUE_WAIT_NS);
    return true;
}

static void place(struct call *call)
{
    struct engine *engine = call->engine;
    struct link *waiting = NULL;
    (void)pthread_mutex_lock(&engine->lock);
    bool placed = submit(engine, call, &waiting);
    (void)pthread_mutex_unlock(&engine->lock);
    if (waiting != NULL) {
        runtime_api_hand_out(waiting, call);
    }
    if (!placed) {
        call_later(call);
    }
}

static void woken(void *ctx)
{
    struct call *call = ctx;
    loop_mail(call->engine, call);
}

/* What a target says about a call. Lock held. */
struct resolved {
    struct fleet *fleet;
    int reserved;
};

static struct resolved resolve(const struct target *target)
{
    return (struct resolved){.fleet = target->fleet != NULL ? choose(target) : NULL, .reserved = target->reserved};
}

static void go_on(struct call *call, struct resolved resolved)
{
    struct engine *engine = call->engine;
    struct fleet *fleet = resolved.fleet;
    if (fleet == NULL) {
        (void)err_set(&call->error, ERR_NOT_FOUND, "function %s is gone", call->function);
        call->outcome = INVOKE_FAILED;
        call_later(call);
        return;
    }
    call->fleet = fleet;
    if (call->type == INVOKE_DRY_RUN) {
        call->outcome = INVOKE_ACCEPTED;
        call->recorded = true;
        call_later(call);
        return;
    }
    if (engine->options.hook != NULL && farthing_hook_fill(engine->options.hook) > ENGINE_SPOOL_FILL_MAX) {
        call->outcome = INVOKE_FAILED;
        (void)err_set(&call->error, ERR_RETRY, "this node takes no calls now: its usage spool is full");
        (void)err_slug(&call->error, "capacity");
        if (engine->options.admission != NULL) {
            admission_count_refusal(engine->options.admission, call->account_id, fleet->function.function_id,
                                    USAGE_REFUSED_CAPACITY);
        }
        call_later(call);
        return;
    }
    call->grace_us = (uint64_t)fleet->shutdown_ms * 1000;
    int64_t now_us = clock_wall_us();
    struct billing_policy policy = call_policy(call, now_us);
    const struct admission_request request = {
        .account_id = call->account_id,
        .function_id = fleet->function.function_id,
        .memory_mib = fleet->function.memory_mib,
        .timeout_s = fleet->function.timeout_s + (fleet->shutdown_ms + 999) / 1000,
        .init_limit_ms = policy.bill_init ? ENGINE_INIT_LIMIT_MS : 0,
        .reserved_concurrency = resolved.reserved,
        .flags = (uint16_t)((fleet->function.arch == ARCH_ARM64 ? USAGE_FLAG_ARM64 : 0) |
                            (fleet->function.provisioned > 0 ? USAGE_FLAG_PROVISIONED : 0)),
        .now_us = now_us,
    };
    int told = 0;
    if (engine->options.admission != NULL) {
        told = admission_reserve(engine->options.admission, &request, &call->ticket, &call->refusal, woken, call);
    }
    if (told == 2) {
        return; /* woken() goes on; it may have done so already */
    }
    if (told == 1) {
        call->outcome = INVOKE_REFUSED;
        call_later(call);
        return;
    }
    call->admitted = true;
    place(call);
}

void dispatch_resolved(struct call *call)
{
    struct engine *engine = call->engine;
    (void)pthread_mutex_lock(&engine->lock);
    struct resolved resolved = resolve(call->target);
    (void)pthread_mutex_unlock(&engine->lock);
    go_on(call, resolved);
}

static void begin(struct call *call, bool first)
{
    struct engine *engine = call->engine;
    struct resolved resolved = {.fleet = NULL};
    int64_t now_ns = clock_mono_ns();
    (void)pthread_mutex_lock(&engine->lock);
    engine->active_calls += first ? 1 : 0;
    struct target *target = target_find(engine, call, now_ns);
    if (target != NULL) {
        call->target = target;
        resolved = resolve(target);
    }
    (void)pthread_mutex_unlock(&engine->lock);
    if (target != NULL) {
        go_on(call, resolved);
    }
}

void dispatch_call(struct call *call)
{
    begin(call, false);
}

void dispatch_first(struct call *call)
{
    begin(call, true);
}

/* ---- from time to time; lock held ---- */

struct tending {
    struct engine *engine;
    int64_t now_ns;
    int64_t *wake_ns;
};

static void earlier(int64_t *wake_ns, int64_t at_ns)
{
    if (at_ns < *wake_ns) {
        *wake_ns = at_ns;
    }
}

static void tend(const void *key, size_t key_length, void *value, void *ctx)
{
    (void)key;
    (void)key_length;
    struct fleet *fleet = value;
    const struct tending *tending = ctx;
    struct engine *engine = tending->engine;
    int64_t idle_ns = (int64_t)engine->options.idle_s * 1000000000;
    struct instance *next = NULL;
    provisioned_tend(engine, fleet, tending->now_ns, tending->wake_ns);
    for (struct instance *at = fleet->idle; at != NULL; at = next) {
        next = at->idle_next;
        if (at->provisioned && !fleet->retired) {
            continue;
        }
        if (tending->now_ns - at->idle_since_ns >= idle_ns) {
            instance_stop(engine, at, USAGE_KILLED);
        } else {
            earlier(tending->wake_ns, at->idle_since_ns + idle_ns);
        }
    }
    while (fleet->queue_head != NULL && tending->now_ns - fleet->queue_head->queued_ns >= ENGINE_QUEUE_WAIT_NS) {
        struct call *call = fleet_pop(fleet);
        refuse_here(call, USAGE_REFUSED_CAPACITY, 1, "No instance became free in time: this node has no room.");
        call_later(call);
    }
    if (fleet->queue_head != NULL) {
        earlier(tending->wake_ns, fleet->queue_head->queued_ns + ENGINE_QUEUE_WAIT_NS);
        fleet_grow(fleet, engine, tending->now_ns);
    }
}

void fleet_tend(struct engine *engine, int64_t now_ns, int64_t *wake_ns)
{
    struct tending tending = {.engine = engine, .now_ns = now_ns, .wake_ns = wake_ns};
    map_each(engine->fleets, tend, &tending);
}
