/*
 * price_aws_csv.c - the offer file as CSV: five lines about the file, a header, a line a price. One pass, one record in
 * memory, of which only the columns that are used are kept.
 */
#include "billing/price_aws_internal.h"

#include "common/err.h"

#include <string.h>

#define COLUMNS_MAX 256
#define HEAD_LINES_MAX 32

enum column { SKU, TERM, RATE, TYPE, BEGIN, END, PRICE, CURRENCY, GROUP, USAGE, REGION, LOCATION, USED_COLUMNS };

/* Names without blanks, in lower case, as the two ages of the format have them. */
static const char *const NAMES[USED_COLUMNS][2] = {
    [SKU] = {"sku", NULL},
    [TERM] = {"offertermcode", NULL},
    [RATE] = {"ratecode", NULL},
    [TYPE] = {"termtype", NULL},
    [BEGIN] = {"startingrange", "beginrange"},
    [END] = {"endingrange", "endrange"},
    [PRICE] = {"priceperunit", NULL},
    [CURRENCY] = {"currency", NULL},
    [GROUP] = {"group", NULL},
    [USAGE] = {"usagetype", NULL},
    [REGION] = {"regioncode", NULL},
    [LOCATION] = {"location", NULL},
};

struct csv {
    FILE *in;
    long line;                                          /* of the record being read, from 1 */
    long next_line;                                     /* of the next */
    int map[COLUMNS_MAX];                               /* used column or -1 */
    bool headed;                                        /* map is set */
    int columns;                                        /* in this record */
    char first[AWS_TEXT_BYTES], second[AWS_TEXT_BYTES]; /* before the header: name and value */
    char text[USED_COLUMNS][AWS_TEXT_BYTES];
    bool cut[USED_COLUMNS];
};

static void plain_name(const char *text, char plain[AWS_TEXT_BYTES])
{
    size_t used = 0;
    for (; *text != '\0'; text++) {
        char c = *text;
        if (c != ' ' && c != '_' && (unsigned char)c < 0x80) {
            plain[used++] = (char)(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c);
        }
    }
    plain[used] = '\0';
}

/* A field ended: keep it where it belongs. */
static void end_field(struct csv *csv, const char *field, bool cut, int head[COLUMNS_MAX])
{
    int column = csv->columns++;
    if (!csv->headed) {
        char plain[AWS_TEXT_BYTES];
        plain_name(field, plain);
        if (column < 2) {
            (void)snprintf(column == 0 ? csv->first : csv->second, AWS_TEXT_BYTES, "%s", column == 0 ? plain : field);
        }
        for (int c = 0; column < COLUMNS_MAX && c < USED_COLUMNS; c++) {
            if (strcmp(plain, NAMES[c][0]) == 0 || (NAMES[c][1] != NULL && strcmp(plain, NAMES[c][1]) == 0)) {
                head[column] = c;
            }
        }
    } else if (column < COLUMNS_MAX && csv->map[column] >= 0) {
        memcpy(csv->text[csv->map[column]], field, AWS_TEXT_BYTES);
        csv->cut[csv->map[column]] = cut;
    }
}

/* One record; false at the end of the file. Quoted fields may hold commas, quotes (doubled) and line feeds. */
static bool read_record(struct csv *csv, int head[COLUMNS_MAX])
{
    char field[AWS_TEXT_BYTES] = "";
    size_t used = 0;
    bool quoted = false;
    bool cut = false;
    int c = fgetc(csv->in);
    csv->columns = 0;
    csv->line = csv->next_line;
    memset(csv->text, 0, sizeof csv->text);
    memset(csv->cut, 0, sizeof csv->cut);
    if (c == EOF) {
        return false;
    }
    for (;; c = fgetc(csv->in)) {
        csv->next_line += c == '\n' ? 1 : 0;
        if (quoted && c == '"') {
            int after = fgetc(csv->in);
            if (after != '"') {
                quoted = false;
                (void)ungetc(after, csv->in);
                continue;
            }
        } else if (!quoted && c == '"' && used == 0) {
            quoted = true;
            continue;
        } else if (c == EOF || (!quoted && (c == ',' || c == '\n'))) {
            field[used] = '\0';
            end_field(csv, field, cut, head);
            memset(field, 0, sizeof field);
            used = 0;
            cut = false;
            if (c != ',') {
                return true;
            }
            continue;
        } else if (!quoted && c == '\r') {
            continue;
        }
        if (used + 1 < sizeof field) {
            field[used++] = (char)c;
        } else {
            cut = true;
        }
    }
}

