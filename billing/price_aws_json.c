/*
 * price_aws_json.c - the offer file as JSON, read as a stream: a path, one value, and what is kept of one region. The
 * file of all regions is many megabytes; nothing here grows with it. Two passes: products, then terms.
 */
#include "billing/price_aws_internal.h"

#include "common/err.h"

#include <string.h>

#define DEPTH_MAX 16
#define POINTER_BYTES 512

struct stream {
    FILE *in;
    long line;
    int depth;                           /* open objects and lists */
    bool list[DEPTH_MAX];                /* what each is */
    char key[DEPTH_MAX][AWS_TEXT_BYTES]; /* member being read at each depth */
    char value[AWS_TEXT_BYTES];          /* last scalar */
    bool cut;                            /* the last text did not fit */
    char pointer[POINTER_BYTES];
    struct aws_offer *offer;
    bool terms; /* second pass */
    struct aws_product product;
    struct aws_price price;
};

static const char *pointer_of(struct stream *stream)
{
    size_t used = 0;
    stream->pointer[0] = '\0';
    for (int i = 0; i < stream->depth && used + 1 < sizeof stream->pointer; i++) {
        int wrote = snprintf(stream->pointer + used, sizeof stream->pointer - used, "/%s", stream->key[i]);
        used += wrote > 0 ? (size_t)wrote : 0;
    }
    return stream->pointer;
}

static int wrong(struct stream *stream, const char *what, struct err *err)
{
    const struct aws_place place = {.line = stream->line, .pointer = pointer_of(stream)};
    return aws_wrong(stream->offer, &place, err, "%s", what);
}

static int next_byte(struct stream *stream)
{
    int c = fgetc(stream->in);
    stream->line += c == '\n' ? 1 : 0;
    return c;
}

static int next_token(struct stream *stream)
{
    int c = next_byte(stream);
    while (c == ' ' || c == '\t' || c == '\r' || c == '\n') {
        c = next_byte(stream);
    }
    return c;
}

/* ---- what matters in the tree ---- */

static bool at(const struct stream *stream, int depth, const char *key)
{
    return strcmp(stream->key[depth], key) == 0;
}

static void keep(const struct stream *stream, char target[AWS_TEXT_BYTES])
{
    memcpy(target, stream->value, AWS_TEXT_BYTES);
}

static void product_value(struct stream *stream)
{
    /* products / SKU / attributes / name */
    if (stream->depth == 4 && at(stream, 0, "products") && at(stream, 2, "attributes")) {
        char *target = at(stream, 3, "group")        ? stream->product.group
                       : at(stream, 3, "usagetype")  ? stream->product.usage_type
                       : at(stream, 3, "regionCode") ? stream->product.region
                       : at(stream, 3, "location")   ? stream->product.location
                                                     : NULL;
        if (target != NULL) {
            keep(stream, target);
        }
    } else if (stream->depth == 1 && at(stream, 0, "version")) {
        (void)snprintf(stream->offer->summary->version, sizeof stream->offer->summary->version, "%.31s", stream->value);
    } else if (stream->depth == 1 && at(stream, 0, "publicationDate")) {
        (void)snprintf(stream->offer->summary->published, sizeof stream->offer->summary->published, "%.39s",
                       stream->value);
    }
}

/* Inside terms / OnDemand / SKU / SKU.TERM / priceDimensions / RATE. */
static bool in_dimension(const struct stream *stream)
{
    return at(stream, 0, "terms") && at(stream, 1, "OnDemand") && at(stream, 4, "priceDimensions");
}

