/* The table of all routes, and finding the one of a request. */
#include <stdio.h>
#include <string.h>

#include "api/handlers.h"
#include "api/http.h"
#include "api/server.h"
#include "common/err.h"
#include "engine/engine.h"

#define SMALL (256u * 1024)
#define CODE (70167211u) /* a 50 MiB package in base64 and its settings: Lambda's own limit */
#define EVENTS (8u * 1024 * 1024)
#define BOOK (1024u * 1024)
#define INVOKE ((size_t)INVOKE_REQUEST_BYTES_MAX)

#define IDEM (ROUTE_IDEMPOTENT | ROUTE_AUDIT | ROUTE_JSON)
#define CHANGE (ROUTE_AUDIT | ROUTE_JSON)
#define A "/v1/accounts/{a}"
#define F "/v1/accounts/{a}/functions/{f}"
#define LAYER "/v1/accounts/{a}/layers/{layer}"
#define LIST "limit cursor"
#define USAGE "from to granularity group_by function format limit offset month"
#define REPORT "layout format focus_version csv_safe bom letter csvw_of sha256"
#define L15 "/2015-03-31/functions/{f}"
#define L19 "/2019-09-25/functions/{f}"
#define L21 "/2021-10-31/functions/{f}"
#define L18 "/2018-10-31/layers"

