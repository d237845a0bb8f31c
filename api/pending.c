/* Routes whose resource is not written yet. */
#include "api/handlers.h"
#include "common/err.h"

static int pending(struct err *err)
{
    (void)err_set(err, ERR_SYSTEM, "not part of this version");
    return err_slug(err, "not_implemented");
}

int cost_handler(struct request *request, struct err *err)
{
    (void)request;
    return pending(err);
}

int invoice_list_handler(struct request *request, struct err *err)
{
    (void)request;
    return pending(err);
}

int invoice_get_handler(struct request *request, struct err *err)
{
    (void)request;
    return pending(err);
}

int invoice_lines_handler(struct request *request, struct err *err)
{
    (void)request;
    return pending(err);
}

int invoice_line_records_handler(struct request *request, struct err *err)
{
    (void)request;
    return pending(err);
}

int event_handler(struct request *request, struct err *err)
{
    (void)request;
    return pending(err);
}

int event_openmeter_handler(struct request *request, struct err *err)
{
    (void)request;
    return pending(err);
}

int webhook_list_handler(struct request *request, struct err *err)
{
    (void)request;
    return pending(err);
}

int webhook_create_handler(struct request *request, struct err *err)
{
    (void)request;
    return pending(err);
}

int webhook_get_handler(struct request *request, struct err *err)
{
    (void)request;
    return pending(err);
}

int webhook_delete_handler(struct request *request, struct err *err)
{
    (void)request;
    return pending(err);
}

int webhook_deliveries_handler(struct request *request, struct err *err)
{
    (void)request;
    return pending(err);
}

int lambda_invoke_handler(struct request *request, struct err *err)
{
    (void)request;
    return pending(err);
}

int lambda_invoke_async_handler(struct request *request, struct err *err)
{
    (void)request;
    return pending(err);
}

int lambda_invoke_stream_handler(struct request *request, struct err *err)
{
    (void)request;
    return pending(err);
}

int lambda_create_handler(struct request *request, struct err *err)
{
    (void)request;
    return pending(err);
}

int lambda_list_handler(struct request *request, struct err *err)
{
    (void)request;
    return pending(err);
}

int lambda_get_handler(struct request *request, struct err *err)
{
    (void)request;
    return pending(err);
}

int lambda_configuration_get_handler(struct request *request, struct err *err)
{
    (void)request;
    return pending(err);
}

int lambda_configuration_put_handler(struct request *request, struct err *err)
{
    (void)request;
    return pending(err);
}

int lambda_code_put_handler(struct request *request, struct err *err)
{
    (void)request;
    return pending(err);
}

int lambda_delete_handler(struct request *request, struct err *err)
{
    (void)request;
    return pending(err);
}

int lambda_version_create_handler(struct request *request, struct err *err)
{
    (void)request;
    return pending(err);
}

int lambda_version_list_handler(struct request *request, struct err *err)
{
    (void)request;
    return pending(err);
}

int lambda_alias_create_handler(struct request *request, struct err *err)
{
    (void)request;
    return pending(err);
}

int lambda_alias_list_handler(struct request *request, struct err *err)
{
    (void)request;
    return pending(err);
}

int lambda_alias_get_handler(struct request *request, struct err *err)
{
    (void)request;
    return pending(err);
}

int lambda_alias_put_handler(struct request *request, struct err *err)
{
    (void)request;
    return pending(err);
}

int lambda_alias_delete_handler(struct request *request, struct err *err)
{
    (void)request;
    return pending(err);
}

int lambda_concurrency_put_handler(struct request *request, struct err *err)
{
    (void)request;
    return pending(err);
}

int lambda_concurrency_get_handler(struct request *request, struct err *err)
{
    (void)request;
    return pending(err);
}

int lambda_concurrency_delete_handler(struct request *request, struct err *err)
{
    (void)request;
    return pending(err);
}

int lambda_provisioned_put_handler(struct request *request, struct err *err)
{
    (void)request;
    return pending(err);
}

int lambda_provisioned_get_handler(struct request *request, struct err *err)
{
    (void)request;
    return pending(err);
}

int lambda_provisioned_delete_handler(struct request *request, struct err *err)
{
    (void)request;
    return pending(err);
}

int lambda_account_settings_handler(struct request *request, struct err *err)
{
    (void)request;
    return pending(err);
}

int lambda_tags_get_handler(struct request *request, struct err *err)
{
    (void)request;
    return pending(err);
}

int lambda_tags_put_handler(struct request *request, struct err *err)
{
    (void)request;
    return pending(err);
}

int lambda_tags_delete_handler(struct request *request, struct err *err)
{
    (void)request;
    return pending(err);
}

int lambda_unsupported_handler(struct request *request, struct err *err)
{
    (void)request;
    return pending(err);
}
