/* instance_end.c - how an instance ended, and what is said of it to the caller it had. */
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "common/clock.h"
#include "common/err.h"
#include "engine/engine_internal.h"
#include "engine/extensions.h"
#include "engine/meter.h"

static void status_text(int status, char *text, size_t room)
{
    if (WIFSIGNALED(status)) {
        (void)snprintf(text, room, "signal: %s", WTERMSIG(status) == 9 ? "killed" : strsignal(WTERMSIG(status)));
    } else {
        (void)snprintf(text, room, "exit status %d", WEXITSTATUS(status));
    }
}

/* Of an extension. Lock held. */
static void extension_told(struct engine *engine, struct instance *instance, const struct launch_report *report)
{
    struct extensions *all = instance->extensions;
    char text[100];
    if (all == NULL || report->index >= (uint32_t)all->count || !all->at[report->index].external) {
        return;
    }
    if (report->kind == LAUNCH_NO_EXTENSION) {
        (void)snprintf(text, sizeof text, "%s", strerror(report->value));
        extension_failed(engine, instance, &all->at[report->index], "Extension.LaunchError", text);
    } else {
        status_text(report->value, text, sizeof text);
        extension_failed(engine, instance, &all->at[report->index], "Extension.Crash", text);
    }
}

void instance_told(struct engine *engine, struct instance *instance, const struct launch_report *report)
{
    (void)pthread_mutex_lock(&engine->lock);
    if (report->kind == LAUNCH_NO_EXTENSION || report->kind == LAUNCH_EXTENSION_ENDED) {
        extension_told(engine, instance, report);
    } else if (report->kind != LAUNCH_ENDED) {
        instance->launch_problem = (int)report->kind;
        instance->end_status = report->value;
    } else {
        if (instance->launch_problem == 0) {
            instance->ended = true;
            instance->end_status = report->value;
        }
        /* Its launcher stays for the sake of extensions; without any it has ended itself. */
        if (instance->extensions != NULL && instance->state != INSTANCE_STOPPING) {
            instance_stop(engine, instance, instance->state == INSTANCE_IDLE ? USAGE_KILLED : USAGE_ERROR);
        }
    }
    (void)pthread_mutex_unlock(&engine->lock);
}

static void exit_text(const struct instance *instance, char *text, size_t room)
{
    int status = instance->end_status;
    if (instance->ended && WIFSIGNALED(status)) {
        const char *name = WTERMSIG(status) == 9 ? "killed" : strsignal(WTERMSIG(status));
        (void)snprintf(text, room, "Runtime exited with error: signal: %s", name);
        for (char *at = strstr(text, "signal: "); at != NULL && *at != '\0'; at++) {
            *at = (char)(*at >= 'A' && *at <= 'Z' ? *at - 'A' + 'a' : *at);
        }
    } else if (instance->ended && WEXITSTATUS(status) > 1) {
        (void)snprintf(text, room, "Runtime exited with error: exit status %d", WEXITSTATUS(status));
    } else {
        (void)snprintf(text, room, "Runtime exited without providing a reason");
    }
}

/* What the caller is told of a run that ended with its instance. */
static void crash_document(struct call *call, struct instance *instance, bool out_of_memory)
{
    char text[160];
    if (call->status == USAGE_TIMEOUT) {
        call_error_document(call, "Sandbox.Timedout", "RequestId: %s Error: Task timed out after %d.00 seconds",
                            call->id_text, call->fleet->function.timeout_s);
        return;
    }
    if (out_of_memory || call->status == USAGE_OUT_OF_MEMORY) {
        call->status = USAGE_OUT_OF_MEMORY;
        call_error_document(call, "Runtime.ExitError", "RequestId: %s Error: Runtime exited with error: signal: killed",
                            call->id_text);
        (void)snprintf(call->error_type, sizeof call->error_type, "Runtime.OutOfMemory");
        return;
    }
    if (instance->extensions != NULL && instance->extensions->failure_type[0] != '\0') {
        call_error_document(call, instance->extensions->failure_type, "RequestId: %s Error: %s", call->id_text,
                            instance->extensions->failure_text);
        return;
    }
    if (instance->launch_problem != 0) {
        const char *type =
            instance->launch_problem == LAUNCH_NO_DIRECTORY ? "Runtime.InvalidWorkingDir" : "Runtime.InvalidEntrypoint";
        call_error_document(call, type, "RequestId: %s Error: Couldn't find valid bootstrap(s): %s", call->id_text,
                            strerror(instance->end_status));
        return;
    }
    exit_text(instance, text, sizeof text);
    call_error_document(call, "Runtime.ExitError", "RequestId: %s Error: %s", call->id_text, text);
}

void instance_end_call(struct call *call, struct instance *instance, bool out_of_memory)
{
    if (!call->answered) {
        crash_document(call, instance, out_of_memory);
        call->response_bytes = call->answer.length;
        return;
    }
    const struct extensions *all = instance->extensions;
    call->status = out_of_memory && call->status != USAGE_TIMEOUT ? USAGE_OUT_OF_MEMORY : call->status;
    (void)snprintf(call->error_type, sizeof call->error_type, "%s",
                   call->status == USAGE_TIMEOUT                 ? "Sandbox.Timedout"
                   : all != NULL && all->failure_type[0] != '\0' ? all->failure_type
                                                                 : "Runtime.ExitError");
}

void instance_init_failed(struct engine *engine, struct instance *instance)
{
    struct fleet *fleet = instance->fleet;
    int64_t now_ns = clock_mono_ns();
    (void)pthread_mutex_lock(&engine->lock);
    fleet_crashed(fleet, now_ns);
    struct call *call = fleet_pop(fleet);
    (void)pthread_mutex_unlock(&engine->lock);
    if (call == NULL) {
        return;
    }
    bool too_many = instance->extensions != NULL && instance->extensions->failure_type[0] != '\0';
    if (!instance->started && !too_many) {
        /* This machine's fault, not the function's: nothing ran, so nothing is recorded or billed. */
        struct err err;
        (void)err_set(&err, ERR_RETRY, "no instance of function %s could be started on this node",
                      fleet->function.name);
        (void)err_slug(&err, "instance_not_started");
        call_fail(call, &err);
        return;
    }
    int64_t init_us = (now_ns - instance->spawn_ns) / 1000;
    int64_t limit_us = (int64_t)ENGINE_INIT_LIMIT_MS * 1000;
    call->started_us = clock_wall_us();
    call->status = USAGE_INIT_ERROR;
    call->cold = true;
    call->init_us = (uint64_t)(init_us > limit_us ? limit_us : init_us);
    call_log_start(call);
    if (instance->init_error.length > 0) {
        buf_append(&call->answer, instance->init_error.data, instance->init_error.length);
        (void)snprintf(call->error_type, sizeof call->error_type, "%s", instance->init_error_type);
        call->function_error = true;
    } else if (instance->stop_reason == USAGE_TIMEOUT) {
        call_error_document(call, "Sandbox.Timedout", "RequestId: %s Error: Task timed out after %d.00 seconds",
                            call->id_text, ENGINE_INIT_LIMIT_MS / 1000);
    } else {
        bool killed = instance->started && meter_out_of_memory(instance->sandbox.meter);
        crash_document(call, instance, killed);
    }
    call->response_bytes = call->answer.length;
    call_over(call);
}
