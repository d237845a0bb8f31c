/*
 * notice.h - thresholds that were crossed, and the webhooks that tell of it.
 *
 * Why:       a threshold fires once per account, quota, month and per cent: the row in quota_notice is the proof, and
 * the events for the account's webhooks are queued by the same statement, so a crash loses neither and doubles neither.
 * Delivery:  webhook_delivery is queue and log. api/webhook_sender.c takes, sends and finishes; a delivery taken by a
 * node that died is due again after NOTICE_OWNED_MS. A receiver may thus see an event twice: its id tells
 * (CloudEvents). Ownership: borrows pg. Threads: one struct pg a thread.
 */
#ifndef FARTHING_ENGINE_NOTICE_H
#define FARTHING_ENGINE_NOTICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/digest.h"
#include "common/uuid.h"

struct err;
struct pg;

#define NOTICE_OWNED_MS 60000
#define NOTICE_ATTEMPTS_MAX 12
#define NOTICE_EVENT_THRESHOLD "dev.farthing.quota.threshold"
#define NOTICE_EVENT_TEST "dev.farthing.webhook.test"
#define NOTICE_SIGNATURE_BYTES 80

struct notice_look {
    int64_t account_id;
    int64_t month_us;        /* start of the month */
    int64_t spent_picos;     /* the bill so far; -1: not known here */
    int64_t refused_need[3]; /* requests, MB*ms, picos: the smallest call that was refused lately; 0: none */
};

/* Fire what is due; *fired is how many notices fired here and now. */
int notice_fire(struct pg *pg, const struct notice_look *look, int *fired, struct err *err);

/* "t=UNIX_SECONDS,v1=HEX": HMAC-SHA256 of "UNIX_SECONDS.BODY". */
void notice_sign(const void *secret, size_t secret_length, int64_t at_s, const void *body, size_t length,
                 char signature[NOTICE_SIGNATURE_BYTES + 32]);

/* A delivery that is due; bytes live until the callback returns. */
struct notice_delivery {
    int64_t account_id, webhook_id;
    struct uuid delivery_id;
    const char *event_type, *url;
    const void *secret; /* as stored: sealed with the node key */
    size_t secret_length;
    const void *body;
    size_t body_length;
    int attempts; /* before this one */
};
typedef int notice_delivery_fn(const struct notice_delivery *delivery, void *ctx, struct err *err);

/* Take up to limit due deliveries; they are this caller's for NOTICE_OWNED_MS. */
int notice_take(struct pg *pg, int limit, notice_delivery_fn *on_delivery, void *ctx, struct err *err);
/* The attempt is over. status 0: no HTTP answer. 2xx is delivered; otherwise again after notice_backoff_s, at most
 * NOTICE_ATTEMPTS_MAX times. */
int notice_finish(struct pg *pg, int64_t account_id, const struct uuid *delivery_id, int status, const char *error,
                  struct err *err);
/* Seconds to wait after attempts failed ones: 5, 10, 20, ... at most 6 hours. */
int64_t notice_backoff_s(int attempts);
/* Queue a test event to one webhook. */
int notice_test(struct pg *pg, int64_t account_id, int64_t webhook_id, struct uuid *delivery_id, struct err *err);

/* Fired notices, newest first. */
struct notice {
    char quota[40];
    int64_t period_us;
    int threshold;
    int64_t fired_us;
    char used_text[48], limit_text[48];
};
typedef int notice_fn(const struct notice *notice, void *ctx, struct err *err);
int notice_list(struct pg *pg, int64_t account_id, int limit, notice_fn *on_notice, void *ctx, struct err *err);

/* The delivery log of a webhook (0: all of the account), newest first. */
struct notice_log {
    int64_t webhook_id;
    struct uuid delivery_id;
    const char *event_type, *last_error;
    int attempts, last_status; /* last_status 0: none yet */
    int64_t created_us, due_us;
    int64_t delivered_us, gave_up_us; /* 0: not */
};
typedef int notice_log_fn(const struct notice_log *entry, void *ctx, struct err *err);
int notice_log_list(struct pg *pg, int64_t account_id, int64_t webhook_id, int limit, notice_log_fn *on_entry,
                    void *ctx, struct err *err);

#endif
