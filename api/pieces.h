/*
 * pieces.h - an answer that is sent as a function writes it.
 *
 * Ownership: shared by the engine, which puts, and the connection, which takes; freed by whoever lets go last.
 * Threads:   pieces_put, pieces_begin and pieces_end one after the other, from any thread.
 */
#ifndef FARTHING_API_PIECES_H
#define FARTHING_API_PIECES_H

#include <stdbool.h>
#include <stddef.h>

struct pieces;
struct request;

struct pieces *pieces_new(void); /* NULL when out of memory */
void pieces_unref(struct pieces *pieces);
/* Dropped when the client is gone. */
void pieces_put(struct pieces *pieces, const void *bytes, size_t length);
/* The answer begins, with what was put so far; after request_finish the request is the server's. */
void pieces_begin(struct pieces *pieces, struct request *request, const char *content_type);
bool pieces_begun(const struct pieces *pieces);
/* Nothing more comes. cut: the client must see that something is missing, so its connection is closed in the middle. */
void pieces_end(struct pieces *pieces, bool cut);

#endif
