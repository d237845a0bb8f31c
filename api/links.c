#include "api/links.h"

#include <stddef.h>
#include <string.h>

#include "common/err.h"
#include "schema/pg.h"

static int unreachable(struct err *err)
{
    memset(err, 0, sizeof *err);
    return err_set(err, ERR_RETRY, "the database cannot be reached right now; try again");
}

int links_program(struct links *links, const char *conninfo, struct pg **pg, struct err *err)
{
    int rc = links->program != NULL ? pg_ensure(links->program, err) : pg_open(conninfo, &links->program, err);
    *pg = links->program;
    return rc == 0 ? 0 : unreachable(err);
}

int links_tenant(struct links *links, const char *conninfo, int64_t account_id, struct pg **pg, struct err *err)
{
    int rc = links->tenant != NULL ? pg_ensure(links->tenant, err) : pg_open_tenant(conninfo, &links->tenant, err);
    if (rc != 0) {
        return unreachable(err);
    }
    pg_tenant(links->tenant, account_id);
    *pg = links->tenant;
    return 0;
}

void links_close(struct links *links)
{
    pg_close(&links->program);
    pg_close(&links->tenant);
}
