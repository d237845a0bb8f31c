/*
 * request_queue.h - requests that wait for a thread, first come, first served.
 *
 * Threads:   any; a request in the queue belongs to it and is linked by request->next.
 */
#ifndef FARTHING_API_REQUEST_QUEUE_H
#define FARTHING_API_REQUEST_QUEUE_H

#include <pthread.h>
#include <stdbool.h>

struct request;

struct request_queue {
    pthread_mutex_t lock;
    pthread_cond_t work;
    struct request *head, *tail;
    int count, max;
    bool stop;
};

void request_queue_init(struct request_queue *queue, int max);
/* Nobody may use it any more. */
void request_queue_destroy(struct request_queue *queue);
/* False: it is full or stopped, and the request is the caller's. */
bool request_queue_put(struct request_queue *queue, struct request *request);
/* Waits for one, then takes all there are, at most max. 0: stopped, and none is left. */
int request_queue_take(struct request_queue *queue, struct request **requests, int max);
int request_queue_count(struct request_queue *queue);
/* No more are taken in; who waits for one hears of it. */
void request_queue_stop(struct request_queue *queue);

#endif
