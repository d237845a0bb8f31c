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
