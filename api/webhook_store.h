/*
 * webhook_store.h - where accounts want to hear of things (table webhook). Secrets come in sealed.
 */
#ifndef FARTHING_API_WEBHOOK_STORE_H
#define FARTHING_API_WEBHOOK_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;
struct pg;

#define WEBHOOKS_MAX 20 /* an account */

struct webhook_row {
    int64_t webhook_id;
    const char *url;
    const char *events; /* separated by commas; "": all */
    bool enabled;
    int64_t created_us;
};

/* events: '{a,b}' array text. ERR_LIMIT when the account has WEBHOOKS_MAX already. */
int webhook_store_put(struct pg *pg, int64_t account_id, const char *url, const void *sealed, size_t length,
                      const char *events, int64_t *webhook_id, struct err *err);
typedef int webhook_row_fn(const struct webhook_row *row, void *ctx, struct err *err);
/* webhook_id 0: all of the account. */
int webhook_store_list(struct pg *pg, int64_t account_id, int64_t webhook_id, webhook_row_fn *on_row, void *ctx,
                       struct err *err);
int webhook_store_delete(struct pg *pg, int64_t account_id, int64_t webhook_id, struct err *err);

#endif
