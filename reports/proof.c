#include "reports/proof.h"

#include "common/buf.h"
#include "common/err.h"
#include "common/json.h"
#include "common/text.h"

#include <cjson/cJSON.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

void proof_of_seal(const struct seal_proof *seal, const char *number, struct proof *proof)
{
    const struct seal_day *day = &seal->month.day[seal->day];
    *proof = (struct proof){.in_day = seal->in_day, .in_month = seal->in_month, .root = seal->month.root};
    (void)snprintf(proof->number, sizeof proof->number, "%s", number);
    (void)proof_record_text(&seal->record, proof->record);
    (void)proof_day_text(seal->month.account_id, day->day_us, day->records, &day->root, proof->day);
}

/* ---- checking ---- */

/* The n-th field of a line, from 0; "" when there is none. */
static void field_of(const char *line, int n, char *text, size_t bytes)
{
    for (; n > 0 && line != NULL; n--) {
        line = strchr(line, ',');
        line = line != NULL ? line + 1 : NULL;
    }
    (void)snprintf(text, bytes, "%.*s", line != NULL ? (int)strcspn(line, ",") : 0, line != NULL ? line : "");
}

#define FIELD_BYTES 80

/* Do the lines belong together: the record to the day, the day to the count of the path? */
static int check_lines(const struct proof *proof, struct err *err)
{
    char words[2][FIELD_BYTES];
    field_of(proof->record, 0, words[0], FIELD_BYTES);
    field_of(proof->day, 0, words[1], FIELD_BYTES);
    if (strcmp(words[0], "farthing-record-1") != 0 || strcmp(words[1], "farthing-day-1") != 0) {
        return err_set(err, ERR_INVALID, "the lines begin with \"%.20s\" and \"%.20s\"; they are of another format",
                       words[0], words[1]);
    }
    field_of(proof->record, 1, words[0], FIELD_BYTES);
    field_of(proof->day, 1, words[1], FIELD_BYTES);
    if (strcmp(words[0], words[1]) != 0) {
        return err_set(err, ERR_INVALID, "the record is of %.40s, the day of %.40s", words[0], words[1]);
    }
    field_of(proof->record, 4, words[0], FIELD_BYTES);
    field_of(proof->day, 2, words[1], FIELD_BYTES);
    if (strlen(words[1]) != 10 || strncmp(words[0], words[1], 10) != 0) {
        return err_set(err, ERR_INVALID, "the record started at %.40s, which is not in day %.40s", words[0], words[1]);
    }
    char count[24];
    (void)snprintf(count, sizeof count, "%" PRIu64, proof->in_day.count);
    field_of(proof->day, 3, words[0], FIELD_BYTES);
    if (strcmp(count, words[0]) != 0) {
        return err_set(err, ERR_INVALID, "the day has %.20s records, the path is of a tree of %s", words[0], count);
    }
    return 0;
}

int proof_check(const struct proof *proof, struct err *err)
{
    struct merkle_hash reached;
    char hex[SHA256_HEX_BYTES];
    char stated[FIELD_BYTES];
    if (check_lines(proof, err) != 0) {
        return -1;
    }
    struct merkle_hash leaf = merkle_leaf(proof->record, strlen(proof->record));
    if (merkle_path_root(&proof->in_day, &leaf, &reached) != 0) {
        return err_set(err, ERR_INVALID, "the path of the record does not fit record %" PRIu64 " of %" PRIu64,
                       proof->in_day.index, proof->in_day.count);
    }
    hex_encode(reached.bytes, sizeof reached.bytes, hex);
    field_of(proof->day, 4, stated, sizeof stated);
    if (strcmp(hex, stated) != 0) {
        return err_set(err, ERR_INVALID, "the record leads to day root %s, the day's line says %.64s", hex, stated);
    }
    leaf = merkle_leaf(proof->day, strlen(proof->day));
    if (merkle_path_root(&proof->in_month, &leaf, &reached) != 0) {
        return err_set(err, ERR_INVALID, "the path of the day does not fit day %" PRIu64 " of %" PRIu64,
                       proof->in_month.index, proof->in_month.count);
    }
    if (memcmp(&reached, &proof->root, sizeof reached) != 0) {
        hex_encode(reached.bytes, sizeof reached.bytes, hex);
        return err_set(err, ERR_INVALID, "the day leads to records root %s, which is not the one stated", hex);
    }
    return 0;
}

/* ---- JSON ---- */

static void put_path(struct json_writer *writer, const char *name, const struct merkle_path *path)
{
    char hex[SHA256_HEX_BYTES];
    json_open_object(writer, name);
    json_put_i64(writer, "index", (int64_t)path->index);
    json_put_i64(writer, "count", (int64_t)path->count);
    json_open_array(writer, "hashes");
    for (int i = 0; i < path->length; i++) {
        hex_encode(path->hashes[i].bytes, SHA256_BYTES, hex);
        json_put_text(writer, NULL, hex);
    }
    json_close_array(writer);
    json_close_object(writer);
}

