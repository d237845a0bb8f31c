/*
 * Goal: json_parse never crashes, and what it accepts it writes back as a document that means the same.
 */
#include "common/buf.h"
#include "common/check.h"
#include "common/err.h"
#include "common/json.h"
#include "common/text.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct err err = {0};
    cJSON *tree = NULL;
    cJSON *again = NULL;
    if (json_parse((const char *)data, size, &tree, &err) != 0) {
        CHECK(tree == NULL && err.code == ERR_INVALID && err.text[0] != '\0');
        return 0;
    }
    CHECK(text_utf8((const char *)data, size));
    char *text = cJSON_PrintUnformatted(tree);
    CHECK(text != NULL);
    /* cJSON prints numbers beyond a double as null, so only documents without them must come back equal. */
    if (strstr(text, "null") == NULL) {
        CHECK(json_parse(text, strlen(text), &again, &err) == 0);
        CHECK(cJSON_Compare(tree, again, 1));
    }
    cJSON_Delete(again);
    cJSON_Delete(tree);
    cJSON_free(text);

    struct buf quoted = {0};
    json_quote(&quoted, (const char *)data, size);
    CHECK(text_utf8(quoted.data, quoted.length));
    buf_free(&quoted);
    return 0;
}
