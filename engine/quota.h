/*
 * quota.h - limits of accounts as people set and see them (tables quota, quota_period, quota_lease, quota_notice).
 *
 * Units:     limit_text is what people write: invocations, calls a second, GB-seconds ("400000"), money ("200.00"),
 * MiB, bytes. limit_units is what is counted: invocations, MB*ms, picos. Ownership: plain values. Threads: one struct
 * pg a thread.
 */
#ifndef FARTHING_ENGINE_QUOTA_H
#define FARTHING_ENGINE_QUOTA_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/admission.h"

struct err;
struct pg;

#define QUOTA_THRESHOLDS_MAX 10

enum quota_action { QUOTA_BLOCK, QUOTA_NOTIFY };

struct quota {
    enum quota_kind kind;
    bool set;       /* false: neither the account nor the operator has a limit; limit fields are empty */
    bool inherited; /* from the operator's default */
    char limit_text[48];
    int64_t limit_units;
    enum quota_action action;
    int thresholds[QUOTA_THRESHOLDS_MAX];
    int threshold_count;
    int64_t revision; /* 0 when not set by the account */
    int64_t updated_us;
};

/* A quota with its state now; monthly ones for the current UTC month. Texts in people's units. */
struct quota_status {
    struct quota quota;
    char used_text[48], held_text[48], available_text[48];
    int64_t used_units, held_units, available_units;
    int64_t resets_at_us; /* 0: does not reset */
};

/* Limit, action and thresholds from text with errors naming "/limit", "/action", "/thresholds/1". */
int quota_limit_parse(enum quota_kind kind, const char *text, int64_t *units, char normal[48], struct err *err);
/* Units as people write them: shortest decimal, exact ("12.5" GB-seconds, "200" of the currency). */
void quota_units_format(enum quota_kind kind, int64_t units, char text[48]);
/* The month starts again (requests, GB-seconds, spend). */
bool quota_is_monthly(enum quota_kind kind);

/* expected_revision < 0: any; otherwise ERR_CONFLICT (slug "stale_version") when it differs. account_id 0: operator
 * default. */
int quota_put(struct pg *pg, int64_t account_id, const struct quota *quota, int64_t expected_revision,
              struct quota *stored, struct err *err);
int quota_delete(struct pg *pg, int64_t account_id, enum quota_kind kind, int64_t expected_revision, struct err *err);
int quota_get(struct pg *pg, int64_t account_id, enum quota_kind kind, struct quota_status *status, struct err *err);
/* All kinds, in order; count is QUOTA_KIND_COUNT. */
int quota_list(struct pg *pg, int64_t account_id, struct quota_status statuses[QUOTA_KIND_COUNT], struct err *err);

/* would_be: what there would be after the change. ERR_LIMIT (slug "quota_exceeded") when a blocking limit of a resource
 * kind (memory_mb, functions, code_bytes, async_queue) says no. */
int quota_check(struct pg *pg, int64_t account_id, enum quota_kind kind, int64_t would_be, struct err *err);
/* How much of a resource kind there is (functions, code_bytes, async_queue). */
int quota_used_now(struct pg *pg, int64_t account_id, enum quota_kind kind, int64_t *used, struct err *err);

/* Reserved concurrency of a function (-1: none) must leave QUOTA_UNRESERVED_MIN of the account's concurrency to the
 * others (a tenth where the account has less than ten times that); ERR_INVALID naming "/reserved_concurrency"
 * otherwise. */
#define QUOTA_UNRESERVED_MIN 100
int quota_reserved_check(struct pg *pg, int64_t account_id, int64_t function_id, int reserved, int default_concurrency,
                         struct err *err);

/* Provisioned concurrency of a version: all of a function's must fit into what is reserved for it, and without a
 * reservation it takes from the account's concurrency as a reservation does. ERR_INVALID naming "/provisioned". */
struct function;
int quota_provisioned_check(struct pg *pg, const struct function *version, int provisioned, struct err *err);

/* Limits of the account changed by other means (reserved concurrency): tell every node. In the transaction of the
 * change. */
int quota_tell(struct pg *pg, int64_t account_id, struct err *err);

/* What a limit would have refused in the UTC month before at_us. Monthly kinds: from usage_hourly, so to the hour.
 * concurrency: from usage_record, to the microsecond. requests_per_second: from usage_record, by whole seconds. */
struct quota_dry_run {
    int64_t calls;      /* of that month */
    int64_t refused;    /* of them: at least so many would not have run */
    int64_t peak_units; /* the month's total, or the highest concurrency or rate */
    char peak_text[48];
    int64_t first_refused_us; /* 0: none */
    int64_t from_us, to_us;
};
int quota_dry_run(struct pg *pg, int64_t account_id, enum quota_kind kind, int64_t limit_units, int64_t at_us,
                  struct quota_dry_run *result, struct err *err);

/* Escrow of a monthly limit set against the records; ok is false when the escrow claims more stored usage than there
 * is, or a silent node holds back part of a limit. */
struct quota_escrow {
    int64_t account_id, period_us;
    char name[40];
    bool ok, spend; /* spend: recorded is not known here, it says what stored says */
    int64_t recorded, stored, unstored, held, forfeit, silent_s;
};
typedef int quota_escrow_fn(const struct quota_escrow *escrow, void *ctx, struct err *err);
/* Rows that nobody asks for any more go after: */
#define QUOTA_KEEP_MONTHS 3         /* escrow of a month, what a lost node holds of it included */
#define QUOTA_KEEP_DELIVERY_DAYS 90 /* webhook calls that are delivered or given up */
#define QUOTA_KEEP_NOTICE_MONTHS 24 /* crossed thresholds */

int quota_reconcile_report(struct pg *pg, quota_escrow_fn *on_row, void *ctx, struct err *err);

#endif
