/* call.c - one run: from the request to the record and the answer. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/check.h"
#include "common/clock.h"
#include "common/json.h"
#include "engine/async.h"
#include "engine/counters.h"
#include "engine/engine_internal.h"
#include "engine/idempotency.h"
#include "engine/log_store.h"
#include "engine/meter.h"

struct call *call_new(struct engine *engine, const struct invoke_request *request)
{
    struct call *call = calloc(1, sizeof *call);
    if (call == NULL) {
        return NULL;
    }
    call->engine = engine;
    atomic_init(&call->refs, 1);
    call->account_id = request->account_id;
    (void)snprintf(call->function, sizeof call->function, "%s", request->function);
    (void)snprintf(call->qualifier, sizeof call->qualifier, "%s", request->qualifier != NULL ? request->qualifier : "");
    call->type = request->type;
    call->log_tail = request->log_tail;
    call->stream = request->stream;
    call->client_context = request->client_context != NULL ? strdup(request->client_context) : NULL;
    call->trace_id = request->trace_id != NULL ? strdup(request->trace_id) : NULL;
    call->attempt = 1;
    if (request->payload_length > 0) {
        buf_append(&call->payload, request->payload, request->payload_length);
    } else {
        buf_puts(&call->payload, "{}"); /* runtimes cannot parse an empty event */
    }
    uuid_random(&call->id);
    uuid_format(&call->id, call->id_text);
    (void)pthread_mutex_init(&call->deliver, NULL);
    (void)pthread_mutex_init(&call->tail_lock, NULL);
    if (!buf_ok(&call->payload)) {
        call_unref(call);
        return NULL;
    }
    return call;
}

struct call *call_ref(struct call *call)
{
    atomic_fetch_add_explicit(&call->refs, 1, memory_order_relaxed);
    return call;
}

void call_unref(struct call *call)
{
    if (call == NULL || atomic_fetch_sub_explicit(&call->refs, 1, memory_order_acq_rel) != 1) {
        return;
    }
    (void)pthread_mutex_destroy(&call->deliver);
    (void)pthread_mutex_destroy(&call->tail_lock);
    buf_free(&call->payload);
    buf_free(&call->answer);
    buf_free(&call->tail);
    free(call->client_context);
    free(call->trace_id);
    free(call);
}

static void result_of(const struct call *call, struct invoke_result *result)
{
    *result = (struct invoke_result){
        .outcome = call->outcome,
        .request_id = call->id,
        .version = call->fleet != NULL ? call->fleet->function.version : call->known_version,
        .function_error = call->function_error ? "Unhandled" : NULL,
        .payload = call->answer.data,
        .payload_length = call->answer.length,
        .content_type = call->content_type[0] != '\0' ? call->content_type : "application/json",
        .log_tail = call->tail.data,
        .log_tail_length = call->tail.length,
        .record = call->record,
        .refusal = call->refusal,
        .error = &call->error,
        .replayed = call->replayed,
    };
}

/* The one place where a call ends. Takes the caller's reference. */
void call_answer(struct call *call)
{
    struct engine *engine = call->engine;
    struct invoke_result result;
    (void)pthread_mutex_lock(&call->deliver);
    call->over = true;
    (void)pthread_mutex_unlock(&call->deliver);
    result_of(call, &result);
    if (call->idem != NULL) {
        idem_finish(engine->idem, call->idem, &result);
        call->idem = NULL;
    }
    if (call->done != NULL) {
        call->done(&result, call->ctx);
    }
    (void)pthread_mutex_lock(&engine->lock);
    if (--engine->active_calls == 0) {
        (void)pthread_cond_broadcast(&engine->idle_changed);
    }
    (void)pthread_mutex_unlock(&engine->lock);
    call_unref(call);
}

void call_refuse(struct call *call, const struct admission_refusal *refusal)
{
    if (refusal != &call->refusal) {
        call->refusal = *refusal;
    }
    call->outcome = INVOKE_REFUSED;
    atomic_fetch_add(&call->engine->refusals, 1);
    counters_throttle(call);
    if (call->admitted && call->engine->options.admission != NULL) {
        admission_settle(call->engine->options.admission, &call->ticket, NULL);
        call->admitted = false;
    }
    call_answer(call);
}

void call_fail(struct call *call, const struct err *error)
{
    if (error != &call->error) {
        call->error = *error;
    }
    call->outcome = INVOKE_FAILED;
    if (call->admitted && call->engine->options.admission != NULL) {
        admission_settle(call->engine->options.admission, &call->ticket, NULL);
        call->admitted = false;
    }
    call_answer(call);
}

