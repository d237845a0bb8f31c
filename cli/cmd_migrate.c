#include <stdio.h>
#include <stdlib.h>

#include "cli/cli.h"
#include "cli/cmd.h"
#include "common/err.h"
#include "schema/migrate.h"

const char cmd_migrate_help[] =
    "farthing migrate --database URL [--check] [--json]\n"
    "\n"
    "  --database URL   libpq connection string (FARTHING_DATABASE)\n"
    "  --check          change nothing; exit 1 when the database is not at this program's schema\n"
    "\n"
    "A node does this itself when it starts. Migrations only go forward, one transaction each; one that was edited "
    "after it\n"
    "was applied is refused.\n"
    "\n"
    "Examples:\n"
    "  farthing migrate --database \"host=db1 dbname=farthing\"\n"
    "  farthing migrate --database \"$DATABASE_URL\" --check\n";

static int migrate(struct cli *cli, struct err *err)
{
    const char *database = getenv("FARTHING_DATABASE");
    struct migrate_report report = {0};
    bool check = false;
    const struct arg args[] = {A_TEXT("database", &database), A_FLAG("check", &check), A_FLAG("json", &cli->json),
                               A_END};

    if (args_parse(cli->argc, cli->argv, args, NULL, &cli->words, err) != 0) {
        return -1;
    }
    if (cli->words.count > 0 || database == NULL || database[0] == '\0') {
        return err_set(err, ERR_INVALID,
                       "it is `farthing migrate --database URL`; a node on its own PostgreSQL does this itself");
    }
    if ((check ? migrate_check(database, &report, err) : migrate_run(database, &report, err)) != 0) {
        return -1;
    }
    if (cli->json) {
        (void)printf("{\"applied\":%d,\"version\":%d}\n", report.applied, report.version);
    } else if (report.applied > 0) {
        (void)printf("%d migrations applied; the schema is at %04d.\n", report.applied, report.version);
    } else {
        (void)printf("Nothing to do; the schema is at %04d.\n", report.version);
    }
    return 0;
}

int cmd_migrate(int argc, char **argv)
{
    return cli_run("migrate", migrate, argc, argv);
}
