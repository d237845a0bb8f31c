/*
 * price_books.h - shared by the routes of price books and of overrides.
 *
 * Threads: as the request's.
 */
#ifndef FARTHING_API_PRICE_BOOKS_H
#define FARTHING_API_PRICE_BOOKS_H

struct err;
struct price_problems;
struct request;

/* 400 with every problem of a document at once: a person mends them in one go. */
void price_problems_reply(struct request *request, const char *title, const struct price_problems *problems,
                          const struct err *err);

#endif
