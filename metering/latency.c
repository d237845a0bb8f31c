#include "metering/latency.h"

#include "common/buf.h"
#include "common/check.h"
#include "common/err.h"

#include <string.h>

#define FIRST_OCTAVE 6u /* 2^6 = 64 us */
#define LAST_OCTAVE 31u
#define PER_OCTAVE 8u
#define DIGITS_PER_BUCKET 12u

_Static_assert(LATENCY_BUCKETS == 1 + (LAST_OCTAVE - FIRST_OCTAVE + 1) * PER_OCTAVE + 1, "buckets fill the octaves");

unsigned latency_bucket(uint64_t duration_us)
{
    if (duration_us < (UINT64_C(1) << FIRST_OCTAVE)) {
        return 0;
    }
    unsigned octave = 63u - (unsigned)__builtin_clzll(duration_us);
    if (octave > LAST_OCTAVE) {
        return LATENCY_BUCKETS - 1;
    }
    unsigned part = (unsigned)(duration_us >> (octave - 3)) & (PER_OCTAVE - 1);
    return 1 + (octave - FIRST_OCTAVE) * PER_OCTAVE + part;
}

uint64_t latency_bound_us(unsigned bucket)
{
    if (bucket == 0) {
        return UINT64_C(1) << FIRST_OCTAVE;
    }
    if (bucket >= LATENCY_BUCKETS - 1) {
        return LATENCY_TOP_US;
    }
    unsigned octave = FIRST_OCTAVE + (bucket - 1) / PER_OCTAVE;
    uint64_t part = (bucket - 1) % PER_OCTAVE;
    return (UINT64_C(1) << octave) + (part + 1) * (UINT64_C(1) << (octave - 3));
}

static void put_u16(uint8_t *at, unsigned value)
{
    at[0] = (uint8_t)(value >> 8);
    at[1] = (uint8_t)value;
}

/*
 * numeric_send: ndigits, weight, sign, dscale, then base-10000 digits from the highest on. Bucket b is digits of weight
 * 3b+2, 3b+1, 3b. Zero digits at both ends are left out, as PostgreSQL itself would.
 */
void latency_encode(const uint32_t *counts, unsigned low, unsigned high, struct buf *out)
{
    uint8_t bytes[8 + LATENCY_BUCKETS * 6];
    unsigned digits = 0;
    int weight = -1;
    unsigned last = 0; /* digits without the zeros at the end */
    CHECK(low > high || high < LATENCY_BUCKETS);
    for (unsigned step = 0; low <= high && step <= high - low; step++) {
        unsigned bucket = high - step;
        uint64_t count = counts[bucket];
        const unsigned parts[3] = {(unsigned)(count / 100000000), (unsigned)(count / 10000 % 10000),
                                   (unsigned)(count % 10000)};
        for (unsigned k = 0; k < 3; k++) {
            if (digits == 0 && parts[k] == 0) {
                continue;
            }
            if (digits == 0) {
                weight = (int)(3 * bucket + 2 - k);
            }
            put_u16(bytes + 8 + 2 * digits, parts[k]);
            digits++;
            last = parts[k] != 0 ? digits : last;
        }
    }
    put_u16(bytes, last);
    put_u16(bytes + 2, weight > 0 ? (unsigned)weight : 0);
    put_u16(bytes + 4, 0);
    put_u16(bytes + 6, 0);
    buf_append(out, bytes, 8 + 2 * (size_t)last);
}

int latency_decode(const char *text, struct latency *latency, struct err *err)
{
    size_t length = strlen(text);
    struct latency read = {0};
    if (length == 0 || length > LATENCY_BUCKETS * DIGITS_PER_BUCKET) {
        return err_set(err, ERR_INVALID, "latency histogram has %zu digits", length);
    }
    for (size_t i = 0; i < length; i++) {
        char c = text[i];
        if (c < '0' || c > '9') {
            return err_set(err, ERR_INVALID, "latency histogram is not a whole number");
        }
        size_t place = (length - 1 - i) / DIGITS_PER_BUCKET;
        read.counts[place] = read.counts[place] * 10 + (uint64_t)(c - '0');
    }
    *latency = read;
    return 0;
}

int64_t latency_percentile_us(const struct latency *latency, unsigned per_mille)
{
    uint64_t total = 0;
    uint64_t seen = 0;
    for (unsigned i = 0; i < LATENCY_BUCKETS; i++) {
        total += latency->counts[i];
    }
    /* The rank of the smallest duration that has at least per_mille of all at or below it. Totals stay below 2^48. */
    uint64_t rank = (total * per_mille + 999) / 1000;
    rank = rank == 0 ? 1 : rank;
    for (unsigned i = 0; i < LATENCY_BUCKETS; i++) {
        seen += latency->counts[i];
        if (seen >= rank) {
            return (int64_t)latency_bound_us(i);
        }
    }
    return 0;
}
