/* /v1/accounts */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/account_store.h"
#include "api/api.h"
#include "api/auth.h"
#include "api/handlers.h"
#include "api/http.h"
#include "api/json_text.h"
#include "common/calendar.h"
#include "common/err.h"
#include "common/ids.h"
#include "common/text.h"
#include "reports/party.h"

static void account_members(struct json_writer *writer, const struct account *account)
{
    char text[CALENDAR_TEXT_BYTES];
    char id[ID_TEXT_BYTES];
    id_format("acct", account->account_id, id);
    json_put_text(writer, "id", id);
    json_put_text(writer, "name", account->name);
    json_put_text(writer, "display_name", account->display_name);
    json_put_text(writer, "currency", account->currency);
    json_put_text(writer, "state", account->state);
    json_put_text(writer, "price_book", account->price_book);
    json_put_raw(writer, "billing", account->billing);
    json_put_raw(writer, "tags", account->tags);
    json_put_i64(writer, "revision", account->revision);
    calendar_format(account->created_us, text);
    json_put_text(writer, "created_at", text);
}

static int account_reply(struct request *request, int status, const struct account *account, struct err *err)
{
    struct json_writer writer;
    reply_json_begin(request, &writer);
    account_members(&writer, account);
    reply_etag_revision(request, account->revision);
    return reply_json_end(request, status, &writer, err);
}

/* Texts of a request that may change an account; owned where they are JSON. */
struct account_fields {
    const char *name, *display_name, *currency, *price_book, *state;
    char *billing, *tags;
};

static void fields_free(struct account_fields *fields)
{
    free(fields->billing);
    free(fields->tags);
}

/* What invoices print must be printable; other members are the operator's own. */
static int billing_check(const char *billing, struct err *err)
{
    struct party party;
    char pointer[80];
    if (party_parse(billing, strlen(billing), false, &party, err) == 0) {
        return 0;
    }
    (void)snprintf(pointer, sizeof pointer, "/billing%.60s", err->field);
    return err_at(err, pointer);
}

static int fields_read(const cJSON *tree, struct account_fields *fields, struct err *err)
{
    if (json_get_text(tree, "", "name", false, &fields->name, err) != 0 ||
        json_get_text(tree, "", "display_name", false, &fields->display_name, err) != 0 ||
        json_get_text(tree, "", "currency", false, &fields->currency, err) != 0 ||
        json_get_text(tree, "", "price_book", false, &fields->price_book, err) != 0 ||
        json_get_text(tree, "", "state", false, &fields->state, err) != 0 ||
        json_flat_text(tree, "tags", ACCOUNT_JSON_BYTES_MAX, &fields->tags, err) != 0 ||
        json_object_text(tree, "billing", ACCOUNT_JSON_BYTES_MAX, &fields->billing, err) != 0) {
        return -1;
    }
    if (fields->display_name != NULL && fields->display_name[0] != '\0' &&
        name_check_text(fields->display_name, 255, "/display_name", err) != 0) {
        return -1;
    }
    if (fields->billing != NULL && billing_check(fields->billing, err) != 0) {
        return -1;
    }
    const char *state = fields->state;
    if (state != NULL && strcmp(state, "active") != 0 && strcmp(state, "suspended") != 0 &&
        strcmp(state, "closed") != 0) {
        return err_field(err, "/state", "state is \"%.40s\"; it is active, suspended or closed", state);
    }
    return 0;
}

int account_create_handler(struct request *request, struct err *err)
{
    static const char *const names[] = {"name", "display_name", "currency", "price_book", "billing", "tags", NULL};
    struct account_fields fields = {0};
    struct account account;
    cJSON *tree = NULL;
    int rc = request_json(request, names, &tree, err);
    if (rc == 0) {
        rc = fields_read(tree, &fields, err);
    }
    if (rc == 0) {
        rc = fields.name == NULL ? err_field(err, "/name", "name is missing")
                                 : name_check_account(fields.name, "/name", err);
    }
    if (rc == 0) {
        const struct account_new n = {.name = fields.name,
                                      .display_name = fields.display_name,
                                      .currency = fields.currency,
                                      .price_book = fields.price_book,
                                      .billing = fields.billing,
                                      .tags = fields.tags};
        rc = account_store_put(request->pg, &n, &account, err);
    }
    if (rc == 0) {
        char location[64];
        id_format("acct", account.account_id, request->audit_subject);
        (void)snprintf(location, sizeof location, "/v1/accounts/%.40s", request->audit_subject);
        reply_header(&request->reply, "Location", location);
        request->account_id = account.account_id;
        rc = account_reply(request, 201, &account, err);
    }
    fields_free(&fields);
    cJSON_Delete(tree);
    return rc;
}

