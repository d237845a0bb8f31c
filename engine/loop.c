/* loop.c - the engine's event loop: processes, listeners, logs, deadlines. Never waits for anything but epoll. */
#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "common/check.h"
#include "common/clock.h"
#include "common/log.h"
#include "engine/engine_internal.h"
#include "engine/meter.h"
#include "engine/peer.h"
#include "engine/runtime_api.h"

#define EVENTS_MAX 256
#define NEVER_NS INT64_MAX
#define TEND_NS INT64_C(1000000000)
#define LOG_PAUSE_NS INT64_C(100000000)
#define WATCH_MEMORY_NS INT64_C(100000000) /* where no cgroup holds memory */
#define BATCH_MAX 1024

int loop_watch(struct engine *engine, int fd, struct watch *watch, enum watch_kind kind, struct instance *instance)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = watch};
    *watch = (struct watch){.kind = kind, .instance = instance};
    return epoll_ctl(engine->epoll_fd, EPOLL_CTL_ADD, fd, &event);
}

void loop_unwatch(struct engine *engine, int fd)
{
    (void)epoll_ctl(engine->epoll_fd, EPOLL_CTL_DEL, fd, NULL);
}

void loop_poke(struct engine *engine)
{
    const uint64_t one = 1;
    (void)!write(engine->mail_fd, &one, sizeof one);
}

void loop_mail(struct engine *engine, struct call *call)
{
    (void)pthread_mutex_lock(&engine->mail_lock);
    call->next = NULL;
    if (engine->mail_tail == NULL) {
        engine->mail_head = call;
    } else {
        engine->mail_tail->next = call;
    }
    engine->mail_tail = call;
    (void)pthread_mutex_unlock(&engine->mail_lock);
    loop_poke(engine);
}

static void arm(struct engine *engine, int64_t at_ns)
{
    struct itimerspec when = {.it_value = {.tv_sec = at_ns / 1000000000, .tv_nsec = at_ns % 1000000000}};
    if (at_ns == NEVER_NS) {
        when = (struct itimerspec){0};
    }
    (void)timerfd_settime(engine->timer_fd, TFD_TIMER_ABSTIME, &when, NULL);
}

void loop_wake_at(struct engine *engine, int64_t at_ns)
{
    int64_t set = atomic_load_explicit(&engine->wake_ns, memory_order_relaxed);
    while (at_ns < set) {
        if (atomic_compare_exchange_weak(&engine->wake_ns, &set, at_ns)) {
            arm(engine, at_ns);
            return;
        }
    }
}

/* ---- what happens ---- */

static void read_mail(struct engine *engine)
{
    uint64_t count = 0;
    (void)!read(engine->mail_fd, &count, sizeof count);
    (void)pthread_mutex_lock(&engine->mail_lock);
    struct call *call = engine->mail_head;
    engine->mail_head = engine->mail_tail = NULL;
    (void)pthread_mutex_unlock(&engine->mail_lock);
    while (call != NULL) {
        struct call *next = call->next;
        call->next = NULL;
        if (call->outcome == INVOKE_REFUSED) {
            call_refuse(call, &call->refusal);
        } else if (call->outcome == INVOKE_FAILED || call->outcome == INVOKE_ACCEPTED || call->replayed) {
            if (call->outcome == INVOKE_FAILED) {
                call_fail(call, &call->error);
            } else {
                call_answer(call);
            }
        } else if (call->target != NULL) {
            dispatch_resolved(call);
        } else {
            dispatch_call(call);
        }
        call = next;
    }
}

static void read_control(struct engine *engine, struct instance *instance)
{
    struct launch_report report;
    int passed = -1;
    int got = 0;
    while ((got = sandbox_report(&instance->sandbox, &report, &passed)) == 1) {
        if (report.kind == LAUNCH_LISTENING && passed >= 0) {
            instance->listener = passed;
            CHECK(loop_watch(engine, passed, &instance->listener_watch, WATCH_LISTENER, instance) == 0);
        } else {
            instance_told(engine, instance, &report);
        }
    }
    if (got < 0) {
        loop_unwatch(engine, instance->sandbox.control_fd); /* the process follows */
    }
}

