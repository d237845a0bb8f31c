/*
 * Goal:   no bytes make the record's checks disagree: what fits passes the check, and what is sealed is valid.
 */
#include "common/check.h"
#include "common/err.h"
#include "metering/latency.h"
#include "metering/record.h"
#include "metering/record_internal.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct usage_record record = {0};
    struct err err = {0};
    memcpy(&record, data, size < sizeof record ? size : sizeof record);
    (void)usage_record_valid(&record);
    if (usage_record_fits(&record)) {
        CHECK(usage_record_check(&record, &err) == 0);
        usage_record_seal(&record);
        CHECK(usage_record_valid(&record));
        CHECK(record.duration_us < latency_bound_us(latency_bucket(record.duration_us)) ||
              record.duration_us >= LATENCY_TOP_US);
    }
    return 0;
}
