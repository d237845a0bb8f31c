/*
 * Records out of a trace, by integer arithmetic only.
 */
#include "metering/record.h"
#include "metering/trace.h"

#include <string.h>

#define RUN_US_TIMEOUT UINT64_C(900000000)
#define MINUTE_US UINT64_C(60000000)
#define NUMBER_MASK ((UINT64_C(1) << 56) - 1)

/* A bijection on 64 bits whose output looks random (Stafford's variant 13 of the MurmurHash3 finaliser). */
static uint64_t mix(uint64_t x)
{
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

/* Draw number `which` of invocation `number`. */
static uint64_t draw(uint64_t seed, uint64_t number, unsigned which)
{
    return mix(mix(seed + UINT64_C(0x9e3779b97f4a7c15) * (number + 1)) + which);
}

uint64_t trace_draw(const struct trace_points *points, uint32_t position)
{
    uint64_t at = ((uint64_t)position * 100) >> 16; /* percent with 16 binary places */
    unsigned above = 0;
    while (above < points->count - 1 && ((uint64_t)points->percent[above] << 16) < at) {
        above++;
    }
    if (above == 0) {
        return points->value[0];
    }
    uint64_t low = points->value[above - 1];
    uint64_t span = points->value[above] - low;
    uint64_t width = (uint64_t)(points->percent[above] - points->percent[above - 1]) << 16;
    uint64_t within = at - ((uint64_t)points->percent[above - 1] << 16);
    return low + span * (within < width ? within : width) / width; /* values are below 2^40, widths below 2^23 */
}

static uint64_t key_of(uint64_t seed, const uint8_t digest[32])
{
    uint64_t word;
    memcpy(&word, digest, sizeof word);
    return mix(word ^ mix(seed));
}

/* 48 bits that tell the trace and the seed, a version 8 UUID's marks, 56 bits that tell the invocation. */
static void make_request_id(uint64_t number, uint64_t key, uint8_t id[16])
{
    uint64_t hidden = (number ^ key) & NUMBER_MASK;
    for (unsigned i = 0; i < 6; i++) {
        id[i] = (uint8_t)(mix(key) >> (8 * i));
    }
    id[6] = 0x80;
    id[7] = (uint8_t)(mix(key) >> 48);
    id[8] = 0x80;
    for (unsigned i = 0; i < 7; i++) {
        id[9 + i] = (uint8_t)(hidden >> (8 * (6 - i)));
    }
}

uint64_t trace_number(const uint8_t request_id[16], uint64_t seed, const uint8_t digest[32])
{
    uint64_t key = key_of(seed, digest);
    uint8_t expected[16];
    uint64_t hidden = 0;
    for (unsigned i = 0; i < 7; i++) {
        hidden = hidden << 8 | request_id[9 + i];
    }
    uint64_t number = (hidden ^ key) & NUMBER_MASK;
    make_request_id(number, key, expected);
    return memcmp(expected, request_id, sizeof expected) == 0 ? number : UINT64_MAX;
}

void trace_record(const struct trace_function *function, uint64_t ordinal, unsigned minute, int64_t day_us,
                  uint64_t seed, const uint8_t digest[32], struct usage_record *record)
{
    const struct billing_policy policy = {.grain_ms = 1, .bill_init = true};
    uint64_t number = function->first + ordinal;
    uint64_t key = key_of(seed, digest);
    uint64_t offset_us = ((draw(key, number, 0) >> 32) * MINUTE_US) >> 32;
    uint64_t duration_us = trace_draw(&function->run_us, (uint32_t)(draw(key, number, 1) >> 32));
    uint64_t peak_kib = trace_draw(&function->peak_kib, (uint32_t)(draw(key, number, 2) >> 32));
    duration_us = duration_us > 0 ? duration_us : 1;
    *record = (struct usage_record){
        .kind = USAGE_KIND_INVOCATION,
        .status = duration_us >= RUN_US_TIMEOUT ? USAGE_TIMEOUT : USAGE_OK,
        .account_id = function->account_id,
        .function_id = function->function_id,
        .started_us = day_us + (int64_t)(minute * MINUTE_US + offset_us),
        .duration_us = duration_us,
        .billed_ms = billed_duration_ms(&policy, duration_us, 0),
        .memory_mib = function->memory_mib,
        .peak_kib = (uint32_t)peak_kib,
        .ephemeral_mib = 512,
        .billed_requests = 1,
        .attempt = 1,
        .flags = USAGE_FLAG_EXTERNAL,
    };
    make_request_id(number, key, record->request_id);
}
