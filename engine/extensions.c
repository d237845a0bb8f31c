#include "engine/extensions.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/check.h"
#include "common/clock.h"
#include "common/err.h"
#include "common/json.h"
#include "common/log.h"
#include "common/text.h"
#include "engine/engine_internal.h"
#include "engine/log_store.h"
#include "engine/runtime_api.h"
#include "engine/runtime_internal.h"

/* ---- what it sends ---- */

int extension_events_read(const char *body, size_t length, unsigned *events, char bad[64])
{
    cJSON *tree = NULL;
    const cJSON *list = NULL;
    const cJSON *item = NULL;
    struct err err = {0};
    int rc = -1;
    unsigned found = 0;
    bad[0] = '\0';
    if (length > EXTENSION_BODY_BYTES_MAX || json_parse(body, length, &tree, &err) != 0) {
        return -1;
    }
    if (!cJSON_IsObject(tree) || json_get_array(tree, "", "events", false, &list, &err) != 0) {
        goto out;
    }
    cJSON_ArrayForEach(item, list)
    {
        const char *word = cJSON_GetStringValue(item);
        if (word == NULL) {
            goto out;
        }
        unsigned event = strcmp(word, "INVOKE") == 0     ? EXTENSION_INVOKE
                         : strcmp(word, "SHUTDOWN") == 0 ? EXTENSION_SHUTDOWN
                                                         : 0;
        if (event == 0) {
            (void)snprintf(bad, 64, "%.63s", word);
            rc = 1;
            goto out;
        }
        found |= event;
    }
    *events = found;
    rc = 0;
out:
    cJSON_Delete(tree);
    return rc;
}

/* ---- who there is ---- */

static bool is_program(const char *dir, const char *name)
{
    char path[ENGINE_PATH_BYTES + 300];
    struct stat found;
    (void)snprintf(path, sizeof path, "%s/%s", dir, name);
    return name[0] != '.' && stat(path, &found) == 0 && S_ISREG(found.st_mode) && (found.st_mode & 0111) != 0;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct extension *)a)->name, ((const struct extension *)b)->name);
}

bool extensions_find(const char *opt_dir, struct extensions **extensions)
{
    char dir[ENGINE_PATH_BYTES + 16];
    bool fits = true;
    (void)snprintf(dir, sizeof dir, "%s/extensions", opt_dir);
    DIR *entries = opt_dir[0] != '\0' ? opendir(dir) : NULL;
    const struct dirent *entry = NULL;
    *extensions = NULL;
    while (entries != NULL && (entry = readdir(entries)) != NULL) {
        if (!is_program(dir, entry->d_name)) {
            continue;
        }
        if (*extensions == NULL) {
            *extensions = calloc(1, sizeof **extensions);
            CHECK(*extensions != NULL);
        }
        struct extensions *found = *extensions;
        fits = found->count < EXTENSIONS_MAX && strlen(entry->d_name) < EXTENSION_NAME_BYTES;
        if (!fits) {
            (void)snprintf(found->failure_type, sizeof found->failure_type, "Extension.TooManyExtensions");
            (void)snprintf(found->failure_text, sizeof found->failure_text, "Extension limit (%d) reached",
                           EXTENSIONS_MAX);
            break;
        }
        struct extension *extension = &found->at[found->count++];
        extension->external = true;
        (void)snprintf(extension->name, sizeof extension->name, "%s", entry->d_name);
    }
    if (entries != NULL) {
        (void)closedir(entries);
    }
    if (*extensions != NULL) {
        qsort((*extensions)->at, (size_t)(*extensions)->count, sizeof(*extensions)->at[0], by_name);
    }
    return fits;
}

void extensions_paths(const struct extensions *extensions, const char *opt_dir, struct buf *texts,
                      const char *paths[EXTENSIONS_MAX + 1])
{
    size_t at = 0;
    int count = extensions != NULL ? extensions->count : 0;
    for (int i = 0; i < count; i++) {
        buf_printf(texts, "%s/extensions/%s", opt_dir, extensions->at[i].name);
        buf_putc(texts, '\0');
    }
    CHECK(buf_ok(texts));
    for (int i = 0; i < count; i++) {
        paths[i] = texts->data + at;
        at += strlen(paths[i]) + 1;
    }
    paths[count] = NULL;
}

void extensions_free(struct extensions **extensions)
{
    free(*extensions);
    *extensions = NULL;
}

struct extension *extension_by_id(struct instance *instance, const char *id)
{
    struct extensions *all = instance->extensions;
    for (int i = 0; all != NULL && i < all->count; i++) {
        if (all->at[i].id[0] != '\0' && strcmp(all->at[i].id, id) == 0) {
            return &all->at[i];
        }
    }
    return NULL;
}

struct extension *extension_by_name(struct instance *instance, const char *name)
{
    struct extensions *all = instance->extensions;
    for (int i = 0; all != NULL && i < all->count; i++) {
        if (strcmp(all->at[i].name, name) == 0) {
            return &all->at[i];
        }
    }
    return NULL;
}

