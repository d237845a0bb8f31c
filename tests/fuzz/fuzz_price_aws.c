/*
 * Goal: no offer file, JSON or CSV, crashes the importer, and whatever it accepts is a price book.
 */
#include "billing/price_aws.h"
#include "billing/price_book.h"
#include "common/buf.h"
#include "common/check.h"
#include "common/err.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct price_aws_options options = {.source = "f", .name = "f", .region = "us-east-1"};
    struct price_aws_summary summary;
    struct err err = {0};
    struct buf book = {0};
    char *copy = malloc(size + 1);
    CHECK(copy != NULL);
    memcpy(copy, data, size);
    copy[size] = '\n';
    FILE *in = fmemopen(copy, size + 1, "r");
    CHECK(in != NULL);
    if (price_aws_import(in, &options, &book, &summary, &err) == 0) {
        struct price_book *parsed = NULL;
        CHECK(price_book_parse(buf_text(&book), book.length, &parsed, NULL, &err) == 0);
        price_book_free(&parsed);
    } else {
        CHECK(err.code == ERR_INVALID && err.text[0] != '\0');
    }
    (void)fclose(in);
    buf_free(&book);
    free(copy);
    return 0;
}
