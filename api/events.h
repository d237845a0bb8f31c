/*
 * events.h - a CloudEvent that reports one invocation of another runtime, and reading it.
 *
 * Attributes: id, source, specversion "1.0", type, subject "<account>/<function>" (or data.account and data.function),
 * time. Data:       duration_ms (decimal string or number), memory_mb, and optionally init_ms, status, cold_start,
 * arch, response_bytes, peak_kib, cpu_us, attempt, provisioned, async. Ownership:  texts point into the tree or the
 * request.   Threads: any.
 */
#ifndef FARTHING_API_EVENTS_H
#define FARTHING_API_EVENTS_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/uuid.h"
#include "metering/record.h"

struct err;

#define EVENTS_MAX 10000

struct event {
    const char *id, *source, *type, *subject, *time;
    char account[64];
    char function[65];
    struct uuid request_id;
    struct usage_record record; /* account_id and function_id are not set */
};

/* A structured-mode event; pointer is its place in the body ("" or "/3"). now_us stands in for a missing time. */
int event_read(const cJSON *tree, const char *pointer, int64_t now_us, struct event *event, struct err *err);
/* Attributes are in event already (binary mode), data is the body. */
int event_read_data(const cJSON *data, const char *pointer, int64_t now_us, struct event *event, struct err *err);
/* The identity of source and id: the same pair gives the same request id. */
void event_identity(const char *source, const char *id, struct uuid *uuid);

#endif
