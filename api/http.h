/*
 * http.h - what every resource of the API sees: the request, the reply, and the words for both.
 *
 * Why:       a handler parses, calls one or two functions of a part below, and replies. Authentication, account lookup,
 * body limits, content negotiation, idempotency and errors happen once, around it (server.c, dispatch.c). Ownership: a
 * request owns its body, reply and parameters and is freed by the server after the reply was sent. Threads:   a request
 * belongs to one thread at a time; request->pg is the connection of the worker that runs the handler.
 */
#ifndef FARTHING_API_HTTP_H
#define FARTHING_API_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/json.h"
#include "common/uuid.h"

struct MHD_Connection;
struct admission_refusal;
struct api;
struct err;
struct function_url;
struct pg;
struct request;

enum http_method { HTTP_GET, HTTP_HEAD, HTTP_POST, HTTP_PUT, HTTP_PATCH, HTTP_DELETE, HTTP_OPTIONS, HTTP_OTHER };

/* What a route asks of its caller; a larger one may do what a smaller one may. */
enum scope { SCOPE_NONE, SCOPE_READ, SCOPE_ACCOUNT, SCOPE_ADMIN };

enum handler_result { HANDLER_LATER = 1 }; /* the handler will call request_finish itself */

/* 0: the reply is set. -1: err becomes a problem. HANDLER_LATER: request_finish comes later, from any thread. */
typedef int handler_fn(struct request *request, struct err *err);

#define ROUTE_INLINE 0x01u     /* runs on the HTTP thread when caller and account are known without the database */
#define ROUTE_IDEMPOTENT 0x02u /* Idempotency-Key is honoured */
#define ROUTE_JSON 0x04u       /* the body, when there is one, must be application/json */
#define ROUTE_AUDIT 0x08u      /* a successful call is a row of the audit log */
#define ROUTE_LAMBDA 0x10u     /* AWS rules: SigV4, AWS errors */
#define ROUTE_NO_PG 0x20u      /* needs no database */
#define ROUTE_QUIET 0x40u      /* logged at level debug only */
#define ROUTE_KEPT 0x80u       /* its answers are kept for a moment (answers.h) */
#define ROUTE_URL 0x100u       /* a function's URL: who may call it says the URL (function_url.h) */

struct route {
    enum http_method method;
    const char *pattern; /* "/v1/accounts/{a}/keys/{key}"; {a} is an account and is resolved before the handler runs */
    enum scope scope;
    unsigned flags;
    size_t body_bytes_max; /* 0: no body */
    const char *query;     /* names allowed, separated by spaces; "*": any */
    handler_fn *handler;
    const char *action; /* of the audit log; NULL when there is none */
};

#define REQUEST_PARAMS_MAX 4
#define REQUEST_QUERY_MAX 32
#define REQUEST_URI_BYTES_MAX 8192
#define REQUEST_COPIED_HEADERS 3

struct pair {
    const char *name;
    const char *value;
};

struct caller {
    enum scope scope;
    int64_t key_id;
    int64_t account_id; /* 0 for admin keys */
    char account_name[64];
};

struct reply_header {
    const char *name; /* static, or behind the value in its memory */
    char *value;      /* owned */
};

#define REPLY_HEADERS_MAX 64
#define REPLY_HEADERS_FOREIGN_MAX 50         /* set by a function; the rest is for us */
#define REPLY_MEMORY_BYTES_MAX (1024 * 1024) /* longer bodies made with reply_sink go to an unlinked file */

struct links;
struct reply_stream;

struct reply {
    int status; /* 0: none yet */
    const char *content_type;
    struct reply_header headers[REPLY_HEADERS_MAX];
    int header_count;
    struct buf body;
    int fd; /* -1: body is in memory */
    int64_t fd_bytes;
    const char *static_body; /* not copied, not freed; used when not NULL */
    size_t static_bytes;
    struct reply_stream *stream; /* NULL: none */
    bool encoded;                /* Content-Encoding is set already */
};

struct request {
    struct api *api;
    struct MHD_Connection *connection;
    const struct route *route;
    enum http_method method;
    char method_name[16];
    char *uri;                              /* as sent */
    char *path;                             /* as sent, without the query; not decoded */
    char *query_text;                       /* as sent, "" when there is none */
    struct pair params[REQUEST_PARAMS_MAX]; /* decoded */
    int param_count;
    struct pair query[REQUEST_QUERY_MAX]; /* decoded */
    int query_count;
    struct buf body;
    struct uuid id;
    char id_text[UUID_TEXT_BYTES];
    struct caller caller;
    int64_t account_id; /* of {a}; 0 when the route has none */
    char account_name[64];
    bool account_suspended;
    struct pg *pg;       /* for a caller with the key of an account: a connection that sees this account only */
    struct links *links; /* server.c's */
    struct reply reply;
    char url_id[33];          /* first label of the host, of a function's URL */
    struct function_url *url; /* NULL: this is no call of a function's URL; owned */
    char audit_subject[128];  /* what a changing handler changed */
    struct buf audit_detail;  /* before the handler what was there, then both (audit_detail.c); empty: nothing to say */
    struct buf scratch;       /* decoded texts of params and query */
    int64_t started_mono_us;
    int phase; /* server.c's */
    bool body_too_large;
    bool renews;                                /* nobody's: makes the next kept answer (answers.h) */
    struct pair copied[REQUEST_COPIED_HEADERS]; /* of a request without a connection: its headers; values owned */
    struct request *next;                       /* in the work queue */
};

/* ---- request.c ---- */

