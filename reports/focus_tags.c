#include "reports/focus.h"

#include "common/map.h"

const char *focus_tags(const struct focus *focus, int64_t function_id)
{
    const char *tags = focus->tags != NULL ? map_get(focus->tags, &function_id, sizeof function_id) : NULL;
    return tags != NULL ? tags : "";
}