static void accept_all(struct engine *engine, struct instance *instance)
{
    for (;;) {
        int fd = accept4(instance->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd < 0) {
            return;
        }
        /* On the host's network others can connect, too. */
        if (instance->guarded && !peer_is_user(fd, instance->uid)) {
            LOG(LOG_LEVEL_WARN, "instance.stranger", LF_STR("function", instance->fleet->function.name));
            (void)close(fd);
            continue;
        }
        runtime_api_serve(engine->runtime_api, instance, fd);
    }
}

static void read_some_log(struct engine *engine, struct instance *instance, int64_t now_ns)
{
    (void)pthread_mutex_lock(&instance->log_lock);
    int64_t budget =
        instance->log_budget + (now_ns - instance->log_budget_ns) / 1000 * ENGINE_LOG_BYTES_PER_S / 1000000;
    instance->log_budget = budget > ENGINE_LOG_BYTES_PER_S ? ENGINE_LOG_BYTES_PER_S : budget;
    instance->log_budget_ns = now_ns;
    bool spent = instance->log_budget <= 0;
    (void)pthread_mutex_unlock(&instance->log_lock);
    if (spent) {
        /* The pipe fills and the writer waits, on its own time. */
        loop_unwatch(engine, instance->sandbox.log_fd);
        instance->log_paused = true;
        loop_wake_at(engine, now_ns + LOG_PAUSE_NS);
        return;
    }
    instance_read_log(engine, instance, false);
}

/* ---- the clock ---- */

static void earlier(int64_t *wake_ns, int64_t at_ns)
{
    if (at_ns < *wake_ns) {
        *wake_ns = at_ns;
    }
}

struct due {
    struct instance *bury[BATCH_MAX];
    struct instance *resume_log[BATCH_MAX];
    int bury_count, log_count;
};

static void look_at(struct engine *engine, struct instance *instance, int64_t now_ns, bool proc, struct due *due,
                    int64_t *wake_ns)
{
    if (instance->gone && instance->state != INSTANCE_DEAD) {
        if ((instance->connections == 0 || now_ns >= instance->gone_ns + ENGINE_GRACE_NS) &&
            due->bury_count < BATCH_MAX) {
            due->bury[due->bury_count++] = instance;
        } else {
            earlier(wake_ns, instance->gone_ns + ENGINE_GRACE_NS);
        }
        return;
    }
    if (instance->log_paused && !instance->gone && due->log_count < BATCH_MAX) {
        due->resume_log[due->log_count++] = instance;
    }
    if (instance->kill_ns != 0 && now_ns >= instance->kill_ns) {
        instance->kill_ns = 0;
        sandbox_kill(&instance->sandbox);
    } else if (instance->kill_ns != 0) {
        earlier(wake_ns, instance->kill_ns);
    }
    if (instance->deadline_ns != 0 && now_ns >= instance->deadline_ns) {
        instance_stop(engine, instance, USAGE_TIMEOUT);
    } else if (instance->deadline_ns != 0) {
        earlier(wake_ns, instance->deadline_ns);
    }
    if (proc && instance->state == INSTANCE_BUSY && instance->started) {
        if (meter_out_of_memory(instance->sandbox.meter)) {
            instance_stop(engine, instance, USAGE_OUT_OF_MEMORY);
        }
        earlier(wake_ns, now_ns + WATCH_MEMORY_NS);
    }
}

static void retry_records(struct engine *engine, int64_t now_ns)
{
    (void)pthread_mutex_lock(&engine->lock);
    struct call *call = engine->unwritten;
    engine->unwritten = NULL;
    (void)pthread_mutex_unlock(&engine->lock);
    while (call != NULL) {
        struct call *next = call->next;
        call->next = NULL;
        if (!call_retry_record(call)) {
            (void)pthread_mutex_lock(&engine->lock);
            call->next = engine->unwritten;
            engine->unwritten = call;
            (void)pthread_mutex_unlock(&engine->lock);
            loop_wake_at(engine, now_ns + ENGINE_EMIT_RETRY_NS);
        }
        call = next;
    }
}

