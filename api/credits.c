/* .../credits: money an account has with the operator; .../invoices/{id}/void|credit|verify: what becomes of an
 * invoice. */
#include <stdio.h>
#include <string.h>

#include "api/api.h"
#include "api/handlers.h"
#include "api/http.h"
#include "api/invoice_path.h"
#include "api/json_text.h"
#include "billing/credit.h"
#include "billing/invoice.h"
#include "common/err.h"
#include "common/ids.h"
#include "common/text.h"

static void credit_members(struct json_writer *writer, const struct credit *credit)
{
    char text[MONEY_TEXT_BYTES];
    char id[ID_TEXT_BYTES];
    id_format("cr", credit->credit_id, id);
    json_put_text(writer, "id", id);
    json_put_text(writer, "kind", credit->prepaid ? "prepaid" : "credit");
    json_put_text(writer, "currency", credit->currency.code);
    minor_format(credit->amount_minor, &credit->currency, text);
    json_put_text(writer, "amount", text);
    minor_format(credit->left_minor, &credit->currency, text);
    json_put_text(writer, "left", text);
    json_put_time_or_null(writer, "expires_at", credit->expires_us);
    json_put_text(writer, "reason", credit->reason);
    json_put_time(writer, "granted_at", credit->granted_us);
}

static int on_credit(const struct credit *credit, void *ctx, struct err *err)
{
    struct json_writer *writer = ctx;
    (void)err;
    json_open_object(writer, NULL);
    credit_members(writer, credit);
    json_close_object(writer);
    return 0;
}

int credit_list_handler(struct request *request, struct err *err)
{
    struct json_writer writer;
    reply_json_begin(request, &writer);
    json_open_array(&writer, "items");
    if (credit_list(request->pg, request->account_id, on_credit, &writer, err) != 0) {
        return -1;
    }
    json_close_array(&writer);
    json_put_null(&writer, "next");
    return reply_json_end(request, 200, &writer, err);
}

/* "12.50" in a currency to minor units: no more digits than it has. */
static int read_amount(const char *text, const struct currency *currency, int64_t *minor, struct err *err)
{
    struct decimal amount;
    if (decimal_parse(text, "/amount", currency->minor_digits, &amount, err) != 0) {
        return -1;
    }
    for (; amount.scale < currency->minor_digits; amount.scale++) {
        if (__builtin_mul_overflow(amount.value, 10, &amount.value)) {
            return err_field(err, "/amount", "amount is %.40s; that is more than can be held", text);
        }
    }
    *minor = amount.value;
    return 0;
}

static int read_credit(const cJSON *tree, struct credit *credit, struct err *err)
{
    const char *kind = "credit";
    const char *currency = NULL;
    const char *amount = NULL;
    const char *expires = NULL;
    const char *reason = NULL;
    if (json_get_text(tree, "", "kind", false, &kind, err) != 0 ||
        json_get_text(tree, "", "currency", true, &currency, err) != 0 ||
        json_get_text(tree, "", "amount", true, &amount, err) != 0 ||
        json_get_text(tree, "", "expires_at", false, &expires, err) != 0 ||
        json_get_text(tree, "", "reason", true, &reason, err) != 0 ||
        currency_find(currency, "/currency", &credit->currency, err) != 0 ||
        read_amount(amount, &credit->currency, &credit->amount_minor, err) != 0 ||
        (expires != NULL && calendar_parse(expires, "/expires_at", &credit->expires_us, err) != 0)) {
        return -1;
    }
    credit->prepaid = strcmp(kind, "prepaid") == 0;
    if (!credit->prepaid && strcmp(kind, "credit") != 0) {
        return err_field(err, "/kind", "kind is \"%.20s\"; it is credit or prepaid", kind);
    }
    if (text_copy(credit->reason, sizeof credit->reason, reason) != 0) {
        return err_field(err, "/reason", "reason is longer than %d bytes", CREDIT_REASON_BYTES - 1);
    }
    return 0;
}

int credit_create_handler(struct request *request, struct err *err)
{
    static const char *const NAMES[] = {"kind", "currency", "amount", "expires_at", "reason", NULL};
    struct credit credit = {.prepaid = false};
    struct json_writer writer;
    cJSON *tree = NULL;
    int rc = request_json(request, NAMES, &tree, err);
    if (rc == 0) {
        rc = read_credit(tree, &credit, err);
    }
    cJSON_Delete(tree);
    if (rc != 0 || credit_grant(request->pg, request->account_id, &credit, err) != 0) {
        return -1;
    }
    id_format("cr", credit.credit_id, request->audit_subject);
    reply_json_begin(request, &writer);
    credit_members(&writer, &credit);
    return reply_json_end(request, 201, &writer, err);
}

/* ---- invoices ---- */

static int change_invoice(struct request *request, bool credit, struct err *err)
{
    static const char *const NAMES[] = {"reason", NULL};
    struct credit_note note = {0};
    struct json_writer writer;
    const char *reason = NULL;
    cJSON *tree = NULL;
    int64_t invoice_id = 0;
    int rc = invoice_path_id(request, &invoice_id, err);
    if (rc == 0) {
        rc = request_json(request, NAMES, &tree, err);
    }
    if (rc == 0) {
        rc = json_get_text(tree, "", "reason", true, &reason, err);
    }
    if (rc == 0) {
        rc = credit ? invoice_credit(request->pg, request->account_id, invoice_id, reason, &note, err)
                    : invoice_void(request->pg, request->account_id, invoice_id, reason, err);
    }
    cJSON_Delete(tree);
    if (rc != 0) {
        return -1;
    }
    char id[ID_TEXT_BYTES];
    id_format("inv", invoice_id, request->audit_subject);
    reply_json_begin(request, &writer);
    json_put_text(&writer, "id", request->audit_subject);
    json_put_text(&writer, "state", credit ? "credited" : "void");
    if (credit) {
        id_format("inv", note.invoice_id, id);
        json_open_object(&writer, "credit_note");
        json_put_text(&writer, "id", id);
        json_put_text(&writer, "number", note.number);
        json_close_object(&writer);
    }
    return reply_json_end(request, 200, &writer, err);
}

int invoice_void_handler(struct request *request, struct err *err)
{
    return change_invoice(request, false, err);
}

int invoice_credit_handler(struct request *request, struct err *err)
{
    return change_invoice(request, true, err);
}

int bill_verify_handler(struct request *request, struct err *err)
{
    struct invoice_check check;
    struct json_writer writer;
    struct month month;
    if (month_parse(request_param(request, "month"), "month", &month, err) != 0 ||
        invoice_verify(request->pg, request->account_id, month, &check, err) != 0) {
        return -1;
    }
    reply_json_begin(request, &writer);
    json_put_bool(&writer, "matches", check.matches);
    json_put_i64(&writer, "lines", check.lines);
    json_put_text(&writer, "difference", check.matches ? NULL : check.difference);
    return reply_json_end(request, 200, &writer, err);
}
