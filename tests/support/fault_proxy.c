#include "tests/support/fault_proxy.h"

#include "common/check.h"
#include "common/clock.h"
#include "tests/support/fault_server.h"

#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define LINKS_MAX 32

struct proxy {
    const char *upstream;
    _Atomic int *cut_next;
};

struct proxy_link {
    int client, server;
};

static int connect_server(const struct proxy *proxy)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    (void)snprintf(name.sun_path, sizeof name.sun_path, "%s", proxy->upstream);
    if (connect(fd, (const struct sockaddr *)(const void *)&name, sizeof name) != 0) {
        (void)close(fd);
        return -1;
    }
    return fd;
}

static void hang_up(struct proxy_link *link)
{
    (void)close(link->client);
    (void)close(link->server);
    link->client = -1;
}

/* Forward one piece; false: the link is over. */
static bool forward(const struct proxy *proxy, struct proxy_link *link, bool up)
{
    char bytes[65536];
    ssize_t got = read(up ? link->client : link->server, bytes, sizeof bytes);
    bool commit = up && got > 0 && memmem(bytes, (size_t)got, "COMMIT", 6) != NULL;
    int cut = commit ? atomic_exchange(proxy->cut_next, 0) : atomic_load(proxy->cut_next);
    if (got <= 0 || (commit && cut == FAULT_CUT_BEFORE_COMMIT)) {
        return false;
    }
    if (!commit && cut == FAULT_CUT_NOW && atomic_exchange(proxy->cut_next, 0) == FAULT_CUT_NOW) {
        return false;
    }
    for (ssize_t sent = 0; sent < got;) {
        ssize_t part = send(up ? link->server : link->client, bytes + sent, (size_t)(got - sent), MSG_NOSIGNAL);
        if (part <= 0) {
            return false;
        }
        sent += part;
    }
    if (commit && cut == FAULT_CUT_AFTER_COMMIT_SENT) {
        fault_nap_ms((uint64_t)clock_mono_us() % 3); /* the server may or may not have finished */
        return false;
    }
    return true;
}

static int listen_in(const char *dir)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    (void)snprintf(name.sun_path, sizeof name.sun_path, "%.80s/.s.PGSQL.5432", dir);
    CHECK(bind(fd, (const struct sockaddr *)(const void *)&name, sizeof name) == 0 && listen(fd, 16) == 0);
    return fd;
}

static void take(const struct proxy *proxy, int listener, struct proxy_link *links)
{
    int client = accept(listener, NULL, NULL);
    int upstream = client >= 0 ? connect_server(proxy) : -1;
    for (int i = 0; upstream >= 0 && i < LINKS_MAX; i++) {
        if (links[i].client < 0) {
            links[i] = (struct proxy_link){client, upstream};
            return;
        }
    }
    (void)close(client);
    if (upstream >= 0) {
        (void)close(upstream);
    }
}

static void run(const struct proxy *proxy, int listener)
{
    struct proxy_link links[LINKS_MAX];
    for (int i = 0; i < LINKS_MAX; i++) {
        links[i].client = -1;
    }
    for (;;) {
        struct pollfd polled[2 * LINKS_MAX + 1] = {{.fd = listener, .events = POLLIN}};
        for (int i = 0; i < LINKS_MAX; i++) {
            polled[1 + 2 * i] = (struct pollfd){.fd = links[i].client, .events = POLLIN};
            polled[2 + 2 * i] = (struct pollfd){.fd = links[i].client < 0 ? -1 : links[i].server, .events = POLLIN};
        }
        (void)poll(polled, 2 * LINKS_MAX + 1, -1);
        for (int i = 0; i < LINKS_MAX; i++) {
            bool ok = polled[1 + 2 * i].revents == 0 || forward(proxy, &links[i], true);
            ok = ok && (polled[2 + 2 * i].revents == 0 || forward(proxy, &links[i], false));
            if (!ok) {
                hang_up(&links[i]);
            }
        }
        if (polled[0].revents != 0) {
            take(proxy, listener, links);
        }
    }
}

pid_t fault_proxy_start(const char *dir, const char *upstream, _Atomic int *cut_next)
{
    const struct proxy proxy = {upstream, cut_next};
    int listener = listen_in(dir);
    pid_t pid = fault_fork();
    if (pid == 0) {
        run(&proxy, listener);
    }
    (void)close(listener);
    return pid;
}
