/*
 * still_engine.h - an engine without threads and processes, for tests of how many instances there are and which.
 *
 * The clock stands still (fake_clock.h). Jobs that would start processes are dropped; the test says what each instance
 * did, by the functions that the loop and the Runtime API call.
 */
#ifndef FARTHING_TESTS_STILL_ENGINE_H
#define FARTHING_TESTS_STILL_ENGINE_H

#include "common/clock.h"
#include "engine/engine_internal.h"

#define SECOND_US INT64_C(1000000)
#define SECOND_NS INT64_C(1000000000)
#define STILL_FLEETS 3
#define STILL_CALLS_MAX 4000

/* Between still_setup and still_teardown. */
extern struct engine *engine;
extern struct fleet fleets[STILL_FLEETS];

/* The fixture of each test: three functions with 128 MiB, room for everything. At the end no instance may be left over.
 */
void still_setup(void);
void still_teardown(void);

/* How many are in a state; fleet NULL: of all. */
int state_count(const struct fleet *fleet, enum instance_state state);
/* The one launched last that is in a state; there is one. */
struct instance *first(const struct fleet *fleet, enum instance_state state);
/* A call of a function, by its place in fleets. */
struct call *invoke(int fleet);
/* The clock's turn of the loop; when it wants to be woken. */
int64_t tend(void);
/* It asks for its next event, as runtime_api.c says it: the call it gets or NULL. */
struct call *asks(struct instance *instance);
void answers(struct instance *instance);
/* Its processes are gone. */
void gone(struct instance *instance);
/* One of a function, idle, and the clock went on by this much. */
struct instance *idle_one(int fleet, int64_t pause_us);

#endif