struct list_ctx {
    struct json_writer writer;
    int64_t left;
    int64_t last;
    bool more;
};

static int on_account(const struct account *account, void *ctx, struct err *err)
{
    struct list_ctx *list = ctx;
    (void)err;
    if (list->left-- == 0) {
        list->more = true;
        return 0;
    }
    json_open_object(&list->writer, NULL);
    account_members(&list->writer, account);
    json_close_object(&list->writer);
    list->last = account->account_id;
    return 0;
}

/* All accounts for an admin; the one account of a key for everybody else. */
int account_list_handler(struct request *request, struct err *err)
{
    struct page page;
    struct list_ctx list = {.last = 0};
    if (page_get(request, &page, err) != 0) {
        return -1;
    }
    int64_t after = page.after[0] != '\0' ? strtoll(page.after, NULL, 10) : 0;
    list.left = page.limit;
    reply_json_begin(request, &list.writer);
    json_open_array(&list.writer, "items");
    int rc;
    if (request->caller.account_id != 0) {
        struct account account;
        rc = account_store_get(request->pg, request->caller.account_id, &account, err);
        if (rc == 0) {
            rc = on_account(&account, &list, err);
        }
    } else {
        rc = account_store_list(request->pg, after, page.limit + 1, request_query(request, "name"), on_account, &list,
                                err);
    }
    if (rc != 0) {
        return -1;
    }
    char last[24];
    (void)snprintf(last, sizeof last, "%lld", (long long)list.last);
    json_close_array(&list.writer);
    page_put(request, &list.writer, list.more ? last : NULL);
    return reply_json_end(request, 200, &list.writer, err);
}

int account_get_handler(struct request *request, struct err *err)
{
    struct account account;
    if (account_store_get(request->pg, request->account_id, &account, err) != 0) {
        return -1;
    }
    return account_reply(request, 200, &account, err);
}

static int account_change(struct request *request, const struct account_fields *fields, struct err *err)
{
    struct account account;
    char etag[32];
    if (account_store_get(request->pg, request->account_id, &account, err) != 0) {
        return -1;
    }
    etag_revision(account.revision, etag);
    if (request_if_match(request, etag, err) != 0) {
        return -1;
    }
    const struct account_change change = {.display_name = fields->display_name,
                                          .state = fields->state,
                                          .price_book = fields->price_book,
                                          .billing = fields->billing,
                                          .tags = fields->tags,
                                          .expected_revision =
                                              request_header(request, "If-Match") != NULL ? account.revision : -1};
    if (account_store_update(request->pg, request->account_id, &change, &account, err) != 0) {
        return -1;
    }
    auth_forget(api_auth(request->api));
    const struct api_options *options = api_get_options(request->api);
    if (options->price_changed != NULL && fields->price_book != NULL) {
        options->price_changed(options->price_ctx);
    }
    id_format("acct", account.account_id, request->audit_subject);
    return account_reply(request, 200, &account, err);
}

int account_patch_handler(struct request *request, struct err *err)
{
    static const char *const names[] = {"display_name", "state", "price_book", "billing", "tags", NULL};
    struct account_fields fields = {0};
    cJSON *tree = NULL;
    int rc = request_json(request, names, &tree, err);
    if (rc == 0) {
        rc = fields_read(tree, &fields, err);
    }
    if (rc == 0) {
        rc = account_change(request, &fields, err);
    }
    fields_free(&fields);
    cJSON_Delete(tree);
    return rc;
}