void call_later(struct call *call)
{
    loop_mail(call->engine, call);
}

void call_error_document(struct call *call, const char *type, const char *format, ...)
{
    char message[512];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(message, sizeof message, format, args);
    va_end(args);
    buf_clear(&call->answer);
    buf_puts(&call->answer, "{\"errorType\":");
    json_quote(&call->answer, type, strlen(type));
    buf_puts(&call->answer, ",\"errorMessage\":");
    json_quote(&call->answer, message, strlen(message));
    buf_putc(&call->answer, '}');
    (void)snprintf(call->content_type, sizeof call->content_type, "application/json");
    (void)snprintf(call->error_type, sizeof call->error_type, "%s", type);
    call->function_error = true;
}

void call_tail_put(struct call *call, const char *line, size_t length)
{
    (void)pthread_mutex_lock(&call->tail_lock);
    buf_append(&call->tail, line, length);
    buf_putc(&call->tail, '\n');
    if (call->tail.length > INVOKE_LOG_TAIL_BYTES) {
        size_t cut = call->tail.length - INVOKE_LOG_TAIL_BYTES;
        memmove(call->tail.data, call->tail.data + cut, INVOKE_LOG_TAIL_BYTES);
        call->tail.length = INVOKE_LOG_TAIL_BYTES;
    }
    (void)pthread_mutex_unlock(&call->tail_lock);
}

static void log_line(struct call *call, const char *line)
{
    size_t length = strlen(line);
    log_ring_put(call->fleet->log, clock_wall_us(), line, length);
    if (call->log_tail) {
        call_tail_put(call, line, length);
    }
}

void call_log_start(struct call *call)
{
    char line[160];
    char version[16] = "$LATEST";
    if (call->fleet->function.version != FUNCTION_VERSION_LATEST) {
        (void)snprintf(version, sizeof version, "%d", call->fleet->function.version);
    }
    (void)snprintf(line, sizeof line, "START RequestId: %s Version: %s", call->id_text, version);
    log_line(call, line);
}

/* Hundredths of a millisecond, as Lambda prints durations. */
static void milliseconds(uint64_t us, char text[32])
{
    uint64_t hundredths = (us + 5) / 10;
    (void)snprintf(text, 32, "%" PRIu64 ".%02" PRIu64, hundredths / 100, hundredths % 100);
}

static void log_end(struct call *call)
{
    char line[600];
    char duration[32];
    char init[32];
    char extra[80] = "";
    const char *type = call->error_type;
    (void)snprintf(line, sizeof line, "END RequestId: %s", call->id_text);
    log_line(call, line);
    milliseconds(call->duration_us, duration);
    if (call->init_us > 0) {
        milliseconds(call->init_us, init);
        (void)snprintf(extra, sizeof extra, "Init Duration: %s ms\t", init);
    }
    int used = snprintf(line, sizeof line,
                        "REPORT RequestId: %s\tDuration: %s ms\tBilled Duration: %" PRIu32
                        " ms\tMemory Size: %d MB\tMax Memory Used: %" PRIu32 " MB\t%s",
                        call->id_text, duration, call->record.billed_ms, call->fleet->function.memory_mib,
                        (call->peak_kib + 1023) / 1024, extra);
    CHECK(used > 0 && (size_t)used < sizeof line);
    size_t room = sizeof line - (size_t)used;
    if (call->status == USAGE_TIMEOUT) {
        (void)snprintf(line + used, room, "Status: timeout");
    } else if (call->status != USAGE_OK &&
               (strncmp(type, "Runtime.", 8) == 0 || strncmp(type, "Extension.", 10) == 0)) {
        (void)snprintf(line + used, room, "Status: error\tError Type: %s", type);
    }
    log_line(call, line);
}

void call_measure(struct call *call, struct instance *instance, int64_t now_ns)
{
    const struct function *function = &call->fleet->function;
    if (call->handed) {
        int64_t duration = (now_ns - call->handed_ns) / 1000;
        int64_t limit = (int64_t)function->timeout_s * 1000000 + (int64_t)call->grace_us;
        call->duration_us = (uint64_t)(duration < 0 ? 0 : duration > limit ? limit : duration);
        meter_end(instance->sandbox.meter, &call->peak_kib, &call->cpu_us);
    }
}

