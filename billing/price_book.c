#include "billing/price_book_internal.h"

#include "common/calendar.h"
#include "common/check.h"
#include "common/err.h"
#include "common/json.h"
#include "common/text.h"
#include "metering/record.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- the smaller members ---- */

/* true, false, or the runtimes whose initialisation is billed: "provided" is provided, provided.al2023, ... */
static void read_init(struct price_reader *reader, const cJSON *item, const char *at, struct price_policy *policy)
{
    const cJSON *init = cJSON_GetObjectItemCaseSensitive(item, "bill_init");
    const cJSON *name = NULL;
    char field[PRICE_POINTER_BYTES];
    price_at(field, "%s/bill_init", at);
    policy->bill_init = cJSON_IsTrue(init) || cJSON_IsArray(init);
    if (cJSON_IsBool(init)) {
        return;
    }
    if (!cJSON_IsArray(init) || cJSON_GetArraySize(init) < 1 || cJSON_GetArraySize(init) > PRICE_RUNTIMES_MAX) {
        price_problem(reader, field, "bill_init must be true, false or a list of 1 to %d runtimes", PRICE_RUNTIMES_MAX);
        return;
    }
    cJSON_ArrayForEach(name, init)
    {
        const char *text = cJSON_GetStringValue(name);
        if (text == NULL || text[0] == '\0' ||
            text_copy(policy->runtimes[policy->runtime_count], PRICE_RUNTIME_BYTES, text) != 0 ||
            strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789.") != strlen(text)) {
            price_problem(reader, field, "\"%.40s\" is no runtime; provided, nodejs20.x, ... is one",
                          text != NULL ? text : "");
            return;
        }
        policy->runtime_count++;
    }
}

static void read_policies(struct price_reader *reader, const cJSON *list, struct price_book *book)
{
    static const char *const NAMES[] = {"from", "grain_ms", "bill_init", "async_kib", NULL};
    int index = 0;
    const cJSON *item = NULL;
    cJSON_ArrayForEach(item, list)
    {
        char at[PRICE_POINTER_BYTES];
        char field[PRICE_POINTER_BYTES];
        price_at(at, "/policy/%d", index++);
        if (!cJSON_IsObject(item) || book->policy_count == PRICE_POLICIES_MAX) {
            price_problem(reader, at, "an object is needed, at most %d of them", PRICE_POLICIES_MAX);
            return;
        }
        price_only(reader, item, at, NAMES);
        struct price_policy policy = {0};
        struct err err = {0};
        const char *from = price_text(reader, item, at, "from", true);
        price_at(field, "%s/from", at);
        if (from != NULL && calendar_parse(from, "from", &policy.from_us, &err) != 0) {
            price_problem(reader, field, "%.190s", err.text);
        }
        int64_t grain = 1;
        int64_t async_kib = 0;
        read_init(reader, item, at, &policy);
        if (json_get_i64(item, at, "grain_ms", true, 1, 60000, &grain, &err) != 0 ||
            json_get_i64(item, at, "async_kib", false, 1, 1024 * 1024, &async_kib, &err) != 0) {
            price_problem(reader, err.field[0] != '\0' ? err.field : at, "%.190s", err.text);
        }
        policy.grain_ms = (uint32_t)grain;
        policy.async_kib = (uint32_t)async_kib;
        if (book->policy_count > 0 && policy.from_us <= book->policies[book->policy_count - 1].from_us) {
            price_problem(reader, field, "policies must be in order of their start, each later than the one before");
        }
        book->policies[book->policy_count++] = policy;
    }
}

static void read_taxes(struct price_reader *reader, const cJSON *list, struct price_book *book)
{
    static const char *const NAMES[] = {"id", "name", "category", "percent", NULL};
    int index = 0;
    const cJSON *item = NULL;
    cJSON_ArrayForEach(item, list)
    {
        char at[PRICE_POINTER_BYTES];
        price_at(at, "/tax/%d", index++);
        if (!cJSON_IsObject(item) || book->tax_count == PRICE_TAXES_MAX) {
            price_problem(reader, at, "an object is needed, at most %d of them", PRICE_TAXES_MAX);
            return;
        }
        price_only(reader, item, at, NAMES);
        struct price_tax *tax = &book->taxes[book->tax_count++];
        const char *id = price_text(reader, item, at, "id", true);
        const char *name = price_text(reader, item, at, "name", true);
        const char *category = price_text(reader, item, at, "category", false);
        const char *percent = price_text(reader, item, at, "percent", true);
        if (text_copy(tax->id, sizeof tax->id, id == NULL ? "" : id) != 0 ||
            text_copy(tax->name, sizeof tax->name, name == NULL ? "" : name) != 0 ||
            text_copy(tax->category, sizeof tax->category, category == NULL ? "S" : category) != 0) {
            price_problem(reader, at, "id is at most 31 characters, name 63, category 3");
        }
        char field[PRICE_POINTER_BYTES];
        struct err err = {0};
        price_at(field, "%s/percent", at);
        if (percent != NULL && decimal_parse(percent, field, 4, &tax->percent, &err) != 0) {
            price_problem(reader, field, "%.190s", err.text);
        }
        if (tax->percent.value < 0 || !price_percent_fits(tax->percent)) {
            price_problem(reader, field, "percent is %.40s; it is between 0 and 100", percent);
        }
    }
}

