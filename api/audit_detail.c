/* audit_detail.c - what an audited change changed: the resource before and after it, for prices, quotas, accounts,
 * invoices. */
#include <string.h>

#include "api/handlers.h"
#include "api/http.h"
#include "common/err.h"

/* How the resource of an action is read. */
static const struct {
    const char *action;
    int (*get)(struct request *request, struct err *err);
} READERS[] = {
    {"account.change", account_get_handler},
    {"quota.set", quota_get_handler},
    {"quota.remove", quota_get_handler},
    {"price_book.put", price_book_get_handler},
    {"price_override.put", price_override_list_handler},
    {"invoice.void", invoice_get_handler},
    {"invoice.credit", invoice_get_handler},
};

/* What moves by itself, and what is kept elsewhere for ever (documents of books, lines of invoices). */
static const char *const LEFT_OUT[] = {"used",     "held",  "available", "as_of",   "resets_at",
                                       "document", "lines", "usage",     "forecast"};

static void tidy(cJSON *tree)
{
    for (size_t i = 0; i < sizeof LEFT_OUT / sizeof LEFT_OUT[0]; i++) {
        cJSON_DeleteItemFromObjectCaseSensitive(tree, LEFT_OUT[i]);
    }
}

/* The text of a resource, "null" when there is none. A list stands for its first item, the newest. */
static void put_text(const struct reply *reply, struct buf *out)
{
    cJSON *tree = reply->status == 200 && reply->fd < 0 ? cJSON_Parse(buf_text(&reply->body)) : NULL;
    cJSON *items = cJSON_GetObjectItemCaseSensitive(tree, "items");
    cJSON *resource = items != NULL ? cJSON_GetArrayItem(items, 0) : tree;
    if (items == NULL) {
        tidy(resource); /* what was agreed with an account is its document: that one stays */
    }
    char *text = resource != NULL ? cJSON_PrintUnformatted(resource) : NULL;
    buf_puts(out, text != NULL ? text : "null");
    cJSON_free(text);
    cJSON_Delete(tree);
}

static void read_now(struct request *request, struct buf *out)
{
    const char *action = request->route->action;
    for (size_t i = 0; action != NULL && i < sizeof READERS / sizeof READERS[0]; i++) {
        if (strcmp(READERS[i].action, action) == 0) {
            struct reply answer = request->reply;
            struct err none = {0};
            reply_init(&request->reply);
            if (READERS[i].get(request, &none) != 0) {
                reply_reset(&request->reply);
            }
            put_text(&request->reply, out);
            reply_free(&request->reply);
            request->reply = answer;
        }
    }
}

void audit_before(struct request *request)
{
    read_now(request, &request->audit_detail);
}

void audit_after(struct request *request)
{
    struct buf detail = {0};
    if (request->audit_detail.length == 0) {
        return;
    }
    buf_puts(&detail, "{\"before\":");
    buf_append(&detail, buf_text(&request->audit_detail), request->audit_detail.length);
    buf_puts(&detail, ",\"after\":");
    read_now(request, &detail);
    buf_putc(&detail, '}');
    buf_free(&request->audit_detail);
    request->audit_detail = detail;
}
