#include "cli/problem.h"

#include <stdio.h>
#include <string.h>

#include "cli/rest.h"
#include "common/err.h"
#include "common/json.h"

static enum err_code code_of_status(long status)
{
    if (status == 404 || status == 401 || status == 403) {
        return ERR_NOT_FOUND;
    }
    if (status == 409 || status == 412 || status == 422) {
        return ERR_CONFLICT;
    }
    if (status == 429 || status == 413) {
        return ERR_LIMIT;
    }
    if (status == 502 || status == 503 || status == 504) {
        return ERR_RETRY;
    }
    return status >= 500 ? ERR_SYSTEM : ERR_INVALID;
}

static const char *member(const cJSON *object, const char *name)
{
    const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, name));
    return text != NULL ? text : "";
}

/* "; /memory_mb: ..." for every entry of errors that says more than the detail. */
static void add_fields(const cJSON *problem, const char *detail, struct buf *text)
{
    const cJSON *entry = NULL;

    cJSON_ArrayForEach(entry, cJSON_GetObjectItemCaseSensitive(problem, "errors"))
    {
        const char *field = member(entry, "pointer");
        field = field[0] == '#' ? field + 1 : field[0] != '\0' ? field : member(entry, "parameter");
        const char *own = member(entry, "detail");
        if (strcmp(own, detail) != 0 && own[0] != '\0') {
            buf_printf(text, "\n  %s: %s", field, own);
        } else if (field[0] != '\0' && strstr(detail, field) == NULL) {
            buf_printf(text, " (%s)", field);
        }
    }
}

/* What the detail did not say already. */
static void add_quota(const cJSON *problem, const char *detail, struct buf *text)
{
    const char *limit = member(problem, "limit");
    const char *used = member(problem, "used");
    const char *resets = member(problem, "resets_at");

    if (limit[0] != '\0' && (strstr(detail, limit) == NULL || strstr(detail, used) == NULL)) {
        buf_printf(text, "\n  limit %s, used %s, held by running calls %s", limit, used, member(problem, "held"));
    }
    if (resets[0] != '\0') {
        buf_printf(text, "\n  the month's count starts again at %s", resets);
    }
}

/* What is not there, and the command that shows what is. */
static void add_lists(const char *detail, struct buf *text)
{
    static const char *const LISTS[][2] = {{"there is no account", "farthing account list"},
                                           {"there is no key", "farthing key list ACCOUNT"},
                                           {"there is no such price book", "farthing prices list"},
                                           {"there is no such invoice", "farthing invoice list ACCOUNT"},
                                           {"there is no invoice", "farthing invoice list ACCOUNT"},
                                           {"there is no function", "farthing function list ACCOUNT"}};
    bool function = strncmp(detail, "function ", 9) == 0 && strstr(detail, "does not exist") != NULL;
    for (size_t i = 0; i < sizeof LISTS / sizeof LISTS[0]; i++) {
        if (strncmp(detail, LISTS[i][0], strlen(LISTS[i][0])) == 0) {
            buf_printf(text, "\n  `%s` shows what there is", LISTS[i][1]);
            return;
        }
    }
    if (function) {
        buf_puts(text, "\n  `farthing function list ACCOUNT` shows what there is");
    }
}

static void add_advice(long status, const char *detail, const char *key_from, struct buf *text)
{
    if (status == 404) {
        add_lists(detail, text);
    }
    if (status == 401 && key_from == NULL) {
        buf_puts(text, "\n  no key was given: use --key, FARTHING_KEY, or --data-dir of a node on this machine");
    } else if (status == 401) {
        buf_printf(text, "\n  the key came from %s", key_from);
    } else if (status == 403 && strstr(detail, "scope admin") != NULL) {
        buf_printf(text, "\n  the key came from %s; a node's own admin key is admin.key in its data directory",
                   key_from);
    }
}

/* More mistakes than a sentence holds: a line each above it, as `prices check` writes them. */
static void print_fields(const cJSON *problem)
{
    const cJSON *entry = NULL;

    cJSON_ArrayForEach(entry, cJSON_GetObjectItemCaseSensitive(problem, "errors"))
    {
        const char *field = member(entry, "pointer");
        field = field[0] == '#' ? field + 1 : field[0] != '\0' ? field : member(entry, "parameter");
        (void)fprintf(stderr, "%s: %s\n", field, member(entry, "detail"));
    }
}

int problem_err(const struct rest_answer *answer, const char *key_from, struct err *err)
{
    cJSON *problem = cJSON_ParseWithLength(buf_text(&answer->body), answer->body.length);
    const char *detail = member(problem, "detail");
    struct buf text = {0};

    detail = detail[0] != '\0' ? detail : member(problem, "title");
    detail = detail[0] != '\0' ? detail : member(problem, "message");
    if (detail[0] != '\0') {
        buf_puts(&text, detail);
    } else {
        buf_printf(&text, "the node answered with status %ld and no explanation", answer->status);
    }
    add_fields(problem, detail, &text);
    if (text.length >= ERR_TEXT_BYTES_MAX) {
        print_fields(problem);
        buf_clear(&text);
        buf_puts(&text, detail);
    }
    add_quota(problem, detail, &text);
    add_advice(answer->status, detail, key_from, &text);
    (void)err_set(err, code_of_status(answer->status), "%s", buf_text(&text));
    buf_free(&text);
    cJSON_Delete(problem);
    return -1;
}