int64_t call_deadline_ms(const struct call *call)
{
    return (call->started_us + (int64_t)call->fleet->function.timeout_s * 1000000) / 1000;
}

void call_trace(const struct call *call, char *text, size_t room)
{
    if (call->trace_id != NULL) {
        (void)snprintf(text, room, "%s", call->trace_id);
        return;
    }
    (void)snprintf(text, room, "Root=1-%08" PRIx64 "-%.8s%.4s%.12s;Parent=0000000000000000;Sampled=0",
                   (uint64_t)(call->started_us / 1000000), call->id_text, call->id_text + 9, call->id_text + 24);
}

struct billing_policy call_policy(const struct call *call, int64_t at_us)
{
    const struct engine_options *options = &call->engine->options;
    if (options->policy == NULL) {
        return (struct billing_policy){.grain_ms = 1, .bill_init = true};
    }
    return options->policy(options->policy_ctx, call->account_id, at_us, call->fleet->function.runtime);
}

static void fill_record(struct call *call)
{
    struct engine *engine = call->engine;
    const struct function *function = &call->fleet->function;
    struct billing_policy policy = call_policy(call, call->started_us);
    uint16_t flags = 0;
    flags |= call->cold ? USAGE_FLAG_COLD : 0;
    flags |= call->async ? USAGE_FLAG_ASYNC : 0;
    flags |= call->streamed ? USAGE_FLAG_STREAMED : 0;
    flags |= function->arch == ARCH_ARM64 ? USAGE_FLAG_ARM64 : 0;
    flags |= call->on_provisioned ? USAGE_FLAG_PROVISIONED : 0;
    call->record = (struct usage_record){
        .kind = USAGE_KIND_INVOCATION,
        .status = (uint8_t)call->status,
        .account_id = call->account_id,
        .function_id = function->function_id,
        .started_us = call->started_us,
        .duration_us = call->duration_us,
        .init_us = call->init_us,
        .cpu_us = call->cpu_us,
        .response_bytes = call->response_bytes,
        .billed_ms = billed_duration_ms(&policy, call->duration_us, call->init_us),
        .memory_mib = (uint32_t)function->memory_mib,
        .peak_kib = call->peak_kib,
        .version = (uint32_t)function->version,
        .ephemeral_mib = (uint32_t)function->ephemeral_mib,
        .billed_requests = billed_requests(&policy, call->async, (uint32_t)call->payload.length),
        .node_id = (uint32_t)engine->options.node_id,
        .attempt = call->attempt,
        .flags = flags,
        .event_bytes = (uint32_t)call->payload.length,
    };
    memcpy(call->record.request_id, call->id.bytes, sizeof call->record.request_id);
}

static void count(struct call *call)
{
    struct engine *engine = call->engine;
    counters_add(call);
    atomic_fetch_add_explicit(&engine->invocations, 1, memory_order_relaxed);
    if (call->status != USAGE_OK) {
        atomic_fetch_add_explicit(&engine->errors, 1, memory_order_relaxed);
    }
    if (call->status == USAGE_TIMEOUT) {
        atomic_fetch_add_explicit(&engine->timeouts, 1, memory_order_relaxed);
    }
    if (call->cold) {
        atomic_fetch_add_explicit(&engine->cold_starts, 1, memory_order_relaxed);
    }
}

bool call_retry_record(struct call *call)
{
    struct engine *engine = call->engine;
    if (engine->options.hook != NULL) {
        int told = farthing_hook_emit(engine->options.hook, &call->record);
        CHECK(told != FARTHING_HOOK_INVALID);
        if (told != FARTHING_HOOK_OK) {
            return false;
        }
    }
    if (call->admitted && engine->options.admission != NULL) {
        admission_settle(engine->options.admission, &call->ticket, &call->record);
    }
    call->admitted = false;
    log_end(call);
    call->outcome = INVOKE_DONE;
    call_answer(call);
    return true;
}

void call_over(struct call *call)
{
    struct engine *engine = call->engine;
    fill_record(call);
    count(call);
    if (call_retry_record(call)) {
        return;
    }
    /* The spool is full: the answer waits for its record. The loop tries again. */
    (void)pthread_mutex_lock(&engine->lock);
    call->next = engine->unwritten;
    engine->unwritten = call;
    (void)pthread_mutex_unlock(&engine->lock);
    loop_wake_at(engine, clock_mono_ns() + ENGINE_EMIT_RETRY_NS);
}
