/*
 * engine_internal.h - what the files of the engine share; nobody else includes it.
 *
 * Words:     a call is one run of one invocation; an instance is one sandbox; a fleet is the instances of one version
 * (one revision of $LATEST); a target is what a name and qualifier mean: one fleet, or two with weights. Lock:
 * engine->lock guards fleets, targets, instances' states and queues. It is held for moments: no system call that can
 *            wait, no callback, no database under it. Order: engine->lock, then a log's or a link's lock.
 * Threads:   the loop (loop.c): epoll over processes, listeners, logs, one timer. Workers (worker.c): whatever may
 * block - database, fork, removing cgroups. Threads of the Runtime API (runtime_link.c).
 */
#ifndef FARTHING_ENGINE_ENGINE_INTERNAL_H
#define FARTHING_ENGINE_ENGINE_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>

#include "common/buf.h"
#include "common/err.h"
#include "engine/engine.h"
#include "engine/instance.h"
#include "engine/sandbox.h"
#include "metering/hook.h"

struct log_ring;
struct log_store;
struct map;
struct meter_site;
struct pg;
struct pg_pool;
struct runtime_api;
struct link;

#define ENGINE_WORKERS 6
#define ENGINE_INIT_LIMIT_MS 10000
#define ENGINE_IDLE_S 300
#define ENGINE_FRESH_NS INT64_C(1000000000)  /* a target older than this is read again while it is used */
#define ENGINE_STALE_NS INT64_C(15000000000) /* older than this: calls wait for the reading */
#define ENGINE_QUEUE_WAIT_NS INT64_C(30000000000)
#define ENGINE_QUEUE_MAX 10000  /* calls waiting in one fleet */
#define ENGINE_SCALE_BURST 1000 /* new instances of a function at once, and in 10 s */
#define ENGINE_SCALE_PERIOD_NS INT64_C(10000000000)
#define ENGINE_EMIT_RETRY_NS INT64_C(20000000)
#define ENGINE_SPOOL_FILL_MAX 950
#define ENGINE_PATH_BYTES 4096
#define ENGINE_ERROR_BYTES_MAX 262144
#define ENGINE_LOG_BYTES_PER_S 4194304     /* an instance that writes more waits */
#define ENGINE_GRACE_NS INT64_C(200000000) /* for a reply that is on its way when the process has ended */

struct call {
    struct call *next; /* in the one queue it is in */
    struct engine *engine;
    _Atomic int refs;
    /* as asked */
    int64_t account_id;
    char function[65];
    char qualifier[129];
    enum invoke_type type;
    struct buf payload;
    char *client_context, *trace_id;
    bool log_tail, stream, async;
    invoke_done_fn *done;
    invoke_chunk_fn *on_chunk;
    void *ctx;
    struct idem_entry *idem; /* the promise this call keeps for its key, or NULL */
    /* identity */
    struct uuid id;
    char id_text[UUID_TEXT_BYTES];
    uint16_t attempt;
    /* on its way */
    struct target *target;
    struct fleet *fleet;
    struct instance *instance; /* while it runs */
    struct admission_ticket ticket;
    bool admitted;
    int64_t queued_ns, handed_ns, started_us;
    bool handed, cold;
    bool answered;     /* by the runtime; extensions are still at it */
    uint64_t grace_us; /* what may be billed beyond the timeout, and was reserved: time to shut extensions down */
    /* as answered */
    pthread_mutex_t deliver; /* streamed pieces and the end, one after the other */
    bool over;               /* under deliver */
    enum usage_status status;
    bool function_error;
    struct buf answer;
    char content_type[128];
    char error_type[128];
    uint64_t response_bytes, duration_us, init_us, cpu_us;
    uint32_t peak_kib;
    bool streamed;
    bool on_provisioned;       /* its instance is one that is kept ready */
    pthread_mutex_t tail_lock; /* the loop adds what is printed, others START, END and REPORT */
    struct buf tail;
    struct err error;
    enum invoke_outcome outcome;
    struct admission_refusal refusal;
    struct usage_record record;
    bool recorded; /* record is final and waits to be written, or is written */
    bool replayed;
    int known_version; /* of the first run, when replayed */
};

