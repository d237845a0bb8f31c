/*
 * api_client.h - a node in the test's own process, and asking it over HTTP.
 *
 * Why:   tests of the API walk the route table of the program they are linked with, so a route is in them on the day it
 *        is written. What goes wrong here ends the test with a message.
 * Units: ports and lengths as they are; one node at a time.
 */
#ifndef FARTHING_TESTS_API_CLIENT_H
#define FARTHING_TESTS_API_CLIENT_H

#include <stddef.h>

#include "api/http.h"
#include "common/buf.h"

struct api_answer {
    long status;
    struct buf body, headers;
};

#define API_TEST_ADMIN "far_00112233445566778899aabbccddeeff0011223344556677"

/* On a new database. Down removes its folder. */
void api_node_up(void);
void api_node_up_with(uint64_t spool_bytes_max, int ready_lag_s);
void api_node_down(void);
const char *api_node_url(void);
/* Connection string of its database. */
const char *api_test_database(void);

/* authorization: the header's value or NULL. header: one more line, or several with CRLF between, or NULL. body NULL:
 * none. */
struct api_answer api_ask_as(const char *authorization, const char *method, const char *path, const char *header,
                             const char *body, size_t length);
/* key: a bearer key or NULL; body: JSON or NULL. */
struct api_answer api_ask(const char *key, const char *method, const char *path, const char *body);
void api_answer_free(struct api_answer *answer);
/* The text at a path of members and indexes ("items.0.id") of the answer, which must be there. */
void api_text(const struct api_answer *answer, const char *path, char *text, size_t size);
/* Ask as the operator and take a text of the answer; the status must be below 300. */
void api_make(const char *method, const char *path, const char *body, const char *member, char *text, size_t size);

const char *api_method_name(enum http_method method);

#endif
