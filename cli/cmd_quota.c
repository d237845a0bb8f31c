#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/cmd.h"
#include "cli/table.h"
#include "common/buf.h"
#include "common/err.h"
#include "common/text.h"

const char cmd_quota_help[] =
    "farthing quota show ACCOUNT\n"
    "farthing quota set ACCOUNT NAME=LIMIT... [--action block|notify] [--threshold PERCENT]...\n"
    "farthing quota remove ACCOUNT NAME...\n"
    "\n"
    "With --default instead of ACCOUNT: the operator's limits for accounts that have none of their own.\n"
    "\n"
    "  concurrency            running invocations at once\n"
    "  requests_per_second    calls a second\n"
    "  requests_per_month     calls in a UTC month\n"
    "  gb_seconds_per_month   GB-seconds in a UTC month\n"
    "  spend_per_month        money in a UTC month, in the account's currency\n"
    "  memory_mb              memory of one function\n"
    "  functions              how many functions\n"
    "  code_bytes             stored code\n"
    "  async_queue            queued events\n"
    "\n"
    "  --action ACTION      block: refuse (default); notify: only tell\n"
    "  --threshold PERCENT  where a notice is sent; may be repeated (50, 80, 100)\n"
    "\n"
    "Examples:\n"
    "  farthing quota set acme concurrency=50 spend_per_month=200.00 --action block\n"
    "  farthing quota show acme\n"
    "  farthing quota remove acme concurrency\n";

#define QUOTA_BAR_WIDTH 20

/* Decimal text as a whole number of its thousandths: bars need proportions, not exactness. */
static int64_t thousandths(const char *text)
{
    int64_t value = 0;
    int decimals = -1;

    for (; *text != '\0' && value < INT64_MAX / 100; text++) {
        if (*text == '.') {
            decimals = 0;
        } else if (*text >= '0' && *text <= '9' && decimals < 3) {
            value = value * 10 + (*text - '0');
            decimals += decimals >= 0;
        }
    }
    for (int i = decimals > 0 ? decimals : 0; i < 3; i++) {
        value *= 10;
    }
    return value;
}

static void print_quota(const cJSON *item)
{
    char name[64], limit[64], used[64], held[64], available[64], action[64], resets[64], time[64];
    const char *limit_text = cli_text(item, "limit", limit);
    const char *used_text = cli_text(item, "used", used);
    const char *held_text = cli_text(item, "held", held);

    (void)printf("%s%-21s%s ", color(stdout, COLOR_BOLD), cli_text(item, "name", name), color(stdout, COLOR_NONE));
    if (limit_text[0] == '\0') {
        (void)printf("%sno limit%s%s%s\n", color(stdout, COLOR_DIM), used_text[0] != '\0' ? ", used " : "", used_text,
                     color(stdout, COLOR_NONE));
        return;
    }
    bar_print(stdout, thousandths(used_text), thousandths(held_text), thousandths(limit_text), QUOTA_BAR_WIDTH);
    (void)printf(" %s of %s", used_text[0] != '\0' ? used_text : "0", limit_text);
    if (thousandths(held_text) > 0) {
        (void)printf(", held %s", held_text);
    }
    if (cli_text(item, "available", available)[0] != '\0') {
        (void)printf(", available %s", cli_text(item, "available", available));
    }
    (void)printf(" (%s%s)", cli_text(item, "action", action), cli_bool(item, "inherited") ? ", default" : "");
    cli_time(cli_text(item, "resets_at", resets), time);
    (void)printf("%s%.10s\n", time[0] != '-' ? ", resets " : "", time[0] != '-' ? time : "");
}

static void quotas_path(struct buf *path, const char *account, const char *name)
{
    if (account != NULL) {
        rest_path(path, "/v1/accounts/{}/quotas", account);
    } else {
        buf_puts(path, "/v1/quotas");
    }
    if (name != NULL) {
        rest_path(path, "/{}", name);
    }
}

static int show(struct cli *cli, const char *account, struct err *err)
{
    struct buf path = {0};
    const cJSON *items = NULL, *item = NULL;
    int rc = -1;

    quotas_path(&path, account, NULL);
    rc = cli_list(cli, buf_text(&path), &items, err);
    if (rc == 0 && cli->json) {
        rc = cli_print_json(cli);
    } else if (rc == 0) {
        cJSON_ArrayForEach(item, items)
        {
            print_quota(item);
        }
    }
    buf_free(&path);
    return rc;
}