static void read_head(struct price_reader *reader, const cJSON *root, struct price_book *book)
{
    struct err err = {0};
    const char *currency = price_text(reader, root, "", "currency", true);
    if (currency != NULL && currency_find(currency, "/currency", &book->currency, &err) != 0) {
        price_problem(reader, "/currency", "%.190s", err.text);
    }
    const char *rounding = price_text(reader, root, "", "rounding", false);
    if (rounding != NULL && strcmp(rounding, "half_even") == 0) {
        book->rounding = ROUND_HALF_EVEN;
    } else if (rounding != NULL && strcmp(rounding, "half_up") != 0) {
        price_problem(reader, "/rounding", "rounding is \"%.30s\"; half_up or half_even is needed", rounding);
    }
    book->minimum_fee_minor = price_money(reader, root, "minimum_fee", &book->currency);
}

static const cJSON *member_of(struct price_reader *reader, const cJSON *root, const char *name, bool array)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(root, name);
    if (item != NULL && (array ? !cJSON_IsArray(item) : !cJSON_IsObject(item))) {
        char at[PRICE_POINTER_BYTES];
        price_at(at, "/%s", name);
        price_problem(reader, at, "%s must be %s", name, array ? "a list" : "an object");
        return NULL;
    }
    return item;
}

static void read_document(struct price_reader *reader, const cJSON *root, struct price_book *book)
{
    static const char *const NAMES[] = {"name",   "description", "currency",    "rounding", "policy",
                                        "meters", "free",        "minimum_fee", "tax",      NULL};
    price_only(reader, root, "", NAMES);
    (void)price_text(reader, root, "", "name", false);
    (void)price_text(reader, root, "", "description", false);
    read_head(reader, root, book);
    const cJSON *meters = member_of(reader, root, "meters", false);
    if (meters == NULL) {
        price_problem(reader, "/meters", "meters is missing; an object of meters is needed");
    } else {
        price_read_meters(reader, meters, book);
    }
    price_read_free(reader, member_of(reader, root, "free", true), book);
    read_policies(reader, member_of(reader, root, "policy", true), book);
    read_taxes(reader, member_of(reader, root, "tax", true), book);
}

int price_book_parse(const char *json, size_t length, struct price_book **book, struct price_problems *problems,
                     struct err *err)
{
    struct price_reader reader = {.problems = problems};
    cJSON *tree = NULL;
    struct price_book *self = NULL;
    int rc = -1;

    reader.problems = problems != NULL ? problems : &reader.own;
    reader.problems->count = 0;
    if (length > PRICE_BOOK_BYTES_MAX) {
        return err_field(err, "/", "price book: %zu bytes; at most %d are allowed", length, PRICE_BOOK_BYTES_MAX);
    }
    if (json_parse(json, length, &tree, err) != 0) {
        return err_wrap(err, "price book");
    }
    self = calloc(1, sizeof *self);
    if (self == NULL) {
        (void)err_set(err, ERR_SYSTEM, "price book: out of memory");
        goto out;
    }
    if (!cJSON_IsObject(tree)) {
        price_problem(&reader, "/", "the document must be an object");
    } else {
        read_document(&reader, tree, self);
    }
    if (reader.problems->count > 0) {
        (void)price_first_problem(&reader, err);
        goto out;
    }
    *book = self;
    self = NULL;
    rc = 0;
out:
    cJSON_Delete(tree);
    price_book_free(&self);
    return rc;
}

void price_book_free(struct price_book **book)
{
    free(*book);
    *book = NULL;
}

const struct currency *price_book_currency(const struct price_book *book)
{
    return &book->currency;
}

enum rounding price_book_rounding(const struct price_book *book)
{
    return book->rounding;
}

static bool init_is_billed(const struct price_policy *policy, const char *runtime)
{
    for (int i = 0; i < policy->runtime_count; i++) {
        if (text_starts(runtime, policy->runtimes[i])) {
            return policy->bill_init;
        }
    }
    return policy->bill_init && policy->runtime_count == 0;
}

void price_book_policy(const struct price_book *book, int64_t at_us, const char *runtime, struct billing_policy *policy)
{
    *policy = (struct billing_policy){.grain_ms = 1, .bill_init = true};
    for (int i = 0; i < book->policy_count && book->policies[i].from_us <= at_us; i++) {
        policy->grain_ms = book->policies[i].grain_ms;
        policy->bill_init = init_is_billed(&book->policies[i], runtime);
        policy->async_kib = book->policies[i].async_kib;
    }
}
