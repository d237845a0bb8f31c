#include "api/request_queue.h"

#include "api/http.h"

void request_queue_init(struct request_queue *queue, int max)
{
    *queue = (struct request_queue){.max = max};
    (void)pthread_mutex_init(&queue->lock, NULL);
    (void)pthread_cond_init(&queue->work, NULL);
}

void request_queue_destroy(struct request_queue *queue)
{
    (void)pthread_cond_destroy(&queue->work);
    (void)pthread_mutex_destroy(&queue->lock);
}

bool request_queue_put(struct request_queue *queue, struct request *request)
{
    (void)pthread_mutex_lock(&queue->lock);
    bool fits = queue->count < queue->max && !queue->stop;
    if (fits) {
        request->next = NULL;
        if (queue->tail != NULL) {
            queue->tail->next = request;
        } else {
            queue->head = request;
        }
        queue->tail = request;
        queue->count++;
        (void)pthread_cond_signal(&queue->work);
    }
    (void)pthread_mutex_unlock(&queue->lock);
    return fits;
}

int request_queue_take(struct request_queue *queue, struct request **requests, int max)
{
    int taken = 0;
    (void)pthread_mutex_lock(&queue->lock);
    while (queue->head == NULL && !queue->stop) {
        (void)pthread_cond_wait(&queue->work, &queue->lock);
    }
    while (queue->head != NULL && taken < max) {
        struct request *request = queue->head;
        queue->head = request->next;
        request->next = NULL;
        requests[taken++] = request;
    }
    if (queue->head == NULL) {
        queue->tail = NULL;
    }
    queue->count -= taken;
    (void)pthread_mutex_unlock(&queue->lock);
    return taken;
}

int request_queue_count(struct request_queue *queue)
{
    (void)pthread_mutex_lock(&queue->lock);
    int count = queue->count;
    (void)pthread_mutex_unlock(&queue->lock);
    return count;
}

void request_queue_stop(struct request_queue *queue)
{
    (void)pthread_mutex_lock(&queue->lock);
    queue->stop = true;
    (void)pthread_cond_broadcast(&queue->work);
    (void)pthread_mutex_unlock(&queue->lock);
}
