#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/cmd.h"
#include "cli/table.h"
#include "common/buf.h"
#include "common/digest.h"
#include "common/err.h"
#include "common/fs.h"
#include "common/text.h"

const char cmd_invoke_help[] =
    "farthing invoke ACCOUNT/FUNCTION[:QUALIFIER] [OPTIONS]\n"
    "\n"
    "  --payload TEXT         what the function gets ({}); @FILE reads a file, - reads standard input\n"
    "  --async                queue it and return at once\n"
    "  --dry-run              would it be admitted?\n"
    "  --tail                 also print the last 4 KiB of its log, on stderr\n"
    "  --idempotency-key KEY  the same key neither runs nor bills twice\n"
    "  --account ACCOUNT      when the function is named alone (FARTHING_ACCOUNT)\n"
    "\n"
    "The answer goes to stdout, what it cost to stderr. Exit code 1 when the function failed or was refused.\n"
    "\n"
    "Examples:\n"
    "  farthing invoke demo/hello --payload '{\"name\":\"Ada\"}'\n"
    "  farthing invoke demo/resize:live --payload @photo.json --tail\n"
    "  echo '{}' | farthing invoke demo/hello --payload - --json\n";

#define PAYLOAD_BYTES_MAX (8 * 1024 * 1024)

struct invoke_words {
    const char *payload, *account, *idempotency_key;
    bool async, dry_run, tail;
};

static int read_stdin(struct buf *out, struct err *err)
{
    char piece[65536];
    ssize_t got = 0;

    while ((got = read(STDIN_FILENO, piece, sizeof piece)) > 0) {
        buf_append(out, piece, (size_t)got);
        if (out->length > PAYLOAD_BYTES_MAX) {
            return err_field(err, "payload", "standard input has more than %d bytes", PAYLOAD_BYTES_MAX);
        }
    }
    return got == 0 ? 0 : err_set(err, ERR_SYSTEM, "standard input cannot be read");
}

static int read_payload(const char *payload, struct buf *out, struct err *err)
{
    if (strcmp(payload, "-") == 0) {
        return read_stdin(out, err);
    }
    if (payload[0] == '@') {
        return fs_read(payload + 1, PAYLOAD_BYTES_MAX, out, err);
    }
    buf_puts(out, payload);
    return 0;
}

static void print_tail(const struct rest_answer *answer)
{
    char encoded[8192];
    struct buf text = {0};

    rest_header(answer, "farthing-log-result", encoded, sizeof encoded);
    if (encoded[0] != '\0' && base64_decode(encoded, strlen(encoded), &text) == 0) {
        (void)fprintf(stderr, "%s%s%s", color(stderr, COLOR_DIM), buf_text(&text), color(stderr, COLOR_NONE));
    }
    buf_free(&text);
}

struct cost {
    char request_id[64], billed_ms[32], duration_us[32], memory_mib[32], peak_kib[32], cold[16], error[64], version[32];
};

static void read_cost(const struct rest_answer *answer, struct cost *cost)
{
    rest_header(answer, "farthing-request-id", cost->request_id, sizeof cost->request_id);
    rest_header(answer, "farthing-billed-ms", cost->billed_ms, sizeof cost->billed_ms);
    rest_header(answer, "farthing-duration-us", cost->duration_us, sizeof cost->duration_us);
    rest_header(answer, "farthing-memory-mib", cost->memory_mib, sizeof cost->memory_mib);
    rest_header(answer, "farthing-peak-kib", cost->peak_kib, sizeof cost->peak_kib);
    rest_header(answer, "farthing-cold", cost->cold, sizeof cost->cold);
    rest_header(answer, "farthing-function-error", cost->error, sizeof cost->error);
    rest_header(answer, "farthing-version", cost->version, sizeof cost->version);
}

static bool is_true(const char *text)
{
    return text_equal(text, "1") || text_equal(text, "true");
}

static void print_cost(const struct cost *cost)
{
    char peak[32], duration[32];
    int64_t kib = 0, us = 0;

    if (cost->billed_ms[0] == '\0') {
        return;
    }
    (void)text_i64(cost->peak_kib, "peak", 0, INT64_MAX, &kib, NULL);
    (void)text_i64(cost->duration_us, "duration", 0, INT64_MAX, &us, NULL);
    kib_format(kib, peak);
    duration_format(us, duration);
    (void)fflush(stdout);
    (void)fprintf(stderr, "%sbilled %s ms, %s MiB, peak %s, ran %s, %s%s\n", color(stderr, COLOR_DIM), cost->billed_ms,
                  cost->memory_mib, peak, duration, is_true(cost->cold) ? "cold" : "warm", color(stderr, COLOR_NONE));
    if (cost->error[0] != '\0') {
        (void)fprintf(stderr, "%sthe function failed (%s)%s\n", color(stderr, COLOR_RED), cost->error,
                      color(stderr, COLOR_NONE));
    }
}