struct extension *extension_add(struct instance *instance, const char *name)
{
    if (instance->extensions == NULL) {
        instance->extensions = calloc(1, sizeof *instance->extensions);
        CHECK(instance->extensions != NULL);
        instance->extensions->runtime_started = true;
    }
    struct extensions *all = instance->extensions;
    if (all->count == EXTENSIONS_MAX) {
        return NULL;
    }
    struct extension *extension = &all->at[all->count++];
    (void)snprintf(extension->name, sizeof extension->name, "%s", name);
    return extension;
}

void extension_register(struct instance *instance, struct extension *extension, unsigned events)
{
    struct extensions *all = instance->extensions;
    struct uuid id;
    uuid_random(&id);
    uuid_format(&id, extension->id);
    extension->state = EXTENSION_REGISTERED;
    extension->events = events;
    bool all_here = true;
    for (int i = 0; i < all->count; i++) {
        all_here = all_here && all->at[i].state != EXTENSION_STARTED;
    }
    int ms = extensions_shutdown_ms(instance);
    instance->fleet->shutdown_ms = ms > instance->fleet->shutdown_ms ? ms : instance->fleet->shutdown_ms;
    if (all_here && !all->runtime_started) {
        all->runtime_started = true;
        sandbox_command(&instance->sandbox, LAUNCH_START_RUNTIME);
    }
}

/* ---- events ---- */

static void send_event(struct link *link, const struct buf *body)
{
    char head[300];
    struct uuid id;
    char text[UUID_TEXT_BYTES];
    struct buf reply = {0};
    uuid_random(&id);
    uuid_format(&id, text);
    (void)snprintf(head, sizeof head,
                   "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nLambda-Extension-Event-Identifier: %s\r\n"
                   "Content-Length: %zu\r\n\r\n",
                   text, body->length);
    buf_puts(&reply, head);
    buf_append(&reply, body->data, body->length);
    if (buf_ok(&reply)) {
        link_write(link, reply.data, reply.length, NULL);
    }
    buf_free(&reply);
}

static void invoke_event(struct engine *engine, const struct call *call, struct buf *body)
{
    char text[400];
    struct json_writer writer;
    json_writer_init(&writer, body);
    json_open_object(&writer, NULL);
    json_put_text(&writer, "eventType", "INVOKE");
    json_put_i64(&writer, "deadlineMs", call_deadline_ms(call));
    json_put_text(&writer, "requestId", call->id_text);
    engine_arn(engine, call->account_id, call->fleet->function.name, call->qualifier, text, sizeof text);
    json_put_text(&writer, "invokedFunctionArn", text);
    json_open_object(&writer, "tracing");
    json_put_text(&writer, "type", "X-Amzn-Trace-Id");
    call_trace(call, text, sizeof text);
    json_put_text(&writer, "value", text);
    json_close_object(&writer);
    json_close_object(&writer);
}

static void give_invoke(struct engine *engine, struct extension *extension, const struct call *call)
{
    struct buf body = {0};
    extension->state = EXTENSION_RUNNING;
    extension->owed = extension->waiting == NULL;
    if (extension->waiting != NULL) {
        invoke_event(engine, call, &body);
        send_event(extension->waiting, &body);
        extension->waiting = NULL;
        buf_free(&body);
    }
}

static void give_shutdown(const struct extensions *all, struct extension *extension)
{
    struct buf body = {0};
    struct json_writer writer;
    json_writer_init(&writer, &body);
    json_open_object(&writer, NULL);
    json_put_text(&writer, "eventType", "SHUTDOWN");
    json_put_text(&writer, "shutdownReason", all->shutdown_reason);
    json_put_i64(&writer, "deadlineMs", all->shutdown_deadline_ms);
    json_close_object(&writer);
    send_event(extension->waiting, &body);
    extension->waiting = NULL;
    extension->state = EXTENSION_RUNNING;
    buf_free(&body);
}

void extension_next(struct engine *engine, struct instance *instance, struct extension *extension, struct link *link)
{
    struct extensions *all = instance->extensions;
    struct call *call = instance->current;
    if (extension->waiting != NULL && extension->waiting != link) {
        runtime_api_drop(extension->waiting); /* the newer connection counts */
    }
    extension->waiting = link;
    extension->state = EXTENSION_READY;
    if (all->shutting_down) {
        if (extension->external && (extension->events & EXTENSION_SHUTDOWN) != 0) {
            give_shutdown(all, extension);
        }
    } else if (extension->owed && call != NULL) {
        give_invoke(engine, extension, call);
    }
}

void extensions_forget(struct instance *instance, const struct link *link)
{
    struct extensions *all = instance->extensions;
    for (int i = 0; all != NULL && i < all->count; i++) {
        if (all->at[i].waiting == link) {
            all->at[i].waiting = NULL; /* still ready: what comes meanwhile is owed to it */
        }
    }
}

void extensions_invoke(struct engine *engine, struct instance *instance, const struct call *call)
{
    struct extensions *all = instance->extensions;
    for (int i = 0; all != NULL && i < all->count; i++) {
        if ((all->at[i].events & EXTENSION_INVOKE) != 0 && all->at[i].state != EXTENSION_ENDED) {
            give_invoke(engine, &all->at[i], call);
        }
    }
}