/* method, pattern, scope, flags, body_bytes_max, query, handler, action */
static const struct route ROUTES[] = {
    {HTTP_POST, F "/invocations", SCOPE_ACCOUNT, ROUTE_INLINE | ROUTE_QUIET, INVOKE, "type log qualifier",
     invocation_create_handler, NULL},
    {HTTP_POST, L15 "/invocations", SCOPE_ACCOUNT, ROUTE_INLINE | ROUTE_QUIET | ROUTE_LAMBDA, INVOKE, "*",
     lambda_invoke_handler, NULL},

    {HTTP_GET, "/v1/accounts", SCOPE_READ, 0, 0, LIST " name", account_list_handler, NULL},
    {HTTP_POST, "/v1/accounts", SCOPE_ADMIN, IDEM, SMALL, "", account_create_handler, "account.create"},
    {HTTP_GET, A, SCOPE_READ, 0, 0, "", account_get_handler, NULL},
    {HTTP_PATCH, A, SCOPE_ADMIN, CHANGE, SMALL, "", account_patch_handler, "account.change"},

    {HTTP_GET, "/v1/key", SCOPE_READ, 0, 0, "", key_self_handler, NULL},
    {HTTP_GET, "/v1/keys", SCOPE_ADMIN, 0, 0, LIST, key_list_handler, NULL},
    {HTTP_POST, "/v1/keys", SCOPE_ADMIN, IDEM, SMALL, "", key_create_handler, "key.create"},
    {HTTP_DELETE, "/v1/keys/{key}", SCOPE_ADMIN, ROUTE_AUDIT, 0, "", key_revoke_handler, "key.revoke"},
    {HTTP_GET, A "/keys", SCOPE_ACCOUNT, 0, 0, LIST, key_list_handler, NULL},
    {HTTP_POST, A "/keys", SCOPE_ACCOUNT, IDEM, SMALL, "", key_create_handler, "key.create"},
    {HTTP_DELETE, A "/keys/{key}", SCOPE_ACCOUNT, ROUTE_AUDIT, 0, "", key_revoke_handler, "key.revoke"},

    {HTTP_GET, A "/functions", SCOPE_READ, 0, 0, LIST, function_list_handler, NULL},
    {HTTP_POST, A "/functions", SCOPE_ACCOUNT, ROUTE_IDEMPOTENT | ROUTE_AUDIT, CODE, "*", function_create_handler,
     "function.create"},
    {HTTP_GET, F, SCOPE_READ, 0, 0, "qualifier", function_get_handler, NULL},
    {HTTP_PATCH, F, SCOPE_ACCOUNT, ROUTE_AUDIT | ROUTE_JSON, CODE, "", function_patch_handler, "function.change"},
    {HTTP_DELETE, F, SCOPE_ACCOUNT, ROUTE_AUDIT, 0, "qualifier", function_delete_handler, "function.delete"},
    {HTTP_PUT, F "/code", SCOPE_ACCOUNT, ROUTE_AUDIT, CODE, "", function_code_put_handler, "function.code"},
    {HTTP_GET, F "/code", SCOPE_ACCOUNT, 0, 0, "qualifier", function_code_get_handler, NULL},
    {HTTP_GET, F "/versions", SCOPE_READ, 0, 0, "", version_list_handler, NULL},
    {HTTP_POST, F "/versions", SCOPE_ACCOUNT, IDEM, SMALL, "", version_create_handler, "function.publish"},
    {HTTP_GET, F "/aliases", SCOPE_READ, 0, 0, "", alias_list_handler, NULL},
    {HTTP_GET, F "/aliases/{alias}", SCOPE_READ, 0, 0, "", alias_get_handler, NULL},
    {HTTP_PUT, F "/aliases/{alias}", SCOPE_ACCOUNT, CHANGE, SMALL, "", alias_put_handler, "alias.set"},
    {HTTP_DELETE, F "/aliases/{alias}", SCOPE_ACCOUNT, ROUTE_AUDIT, 0, "", alias_delete_handler, "alias.delete"},
    {HTTP_GET, F "/urls", SCOPE_READ, 0, 0, "", url_list_handler, NULL},
    {HTTP_GET, F "/url", SCOPE_READ, 0, 0, "qualifier", url_get_handler, NULL},
    {HTTP_PUT, F "/url", SCOPE_ACCOUNT, CHANGE, SMALL, "qualifier", url_put_handler, "function_url.set"},
    {HTTP_DELETE, F "/url", SCOPE_ACCOUNT, ROUTE_AUDIT, 0, "qualifier", url_delete_handler, "function_url.delete"},
    {HTTP_GET, A "/layers", SCOPE_READ, 0, 0, LIST, layer_list_handler, NULL},
    {HTTP_GET, LAYER "/versions", SCOPE_READ, 0, 0, LIST, layer_version_list_handler, NULL},
    {HTTP_POST, LAYER "/versions", SCOPE_ACCOUNT, ROUTE_IDEMPOTENT | ROUTE_AUDIT, CODE, "description license",
     layer_publish_handler, "layer.publish"},
    {HTTP_GET, LAYER "/versions/{version}", SCOPE_READ, 0, 0, "", layer_get_handler, NULL},
    {HTTP_DELETE, LAYER "/versions/{version}", SCOPE_ACCOUNT, ROUTE_AUDIT, 0, "", layer_delete_handler, "layer.delete"},
    {HTTP_GET, LAYER "/versions/{version}/code", SCOPE_ACCOUNT, 0, 0, "", layer_code_get_handler, NULL},
    {HTTP_GET, F "/invocations", SCOPE_READ, 0, 0, LIST " from to format", invocation_list_handler, NULL},
    {HTTP_GET, A "/invocations", SCOPE_READ, 0, 0, LIST " from to format", invocation_list_handler, NULL},
    {HTTP_GET, A "/invocations/{request}/proof", SCOPE_READ, 0, 0, "month", invocation_proof_handler, NULL},
    {HTTP_GET, F "/logs", SCOPE_READ, 0, 0, "since limit follow format", log_handler, NULL},
    {HTTP_GET, F "/usage", SCOPE_READ, ROUTE_KEPT, 0, USAGE, usage_handler, NULL},

    {HTTP_GET, A "/usage", SCOPE_READ, ROUTE_KEPT, 0, USAGE, usage_handler, NULL},
    {HTTP_GET, "/v1/usage", SCOPE_ADMIN, 0, 0, USAGE, usage_all_handler, NULL},
    {HTTP_GET, A "/cost", SCOPE_READ, ROUTE_KEPT, 0, "month by explain under grain init resize memory", cost_handler,
     NULL},

    {HTTP_GET, A "/quotas", SCOPE_READ, 0, 0, "", quota_list_handler, NULL},
    {HTTP_GET, A "/quotas/{quota}", SCOPE_READ, 0, 0, "", quota_get_handler, NULL},
    {HTTP_PUT, A "/quotas/{quota}", SCOPE_ADMIN, CHANGE, SMALL, "", quota_put_handler, "quota.set"},
    {HTTP_DELETE, A "/quotas/{quota}", SCOPE_ADMIN, ROUTE_AUDIT, 0, "", quota_delete_handler, "quota.remove"},
    {HTTP_POST, A "/quotas/{quota}/dry-run", SCOPE_READ, 0, SMALL, "", quota_dry_run_handler, NULL},
    {HTTP_GET, A "/refusals", SCOPE_READ, 0, 0, "from to", refusal_list_handler, NULL},
    {HTTP_GET, A "/notices", SCOPE_READ, 0, 0, "limit", notice_list_handler, NULL},
    {HTTP_GET, "/v1/quotas", SCOPE_ADMIN, 0, 0, "", quota_list_handler, NULL},
    {HTTP_GET, "/v1/quota-escrow", SCOPE_ADMIN, 0, 0, "", quota_escrow_handler, NULL},
    {HTTP_GET, "/v1/quota-levels", SCOPE_ADMIN, 0, 0, "min_percent limit", quota_level_list_handler, NULL},
    {HTTP_GET, "/v1/spenders", SCOPE_ADMIN, 0, 0, "month limit", spender_list_handler, NULL},
    {HTTP_GET, "/v1/quotas/{quota}", SCOPE_ADMIN, 0, 0, "", quota_get_handler, NULL},
    {HTTP_PUT, "/v1/quotas/{quota}", SCOPE_ADMIN, CHANGE, SMALL, "", quota_put_handler, "quota.set"},
    {HTTP_DELETE, "/v1/quotas/{quota}", SCOPE_ADMIN, ROUTE_AUDIT, 0, "", quota_delete_handler, "quota.remove"},

    {HTTP_GET, A "/bills/{month}", SCOPE_READ, 0, 0, REPORT, bill_handler, NULL},
    {HTTP_GET, "/v1/bills/{month}", SCOPE_ADMIN, 0, 0, REPORT, bill_all_handler, NULL},
    {HTTP_GET, A "/invoices", SCOPE_READ, 0, 0, LIST " month", invoice_list_handler, NULL},
    {HTTP_GET, A "/invoices/{invoice}", SCOPE_READ, 0, 0, "", invoice_get_handler, NULL},
    {HTTP_POST, A "/invoices/{invoice}/void", SCOPE_ADMIN, CHANGE, SMALL, "", invoice_void_handler, "invoice.void"},
    {HTTP_POST, A "/invoices/{invoice}/credit", SCOPE_ADMIN, CHANGE, SMALL, "", invoice_credit_handler,
     "invoice.credit"},
    {HTTP_GET, A "/credits", SCOPE_READ, 0, 0, "", credit_list_handler, NULL},
    {HTTP_POST, A "/credits", SCOPE_ADMIN, IDEM, SMALL, "", credit_create_handler, "credit.grant"},
    {HTTP_GET, A "/bills/{month}/verify", SCOPE_READ, 0, 0, "", bill_verify_handler, NULL},
    {HTTP_GET, "/v1/months/{month}/close", SCOPE_ADMIN, 0, 0, "", month_close_get_handler, NULL},
    {HTTP_POST, "/v1/months/{month}/close", SCOPE_ADMIN, CHANGE, SMALL, "", month_close_post_handler, "month.close"},
    {HTTP_GET, A "/invoices/{invoice}/document", SCOPE_READ, 0, 0, REPORT, invoice_document_handler, NULL},
    {HTTP_GET, A "/invoices/{invoice}/lines", SCOPE_READ, 0, 0, "", invoice_lines_handler, NULL},
    {HTTP_GET, A "/invoices/{invoice}/lines/{line}/records", SCOPE_READ, 0, 0, "format", invoice_line_records_handler,
     NULL},

    {HTTP_GET, "/v1/price-books", SCOPE_READ, 0, 0, "", price_book_list_handler, NULL},
    {HTTP_GET, "/v1/price-books/{book}", SCOPE_READ, 0, 0, "version", price_book_get_handler, NULL},
    {HTTP_PUT, "/v1/price-books/{book}", SCOPE_ADMIN, CHANGE, BOOK, "effective_from", price_book_put_handler,
     "price_book.put"},
    {HTTP_GET, "/v1/price-books/{book}/rerate", SCOPE_ADMIN, 0, 0, "month from to other account format", rerate_handler,
     NULL},
    {HTTP_GET, A "/price-overrides", SCOPE_READ, 0, 0, "", price_override_list_handler, NULL},
    {HTTP_PUT, A "/price-overrides", SCOPE_ADMIN, CHANGE, BOOK, "effective_from", price_override_put_handler,
     "price_override.put"},

    {HTTP_POST, "/v1/events", SCOPE_ACCOUNT, 0, EVENTS, "", event_handler, NULL},
    {HTTP_POST, "/api/v1/events", SCOPE_ACCOUNT, 0, EVENTS, "", event_openmeter_handler, NULL},

    {HTTP_GET, A "/webhooks", SCOPE_ACCOUNT, 0, 0, "", webhook_list_handler, NULL},
    {HTTP_POST, A "/webhooks", SCOPE_ACCOUNT, IDEM, SMALL, "", webhook_create_handler, "webhook.create"},
    {HTTP_GET, A "/webhooks/{webhook}", SCOPE_ACCOUNT, 0, 0, "", webhook_get_handler, NULL},
    {HTTP_DELETE, A "/webhooks/{webhook}", SCOPE_ACCOUNT, ROUTE_AUDIT, 0, "", webhook_delete_handler, "webhook.delete"},
    {HTTP_POST, A "/webhooks/{webhook}/test", SCOPE_ACCOUNT, ROUTE_AUDIT, SMALL, "", webhook_test_handler,
     "webhook.test"},
    {HTTP_GET, A "/webhooks/{webhook}/deliveries", SCOPE_ACCOUNT, 0, 0, LIST, webhook_deliveries_handler, NULL},

    {HTTP_GET, A "/audit-log", SCOPE_ACCOUNT, 0, 0, LIST, audit_handler, NULL},
    {HTTP_GET, "/v1/audit-log", SCOPE_ADMIN, 0, 0, LIST, audit_handler, NULL},
    {HTTP_GET, "/v1/nodes", SCOPE_ADMIN, 0, 0, "", node_list_handler, NULL},

    {HTTP_GET, "/healthz", SCOPE_NONE, ROUTE_INLINE | ROUTE_NO_PG | ROUTE_QUIET, 0, "*", healthz_handler, NULL},
    {HTTP_GET, "/readyz", SCOPE_NONE, ROUTE_NO_PG | ROUTE_QUIET, 0, "*", readyz_handler, NULL},
    {HTTP_GET, "/v1/metrics", SCOPE_ADMIN, ROUTE_QUIET, 0, "", function_metrics_handler, NULL},
    {HTTP_GET, A "/metrics", SCOPE_READ, ROUTE_QUIET, 0, "", function_metrics_handler, NULL},
    {HTTP_GET, "/metrics", SCOPE_NONE, ROUTE_NO_PG | ROUTE_QUIET, 0, "*", metrics_handler, NULL},
    {HTTP_GET, "/openapi.json", SCOPE_NONE, ROUTE_INLINE | ROUTE_NO_PG | ROUTE_QUIET, 0, "", openapi_handler, NULL},

    {HTTP_POST, "/2014-11-13/functions/{f}/invoke-async", SCOPE_ACCOUNT, ROUTE_LAMBDA | ROUTE_QUIET, INVOKE, "*",
     lambda_invoke_async_handler, NULL},
    {HTTP_POST, "/2021-11-15/functions/{f}/response-streaming-invocations", SCOPE_ACCOUNT, ROUTE_LAMBDA | ROUTE_QUIET,
     INVOKE, "*", lambda_invoke_stream_handler, NULL},
    {HTTP_POST, "/2015-03-31/functions", SCOPE_ACCOUNT, ROUTE_LAMBDA, CODE, "*", lambda_create_handler, NULL},
    {HTTP_GET, "/2015-03-31/functions", SCOPE_READ, ROUTE_LAMBDA, 0, "*", lambda_list_handler, NULL},
    {HTTP_GET, L15, SCOPE_READ, ROUTE_LAMBDA, 0, "*", lambda_get_handler, NULL},
    {HTTP_DELETE, L15, SCOPE_ACCOUNT, ROUTE_LAMBDA, SMALL, "*", lambda_delete_handler, NULL},
    {HTTP_GET, L15 "/configuration", SCOPE_READ, ROUTE_LAMBDA, 0, "*", lambda_configuration_get_handler, NULL},
    {HTTP_PUT, L15 "/configuration", SCOPE_ACCOUNT, ROUTE_LAMBDA, SMALL, "*", lambda_configuration_put_handler, NULL},
    {HTTP_PUT, L15 "/code", SCOPE_ACCOUNT, ROUTE_LAMBDA, CODE, "*", lambda_code_put_handler, NULL},
    {HTTP_POST, L15 "/versions", SCOPE_ACCOUNT, ROUTE_LAMBDA, SMALL, "*", lambda_version_create_handler, NULL},
    {HTTP_GET, L15 "/versions", SCOPE_READ, ROUTE_LAMBDA, 0, "*", lambda_version_list_handler, NULL},
    {HTTP_POST, L15 "/aliases", SCOPE_ACCOUNT, ROUTE_LAMBDA, SMALL, "*", lambda_alias_create_handler, NULL},
    {HTTP_GET, L15 "/aliases", SCOPE_READ, ROUTE_LAMBDA, 0, "*", lambda_alias_list_handler, NULL},
    {HTTP_GET, L15 "/aliases/{alias}", SCOPE_READ, ROUTE_LAMBDA, 0, "*", lambda_alias_get_handler, NULL},
    {HTTP_PUT, L15 "/aliases/{alias}", SCOPE_ACCOUNT, ROUTE_LAMBDA, SMALL, "*", lambda_alias_put_handler, NULL},
    {HTTP_DELETE, L15 "/aliases/{alias}", SCOPE_ACCOUNT, ROUTE_LAMBDA, SMALL, "*", lambda_alias_delete_handler, NULL},
    {HTTP_PUT, "/2017-10-31/functions/{f}/concurrency", SCOPE_ACCOUNT, ROUTE_LAMBDA, SMALL, "*",
     lambda_concurrency_put_handler, NULL},
    {HTTP_DELETE, "/2017-10-31/functions/{f}/concurrency", SCOPE_ACCOUNT, ROUTE_LAMBDA, SMALL, "*",
     lambda_concurrency_delete_handler, NULL},
    {HTTP_GET, "/2019-09-30/functions/{f}/concurrency", SCOPE_READ, ROUTE_LAMBDA, 0, "*",
     lambda_concurrency_get_handler, NULL},
    {HTTP_PUT, "/2019-09-30/functions/{f}/provisioned-concurrency", SCOPE_ACCOUNT, ROUTE_LAMBDA, SMALL, "*",
     lambda_provisioned_put_handler, NULL},
    {HTTP_GET, "/2019-09-30/functions/{f}/provisioned-concurrency", SCOPE_READ, ROUTE_LAMBDA, 0, "*",
     lambda_provisioned_get_handler, NULL},
    {HTTP_DELETE, "/2019-09-30/functions/{f}/provisioned-concurrency", SCOPE_ACCOUNT, ROUTE_LAMBDA, SMALL, "*",
     lambda_provisioned_delete_handler, NULL},
    {HTTP_GET, "/2016-08-19/account-settings", SCOPE_READ, ROUTE_LAMBDA, 0, "*", lambda_account_settings_handler, NULL},
    {HTTP_PUT, L19 "/event-invoke-config", SCOPE_ACCOUNT, ROUTE_LAMBDA, SMALL, "*", lambda_event_config_put_handler,
     NULL},
    {HTTP_POST, L19 "/event-invoke-config", SCOPE_ACCOUNT, ROUTE_LAMBDA, SMALL, "*", lambda_event_config_update_handler,
     NULL},
    {HTTP_GET, L19 "/event-invoke-config", SCOPE_READ, ROUTE_LAMBDA, 0, "*", lambda_event_config_get_handler, NULL},
    {HTTP_DELETE, L19 "/event-invoke-config", SCOPE_ACCOUNT, ROUTE_LAMBDA, SMALL, "*",
     lambda_event_config_delete_handler, NULL},
    {HTTP_GET, L19 "/event-invoke-config/list", SCOPE_READ, ROUTE_LAMBDA, 0, "*", lambda_event_config_list_handler,
     NULL},
    {HTTP_POST, L21 "/url", SCOPE_ACCOUNT, ROUTE_LAMBDA | ROUTE_AUDIT, SMALL, "*", lambda_url_create_handler,
     "function_url.create"},
    {HTTP_GET, L21 "/url", SCOPE_READ, ROUTE_LAMBDA, 0, "*", lambda_url_get_handler, NULL},
    {HTTP_PUT, L21 "/url", SCOPE_ACCOUNT, ROUTE_LAMBDA | ROUTE_AUDIT, SMALL, "*", lambda_url_put_handler,
     "function_url.change"},
    {HTTP_DELETE, L21 "/url", SCOPE_ACCOUNT, ROUTE_LAMBDA | ROUTE_AUDIT, SMALL, "*", lambda_url_delete_handler,
     "function_url.delete"},
    {HTTP_GET, L21 "/urls", SCOPE_READ, ROUTE_LAMBDA, 0, "*", lambda_url_list_handler, NULL},
    {HTTP_GET, L18, SCOPE_READ, ROUTE_LAMBDA, 0, "*", lambda_layer_list_handler, NULL},
    {HTTP_POST, L18 "/{layer}/versions", SCOPE_ACCOUNT, ROUTE_LAMBDA, CODE, "*", lambda_layer_publish_handler, NULL},
    {HTTP_GET, L18 "/{layer}/versions", SCOPE_READ, ROUTE_LAMBDA, 0, "*", lambda_layer_version_list_handler, NULL},
    {HTTP_GET, L18 "/{layer}/versions/{version}", SCOPE_READ, ROUTE_LAMBDA, 0, "*", lambda_layer_get_handler, NULL},
    {HTTP_DELETE, L18 "/{layer}/versions/{version}", SCOPE_ACCOUNT, ROUTE_LAMBDA, SMALL, "*",
     lambda_layer_delete_handler, NULL},
    {HTTP_GET, "/2015-03-31/packages/{package}", SCOPE_NONE, ROUTE_LAMBDA, 0, "*", lambda_package_handler, NULL},
    {HTTP_GET, "/2017-03-31/tags/{arn}", SCOPE_READ, ROUTE_LAMBDA, 0, "*", lambda_tags_get_handler, NULL},
    {HTTP_POST, "/2017-03-31/tags/{arn}", SCOPE_ACCOUNT, ROUTE_LAMBDA, SMALL, "*", lambda_tags_put_handler, NULL},
    {HTTP_DELETE, "/2017-03-31/tags/{arn}", SCOPE_ACCOUNT, ROUTE_LAMBDA, SMALL, "*", lambda_tags_delete_handler, NULL},
    {.pattern = NULL},
};

