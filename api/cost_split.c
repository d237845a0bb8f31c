#include "api/cost_split.h"

#include "api/http.h"
#include "api/json_text.h"
#include "common/calendar.h"
#include "common/err.h"
#include "common/ids.h"
#include "common/json.h"
#include "common/map.h"
#include "engine/function.h"
#include "metering/usage.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SHOWN_DECIMALS_UNIT (EXACT_PER_UNIT / 1000000) /* rates are shown with 6 decimals */

/* A share and what it is sorted and added up by. */
struct part {
    const struct bill_share *share;
    const char *tag;
};

struct sums {
    int64_t amount_minor, requests, mb_ms;
    struct exact exact;
};

int cost_split_parse(const char *text, struct cost_split *split, struct err *err)
{
    static const char *const NAMES[] = {
        [COST_BY_FUNCTION] = "function", [COST_BY_VERSION] = "version", [COST_BY_DAY] = "day"};
    *split = (struct cost_split){.by = COST_BY_TAG};
    if (strncmp(text, "tag:", 4) == 0 && text[4] != '\0') {
        split->tag = text + 4;
        return 0;
    }
    for (size_t i = 0; i < sizeof NAMES / sizeof NAMES[0]; i++) {
        if (strcmp(text, NAMES[i]) == 0) {
            split->by = (enum cost_by)i;
            return 0;
        }
    }
    return err_field(err, "by", "by is \"%.60s\"; it is function, version, day or tag:KEY", text);
}

unsigned cost_split_flags(const struct cost_split *split)
{
    return split->by == COST_BY_VERSION ? BILL_SPLIT_VERSION : split->by == COST_BY_DAY ? BILL_SPLIT_DAY : 0;
}

/* ---- order: what belongs together stands together ---- */

static int order_i64(int64_t a, int64_t b)
{
    return (a > b) - (a < b);
}

static int by_function(const void *a, const void *b)
{
    const struct bill_share *x = ((const struct part *)a)->share;
    const struct bill_share *y = ((const struct part *)b)->share;
    int order = strcmp(x->function_name, y->function_name);
    return order != 0 ? order : order_i64(x->function_id, y->function_id);
}

static int by_version(const void *a, const void *b)
{
    int order = by_function(a, b);
    return order != 0 ? order
                      : order_i64(((const struct part *)a)->share->version, ((const struct part *)b)->share->version);
}

static int by_day(const void *a, const void *b)
{
    return order_i64(((const struct part *)a)->share->day_us, ((const struct part *)b)->share->day_us);
}

static int by_tag(const void *a, const void *b)
{
    return strcmp(((const struct part *)a)->tag, ((const struct part *)b)->tag);
}

typedef int order_fn(const void *a, const void *b);
static order_fn *const ORDERS[] = {
    [COST_BY_FUNCTION] = by_function, [COST_BY_VERSION] = by_version, [COST_BY_DAY] = by_day, [COST_BY_TAG] = by_tag};

/* ---- writing ---- */

static bool is_compute(enum meter meter)
{
    return meter == METER_COMPUTE_X86 || meter == METER_COMPUTE_ARM || meter == METER_PROVISIONED_COMPUTE_X86 ||
           meter == METER_PROVISIONED_COMPUTE_ARM;
}

static int add_share(const struct bill *bill, const struct bill_share *share, struct sums *sums, struct err *err)
{
    const struct rated_line *line = &bill->lines[share->line];
    sums->amount_minor += share->amount_minor;
    if (line->kind == LINE_USAGE) {
        sums->requests += line->meter == METER_REQUESTS ? share->quantity : 0;
        sums->mb_ms += is_compute(line->meter) ? share->quantity : 0;
    }
    return exact_add(sums->exact, share->exact_amount, &sums->exact, err);
}

static void put_name(struct json_writer *writer, const struct cost_split *split, const struct part *part)
{
    char text[CALENDAR_TEXT_BYTES];
    switch (split->by) {
    case COST_BY_FUNCTION:
    case COST_BY_VERSION:
        json_put_text(writer, "function", part->share->function_name);
        id_format("fn", part->share->function_id, text);
        json_put_text(writer, "function_id", text);
        if (split->by == COST_BY_VERSION) {
            (void)snprintf(text, sizeof text, "%d", part->share->version);
            json_put_text(writer, "version", part->share->version == FUNCTION_VERSION_LATEST ? "$LATEST" : text);
        }
        return;
    case COST_BY_DAY:
        calendar_format_day(part->share->day_us, text);
        json_put_text(writer, "day", text);
        return;
    case COST_BY_TAG:
        json_put_text(writer, "tag", split->tag);
        json_put_text(writer, "value", part->tag);
        return;
    }
}

