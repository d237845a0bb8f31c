/* .../invocations/{request}/proof: that one invocation is among the records a bill stands on (reports/proof.h). */
#include <string.h>

#include "api/handlers.h"
#include "api/http.h"
#include "billing/bill.h"
#include "common/clock.h"
#include "common/err.h"
#include "common/uuid.h"
#include "reports/proof.h"

/* What the bill of that month stands on: as of its issue, or as of now while it is open. */
static int prove(struct request *request, const struct uuid *id, struct month month, struct proof *proof,
                 struct err *err)
{
    struct usage_record record;
    struct seal_month seals;
    struct seal_proof sealed;
    struct bill *bill = NULL;
    int64_t from_us = 0;
    int64_t to_us = 0;
    month_range(month, &from_us, &to_us);
    if (seal_find(request->pg, request->account_id, id->bytes, from_us, to_us, &record, err) != 0 ||
        bill_load(request->pg, request->account_id, month, 0, &bill, err) != 0) {
        return -1;
    }
    int64_t as_of_us = bill->issued_us != 0 ? bill->issued_us : clock_wall_us();
    int rc = seal_month_get(request->pg, request->account_id, from_us, to_us, as_of_us, &seals, err);
    if (rc == 0) {
        rc = seal_prove(request->pg, &seals, &record, as_of_us, &sealed, err);
    }
    if (rc == 0) {
        proof_of_seal(&sealed, bill->number, proof);
    }
    bill_free(&bill);
    return rc;
}

int invocation_proof_handler(struct request *request, struct err *err)
{
    const char *text = request_param(request, "request");
    const char *month_text = request_query(request, "month");
    struct month month = month_of(clock_wall_us());
    struct proof proof;
    struct uuid id;
    if (uuid_parse(text, &id) != 0) {
        return err_set(err, ERR_NOT_FOUND, "\"%.60s\" is not the id of an invocation", text);
    }
    if ((month_text != NULL && month_parse(month_text, "month", &month, err) != 0) ||
        prove(request, &id, month, &proof, err) != 0) {
        return -1;
    }
    proof_write(&proof, &request->reply.body);
    request->reply.status = 200;
    request->reply.content_type = "application/json";
    return 0;
}
