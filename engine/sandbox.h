/*
 * sandbox.h - one instance's processes: started in namespaces of their own, watched, measured, gone when told.
 *
 * Why:       code nobody trusts sees its package, an empty /tmp, the machine's /usr and nothing else; and however many
 * processes it makes, all of them end with it. How:       bubblewrap, then farthing-launcher as process 1
 * (launcher/main.c). As root each instance has a user id of its own, so that files of root and of other services are
 * out of reach even where a path is visible. Ownership: struct sandbox owns its descriptors, its processes and its
 * cgroup; sandbox_free needs them gone. Threads:   sandbox_start: any one that outlives the instance (the kernel ties
 * the processes' life to the thread); the rest: one at a time.
 */
#ifndef FARTHING_ENGINE_SANDBOX_H
#define FARTHING_ENGINE_SANDBOX_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "engine/launcher/protocol.h"

struct buf;
struct err;
struct meter;

#define SANDBOX_PORT 9001

struct sandbox_spec {
    bool isolated; /* false: a plain process (--sandbox none) */
    bool network_host;
    const char *code_dir;          /* unpacked package */
    const char *opt_dir;           /* its layers, seen at /opt; NULL: none */
    const char *image_dir;         /* image.h */
    const char *const *argv;       /* of the runtime, NULL at the end; paths as seen inside */
    const char *const *extensions; /* external ones: paths as seen inside, NULL at the end; NULL: none */
    const struct buf *environment; /* NUL-terminated NAME=value texts */
    uint32_t environment_count;
    int memory_mib;
    int ephemeral_mib;
    uid_t uid; /* used when the node is root */
};

struct sandbox {
    pid_t pid;      /* our child: bwrap, or the launcher */
    int pid_fd;     /* of pid */
    int control_fd; /* launcher's reports; end of file when it is gone */
    int log_fd;     /* stdout and stderr, non-blocking */
    bool isolated;
    struct meter *meter;
};

/* Starts it; the listener comes later over control_fd (sandbox_report). meter becomes the sandbox's, also on failure.
 */
int sandbox_start(const struct sandbox_spec *spec, struct meter *meter, struct sandbox *sandbox, struct err *err);

/* Read one report: 1 and *report (and *listener when one came), 0 nothing now, -1 the launcher is gone. */
int sandbox_report(const struct sandbox *sandbox, struct launch_report *report, int *listener);

/* Tell its launcher something (enum launch_command); what is not read is lost. */
void sandbox_command(const struct sandbox *sandbox, enum launch_command command);

/* Kill everything in it; it is gone when pid_fd is readable. */
void sandbox_kill(const struct sandbox *sandbox);

/* Reap and release. *status (may be NULL) is the wait status of our child. */
void sandbox_free(struct sandbox *sandbox, int *status);

/* Is bwrap here and allowed to make the namespaces? *finding is a sentence. */
bool sandbox_probe(char *finding, size_t finding_bytes);

#endif
