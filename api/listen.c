#include "api/listen.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/err.h"
#include "common/fs.h"

/* A listening socket on "host:port"; host may be empty (all addresses) or in brackets. */
int listen_on(const char *text, int *fd_out, int *port, struct err *err)
{
    char host[256];
    const char *colon = strrchr(text, ':');
    if (colon == NULL || (size_t)(colon - text) >= sizeof host) {
        return err_field(err, "listen", "listen is \"%.80s\"; it is to be address:port", text);
    }
    size_t length = (size_t)(colon - text);
    memcpy(host, text, length);
    host[length] = '\0';
    char *name = host;
    if (name[0] == '[' && length > 1 && name[length - 1] == ']') {
        name[length - 1] = '\0';
        name++;
    }
    struct addrinfo hints = {.ai_flags = AI_PASSIVE | AI_NUMERICSERV, .ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    if (getaddrinfo(name[0] != '\0' ? name : NULL, colon + 1, &hints, &found) != 0) {
        return err_field(err, "listen", "listen is \"%.80s\": no such address", text);
    }
    int fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int on = 1;
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
        bind(fd, found->ai_addr, found->ai_addrlen) != 0 || listen(fd, 1024) != 0) {
        int rc = err_set(err, ERR_SYSTEM, "cannot listen on %.80s: %s", text, strerror(errno));
        freeaddrinfo(found);
        if (fd >= 0) {
            (void)close(fd);
        }
        return rc;
    }
    freeaddrinfo(found);
    struct sockaddr_storage bound;
    socklen_t size = sizeof bound;
    if (getsockname(fd, (struct sockaddr *)&bound, &size) != 0) {
        (void)close(fd);
        return err_set(err, ERR_SYSTEM, "getsockname: %s", strerror(errno));
    }
    *port = ntohs(bound.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&bound)->sin6_port
                                              : ((struct sockaddr_in *)&bound)->sin_port);
    *fd_out = fd;
    return 0;
}

int listen_read_pem(const char *path, char **text, struct err *err)
{
    struct buf bytes = {0};
    if (fs_read(path, 1024 * 1024, &bytes, err) != 0) {
        return -1;
    }
    *text = bytes.data;
    return 0;
}