/* ---- when all are done ---- */

bool extensions_settled(const struct instance *instance)
{
    const struct extensions *all = instance->extensions;
    bool starting = instance->state == INSTANCE_STARTING;
    if (instance->waiting == NULL || all->finishing || (!starting && instance->state != INSTANCE_ANSWERED)) {
        return false;
    }
    for (int i = 0; i < all->count; i++) {
        bool wanted = starting || (all->at[i].events & EXTENSION_INVOKE) != 0;
        if (wanted && all->at[i].state != EXTENSION_READY) {
            return false;
        }
    }
    return true;
}

/* As Lambda writes it, when all of them have started. Lock held. */
static void log_ready(const struct instance *instance)
{
    const struct extensions *all = instance->extensions;
    char line[EXTENSION_NAME_BYTES + 80];
    for (int i = 0; i < all->count; i++) {
        unsigned events = all->at[i].events;
        (void)snprintf(line, sizeof line, "EXTENSION\tName: %s\tState: Ready\tEvents: [%s%s%s]", all->at[i].name,
                       (events & EXTENSION_INVOKE) != 0 ? "INVOKE" : "",
                       events == (EXTENSION_INVOKE | EXTENSION_SHUTDOWN) ? "," : "",
                       (events & EXTENSION_SHUTDOWN) != 0 ? "SHUTDOWN" : "");
        log_ring_put(instance->fleet->log, clock_wall_us(), line, strlen(line));
    }
}

/* The call that was answered is over now: its record says how long all of it took. Lock held, given back between. */
static void finish(struct engine *engine, struct instance *instance)
{
    struct call *call = instance_detach(instance);
    instance->extensions->finishing = true;
    (void)pthread_mutex_unlock(&engine->lock);
    call_measure(call, instance, clock_mono_ns());
    instance_tail(engine, instance, NULL);
    call_over(call);
    (void)pthread_mutex_lock(&engine->lock);
    instance->extensions->finishing = false;
}

void extensions_settle(struct engine *engine, struct instance *instance)
{
    struct call *call = NULL;
    struct link *link = NULL;
    instance_ref(instance);
    (void)pthread_mutex_lock(&engine->lock);
    if (extensions_settled(instance) && instance->current != NULL && instance->current->answered) {
        finish(engine, instance);
    }
    if (extensions_settled(instance) && instance->current == NULL) {
        link = instance->waiting;
        if (instance->state == INSTANCE_STARTING) {
            log_ready(instance);
        }
        call = instance_offer(engine, instance, clock_mono_ns());
        if (call != NULL) {
            instance->waiting = NULL;
            link_ref(link);
            (void)call_ref(call);
        }
    }
    (void)pthread_mutex_unlock(&engine->lock);
    if (call != NULL) {
        runtime_api_hand_out(link, call);
    }
    instance_unref(instance);
}

/* ---- the end ---- */

int extensions_shutdown_ms(const struct instance *instance)
{
    const struct extensions *all = instance->extensions;
    int ms = 0;
    for (int i = 0; all != NULL && i < all->count; i++) {
        const struct extension *at = &all->at[i];
        bool hears = at->external && (at->events & EXTENSION_SHUTDOWN) != 0;
        int its = at->state == EXTENSION_STARTED || at->state == EXTENSION_ENDED ? 0
                  : hears                                                        ? EXTENSIONS_SHUTDOWN_MS_MAX
                                                                                 : EXTENSIONS_INTERNAL_SHUTDOWN_MS;
        ms = its > ms ? its : ms;
    }
    return ms;
}

int extensions_shutdown(struct instance *instance, const char *reason, int64_t now_us)
{
    struct extensions *all = instance->extensions;
    int ms = extensions_shutdown_ms(instance);
    if (ms == 0) {
        return 0;
    }
    all->shutting_down = true;
    all->shutdown_reason = reason;
    all->shutdown_deadline_ms = now_us / 1000 + ms;
    sandbox_command(&instance->sandbox, LAUNCH_STOP_RUNTIME);
    for (int i = 0; i < all->count; i++) {
        struct extension *at = &all->at[i];
        if (at->external && (at->events & EXTENSION_SHUTDOWN) != 0 && at->waiting != NULL) {
            give_shutdown(all, at);
        }
    }
    return ms;
}

void extension_failed(struct engine *engine, struct instance *instance, struct extension *extension, const char *type,
                      const char *text)
{
    struct extensions *all = instance->extensions;
    extension->state = EXTENSION_ENDED;
    if (instance->state == INSTANCE_STOPPING || instance->state == INSTANCE_DEAD) {
        return;
    }
    if (all->failure_type[0] == '\0') {
        (void)snprintf(all->failure_type, sizeof all->failure_type, "%s", type);
        (void)snprintf(all->failure_text, sizeof all->failure_text, "%.*s", (int)sizeof all->failure_text - 1, text);
    }
    /* Between calls nobody is waiting for it: another instance takes its place. */
    instance_stop(engine, instance, instance->state == INSTANCE_IDLE ? USAGE_KILLED : USAGE_ERROR);
}