static int price_value(struct stream *stream, struct err *err)
{
    if (stream->depth == 7 && in_dimension(stream)) {
        char *target = at(stream, 6, "rateCode")                                       ? stream->price.rate_code
                       : at(stream, 6, "beginRange") || at(stream, 6, "startingRange") ? stream->price.begin
                       : at(stream, 6, "endRange") || at(stream, 6, "endingRange")     ? stream->price.end
                                                                                       : NULL;
        if (target != NULL && stream->cut) {
            return wrong(stream, "the value is too long", err);
        }
        if (target != NULL) {
            keep(stream, target);
        }
    } else if (stream->depth == 8 && in_dimension(stream) && at(stream, 6, "pricePerUnit")) {
        const char *wanted = stream->offer->options->currency;
        if (wanted != NULL && !at(stream, 7, wanted)) {
            return 0;
        }
        if (stream->price.currency[0] != '\0') {
            return wrong(stream, "the price is in more than one currency; choose with --currency", err);
        }
        memcpy(stream->price.currency, stream->key[7], AWS_TEXT_BYTES);
        keep(stream, stream->price.price);
    }
    return 0;
}

/* An object ended; depth is that of its members. */
static int object_end(struct stream *stream, struct err *err)
{
    struct aws_place place = {.line = stream->line};
    if (!stream->terms && stream->depth == 3 && at(stream, 0, "products")) {
        memcpy(stream->product.sku, stream->key[1], AWS_TEXT_BYTES);
        stream->depth = 2;
        place.pointer = pointer_of(stream);
        stream->depth = 3;
        int rc = aws_offer_product(stream->offer, &stream->product, &place, err);
        stream->product = (struct aws_product){.sku = ""};
        return rc;
    }
    if (stream->terms && stream->depth == 7 && in_dimension(stream)) {
        memcpy(stream->price.sku, stream->key[2], AWS_TEXT_BYTES);
        memcpy(stream->price.offer_term, stream->key[3], AWS_TEXT_BYTES);
        stream->depth = 6;
        place.pointer = pointer_of(stream);
        stream->depth = 7;
        int rc = 0;
        if (stream->price.currency[0] != '\0') {
            rc = aws_offer_price(stream->offer, &stream->price, &place, err);
        }
        stream->price = (struct aws_price){.sku = ""};
        return rc;
    }
    return 0;
}

/* ---- JSON ---- */

static void add(struct stream *stream, char text[AWS_TEXT_BYTES], size_t *used, int c)
{
    if (*used + 1 < AWS_TEXT_BYTES) {
        text[(*used)++] = (char)c;
    } else {
        stream->cut = true;
    }
}

/* After the quote. Escapes of plain characters are resolved; \u beyond ASCII becomes '?': no name or number needs it.
 */
static int read_string(struct stream *stream, char text[AWS_TEXT_BYTES], struct err *err)
{
    size_t used = 0;
    stream->cut = false;
    memset(text, 0, AWS_TEXT_BYTES);
    for (int c = next_byte(stream); c != '"'; c = next_byte(stream)) {
        if (c == EOF || c < 0x20) {
            return wrong(stream, "a string does not end", err);
        }
        if (c == '\\') {
            static const char PLAIN[] = "\"\\/bfnrt";
            static const char MEANS[] = "\"\\/\b\f\n\r\t";
            c = next_byte(stream);
            const char *found = c == EOF || c == '\0' ? NULL : strchr(PLAIN, c);
            unsigned code = 0;
            for (int i = 0; c == 'u' && i < 4; i++) {
                int digit = next_byte(stream);
                bool number = digit >= '0' && digit <= '9';
                bool letter = (digit | 0x20) >= 'a' && (digit | 0x20) <= 'f';
                if (!number && !letter) {
                    return wrong(stream, "\\u needs four hexadecimal digits", err);
                }
                code = code * 16 + (unsigned)(number ? digit - '0' : (digit | 0x20) - 'a' + 10);
            }
            if (c != 'u' && found == NULL) {
                return wrong(stream, "an escape that JSON does not know", err);
            }
            c = c != 'u' ? MEANS[found - PLAIN] : code > 0 && code < 0x80 ? (int)code : '?';
        }
        add(stream, text, &used, c);
    }
    return 0;
}