struct quota_words {
    const char *action;
    struct arg_list thresholds;
    bool defaults;
};

static int quota_show(struct cli *cli, struct err *err)
{
    struct quota_words words = {0};
    const struct arg args[] = {A_FLAG("default", &words.defaults), A_END};

    if (cli_args(cli, args, 0, 1, "ACCOUNT", err) != 0) {
        return -1;
    }
    if (words.defaults == (cli->words.count == 1)) {
        return err_set(err, ERR_INVALID, "say which account, or --default");
    }
    return show(cli, words.defaults ? NULL : cli->words.items[0], err);
}

static int quota_body(const struct quota_words *words, const char *limit, struct buf *body, struct err *err)
{
    struct json_writer writer;

    json_writer_init(&writer, body);
    json_open_object(&writer, NULL);
    json_put_text(&writer, "limit", limit);
    if (words->action != NULL) {
        json_put_text(&writer, "action", words->action);
    }
    if (words->thresholds.count > 0) {
        json_open_array(&writer, "thresholds");
        for (int i = 0; i < words->thresholds.count; i++) {
            int64_t percent = 0;
            if (text_i64(words->thresholds.items[i], "threshold", 1, 1000, &percent, err) != 0) {
                return -1;
            }
            json_put_i64(&writer, NULL, percent);
        }
        json_close_array(&writer);
    }
    json_close_object(&writer);
    return 0;
}

static int put_one(struct cli *cli, const char *account, const char *word, const struct quota_words *words,
                   struct err *err)
{
    const char *equals = strchr(word, '=');
    struct buf path = {0}, body = {0};
    char name[64];
    int rc = -1;

    if (equals == NULL || equals == word || equals[1] == '\0' || equals - word >= (int)sizeof name) {
        return err_field(err, "quota", "\"%s\" is not NAME=LIMIT, as in concurrency=50", word);
    }
    (void)snprintf(name, sizeof name, "%.*s", (int)(equals - word), word);
    quotas_path(&path, account, name);
    if (quota_body(words, equals + 1, &body, err) == 0 &&
        cli_call(cli, "PUT", buf_text(&path), buf_text(&body), err) == 0) {
        rc = 0;
    } else {
        (void)err_wrap(err, "%s", name);
    }
    buf_free(&path);
    buf_free(&body);
    return rc;
}

static int quota_set(struct cli *cli, struct err *err)
{
    struct quota_words words = {0};
    const struct arg args[] = {A_TEXT("action", &words.action), A_MANY("threshold", &words.thresholds),
                               A_FLAG("default", &words.defaults), A_END};
    int first = 0;

    if (cli_args(cli, args, 1, ARG_LIST_MAX, "ACCOUNT NAME=LIMIT...", err) != 0) {
        return -1;
    }
    first = words.defaults ? 0 : 1;
    const char *account = words.defaults ? NULL : cli->words.items[0];
    if (cli->words.count <= first) {
        return err_set(err, ERR_INVALID, "say which limit, as in concurrency=50");
    }
    for (int i = first; i < cli->words.count; i++) {
        if (put_one(cli, account, cli->words.items[i], &words, err) != 0) {
            return -1;
        }
    }
    return show(cli, account, err);
}

static int quota_remove(struct cli *cli, struct err *err)
{
    struct quota_words words = {0};
    const struct arg args[] = {A_FLAG("default", &words.defaults), A_END};

    if (cli_args(cli, args, 1, ARG_LIST_MAX, "ACCOUNT NAME...", err) != 0) {
        return -1;
    }
    const char *account = words.defaults ? NULL : cli->words.items[0];
    for (int i = words.defaults ? 0 : 1; i < cli->words.count; i++) {
        struct buf path = {0};
        quotas_path(&path, account, cli->words.items[i]);
        int rc = cli_call(cli, "DELETE", buf_text(&path), NULL, err);
        buf_free(&path);
        if (rc != 0) {
            return err_wrap(err, "%s", cli->words.items[i]);
        }
    }
    return show(cli, account, err);
}

int cmd_quota(int argc, char **argv)
{
    static const struct sub SUBS[] = {{"show", quota_show}, {"set", quota_set}, {"remove", quota_remove}, {NULL, NULL}};
    return cli_run_sub("quota", SUBS, argc, argv);
}
