#include "api/cost_what_if.h"

#include "api/http.h"
#include "api/json_text.h"
#include "billing/bill.h"
#include "billing/cost.h"
#include "billing/price_book.h"
#include "common/clock.h"
#include "common/err.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MEMORY_MIB_MAX 10240

/* ---- what is asked ---- */

/* FUNCTION=MB */
static int parse_resize(const char *text, struct cost_what_if *what_if, struct err *err)
{
    const char *sign = strchr(text, '=');
    char *end = NULL;
    long memory = sign != NULL ? strtol(sign + 1, &end, 10) : 0;
    size_t length = sign != NULL ? (size_t)(sign - text) : 0;
    if (length == 0 || length >= sizeof what_if->function || *end != '\0' || memory < 1 || memory > MEMORY_MIB_MAX) {
        return err_field(err, "resize", "resize is \"%.80s\"; it is FUNCTION=MB, at most %d MB", text, MEMORY_MIB_MAX);
    }
    memcpy(what_if->function, text, length);
    what_if->function[length] = '\0';
    what_if->usage.memory_mib = memory;
    return 0;
}

int cost_what_if_parse(const struct request *request, struct cost_what_if *what_if, struct err *err)
{
    const char *resize = request_query(request, "resize");
    bool init = false;
    *what_if = (struct cost_what_if){.under = request_query(request, "under")};
    if (request_query_i64(request, "grain", 1, WHAT_IF_GRAIN_MS_MAX, &what_if->usage.grain_ms, err) != 0 ||
        request_query_bool(request, "init", &init, err) != 0 ||
        (resize != NULL && parse_resize(resize, what_if, err) != 0)) {
        return -1;
    }
    if (request_query(request, "init") != NULL) {
        what_if->usage.init = init ? WHAT_IF_INIT_BILLED : WHAT_IF_INIT_FREE;
    }
    what_if->asked = what_if->under != NULL || resize != NULL || what_if->usage.grain_ms > 0 ||
                     what_if->usage.init != WHAT_IF_INIT_AS_BILLED;
    return 0;
}

/* ---- the answer ---- */

struct answer {
    const struct cost_what_if *asked;
    struct what_if_usage usage;
    struct price_book *own, *other; /* other NULL: own */
    int64_t version;
    struct rated_bill rated; /* then */
    struct cost_sum now, then;
};

static int find_function(const struct bill *bill, const char *name, int64_t *function_id, struct err *err)
{
    for (int i = 0; i < bill->share_count; i++) {
        if (strcmp(bill->shares[i].function_name, name) == 0) {
            *function_id = bill->shares[i].function_id;
            return 0;
        }
    }
    return err_set(err, ERR_NOT_FOUND, "function %.64s has used nothing in this month", name);
}

static int answer_find(struct request *request, const struct bill *bill, struct answer *answer, struct err *err)
{
    const struct cost_what_if *asked = answer->asked;
    struct what_if usage = asked->usage;
    int64_t from_us, to_us, other_version = 0;
    month_range(bill->month, &from_us, &to_us);
    if ((asked->function[0] != '\0' && find_function(bill, asked->function, &usage.function_id, err) != 0) ||
        price_book_load(request->pg, bill->account_id, from_us, &answer->own, &answer->version, err) != 0) {
        return -1;
    }
    if (asked->under != NULL) {
        if (price_book_load_named(request->pg, asked->under, clock_wall_us(), &answer->other, &other_version, err) !=
            0) {
            return -1;
        }
        answer->version = other_version;
    }
    const struct price_book *book = answer->other != NULL ? answer->other : answer->own;
    return what_if_usage(request->pg, bill->account_id, bill->month, answer->own, &usage, &answer->usage, err) != 0 ||
                   cost_rate(answer->own, &answer->usage.now, &answer->now, err) != 0 ||
                   cost_rate(book, &answer->usage.totals, &answer->then, err) != 0 ||
                   rate_usage(book, &answer->usage.totals, &answer->rated, err) != 0
               ? -1
               : 0;
}

static void put_minor(struct json_writer *writer, const char *name, int64_t minor, const struct currency *currency)
{
    char text[MONEY_TEXT_BYTES];
    minor_format(minor, currency, text);
    json_put_text(writer, name, text);
}

static void put_lines(struct json_writer *writer, const struct rated_bill *rated)
{
    char text[MONEY_TEXT_BYTES];
    json_open_array(writer, "lines");
    for (int i = 0; i < rated->count; i++) {
        const struct rated_line *line = &rated->lines[i];
        json_open_object(writer, NULL);
        json_put_text(writer, "meter", meter_name(line->meter));
        json_put_i64(writer, "band", line->band);
        json_put_quantity(writer, "quantity", line->quantity);
        decimal_format(line->contracted_price, text);
        json_put_text(writer, "unit_price", text);
        exact_format(line->exact_amount, text);
        json_put_text(writer, "exact_amount", text);
        put_minor(writer, "amount", line->amount_minor, &rated->currency);
        json_close_object(writer);
    }
    json_close_array(writer);
}

/* What was changed, and what that was computed from. */
static void put_question(struct json_writer *writer, const struct answer *answer)
{
    const struct what_if *usage = &answer->asked->usage;
    if (usage->grain_ms > 0) {
        json_put_i64(writer, "grain_ms", usage->grain_ms);
    }
    if (usage->init != WHAT_IF_INIT_AS_BILLED) {
        json_put_bool(writer, "init", usage->init == WHAT_IF_INIT_BILLED);
    }
    if (answer->asked->function[0] != '\0') {
        json_open_object(writer, "resize");
        json_put_text(writer, "function", answer->asked->function);
        json_put_i64(writer, "memory_mb", usage->memory_mib);
        json_close_object(writer);
    }
    if (usage->grain_ms > 0 || usage->init != WHAT_IF_INIT_AS_BILLED) {
        json_open_object(writer, "records");
        json_put_quantity(writer, "rounded", answer->usage.rounded);
        json_put_quantity(writer, "as_billed", answer->usage.as_billed);
        json_close_object(writer);
    }
}

static void answer_put(struct json_writer *writer, const struct bill *bill, const struct answer *answer)
{
    char text[MONEY_TEXT_BYTES];
    const struct currency *now = &answer->now.currency;
    const struct currency *then = &answer->then.currency;
    json_open_object(writer, "what_if");
    json_put_text(writer, "price_book", answer->asked->under != NULL ? answer->asked->under : bill->price_book);
    json_put_i64(writer, "price_version", answer->version);
    put_question(writer, answer);
    json_put_text(writer, "currency", then->code);
    put_minor(writer, "usage", answer->then.net_minor, then);
    put_minor(writer, "usage_now", answer->now.net_minor, now);
    exact_format(answer->then.exact, text);
    json_put_text(writer, "exact", text);
    if (strcmp(now->code, then->code) == 0) {
        put_minor(writer, "difference", answer->then.net_minor - answer->now.net_minor, now);
    } else {
        json_put_null(writer, "difference");
    }
    put_lines(writer, &answer->rated);
    json_close_object(writer);
}

int cost_what_if_put(struct request *request, struct json_writer *writer, const struct bill *bill,
                     const struct cost_what_if *what_if, struct err *err)
{
    struct answer *answer = calloc(1, sizeof *answer);
    if (answer == NULL) {
        return err_set(err, ERR_SYSTEM, "cost: out of memory");
    }
    answer->asked = what_if;
    int rc = answer_find(request, bill, answer, err);
    if (rc == 0) {
        answer_put(writer, bill, answer);
    }
    price_book_free(&answer->own);
    price_book_free(&answer->other);
    free(answer);
    return rc;
}
