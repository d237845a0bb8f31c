/*
 * CRC-32C: the SSE 4.2 instruction where the processor has it, else slicing by eight.
 */
#include "metering/record.h"

#include "metering/record_internal.h"

#include <stdatomic.h>
#include <string.h>

#define CRC32C_POLYNOMIAL UINT32_C(0x82f63b78) /* reflected */

static uint32_t table_entry(uint32_t byte)
{
    uint32_t crc = byte;
    for (int bit = 0; bit < 8; bit++) {
        crc = (crc >> 1) ^ ((crc & 1) != 0 ? CRC32C_POLYNOMIAL : 0);
    }
    return crc;
}

struct crc_tables {
    uint32_t slice[8][256];
};

/* Threads that meet here at first use write the same words; ready is set after the last of them. */
static const struct crc_tables *tables(void)
{
    static struct crc_tables made;
    static _Atomic int state; /* 0 none, 1 one thread makes them, 2 ready */
    int none = 0;
    if (atomic_load_explicit(&state, memory_order_acquire) == 2) {
        return &made;
    }
    if (atomic_compare_exchange_strong(&state, &none, 1)) {
        for (uint32_t i = 0; i < 256; i++) {
            made.slice[0][i] = table_entry(i);
        }
        for (uint32_t i = 0; i < 256; i++) {
            for (int k = 1; k < 8; k++) {
                uint32_t before = made.slice[k - 1][i];
                made.slice[k][i] = (before >> 8) ^ made.slice[0][before & 0xff];
            }
        }
        atomic_store_explicit(&state, 2, memory_order_release);
    }
    while (atomic_load_explicit(&state, memory_order_acquire) != 2) {
        /* another thread is a few microseconds from done */
    }
    return &made;
}

uint32_t crc32c_portable(uint32_t seed, const void *bytes, size_t length)
{
    const struct crc_tables *t = tables();
    const uint8_t *at = bytes;
    uint32_t crc = ~seed;
    for (; length >= 8; at += 8, length -= 8) {
        uint64_t word;
        memcpy(&word, at, 8);
        word ^= crc;
        crc = t->slice[7][word & 0xff] ^ t->slice[6][(word >> 8) & 0xff] ^ t->slice[5][(word >> 16) & 0xff] ^
              t->slice[4][(word >> 24) & 0xff] ^ t->slice[3][(word >> 32) & 0xff] ^ t->slice[2][(word >> 40) & 0xff] ^
              t->slice[1][(word >> 48) & 0xff] ^ t->slice[0][word >> 56];
    }
    for (; length > 0; at++, length--) {
        crc = (crc >> 8) ^ t->slice[0][(crc ^ *at) & 0xff];
    }
    return ~crc;
}

#if defined(__x86_64__)
__attribute__((target("sse4.2"))) static uint32_t crc32c_hardware(uint32_t seed, const void *bytes, size_t length)
{
    const uint8_t *at = bytes;
    uint64_t crc = (uint32_t)~seed;
    for (; length >= 8; at += 8, length -= 8) {
        uint64_t word;
        memcpy(&word, at, 8);
        crc = __builtin_ia32_crc32di(crc, word);
    }
    for (; length > 0; at++, length--) {
        crc = __builtin_ia32_crc32qi((uint32_t)crc, *at);
    }
    return ~(uint32_t)crc;
}
#endif

uint32_t crc32c(uint32_t seed, const void *bytes, size_t length)
{
#if defined(__x86_64__)
    if (__builtin_cpu_supports("sse4.2")) {
        return crc32c_hardware(seed, bytes, length);
    }
#endif
    return crc32c_portable(seed, bytes, length);
}
