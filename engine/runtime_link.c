/* runtime_link.c - the connections of instances: a few threads with an epoll each, one read and one write a request.
 * Length: reading, writing and the life of a connection share its lock and its rules. */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "common/check.h"
#include "common/clock.h"
#include "common/err.h"
#include "engine/engine_internal.h"
#include "engine/extensions.h"
#include "engine/runtime_api.h"
#include "engine/runtime_internal.h"

#define EVENTS_MAX 64
#define IN_BYTES 4096
#define KEEP_BYTES_MAX 65536 /* of a buffer between requests */
#define SCRATCH_BYTES 65536
#define HOLD_MS 20 /* an answer waits for the next one on its connection, see link_write_ahead() */
#define HOLD_NS ((int64_t)HOLD_MS * 1000000)

struct link_thread {
    struct runtime_api *api;
    pthread_t thread;
    bool started;
    int epoll_fd, stop_fd;
    pthread_mutex_t lock;
    struct link *links;
    int64_t release_ns; /* the thread's own: when it looks for what was held too long, 0: nothing is held */
    char scratch[SCRATCH_BYTES];
};

struct runtime_api {
    struct engine *engine;
    _Atomic bool stop;
    _Atomic unsigned turn;
    struct link_thread threads[RUNTIME_API_THREADS];
};

/* ---- life ---- */

void link_ref(struct link *link)
{
    atomic_fetch_add_explicit(&link->refs, 1, memory_order_relaxed);
}

void link_unref(struct link *link)
{
    if (atomic_fetch_sub_explicit(&link->refs, 1, memory_order_acq_rel) != 1) {
        return;
    }
    struct engine *engine = link->engine;
    struct instance *instance = link->instance;
    (void)pthread_mutex_lock(&engine->lock);
    instance->connections--;
    bool last = instance->connections == 0 && instance->gone;
    instance_release(engine, instance);
    (void)pthread_mutex_unlock(&engine->lock);
    if (last) {
        loop_poke(engine);
    }
    instance_unref(instance);
    call_unref(link->streamed);
    call_unref(link->out_call);
    http_body_free(&link->framing);
    buf_free(&link->body);
    buf_free(&link->out);
    free(link->in);
    (void)pthread_mutex_destroy(&link->lock);
    free(link);
}

/* By its thread only. */
static void link_close(struct link *link)
{
    struct link_thread *thread = link->thread;
    (void)pthread_mutex_lock(&link->engine->lock);
    if (link->instance->waiting == link) {
        link->instance->waiting = NULL;
    }
    extensions_forget(link->instance, link);
    (void)pthread_mutex_unlock(&link->engine->lock);
    (void)pthread_mutex_lock(&link->lock);
    /* Closing alone is not enough: a child between fork and exec still has the descriptor, and events would go on. */
    (void)epoll_ctl(link->thread->epoll_fd, EPOLL_CTL_DEL, link->fd, NULL);
    (void)close(link->fd);
    link->fd = -1;
    (void)pthread_mutex_unlock(&link->lock);
    (void)pthread_mutex_lock(&thread->lock);
    if (link->prev != NULL) {
        link->prev->next = link->next;
    } else {
        thread->links = link->next;
    }
    if (link->next != NULL) {
        link->next->prev = link->prev;
    }
    (void)pthread_mutex_unlock(&thread->lock);
    link_unref(link);
}

/* ---- writing; link->lock held ---- */

static void watch(struct link *link, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.ptr = link};
    (void)epoll_ctl(link->thread->epoll_fd, EPOLL_CTL_MOD, link->fd, &event);
}

static bool pending(const struct link *link)
{
    return link->out_sent < link->out.length ||
           (link->out_call != NULL && link->payload_sent < link->out_call->payload.length);
}

