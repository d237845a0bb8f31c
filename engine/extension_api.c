/* extension_api.c - Lambda's Extensions API: what each request means, and what it is answered. */
#include <stdio.h>
#include <string.h>

#include "common/json.h"
#include "engine/engine_internal.h"
#include "engine/extensions.h"
#include "engine/runtime_internal.h"

#define BASE "/2020-01-01/extension/"

enum route extension_route(const char *target, const char *method)
{
    bool post = strcmp(method, "POST") == 0;
    if (strcmp(target, BASE "register") == 0) {
        return post ? ROUTE_EXTENSION_REGISTER : ROUTE_NONE;
    }
    if (strcmp(target, BASE "event/next") == 0) {
        return strcmp(method, "GET") == 0 ? ROUTE_EXTENSION_NEXT : ROUTE_NONE;
    }
    if (strcmp(target, BASE "init/error") == 0) {
        return post ? ROUTE_EXTENSION_INIT_ERROR : ROUTE_NONE;
    }
    if (strcmp(method, "PUT") == 0) {
        return strcmp(target, "/2022-07-01/telemetry") == 0 ? ROUTE_TELEMETRY
               : strcmp(target, "/2020-08-15/logs") == 0    ? ROUTE_LOGS
                                                            : ROUTE_NONE;
    }
    return post && strcmp(target, BASE "exit/error") == 0 ? ROUTE_EXTENSION_EXIT_ERROR : ROUTE_NONE;
}

static const char *state_name(enum extension_state state)
{
    static const char *const NAMES[] = {"Started", "Registered", "Ready", "Running", "Exited"};
    return NAMES[state];
}

static void refuse(struct link *link, const char *type, const char *message)
{
    runtime_api_error(link, 403, type, message);
}

static void refuse_state(struct link *link, const struct extension *extension, const char *to)
{
    char message[EXTENSION_NAME_BYTES + 160];
    (void)snprintf(message, sizeof message,
                   "State transition from %s to %s failed for extension %s. Error: State transition is not allowed",
                   state_name(extension->state), to,
                   extension->id[0] != '\0' ? extension->id : "that has not registered");
    refuse(link, "Extension.InvalidExtensionState", message);
}

/* ---- register ---- */

/* What came, before anybody is looked up. */
struct registration {
    const char *name;
    unsigned events;
    char bad_event[64];
    int read; /* of extension_events_read */
};

/* Lock held. NULL: it was refused, *type and *message say why. */
static struct extension *admit(struct link *link, const struct registration *asked, const char **type,
                               const char **message)
{
    struct instance *instance = link->instance;
    struct extension *extension = extension_by_name(instance, asked->name);
    bool external = extension != NULL && extension->external;
    *type = NULL;
    if (asked->read > 0 || (!external && (asked->events & EXTENSION_SHUTDOWN) != 0)) {
        *type = "Extension.InvalidEventType";
        *message = asked->read > 0 ? "InvalidEventType" : "SHUTDOWN: ShutdownEventNotSupportedForInternalExtension";
        return NULL;
    }
    if (external) {
        return extension;
    }
    /* The runtime has asked for an event, or a call runs: who is here is known. */
    if (instance->state != INSTANCE_STARTING || instance->waiting != NULL) {
        *type = "Extension.RegistrationClosed";
        *message = "Extension registration closed already";
        return NULL;
    }
    if (extension != NULL) {
        *type = "Extension.InvalidExtensionState";
        *message = "Extension with this name already registered";
        return NULL;
    }
    extension = extension_add(instance, asked->name);
    if (extension == NULL) {
        *type = "Extension.TooManyExtensions";
        *message = "Extension limit (10) reached";
    }
    return extension;
}

static void reply_registered(struct link *link, const char *id)
{
    const struct function *function = &link->instance->fleet->function;
    const char *features = http_field(&link->head.fields, "Lambda-Extension-Accept-Feature");
    char text[32] = "$LATEST";
    char header[100];
    struct buf body = {0};
    struct json_writer writer;
    if (function->version != FUNCTION_VERSION_LATEST) {
        (void)snprintf(text, sizeof text, "%d", function->version);
    }
    json_writer_init(&writer, &body);
    json_open_object(&writer, NULL);
    json_put_text(&writer, "functionName", function->name);
    json_put_text(&writer, "functionVersion", text);
    json_put_text(&writer, "handler", function->handler);
    if (features != NULL && strstr(features, "accountId") != NULL) {
        (void)snprintf(text, sizeof text, "%012lld", (long long)function->account_id);
        json_put_text(&writer, "accountId", text);
    }
    json_close_object(&writer);
    (void)snprintf(header, sizeof header, "Lambda-Extension-Identifier: %s\r\n", id);
    runtime_api_reply(link, 200, header, buf_text(&body));
    buf_free(&body);
}

