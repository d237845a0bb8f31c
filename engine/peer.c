#include "engine/peer.h"

#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

static bool port_of(int (*name)(int, struct sockaddr *, socklen_t *), int fd, unsigned *port)
{
    struct sockaddr_in address;
    socklen_t length = sizeof address;
    memset(&address, 0, sizeof address);
    if (name(fd, (struct sockaddr *)&address, &length) != 0 || address.sin_family != AF_INET) {
        return false;
    }
    *port = ntohs(address.sin_port);
    return true;
}

static int peer_name(int fd, struct sockaddr *address, socklen_t *length)
{
    return getpeername(fd, address, length);
}

static int own_name(int fd, struct sockaddr *address, socklen_t *length)
{
    return getsockname(fd, address, length);
}

/* The kernel's table has a line for each end; the other end's has the ports the other way round. */
bool peer_is_user(int fd, uid_t uid)
{
    unsigned ours = 0;
    unsigned theirs = 0;
    char *line = NULL;
    size_t room = 0;
    bool found = false;
    if (!port_of(own_name, fd, &ours) || !port_of(peer_name, fd, &theirs)) {
        return false;
    }
    FILE *table = fopen("/proc/net/tcp", "re");
    if (table == NULL) {
        return false;
    }
    while (!found && getline(&line, &room, table) > 0) {
        unsigned local = 0;
        unsigned remote = 0;
        unsigned owner = 0;
        found = sscanf(line, " %*u: %*x:%x %*x:%x %*x %*x:%*x %*x:%*x %*x %u", &local, &remote, &owner) == 3 &&
                local == theirs && remote == ours && owner == uid;
    }
    free(line);
    (void)fclose(table);
    return found;
}
