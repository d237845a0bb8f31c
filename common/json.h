/*
 * json.h - reading JSON documents with errors that point at the place, and writing JSON text.
 *
 * Reading:   cJSON trees; every getter names the JSON pointer of what is wrong ("/thresholds/1"). Unknown members are
 *            an error through json_only(). Depth is limited to JSON_DEPTH_MAX, duplicates of a member are refused.
 * Numbers:   json_get_i64 takes only whole numbers in range; money and large quantities travel as decimal strings.
 * Writing:   a small writer into struct buf: commas and escaping are its job, order is the caller's; same calls, same
 * bytes. Ownership: trees belong to the caller (cJSON_Delete); strings returned live as long as the tree. Threads: one
 * a tree.
 */
#ifndef FARTHING_COMMON_JSON_H
#define FARTHING_COMMON_JSON_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf;
struct err;

#define JSON_DEPTH_MAX 32

/* Parse the whole text (NUL bytes and trailing text are errors that give the byte offset). */
int json_parse(const char *text, size_t length, cJSON **tree, struct err *err);

/* pointer is that of object ("" for the root). Missing and not required: *value keeps what the caller put there. */
int json_get_text(const cJSON *object, const char *pointer, const char *name, bool required, const char **value,
                  struct err *err);
int json_get_i64(const cJSON *object, const char *pointer, const char *name, bool required, int64_t min, int64_t max,
                 int64_t *value, struct err *err);
int json_get_bool(const cJSON *object, const char *pointer, const char *name, bool required, bool *value,
                  struct err *err);
int json_get_array(const cJSON *object, const char *pointer, const char *name, bool required, const cJSON **value,
                   struct err *err);
int json_get_object(const cJSON *object, const char *pointer, const char *name, bool required, const cJSON **value,
                    struct err *err);

/* names: NULL-terminated list of the members allowed; any other is ERR_INVALID with its pointer. */
int json_only(const cJSON *object, const char *pointer, const char *const *names, struct err *err);

#define JSON_WRITER_DEPTH_MAX 32

struct json_writer {
    struct buf *out;
    int depth;
    bool comma[JSON_WRITER_DEPTH_MAX];
};

void json_writer_init(struct json_writer *writer, struct buf *out);
/* name is NULL inside arrays and at the root. */
void json_open_object(struct json_writer *writer, const char *name);
void json_close_object(struct json_writer *writer);
void json_open_array(struct json_writer *writer, const char *name);
void json_close_array(struct json_writer *writer);
void json_put_text(struct json_writer *writer, const char *name, const char *value); /* NULL writes null */
void json_put_i64(struct json_writer *writer, const char *name, int64_t value);
void json_put_bool(struct json_writer *writer, const char *name, bool value);
void json_put_null(struct json_writer *writer, const char *name);
/* text is JSON already (a number, a document stored as jsonb, ...). */
void json_put_raw(struct json_writer *writer, const char *name, const char *text);
/* Escape as a JSON string with quotes; invalid UTF-8 becomes U+FFFD. */
void json_quote(struct buf *out, const char *text, size_t length);

#endif
