/*
 * report_store.h - which accounts have anything on their bill of a month, and the tags of their functions.
 */
#ifndef FARTHING_REPORTS_REPORT_STORE_H
#define FARTHING_REPORTS_REPORT_STORE_H

#include <stdint.h>

#include "common/calendar.h"

struct err;
struct map;
struct party;
struct pg;

typedef int report_account_fn(int64_t account_id, void *ctx, struct err *err);

/* In order of account id, fetched page by page: on_account may use pg. */
int report_store_accounts(struct pg *pg, struct month month, report_account_fn *on_account, void *ctx, struct err *err);

/* Tags of an account's functions as JSON text, by function id (8 bytes); functions without tags are left out. */
int report_store_tags(struct pg *pg, int64_t account_id, struct map **tags, struct err *err);
/* What the account says about itself (account.billing); empty when nothing. */
int report_store_party(struct pg *pg, int64_t account_id, struct party *party, struct err *err);
/* NULL-safe, sets NULL. */
void report_store_tags_free(struct map **tags);

#endif
