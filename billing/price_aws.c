#include "billing/price_aws_internal.h"

#include "common/buf.h"
#include "common/err.h"
#include "common/json.h"
#include "common/text.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

int aws_wrong(const struct aws_offer *offer, const struct aws_place *place, struct err *err, const char *format, ...)
{
    char text[200];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    return err_field(err, place->pointer, "%.60s line %ld, %.120s: %s", offer->options->source, place->line,
                     place->pointer, text);
}

/* ---- products ---- */

/* AWS's group, and its usage type without the region in front; arm has "-ARM" behind. Longer names come first. */
static const struct {
    const char *group, *usage_type;
    enum meter meter;
} KINDS[] = {
    {"AWS-Lambda-Requests", "Request", METER_REQUESTS},
    {"AWS-Lambda-Duration-Provisioned", "Lambda-Provisioned-GB-Second", METER_PROVISIONED_COMPUTE_X86},
    {"AWS-Lambda-Duration", "Lambda-GB-Second", METER_COMPUTE_X86},
    {"AWS-Lambda-Provisioned-Concurrency", "Lambda-Provisioned-Concurrency", METER_PROVISIONED_X86},
    {"AWS-Lambda-Storage-Duration", "Lambda-Storage-GB-Second", METER_EPHEMERAL_STORAGE},
    {"AWS-Lambda-Streaming-Response", "Lambda-Streaming-Response-Processed-Bytes", METER_STREAMED_BYTES},
    {"AWS-Lambda-Response-Streaming", "Lambda-Response-Streaming-Bytes", METER_STREAMED_BYTES},
};

static bool same_but_arm(const char *text, const char *name, bool *arm)
{
    size_t length = strlen(name);
    if (strncmp(text, name, length) != 0 || (text[length] != '\0' && strcmp(text + length, "-ARM") != 0)) {
        return false;
    }
    *arm = text[length] != '\0';
    return true;
}

/* "EU-Lambda-GB-Second" is the region's prefix and the type; us-east-1 has no prefix. */
static bool usage_type_is(const char *text, const char *name, bool *arm)
{
    const char *dash = strchr(text, '-');
    return same_but_arm(text, name, arm) || (dash != NULL && same_but_arm(dash + 1, name, arm));
}

static bool classify(const struct aws_product *product, struct aws_kind *kind)
{
    for (size_t i = 0; i < sizeof KINDS / sizeof KINDS[0]; i++) {
        bool arm = false;
        bool group = product->group[0] != '\0';
        if (group ? same_but_arm(product->group, KINDS[i].group, &arm)
                  : usage_type_is(product->usage_type, KINDS[i].usage_type, &arm)) {
            *kind = (struct aws_kind){.meter = KINDS[i].meter, .arm = arm};
            kind->global = text_starts(product->usage_type, "Global-");
            if (arm && kind->meter != METER_REQUESTS && kind->meter < METER_EPHEMERAL_STORAGE) {
                kind->meter = (enum meter)(KINDS[i].meter + 1);
            }
            return true;
        }
    }
    return false;
}

/* Older files name the location only. */
static const char *const LOCATIONS[][2] = {
    {"us-east-1", "US East (N. Virginia)"},
    {"us-east-2", "US East (Ohio)"},
    {"us-west-1", "US West (N. California)"},
    {"us-west-2", "US West (Oregon)"},
    {"eu-west-1", "EU (Ireland)"},
    {"eu-west-2", "EU (London)"},
    {"eu-west-3", "EU (Paris)"},
    {"eu-central-1", "EU (Frankfurt)"},
    {"eu-north-1", "EU (Stockholm)"},
    {"eu-south-1", "EU (Milan)"},
    {"ca-central-1", "Canada (Central)"},
    {"sa-east-1", "South America (Sao Paulo)"},
    {"ap-northeast-1", "Asia Pacific (Tokyo)"},
    {"ap-northeast-2", "Asia Pacific (Seoul)"},
    {"ap-northeast-3", "Asia Pacific (Osaka)"},
    {"ap-southeast-1", "Asia Pacific (Singapore)"},
    {"ap-southeast-2", "Asia Pacific (Sydney)"},
    {"ap-south-1", "Asia Pacific (Mumbai)"},
    {"ap-east-1", "Asia Pacific (Hong Kong)"},
    {"af-south-1", "Africa (Cape Town)"},
    {"me-south-1", "Middle East (Bahrain)"},
    {"cn-north-1", "China (Beijing)"},
    {"cn-northwest-1", "China (Ningxia)"},
    {"us-gov-west-1", "AWS GovCloud (US-West)"},
    {"us-gov-east-1", "AWS GovCloud (US-East)"},
};

