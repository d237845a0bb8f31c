/*
 * usage_events.h - the asynchronous events in a usage answer: Lambda's AsyncEventsReceived, AsyncEventsDropped and
 * AsyncEventAge of the time asked for, and what waits in the queue now.
 *
 * Threads: those of the request.
 */
#ifndef FARTHING_API_USAGE_EVENTS_H
#define FARTHING_API_USAGE_EVENTS_H

struct err;
struct json_writer;
struct request;
struct usage_query;

/* Member "events". By account and function where the query is; an event has no version before it runs, so that all
 * other groups are taken together. granularity is the query's word. */
int usage_events_put(struct request *request, const struct usage_query *query, const char *granularity,
                     struct json_writer *writer, struct err *err);

#endif
