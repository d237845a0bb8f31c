#include "api/invoice_path.h"

#include "api/http.h"
#include "api/invoice_list_store.h"
#include "common/err.h"
#include "common/ids.h"

#include <string.h>

void invoice_path_query(const struct request *request, struct invoice_query *query)
{
    const char *word = request_param(request, "invoice");
    *query = (struct invoice_query){.account_id = request->account_id, .limit = 1};
    if (id_parse("inv", word, "invoice", &query->invoice_id, NULL) != 0) {
        query->invoice_id = 0;
        query->number = word[0] != '\0' ? word : "-";
    }
}

static int take_id(const struct invoice_row *row, void *ctx, struct err *err)
{
    (void)err;
    *(int64_t *)ctx = row->invoice_id;
    return 0;
}

int invoice_path_id(const struct request *request, int64_t *invoice_id, struct err *err)
{
    struct invoice_query query;
    int64_t found = 0;
    invoice_path_query(request, &query);
    if (invoice_list_store(request->pg, &query, take_id, &found, err) != 0) {
        return -1;
    }
    if (found == 0) {
        return err_set(err, ERR_NOT_FOUND, "there is no such invoice");
    }
    *invoice_id = found;
    return 0;
}