/* One try. False: the connection is broken. */
static bool flush(struct link *link, const char *head, size_t length)
{
    const struct buf *payload = link->out_call != NULL ? &link->out_call->payload : NULL;
    struct iovec parts[2] = {{.iov_base = (void *)(uintptr_t)head, .iov_len = length}};
    struct msghdr message = {.msg_iov = parts, .msg_iovlen = 1};
    if (payload != NULL && link->payload_sent < payload->length) {
        parts[1] = (struct iovec){.iov_base = payload->data + link->payload_sent,
                                  .iov_len = payload->length - link->payload_sent};
        message.msg_iovlen = 2;
    }
    ssize_t sent = sendmsg(link->fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0 && errno != EAGAIN && errno != EINTR) {
        return false;
    }
    size_t done = sent < 0 ? 0 : (size_t)sent;
    size_t of_head = done < length ? done : length;
    link->payload_sent += done - of_head;
    if (of_head < length && head != link->out.data + link->out_sent) {
        buf_append(&link->out, head + of_head, length - of_head);
        CHECK(buf_ok(&link->out));
    } else if (head == link->out.data + link->out_sent) {
        link->out_sent += of_head;
    }
    return true;
}

static void written(struct link *link)
{
    if (pending(link)) {
        return;
    }
    buf_clear(&link->out);
    link->out_sent = link->payload_sent = 0;
    call_unref(link->out_call);
    link->out_call = NULL;
    if (link->last) {
        (void)shutdown(link->fd, SHUT_RDWR);
    }
}

static void write_out(struct link *link, const char *head, size_t length)
{
    if (!flush(link, head, length)) {
        (void)shutdown(link->fd, SHUT_RDWR);
    } else if (pending(link)) {
        watch(link, EPOLLOUT);
    } else {
        written(link);
        if (link->stalled) {
            watch(link, EPOLLIN | EPOLLOUT); /* its thread comes at once */
        }
    }
}

static void release(struct link *link)
{
    if (link->held) {
        link->held = false;
        write_out(link, link->out.data, link->out.length);
    }
}

void link_write(struct link *link, const char *head, size_t length, struct call *call)
{
    (void)pthread_mutex_lock(&link->lock);
    link->parked = false;
    if (link->fd < 0) {
        call_unref(call);
    } else if (pending(link)) { /* held, or "continue" may still be on its way */
        CHECK(link->out_call == NULL);
        buf_append(&link->out, head, length);
        CHECK(buf_ok(&link->out));
        link->out_call = call;
        release(link);
    } else {
        link->out_call = call;
        write_out(link, head, length);
    }
    (void)pthread_mutex_unlock(&link->lock);
}

void link_write_ahead(struct link *link, const char *text, size_t length)
{
    (void)pthread_mutex_lock(&link->lock);
    bool hold = link->ahead && link->fd >= 0 && !pending(link) && !link->last;
    if (hold) {
        buf_append(&link->out, text, length);
        CHECK(buf_ok(&link->out));
        link->held = true;
        link->held_ns = clock_mono_ns();
    }
    (void)pthread_mutex_unlock(&link->lock);
    if (!hold) {
        link_write(link, text, length, NULL);
    }
}

void link_park(struct link *link)
{
    (void)pthread_mutex_lock(&link->lock);
    link->parked = true;
    (void)pthread_mutex_unlock(&link->lock);
}

void link_unpark(struct link *link)
{
    (void)pthread_mutex_lock(&link->lock);
    link->parked = false;
    if (link->stalled && link->fd >= 0 && !pending(link)) {
        watch(link, EPOLLIN | EPOLLOUT);
    }
    (void)pthread_mutex_unlock(&link->lock);
}

void runtime_api_drop(struct link *link)
{
    (void)pthread_mutex_lock(&link->lock);
    if (link->fd >= 0) {
        (void)shutdown(link->fd, SHUT_RDWR);
    }
    (void)pthread_mutex_unlock(&link->lock);
}

/* ---- reading; the link's thread only ---- */

