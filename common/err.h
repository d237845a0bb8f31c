/*
 * err.h - the one error type, on the caller's stack.
 *
 * Why:       every failure says what was being done, with which value, and whose fault it is.
 * Returns:   0 or -1, nothing else. On 0 *err is untouched and outputs are set; on -1 *err is set and outputs are not.
 * Ownership: nothing is allocated; slug points to static text.      Threads: a struct err belongs to one thread.
 */
#ifndef FARTHING_COMMON_ERR_H
#define FARTHING_COMMON_ERR_H

enum err_code {
    ERR_NONE,
    ERR_INVALID,   /* the caller's input breaks a rule; field names it (HTTP 400) */
    ERR_NOT_FOUND, /* no such thing, or not yours (404) */
    ERR_CONFLICT,  /* the thing exists or has changed meanwhile (409, 412) */
    ERR_LIMIT,     /* a quota or a named limit says no (429, 413) */
    ERR_RETRY,     /* nothing happened; the same call may be made again (503) */
    ERR_UNCERTAIN, /* a write may have happened; ask again with the same idempotency key (503) */
    ERR_SYSTEM     /* our fault (500) */
};

#define ERR_FIELD_BYTES_MAX 64
#define ERR_TEXT_BYTES_MAX 400

struct err {
    enum err_code code;
    char field[ERR_FIELD_BYTES_MAX]; /* JSON pointer ("/memory_mb") or parameter name ("from"); empty when none */
    const char *slug; /* stable machine word for API problems ("quota_exceeded"); NULL: derived from code */
    char text[ERR_TEXT_BYTES_MAX]; /* a sentence for a person: what, which value, which rule */
};

/* Fill *err (NULL allowed: nothing is stored) and return -1, so that callers write: return err_set(...). */
int err_set(struct err *err, enum err_code code, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* Like err_set(ERR_INVALID), naming the field whose value breaks a rule. */
int err_field(struct err *err, const char *field, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* Put "context: " in front of the text, keep code, field and slug; returns -1. */
int err_wrap(struct err *err, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Name the field or parameter afterwards, for errors of other codes than ERR_INVALID; returns -1. */
int err_at(struct err *err, const char *field);

/* Set the stable machine word (static storage); returns -1. */
int err_slug(struct err *err, const char *slug);

/* "invalid", "not_found", ... for logs and the default of slug. */
const char *err_code_name(enum err_code code);

#endif