static int read_head(struct csv *csv, struct aws_offer *offer, struct err *err)
{
    for (int i = 0; i < HEAD_LINES_MAX; i++) {
        int head[COLUMNS_MAX];
        for (int c = 0; c < COLUMNS_MAX; c++) {
            head[c] = -1;
        }
        csv->first[0] = csv->second[0] = '\0';
        if (!read_record(csv, head)) {
            break;
        }
        if (strcmp(csv->first, "sku") == 0) {
            memcpy(csv->map, head, sizeof csv->map);
            csv->headed = true;
            return 0;
        }
        if (strcmp(csv->first, "version") == 0) {
            (void)snprintf(offer->summary->version, sizeof offer->summary->version, "%.31s", csv->second);
        } else if (strcmp(csv->first, "publicationdate") == 0) {
            (void)snprintf(offer->summary->published, sizeof offer->summary->published, "%.39s", csv->second);
        }
    }
    const struct aws_place place = {.line = csv->line, .pointer = "SKU"};
    return aws_wrong(offer, &place, err, "no header beginning with SKU in the first %d lines", HEAD_LINES_MAX);
}

static int check_head(const struct csv *csv, const struct aws_offer *offer, struct err *err)
{
    static const int NEEDED[] = {SKU, RATE, BEGIN, END, PRICE, CURRENCY, USAGE};
    for (size_t i = 0; i < sizeof NEEDED / sizeof NEEDED[0]; i++) {
        bool there = false;
        for (int c = 0; c < COLUMNS_MAX; c++) {
            there = there || csv->map[c] == NEEDED[i];
        }
        if (!there) {
            const struct aws_place place = {.line = csv->line, .pointer = NAMES[NEEDED[i]][0]};
            return aws_wrong(offer, &place, err, "the header has no such column");
        }
    }
    return 0;
}

static int take_record(const struct csv *csv, struct aws_offer *offer, struct err *err)
{
    struct aws_product product;
    struct aws_price price;
    struct aws_place place = {.line = csv->line, .pointer = "SKU"};
    if (csv->text[TYPE][0] != '\0' && strcmp(csv->text[TYPE], "OnDemand") != 0) {
        return 0;
    }
    for (int c = 0; c < USED_COLUMNS; c++) {
        if (csv->cut[c]) {
            place.pointer = NAMES[c][0];
            return aws_wrong(offer, &place, err, "the field is longer than %d characters", AWS_TEXT_BYTES - 1);
        }
    }
    memcpy(product.sku, csv->text[SKU], AWS_TEXT_BYTES);
    memcpy(product.group, csv->text[GROUP], AWS_TEXT_BYTES);
    memcpy(product.usage_type, csv->text[USAGE], AWS_TEXT_BYTES);
    memcpy(product.region, csv->text[REGION], AWS_TEXT_BYTES);
    memcpy(product.location, csv->text[LOCATION], AWS_TEXT_BYTES);
    memcpy(price.sku, csv->text[SKU], AWS_TEXT_BYTES);
    memcpy(price.offer_term, csv->text[TERM], AWS_TEXT_BYTES);
    memcpy(price.rate_code, csv->text[RATE], AWS_TEXT_BYTES);
    memcpy(price.begin, csv->text[BEGIN], AWS_TEXT_BYTES);
    memcpy(price.end, csv->text[END], AWS_TEXT_BYTES);
    memcpy(price.price, csv->text[PRICE], AWS_TEXT_BYTES);
    memcpy(price.currency, csv->text[CURRENCY], AWS_TEXT_BYTES);
    if (aws_offer_product(offer, &product, &place, err) != 0) {
        return -1;
    }
    place.pointer = price.rate_code;
    return aws_offer_price(offer, &price, &place, err);
}

int aws_read_csv(FILE *in, struct aws_offer *offer, struct err *err)
{
    struct csv csv = {.in = in, .next_line = 1};
    if (read_head(&csv, offer, err) != 0 || check_head(&csv, offer, err) != 0) {
        return -1;
    }
    while (read_record(&csv, NULL)) {
        if (csv.columns > 1 && take_record(&csv, offer, err) != 0) {
            return -1;
        }
    }
    return ferror(in) ? err_set(err, ERR_SYSTEM, "%.60s cannot be read", offer->options->source) : 0;
}