static const char *region_of(const struct aws_product *product)
{
    for (size_t i = 0; product->region[0] == '\0' && i < sizeof LOCATIONS / sizeof LOCATIONS[0]; i++) {
        if (strcmp(product->location, LOCATIONS[i][1]) == 0) {
            return LOCATIONS[i][0];
        }
    }
    return product->region;
}

static void note_region(struct aws_offer *offer, const char *region)
{
    for (int i = 0; i < offer->region_count; i++) {
        if (strcmp(offer->regions[i], region) == 0) {
            return;
        }
    }
    if (region[0] != '\0' && offer->region_count < AWS_REGIONS_MAX) {
        (void)snprintf(offer->regions[offer->region_count++], sizeof offer->regions[0], "%.31s", region);
    }
}

static struct aws_kept *kept(struct aws_offer *offer, const char *sku)
{
    for (int i = 0; i < offer->product_count; i++) {
        if (strcmp(offer->products[i].sku, sku) == 0) {
            return &offer->products[i];
        }
    }
    return NULL;
}

int aws_offer_product(struct aws_offer *offer, const struct aws_product *product, const struct aws_place *place,
                      struct err *err)
{
    struct aws_kind kind;
    if (!classify(product, &kind)) {
        return 0;
    }
    const char *region = region_of(product);
    if (!kind.global) {
        note_region(offer, region);
    }
    if ((!kind.global && strcmp(region, offer->options->region) != 0) || kept(offer, product->sku) != NULL) {
        return 0;
    }
    for (int i = 0; i < offer->product_count; i++) {
        const struct aws_kind *other = &offer->products[i].kind;
        if (other->meter == kind.meter && other->arm == kind.arm && other->global == kind.global) {
            return aws_wrong(offer, place, err, "products %.40s and %.40s both price %s", offer->products[i].sku,
                             product->sku, meter_name(kind.meter));
        }
    }
    if (product->sku[0] == '\0' || strlen(product->sku) > 40 || offer->product_count == AWS_PRODUCTS_MAX) {
        return aws_wrong(offer, place, err, "a product needs an SKU of at most 40 characters");
    }
    struct aws_kept *added = &offer->products[offer->product_count++];
    *added = (struct aws_kept){.kind = kind};
    memcpy(added->sku, product->sku, sizeof added->sku);
    return 0;
}

/* ---- prices ---- */

/* AWS writes some prices as "2.0E-7". */
static int read_decimal(const struct aws_offer *offer, const struct aws_place *place, const char *what,
                        const char *text, struct decimal *decimal, struct err *err)
{
    char digits[64];
    char expanded[128];
    struct err local = {0};
    size_t length = strcspn(text, "eE");
    int64_t exponent = 0;
    bool fits = length < sizeof digits;
    if (fits && text[length] != '\0') {
        fits = text_i64(text + length + 1, what, -18, 18, &exponent, &local) == 0;
    }
    if (!fits) {
        return aws_wrong(offer, place, err, "%s is \"%.40s\"; a number is needed", what, text);
    }
    (void)snprintf(digits, sizeof digits, "%.*s", (int)length, text);
    if (exponent != 0) {
        struct decimal mantissa;
        if (decimal_parse(digits, what, 18, &mantissa, &local) == 0) {
            int scale = mantissa.scale - (int)exponent;
            for (; scale < 0 && !__builtin_mul_overflow(mantissa.value, 10, &mantissa.value); scale++) {
            }
            (void)snprintf(digits, sizeof digits, "%019lld", (long long)mantissa.value);
            if (mantissa.value >= 0 && scale >= 0 && scale < 19) {
                (void)snprintf(expanded, sizeof expanded, "%.*s.%s", 19 - scale, digits, digits + 19 - scale);
                (void)snprintf(digits, sizeof digits, "%.40s", expanded);
                digits[strlen(digits) - (scale == 0 ? 1 : 0)] = '\0';
            } else {
                return aws_wrong(offer, place, err, "%s is \"%.40s\"; that is out of range", what, text);
            }
        }
    }
    if (decimal_parse(digits, what, PRICE_SCALE_MAX, decimal, &local) != 0) {
        return aws_wrong(offer, place, err, "%.150s", local.text);
    }
    if (decimal->value < 0) {
        return aws_wrong(offer, place, err, "%s is %.40s; it cannot be negative", what, text);
    }
    return 0;
}