/* Split uri into path and query; then the query into pairs. */
int request_split_uri(struct request *request, const char *uri, struct err *err);
int request_parse_query(struct request *request, struct err *err);
/* Both: uri into path, query and pairs. ERR_INVALID for bad escapes, too many parameters, NUL bytes. */
int request_parse_uri(struct request *request, const char *uri, struct err *err);
/* Percent-decode (plus_is_space: '+' too) and append with a NUL; -1 on a bad escape, a decoded NUL, or what is not
 * UTF-8. */
int request_decode(const char *text, size_t length, bool plus_is_space, struct buf *out);
const char *request_param(const struct request *request, const char *name); /* never NULL for names of the pattern */
const char *request_query(const struct request *request, const char *name); /* NULL when absent */
const char *request_header(const struct request *request, const char *name);
int request_query_i64(const struct request *request, const char *name, int64_t min, int64_t max, int64_t *value,
                      struct err *err);
int request_query_bool(const struct request *request, const char *name, bool *value, struct err *err);
/* RFC 3339, date, or absent (*at_us keeps its value). */
int request_query_time(const struct request *request, const char *name, int64_t *at_us, struct err *err);
/* The body as a JSON object; names: members allowed (NULL-terminated). The caller deletes *tree. */
int request_json(const struct request *request, const char *const *names, cJSON **tree, struct err *err);
/* True when the Accept header (or its absence) allows type; "text/csv" also by ?format=csv. Quality values count. */
bool request_accepts(const char *accept, const char *type);
/* The best of types (NULL-terminated, in order of preference) for Accept and ?format; ERR 406 when none. */
int request_negotiate(const struct request *request, const char *const *types, int *chosen, struct err *err);
/* If-Match against a strong tag; absent: fine. ERR_CONFLICT (412). */
int request_if_match(const struct request *request, const char *etag, struct err *err);
bool request_media_type_is(const struct request *request, const char *type);
/* The same question without a connection, for an answer that nobody waits for. NULL: out of memory. */
struct request *request_copy(const struct request *request);
void request_free(struct request *request);

/* ---- inflate.c ---- */

/* The body came with a Content-Encoding, on a route that looks into it (AWS routes sign it and take it as it is). */
bool request_is_encoded(const struct request *request);
/* Unpack it, up to the route's limit. ERR_INVALID: no gzip, too large (413), another coding (415). */
int request_inflate(struct request *request, struct err *err);

/* ---- reply.c ---- */

void reply_init(struct reply *reply);
void reply_free(struct reply *reply);
/* Everything set so far is forgotten. */
void reply_reset(struct reply *reply);
/* name is static text; value is copied; control characters in it are dropped. */
void reply_header(struct reply *reply, const char *name, const char *value);
/* One more of that name; both are copied. -1: there are REPLY_HEADERS_FOREIGN_MAX. */
int reply_header_add(struct reply *reply, const char *name, const char *value);
void reply_header_i64(struct reply *reply, const char *name, int64_t value);
const char *reply_header_get(const struct reply *reply, const char *name);
/* A JSON reply is begun: write members of the object with the writer, then reply_json_end. */
void reply_json_begin(struct request *request, struct json_writer *writer);
int reply_json_end(struct request *request, int status, struct json_writer *writer, struct err *err);
int reply_empty(struct request *request, int status);
/* Strong tag from a number that grows with each change. */
void reply_etag_revision(struct request *request, int64_t revision);
void etag_revision(int64_t revision, char text[32]);
/* A report_sink_fn on a request: small bodies in memory, large ones in an unlinked file. */
int reply_sink(const void *bytes, size_t length, void *request, struct err *err);
bool request_takes_gzip(const struct request *request);
/* A complete reply in memory gets its ETag and is packed when the client takes that; reply_finish then need not. */
void reply_settle(struct request *request);
/* After the handler: ETag from the content when there is none, 304, gzip, common headers. */
void reply_finish(struct request *request);

/* ---- audit_detail.c ---- */

/* Around the handler of an audited route, with a connection: {"before": ..., "after": ...} of what it changes. */
void audit_before(struct request *request);
void audit_after(struct request *request);

/* ---- problem.c ---- */

/* err as RFC 9457 problem (or as AWS error on Lambda routes). Replaces whatever the reply was. */
void problem_reply(struct request *request, const struct err *err);
/* One that needs its own status: problem_status(request, 405, "method_not_allowed", "..."). */
void problem_status(struct request *request, int status, const char *code, const char *detail);
/* 413 of the request's route; on AWS's routes in the words that AWS's clients look for. */
void problem_body_too_large(struct request *request);
void problem_refusal(struct request *request, const struct admission_refusal *refusal);
const char *http_status_text(int status);
/* Status for an error: by its slug when it is known, else by its code. */
int problem_http_status(const struct err *err);

/* ---- page.c: cursors ---- */

struct page {
    int64_t limit;
    char after[512]; /* key of the last row of the page before; "" for the first page */
};

#define PAGE_LIMIT_DEFAULT 100
#define PAGE_LIMIT_MAX 1000

/* From ?limit and ?cursor; a cursor made for another path is ERR_INVALID. */
int page_get(const struct request *request, struct page *page, struct err *err);
/* "next" member and Link header: a cursor after last, or null when last is NULL. */
void page_put(struct request *request, struct json_writer *writer, const char *last);

/* ---- server.c ---- */

/* The handler answered HANDLER_LATER and the reply is complete now. From any thread, once. */
void request_finish(struct request *request);

#endif
