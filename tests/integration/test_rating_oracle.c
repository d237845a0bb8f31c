/*
 * Goal:   for any price book, override and usage: lines add up to the invoice, shares to their line and to the usage,
 * the same inputs give the same bytes however the work is split, and PostgreSQL's numeric, told only the documents,
 * finds the same digits. Method: seeded random accounts; the oracle is one SQL statement that reads the same JSON and
 * shares no code with the program. FARTHING_RATING_ACCOUNTS (default 2000) and FARTHING_RATING_SEED (default 1) choose
 * how many and which.
 */
#include <check.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "billing/bill_rate.h"
#include "billing/price_book_internal.h"
#include "common/buf.h"
#include "common/err.h"
#include "schema/pg.h"
#include "tests/support/pgtest.h"

#define BATCH 200
#define USERS_MAX 9

/* Half away from zero or half to even, as a book says. */
static const char ORACLE_WHOLE[] =
    "CREATE FUNCTION pg_temp.whole(n numeric, rounding text) RETURNS numeric LANGUAGE sql AS $$ SELECT CASE WHEN "
    "rounding = 'half_even' AND n - trunc(n) = 0.5 THEN trunc(n) + trunc(n) % 2 ELSE round(n) END $$";

static const struct pg_stmt ORACLE = {
    .name = "oracle",
    .sql =
        "WITH account AS (SELECT (e->>'n')::int8 AS n, (e->>'digits')::int AS digits, e->'book' AS book, "
        "e->'over' AS over, e->'use' AS use FROM jsonb_array_elements($1::jsonb) e), "
        "gbs (i) AS (VALUES (0.0000009765625)), unit (m, name, per, inverse) AS (SELECT v.* FROM gbs, LATERAL (VALUES "
        "(0, 'requests', 1::numeric, 1::numeric), "
        "(1, 'compute_x86_64', 1024000, i), (2, 'compute_arm64', 1024000, i), "
        "(3, 'provisioned_compute_x86_64', 1024000, i), "
        "(4, 'provisioned_compute_arm64', 1024000, i), "
        "(5, 'provisioned_concurrency_x86_64', 1024000, i), "
        "(6, 'provisioned_concurrency_arm64', 1024000, i), "
        "(7, 'ephemeral_storage', 1024000, i), "
        "(8, 'streamed_bytes', 1073741824, 0.000000000931322574615478515625)) v), "
        "used AS (SELECT a.n, a.digits, u.m, u.name, u.per, u.inverse, (a.use->>u.name)::numeric AS q, "
        "coalesce(a.book->>'rounding', 'half_up') AS rounding, "
        "CASE WHEN a.over->'meters'->u.name ? 'bands' THEN a.over->'meters'->u.name "
        "ELSE a.book->'meters'->u.name END AS priced, "
        "CASE WHEN a.over->'meters'->u.name ? 'bands' THEN 0 ELSE coalesce("
        "(a.over->'meters'->u.name->>'discount_percent')::numeric, (a.over->>'discount_percent')::numeric, 0) END "
        "AS percent FROM account a CROSS JOIN unit u), "
        "allowed AS (SELECT u.n, u.m, greatest(0, least(u.q, (f.doc->>'quantity')::numeric * u.per - coalesce(sum(u.q) "
        "OVER (PARTITION BY u.n, f.i ORDER BY k.i ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0))) AS free "
        "FROM account a CROSS JOIN jsonb_array_elements(coalesce(a.over->'free', a.book->'free', "
        "'[]')) "
        "WITH ORDINALITY f (doc, i) CROSS JOIN jsonb_array_elements_text(f.doc->'meters') "
        "WITH ORDINALITY k (name, i) JOIN used u ON u.n = a.n AND u.name = k.name), "
        "band AS (SELECT u.n, u.m, u.digits, u.rounding, u.inverse, coalesce(u.priced->>'model', 'graduated') AS "
        "model, "
        "(u.priced->>'package')::numeric * u.per AS package, u.q - coalesce(f.free, 0) AS rest, "
        "b.i - 1 + (f.free IS NOT NULL)::int AS band, (b.doc->>'price')::numeric * (100 - u.percent) * 0.01 AS price, "
        "coalesce((b.doc->>'up_to')::numeric * u.per, 'infinity') AS upper, coalesce(lag((b.doc->>'up_to')::numeric * "
        "u.per) OVER (PARTITION BY u.n, u.m ORDER BY b.i), 0) AS lower "
        "FROM used u LEFT JOIN allowed f ON f.n = u.n AND f.m = u.m "
        "CROSS JOIN jsonb_array_elements(u.priced->'bands') WITH ORDINALITY b (doc, i)), "
        "part AS (SELECT n, m, band, digits, rounding, CASE model WHEN 'volume' THEN CASE WHEN rest > lower AND rest "
        "<= "
        "upper THEN rest ELSE 0 END WHEN 'package' THEN rest ELSE greatest(0, least(rest, upper) - lower) END AS q, "
        "CASE model WHEN 'volume' THEN rest * inverse WHEN 'package' THEN div(rest + package - 1, package) "
        "ELSE (least(rest, upper) - lower) * inverse END * price AS exact FROM band), "
        "line AS (SELECT n, m, band, q, exact, digits, rounding, exact * 10::numeric ^ digits AS scaled FROM part "
        "WHERE q > 0 UNION ALL SELECT u.n, u.m, 0, f.free, 0, u.digits, u.rounding, 0 FROM used u JOIN allowed f ON "
        "f.n = u.n AND f.m = u.m WHERE f.free > 0 AND u.priced IS NOT NULL), "
        "rounded AS (SELECT *, pg_temp.whole(scaled, rounding) AS minor FROM line), "
        "net AS (SELECT a.n, string_agg(format('%s|%s|%s|%s|%s', r.m, r.band, trim_scale(r.q), trim_scale(r.exact), "
        "trim_scale(r.minor)), E'\\n' ORDER BY r.m, r.band) AS lines, greatest("
        "greatest(0, sum(r.minor) - coalesce((a.over->>'discount_amount')::numeric, 0) * 10::numeric ^ a.digits), "
        "coalesce((a.over->>'minimum_fee')::numeric, (a.book->>'minimum_fee')::numeric, 0) * 10::numeric ^ a.digits) "
        "AS net, min(r.rounding) AS rounding FROM account a JOIN rounded r ON r.n = a.n "
        "GROUP BY a.n, a.book, a.over, a.digits), "
        "tax AS (SELECT n.n, n.net * (t.doc->>'percent')::numeric * 0.01 AS scaled, n.rounding, t.i FROM net n JOIN "
        "account a ON a.n = n.n CROSS JOIN jsonb_array_elements(a.book->'tax') WITH ORDINALITY t (doc, i)), "
        "taxes AS (SELECT n, sum(pg_temp.whole(scaled, rounding)) AS tax FROM tax GROUP BY n) "
        "SELECT a.n, format(E'%s\\nnet %s tax %s', coalesce(n.lines, ''), trim_scale(coalesce(n.net, 0)), "
        "trim_scale(coalesce(t.tax, 0))) AS bill FROM account a LEFT JOIN net n ON n.n = a.n LEFT JOIN taxes t ON "
        "t.n = a.n ORDER BY a.n",
    .expect = PG_ANY_ROWS,
};