static int take_currency(struct aws_offer *offer, const char *currency, const struct aws_place *place, struct err *err)
{
    if (offer->currency[0] == '\0') {
        struct currency known;
        struct err local = {0};
        if (currency_find(currency, "currency", &known, &local) != 0) {
            return aws_wrong(offer, place, err, "%.150s", local.text);
        }
        (void)snprintf(offer->currency, sizeof offer->currency, "%.3s", currency);
    } else if (strcmp(offer->currency, currency) != 0) {
        return aws_wrong(offer, place, err, "prices are in %s and %.3s; choose with --currency", offer->currency,
                         currency);
    }
    return 0;
}

int aws_offer_price(struct aws_offer *offer, const struct aws_price *price, const struct aws_place *place,
                    struct err *err)
{
    struct aws_kept *product = kept(offer, price->sku);
    const char *wanted = offer->options->currency;
    if (product == NULL || (wanted != NULL && strcmp(wanted, price->currency) != 0)) {
        return 0;
    }
    if (take_currency(offer, price->currency, place, err) != 0) {
        return -1;
    }
    if (product->offer_term[0] == '\0') {
        memcpy(product->offer_term, price->offer_term, sizeof product->offer_term);
    } else if (strcmp(product->offer_term, price->offer_term) != 0) {
        return aws_wrong(offer, place, err, "%.40s has prices under two offer terms, %.20s and %.20s", price->sku,
                         product->offer_term, price->offer_term);
    }
    if (product->band_count == PRICE_BANDS_MAX) {
        return aws_wrong(offer, place, err, "%.40s has more than %d bands", price->sku, PRICE_BANDS_MAX);
    }
    struct aws_band band = {.open = strcmp(price->end, "Inf") == 0};
    if (price->rate_code[0] == '\0' || text_copy(band.rate_code, sizeof band.rate_code, price->rate_code) != 0) {
        return aws_wrong(offer, place, err, "rateCode is \"%.70s\"; 1 to 63 characters are needed", price->rate_code);
    }
    if (read_decimal(offer, place, "beginRange", price->begin, &band.begin, err) != 0 ||
        (!band.open && read_decimal(offer, place, "endRange", price->end, &band.end, err) != 0) ||
        read_decimal(offer, place, "pricePerUnit", price->price, &band.price, err) != 0) {
        return -1;
    }
    product->bands[product->band_count++] = band;
    return 0;
}

/* ---- the book ---- */

static int compare(struct decimal a, struct decimal b)
{
    money_int left = a.value;
    money_int right = b.value;
    for (int i = a.scale; i < PRICE_SCALE_MAX; i++) {
        left *= 10;
    }
    for (int i = b.scale; i < PRICE_SCALE_MAX; i++) {
        right *= 10;
    }
    return (left > right) - (left < right);
}

static int by_begin(const void *a, const void *b)
{
    return compare(((const struct aws_band *)a)->begin, ((const struct aws_band *)b)->begin);
}

/* Bands in order, from 0, each beginning where the one before ended, the last open. */
static int check_bands(const struct aws_offer *offer, struct aws_kept *product, struct err *err)
{
    char at[MONEY_TEXT_BYTES];
    char end[MONEY_TEXT_BYTES];
    struct decimal before = {0};
    const char *name = meter_name(product->kind.meter);
    qsort(product->bands, (size_t)product->band_count, sizeof *product->bands, by_begin);
    for (int i = 0; i < product->band_count; i++) {
        const struct aws_band *band = &product->bands[i];
        bool closed_early = i > 0 && product->bands[i - 1].open;
        decimal_format(before, end);
        decimal_format(band->begin, at);
        if (closed_early || compare(band->begin, before) != 0) {
            return err_field(
                err, band->rate_code, "%.60s, %.40s (%s): band %.63s begins at %s, the one before ends at %s",
                offer->options->source, product->sku, name, band->rate_code, at, closed_early ? "Inf" : end);
        }
        if (!band->open && compare(band->end, band->begin) <= 0) {
            return err_field(err, band->rate_code, "%.60s, %.40s (%s): band %.63s ends before it begins",
                             offer->options->source, product->sku, name, band->rate_code);
        }
        before = band->end;
    }
    if (product->band_count == 0 || (!product->kind.global && !product->bands[product->band_count - 1].open)) {
        return err_field(err, product->sku, "%.60s, %.40s (%s): %s", offer->options->source, product->sku, name,
                         product->band_count == 0 ? "the product has no price" : "the last band does not end at Inf");
    }
    return 0;
}

