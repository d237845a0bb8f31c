#include "api/guests.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "common/check.h"
#include "common/clock.h"
#include "common/err.h"

#define SECOND_US INT64_C(1000000)

struct guest {
    struct guest *next, *before;
    int fd;
    bool ended;             /* the client had hung up when it was last looked at */
    _Atomic bool speaking;  /* a head or a body is not whole yet */
    _Atomic int64_t due_us; /* monotonic; 0: has asked */
};

struct guests {
    pthread_mutex_t lock;
    pthread_cond_t wake;
    struct guest *first;
    int64_t head_wait_us, idle_us;
    int look_ms;
    bool stop;
    bool started;
    pthread_t thread;
};

/* The client sends nothing more. Twice in a row: what it sent before that has been read meanwhile, and was not whole.
 */
static bool has_hung_up(struct guest *guest)
{
    struct pollfd link = {.fd = guest->fd, .events = POLLRDHUP};
    bool before = guest->ended;
    guest->ended = atomic_load(&guest->speaking) && poll(&link, 1, 0) == 1 && (link.revents & POLLRDHUP) != 0;
    return before && guest->ended;
}

/* A socket cannot be closed and its number used again while the lock is held: guests_notify comes before that. */
static void show_out(struct guests *guests, int64_t now_us)
{
    for (struct guest *guest = guests->first; guest != NULL; guest = guest->next) {
        int64_t due_us = atomic_load(&guest->due_us);
        if ((due_us != 0 && now_us > due_us) || has_hung_up(guest)) {
            (void)shutdown(guest->fd, SHUT_RDWR);
            atomic_store(&guest->due_us, 0);
        }
    }
}

static void *watch(void *ctx)
{
    struct guests *guests = ctx;
    CHECK(pthread_mutex_lock(&guests->lock) == 0);
    while (!guests->stop) {
        struct timespec until;
        clock_deadline(guests->look_ms, &until);
        int rc = pthread_cond_timedwait(&guests->wake, &guests->lock, &until);
        CHECK(rc == 0 || rc == ETIMEDOUT);
        show_out(guests, clock_mono_us());
    }
    CHECK(pthread_mutex_unlock(&guests->lock) == 0);
    return NULL;
}

int guests_open(int head_wait_s, int idle_s, struct guests **guests, struct err *err)
{
    pthread_condattr_t monotonic;
    struct guests *self = calloc(1, sizeof *self);
    if (self == NULL) {
        return err_set(err, ERR_SYSTEM, "out of memory");
    }
    self->head_wait_us = (head_wait_s > 0 ? head_wait_s : GUESTS_HEAD_WAIT_S) * SECOND_US;
    self->idle_us = idle_s * SECOND_US;
    self->look_ms = (int)(self->head_wait_us / 6000);
    CHECK(pthread_mutex_init(&self->lock, NULL) == 0);
    CHECK(pthread_condattr_init(&monotonic) == 0);
    CHECK(pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC) == 0);
    CHECK(pthread_cond_init(&self->wake, &monotonic) == 0);
    (void)pthread_condattr_destroy(&monotonic);
    *guests = self;
    if (pthread_create(&self->thread, NULL, watch, self) != 0) {
        guests_close(guests);
        return err_set(err, ERR_SYSTEM, "cannot start a thread: %s", strerror(errno));
    }
    self->started = true;
    return 0;
}

void guests_close(struct guests **guests)
{
    struct guests *self = *guests;
    if (self == NULL) {
        return;
    }
    CHECK(pthread_mutex_lock(&self->lock) == 0);
    self->stop = true;
    CHECK(pthread_cond_signal(&self->wake) == 0);
    CHECK(pthread_mutex_unlock(&self->lock) == 0);
    if (self->started) {
        (void)pthread_join(self->thread, NULL);
    }
    while (self->first != NULL) {
        struct guest *next = self->first->next;
        free(self->first);
        self->first = next;
    }
    (void)pthread_cond_destroy(&self->wake);
    (void)pthread_mutex_destroy(&self->lock);
    free(self);
    *guests = NULL;
}

static void come(struct guests *guests, struct MHD_Connection *connection, void **socket_context)
{
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    struct guest *guest = info != NULL ? calloc(1, sizeof *guest) : NULL;
    *socket_context = guest;
    if (guest == NULL) {
        return; /* it is served all the same, and only the idle time watches it */
    }
    guest->fd = info->connect_fd;
    atomic_store(&guest->speaking, true);
    atomic_store(&guest->due_us, clock_mono_us() + guests->head_wait_us);
    CHECK(pthread_mutex_lock(&guests->lock) == 0);
    guest->next = guests->first;
    if (guest->next != NULL) {
        guest->next->before = guest;
    }
    guests->first = guest;
    CHECK(pthread_mutex_unlock(&guests->lock) == 0);
}

static void go(struct guests *guests, void **socket_context)
{
    struct guest *guest = *socket_context;
    if (guest == NULL) {
        return;
    }
    CHECK(pthread_mutex_lock(&guests->lock) == 0);
    if (guest->before != NULL) {
        guest->before->next = guest->next;
    } else {
        guests->first = guest->next;
    }
    if (guest->next != NULL) {
        guest->next->before = guest->before;
    }
    CHECK(pthread_mutex_unlock(&guests->lock) == 0);
    free(guest);
    *socket_context = NULL;
}

void guests_notify(void *cls, struct MHD_Connection *connection, void **socket_context,
                   enum MHD_ConnectionNotificationCode code)
{
    switch (code) {
    case MHD_CONNECTION_NOTIFY_STARTED:
        come(cls, connection, socket_context);
        break;
    case MHD_CONNECTION_NOTIFY_CLOSED:
        go(cls, socket_context);
        break;
    }
}

static struct guest *guest_of(struct MHD_Connection *connection)
{
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    return info != NULL ? info->socket_context : NULL;
}

void guests_asked(struct MHD_Connection *connection)
{
    struct guest *guest = guest_of(connection);
    if (guest != NULL) {
        atomic_store(&guest->due_us, 0);
    }
}

void guests_heard(struct MHD_Connection *connection)
{
    struct guest *guest = guest_of(connection);
    if (guest != NULL) {
        atomic_store(&guest->speaking, false);
    }
}

void guests_answered(struct guests *guests, struct MHD_Connection *connection)
{
    struct guest *guest = guest_of(connection);
    if (guest != NULL) {
        atomic_store(&guest->due_us, clock_mono_us() + guests->idle_us + guests->head_wait_us);
        atomic_store(&guest->speaking, true);
    }
}