static void put_sums(struct json_writer *writer, const struct sums *sums, const struct currency *currency)
{
    char text[MONEY_TEXT_BYTES];
    json_put_i64(writer, "invocations", sums->requests);
    gb_seconds_text(sums->mb_ms, text);
    json_put_text(writer, "gb_seconds", text);
    minor_format(sums->amount_minor, currency, text);
    json_put_text(writer, "amount", text);
    exact_format(sums->exact, text);
    json_put_text(writer, "exact_amount", text);
    if (sums->requests > 0) {
        struct exact rate = {.value = sums->exact.value / sums->requests * 1000000};
        rate.value -= rate.value % SHOWN_DECIMALS_UNIT;
        exact_format(rate, text);
        json_put_text(writer, "per_million", text);
    } else {
        json_put_null(writer, "per_million");
    }
}

/* ---- tags ---- */

struct tags {
    const char *key;
    struct map *values; /* function_id to its value */
};

static int on_function(const struct function *function, const char *tags_json, void *ctx, struct err *err)
{
    struct tags *tags = ctx;
    cJSON *tree = cJSON_Parse(tags_json);
    const char *value = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(tree, tags->key));
    char *copy = value != NULL ? strdup(value) : NULL;
    cJSON_Delete(tree);
    if (value != NULL &&
        (copy == NULL || map_put(tags->values, &function->function_id, sizeof function->function_id, copy) != 0)) {
        free(copy);
        return err_set(err, ERR_SYSTEM, "out of memory");
    }
    return 0;
}

static void free_value(const void *key, size_t key_length, void *value, void *ctx)
{
    (void)key;
    (void)key_length;
    (void)ctx;
    free(value);
}

/* Functions as they are tagged now; a deleted one, or one without the tag, counts under "". */
static int read_tags(struct request *request, const struct cost_split *split, struct tags *tags, struct err *err)
{
    if (split->by != COST_BY_TAG) {
        return 0;
    }
    tags->key = split->tag;
    tags->values = map_new();
    return tags->values == NULL
               ? err_set(err, ERR_SYSTEM, "out of memory")
               : function_list(request->pg, request->account_id, false, "", -1, INT32_MAX, on_function, tags, err);
}

int cost_split_put(struct request *request, struct json_writer *writer, const char *name, const struct bill *bill,
                   const struct cost_split *split, struct err *err)
{
    struct tags tags = {.values = NULL};
    struct part *parts = calloc((size_t)bill->share_count + 1, sizeof *parts);
    int rc = parts == NULL ? err_set(err, ERR_SYSTEM, "out of memory") : read_tags(request, split, &tags, err);
    for (int i = 0; rc == 0 && i < bill->share_count; i++) {
        const char *value = tags.values != NULL
                                ? map_get(tags.values, &bill->shares[i].function_id, sizeof bill->shares[i].function_id)
                                : NULL;
        parts[i] = (struct part){.share = &bill->shares[i], .tag = value != NULL ? value : ""};
    }
    order_fn *order = ORDERS[split->by];
    if (rc == 0) {
        qsort(parts, (size_t)bill->share_count, sizeof *parts, order);
        json_open_array(writer, name);
    }
    for (int i = 0; rc == 0 && i < bill->share_count;) {
        const struct part *first = &parts[i];
        struct sums sums = {.requests = 0};
        for (; rc == 0 && i < bill->share_count && order(first, &parts[i]) == 0; i++) {
            rc = add_share(bill, parts[i].share, &sums, err);
        }
        json_open_object(writer, NULL);
        put_name(writer, split, first);
        put_sums(writer, &sums, &bill->currency);
        json_close_object(writer);
    }
    if (rc == 0) {
        json_close_array(writer);
    }
    if (tags.values != NULL) {
        map_each(tags.values, free_value, NULL);
        map_free(&tags.values);
    }
    free(parts);
    return rc;
}
