/* .../audit-log, /v1/nodes */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/audit_store.h"
#include "api/handlers.h"
#include "api/http.h"
#include "api/json_text.h"
#include "api/node_store.h"
#include "common/err.h"
#include "common/ids.h"

struct list_ctx {
    struct json_writer writer;
    int64_t left, last;
    bool more;
};

static int on_row(const struct audit_row *row, void *ctx, struct err *err)
{
    struct list_ctx *list = ctx;
    char id[ID_TEXT_BYTES];
    (void)err;
    if (list->left-- == 0) {
        list->more = true;
        return 0;
    }
    json_open_object(&list->writer, NULL);
    id_format("aud", row->audit_id, id);
    json_put_text(&list->writer, "id", id);
    json_put_time(&list->writer, "at", row->at_us);
    id_format("key", row->key_id, id);
    json_put_text(&list->writer, "key", row->key_id != 0 ? id : NULL);
    id_format("acct", row->account_id, id);
    json_put_text(&list->writer, "account", row->account_id != 0 ? id : NULL);
    json_put_text(&list->writer, "action", row->action);
    json_put_text(&list->writer, "subject", row->subject);
    json_put_raw(&list->writer, "detail", row->detail);
    json_close_object(&list->writer);
    list->last = row->audit_id;
    return 0;
}

int audit_handler(struct request *request, struct err *err)
{
    struct page page;
    struct list_ctx list = {.last = 0};
    if (page_get(request, &page, err) != 0) {
        return -1;
    }
    list.left = page.limit;
    reply_json_begin(request, &list.writer);
    json_open_array(&list.writer, "items");
    if (audit_store_list(request->pg, request->account_id, strtoll(page.after, NULL, 10), page.limit + 1, on_row, &list,
                         err) != 0) {
        return -1;
    }
    char last[24];
    (void)snprintf(last, sizeof last, "%lld", (long long)list.last);
    json_close_array(&list.writer);
    page_put(request, &list.writer, list.more ? last : NULL);
    return reply_json_end(request, 200, &list.writer, err);
}

static int on_node(const struct node_row *row, void *ctx, struct err *err)
{
    struct list_ctx *list = ctx;
    (void)err;
    json_open_object(&list->writer, NULL);
    json_put_i64(&list->writer, "id", row->node_id);
    json_put_text(&list->writer, "name", row->name);
    json_put_text(&list->writer, "address", row->address);
    json_put_text(&list->writer, "version", row->version);
    json_put_time(&list->writer, "started_at", row->started_us);
    json_put_time(&list->writer, "seen_at", row->seen_us);
    json_put_raw(&list->writer, "status", row->status);
    json_close_object(&list->writer);
    return 0;
}

int node_list_handler(struct request *request, struct err *err)
{
    struct list_ctx list = {.last = 0};
    reply_json_begin(request, &list.writer);
    json_open_array(&list.writer, "items");
    if (node_store_list(request->pg, on_node, &list, err) != 0) {
        return -1;
    }
    json_close_array(&list.writer);
    json_put_null(&list.writer, "next");
    return reply_json_end(request, 200, &list.writer, err);
}
