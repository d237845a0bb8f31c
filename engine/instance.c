#include "engine/instance.h"

#include "common/check.h"

#define S(state) INSTANCE_##state

static const struct instance_step TABLE[INSTANCE_STATE_COUNT][INSTANCE_EVENT_COUNT] =
    {
        [INSTANCE_STARTING] =
            {
                [INSTANCE_NEXT] = {S(IDLE), ACT_OFFER},
                [INSTANCE_ASSIGN] = {S(STARTING), ACT_IMPOSSIBLE},
                [INSTANCE_ANSWER] = {S(STARTING), ACT_REFUSE},
                [INSTANCE_INIT_ERROR] = {S(STARTING), ACT_FAIL},
                [INSTANCE_STOP] = {S(STOPPING), ACT_KILL},
                [INSTANCE_GONE] = {S(DEAD), ACT_FAIL},
            },
        [INSTANCE_IDLE] =
            {
                [INSTANCE_NEXT] = {S(IDLE), ACT_OFFER}, /* on another connection: the newer one counts */
                [INSTANCE_ASSIGN] = {S(BUSY), ACT_RUN},
                [INSTANCE_ANSWER] = {S(IDLE), ACT_REFUSE},
                [INSTANCE_INIT_ERROR] = {S(IDLE), ACT_REFUSE},
                [INSTANCE_STOP] = {S(STOPPING), ACT_KILL},
                [INSTANCE_GONE] = {S(DEAD), ACT_BURY},
            },
        [INSTANCE_BUSY] =
            {
                [INSTANCE_NEXT] = {S(BUSY), ACT_REFUSE},
                [INSTANCE_ASSIGN] = {S(BUSY), ACT_IMPOSSIBLE},
                [INSTANCE_ANSWER] = {S(ANSWERED), ACT_FINISH},
                [INSTANCE_INIT_ERROR] = {S(BUSY), ACT_REFUSE},
                [INSTANCE_STOP] = {S(STOPPING), ACT_KILL},
                [INSTANCE_GONE] = {S(DEAD), ACT_BURY},
            },
        [INSTANCE_ANSWERED] =
            {
                [INSTANCE_NEXT] = {S(IDLE), ACT_OFFER},
                [INSTANCE_ASSIGN] = {S(ANSWERED), ACT_IMPOSSIBLE},
                [INSTANCE_ANSWER] = {S(ANSWERED), ACT_REFUSE},
                [INSTANCE_INIT_ERROR] = {S(ANSWERED), ACT_REFUSE},
                [INSTANCE_STOP] = {S(STOPPING), ACT_KILL},
                [INSTANCE_GONE] = {S(DEAD), ACT_BURY},
            },
        [INSTANCE_STOPPING] =
            {
                [INSTANCE_NEXT] = {S(STOPPING), ACT_REFUSE},
                [INSTANCE_ASSIGN] = {S(STOPPING), ACT_IMPOSSIBLE},
                [INSTANCE_ANSWER] = {S(STOPPING), ACT_REFUSE},
                [INSTANCE_INIT_ERROR] = {S(STOPPING), ACT_REFUSE},
                [INSTANCE_STOP] = {S(STOPPING), ACT_NONE},
                [INSTANCE_GONE] = {S(DEAD), ACT_BURY},
            },
        [INSTANCE_DEAD] =
            {
                [INSTANCE_NEXT] = {S(DEAD), ACT_REFUSE},
                [INSTANCE_ASSIGN] = {S(DEAD), ACT_IMPOSSIBLE},
                [INSTANCE_ANSWER] = {S(DEAD), ACT_REFUSE},
                [INSTANCE_INIT_ERROR] = {S(DEAD), ACT_REFUSE},
                [INSTANCE_STOP] = {S(DEAD), ACT_NONE},
                [INSTANCE_GONE] = {S(DEAD), ACT_NONE},
            },
};

const struct instance_step *instance_table(enum instance_state state, enum instance_event event)
{
    CHECK(state <= INSTANCE_DEAD && event <= INSTANCE_GONE);
    return &TABLE[state][event];
}

const char *instance_state_name(enum instance_state state)
{
    static const char *const NAMES[INSTANCE_STATE_COUNT] = {"Started",     "Ready", "Running", "InvocationResponse",
                                                            "Terminating", "Exited"};
    return NAMES[state];
}

const char *instance_event_name(enum instance_event event)
{
    static const char *const NAMES[INSTANCE_EVENT_COUNT] = {"Ready",     "Running",     "InvocationResponse",
                                                            "InitError", "Terminating", "Exited"};
    return NAMES[event];
}
