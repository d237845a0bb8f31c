/*
 * function_row.h - reading a struct function from the database; for the *_store.c files of functions only.
 */
#ifndef FARTHING_ENGINE_FUNCTION_ROW_H
#define FARTHING_ENGINE_FUNCTION_ROW_H

#include "engine/function.h"
#include "engine/quota.h"

struct pg_row;

int function_find_id(struct pg *pg, int64_t account_id, const char *name, int64_t *function_id, struct err *err);
/* One version by number. */
int function_row_get(struct pg *pg, int64_t account_id, const char *name, int version, struct function *function,
                     struct err *err);
/* $LATEST, and nobody changes the function until the transaction ends. */
int function_row_lock(struct pg *pg, int64_t account_id, const char *name, struct function *function, struct err *err);
/* expected: NULL for any; ERR_CONFLICT with slug "precondition_failed" otherwise. */
int function_row_revision(const struct function *function, const char *expected, struct err *err);
/* Before what reserves concurrency in the same transaction: two functions must not both take the last of the account.
 */
int function_row_account_lock(struct pg *pg, int64_t account_id, struct err *err);
/* -1: none. Checked against what the account may reserve; tells every node. */
int function_row_reserve(struct pg *pg, int64_t account_id, int64_t function_id, int reserved, struct err *err);
/* ERR_LIMIT naming field when a quota of the account that blocks is below wanted. */
int function_row_limit(struct pg *pg, int64_t account_id, enum quota_kind kind, int64_t wanted, const char *field,
                       struct err *err);

#endif
