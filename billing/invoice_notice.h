/*
 * invoice_notice.h - tells the accounts' webhooks of invoices that were issued.
 *
 * Why:       the events are queued in the transaction that issues: an invoice without its event, or an event without
 * its invoice, cannot be. api/webhook_sender.c signs and sends them. Ownership: borrows pg. Threads: one struct pg a
 * thread.
 */
#ifndef FARTHING_BILLING_INVOICE_NOTICE_H
#define FARTHING_BILLING_INVOICE_NOTICE_H

#include <stdint.h>

struct err;
struct pg;

#define INVOICE_EVENT_ISSUED "dev.farthing.invoice.issued"

/* Of the documents with this instant of issue and month, of accounts first to last. */
int invoice_notice_queue(struct pg *pg, int64_t first_account, int64_t last_account, int64_t month_us,
                         int64_t issued_us, struct err *err);

#endif