/* ---- random accounts ---- */

static uint64_t state;

static uint64_t random_below(uint64_t limit)
{
    state ^= state >> 12;
    state ^= state << 25;
    state ^= state >> 27;
    return (state * UINT64_C(2685821657736338717) >> 11) % limit;
}

static bool one_in(uint64_t n)
{
    return random_below(n) == 0;
}

static void put_bands(struct buf *out, enum meter meter)
{
    uint64_t model = random_below(4);
    uint64_t bands = model == 3 ? 1 : 1 + random_below(one_in(20) ? 16 : 4);
    uint64_t up_to = 0;
    if (model == 3) {
        buf_printf(out, "\"model\":\"package\",\"package\":\"%" PRIu64 "\",",
                   1 + random_below(one_in(2) ? 10 : 1000000));
    } else if (model == 2) {
        buf_puts(out, "\"model\":\"volume\",");
    }
    buf_puts(out, "\"bands\":[");
    for (uint64_t i = 0; i < bands; i++) {
        up_to += 1 + random_below(one_in(2) ? 20 : 300000);
        int decimals = (int)(1 + random_below(10));
        uint64_t fraction = random_below(UINT64_C(10000000000));
        for (int d = 10, kept = one_in(2) ? 1 : decimals; d > kept; d--) {
            fraction /= 10;
        }
        buf_printf(out, "%s{\"price\":\"%" PRIu64 ".%0*" PRIu64 "\"", i == 0 ? "" : ",",
                   one_in(3) ? random_below(3) : 0, decimals, fraction);
        if (i + 1 < bands) {
            buf_printf(out, ",\"up_to\":\"%" PRIu64 "%s\"", up_to, meter != METER_REQUESTS && one_in(4) ? ".5" : "");
        }
        buf_puts(out, "}");
    }
    buf_puts(out, "]");
}