void proof_write(const struct proof *proof, struct buf *json)
{
    struct json_writer writer;
    char hex[SHA256_HEX_BYTES];
    hex_encode(proof->root.bytes, SHA256_BYTES, hex);
    json_writer_init(&writer, json);
    json_open_object(&writer, NULL);
    json_put_text(&writer, "format", PROOF_FORMAT);
    json_put_text(&writer, "invoice", proof->number[0] != '\0' ? proof->number : NULL);
    json_put_text(&writer, "record", proof->record);
    put_path(&writer, "in_day", &proof->in_day);
    json_put_text(&writer, "day", proof->day);
    put_path(&writer, "in_month", &proof->in_month);
    json_put_text(&writer, "records_root", hex);
    json_close_object(&writer);
}

static int read_hash(const char *text, const char *pointer, struct merkle_hash *hash, struct err *err)
{
    if (text == NULL || strlen(text) != 2 * SHA256_BYTES || hex_decode(text, hash->bytes, SHA256_BYTES) != 0) {
        return err_field(err, pointer, "%s is not a hash of %d hexadecimal digits", pointer, 2 * SHA256_BYTES);
    }
    return 0;
}

static int read_path(const cJSON *root, const char *name, struct merkle_path *path, struct err *err)
{
    static const char *const NAMES[] = {"index", "count", "hashes", NULL};
    char pointer[48];
    const cJSON *object = NULL;
    const cJSON *hashes = NULL;
    const cJSON *item;
    int64_t index = 0;
    int64_t count = 0;
    (void)snprintf(pointer, sizeof pointer, "/%s", name);
    if (json_get_object(root, "", name, true, &object, err) != 0 || json_only(object, pointer, NAMES, err) != 0 ||
        json_get_i64(object, pointer, "index", true, 0, INT64_MAX, &index, err) != 0 ||
        json_get_i64(object, pointer, "count", true, 1, INT64_MAX, &count, err) != 0 ||
        json_get_array(object, pointer, "hashes", true, &hashes, err) != 0) {
        return -1;
    }
    *path = (struct merkle_path){.index = (uint64_t)index, .count = (uint64_t)count};
    if (cJSON_GetArraySize(hashes) > MERKLE_PATH_MAX) {
        return err_field(err, pointer, "%s/hashes has more than %d", pointer, MERKLE_PATH_MAX);
    }
    cJSON_ArrayForEach(item, hashes)
    {
        (void)snprintf(pointer, sizeof pointer, "/%s/hashes/%d", name, path->length);
        if (read_hash(cJSON_GetStringValue(item), pointer, &path->hashes[path->length++], err) != 0) {
            return -1;
        }
    }
    return 0;
}

static int read_line(const cJSON *root, const char *name, char line[PROOF_TEXT_BYTES], struct err *err)
{
    const char *text = NULL;
    if (json_get_text(root, "", name, true, &text, err) != 0) {
        return -1;
    }
    if (text_copy(line, PROOF_TEXT_BYTES, text) != 0) {
        return err_field(err, name, "%s is longer than %d bytes", name, PROOF_TEXT_BYTES - 1);
    }
    return 0;
}

static int read_members(const cJSON *tree, struct proof *proof, struct err *err)
{
    static const char *const NAMES[] = {"format", "invoice",  "record",       "in_day",
                                        "day",    "in_month", "records_root", NULL};
    const char *format = NULL;
    const char *root = NULL;
    const char *number = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(tree, "invoice"));
    if (json_only(tree, "", NAMES, err) != 0 || json_get_text(tree, "", "format", true, &format, err) != 0) {
        return -1;
    }
    if (strcmp(format, PROOF_FORMAT) != 0) {
        return err_field(err, "/format", "format is \"%.40s\"; this program reads " PROOF_FORMAT, format);
    }
    (void)snprintf(proof->number, sizeof proof->number, "%s", number != NULL ? number : "");
    if (read_line(tree, "record", proof->record, err) != 0 || read_line(tree, "day", proof->day, err) != 0 ||
        read_path(tree, "in_day", &proof->in_day, err) != 0 ||
        read_path(tree, "in_month", &proof->in_month, err) != 0 ||
        json_get_text(tree, "", "records_root", true, &root, err) != 0) {
        return -1;
    }
    return read_hash(root, "/records_root", &proof->root, err);
}

int proof_read(const char *json, size_t length, struct proof *proof, struct err *err)
{
    cJSON *tree = NULL;
    *proof = (struct proof){0};
    if (length > PROOF_JSON_BYTES_MAX) {
        return err_set(err, ERR_LIMIT, "a proof is at most %d bytes", PROOF_JSON_BYTES_MAX);
    }
    if (json_parse(json, length, &tree, err) != 0) {
        return -1;
    }
    int rc = read_members(tree, proof, err);
    cJSON_Delete(tree);
    return rc;
}