/* true, false, null, numbers: taken as they stand. */
static int read_word(struct stream *stream, int c, struct err *err)
{
    size_t used = 0;
    stream->cut = false;
    memset(stream->value, 0, sizeof stream->value);
    while ((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || c == 'E' || c == '+' || c == '-' || c == '.') {
        add(stream, stream->value, &used, c);
        c = next_byte(stream);
    }
    if (used == 0) {
        return wrong(stream, "this is no JSON: a value is needed", err);
    }
    if (c != EOF) {
        stream->line -= c == '\n' ? 1 : 0;
        (void)ungetc(c, stream->in);
    }
    return 0;
}

static int open_level(struct stream *stream, bool list, struct err *err)
{
    if (stream->depth == DEPTH_MAX) {
        return wrong(stream, "nested too deeply", err);
    }
    stream->list[stream->depth] = list;
    memset(stream->key[stream->depth], 0, AWS_TEXT_BYTES);
    if (list) {
        stream->key[stream->depth][0] = '*';
    }
    stream->depth++;
    return 0;
}

/* In an object: the next member's name and colon, *c is then the start of its value. *ended: the object closed. */
static int read_key(struct stream *stream, int *c, bool *ended, struct err *err)
{
    *ended = *c == '}';
    if (*ended) {
        return 0;
    }
    if (*c != '"') {
        return wrong(stream, "a member's name is needed", err);
    }
    if (read_string(stream, stream->key[stream->depth - 1], err) != 0) {
        return -1;
    }
    if (stream->cut) {
        return wrong(stream, "a member's name is too long", err);
    }
    if (next_token(stream) != ':') {
        return wrong(stream, "':' is needed after a member's name", err);
    }
    *c = next_token(stream);
    return 0;
}

static int scalar(struct stream *stream, int c, struct err *err)
{
    if ((c == '"' ? read_string(stream, stream->value, err) : read_word(stream, c, err)) != 0) {
        return -1;
    }
    if (stream->terms) {
        return price_value(stream, err);
    }
    product_value(stream);
    return 0;
}

/* Close the innermost object or list, and those that close right behind it; *more: a comma and another value follow. */
static int close_levels(struct stream *stream, int c, bool *more, struct err *err)
{
    for (;; c = next_token(stream)) {
        *more = c == ',';
        if (*more) {
            return 0;
        }
        bool list = stream->list[stream->depth - 1];
        if (c != (list ? ']' : '}')) {
            return wrong(stream, c == EOF ? "the file ends too early" : "',' or the end of a list or object is needed",
                         err);
        }
        if (!list && object_end(stream, err) != 0) {
            return -1;
        }
        stream->depth--;
        if (stream->depth == 0) {
            return next_token(stream) == EOF ? 0 : wrong(stream, "text after the end of the document", err);
        }
    }
}

static int pass(struct stream *stream, struct err *err)
{
    int c = next_token(stream);
    if (c == 0xef) { /* byte order mark */
        (void)next_byte(stream);
        (void)next_byte(stream);
        c = next_token(stream);
    }
    if (c != '{' || open_level(stream, false, err) != 0) {
        return wrong(stream, "the document must be an object", err);
    }
    while (stream->depth > 0) {
        bool ended = false;
        bool more = true;
        bool list = stream->list[stream->depth - 1];
        c = next_token(stream);
        if (!list && read_key(stream, &c, &ended, err) != 0) {
            return -1;
        }
        ended = ended || (list && c == ']');
        if (ended) {
            if (close_levels(stream, c, &more, err) != 0) {
                return -1;
            }
            continue;
        }
        if (c == '{' || c == '[') {
            if (open_level(stream, c == '[', err) != 0) {
                return -1;
            }
            continue;
        }
        if (scalar(stream, c, err) != 0 || close_levels(stream, next_token(stream), &more, err) != 0) {
            return -1;
        }
    }
    return 0;
}

int aws_read_json(FILE *in, struct aws_offer *offer, struct err *err)
{
    for (int terms = 0; terms < 2; terms++) {
        struct stream stream = {.in = in, .line = 1, .offer = offer, .terms = terms == 1};
        if (pass(&stream, err) != 0) {
            return -1;
        }
        rewind(in);
    }
    return ferror(in) ? err_set(err, ERR_SYSTEM, "%.60s cannot be read", offer->options->source) : 0;
}