void link_last(struct link *link)
{
    link->ended = true;
    (void)pthread_mutex_lock(&link->lock);
    link->last = true;
    (void)pthread_mutex_unlock(&link->lock);
}

/* Nothing more is read until what has to be written is. */
static bool must_wait(struct link *link)
{
    (void)pthread_mutex_lock(&link->lock);
    bool wait = link->parked || (pending(link) && !link->held);
    (void)pthread_mutex_unlock(&link->lock);
    return wait;
}

static void stall(struct link *link)
{
    (void)pthread_mutex_lock(&link->lock);
    link->stalled = true;
    if (link->parked) {
        watch(link, 0);
    } else if (!pending(link) || link->held) { /* written meanwhile */
        watch(link, EPOLLIN | EPOLLOUT);
    }
    (void)pthread_mutex_unlock(&link->lock);
}

/* Body bytes: *used of them. True: the request is complete. */
static bool feed(struct link *link, const char *bytes, size_t length, size_t *used)
{
    enum http_result told = HTTP_PIECE;
    *used = 0;
    while (told == HTTP_PIECE) {
        const char *piece = NULL;
        size_t piece_length = 0;
        size_t took = 0;
        told = http_body_read(&link->framing, bytes + *used, length - *used, &took, &piece, &piece_length);
        *used += took;
        if (told == HTTP_PIECE) {
            runtime_api_bytes(link, piece, piece_length);
        }
    }
    if (told == HTTP_BAD) {
        *used = length;
        link->in_body = false;
        runtime_api_refuse(link, 400);
        return false;
    }
    return told == HTTP_DONE;
}

static void complete(struct link *link, bool ahead)
{
    link->in_body = false;
    link->ahead = ahead;
    if (link->head.last) {
        link_last(link);
    }
    runtime_api_act(link);
    call_unref(link->streamed);
    link->streamed = NULL;
    if (link->body.capacity > KEEP_BYTES_MAX) {
        buf_free(&link->body);
    }
    if (link->framing.trailer.capacity > KEEP_BYTES_MAX) {
        buf_free(&link->framing.trailer);
    }
}

static void expect(struct link *link, size_t there)
{
    static const char CONTINUE[] = "HTTP/1.1 100 Continue\r\n\r\n";
    if (link->head.expects_continue && there == 0) {
        link_write(link, CONTINUE, sizeof CONTINUE - 1, NULL);
    }
}

/* One request out of what was read. False: there is none yet, or none may be read now. */
static bool one_request(struct link *link)
{
    size_t head_bytes = 0;
    size_t body_bytes = 0;
    enum http_result told = http_head_read(link->in, link->in_length, &link->scanned, &link->head, &head_bytes);
    if (told == HTTP_BAD) {
        link->in_length = 0;
        runtime_api_refuse(link, link->head.status);
    }
    if (told != HTTP_DONE) {
        return false;
    }
    runtime_api_begin(link);
    http_body_begin(&link->framing, &link->head);
    link->in_body = true;
    size_t there = link->in_length - head_bytes;
    if (feed(link, link->in + head_bytes, there, &body_bytes)) {
        complete(link, body_bytes < there);
    } else if (link->in_body) {
        link->in_length = head_bytes; /* the head stays: its fields are wanted at the end */
        expect(link, there);
        return false;
    }
    size_t used = head_bytes + body_bytes;
    memmove(link->in, link->in + used, link->in_length - used);
    link->in_length -= used;
    link->scanned = 0;
    return link->in_length > 0;
}

/* What is held goes on waiting only where an event will take it along. */
static void look_after_held(struct link *link)
{
    (void)pthread_mutex_lock(&link->lock);
    if (link->held && link->parked) {
        link->thread->release_ns = link->thread->release_ns == 0 ? link->held_ns + HOLD_NS : link->thread->release_ns;
    } else {
        release(link);
    }
    (void)pthread_mutex_unlock(&link->lock);
}