static void on_register(struct link *link)
{
    struct engine *engine = link->engine;
    struct registration asked = {.name = http_field(&link->head.fields, "Lambda-Extension-Name")};
    const char *type = NULL;
    const char *message = NULL;
    char id[UUID_TEXT_BYTES];
    char text[160];
    if (asked.name == NULL || asked.name[0] == '\0' || strlen(asked.name) >= EXTENSION_NAME_BYTES) {
        refuse(link, "Extension.InvalidExtensionName",
               asked.name == NULL || asked.name[0] == '\0' ? "Empty extension name" : "Extension name is too long");
        return;
    }
    asked.read = link->too_large
                     ? -1
                     : extension_events_read(buf_text(&link->body), link->body.length, &asked.events, asked.bad_event);
    if (asked.read < 0) {
        refuse(link, "InvalidRequestFormat", "The body is no JSON object with a list of events");
        return;
    }
    (void)pthread_mutex_lock(&engine->lock);
    struct extension *extension = admit(link, &asked, &type, &message);
    bool again = extension != NULL && extension->state != EXTENSION_STARTED;
    struct extension seen = extension != NULL ? *extension : (struct extension){.name = ""};
    if (extension != NULL && !again) {
        extension_register(link->instance, extension, asked.events);
        memcpy(id, extension->id, sizeof id);
    }
    (void)pthread_mutex_unlock(&engine->lock);
    if (again) {
        refuse_state(link, &seen, "Registered");
    } else if (extension != NULL) {
        reply_registered(link, id);
    } else if (asked.read > 0) {
        (void)snprintf(text, sizeof text, "%s: %s", asked.bad_event, message);
        refuse(link, type, text);
    } else {
        refuse(link, type, message);
    }
}

/* ---- the others say who they are ---- */

/* Lock held. NULL: refused, *type and *message say why. */
static struct extension *who(struct link *link, const char **type, const char **message)
{
    const char *id = http_field(&link->head.fields, "Lambda-Extension-Identifier");
    struct uuid parsed;
    char text[UUID_TEXT_BYTES];
    if (id == NULL || id[0] == '\0') {
        *type = "Extension.MissingExtensionIdentifier";
        *message = "Missing Lambda-Extension-Identifier header";
        return NULL;
    }
    if (uuid_parse(id, &parsed) != 0) {
        *type = "Extension.InvalidExtensionIdentifier";
        *message = "Invalid Lambda-Extension-Identifier";
        return NULL;
    }
    uuid_format(&parsed, text);
    struct extension *extension = extension_by_id(link->instance, text);
    if (extension == NULL) { /* also that of another instance */
        *type = "Extension.UnknownExtensionIdentifier";
        *message = "Unknown Lambda-Extension-Identifier";
    }
    return extension;
}

static void on_next(struct link *link)
{
    struct engine *engine = link->engine;
    struct instance *instance = link->instance;
    const char *type = NULL;
    const char *message = NULL;
    link_park(link); /* an event may come as soon as the lock is given back */
    (void)pthread_mutex_lock(&engine->lock);
    struct extension *extension = who(link, &type, &message);
    bool good = extension != NULL && extension->state != EXTENSION_ENDED && instance->state != INSTANCE_DEAD;
    struct extension seen = extension != NULL ? *extension : (struct extension){.name = ""};
    if (good) {
        extension_next(engine, instance, extension, link);
    }
    (void)pthread_mutex_unlock(&engine->lock);
    if (good) {
        extensions_settle(engine, instance);
        return;
    }
    link_unpark(link);
    if (extension == NULL) {
        refuse(link, type, message);
    } else {
        refuse_state(link, &seen, "Ready");
    }
}

static void on_error(struct link *link)
{
    struct engine *engine = link->engine;
    struct instance *instance = link->instance;
    bool init = link->route == ROUTE_EXTENSION_INIT_ERROR;
    const char *type = NULL;
    const char *message = NULL;
    const char *error = http_field(&link->head.fields, "Lambda-Extension-Function-Error-Type");
    (void)pthread_mutex_lock(&engine->lock);
    struct extension *extension = who(link, &type, &message);
    struct extension seen = extension != NULL ? *extension : (struct extension){.name = ""};
    bool missing = error == NULL || error[0] == '\0';
    bool wrong = extension != NULL && !missing &&
                 (extension->state == EXTENSION_ENDED || (init && instance->state != INSTANCE_STARTING));
    if (extension != NULL && !missing && !wrong) {
        extension_failed(engine, instance, extension, init ? "Extension.InitError" : "Extension.ExitError", error);
    }
    (void)pthread_mutex_unlock(&engine->lock);
    if (extension == NULL) {
        refuse(link, type, message);
    } else if (missing) {
        refuse(link, "Extension.MissingHeader", "Lambda-Extension-Function-Error-Type not found");
    } else if (wrong) {
        refuse_state(link, &seen, init ? "InitError" : "ExitError");
    } else {
        runtime_api_reply(link, 202, "", "{\"status\":\"OK\"}");
    }
}

/* Subscriptions to telemetry are not here. AWS says so with a 202 where it cannot do it either (its own emulator), and
 * extensions go on without. */
static void on_subscribe(struct link *link)
{
    struct engine *engine = link->engine;
    const char *type = NULL;
    const char *message = NULL;
    (void)pthread_mutex_lock(&engine->lock);
    bool known = who(link, &type, &message) != NULL;
    (void)pthread_mutex_unlock(&engine->lock);
    if (!known) {
        refuse(link, type, message);
    } else if (link->route == ROUTE_TELEMETRY) {
        runtime_api_error(link, 202, "Telemetry.NotSupported", "Telemetry API is not supported");
    } else {
        runtime_api_error(link, 202, "Logs.NotSupported", "Logs API is not supported");
    }
}

void extension_api_act(struct link *link)
{
    if (link->route == ROUTE_TELEMETRY || link->route == ROUTE_LOGS) {
        on_subscribe(link);
    } else if (link->route == ROUTE_EXTENSION_REGISTER) {
        on_register(link);
    } else if (link->route == ROUTE_EXTENSION_NEXT) {
        on_next(link);
    } else {
        on_error(link);
    }
}