/* AWS paths of versions and operations that are not here: they get an AWS error, not a problem document. */
static const struct route LAMBDA_OTHER = {
    HTTP_OTHER, "", SCOPE_NONE, ROUTE_LAMBDA | ROUTE_INLINE | ROUTE_NO_PG, SMALL, "*", lambda_unsupported_handler,
    NULL};
static const struct route STATIC_FILE = {HTTP_GET, "",  SCOPE_NONE,     ROUTE_INLINE | ROUTE_NO_PG | ROUTE_QUIET,
                                         0,        "*", static_handler, NULL};

const struct route *router_table(void)
{
    return ROUTES;
}

/* Does path fit pattern? The raw segments of the parameters are left in found. */
struct segment {
    const char *name, *value;
    size_t name_length, value_length;
};

static bool pattern_fits(const char *pattern, const char *path, struct segment found[REQUEST_PARAMS_MAX], int *count)
{
    *count = 0;
    while (*pattern != '\0') {
        if (*pattern == '{') {
            size_t name_length = strcspn(pattern, "}") - 1;
            size_t value_length = strcspn(path, "/");
            if (value_length == 0 || *count == REQUEST_PARAMS_MAX) {
                return false;
            }
            found[(*count)++] = (struct segment){pattern + 1, path, name_length, value_length};
            pattern += name_length + 2;
            path += value_length;
        } else if (*pattern++ != *path++) {
            return false;
        }
    }
    return path[0] == '\0' || (path[0] == '/' && path[1] == '\0');
}

