#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <sys/timex.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/cmd.h"
#include "cli/table.h"
#include "common/buf.h"
#include "common/err.h"
#include "engine/engine.h"
#include "schema/embedded.h"

const char cmd_doctor_help[] =
    "farthing doctor [--data-dir DIR] [--database URL] [--json]\n"
    "\n"
    "Says what is missing on this machine and what that costs: PostgreSQL's programs, isolation of functions, disk,\n"
    "clock; whether a node runs here and is well, and whether what quotas count agrees with the records. Exit code 1\n"
    "when something that a node needs is missing.\n"
    "\n"
    "Examples:\n"
    "  farthing doctor\n"
    "  farthing doctor --json | jq '.findings[] | select(.ok | not)'\n";

#define SILENT_S 30 /* a node that is only slow is heard of again before */
#define DISK_BYTES_MIN (UINT64_C(2) << 30)

enum grade { FINE, WORSE, BROKEN };

struct doctor {
    struct json_writer writer;
    struct buf json;
    bool as_json;
    int worse, broken;
};

static void found(struct doctor *doctor, enum grade grade, const char *what, const char *finding)
{
    static const char *const SIGNS[] = {"ok  ", "warn", "FAIL"};
    static const enum color COLORS[] = {COLOR_GREEN, COLOR_YELLOW, COLOR_RED};

    doctor->worse += grade == WORSE;
    doctor->broken += grade == BROKEN;
    if (doctor->as_json) {
        json_open_object(&doctor->writer, NULL);
        json_put_text(&doctor->writer, "what", what);
        json_put_bool(&doctor->writer, "ok", grade == FINE);
        json_put_bool(&doctor->writer, "needed", grade == BROKEN);
        json_put_text(&doctor->writer, "finding", finding);
        json_close_object(&doctor->writer);
    } else {
        (void)printf("%s%s%s  %s%-16s%s %s\n", color(stdout, COLORS[grade]), SIGNS[grade], color(stdout, COLOR_NONE),
                     color(stdout, COLOR_BOLD), what, color(stdout, COLOR_NONE), finding);
    }
}

static void on_engine(bool ok, const char *what, const char *finding, void *ctx)
{
    found(ctx, ok ? FINE : WORSE, what, finding);
}

static void check_postgresql(struct doctor *doctor, const char *database)
{
    char bindir[4096], text[4400];
    struct err err = {0};

    if (embedded_find(bindir, sizeof bindir, &err) == 0) {
        (void)snprintf(text, sizeof text, "programs in %s", bindir);
        found(doctor, FINE, "postgresql", text);
    } else if (database != NULL && database[0] != '\0') {
        found(doctor, FINE, "postgresql", "no programs here; --database is given");
    } else {
        (void)snprintf(text, sizeof text, "%s; a node needs it, or --database", err.text);
        found(doctor, BROKEN, "postgresql", text);
    }
}

static void check_disk(struct doctor *doctor, const char *data_dir)
{
    struct statvfs disk;
    char path[4096], text[4400];

    (void)snprintf(path, sizeof path, "%s", data_dir);
    while (statvfs(path, &disk) != 0 && strrchr(path, '/') != NULL && path[1] != '\0') {
        char *slash = strrchr(path, '/');
        slash[slash == path ? 1 : 0] = '\0'; /* the folder may not be there yet: ask its parent */
    }
    if (statvfs(path, &disk) != 0) {
        (void)snprintf(text, sizeof text, "%s: %s", path, strerror(errno));
        found(doctor, BROKEN, "disk", text);
        return;
    }
    uint64_t bytes = (uint64_t)disk.f_bavail * disk.f_frsize;
    (void)snprintf(text, sizeof text, "%llu MiB free for %s%s", (unsigned long long)(bytes >> 20), data_dir,
                   bytes < DISK_BYTES_MIN ? "; a full disk stops the node from admitting work" : "");
    found(doctor, bytes < DISK_BYTES_MIN ? WORSE : FINE, "disk", text);
    (void)snprintf(text, sizeof text, "%s/spool", data_dir);
    if (access(text, F_OK) == 0) {
        (void)snprintf(text, sizeof text, "%s/spool (look inside: farthing spool)", data_dir);
        found(doctor, FINE, "spool", text);
    }
}

static void check_clock(struct doctor *doctor)
{
    struct timex state = {0};
    int rc = adjtimex(&state);

    if (rc == -1 || (state.status & STA_UNSYNC) != 0) {
        found(doctor, WORSE, "clock",
              "not synchronised by the kernel's account; months and hours of usage follow this clock (run an NTP "
              "client)");
    } else {
        found(doctor, FINE, "clock", "synchronised");
    }
}

