/* Goal: whatever is posted as an event, it is read into a record in range or refused with a reason. */
#include <stdint.h>
#include <string.h>

#include "api/events.h"
#include "common/check.h"
#include "common/err.h"
#include "common/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    cJSON *tree = NULL;
    struct event event;
    struct err err = {0};
    if (json_parse((const char *)data, size, &tree, &err) != 0) {
        return 0;
    }
    if (event_read(tree, "", INT64_C(1795416351000000), &event, &err) == 0) {
        CHECK(event.record.memory_mib >= 1 && event.record.memory_mib <= 10240);
        CHECK(event.record.attempt >= 1 && event.record.billed_requests == 1);
        CHECK(event.account[0] != '\0' && event.function[0] != '\0');
    } else {
        CHECK(err.code == ERR_INVALID && err.text[0] != '\0');
    }
    cJSON_Delete(tree);
    return 0;
}
