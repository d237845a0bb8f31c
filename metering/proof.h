/*
 * proof.h - how a month of records becomes one number that an invoice can print: the records root.
 *
 * What:      the records of an account and UTC day, in order of start, request id and attempt, are the leaves of a
 *            Merkle tree (common/merkle.h); its root, with day and count, is a leaf of the tree of the month. A leaf is
 *            the hash of a line of text that anyone can make from the records layout of a bill: docs/verification.md.
 * Why:       who holds the records can prove that they, all of them and no others, are what was billed; who holds one
 *            can prove that it was among them.
 * Threads:   any.
 */
#ifndef FARTHING_METERING_PROOF_H
#define FARTHING_METERING_PROOF_H

#include <stddef.h>
#include <stdint.h>

#include "common/merkle.h"

struct usage_record;

#define PROOF_TEXT_BYTES 512 /* both texts fit, with their NUL */

/* "farthing-record-1,acct_...,..." without a line end; returns its length. */
size_t proof_record_text(const struct usage_record *record, char text[PROOF_TEXT_BYTES]);
/* "farthing-day-1,acct_...,2026-10-03,1200,<root in hex>". */
size_t proof_day_text(int64_t account_id, int64_t day_us, int64_t records, const struct merkle_hash *root,
                      char text[PROOF_TEXT_BYTES]);

struct merkle_hash proof_record_leaf(const struct usage_record *record);

/* The order of leaves in a day, as of qsort. */
int proof_order(const struct usage_record *a, const struct usage_record *b);

#endif
