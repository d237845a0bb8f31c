/*
 * extensions.h - Lambda's extensions of an instance: who registered, who waits for what, and when all are done.
 *
 * Why:       an instance is free when its runtime and all its extensions have asked for the next event, and the
 *            invocation lasts until then (docs/decisions/extensions.md): nobody computes on it for nothing.
 * Kinds:     external: a program in /opt/extensions, started before the runtime, which waits until all of them have
 *            registered. Internal: inside the runtime's process; it registers before the runtime asks for an event.
 * Threads:   under engine->lock, unless said. An instance without extensions has no struct extensions: it costs one
 *            look at a pointer.
 */
#ifndef FARTHING_ENGINE_EXTENSIONS_H
#define FARTHING_ENGINE_EXTENSIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/ids.h"
#include "common/uuid.h"

#define EXTENSIONS_MAX 10
#define EXTENSION_NAME_BYTES 129
#define EXTENSION_BODY_BYTES_MAX 65536
#define EXTENSIONS_SHUTDOWN_MS_MAX 2000     /* with an external one that wants to hear of it */
#define EXTENSIONS_INTERNAL_SHUTDOWN_MS 500 /* for the runtime, when there are extensions of any kind */

#define EXTENSION_INVOKE 0x1u
#define EXTENSION_SHUTDOWN 0x2u

struct buf;
struct call;
struct engine;
struct instance;
struct link;

enum extension_state {
    EXTENSION_STARTED, /* external only: not registered */
    EXTENSION_REGISTERED,
    EXTENSION_READY, /* it waits in next, or will when it is back on another connection */
    EXTENSION_RUNNING,
    EXTENSION_ENDED /* it failed, said so or left */
};

struct extension {
    char name[EXTENSION_NAME_BYTES];
    char id[UUID_TEXT_BYTES];
    enum extension_state state;
    bool external;
    unsigned events;      /* EXTENSION_* */
    struct link *waiting; /* its connection in next */
    bool owed;            /* an event came while it was away */
};

struct extensions {
    int count;
    struct extension at[EXTENSIONS_MAX];
    bool runtime_started; /* it was told to */
    bool finishing;       /* a thread writes the record of the call that is over */
    bool shutting_down;
    int64_t shutdown_deadline_ms; /* UTC */
    const char *shutdown_reason;  /* SPINDOWN, TIMEOUT, FAILURE */
    char failure_type[64];        /* Extension.Crash, ...; "": none */
    char failure_text[200];
};

/* Of a body {"events":["INVOKE","SHUTDOWN"]}. 0, -1: no such body; 1: an event nobody knows, its name in bad. */
int extension_events_read(const char *body, size_t length, unsigned *events, char bad[64]);

/* The programs of an instance's layers: opt_dir/extensions on this machine. False: there are more than may be. */
bool extensions_find(const char *opt_dir, struct extensions **extensions);
/* Their paths as their instance sees them; texts holds them. extensions may be NULL. */
void extensions_paths(const struct extensions *extensions, const char *opt_dir, struct buf *texts,
                      const char *paths[EXTENSIONS_MAX + 1]);
void extensions_free(struct extensions **extensions);

struct extension *extension_by_id(struct instance *instance, const char *id);
struct extension *extension_by_name(struct instance *instance, const char *name);
/* A new internal one; NULL: there are EXTENSIONS_MAX. */
struct extension *extension_add(struct instance *instance, const char *name);
/* It has its identifier and its events; the runtime starts when it was the last one that was waited for. */
void extension_register(struct instance *instance, struct extension *extension, unsigned events);
/* It asks for its next event on link, which is parked: what is there already is sent. */
void extension_next(struct engine *engine, struct instance *instance, struct extension *extension, struct link *link);
/* It failed, or its process ended: the instance goes, with what runs on it. */
void extension_failed(struct engine *engine, struct instance *instance, struct extension *extension, const char *type,
                      const char *text);
/* A connection is closed. */
void extensions_forget(struct instance *instance, const struct link *link);
/* The call that was assigned is handed to the runtime: those that want it have their event. */
void extensions_invoke(struct engine *engine, struct instance *instance, const struct call *call);
/* Nobody has anything left to do, the runtime neither. */
bool extensions_settled(const struct instance *instance);
/* The instance goes: tell those that want to know. The time they have; 0: none, kill it now. */
int extensions_shutdown(struct instance *instance, const char *reason, int64_t now_us);
/* That time, should it end now. */
int extensions_shutdown_ms(const struct instance *instance);

/* Somebody asked for the next event: when all have, the call is over and the next one begins. Lock not held. */
void extensions_settle(struct engine *engine, struct instance *instance);

#endif
