/*
 * event_tally.h - how many events came, were dropped, and how old they were when their function got them: Lambda's
 * AsyncEventsReceived, AsyncEventsDropped and AsyncEventAge.
 *
 * Why:       an event that waits is seen by nobody but the one who waits for it.
 * How:       counted in memory, for the metrics of this node; once a second the queue's thread adds what is new to
 *            table async_hourly, where the counts of all nodes meet. A node that is killed loses its last second of it:
 *            these are for watching, nothing of it is billed.
 * Units:     *_us microseconds. An age goes from the queueing of the event (the database's clock) to the moment the
 *            function was handed it (the node's); a clock that is behind makes it 0, never less. A retry counts again,
 *            with the age it has then.
 * Threads:   any; under engine->lock.
 */
#ifndef FARTHING_ENGINE_EVENT_TALLY_H
#define FARTHING_ENGINE_EVENT_TALLY_H

#include <stdbool.h>
#include <stdint.h>

struct engine;
struct pg;

struct event_tally {
    int64_t received, dropped;
    int64_t runs; /* times an event was handed to the function */
    int64_t age_us, age_max_us;
};

/* Which function it is about. */
struct event_function {
    int64_t account_id, function_id;
    const char *name;
};

void event_tally_add(struct event_tally *sum, const struct event_tally *more);
/* The tally of one event that was handed to its function at handed_us. */
struct event_tally event_tally_run(int64_t accepted_us, int64_t handed_us);
/* Something happened to events of a function. Lock not held. */
void event_tally_count(struct engine *engine, const struct event_function *function, const struct event_tally *more);
/* Add what is new to the database, look what waits there. What cannot be written now is kept for the next time. */
void event_tally_flush(struct engine *engine, struct pg *pg);
void event_tally_look(struct engine *engine, struct pg *pg);

#endif
