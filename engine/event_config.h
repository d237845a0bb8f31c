/*
 * event_config.h - how events of a function are retried and where their outcome goes (table event_invoke_config).
 *
 * Why:       a queue that drops an event in silence after its last retry is no place for work that matters.
 * Words:     a destination is a text: the ARN of a function of the account, or wh_N or the URL of one of its webhooks.
 * Threads:   one struct pg a thread.
 */
#ifndef FARTHING_ENGINE_EVENT_CONFIG_H
#define FARTHING_ENGINE_EVENT_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

struct buf;
struct err;
struct pg;
struct uuid;

#define EVENT_RETRIES_MAX 2
#define EVENT_AGE_S_MIN 60
#define EVENT_AGE_S_MAX 21600
#define EVENT_HOPS_MAX 16 /* functions that send each other events: Lambda stops them there, too */
#define DESTINATION_BYTES 512

struct event_config {
    char qualifier[129];                                               /* "$LATEST", a number or an alias */
    int retries_max;                                                   /* -1: not set */
    int age_max_s;                                                     /* -1: not set */
    char on_success[DESTINATION_BYTES], on_failure[DESTINATION_BYTES]; /* "": nowhere */
    int64_t modified_us;
};

/* ---- event_config_store.c ---- */

/* Replaces what is there. Ranges and destinations are checked: ERR_INVALID names "/retries", "/age" or "/destination".
 */
int event_config_put(struct pg *pg, int64_t account_id, const char *function, const struct event_config *config,
                     struct event_config *stored, struct err *err);
/* ERR_NOT_FOUND when there is none. */
int event_config_get(struct pg *pg, int64_t account_id, const char *function, const char *qualifier,
                     struct event_config *config, struct err *err);
int event_config_delete(struct pg *pg, int64_t account_id, const char *function, const char *qualifier,
                        struct err *err);
typedef int event_config_row_fn(const struct event_config *config, void *ctx, struct err *err);
int event_config_list(struct pg *pg, int64_t account_id, const char *function, event_config_row_fn *on_row, void *ctx,
                      struct err *err);
/* What holds for an event: the configuration, or one in which nothing is set. Works for deleted functions, too. */
int event_config_of(struct pg *pg, int64_t account_id, int64_t function_id, const char *qualifier,
                    struct event_config *config, struct err *err);
/* Put a record on its way to a destination, in the transaction of the caller: a function's event, or a webhook's
 * delivery. */
struct destination_sent {
    bool sent;           /* false: the destination is not there any more */
    int64_t function_id; /* it is this function's event; 0: a webhook's */
    char function[65];
};
int destination_send(struct pg *pg, int64_t account_id, const char *destination, const struct buf *record, int hops,
                     struct destination_sent *sent, struct err *err);

/* ---- destination.c ---- */

enum event_end { EVENT_SUCCESS, EVENT_RETRIES_EXHAUSTED, EVENT_AGE_EXCEEDED, EVENT_ZERO_RESERVED };

struct destination_record {
    enum event_end end;
    int64_t at_us;
    const struct uuid *request_id;
    const char *function_arn; /* with qualifier */
    int invoke_count;
    const void *request; /* JSON */
    size_t request_length;
    bool ran;    /* the members below mean something */
    int version; /* executed */
    bool failed; /* the function's own error */
    const void *response;
    size_t response_length;
};

/* Lambda's record of an asynchronous invocation, version 1.0. */
void destination_record_put(const struct destination_record *record, struct buf *out);

/* A destination that names a function: its name and qualifier ("" for none). False for all others. */
bool destination_function(const char *destination, int64_t account_id, char name[65], char qualifier[129]);

#endif
