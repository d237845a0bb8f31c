/*
 * listen.h - the listening socket and the certificate files of the API.
 *
 * Ownership: the caller closes *fd and frees *text.
 */
#ifndef FARTHING_API_LISTEN_H
#define FARTHING_API_LISTEN_H

struct err;

/* "host:port"; host may be empty (all addresses) or in brackets. *port is the one taken when port is 0. */
int listen_on(const char *text, int *fd, int *port, struct err *err);
int listen_read_pem(const char *path, char **text, struct err *err);

#endif
