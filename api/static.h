/*
 * static.h - files embedded at build: the dashboard and the OpenAPI document (generated/static_files.c).
 */
#ifndef FARTHING_API_STATIC_H
#define FARTHING_API_STATIC_H

#include <stddef.h>

struct static_file {
    const char *path; /* "/index.html" */
    const char *type;
    const unsigned char *bytes;
    size_t length;
};

extern const struct static_file STATIC_FILES[]; /* ends with a NULL path */
extern const struct static_file OPENAPI_FILE;

#endif
