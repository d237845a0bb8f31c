/*
 * json_internal.h - between json.c and json_scan.c only.
 */
#ifndef FARTHING_COMMON_JSON_INTERNAL_H
#define FARTHING_COMMON_JSON_INTERNAL_H

#include <stddef.h>

struct err;

/* RFC 8259 to the letter: 0 when the whole text is one JSON value in valid UTF-8, at most JSON_DEPTH_MAX deep, without
 * "\u0000" (it would end a C string) and without lone surrogates. Else ERR_INVALID with the byte offset. */
int json_scan(const char *text, size_t length, struct err *err);

#endif