static const struct aws_kept *find_kind(const struct aws_offer *offer, enum meter meter, bool arm, bool global)
{
    for (int i = 0; i < offer->product_count; i++) {
        const struct aws_kind *kind = &offer->products[i].kind;
        if (kind->meter == meter && kind->arm == arm && kind->global == global) {
            return &offer->products[i];
        }
    }
    return NULL;
}

/* The prices of a meter; where AWS has one an architecture and the book one for both, they must be the same. */
static int prices_of(const struct aws_offer *offer, enum meter meter, const struct aws_kept **found, struct err *err)
{
    const struct aws_kept *x86 = find_kind(offer, meter, false, false);
    const struct aws_kept *arm = find_kind(offer, meter, true, false);
    *found = x86 != NULL ? x86 : arm;
    if (x86 == NULL || arm == NULL) {
        return 0;
    }
    bool same = x86->band_count == arm->band_count;
    for (int i = 0; same && i < x86->band_count; i++) {
        const struct aws_band *a = &x86->bands[i];
        const struct aws_band *b = &arm->bands[i];
        same = compare(a->begin, b->begin) == 0 && a->open == b->open && compare(a->price, b->price) == 0;
    }
    return same ? 0
                : err_field(err, arm->sku,
                            "%.60s: %s has other prices on x86_64 (%.40s) than on arm64 (%.40s); a price book has one "
                            "for both",
                            offer->options->source, meter_name(meter), x86->sku, arm->sku);
}

static void put_bands(struct buf *out, const struct aws_kept *product)
{
    char text[MONEY_TEXT_BYTES];
    for (int i = 0; i < product->band_count; i++) {
        const struct aws_band *band = &product->bands[i];
        buf_printf(out, "%s      {\"id\": \"t%d\", \"price_id\": ", i == 0 ? "" : ",\n", i + 1);
        json_quote(out, band->rate_code, strlen(band->rate_code));
        if (!band->open) {
            decimal_format(band->end, text);
            buf_printf(out, ", \"up_to\": \"%s\"", text);
        }
        decimal_format(band->price, text);
        buf_printf(out, ", \"price\": \"%s\"}", text);
    }
}

static int put_meters(const struct aws_offer *offer, struct buf *out, struct err *err)
{
    int written = 0;
    buf_puts(out, "  \"meters\": {\n");
    for (int m = 0; m < METER_COUNT; m++) {
        const struct aws_kept *product = NULL;
        if (prices_of(offer, (enum meter)m, &product, err) != 0) {
            return -1;
        }
        offer->summary->bands[m] = product == NULL ? 0 : product->band_count;
        if (product != NULL) {
            buf_printf(out, "%s    \"%s\": {\"bands\": [\n", written++ == 0 ? "" : ",\n", meter_name((enum meter)m));
            put_bands(out, product);
            buf_puts(out, "]}");
        }
    }
    buf_puts(out, "\n  }\n}\n");
    return 0;
}

/* How much is free everywhere: the bands from 0 on that cost nothing. */
static int free_quantity(const struct aws_offer *offer, enum meter meter, char text[MONEY_TEXT_BYTES], struct err *err)
{
    struct decimal quantity = {0};
    for (int i = 0; i < offer->product_count; i++) {
        const struct aws_kept *product = &offer->products[i];
        bool shared = meter == METER_COMPUTE_X86 && product->kind.meter == METER_COMPUTE_ARM;
        if (!product->kind.global || (product->kind.meter != meter && !shared)) {
            continue;
        }
        struct decimal own = {0};
        for (int b = 0; b < product->band_count && product->bands[b].price.value == 0 && !product->bands[b].open; b++) {
            own = product->bands[b].end;
        }
        if (quantity.value != 0 && compare(own, quantity) != 0) {
            return err_field(err, product->sku, "%.60s: %s has free allowances of different size",
                             offer->options->source, meter_name(meter));
        }
        quantity = own;
    }
    decimal_format(quantity, text);
    return 0;
}

