/*
 * proof.h - proofs that travel: a JSON document that shows one invocation to be under the records root of an invoice.
 *
 * Why:       who holds it and the invoice needs nothing else, no records file, no server (docs/verification.md).
 * What:      two lines of text (metering/proof.h) and the hashes that lead from each to the root above it.
 * Ownership: plain values.      Threads: any.
 */
#ifndef FARTHING_REPORTS_PROOF_H
#define FARTHING_REPORTS_PROOF_H

#include <stdbool.h>
#include <stdio.h>

#include "metering/seal.h"

struct buf;
struct csv_reader;
struct err;

#define PROOF_FORMAT "farthing-proof-1"
#define PROOF_JSON_BYTES_MAX 65536

struct proof {
    char number[32];               /* of the invoice; "" when there is none yet */
    char record[PROOF_TEXT_BYTES]; /* "farthing-record-1,..." */
    char day[PROOF_TEXT_BYTES];    /* "farthing-day-1,..." */
    struct merkle_path in_day, in_month;
    struct merkle_hash root; /* of the month */
};

void proof_of_seal(const struct seal_proof *seal, const char *number, struct proof *proof);

/* ERR_INVALID says which step does not hold. A proof that holds leads to proof->root: compare that with the invoice. */
int proof_check(const struct proof *proof, struct err *err);

void proof_write(const struct proof *proof, struct buf *json);
int proof_read(const char *json, size_t length, struct proof *proof, struct err *err);

/* ---- from a records file ---- */

struct proof_leaf {
    int64_t started_us;
    char request_id[37];
    int attempt;
    struct merkle_hash hash;
};

struct proof_file {
    int64_t account_id;
    struct proof_leaf *leaves;
    int64_t count, room;
    char wanted[37]; /* a request id to keep the record of; "" for none */
    char record[PROOF_TEXT_BYTES];
    struct proof_leaf wanted_leaf; /* of its last attempt; attempt 0: not found */
};

/* The row the reader stands on, taken as its text says: any other text is another leaf. */
int proof_file_add(struct proof_file *file, const struct csv_reader *reader, struct err *err);
/* Sorts the leaves; the root and the days of the month they are of. */
int proof_file_month(struct proof_file *file, struct seal_month *month, struct err *err);
/* After proof_file_month: the proof of the wanted invocation. ERR_NOT_FOUND when it is not in the file. */
int proof_file_prove(const struct proof_file *file, const struct seal_month *month, struct proof *proof,
                     struct err *err);
void proof_file_free(struct proof_file *file);

#endif
