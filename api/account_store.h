/*
 * account_store.h - accounts in PostgreSQL (tables account, account_name).
 *
 * Ownership: struct account is a plain value. Threads: one struct pg a thread.
 */
#ifndef FARTHING_API_ACCOUNT_STORE_H
#define FARTHING_API_ACCOUNT_STORE_H

#include <stdbool.h>
#include <stdint.h>

struct err;
struct pg;

#define ACCOUNT_JSON_BYTES_MAX 4096

struct account {
    int64_t account_id;
    char name[64];
    char display_name[256];
    char currency[8];
    char state[16]; /* "active", "suspended", "closed" */
    char price_book[64];
    char billing[ACCOUNT_JSON_BYTES_MAX]; /* JSON objects */
    char tags[ACCOUNT_JSON_BYTES_MAX];
    int64_t revision;
    int64_t created_us;
};

/* NULL members: the default. ERR_CONFLICT when the name is taken, ERR_INVALID (/price_book, /currency) when the price
 * book is not there or has another currency. */
struct account_new {
    const char *name, *display_name, *currency, *price_book, *billing, *tags;
};
int account_store_put(struct pg *pg, const struct account_new *new_account, struct account *account, struct err *err);
/* text: "acct_N" or a name. ERR_NOT_FOUND. */
int account_store_find(struct pg *pg, const char *text, struct account *account, struct err *err);
int account_store_get(struct pg *pg, int64_t account_id, struct account *account, struct err *err);
typedef int account_row_fn(const struct account *account, void *ctx, struct err *err);
/* In order of id, after exclusive; name_part NULL or a part of the name. */
int account_store_list(struct pg *pg, int64_t after, int64_t limit, const char *name_part, account_row_fn *on_row,
                       void *ctx, struct err *err);
/* NULL members stay. expected_revision < 0: any; else ERR_CONFLICT (slug "stale_version"). A change of state moves the
 * epoch. */
struct account_change {
    const char *display_name, *state, *price_book, *billing, *tags;
    int64_t expected_revision;
};
int account_store_update(struct pg *pg, int64_t account_id, const struct account_change *change,
                         struct account *account, struct err *err);

/* The function id of a name, for reports of other runtimes: made (origin external) when there is none. */
int account_store_external_function(struct pg *pg, int64_t account_id, const char *name, int64_t *function_id,
                                    struct err *err);
/* The function id of a name, deleted ones too (the newest). ERR_NOT_FOUND. */
int account_store_function_id(struct pg *pg, int64_t account_id, const char *name, int64_t *function_id,
                              struct err *err);

#endif
