/*
 * Goal: the migration splitter ends on every input, in order and inside it, and loses nothing but spaces and comments.
 */
#include "common/check.h"
#include "common/err.h"
#include "schema/migrate_internal.h"

#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct split split = {.sql = (const char *)data, .length = size};
    const char *start = NULL;
    const char *end = split.sql;
    size_t length = 0;
    struct err err = {0};
    int rc;
    while ((rc = split_next(&split, &start, &length, &err)) == 1) {
        CHECK(length > 0 && start >= end && start + length <= split.sql + size && start[0] != ';');
        struct split one = {.sql = start, .length = length};
        const char *inner = NULL;
        size_t inner_length = 0;
        CHECK(split_next(&one, &inner, &inner_length, &err) == 1 && inner == start && inner_length == length);
        end = start + length;
    }
    CHECK(rc == 0 || err.code == ERR_INVALID);
    return 0;
}
