#include "billing/close_extras.h"

#include "billing/credit_store.h"
#include "common/err.h"

#include <inttypes.h>
#include <stdlib.h>

/* Rows come in order of account, as the accounts of the batch stand. */
static int take_credit(const struct pg_row *row, void *ctx, struct err *err)
{
    struct close_extras *extras = ctx;
    struct close_batch *batch = extras->batch;
    int64_t account_id = pg_get_i64(row, "account_id");
    while (extras->at < batch->count && batch->accounts[extras->at].account_id < account_id) {
        extras->at++;
    }
    if (extras->at == batch->count || batch->accounts[extras->at].account_id != account_id) {
        return 0;
    }
    if (extras->credit_count == extras->credit_room) {
        int room = extras->credit_room == 0 ? 64 : extras->credit_room * 2;
        struct credit *credits = realloc(extras->credits, (size_t)room * sizeof *credits);
        extras->credits = credits != NULL ? credits : extras->credits;
        int64_t *used = realloc(extras->used_minor, (size_t)room * sizeof *used);
        extras->used_minor = used != NULL ? used : extras->used_minor;
        if (credits == NULL || used == NULL) {
            return err_set(err, ERR_SYSTEM, "close: out of memory");
        }
        extras->credit_room = room;
    }
    struct close_account *account = &batch->accounts[extras->at];
    if (account->credit_count++ == 0) {
        account->first_credit = extras->credit_count;
    }
    extras->used_minor[extras->credit_count] = 0;
    return credit_of_row(row, &extras->credits[extras->credit_count++], err);
}

static int take_due(int64_t account_id, struct month month, void *ctx, struct err *err)
{
    struct close_extras *extras = ctx;
    if (extras->due_count == extras->due_room) {
        int room = extras->due_room == 0 ? 64 : extras->due_room * 2;
        struct close_due *more = realloc(extras->dues, (size_t)room * sizeof *more);
        if (more == NULL) {
            return err_set(err, ERR_SYSTEM, "close: out of memory");
        }
        extras->dues = more;
        extras->due_room = room;
    }
    extras->dues[extras->due_count++] = (struct close_due){.account_id = account_id, .month = month};
    return 0;
}

int close_extras_load(struct close_extras *extras, struct pg *pg, struct close_batch *batch, int64_t from_us,
                      struct err *err)
{
    extras->batch = batch;
    extras->at = 0;
    extras->credit_count = 0;
    extras->due_count = 0;
    if (batch->count == 0) {
        return 0;
    }
    if (extras->corrections == NULL) {
        extras->corrections = malloc(sizeof *extras->corrections);
        if (extras->corrections == NULL) {
            return err_set(err, ERR_SYSTEM, "close: out of memory");
        }
    }
    const char *accounts = buf_text(&batch->ids);
    return credit_store_usable(pg, accounts, from_us, take_credit, extras, err) == 0
               ? correction_due(pg, accounts, from_us, take_due, extras, err)
               : -1;
}

int close_extras_of(struct close_extras *extras, struct pg *pg, const struct close_account *account,
                    struct bill_extras *of, struct err *err)
{
    extras->corrections->count = 0;
    for (int i = 0; i < extras->due_count; i++) {
        if (extras->dues[i].account_id == account->account_id &&
            correction_add(pg, account->account_id, extras->dues[i].month, extras->corrections, err) != 0) {
            return -1;
        }
    }
    *of =
        (struct bill_extras){.corrections = extras->corrections->lines, .correction_count = extras->corrections->count};
    if (account->credit_count > 0) {
        of->credits = &extras->credits[account->first_credit];
        of->used_minor = &extras->used_minor[account->first_credit];
        of->credit_count = account->credit_count;
    }
    return 0;
}

void close_extras_put_uses(const struct bill_extras *of, const struct close_account *account, struct buf *out)
{
    for (int i = 0; i < of->credit_count; i++) {
        if (of->used_minor[i] > 0) {
            buf_printf(out, "%" PRId64 "\t%" PRId64 "\t%" PRId64 "\t%" PRId64 "\n", account->account_id,
                       of->credits[i].credit_id, account->invoice_id, of->used_minor[i]);
        }
    }
}

void close_extras_free(struct close_extras *extras)
{
    free(extras->credits);
    free(extras->used_minor);
    free(extras->dues);
    free(extras->corrections);
    *extras = (struct close_extras){.batch = NULL};
}
