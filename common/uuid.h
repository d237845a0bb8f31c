/*
 * uuid.h - request ids (RFC 9562). Random bits come from getrandom(2).
 */
#ifndef FARTHING_COMMON_UUID_H
#define FARTHING_COMMON_UUID_H

#include <stdint.h>

#define UUID_TEXT_BYTES 37 /* 36 characters and a NUL */

struct uuid {
    uint8_t bytes[16];
};

/* Version 4: AWS request ids are random; ours are too, so nothing about load leaks through them. */
void uuid_random(struct uuid *uuid);
void uuid_format(const struct uuid *uuid, char text[UUID_TEXT_BYTES]);

/* Accepts 8-4-4-4-12 hexadecimal digits of either case; returns -1 for anything else. */
int uuid_parse(const char *text, struct uuid *uuid);

#endif
