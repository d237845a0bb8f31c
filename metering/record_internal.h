/*
 * record_internal.h - for crc32c.c, record.c and their tests.
 */
#ifndef FARTHING_METERING_RECORD_INTERNAL_H
#define FARTHING_METERING_RECORD_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct usage_record;

/* The same checksum without the instruction. */
uint32_t crc32c_portable(uint32_t seed, const void *bytes, size_t length);

/* Checksum of bytes 4..127. */
uint32_t usage_record_checksum(const struct usage_record *record);

/* The rules of usage_record_check without words for it, fast enough for every emit; slightly stricter at the edges. */
bool usage_record_fits(const struct usage_record *record);

#endif
