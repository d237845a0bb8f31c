/*
 * payload.h - is an event JSON? Any depth up to PAYLOAD_DEPTH_MAX, any escapes: it is passed on, not understood.
 * Threads: any.
 */
#ifndef FARTHING_ENGINE_PAYLOAD_H
#define FARTHING_ENGINE_PAYLOAD_H

#include <stdbool.h>
#include <stddef.h>

#define PAYLOAD_DEPTH_MAX 1000

/* True when bytes are one JSON value (RFC 8259). *at is where it stops to be one. */
bool payload_is_json(const char *bytes, size_t length, size_t *at);

#endif
