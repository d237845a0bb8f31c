/*
 * Goal:   no issuer file and no account's billing details crash the reader, and what it takes can be printed: texts
 * that end, a country of two letters. Method: both readings, strict and not; what the strict one takes the other takes,
 * too.
 */
#include <stdint.h>
#include <string.h>

#include "common/check.h"
#include "common/err.h"
#include "reports/party.h"

static void check_text(const char *text, size_t size)
{
    CHECK(memchr(text, '\0', size) != NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct party strict;
    struct party loose;
    struct err err = {0};
    struct err none = {0};
    if (party_parse((const char *)data, size, true, &strict, &err) != 0) {
        CHECK(err.code == ERR_INVALID && err.text[0] != '\0');
        (void)party_parse((const char *)data, size, false, &loose, &none);
        return 0;
    }
    CHECK(party_parse((const char *)data, size, false, &loose, &none) == 0);
    CHECK(strcmp(strict.name, loose.name) == 0 && strcmp(strict.payment, loose.payment) == 0);
    CHECK(strict.address_lines >= 0 && strict.address_lines <= PARTY_ADDRESS_LINES_MAX);
    for (int i = 0; i < strict.address_lines; i++) {
        check_text(strict.address[i], sizeof strict.address[i]);
    }
    check_text(strict.name, sizeof strict.name);
    check_text(strict.payment, sizeof strict.payment);
    check_text(strict.terms, sizeof strict.terms);
    CHECK(strlen(strict.country) == 0 || strlen(strict.country) == 2);
    return 0;
}
