/*
 * protocol.h - what the node and the launcher inside an instance say to each other over the control socket. See
 * launcher/main.c.
 */
#ifndef FARTHING_ENGINE_LAUNCHER_PROTOCOL_H
#define FARTHING_ENGINE_LAUNCHER_PROTOCOL_H

#include <stdint.h>

#define LAUNCH_TEXT_BYTES_MAX 131072
#define LAUNCH_FILES_MAX 1024
#define LAUNCH_EXTENSIONS_MAX 10

struct launch_config {
    uint32_t length; /* of the texts that follow: directory, arguments, extensions (paths), environment */
    uint32_t argument_count;
    uint32_t extension_count; /* with any of them the runtime waits for LAUNCH_START_RUNTIME */
    uint32_t spare;
    uint64_t process_max;    /* RLIMIT_NPROC; 0: as it is */
    uint64_t data_bytes_max; /* RLIMIT_DATA; 0: as it is (a cgroup holds memory) */
};

enum launch_kind {
    LAUNCH_LISTENING = 1,  /* value: port; with the listening socket */
    LAUNCH_ENDED,          /* value: wait status of the runtime */
    LAUNCH_NO_PROGRAM,     /* value: errno of execve */
    LAUNCH_NO_DIRECTORY,   /* value: errno of chdir */
    LAUNCH_NO_LISTENER,    /* value: errno */
    LAUNCH_NO_EXTENSION,   /* value: errno of execve; index says which */
    LAUNCH_EXTENSION_ENDED /* value: its wait status; index says which */
};

struct launch_report {
    uint32_t kind;
    int32_t value;
    uint32_t index; /* of the extension */
    uint32_t spare;
};

/* What the node says later on, a byte each. */
enum launch_command {
    LAUNCH_START_RUNTIME = 'G', /* all extensions have registered */
    LAUNCH_STOP_RUNTIME = 'T'   /* SIGTERM; more than asking it is not */
};

#endif
