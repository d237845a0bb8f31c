/*
 * log.h - one JSON line a thing worth telling, on stderr.
 *
 * Why:     operators grep and ship logs; a line has fixed keys: ts, level, event, then the fields in the order given.
 * Rules:   events are noun.verb ("batch.committed"); no payloads, no secrets; libraries stay silent, main loops log.
 * Threads: any. A line is one write(2), at most LOG_LINE_BYTES_MAX bytes; longer ones are cut and marked "cut":true.
 */
#ifndef FARTHING_COMMON_LOG_H
#define FARTHING_COMMON_LOG_H

#include <stddef.h>
#include <stdint.h>

#define LOG_LINE_BYTES_MAX 4096

enum log_level { LOG_LEVEL_DEBUG, LOG_LEVEL_INFO, LOG_LEVEL_WARN, LOG_LEVEL_ERROR };

struct log_field {
    const char *key;
    const char *text; /* used when not NULL, else number */
    int64_t number;
};

#define LF_I64(k, v) ((struct log_field){.key = (k), .number = (int64_t)(v)})
#define LF_STR(k, v) ((struct log_field){.key = (k), .text = (v) != NULL ? (v) : ""})

/* Lines below this level are dropped. Default LOG_LEVEL_INFO. Set once at start. */
void log_level_set(enum log_level level);

/* "debug", "info", "warn", "error" to level; -1 when it is none of them. */
int log_level_parse(const char *text, enum log_level *level);

void log_write(enum log_level level, const char *event, const struct log_field *fields, size_t count);

/* LOG(LOG_LEVEL_INFO, "batch.committed", LF_I64("records", n), LF_STR("producer", id)); */
#define LOG(level, event, ...)                                                                                         \
    log_write((level), (event), (const struct log_field[]){__VA_ARGS__},                                               \
              sizeof((const struct log_field[]){__VA_ARGS__}) / sizeof(struct log_field))

#endif