static void process(struct link *link)
{
    bool more = link->in_length > 0 && !link->in_body;
    while (more) {
        if (link->ended) {
            link->in_length = 0;
            break;
        }
        if (must_wait(link)) {
            stall(link);
            break;
        }
        more = one_request(link);
    }
    look_after_held(link);
    if (link->in_length == 0 && link->in_room > KEEP_BYTES_MAX) {
        free(link->in);
        link->in = NULL;
        link->in_room = 0;
    }
}

static void make_room(struct link *link, size_t length)
{
    size_t room = link->in_room == 0 ? IN_BYTES : link->in_room;
    while (room < length) {
        room *= 2;
    }
    if (room != link->in_room) {
        link->in = realloc(link->in, room);
        CHECK(link->in != NULL);
        link->in_room = room;
    }
}

/* False: the connection has ended. */
static bool readable(struct link *link)
{
    char *target = link->thread->scratch;
    size_t room = SCRATCH_BYTES;
    if (!link->in_body) {
        make_room(link, link->in_length + IN_BYTES / 2);
        target = link->in + link->in_length;
        room = link->in_room - link->in_length;
    }
    ssize_t got = recv(link->fd, target, room, MSG_DONTWAIT);
    if (got <= 0) {
        return got < 0 && (errno == EAGAIN || errno == EINTR);
    }
    if (!link->in_body) {
        link->in_length += (size_t)got;
        process(link);
        return true;
    }
    size_t used = 0;
    if (feed(link, target, (size_t)got, &used)) {
        complete(link, used < (size_t)got);
    }
    if (!link->in_body) {
        link->in_length = (size_t)got - used;
        link->scanned = 0;
        make_room(link, link->in_length);
        memcpy(link->in, target + used, link->in_length);
        process(link);
    }
    return true;
}

/* The socket takes bytes again, or reading may go on. False: it is broken. */
static bool writable(struct link *link)
{
    (void)pthread_mutex_lock(&link->lock);
    link->held = false;
    bool good = !pending(link) || flush(link, link->out.data + link->out_sent, link->out.length - link->out_sent);
    written(link);
    bool free_again = good && !pending(link) && !link->parked;
    if (free_again) {
        link->stalled = false;
        watch(link, EPOLLIN);
    }
    (void)pthread_mutex_unlock(&link->lock);
    if (free_again) {
        process(link);
    }
    return good;
}