static void put_free(struct buf *out)
{
    static const enum meter PAIRS[][2] = {{METER_COMPUTE_X86, METER_COMPUTE_ARM},
                                          {METER_PROVISIONED_ARM, METER_EPHEMERAL_STORAGE}};
    int written = 0;
    buf_puts(out, "\"free\":[");
    for (int i = 0; i < 2; i++) {
        if (one_in(2)) {
            bool turned = one_in(2);
            buf_printf(out, "%s{\"id\":\"f%d\",\"meters\":[\"%s\",\"%s\"],\"quantity\":\"%" PRIu64 "\"}",
                       written++ > 0 ? "," : "", i, meter_name(PAIRS[i][turned]), meter_name(PAIRS[i][!turned]),
                       1 + random_below(400000));
        }
    }
    if (one_in(2)) {
        buf_printf(out, "%s{\"id\":\"r\",\"meters\":[\"requests\"],\"quantity\":\"%" PRIu64 "\"}",
                   written > 0 ? "," : "", 1 + random_below(1000000));
    }
    buf_puts(out, "]");
}

static void put_meters(struct buf *out, uint64_t of)
{
    int written = 0;
    buf_puts(out, "\"meters\":{");
    for (int m = 0; m < METER_COUNT; m++) {
        if (random_below(4) < of) {
            buf_printf(out, "%s\"%s\":{", written++ > 0 ? "," : "", meter_name((enum meter)m));
            put_bands(out, (enum meter)m);
            buf_puts(out, "}");
        }
    }
    buf_puts(out, "}");
}

static void make_book(struct buf *out)
{
    static const char *const CURRENCIES[] = {"USD", "EUR", "JPY", "KWD", "CLF"};
    buf_clear(out);
    buf_printf(out, "{\"currency\":\"%s\",", CURRENCIES[random_below(5)]);
    buf_puts(out, one_in(2) ? "\"rounding\":\"half_even\"," : "");
    if (one_in(3)) {
        buf_printf(out, "\"minimum_fee\":\"%" PRIu64 "\",", random_below(100));
    }
    if (one_in(2)) {
        buf_printf(out, "\"tax\":[{\"id\":\"a\",\"name\":\"A\",\"percent\":\"%" PRIu64 ".%" PRIu64 "\"}",
                   random_below(30), random_below(1000));
        buf_puts(out, one_in(3) ? ",{\"id\":\"b\",\"name\":\"B\",\"percent\":\"5\"}]," : "],");
    }
    if (one_in(2)) {
        put_free(out);
        buf_puts(out, ",");
    }
    put_meters(out, 3);
    buf_puts(out, "}");
}

static void make_override(struct buf *out, const struct price_book *book)
{
    const char *comma = "";
    buf_clear(out);
    buf_puts(out, "{");
    if (one_in(3)) {
        buf_printf(out, "\"discount_percent\":\"%" PRIu64 ".%02" PRIu64 "\"", random_below(100), random_below(100));
        comma = ",";
    }
    if (one_in(3)) {
        buf_printf(out, "%s\"discount_amount\":\"%" PRIu64 "\"", comma, random_below(200));
        comma = ",";
    }
    if (one_in(6)) {
        buf_printf(out, "%s\"minimum_fee\":\"%" PRIu64 "\"", comma, random_below(100));
        comma = ",";
    }
    if (one_in(4)) {
        buf_puts(out, comma);
        put_free(out);
        comma = ",";
    }
    if (one_in(4) && book->meters[METER_REQUESTS].priced) {
        buf_printf(out, "%s\"meters\":{\"requests\":{\"discount_percent\":\"%" PRIu64 "\"}}", comma, random_below(101));
    } else if (one_in(4)) {
        buf_puts(out, comma);
        put_meters(out, 1);
    }
    buf_puts(out, "}");
}

static int64_t some_quantity(enum meter meter)
{
    static const uint64_t SIZES[] = {1, 3, 50, 2000000};
    uint64_t size = SIZES[random_below(4)];
    if (one_in(3)) {
        return 0;
    }
    /* Whole pricing units hit the edges of bands, anything else their inside. */
    int64_t per = meter_per_pricing_unit(meter);
    return one_in(3) ? (int64_t)random_below(size) * per : (int64_t)random_below(size * (uint64_t)per);
}

/* ---- what the program says ---- */

