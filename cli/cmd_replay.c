#include "cli/cli.h"
#include "cli/cmd.h"
#include "cli/progress.h"
#include "common/buf.h"
#include "common/calendar.h"
#include "common/clock.h"
#include "common/err.h"
#include "common/fs.h"
#include "common/json.h"
#include "common/text.h"
#include "metering/replay.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

const char cmd_replay_help[] =
    "farthing replay --trace PREFIX [--day YYYY-MM-DD] [--speed N|max] [--seed S] [--data-dir DIR] [--database URL] "
    "[--json]\n"
    "\n"
    "Feeds one day of the Azure Functions 2019 trace (PREFIX_inv.csv, PREFIX_run.csv, PREFIX_mem.csv) through the "
    "hook,\n"
    "spool and aggregator of the node on this machine: one account for each HashOwner, one function for each\n"
    "HashFunction, durations and memory drawn from the trace's percentiles. The same trace, day and seed give the "
    "same\n"
    "records. It may be stopped or killed at any moment and started again: what is stored is not sent twice.\n"
    "\n"
    "  --trace PREFIX   path of the three files without _inv.csv, _run.csv, _mem.csv\n"
    "  --day DAY        UTC day to lay it on (the first of this month)\n"
    "  --speed N|max    seconds of the trace a second (max)\n"
    "  --seed S         another seed draws other durations (1)\n"
    "  --wait SECONDS   give up when the node stores nothing for so long (60)\n"
    "  --database URL   the node's database (read from its data directory)\n"
    "  --json           one object: records, mb_ms, billed_ms, accounts, functions, seconds, emitted\n"
    "\n"
    "Examples:\n"
    "  farthing replay --trace data/100\n"
    "  farthing replay --trace data/1350 --day 2026-11-01 --seed 7 --json\n"
    "  farthing replay --trace data/100 --speed 60\n";

struct words {
    const char *trace, *day, *speed, *database;
    int64_t seed, wait_s;
};

struct bar {
    struct progress progress;
    const char *phase;
};

static void on_progress(const char *phase, uint64_t done, uint64_t total, void *ctx)
{
    struct bar *bar = ctx;
    if (bar->phase != phase) {
        if (bar->phase != NULL) {
            progress_end(&bar->progress, (int64_t)done);
        }
        bar->phase = phase;
        progress_start(&bar->progress, phase, (int64_t)total, 0);
    }
    progress_update(&bar->progress, (int64_t)done);
    if (done >= total) {
        progress_end(&bar->progress, (int64_t)done);
        bar->phase = NULL;
    }
}

static int read_database(const struct words *words, const char *data_dir, struct buf *url, struct err *err)
{
    char path[4200];
    if (words->database != NULL) {
        buf_puts(url, words->database);
        return 0;
    }
    (void)snprintf(path, sizeof path, "%s/database-url", data_dir);
    if (fs_read(path, 4096, url, err) != 0) {
        return err_wrap(err, "no node has run here (start one with `farthing serve`, or say --data-dir)");
    }
    while (url->length > 0 && (url->data[url->length - 1] == '\n' || url->data[url->length - 1] == ' ')) {
        url->data[--url->length] = '\0';
    }
    return 0;
}

static int read_words(const struct words *words, struct replay_options *options, struct err *err)
{
    int64_t speed = 0;
    int64_t from_us;
    int64_t to_us;
    if (words->trace == NULL) {
        return err_field(err, "trace", "say which trace: --trace PREFIX");
    }
    month_range(month_of(clock_wall_us()), &from_us, &to_us);
    if (words->day != NULL) {
        if (strlen(words->day) != 10) {
            return err_field(err, "day", "day is \"%s\"; it must be YYYY-MM-DD", words->day);
        }
        if (calendar_parse(words->day, "day", &from_us, err) != 0) {
            return -1;
        }
    }
    if (words->speed != NULL && strcmp(words->speed, "max") != 0 &&
        text_i64(words->speed, "speed", 1, 86400, &speed, err) != 0) {
        return -1;
    }
    options->trace_prefix = words->trace;
    options->day_us = from_us;
    options->speed = (uint32_t)speed;
    options->seed = (uint64_t)words->seed;
    options->wait_ms_max = (int)words->wait_s * 1000;
    return 0;
}

static void print_json(const struct replay_report *report)
{
    struct buf text = {0};
    struct json_writer writer;
    char seconds[48];
    (void)snprintf(seconds, sizeof seconds, "%" PRId64 ".%03" PRId64, report->elapsed_us / 1000000,
                   report->elapsed_us / 1000 % 1000);
    json_writer_init(&writer, &text);
    json_open_object(&writer, NULL);
    json_put_i64(&writer, "records", (int64_t)report->records);
    json_put_i64(&writer, "mb_ms", (int64_t)report->mb_ms);
    json_put_i64(&writer, "billed_ms", (int64_t)report->billed_ms);
    json_put_i64(&writer, "accounts", (int64_t)report->accounts);
    json_put_i64(&writer, "functions", (int64_t)report->functions);
    json_put_raw(&writer, "seconds", seconds);
    json_put_i64(&writer, "emitted", (int64_t)report->emitted);
    json_close_object(&writer);
    (void)puts(buf_text(&text));
    buf_free(&text);
}

static void print_text(const struct replay_report *report)
{
    int64_t ms = report->elapsed_us / 1000;
    uint64_t rate = ms > 0 ? report->emitted * 1000 / (uint64_t)ms : report->emitted;
    (void)printf("%" PRIu64 " records of %" PRIu64 " functions in %" PRIu64 " accounts: %" PRIu64 " MB*ms, %" PRIu64
                 " billed ms\n",
                 report->records, report->functions, report->accounts, report->mb_ms, report->billed_ms);
    (void)printf("%" PRIu64 " emitted now, all stored after %" PRId64 ".%03" PRId64 " s (%" PRIu64 " records/s)\n",
                 report->emitted, ms / 1000, ms % 1000, rate);
}

static int run(struct cli *cli, struct err *err)
{
    struct words words = {.seed = 1, .wait_s = 60};
    const struct arg args[] = {A_TEXT("trace", &words.trace),
                               A_TEXT("day", &words.day),
                               A_TEXT("speed", &words.speed),
                               A_TEXT("database", &words.database),
                               A_NUMBER("seed", &words.seed, 0, INT64_MAX),
                               A_NUMBER("wait", &words.wait_s, 1, 86400),
                               A_END};
    struct replay_options options = {.on_progress = on_progress};
    struct replay_report report;
    struct bar bar = {.phase = NULL};
    struct buf url = {0};
    char data_dir[4096];
    char spool_dir[4200];
    int rc = -1;
    if (cli_args(cli, args, 0, 0, "", err) != 0 || read_words(&words, &options, err) != 0 ||
        cli_data_dir(cli->data_dir, data_dir, err) != 0 || read_database(&words, data_dir, &url, err) != 0) {
        goto out;
    }
    (void)snprintf(spool_dir, sizeof spool_dir, "%s/spool", data_dir);
    options.spool_dir = spool_dir;
    options.conninfo = buf_text(&url);
    options.ctx = &bar;
    rc = replay_run(&options, &report, err);
    if (rc == 0 && cli->json) {
        print_json(&report);
    } else if (rc == 0) {
        print_text(&report);
    }
out:
    buf_free(&url);
    return rc;
}

int cmd_replay(int argc, char **argv)
{
    return cli_run("replay", run, argc, argv);
}
