/*
 * report_store.h - which accounts have anything on their bill of a month, and the tags of their functions.
 */
#ifndef FARTHING_REPORTS_REPORT_STORE_H
#define FARTHING_REPORTS_REPORT_STORE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/calendar.h"

struct err;
struct map;
struct party;
struct pg;

/* credited: there is a credit note about the month. */
typedef int report_account_fn(int64_t account_id, bool credited, void *ctx, struct err *err);

/* In order of account id, fetched page by page: on_account may use pg. */
int report_store_accounts(struct pg *pg, struct month month, report_account_fn *on_account, void *ctx, struct err *err);

#define REPORT_DOCUMENTS_MAX 500 /* of one account about one month */
typedef int report_document_fn(int64_t account_id, int64_t invoice_id, void *ctx, struct err *err);
/* Invoices that are not void and credit notes about the month, in order of issue; on_document may use pg. */
int report_store_documents(struct pg *pg, int64_t account_id, struct month month, report_document_fn *on_document,
                           void *ctx, struct err *err);

/* Tags of an account's functions as JSON text, by function id (8 bytes); functions without tags are left out. */
int report_store_tags(struct pg *pg, int64_t account_id, struct map **tags, struct err *err);
/* What the account says about itself (account.billing); empty when nothing. */
int report_store_party(struct pg *pg, int64_t account_id, struct party *party, struct err *err);
/* NULL-safe, sets NULL. */
void report_store_tags_free(struct map **tags);

#endif
