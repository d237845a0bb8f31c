/*
 * instance.h - the life of an instance, as a table.
 *
 *   STARTING --next--> IDLE --assign--> BUSY --answer--> ANSWERED --next--> IDLE
 *        \______________\________________\_________________\----stop----> STOPPING --gone--> DEAD
 *
 * An instance may also be gone at any moment without being asked: its processes ended.
 */
#ifndef FARTHING_ENGINE_INSTANCE_H
#define FARTHING_ENGINE_INSTANCE_H

enum instance_state {
    INSTANCE_STARTING, /* the runtime has not asked for an event yet */
    INSTANCE_IDLE,     /* it waits in next */
    INSTANCE_BUSY,     /* an event is with it, unanswered */
    INSTANCE_ANSWERED, /* it answered and has not asked again */
    INSTANCE_STOPPING, /* killed, not gone yet */
    INSTANCE_DEAD
};
#define INSTANCE_STATE_COUNT 6

enum instance_event {
    INSTANCE_NEXT,       /* GET next */
    INSTANCE_ASSIGN,     /* the engine gives it a call */
    INSTANCE_ANSWER,     /* response or error, complete */
    INSTANCE_INIT_ERROR, /* init/error */
    INSTANCE_STOP,       /* the engine wants it gone */
    INSTANCE_GONE        /* no process is left */
};
#define INSTANCE_EVENT_COUNT 6

enum instance_action {
    ACT_NONE,      /* nothing beside the new state */
    ACT_OFFER,     /* give it work or park it */
    ACT_RUN,       /* hand the event out */
    ACT_FINISH,    /* the call is answered */
    ACT_FAIL,      /* initialisation failed */
    ACT_KILL,      /* kill the processes */
    ACT_BURY,      /* release what it had; a running call ends as a crash */
    ACT_REFUSE,    /* the runtime may not do this now: 403 */
    ACT_IMPOSSIBLE /* a defect of this program */
};

struct instance_step {
    enum instance_state next;
    enum instance_action action;
};

const struct instance_step *instance_table(enum instance_state state, enum instance_event event);
const char *instance_state_name(enum instance_state state);
/* As the Runtime API's error texts name them. */
const char *instance_event_name(enum instance_event event);

#endif
