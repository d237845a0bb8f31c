/*
 * invoice_path.h - {invoice} of a path: an id (inv_7) or a number (INV-2026-000001, CN-2026-000001).
 *
 * Ownership: the query borrows the request. Threads: the request's.
 */
#ifndef FARTHING_API_INVOICE_PATH_H
#define FARTHING_API_INVOICE_PATH_H

#include <stdint.h>

struct err;
struct invoice_query;
struct request;

/* What to ask the list for to get this one. */
void invoice_path_query(const struct request *request, struct invoice_query *query);
/* Its id; ERR_NOT_FOUND when the account has no such one. */
int invoice_path_id(const struct request *request, int64_t *invoice_id, struct err *err);

#endif