static void on_time(struct engine *engine, struct due *due)
{
    int64_t now_ns = clock_mono_ns();
    int64_t wake_ns = now_ns + TEND_NS;
    bool proc = meter_site_source(engine->site)[0] == 'p';
    due->bury_count = due->log_count = 0;
    atomic_store(&engine->wake_ns, NEVER_NS); /* whatever is asked for meanwhile arms the timer itself */
    (void)pthread_mutex_lock(&engine->lock);
    struct instance *next = NULL;
    for (struct instance *at = engine->instances; at != NULL; at = next) {
        next = at->all_next;
        look_at(engine, at, now_ns, proc, due, &wake_ns);
    }
    fleet_tend(engine, now_ns, &wake_ns);
    bool busy = engine->instances != NULL || engine->active_calls > 0;
    (void)pthread_mutex_unlock(&engine->lock);
    for (int i = 0; i < due->bury_count; i++) {
        instance_bury(engine, due->bury[i]);
    }
    for (int i = 0; i < due->log_count; i++) {
        struct instance *instance = due->resume_log[i];
        instance->log_paused = false;
        CHECK(loop_watch(engine, instance->sandbox.log_fd, &instance->log_watch, WATCH_LOG, instance) == 0);
        read_some_log(engine, instance, now_ns);
    }
    retry_records(engine, now_ns);
    if (busy || wake_ns < now_ns + TEND_NS) {
        loop_wake_at(engine, wake_ns);
    }
}

static void *loop_run(void *arg)
{
    struct engine *engine = arg;
    struct epoll_event events[EVENTS_MAX];
    struct due *due = calloc(1, sizeof *due);
    CHECK(due != NULL);
    while (!atomic_load(&engine->loop_stop)) {
        int count = epoll_wait(engine->epoll_fd, events, EVENTS_MAX, -1);
        if (count < 0 && errno == EINTR) {
            continue;
        }
        CHECK(count >= 0);
        bool look = false;
        struct instance *gone[EVENTS_MAX];
        int gone_count = 0;
        int64_t now_ns = clock_mono_ns();
        for (int i = 0; i < count; i++) {
            const struct watch *watch = events[i].data.ptr;
            uint64_t expired = 0;
            switch (watch->kind) {
            case WATCH_MAIL:
                read_mail(engine);
                look = true;
                break;
            case WATCH_TIMER:
                (void)!read(engine->timer_fd, &expired, sizeof expired);
                look = true;
                break;
            case WATCH_CONTROL:
                read_control(engine, watch->instance);
                break;
            case WATCH_LISTENER:
                accept_all(engine, watch->instance);
                break;
            case WATCH_LOG:
                if ((events[i].events & EPOLLIN) != 0) {
                    read_some_log(engine, watch->instance, now_ns);
                } else { /* every writer is gone */
                    loop_unwatch(engine, watch->instance->sandbox.log_fd);
                }
                break;
            case WATCH_PROCESS:
                gone[gone_count++] = watch->instance;
                break;
            }
        }
        /* Last: the other events of this round may be about the same instance. */
        for (int i = 0; i < gone_count; i++) {
            instance_gone(engine, gone[i]);
        }
        if (look) {
            on_time(engine, due);
        }
    }
    free(due);
    return NULL;
}

int loop_start(struct engine *engine, struct err *err)
{
    engine->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    engine->mail_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    engine->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    atomic_store(&engine->wake_ns, NEVER_NS);
    if (engine->epoll_fd < 0 || engine->mail_fd < 0 || engine->timer_fd < 0 ||
        loop_watch(engine, engine->mail_fd, &engine->mail_watch, WATCH_MAIL, NULL) != 0 ||
        loop_watch(engine, engine->timer_fd, &engine->timer_watch, WATCH_TIMER, NULL) != 0 ||
        pthread_create(&engine->loop_thread, NULL, loop_run, engine) != 0) {
        return err_set(err, ERR_SYSTEM, "engine: the event loop does not start");
    }
    engine->loop_started = true;
    return 0;
}

void loop_stop(struct engine *engine)
{
    if (engine->loop_started) {
        atomic_store(&engine->loop_stop, true);
        loop_poke(engine);
        (void)pthread_join(engine->loop_thread, NULL);
        engine->loop_started = false;
    }
    const int fds[] = {engine->epoll_fd, engine->mail_fd, engine->timer_fd};
    for (size_t i = 0; i < sizeof fds / sizeof fds[0]; i++) {
        if (fds[i] >= 0) {
            (void)close(fds[i]);
        }
    }
}
