/*
 * bill.h - the bill of one account and month: frozen from an invoice, or computed now (an estimate).
 *
 * Why:       reports, API and CLI print bills; this is what they print. Lines come from rate_usage or the issued
 * invoice, shares spread each line over functions and days so that every breakdown sums to its line exactly. Ownership:
 * bill_load allocates, bill_free releases.  Threads: one struct pg a thread; a loaded bill is immutable.
 */
#ifndef FARTHING_BILLING_BILL_H
#define FARTHING_BILLING_BILL_H

#include <stdbool.h>
#include <stdint.h>

#include "billing/money.h"
#include "billing/rating.h"
#include "common/calendar.h"

struct err;
struct pg;

/* One function's part of one line (version, memory and day where asked for). Quantities and minor amounts sum to the
 * line. */
struct bill_share {
    int line; /* index into lines */
    int64_t function_id;
    char function_name[65];
    int version;    /* 0 is $LATEST; -1 when not split by version */
    int memory_mib; /* 0 when not split by version */
    int64_t day_us; /* start of the UTC day; 0 when not split by day */
    int64_t quantity;
    struct exact exact_amount;
    int64_t amount_minor;
};

#define BILL_SPLIT_FUNCTION 0x1u
#define BILL_SPLIT_VERSION 0x2u
#define BILL_SPLIT_DAY 0x4u

enum bill_state { BILL_ESTIMATE, BILL_DRAFT, BILL_ISSUED, BILL_VOID, BILL_CREDITED, BILL_PARKED };

struct bill {
    int64_t account_id;
    char account_name[64];
    char display_name[256];
    struct month month;
    enum bill_state state;
    int64_t invoice_id;        /* 0 for estimates */
    char number[32];           /* "" until issued */
    int64_t issued_us, due_us; /* 0 until issued */
    bool credit_note;          /* all quantities and amounts are the opposite of those of the invoice it takes back */
    char counterpart[32];      /* number of that invoice; of a credited invoice, of its credit note; else "" */
    int64_t counterpart_us;    /* when that was issued; 0: none */
    char *reason;              /* why it was written, credited or void; NULL: nobody said */
    char digest[65];           /* of the frozen document and lines, in hex; "" until issued */
    char *buyer;               /* account.billing as it was at issue (JSON); NULL: as it is now */
    char price_book[64];
    int64_t price_version;
    int64_t complete_through_us;
    int64_t late_pending;
    char records_root[65]; /* of an issued invoice: Merkle root over its records (metering/proof.h), in hex; else "" */
    struct currency currency;
    int line_count;
    struct rated_line *lines; /* usage lines in order of meter and band, then credits, minimum fee, tax */
    int64_t
        usage_as_of_us; /* the shares are of the usage as of then (usage_as_of in SQL): more came since; 0: of now */
    int share_count;
    struct bill_share *shares; /* in order of line, function name, version, memory, day */
    int64_t net_minor, tax_minor, total_minor;
};

/*
 * The invoice of the month where one was issued and is not void, with its lines as they are frozen; else an estimate
 * from the usage there is now. ERR_NOT_FOUND for an unknown account; ERR_INVALID for a month after the current one.
 */
int bill_load(struct pg *pg, int64_t account_id, struct month month, unsigned split, struct bill **bill,
              struct err *err);
/* One issued document as it is frozen: an invoice that stands, is void or credited, or a credit note. ERR_NOT_FOUND. */
int bill_load_document(struct pg *pg, int64_t account_id, int64_t invoice_id, unsigned split, struct bill **bill,
                       struct err *err);
/* Every quantity and amount becomes its opposite: a credit note as the invoice it takes back, and the other way. */
void bill_turn(struct bill *bill);
/* The instant whose seals tell the records of a document: of its issue; of a credit note, of its invoice's. */
int64_t bill_counted_us(const struct bill *bill);
/* What the month would be billed at now, issued or not: for corrections, what-if and verification. */
int bill_estimate(struct pg *pg, int64_t account_id, struct month month, unsigned split, struct bill **bill,
                  struct err *err);
/* When the invoice of a month was issued; 0 when there is none. */
int bill_issued_at(struct pg *pg, int64_t account_id, struct month month, int64_t *issued_us, struct err *err);
void bill_free(struct bill **bill);
const char *bill_state_name(enum bill_state state);

#endif
