#include "cli/cli.h"
#include "cli/cmd.h"
#include "cli/table.h"
#include "common/buf.h"
#include "common/err.h"
#include "common/json.h"
#include "metering/spool_inspect.h"

#include <inttypes.h>
#include <stdio.h>

const char cmd_spool_help[] =
    "farthing spool inspect|verify DIR [--json]\n"
    "\n"
    "Looks into a spool directory without changing it: its producers, whether a process writes them now, their "
    "segments,\n"
    "and what each slot holds. verify also checks every record and exits with 1 when anything is damaged or missing.\n"
    "\n"
    "Examples:\n"
    "  farthing spool inspect /var/lib/farthing/spool\n"
    "  farthing spool verify /var/lib/farthing/spool --json\n";

struct shown {
    bool json;
    struct json_writer writer;
    uint64_t producers, faulty, records;
};

static void show_json(struct shown *shown, const struct spool_summary *one)
{
    char id[17];
    (void)snprintf(id, sizeof id, "%016" PRIx64, one->producer_id);
    json_open_object(&shown->writer, NULL);
    json_put_text(&shown->writer, "producer", id);
    json_put_text(&shown->writer, "error", one->error);
    json_put_bool(&shown->writer, "alive", one->alive);
    json_put_i64(&shown->writer, "node", one->node_id);
    json_put_i64(&shown->writer, "epoch", (int64_t)one->epoch);
    json_put_i64(&shown->writer, "segments", (int64_t)one->segments);
    json_put_i64(&shown->writer, "bytes", (int64_t)one->bytes);
    json_put_i64(&shown->writer, "records", (int64_t)one->records);
    json_put_i64(&shown->writer, "empty", (int64_t)one->empty);
    json_put_i64(&shown->writer, "damaged", (int64_t)one->damaged);
    json_put_i64(&shown->writer, "missing", (int64_t)one->missing);
    json_put_i64(&shown->writer, "damaged_headers", (int64_t)one->damaged_headers);
    json_put_text(&shown->writer, "first_fault", one->first_fault);
    json_put_i64(&shown->writer, "quarantined", (int64_t)one->quarantined);
    json_close_object(&shown->writer);
}

static void show_counter(uint64_t count, const char *what)
{
    if (count > 0) {
        (void)printf(", %" PRIu64 " %s", count, what);
    }
}

static void show_line(const struct spool_summary *one)
{
    (void)printf("%016" PRIx64 "  %s  node %" PRIu32 "  epoch %" PRIu64 "  %" PRIu64 " segments, %" PRIu64
                 " bytes  %" PRIu64 " records, %" PRIu64 " empty",
                 one->producer_id, one->alive ? "alive" : "idle ", one->node_id, one->epoch, one->segments, one->bytes,
                 one->records, one->empty);
    show_counter(one->damaged, "damaged");
    show_counter(one->missing, "missing");
    show_counter(one->damaged_headers, "damaged headers");
    show_counter(one->quarantined, "files in quarantine");
    (void)puts("");
    if (one->first_fault[0] != '\0') {
        (void)printf("    first fault: %s\n", one->first_fault);
    }
    if (one->error[0] != '\0') {
        (void)printf("    cannot be read: %s\n", one->error);
    }
}

static void on_producer(const struct spool_summary *one, void *ctx)
{
    struct shown *shown = ctx;
    uint64_t faults = one->damaged + one->missing + one->damaged_headers + one->quarantined;
    shown->producers++;
    shown->faulty += faults > 0 || one->error[0] != '\0';
    shown->records += one->records;
    if (shown->json) {
        show_json(shown, one);
    } else {
        show_line(one);
    }
}

static void show_verdict(const struct shown *shown)
{
    if (shown->faulty == 0) {
        (void)printf("%" PRIu64 " records of %" PRIu64 " producers are whole\n", shown->records, shown->producers);
    } else {
        (void)printf("%" PRIu64 " of %" PRIu64 " producers have faults; the whole records of readable ones are stored "
                     "all the same, the others are listed in table spool_hole\n",
                     shown->faulty, shown->producers);
    }
}

static int look(struct cli *cli, bool verify, struct err *err)
{
    struct buf text = {0};
    struct shown shown = {0};
    if (cli_args(cli, NULL, 1, 1, "DIR", err) != 0) {
        return -1;
    }
    shown.json = cli->json;
    json_writer_init(&shown.writer, &text);
    if (shown.json) {
        json_open_object(&shown.writer, NULL);
        json_open_array(&shown.writer, "producers");
    }
    int rc = spool_inspect(cli->words.items[0], on_producer, &shown, err);
    if (rc == 0 && shown.json) {
        json_close_array(&shown.writer);
        json_close_object(&shown.writer);
        (void)puts(buf_text(&text));
    } else if (rc == 0 && verify) {
        show_verdict(&shown);
    }
    buf_free(&text);
    return rc == 0 && verify && shown.faulty > 0 ? CMD_FAILED : rc;
}

static int inspect(struct cli *cli, struct err *err)
{
    return look(cli, false, err);
}

static int verify(struct cli *cli, struct err *err)
{
    return look(cli, true, err);
}

int cmd_spool(int argc, char **argv)
{
    static const struct sub SUBS[] = {{"inspect", inspect}, {"verify", verify}, {NULL, NULL}};
    return cli_run_sub("spool", SUBS, argc, argv);
}
