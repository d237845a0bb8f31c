/*
 * bill_rows.h - rows of usage and lines as the statements of a bill return them.
 */
#ifndef FARTHING_BILLING_BILL_ROWS_H
#define FARTHING_BILLING_BILL_ROWS_H

#include "billing/bill_rate.h"
#include "metering/usage_rows.h"
#include "schema/pg.h"

/* Columns of usage_hourly that a bill needs besides account and hour (usage_rows.h), and the rows in their shape that
 * stand for provisioned concurrency as it was configured (provisioned = 2), a day each: $1 account, $2 and $3 the
 * month. */
#define USAGE_COLUMNS                                                                                                  \
    "function_id, version, memory_mib, arch, provisioned, billed_requests, mb_ms, storage_mb_ms, streamed_bytes"
#define CAPACITY "provisioned_usage(ARRAY[$1::int8], $2::timestamptz, $3::timestamptz, interval '1 day')"

/* ctx is a struct bill_usage_list. */
int bill_take_usage(const struct pg_row *row, void *ctx, struct err *err);

/* The words of column invoice_line.kind. */
const char *bill_line_kind_name(enum line_kind kind);
int bill_line_kind_parse(const char *text, enum line_kind *kind, struct err *err);

#endif