static bool whole_number(const char *text)
{
    return text[0] != '\0' && strspn(text, "0123456789") == strlen(text);
}

static void put_number(struct json_writer *writer, const char *name, const char *text)
{
    if (whole_number(text)) {
        json_put_raw(writer, name, text);
    } else {
        json_put_null(writer, name);
    }
}

static void print_json(const struct rest_answer *answer, const struct cost *cost)
{
    struct buf out = {0};
    struct json_writer writer;
    cJSON *tree = cJSON_ParseWithLengthOpts(buf_text(&answer->body), answer->body.length + 1, NULL, true);

    json_writer_init(&writer, &out);
    json_open_object(&writer, NULL);
    json_put_i64(&writer, "status", answer->status);
    json_put_text(&writer, "request_id", cost->request_id);
    put_number(&writer, "billed_ms", cost->billed_ms);
    put_number(&writer, "duration_us", cost->duration_us);
    put_number(&writer, "memory_mib", cost->memory_mib);
    put_number(&writer, "peak_kib", cost->peak_kib);
    json_put_bool(&writer, "cold", is_true(cost->cold));
    json_put_text(&writer, "function_error", cost->error[0] != '\0' ? cost->error : NULL);
    if (tree != NULL) {
        json_put_raw(&writer, "payload", buf_text(&answer->body));
    } else {
        json_put_text(&writer, "payload", buf_text(&answer->body));
    }
    json_close_object(&writer);
    (void)puts(buf_text(&out));
    cJSON_Delete(tree);
    buf_free(&out);
}

static int print_answer(const struct cli *cli, const struct invoke_words *words)
{
    const struct rest_answer *answer = &cli->answer;
    struct cost cost;

    read_cost(answer, &cost);
    if (words->tail) {
        print_tail(answer);
    }
    if (cli->json) {
        print_json(answer, &cost);
    } else if (answer->body.length > 0) {
        (void)fwrite(answer->body.data, 1, answer->body.length, stdout);
        (void)fputs(answer->body.data[answer->body.length - 1] == '\n' ? "" : "\n", stdout);
    }
    if (!cli->json && (words->async || words->dry_run)) {
        (void)fprintf(stderr, "%s%s%s\n", words->async ? "queued" : "it would be admitted",
                      cost.request_id[0] != '\0' ? ", request " : "", cost.request_id);
    } else if (!cli->json) {
        print_cost(&cost);
    }
    return cost.error[0] != '\0' ? CMD_FAILED : CMD_OK;
}

static int invoke_send(struct cli *cli, const struct invoke_words *words, const char *path, const struct buf *body,
                       struct err *err)
{
    char key[300];
    struct rest_call call = {.method = "POST", .path = path, .body = buf_text(body), .body_length = body->length};

    if (words->idempotency_key != NULL) {
        if (strlen(words->idempotency_key) > 255 || strpbrk(words->idempotency_key, "\r\n") != NULL) {
            return err_field(err, "idempotency-key", "--idempotency-key must be one line of 255 bytes at most");
        }
        (void)snprintf(key, sizeof key, "Idempotency-Key: %s", words->idempotency_key);
        call.headers[0] = key;
    }
    return rest_run(cli->rest, &call, &cli->answer, err) == 0 ? print_answer(cli, words) : -1;
}

static int invoke(struct cli *cli, struct err *err)
{
    struct invoke_words words = {.payload = "{}"};
    struct buf path = {0}, body = {0};
    char names[3][128];
    const struct arg args[] = {A_TEXT("payload", &words.payload),
                               A_TEXT("account", &words.account),
                               A_TEXT("idempotency-key", &words.idempotency_key),
                               A_FLAG("async", &words.async),
                               A_FLAG("dry-run", &words.dry_run),
                               A_FLAG("tail", &words.tail),
                               A_END};
    int rc = -1;

    if (cli_args(cli, args, 1, 1, "ACCOUNT/FUNCTION", err) == 0 &&
        cli_function_word(cli->words.items[0], words.account, names, err) == 0 &&
        read_payload(words.payload, &body, err) == 0) {
        rest_path(&path, "/v1/accounts/{}/functions/{}/invocations", names[0], names[1]);
        rest_query(&path, "qualifier", names[2][0] != '\0' ? names[2] : NULL);
        rest_query(&path, "type", words.async ? "async" : words.dry_run ? "dry-run" : NULL);
        rest_query(&path, "log", words.tail ? "tail" : NULL);
        rc = invoke_send(cli, &words, buf_text(&path), &body, err);
    }
    buf_free(&path);
    buf_free(&body);
    return rc;
}

int cmd_invoke(int argc, char **argv)
{
    return cli_run("invoke", invoke, argc, argv);
}