static int take_params(struct request *request, const struct segment *found, int count)
{
    for (int i = 0; i < count; i++) {
        struct pair *pair = &request->params[i];
        pair->name = request->scratch.data + request->scratch.length;
        buf_append(&request->scratch, found[i].name, found[i].name_length);
        buf_append(&request->scratch, "", 1);
        pair->value = request->scratch.data + request->scratch.length;
        if (request_decode(found[i].value, found[i].value_length, false, &request->scratch) != 0) {
            return -1;
        }
    }
    request->param_count = count;
    return 0;
}

static bool lambda_path(const char *path)
{
    return path[0] == '/' && strspn(path + 1, "0123456789") == 4 && path[5] == '-';
}

int router_match(struct request *request, const struct route **route, unsigned *allowed)
{
    struct segment found[REQUEST_PARAMS_MAX];
    enum http_method method = request->method == HTTP_HEAD ? HTTP_GET : request->method;
    *route = NULL;
    *allowed = 0;
    for (const struct route *at = ROUTES; at->pattern != NULL; at++) {
        int count = 0;
        if (at->pattern[1] != request->path[1] || !pattern_fits(at->pattern, request->path, found, &count)) {
            continue;
        }
        if (at->method == method) {
            *route = at;
            return take_params(request, found, count);
        }
        *allowed |= 1u << at->method;
    }
    if (lambda_path(request->path)) {
        *route = &LAMBDA_OTHER;
    } else if (*allowed == 0 && method == HTTP_GET && static_known(request->path)) {
        *route = &STATIC_FILE;
    }
    return 0;
}

void router_allow_text(unsigned allowed, char text[80])
{
    static const char *const names[] = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"};
    if ((allowed & (1u << HTTP_GET)) != 0) {
        allowed |= 1u << HTTP_HEAD;
    }
    allowed |= 1u << HTTP_OPTIONS;
    text[0] = '\0';
    for (unsigned i = 0; i < sizeof names / sizeof names[0]; i++) {
        if ((allowed & (1u << i)) != 0) {
            size_t length = strlen(text);
            (void)snprintf(text + length, 80 - length, "%s%s", length > 0 ? ", " : "", names[i]);
        }
    }
}
