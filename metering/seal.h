/*
 * seal.h - seals: the records of every account and complete UTC day as one hash each, and what a month's hashes come
 * to.
 *
 * Why:       what an invoice stands on can be proven later, by anyone who holds the records (proof.h has the trees).
 * How:       a day is sealed once it is complete; when records arrive after that it is sealed anew, in another run, and
 *            the older seal stays: who asks "as of" the issue of an invoice gets what the invoice stood on.
 * Times:     *_us microseconds since 1970, UTC.      Threads: one struct pg a thread; several nodes may seal at once.
 */
#ifndef FARTHING_METERING_SEAL_H
#define FARTHING_METERING_SEAL_H

#include <stdbool.h>
#include <stdint.h>

#include "metering/proof.h"
#include "metering/record.h"

struct err;
struct pg;

#define SEAL_DAYS_MAX 31

struct seal_result {
    int64_t days;          /* looked at */
    int64_t accounts;      /* account-days sealed by this call */
    int64_t records;       /* under these seals */
    int64_t doubtful_days; /* an invocation is there twice: the day has no unique index (schema/partition.h) */
};

/*
 * Seal the days in [from_us, to_us) that are over and whose records are in (usage_freshness); cheap when nothing
 * changed. Gives each day its indexes first. Days are done one by one, each whole or not at all.
 */
int seal_days(struct pg *pg, int64_t from_us, int64_t to_us, struct seal_result *result, struct err *err);

/*
 * How many records were ever put into a day's partition, by the server's own statistics: cheap to ask, and any change
 * says that the day is worth a look. It may fall back to 0 when the server crashes. counts[i] is of day from + i.
 */
int seal_activity(struct pg *pg, int64_t from_us, int days, int64_t *counts, struct err *err);

struct seal_day {
    int64_t day_us;
    int64_t records;
    struct merkle_hash root;
};

struct seal_month {
    int64_t account_id;
    int days; /* that have records, in order */
    struct seal_day day[SEAL_DAYS_MAX];
    int64_t records;
    struct merkle_hash root; /* of the month; of an empty tree when there are no days */
};

/* The seals of an account in [from_us, to_us), at most SEAL_DAYS_MAX days, as of an instant. */
int seal_month_get(struct pg *pg, int64_t account_id, int64_t from_us, int64_t to_us, int64_t as_of_us,
                   struct seal_month *month, struct err *err);

/* Adds up days (day_us, records, root) into records and root; for who computed the days from a file. */
void seal_month_sum(struct seal_month *month);

/* The record of an invocation (its last attempt) that started in the range. ERR_NOT_FOUND. */
int seal_find(struct pg *pg, int64_t account_id, const uint8_t request_id[16], int64_t from_us, int64_t to_us,
              struct usage_record *record, struct err *err);

/* That one record is under the root of its month. */
struct seal_proof {
    struct usage_record record;
    struct seal_month month;
    int day; /* index into month.day */
    struct merkle_path in_day, in_month;
};

/* ERR_NOT_FOUND: there is no such invocation in the range, or its day was not sealed by then. */
int seal_prove(struct pg *pg, const struct seal_month *month, const struct usage_record *record, int64_t as_of_us,
               struct seal_proof *proof, struct err *err);

/* Does the proof lead from its record to its month's root? */
bool seal_proof_holds(const struct seal_proof *proof);

#endif
