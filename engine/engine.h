/*
 * engine.h - runs functions: admission, a warm instance or a new one, the Runtime API, the record.
 *
 * Why:       the one place where an invocation happens, whatever asked for it (REST, Lambda's REST, the queue, the
 * CLI). Threads:   the engine has its own; engine_invoke returns at once and calls done later from an engine thread.
 * Ownership: the engine copies what it needs of a request; a result and its bytes live until done returns.
 */
#ifndef FARTHING_ENGINE_ENGINE_H
#define FARTHING_ENGINE_ENGINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/admission.h"
#include "engine/function.h"

struct engine;
struct err;
struct farthing_hook;
struct pg_pool;

#define INVOKE_REQUEST_BYTES_MAX 6291456  /* 6 MiB */
#define INVOKE_RESPONSE_BYTES_MAX 6291556 /* 6 MiB + 100, as the Runtime API says */
#define INVOKE_STREAM_BYTES_MAX 20971520  /* 20 MiB, streamed */
#define INVOKE_ASYNC_BYTES_MAX 1048576    /* 1 MiB */
#define INVOKE_LOG_TAIL_BYTES 4096

enum engine_sandbox { SANDBOX_AUTO, SANDBOX_BWRAP, SANDBOX_NONE };

struct engine_options {
    const char *data_dir; /* code cache, logs, sockets */
    const char *conninfo;
    struct farthing_hook *hook;
    struct admission *admission;
    int64_t node_id;
    const uint8_t *node_key; /* 32 bytes: decrypts environments */
    enum engine_sandbox sandbox;
    int instances_max; /* 0: by memory of the machine */
    int idle_s;        /* 0: 300; idle instances are stopped after this */
    bool allow_network_host;
    const char *region; /* in ARNs; NULL: "local" */
    /* Of a runtime at an instant; NULL: 1 ms, init billed. */
    struct billing_policy (*policy)(void *ctx, int64_t account_id, int64_t at_us, const char *runtime);
    void *policy_ctx;
};

enum invoke_type { INVOKE_SYNC, INVOKE_EVENT, INVOKE_DRY_RUN };

struct invoke_request {
    int64_t account_id;
    const char *function;  /* name */
    const char *qualifier; /* NULL: $LATEST */
    enum invoke_type type;
    const void *payload;
    size_t payload_length;
    bool log_tail;
    bool stream;                 /* chunks are wanted as they come: on_chunk */
    const char *client_context;  /* base64 or NULL */
    const char *trace_id;        /* X-Amzn-Trace-Id or NULL */
    const char *idempotency_key; /* Idempotency-Key or amz-sdk-invocation-id; NULL: none. The same key of the same
                                    account within 15 minutes neither runs nor bills twice: it gets the first answer */
};

enum invoke_outcome {
    INVOKE_DONE,     /* the function answered, or failed in its own way (function_error) */
    INVOKE_ACCEPTED, /* queued (event), or dry run is fine */
    INVOKE_REFUSED,  /* refusal says why: 429 */
    INVOKE_FAILED    /* error says why: 404, 400, 413, 500, 503 */
};

struct invoke_result {
    enum invoke_outcome outcome;
    struct uuid request_id;
    int version;                /* executed */
    const char *function_error; /* NULL: success; "Unhandled" otherwise */
    const void *payload;        /* response, or the error document */
    size_t payload_length;
    const char *content_type;
    const void *log_tail; /* last 4 KiB of log, when asked for */
    size_t log_tail_length;
    struct usage_record record; /* what was metered; kind 0 when nothing ran */
    struct admission_refusal refusal;
    const struct err *error;
    bool replayed; /* answered from the first run of the same idempotency key */
};

typedef void invoke_done_fn(const struct invoke_result *result, void *ctx);
/* A piece of a streamed response, in order, before done. */
struct invoke_piece {
    struct uuid request_id;
    int version;              /* executed */
    const char *content_type; /* NULL: the runtime named none */
    const void *bytes;
    size_t length;
};
typedef void invoke_chunk_fn(const struct invoke_piece *piece, void *ctx);

struct engine_stats {
    int64_t instances, instances_busy, instances_starting;
    int64_t invocations, errors, refusals, cold_starts, timeouts;
    int64_t queued;            /* calls waiting for an instance */
    int64_t async_pending;     /* in the durable queue */
    int64_t async_oldest_us;   /* age of the oldest */
    const char *sandbox;       /* "bwrap", "none" */
    const char *memory_source; /* "cgroup2", "cgroup1", "proc" */
};

int engine_open(const struct engine_options *options, struct engine **engine, struct err *err);
/* Running calls get wait_ms to finish, waiting ones are refused with 503, queued ones stay in the queue. */
void engine_close(struct engine **engine, int wait_ms);

/* 0: done will be called exactly once. -1: bad request, done is not called. */
int engine_invoke(struct engine *engine, const struct invoke_request *request, invoke_done_fn *done,
                  invoke_chunk_fn *on_chunk, void *ctx, struct err *err);

/* The function changed (code, settings, deleted): instances of its $LATEST are replaced before the next call. */
void engine_function_changed(struct engine *engine, int64_t account_id, const char *name);

/* Instances of a version that are kept ready on this node. */
struct engine_provisioned {
    int allocated; /* initialised */
    int available; /* of these: without a call */
    int crashes;   /* starts in a row that failed */
};
void engine_provisioned(struct engine *engine, int64_t account_id, int64_t function_id, int version,
                        struct engine_provisioned *found);
/* Get a version ready without a call: its code is fetched and its provisioned instances start. Returns at once. */
void engine_prepare(struct engine *engine, int64_t account_id, const char *name, const char *qualifier);

void engine_stats(const struct engine *engine, struct engine_stats *stats);
/* What this node did for a function since it started; sums only rise. */
struct engine_function_stats {
    int64_t account_id;
    const char *name;
    int64_t busy, idle; /* instances now; busy: concurrent executions */
    int64_t invocations, errors, timeouts, throttles, cold_starts;
    int64_t duration_us, billed_ms;
    int64_t events_received, events_dropped;     /* asynchronous ones */
    int64_t event_runs, event_age_us;            /* handed to the function here; their ages then, summed */
    int64_t events_waiting, oldest_event_age_us; /* of all nodes, as looked at a second ago */
};
typedef void engine_function_stats_fn(const struct engine_function_stats *stats, void *ctx);
/* Every function this node was asked for; account_id 0: of all accounts. visit must not call the engine. */
void engine_each_function(struct engine *engine, int64_t account_id, engine_function_stats_fn *visit, void *ctx);

/* Log lines of a function, oldest first, since a time; follow: also those that come later, until on_line returns -1. */
typedef int engine_log_fn(int64_t at_us, const char *line, size_t length, void *ctx);
int engine_logs(struct engine *engine, int64_t account_id, const char *function, int64_t since_us, int limit,
                engine_log_fn *on_line, void *ctx, struct err *err);

/* What isolation this machine offers, for farthing doctor: one sentence a finding, ok tells whether it is as it should
 * be. */
typedef void engine_doctor_fn(bool ok, const char *what, const char *finding, void *ctx);
void engine_doctor(engine_doctor_fn *on_finding, void *ctx);

#endif
