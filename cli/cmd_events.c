#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/cmd.h"
#include "cli/table.h"
#include "common/buf.h"
#include "common/err.h"
#include "common/fs.h"

const char cmd_events_help[] = "farthing events send FILE|- [--batch]\n"
                               "\n"
                               "Sends usage of another runtime as CloudEvents: one JSON event, or with --batch a JSON "
                               "array of them. An event that was\n"
                               "sent before (same source and id) is not counted again.\n"
                               "\n"
                               "Examples:\n"
                               "  farthing events send event.json\n"
                               "  farthing events send --batch events.json --json\n";

#define EVENTS_BYTES_MAX (8 * 1024 * 1024)

/* What became of them; an event that was rejected is named with its place and rule. Gives the exit code. */
static int print_intake(const struct cli *cli)
{
    cJSON *tree = cJSON_ParseWithLength(buf_text(&cli->answer.body), cli->answer.body.length);
    const cJSON *item = NULL;
    char counts[3][32];
    char text[64];
    char index[64];
    static const char *const NAMES[] = {"accepted", "duplicates", "rejected_count"};
    int64_t rejected = cli_i64(tree, "rejected_count");

    for (size_t i = 0; i < sizeof NAMES / sizeof NAMES[0]; i++) {
        number_format(cli_i64(tree, NAMES[i]), counts[i]);
    }
    (void)printf("%s accepted, %s counted before, %s rejected\n", counts[0], counts[1], counts[2]);
    cJSON_ArrayForEach(item, cJSON_GetObjectItemCaseSensitive(tree, "rejected"))
    {
        (void)printf("  event %s: %s\n", cli_text(item, "index", index), cli_text(item, "detail", text));
    }
    cJSON_Delete(tree);
    return rejected > 0 ? CMD_FAILED : CMD_OK;
}

static int events_send(struct cli *cli, struct err *err)
{
    bool batch = false;
    struct buf body = {0};
    const struct arg args[] = {A_FLAG("batch", &batch), A_END};
    int rc = -1;

    if (cli_args(cli, args, 1, 1, "FILE", err) != 0) {
        return -1;
    }
    const char *name = strcmp(cli->words.items[0], "-") == 0 ? "/dev/stdin" : cli->words.items[0];
    if (fs_read(name, EVENTS_BYTES_MAX, &body, err) == 0) {
        struct rest_call call = {.method = "POST",
                                 .path = "/v1/events",
                                 .body = buf_text(&body),
                                 .body_length = body.length,
                                 .content_type =
                                     batch ? "application/cloudevents-batch+json" : "application/cloudevents+json"};
        rc = rest_run(cli->rest, &call, &cli->answer, err);
    }
    if (rc == 0) {
        rc = cli->json ? cli_print_json(cli) : print_intake(cli);
    }
    buf_free(&body);
    return rc;
}

int cmd_events(int argc, char **argv)
{
    static const struct sub SUBS[] = {{"send", events_send}, {NULL, NULL}};
    return cli_run_sub("events", SUBS, argc, argv);
}