enum watch_kind { WATCH_MAIL, WATCH_TIMER, WATCH_CONTROL, WATCH_PROCESS, WATCH_LOG, WATCH_LISTENER };

struct watch {
    enum watch_kind kind;
    struct instance *instance;
};

struct instance {
    struct instance *idle_next, *idle_prev; /* in its fleet, most recently used first */
    struct instance *all_next, *all_prev;   /* in the engine */
    _Atomic int refs;
    uint64_t number;
    struct fleet *fleet;
    enum instance_state state;
    struct sandbox sandbox;
    bool started; /* sandbox holds processes */
    bool guarded; /* only processes of uid may speak to its Runtime API */
    uid_t uid;
    int listener;
    struct watch control_watch, process_watch, log_watch, listener_watch;
    struct link *waiting; /* its connection that waits in next */
    int connections;      /* open, by runtime_api */
    struct call *current;
    bool fresh; /* has not served a call */
    bool provisioned;
    bool ended;       /* the launcher told how the runtime ended */
    bool gone;        /* no process is left */
    bool stop_wanted; /* after the running call */
    bool log_paused;
    bool released;
    int launch_problem; /* enum launch_kind when the runtime could not be started */
    int end_status;     /* wait status */
    enum usage_status stop_reason;
    int64_t spawn_ns, init_us, deadline_ns, idle_since_ns, gone_ns;
    int64_t kill_ns;               /* it was asked to go; then it is killed; 0: it was not asked, or it was killed */
    struct extensions *extensions; /* NULL: none */
    int64_t log_budget, log_budget_ns;
    pthread_mutex_t log_lock;
    struct buf partial;    /* line being read; with tailed: under log_lock */
    struct call *tailed;   /* the running call wants its lines */
    struct buf init_error; /* document of init/error */
    char init_error_type[128];
    char last_id[UUID_TEXT_BYTES];
    char log_stream[80];
};

struct extensions;
struct function_counters;

struct fleet {
    struct function function;
    struct buf environment; /* NAME=value texts, NUL-terminated */
    uint32_t environment_count;
    char code_dir[ENGINE_PATH_BYTES];
    char opt_dir[ENGINE_PATH_BYTES]; /* its layers; "": none */
    struct log_ring *log;
    struct function_counters *counters;
    bool retired;
    struct instance *idle;
    int starting, idle_count, busy, total;
    int provisioned; /* of total: kept ready, or about to be */
    struct call *queue_head, *queue_tail;
    int queued;
    int64_t scale_tokens_milli, scale_ns;
    int shutdown_ms;        /* what its extensions get at the end; as seen so far */
    int crashes;            /* in a row, without a first next */
    int64_t start_after_ns; /* crash loop: not before */
};

struct target {
    int64_t account_id;
    char function[65], qualifier[129];
    struct fleet *fleet, *second;
    int second_weight_ppm;
    int reserved;
    int64_t loaded_ns; /* 0: must be read before the next call */
    bool loading, reload;
    struct call *waiting; /* for the reading */
};

typedef void job_fn(struct engine *engine, struct pg *pg, void *ctx);
struct job {
    struct job *next;
    job_fn *run;
    bool needs_pg;
    void *ctx;
};

struct engine {
    struct engine_options options;
    char *data_dir, *conninfo, *region;
    char code_dir[ENGINE_PATH_BYTES], image_dir[ENGINE_PATH_BYTES];
    bool isolated;
    uint8_t node_key[32];
    struct meter_site *site;
    struct runtime_api *runtime_api;
    struct log_store *logs;
    struct idem *idem;
    struct async *async;
    struct pg_pool *pool;

    pthread_mutex_t lock;
    struct map *targets, *fleets;
    struct map *counters; /* account and function id to struct function_counters */
    struct function_counters *dirty_counters;
    int64_t events_waiting, oldest_event_us; /* in the queue of all nodes; when the oldest came */
    struct instance *instances;
    uint64_t next_number;
    int instance_count, instances_max;
    int64_t memory_used_mib, memory_max_mib;
    bool closing;
    int active_calls;
    pthread_cond_t idle_changed; /* active_calls, instance_count */
    struct call *unwritten;      /* finished, their records do not fit into the spool yet */