static void put_bill(const struct bill *bill, struct buf *out)
{
    int64_t net = 0;
    int written = 0;
    for (int i = 0; i < bill->line_count; i++) {
        const struct rated_line *line = &bill->lines[i];
        char text[MONEY_TEXT_BYTES];
        net += line->kind == LINE_TAX ? 0 : line->amount_minor;
        if (line->kind == LINE_USAGE) {
            exact_format(line->exact_amount, text);
            buf_printf(out, "%s%d|%d|%" PRId64 "|%s|%" PRId64, written++ > 0 ? "\n" : "", (int)line->meter, line->band,
                       line->quantity, text, line->amount_minor);
        }
    }
    ck_assert_int_eq(net, bill->net_minor);
    ck_assert_int_eq(bill->total_minor, bill->net_minor + bill->tax_minor);
    buf_printf(out, "\nnet %" PRId64 " tax %" PRId64, bill->net_minor, bill->tax_minor);
}

static void check_shares(const struct bill *bill, const struct bill_usage_list *usage)
{
    int64_t used[USERS_MAX][METER_COUNT];
    bool lined[METER_COUNT] = {false};
    memset(used, 0, sizeof used);
    int share = 0;
    for (int l = 0; l < bill->line_count; l++) {
        const struct rated_line *line = &bill->lines[l];
        int64_t quantity = 0;
        int64_t minor = 0;
        struct exact exact = {0};
        for (; share < bill->share_count && bill->shares[share].line == l; share++) {
            quantity += bill->shares[share].quantity;
            minor += bill->shares[share].amount_minor;
            exact.value += bill->shares[share].exact_amount.value;
            used[bill->shares[share].function_id][line->meter] += bill->shares[share].quantity;
        }
        if (line->kind == LINE_USAGE) {
            lined[line->meter] = true;
            ck_assert_int_eq(quantity, line->quantity);
            ck_assert_int_eq(minor, line->amount_minor);
            ck_assert(exact.value == line->exact_amount.value);
        }
    }
    ck_assert_int_eq(share, bill->share_count);
    for (int i = 0; i < usage->count; i++) {
        for (int m = 0; m < METER_COUNT; m++) {
            ck_assert(!lined[m] || used[i][m] == usage->items[i].quantity[m]);
        }
    }
}

static void put_shares(const struct bill *bill, struct buf *out)
{
    for (int i = 0; i < bill->share_count; i++) {
        const struct bill_share *share = &bill->shares[i];
        char text[MONEY_TEXT_BYTES];
        exact_format(share->exact_amount, text);
        buf_printf(out, "%d %" PRId64 " %" PRId64 " %s %" PRId64 "\n", share->line, share->function_id, share->quantity,
                   text, share->amount_minor);
    }
}

static void compute(const struct price_book *book, const struct bill_usage_list *usage, bool shares, struct buf *out)
{
    struct err err = {0};
    struct bill *bill = calloc(1, sizeof *bill);
    int rc = bill_compute(book, usage, bill, &err);
    ck_assert_msg(rc == 0, "%s", err.text);
    put_bill(bill, out);
    if (shares) {
        check_shares(bill, usage);
        put_shares(bill, out);
    }
    bill_free(&bill);
}

/* The same bytes again, and the same lines when all work is one function's. */
static void check_again(const struct price_book *book, const struct bill_usage_list *usage)
{
    struct buf first = {0};
    struct buf second = {0};
    struct bill_usage one = {.function_id = 0};
    const struct bill_usage_list whole = {.count = 1, .items = &one};
    compute(book, usage, true, &first);
    compute(book, usage, true, &second);
    ck_assert_str_eq(buf_text(&first), buf_text(&second));
    for (int i = 0; i < usage->count; i++) {
        for (int m = 0; m < METER_COUNT; m++) {
            one.quantity[m] += usage->items[i].quantity[m];
        }
    }
    buf_clear(&second);
    compute(book, &whole, false, &second);
    ck_assert_int_eq(strncmp(buf_text(&first), buf_text(&second), second.length), 0);
    buf_free(&first);
    buf_free(&second);
}

struct batch {
    struct buf documents; /* for the oracle */
    struct buf bills[BATCH];
    int count, seen;
};

