/*
 * node_prices.h - prices in memory for admission and the engine, which may not know money.
 *
 * Why:       a call is admitted and metered without a database round trip; the price book of an account is loaded once,
 * on first use, and forgotten when prices change. Threads:   any.
 */
#ifndef FARTHING_API_NODE_PRICES_H
#define FARTHING_API_NODE_PRICES_H

#include <stdint.h>

#include "metering/record.h"

struct err;
struct prices;
struct usage_record;

int prices_open(const char *conninfo, struct prices **prices, struct err *err);
void prices_close(struct prices **prices);
void prices_forget(void *prices);

/* Callbacks of struct admission_prices and struct engine_options; ctx is the struct prices. */
int prices_worst(void *ctx, int64_t account_id, int64_t started_us, uint64_t mb_ms, uint16_t flags, int64_t *picos,
                 struct err *err);
int prices_actual(void *ctx, int64_t account_id, const struct usage_record *record, int64_t *picos, struct err *err);
int prices_month(void *ctx, int64_t account_id, int64_t month_start_us, int64_t *picos, struct err *err);
struct billing_policy prices_policy(void *ctx, int64_t account_id, int64_t at_us, const char *runtime);

#endif
