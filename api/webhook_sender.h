/*
 * webhook_sender.h - sends what waits in webhook_delivery (engine/notice.h has the queue).
 *
 * Why:       an account hears of a crossed threshold within seconds, and a receiver can tell that it came from here.
 * Call:      POST, application/cloudevents+json (structured mode), header Farthing-Signature: t=UNIX,v1=HMAC-SHA256 of
 * "UNIX.BODY". Safety:    http and https only, no redirects, WEBHOOK_TIMEOUT_MS in all; addresses inside the operator's
 * network (loopback, private, link-local) are refused unless allow_private, because tenants choose the URL. Threads:
 * one of its own, one connection to PostgreSQL. Many nodes may run one each: a delivery is taken by one.
 */
#ifndef FARTHING_API_WEBHOOK_SENDER_H
#define FARTHING_API_WEBHOOK_SENDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf;
struct err;
struct webhook_sender;

#define WEBHOOK_TIMEOUT_MS 10000
#define WEBHOOK_BATCH 16
#define WEBHOOK_POLL_MS 500
#define WEBHOOK_AAD_BYTES 64

struct webhook_sender_options {
    const char *conninfo;
    const uint8_t *node_key; /* opens secrets; NULL: they are stored as they are (tests) */
    bool allow_private;
};

int webhook_sender_start(const struct webhook_sender_options *options, struct webhook_sender **sender, struct err *err);
/* Waits for calls under way, at most WEBHOOK_TIMEOUT_MS. */
void webhook_sender_stop(struct webhook_sender **sender);

/* What binds a sealed secret to its account: for whoever stores one (engine/node_key.h). */
void webhook_aad(int64_t account_id, char aad[WEBHOOK_AAD_BYTES]);

#endif