    int epoll_fd, mail_fd, timer_fd;
    _Atomic int64_t wake_ns; /* what timer_fd is set to */
    pthread_t loop_thread;
    bool loop_started;
    _Atomic bool loop_stop;
    pthread_mutex_t mail_lock;
    struct call *mail_head, *mail_tail; /* calls to go on with on the loop */
    struct watch mail_watch, timer_watch;

    pthread_mutex_t job_lock;
    pthread_cond_t job_wake;
    struct job *job_head, *job_tail;
    bool job_stop;
    pthread_t workers[ENGINE_WORKERS];
    int worker_count;

    _Atomic int64_t invocations, errors, refusals, cold_starts, timeouts;
};

/* ---- call.c ---- */
struct call *call_new(struct engine *engine, const struct invoke_request *request);
struct call *call_ref(struct call *call);
void call_unref(struct call *call);
/* Refuse or fail a call that did not run; done is called. Lock not held. */
void call_refuse(struct call *call, const struct admission_refusal *refusal);
void call_fail(struct call *call, const struct err *error);
/* The same from within engine_invoke or under the lock: on the loop, soon. outcome and error or refusal are set. */
void call_later(struct call *call);
/* Answer as it stands. Lock not held. */
void call_answer(struct call *call);
/* A call that ran is over: status, answer and times are set. Writes the record, settles, answers. Lock not held. */
void call_over(struct call *call);
/* The record could not be written before: try again. False: still full. */
bool call_retry_record(struct call *call);
/* Lambda's error document as the answer. */
void call_error_document(struct call *call, const char *type, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* The times and what the kernel measured, at the end of a run. */
void call_measure(struct call *call, struct instance *instance, int64_t now_ns);
/* How its duration is billed, by the price book of its account. */
struct billing_policy call_policy(const struct call *call, int64_t at_us);
/* When it has to be over, and its X-Amzn-Trace-Id; it was handed out. */
int64_t call_deadline_ms(const struct call *call);
void call_trace(const struct call *call, char *text, size_t room);
/* One line of the log this call wants back; any thread. */
void call_tail_put(struct call *call, const char *line, size_t length);
void call_log_start(struct call *call);

/* ---- engine.c ---- */
/* Start a call that is complete: it counts as active until it is answered. The reference moves. */
void engine_start(struct call *call);

/* ---- dispatch.c ---- */
/* Find the target (reading it first where needed), ask admission, give it to a fleet. Lock not held. */
void dispatch_call(struct call *call);
/* The same for a call that counts as active from here on: one lock for both. */
void dispatch_first(struct call *call);
/* call->target is known: go on from there. Also when admission says to ask again. */
void dispatch_resolved(struct call *call);
/* Lock held. */
void fleet_grow(struct fleet *fleet, struct engine *engine, int64_t now_ns);
struct call *fleet_pop(struct fleet *fleet);
void fleet_idle_remove(struct fleet *fleet, struct instance *instance);
/* It ended before its first next: after a few of these new ones wait. */
void fleet_crashed(struct fleet *fleet, int64_t now_ns);
void fleet_retire(struct engine *engine, struct fleet *fleet);
/* An instance asks for the next event. Lock held. Returns the call to hand out (a reference), or NULL: it is idle now.
 */
struct call *fleet_next(struct engine *engine, struct instance *instance, int64_t now_ns);
/* ---- provisioned.c; lock held ---- */

/* Start what is missing, let go what is too many. */
void provisioned_tend(struct engine *engine, struct fleet *fleet, int64_t now_ns, int64_t *wake_ns);
/* The idle instance the next call goes to: one that is kept ready before one that is not. NULL: there is none. */
struct instance *provisioned_idle(const struct fleet *fleet);
/* job_fn: versions with provisioned concurrency get theirs without waiting for a call. Lock not held. */
void provisioned_prepare_job(struct engine *engine, struct pg *pg, void *ctx);

/* Is there room for one more? When not, the instance idle for longest is told to go. Lock held. */
bool fleet_room(struct engine *engine, const struct fleet *fleet);
/* Periodic: idle instances that are too old, provisioned ones that are missing. Lock held. */
void fleet_tend(struct engine *engine, int64_t now_ns, int64_t *wake_ns);

/* ---- lifecycle.c, instance_end.c: instances ---- */
/* Lock held; the fork happens on a worker. */
void instance_launch(struct engine *engine, struct fleet *fleet, bool provisioned, int64_t now_ns);
/* Kill it; what runs on it ends with status. Lock held. */
void instance_stop(struct engine *engine, struct instance *instance, enum usage_status reason);
/* Take the running call off. Lock held. The reference moves to the caller; NULL when nothing runs. */
struct call *instance_detach(struct instance *instance);
/* Whose lines go into a tail from now on; reads what was printed until now first. NULL: nobody's. Lock not held. */
void instance_tail(struct engine *engine, struct instance *instance, struct call *call);
/* All its processes are gone. Lock not held. Loop only. */
void instance_gone(struct engine *engine, struct instance *instance);
/* ... and its connections too, or grace is over. Lock not held. Loop only. */
void instance_bury(struct engine *engine, struct instance *instance);
/* Give back what a dead one had, once nothing uses it. Lock held. */
void instance_release(struct engine *engine, struct instance *instance);
/* The instance of a call ended before the call was over. What its runtime had answered stays the answer; that it was no
 * good end stands in its record and its log. status is set. */
void instance_end_call(struct call *call, struct instance *instance, bool out_of_memory);
/* It failed before its first next. Lock not held. */
void instance_init_failed(struct engine *engine, struct instance *instance);
/* Change state, by the table. Lock held. */
enum instance_action instance_step(struct instance *instance, enum instance_event event);
/* An instance asks for the next event, and may. Lock held. Returns the call to hand out, or NULL: it is idle now. */
struct call *instance_offer(struct engine *engine, struct instance *instance, int64_t now_ns);
/* What its launcher says of its processes. Lock not held; loop only. */
void instance_told(struct engine *engine, struct instance *instance, const struct launch_report *report);
void instance_ref(struct instance *instance);
void instance_unref(struct instance *instance);
void instance_read_log(struct engine *engine, struct instance *instance, bool to_the_end);

/* ---- target.c ---- */
/* Lock held. NULL: it must be read first; the call was put to wait (its reference moves). */
struct target *target_find(struct engine *engine, struct call *call, int64_t now_ns);
void target_changed(struct engine *engine, int64_t account_id, const char *name);
void targets_free(struct engine *engine);

/* ---- worker.c ---- */
int workers_start(struct engine *engine, struct err *err);
void workers_stop(struct engine *engine);
/* ctx is the job's. Any thread; also under the lock. */
void worker_do(struct engine *engine, job_fn *run, bool needs_pg, void *ctx);

/* ---- loop.c ---- */
int loop_start(struct engine *engine, struct err *err);
void loop_stop(struct engine *engine);
/* Go on with this call on the loop thread; the reference moves. Any thread, also under the lock. */
void loop_mail(struct engine *engine, struct call *call);
void loop_poke(struct engine *engine);
/* Make sure the loop looks at the clock at at_ns. Any thread. */
void loop_wake_at(struct engine *engine, int64_t at_ns);
int loop_watch(struct engine *engine, int fd, struct watch *watch, enum watch_kind kind, struct instance *instance);
void loop_unwatch(struct engine *engine, int fd);

/* ---- environment.c ---- */
/* Variables of a function: its own (json) and those of the Runtime API. opt_dir: its layers on this machine, or "". */
int environment_build(struct engine *engine, const struct function *function, const char *json, const char *opt_dir,
                      struct buf *texts, uint32_t *count, struct err *err);
/* argv of the runtime; at most 4 entries and NULL. */
void environment_argv(const struct engine *engine, const struct fleet *fleet, char texts[2][4200], const char *argv[5]);
void engine_arn(const struct engine *engine, int64_t account_id, const char *name, const char *qualifier, char *text,
                size_t room);

/* ---- code_cache.c ---- */
/* Unpacked package of a function; fetched and unpacked when it is not there. */
int code_cache_get(struct engine *engine, struct pg *pg, const struct function *function, char dir[ENGINE_PATH_BYTES],
                   struct err *err);
/* Its layers, one over the other, as they are to be seen at /opt; dir is "" when it has none. */
int code_cache_layers(struct engine *engine, struct pg *pg, const struct function *function,
                      char dir[ENGINE_PATH_BYTES], struct err *err);

#endif