static void check_node(struct doctor *doctor, const char *data_dir, const char *url)
{
    struct rest_options options = {.url = url, .data_dir = data_dir};
    struct rest_answer answer = {0};
    struct rest *rest = NULL;
    struct err err = {0};
    char text[1024];

    if (rest_open(&options, &rest, &err) != 0) {
        found(doctor, WORSE, "node", err.text);
        return;
    }
    struct rest_call call = {.method = "GET", .path = "/readyz", .problem_is_answer = true};
    if (rest_run(rest, &call, &answer, &err) != 0) {
        /* Before the first start that is as it should be; not where one was asked for, or one was at work. */
        char mark[4200];
        (void)snprintf(mark, sizeof mark, "%s/url", data_dir);
        bool expected = url != NULL || access(mark, F_OK) == 0;
        (void)snprintf(text, sizeof text, "none answers at %s%s", rest_url(rest),
                       expected ? "; start it (farthing serve) or look at its log" : "");
        found(doctor, expected ? WORSE : FINE, "node", text);
    } else {
        (void)snprintf(text, sizeof text, "%s at %s%s%.600s", answer.status == 200 ? "ready" : "NOT ready",
                       rest_url(rest), answer.status == 200 ? "" : ": ",
                       answer.status == 200 ? "" : buf_text(&answer.body));
        found(doctor, answer.status == 200 ? FINE : WORSE, "node", text);
    }
    rest_answer_free(&answer);
    rest_close(&rest);
}

/* One finding in all when escrow and records agree and everybody who holds something speaks. */
static void check_escrow_items(struct doctor *doctor, const cJSON *items)
{
    const cJSON *item = NULL;
    char account[64], quota[64], month[64], units[64], text[512];
    int wrong = 0;

    cJSON_ArrayForEach(item, items)
    {
        const char *claimed = cli_text(item, "claimed_units", units);
        (void)snprintf(text, sizeof text, "%s of %s in %s", cli_text(item, "quota", quota),
                       cli_text(item, "account", account), cli_text(item, "month", month));
        size_t length = strlen(text);
        if (!cli_bool(item, "agrees")) {
            (void)snprintf(text + length, sizeof text - length,
                           ": the escrow claims %.30s units, the records have %.30s", claimed,
                           cli_text(item, "recorded_units", account));
            found(doctor, BROKEN, "quotas", text);
            wrong++;
        } else if (cli_i64(item, "forfeit_units") > 0 && cli_i64(item, "silent_s") >= SILENT_S) {
            (void)snprintf(
                text + length, sizeof text - length,
                ": a node that is silent for %lld s holds %.30s units; they come back when its spool is stored",
                (long long)cli_i64(item, "silent_s"), cli_text(item, "forfeit_units", units));
            found(doctor, WORSE, "quotas", text);
            wrong++;
        }
    }
    if (wrong == 0) {
        (void)snprintf(text, sizeof text, "the escrow of %d monthly limits agrees with the records",
                       cJSON_GetArraySize(items));
        found(doctor, FINE, "quotas", text);
    }
}

static void check_escrow(struct doctor *doctor, const struct cli *cli, const char *data_dir)
{
    struct rest_options options = {.url = cli->url, .key = cli->key, .data_dir = data_dir};
    struct rest_answer answer = {0};
    struct rest *rest = NULL;
    cJSON *tree = NULL;
    struct err err = {0};

    struct rest_call call = {.method = "GET", .path = "/v1/quota-escrow"};
    if (rest_open(&options, &rest, &err) == 0 && rest_run(rest, &call, &answer, &err) == 0 &&
        json_parse(buf_text(&answer.body), answer.body.length, &tree, &err) == 0) {
        check_escrow_items(doctor, cJSON_GetObjectItemCaseSensitive(tree, "items"));
    } else {
        char text[400];
        (void)snprintf(text, sizeof text, "not looked at (it needs a node and an admin key): %.250s", err.text);
        found(doctor, FINE, "quotas", text);
    }
    cJSON_Delete(tree);
    rest_answer_free(&answer);
    rest_close(&rest);
}

static int doctor(struct cli *cli, struct err *err)
{
    struct doctor doctor = {0};
    const char *database = getenv("FARTHING_DATABASE");
    char data_dir[4096];
    const struct arg args[] = {A_TEXT("database", &database), A_END};

    if (cli_args(cli, args, 0, 0, "", err) != 0 || cli_data_dir(cli->data_dir, data_dir, err) != 0) {
        return -1;
    }
    doctor.as_json = cli->json;
    json_writer_init(&doctor.writer, &doctor.json);
    json_open_object(&doctor.writer, NULL);
    json_open_array(&doctor.writer, "findings");
    check_postgresql(&doctor, database);
    engine_doctor(on_engine, &doctor);
    check_disk(&doctor, data_dir);
    check_clock(&doctor);
    check_node(&doctor, data_dir, cli->url);
    check_escrow(&doctor, cli, data_dir);
    json_close_array(&doctor.writer);
    json_put_bool(&doctor.writer, "ok", doctor.broken == 0);
    json_close_object(&doctor.writer);
    if (cli->json) {
        (void)puts(buf_text(&doctor.json));
    } else if (doctor.broken + doctor.worse == 0) {
        (void)puts("All is well.");
    }
    buf_free(&doctor.json);
    return doctor.broken > 0 ? CMD_FAILED : CMD_OK;
}

int cmd_doctor(int argc, char **argv)
{
    return cli_run("doctor", doctor, argc, argv);
}
