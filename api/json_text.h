/*
 * json_text.h - members of requests that are kept as JSON text, and quantities that are written as exact decimals.
 */
#ifndef FARTHING_API_JSON_TEXT_H
#define FARTHING_API_JSON_TEXT_H

#include <cjson/cJSON.h>
#include <stddef.h>
#include <stdint.h>

struct err;
struct json_writer;

/* A flat object of strings (tags, environment) as compact JSON; absent: *text stays NULL. The caller frees. */
int json_flat_text(const cJSON *object, const char *name, size_t bytes_max, char **text, struct err *err);
/* Any object. */
int json_object_text(const cJSON *object, const char *name, size_t bytes_max, char **text, struct err *err);

#define GB_SECONDS_TEXT_BYTES 40
/* mb_ms / 1,024,000 with all digits ("0.5", "12"). */
void gb_seconds_text(int64_t mb_ms, char text[GB_SECONDS_TEXT_BYTES]);
/* An integer as decimal string. */
void json_put_quantity(struct json_writer *writer, const char *name, int64_t value);
void json_put_time(struct json_writer *writer, const char *name, int64_t at_us);
/* null when at_us is 0. */
void json_put_time_or_null(struct json_writer *writer, const char *name, int64_t at_us);

#endif
