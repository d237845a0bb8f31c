/*
 * peer.h - whose is the other end of a connection over loopback?
 *
 * Why:     functions on the host's network see each other's Runtime API; who connects must be the instance itself.
 * Threads: any.
 */
#ifndef FARTHING_ENGINE_PEER_H
#define FARTHING_ENGINE_PEER_H

#include <stdbool.h>
#include <sys/types.h>

/* fd: an accepted IPv4 connection from this machine. False also when the other end is gone already. */
bool peer_is_user(int fd, uid_t uid);

#endif
