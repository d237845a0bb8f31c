/*
 * ids.h - what a person sees instead of a bare number, and which names are allowed.
 *
 * Accounts are numbered from ACCOUNT_ID_MIN, twelve digits, so that an account id is also the account field of an ARN.
 * Text: "acct_100000000001", "fn_7", "key_3": prefix, '_', decimal number.
 */
#ifndef FARTHING_COMMON_IDS_H
#define FARTHING_COMMON_IDS_H

#include <stddef.h>

#include <stdint.h>

struct err;

#define ACCOUNT_ID_MIN INT64_C(100000000001)
#define ACCOUNT_ID_MAX INT64_C(999999999999)
#define ID_TEXT_BYTES 32

void id_format(const char *prefix, int64_t id, char text[ID_TEXT_BYTES]);
/* ERR_INVALID naming field when text is not prefix_number. */
int id_parse(const char *prefix, const char *text, const char *field, int64_t *id, struct err *err);

/* Account names: 1 to 63 of [a-z0-9-], starting with a letter or digit; never "acct_...". */
int name_check_account(const char *text, const char *field, struct err *err);
/* Function names: 1 to 64 of [A-Za-z0-9_-] (Lambda's rule). */
int name_check_function(const char *text, const char *field, struct err *err);
/* Tags and other text that ends up in bills: 1 to max_bytes, valid UTF-8, no control characters, not starting with = +
 * - @. */
int name_check_text(const char *text, size_t max_bytes, const char *field, struct err *err);

#endif
