/*
 * meter.c - the meters: names and units.
 */
#include "billing/rating.h"

#include "common/err.h"

#include <string.h>

#define MB_MS_PER_GB_SECOND 1024000
#define BYTES_PER_GB (INT64_C(1) << 30)

static const struct {
    const char *name;
    const char *unit;
    const char *pricing_unit;
    int64_t per;
} METERS[METER_COUNT] = {
    [METER_REQUESTS] = {"requests", "requests", "Requests", 1},
    [METER_COMPUTE_X86] = {"compute_x86_64", "MB-ms", "GB-Seconds", MB_MS_PER_GB_SECOND},
    [METER_COMPUTE_ARM] = {"compute_arm64", "MB-ms", "GB-Seconds", MB_MS_PER_GB_SECOND},
    [METER_PROVISIONED_COMPUTE_X86] = {"provisioned_compute_x86_64", "MB-ms", "GB-Seconds", MB_MS_PER_GB_SECOND},
    [METER_PROVISIONED_COMPUTE_ARM] = {"provisioned_compute_arm64", "MB-ms", "GB-Seconds", MB_MS_PER_GB_SECOND},
    [METER_PROVISIONED_X86] = {"provisioned_concurrency_x86_64", "MB-ms", "GB-Seconds", MB_MS_PER_GB_SECOND},
    [METER_PROVISIONED_ARM] = {"provisioned_concurrency_arm64", "MB-ms", "GB-Seconds", MB_MS_PER_GB_SECOND},
    [METER_EPHEMERAL_STORAGE] = {"ephemeral_storage", "MB-ms", "GB-Seconds", MB_MS_PER_GB_SECOND},
    [METER_STREAMED_BYTES] = {"streamed_bytes", "bytes", "GB", BYTES_PER_GB},
};

const char *meter_name(enum meter meter)
{
    return METERS[meter].name;
}

const char *meter_unit(enum meter meter)
{
    return METERS[meter].unit;
}

const char *meter_pricing_unit(enum meter meter)
{
    return METERS[meter].pricing_unit;
}

int64_t meter_per_pricing_unit(enum meter meter)
{
    return METERS[meter].per;
}

int meter_parse(const char *name, const char *field, enum meter *meter, struct err *err)
{
    for (int i = 0; i < METER_COUNT; i++) {
        if (strcmp(METERS[i].name, name) == 0) {
            *meter = (enum meter)i;
            return 0;
        }
    }
    return err_field(
        err, field,
        "\"%.40s\" is not a meter; meters are requests, compute_x86_64, compute_arm64, provisioned_compute_x86_64, "
        "provisioned_compute_arm64, provisioned_concurrency_x86_64, provisioned_concurrency_arm64, "
        "ephemeral_storage, streamed_bytes",
        name);
}