/* Something comes while next waits: the end, or the next request too early. False: the end. */
static bool while_parked(struct link *link, uint32_t events)
{
    char byte;
    bool ended = (events & (EPOLLHUP | EPOLLERR)) != 0 || recv(link->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0;
    if (!ended) {
        stall(link);
    }
    return !ended;
}

static void handle(struct link *link, uint32_t events)
{
    (void)pthread_mutex_lock(&link->lock);
    bool parked = link->parked;
    (void)pthread_mutex_unlock(&link->lock);
    bool good = true;
    if (parked) {
        good = while_parked(link, events);
    } else if ((events & EPOLLOUT) != 0) {
        good = writable(link);
    } else if ((events & EPOLLIN) != 0) {
        good = readable(link);
    } else {
        good = false;
    }
    if (!good) {
        link_close(link);
    }
}

static void release_old(struct link_thread *thread, int64_t now_ns)
{
    int64_t next_ns = 0;
    (void)pthread_mutex_lock(&thread->lock);
    for (struct link *link = thread->links; link != NULL; link = link->next) {
        (void)pthread_mutex_lock(&link->lock);
        if (link->held && link->fd >= 0) {
            int64_t until_ns = link->held_ns + HOLD_NS;
            if (until_ns <= now_ns) {
                release(link);
            } else {
                next_ns = next_ns == 0 || until_ns < next_ns ? until_ns : next_ns;
            }
        }
        (void)pthread_mutex_unlock(&link->lock);
    }
    (void)pthread_mutex_unlock(&thread->lock);
    thread->release_ns = next_ns;
}

static void *run(void *arg)
{
    struct link_thread *thread = arg;
    struct epoll_event events[EVENTS_MAX];
    while (!atomic_load(&thread->api->stop)) {
        int count = epoll_wait(thread->epoll_fd, events, EVENTS_MAX, thread->release_ns != 0 ? HOLD_MS : -1);
        CHECK(count >= 0 || errno == EINTR);
        int64_t now_ns = thread->release_ns != 0 ? clock_mono_ns() : 0;
        if (now_ns > thread->release_ns) {
            release_old(thread, now_ns);
        }
        for (int i = 0; i < count; i++) {
            if (events[i].data.ptr != NULL) {
                handle(events[i].data.ptr, events[i].events);
            }
        }
    }
    return NULL;
}

/* ---- the server ---- */

void runtime_api_serve(struct runtime_api *api, struct instance *instance, int fd)
{
    struct link *link = calloc(1, sizeof *link);
    int on = 1;
    CHECK(link != NULL);
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    struct link_thread *thread = &api->threads[atomic_fetch_add(&api->turn, 1) % RUNTIME_API_THREADS];
    link->thread = thread;
    link->engine = api->engine;
    link->instance = instance;
    link->fd = fd;
    atomic_init(&link->refs, 1);
    (void)pthread_mutex_init(&link->lock, NULL);
    instance_ref(instance);
    (void)pthread_mutex_lock(&api->engine->lock);
    bool too_many = ++instance->connections > RUNTIME_API_CONNECTIONS_MAX;
    (void)pthread_mutex_unlock(&api->engine->lock);
    (void)pthread_mutex_lock(&thread->lock);
    link->next = thread->links;
    if (link->next != NULL) {
        link->next->prev = link;
    }
    thread->links = link;
    (void)pthread_mutex_unlock(&thread->lock);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = link};
    if (too_many || epoll_ctl(thread->epoll_fd, EPOLL_CTL_ADD, fd, &event) != 0) {
        link_close(link); /* its thread has never seen it */
    }
}

int runtime_api_open(struct engine *engine, struct runtime_api **api, struct err *err)
{
    struct runtime_api *made = calloc(1, sizeof *made);
    if (made == NULL) {
        return err_set(err, ERR_SYSTEM, "runtime API: out of memory");
    }
    made->engine = engine;
    bool good = true;
    for (size_t i = 0; i < RUNTIME_API_THREADS; i++) {
        struct link_thread *thread = &made->threads[i];
        struct epoll_event event = {.events = EPOLLIN};
        thread->api = made;
        (void)pthread_mutex_init(&thread->lock, NULL);
        thread->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
        thread->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        good = good && thread->epoll_fd >= 0 && thread->stop_fd >= 0 &&
               epoll_ctl(thread->epoll_fd, EPOLL_CTL_ADD, thread->stop_fd, &event) == 0 &&
               pthread_create(&thread->thread, NULL, run, thread) == 0;
        thread->started = good;
    }
    if (!good) {
        runtime_api_close(&made);
        return err_set(err, ERR_SYSTEM, "runtime API: the server does not start");
    }
    *api = made;
    return 0;
}

void runtime_api_close(struct runtime_api **api)
{
    struct runtime_api *self = *api;
    const uint64_t one = 1;
    *api = NULL;
    if (self == NULL) {
        return;
    }
    atomic_store(&self->stop, true);
    for (size_t i = 0; i < RUNTIME_API_THREADS; i++) {
        struct link_thread *thread = &self->threads[i];
        if (thread->started) {
            (void)!write(thread->stop_fd, &one, sizeof one);
            (void)pthread_join(thread->thread, NULL);
        }
        while (thread->links != NULL) {
            link_close(thread->links);
        }
        (void)close(thread->epoll_fd);
        (void)close(thread->stop_fd);
        (void)pthread_mutex_destroy(&thread->lock);
    }
    free(self);
}
