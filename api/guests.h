/*
 * guests.h - connections that do not get to the point: who sends the head of a request byte by byte is shown out.
 *
 * Why:       libmicrohttpd ends connections on which nothing happens; one byte every ten seconds is something, and
 * would hold a place for ever. And it does not notice a client that hangs up together with its last bytes, in the
 * middle of a request. Who has asked has other limits: bodies a least rate (server.c), answers the idle time. Units:
 * seconds. Threads:   the callbacks come from the HTTP threads; a thread of its own looks every few seconds.
 */
#ifndef FARTHING_API_GUESTS_H
#define FARTHING_API_GUESTS_H

#include <microhttpd.h>

struct err;
struct guests;

#define GUESTS_HEAD_WAIT_S 30

/* head_wait_s: from the first byte of a connection to the end of a request's head; after an answer idle_s more. */
int guests_open(int head_wait_s, int idle_s, struct guests **guests, struct err *err);
/* After the daemon has stopped. */
void guests_close(struct guests **guests);

/* A MHD_NotifyConnectionCallback; cls is the struct guests. */
void guests_notify(void *cls, struct MHD_Connection *connection, void **socket_context,
                   enum MHD_ConnectionNotificationCode code);
/* The head of a request is there; its body too; the request is over and the next may come. */
void guests_asked(struct MHD_Connection *connection);
void guests_heard(struct MHD_Connection *connection);
void guests_answered(struct guests *guests, struct MHD_Connection *connection);

#endif