static void put_document(struct batch *batch, const struct price_book *book, const char *json, const char *over,
                         const struct bill_usage_list *usage)
{
    struct buf *out = &batch->documents;
    buf_printf(out, "%s{\"n\":%d,\"digits\":%d,\"book\":%s,\"over\":%s,\"use\":{", batch->count == 0 ? "[" : ",",
               batch->count, price_book_currency(book)->minor_digits, json, over);
    for (int m = 0; m < METER_COUNT; m++) {
        int64_t sum = 0;
        for (int i = 0; i < usage->count; i++) {
            sum += usage->items[i].quantity[m];
        }
        buf_printf(out, "%s\"%s\":\"%" PRId64 "\"", m == 0 ? "" : ",", meter_name((enum meter)m), sum);
    }
    buf_puts(out, "}}");
}

static void one_account(struct batch *batch)
{
    struct buf json = {0};
    struct buf over = {0};
    struct price_book *book = NULL;
    struct err err = {0};
    struct bill_usage items[USERS_MAX];
    struct bill_usage_list usage = {.count = 1 + (int)random_below(USERS_MAX), .items = items};
    memset(items, 0, sizeof items);
    make_book(&json);
    int rc = price_book_parse(buf_text(&json), json.length, &book, NULL, &err);
    ck_assert_msg(rc == 0, "%s in %s", err.text, buf_text(&json));
    make_override(&over, book);
    rc = price_override_apply(book, buf_text(&over), over.length, NULL, &err);
    ck_assert_msg(rc == 0, "%s in %s", err.text, buf_text(&over));
    for (int i = 0; i < usage.count; i++) {
        items[i].function_id = i;
        for (int m = 0; m < METER_COUNT; m++) {
            items[i].quantity[m] = some_quantity((enum meter)m);
        }
    }
    check_again(book, &usage);
    put_document(batch, book, buf_text(&json), buf_text(&over), &usage);
    buf_clear(&batch->bills[batch->count]);
    compute(book, &usage, false, &batch->bills[batch->count]);
    batch->count++;
    price_book_free(&book);
    buf_free(&json);
    buf_free(&over);
}

static int on_bill(const struct pg_row *row, void *ctx, struct err *err)
{
    struct batch *batch = ctx;
    const char *bill = pg_get_text(row, "bill");
    if (strcmp(bill, buf_text(&batch->bills[batch->seen])) != 0) {
        return err_set(err, ERR_SYSTEM, "account %d of the batch: the program says\n%.150s\nand the oracle\n%.150s",
                       batch->seen, buf_text(&batch->bills[batch->seen]), bill);
    }
    batch->seen++;
    return 0;
}

static void ask_oracle(struct pg *pg, struct batch *batch)
{
    struct err err = {0};
    buf_puts(&batch->documents, "]");
    ck_assert(buf_ok(&batch->documents));
    const struct pg_param params[] = {PG_P_TEXT(buf_text(&batch->documents)), PG_P_END};
    batch->seen = 0;
    int rc = pg_run(pg, &ORACLE, params, on_bill, batch, NULL, &err);
    ck_assert_msg(rc == 0, "%s\n%s", err.text, batch->count == 1 ? buf_text(&batch->documents) : "");
    ck_assert_int_eq(batch->seen, batch->count);
    buf_clear(&batch->documents);
    batch->count = 0;
}

static int64_t option(const char *name, int64_t otherwise)
{
    const char *text = getenv(name);
    return text != NULL ? strtoll(text, NULL, 10) : otherwise;
}

START_TEST(every_account_comes_out_to_the_last_digit)
{
    int64_t accounts = option("FARTHING_RATING_ACCOUNTS", 2000);
    struct batch *batch = calloc(1, sizeof *batch);
    struct pg *pg = NULL;
    struct err err = {0};
    state = (uint64_t)option("FARTHING_RATING_SEED", 1) * UINT64_C(0x9e3779b97f4a7c15);
    ck_assert_int_eq(pg_open(pgtest_database(), &pg, &err), 0);
    ck_assert_msg(pg_script(pg, ORACLE_WHOLE, &err) == 0, "%s", err.text);
    for (int64_t i = 0; i < accounts; i++) {
        one_account(batch);
        if (batch->count == BATCH || i + 1 == accounts) {
            ask_oracle(pg, batch);
        }
    }
    (void)printf("%" PRId64 " accounts\n", accounts);
    for (int i = 0; i < BATCH; i++) {
        buf_free(&batch->bills[i]);
    }
    buf_free(&batch->documents);
    free(batch);
    pg_close(&pg);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("integration/rating_oracle");
    TCase *tcase = tcase_create("rating_oracle");
    tcase_set_timeout(tcase, 7200);
    tcase_add_test(tcase, every_account_comes_out_to_the_last_digit);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_set_fork_status(runner, CK_NOFORK);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
