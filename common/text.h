/*
 * text.h - strict parsing of numbers and words from text. No locale, no leading space, no trailing rest. Threads: any.
 */
#ifndef FARTHING_COMMON_TEXT_H
#define FARTHING_COMMON_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;

/* Decimal, optional '-', within [min, max]; the error names field, value and range. */
int text_i64(const char *text, const char *field, int64_t min, int64_t max, int64_t *value, struct err *err);
bool text_equal(const char *a, const char *b);
bool text_starts(const char *text, const char *prefix);
/* Copy with a NUL; -1 when it does not fit (then target is ""). */
int text_copy(char *target, size_t size, const char *text);
/* True when bytes are valid UTF-8 (no surrogates, no overlong forms, no NUL). */
bool text_utf8(const char *bytes, size_t length);

#endif