static int put_free(const struct aws_offer *offer, struct buf *out, struct err *err)
{
    static const struct {
        enum meter meter;
        const char *meters;
    } ROWS[] = {{METER_REQUESTS, "\"requests\""},
                {METER_COMPUTE_X86, "\"compute_x86_64\", \"compute_arm64\""},
                {METER_STREAMED_BYTES, "\"streamed_bytes\""}};
    buf_puts(out, "  \"free\": [");
    for (size_t i = 0; !offer->options->without_free && i < sizeof ROWS / sizeof ROWS[0]; i++) {
        char quantity[MONEY_TEXT_BYTES];
        if (free_quantity(offer, ROWS[i].meter, quantity, err) != 0) {
            return -1;
        }
        if (strcmp(quantity, "0") != 0) {
            buf_printf(out, "%s\n    {\"id\": \"free\", \"meters\": [%s], \"quantity\": \"%s\"}",
                       offer->summary->free_allowances++ == 0 ? "" : ",", ROWS[i].meters, quantity);
        }
    }
    buf_puts(out, "\n  ],\n");
    return 0;
}

static int no_prices(const struct aws_offer *offer, struct err *err)
{
    char regions[200] = "";
    size_t used = 0;
    for (int i = 0; i < offer->region_count && used + 34 < sizeof regions; i++) {
        used += (size_t)snprintf(regions + used, sizeof regions - used, "%s%s", i == 0 ? "" : ", ", offer->regions[i]);
    }
    return err_field(err, "region", "%.60s has no prices of Lambda for region \"%.30s\"; it has %s",
                     offer->options->source, offer->options->region, used == 0 ? "none of any region" : regions);
}

static int write_book(struct aws_offer *offer, struct buf *document, struct err *err)
{
    bool any = false;
    for (int i = 0; i < offer->product_count; i++) {
        any = any || !offer->products[i].kind.global;
        if (check_bands(offer, &offer->products[i], err) != 0) {
            return -1;
        }
    }
    if (!any) {
        return no_prices(offer, err);
    }
    char text[160];
    buf_puts(document, "{\n  \"name\": ");
    json_quote(document, offer->options->name, strlen(offer->options->name));
    (void)snprintf(text, sizeof text, "AWS Lambda, %.30s, offer file %.31s of %.39s", offer->options->region,
                   offer->summary->version, offer->summary->published);
    buf_puts(document, ",\n  \"description\": ");
    json_quote(document, text, strlen(text));
    buf_printf(document, ",\n  \"currency\": \"%s\",\n  \"rounding\": \"half_up\",\n", offer->currency);
    buf_puts(document,
             "  \"policy\": [\n"
             "    {\"from\": \"2014-11-13\", \"grain_ms\": 100, \"bill_init\": [\"provided\"], \"async_kib\": 256},\n"
             "    {\"from\": \"2020-12-01\", \"grain_ms\": 1, \"bill_init\": [\"provided\"], \"async_kib\": 256},\n"
             "    {\"from\": \"2025-08-01\", \"grain_ms\": 1, \"bill_init\": true, \"async_kib\": 256}\n"
             "  ],\n");
    return put_free(offer, document, err) != 0 || put_meters(offer, document, err) != 0 ? -1 : 0;
}

int price_aws_import(FILE *in, const struct price_aws_options *options, struct buf *document,
                     struct price_aws_summary *summary, struct err *err)
{
    struct price_book *book = NULL;
    int rc = -1;
    *summary = (struct price_aws_summary){.free_allowances = 0};
    struct aws_offer *offer = calloc(1, sizeof *offer);
    if (offer == NULL) {
        return err_set(err, ERR_SYSTEM, "offer file: out of memory");
    }
    offer->options = options;
    offer->summary = summary;
    int first = fgetc(in);
    while (first == ' ' || first == '\t' || first == '\r' || first == '\n' || first == 0xef || first == 0xbb ||
           first == 0xbf) {
        first = fgetc(in);
    }
    rewind(in);
    if ((first == '{' ? aws_read_json(in, offer, err) : aws_read_csv(in, offer, err)) == 0 &&
        write_book(offer, document, err) == 0 &&
        price_book_parse(buf_text(document), document->length, &book, NULL, err) == 0) {
        (void)snprintf(summary->currency, sizeof summary->currency, "%s", offer->currency);
        rc = 0;
    }
    price_book_free(&book);
    free(offer);
    return rc;
}
