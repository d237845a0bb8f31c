#include "metering/trace.h"

#include "common/buf.h"
#include "common/check.h"
#include "common/digest.h"
#include "common/err.h"
#include "common/fs.h"
#include "common/map.h"
#include "metering/trace_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FUNCTIONS_MAX 1000000u
#define MINUTE_COUNT_MAX UINT64_C(100000000)
#define RUN_US_MAX UINT64_C(900000000) /* 900 s, the longest a function may run */
#define RUN_MS_SCALE 1000u
#define RUN_PARSED_MAX (UINT64_C(1) << 45)
#define PEAK_KIB_MAX UINT64_C(10485760) /* 10240 MiB */
#define PEAK_MB_SCALE 1024u

static const uint32_t MEMORY_SIZES[] = {128, 256, 512, 1024, 1536, 2048, 3008, 4096, 6144, 8192, 10240};

/* ---- reading ---- */

static int copy_hash(const struct csv *csv, int column, char target[TRACE_HASH_BYTES_MAX + 1], struct err *err)
{
    struct csv_field field = csv->fields[column];
    if (field.length == 0 || field.length > TRACE_HASH_BYTES_MAX) {
        return csv_fail(csv, err, "a hash is empty or too long");
    }
    for (size_t i = 0; i < field.length; i++) {
        char c = field.text[i];
        bool plain = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' || c == '_';
        if (!plain) {
            return csv_fail(csv, err, "a hash has other characters than letters, digits, - and _");
        }
    }
    memcpy(target, field.text, field.length);
    target[field.length] = '\0';
    return 0;
}

/* Where "1" or "1_minute" to "1440..." are; they must follow each other. */
static int minute_column(const struct csv *csv, struct err *err)
{
    int first = csv_column(csv, "1");
    first = first >= 0 ? first : csv_column(csv, "1_minute");
    if (first < 0 || (size_t)first + TRACE_MINUTES > csv->columns) {
        return csv_fail(csv, err, "there are no columns 1 to 1440");
    }
    for (int minute = 1; minute <= TRACE_MINUTES; minute++) {
        char names[2][16];
        const struct csv_field *field = &csv->fields[first + minute - 1];
        (void)snprintf(names[0], sizeof names[0], "%d", minute);
        (void)snprintf(names[1], sizeof names[1], "%d_minute", minute);
        bool plain = field->length == strlen(names[0]) && memcmp(field->text, names[0], field->length) == 0;
        bool words = field->length == strlen(names[1]) && memcmp(field->text, names[1], field->length) == 0;
        if (!plain && !words) {
            return csv_fail(csv, err, "the columns 1 to 1440 are not in order");
        }
    }
    return first;
}

static struct trace_function *add_function(struct trace *trace, struct err *err)
{
    if (trace->count == FUNCTIONS_MAX) {
        (void)err_set(err, ERR_LIMIT, "inv.csv has more than %u functions", FUNCTIONS_MAX);
        return NULL;
    }
    if ((trace->count & (trace->count + 1)) == 0) { /* 0, 1, 3, 7, ...: room for as many again */
        struct trace_function *more = realloc(trace->functions, (2 * trace->count + 1) * sizeof *more);
        if (more == NULL) {
            (void)err_set(err, ERR_SYSTEM, "trace: out of memory");
            return NULL;
        }
        trace->functions = more;
    }
    struct trace_function *function = &trace->functions[trace->count];
    *function = (struct trace_function){.minutes = calloc(TRACE_MINUTES, sizeof *function->minutes)};
    if (function->minutes == NULL) {
        (void)err_set(err, ERR_SYSTEM, "trace: out of memory");
        return NULL;
    }
    function->run_us = (struct trace_points){.count = 1, .percent = {100}, .value = {TRACE_DEFAULT_RUN_US}};
    function->peak_kib = (struct trace_points){.count = 1, .percent = {100}, .value = {TRACE_DEFAULT_PEAK_KIB}};
    function->memory_mib = MEMORY_SIZES[0];
    trace->count++;
    return function;
}

static int read_minutes(const struct csv *csv, int first, struct trace_function *function, struct err *err)
{
    for (int minute = 0; minute < TRACE_MINUTES; minute++) {
        uint64_t count;
        if (!csv_decimal(csv->fields[first + minute], 1, MINUTE_COUNT_MAX, &count)) {
            return csv_fail(csv, err, "a count is not a whole number");
        }
        function->minutes[minute] = (uint32_t)count;
        function->invocations += count;
    }
    return 0;
}

int trace_parse_inv(struct trace *trace, const char *text, size_t length, struct err *err)
{
    struct csv csv;
    bool more;
    csv_open(&csv, "inv", text, length);
    if (csv_next(&csv, &more, err) != 0) {
        return -1;
    }
    int owner = csv_column(&csv, "HashOwner");
    int app = csv_column(&csv, "HashApp");
    int name = csv_column(&csv, "HashFunction");
    if (!more || owner < 0 || app < 0 || name < 0) {
        return csv_fail(&csv, err, "the header lacks HashOwner, HashApp or HashFunction");
    }
    int minutes = minute_column(&csv, err);
    if (minutes < 0) {
        return -1;
    }
    for (;;) {
        if (csv_next(&csv, &more, err) != 0) {
            return -1;
        }
        if (!more) {
            return 0;
        }
        struct trace_function *function = add_function(trace, err);
        if (function == NULL || copy_hash(&csv, owner, function->owner, err) != 0 ||
            copy_hash(&csv, app, function->app, err) != 0 || copy_hash(&csv, name, function->name, err) != 0 ||
            read_minutes(&csv, minutes, function, err) != 0) {
            return -1;
        }
        function->first = trace->invocations;
        trace->invocations += function->invocations;
    }
}

struct points_file {
    const char *what;
    const char *prefix; /* of the percentile columns */
    unsigned count;
    unsigned percent[TRACE_POINTS];
    uint64_t scale, parsed_max, value_max;
    bool run;
};

static const struct points_file RUN_FILE = {
    .what = "run",
    .prefix = "percentile_Average_",
    .count = 7,
    .percent = {0, 1, 25, 50, 75, 99, 100},
    .scale = RUN_MS_SCALE,
    .parsed_max = RUN_PARSED_MAX,
    .value_max = RUN_US_MAX,
    .run = true,
};
static const struct points_file MEM_FILE = {
    .what = "mem",
    .prefix = "AverageAllocatedMb_pct",
    .count = 8,
    .percent = {1, 5, 25, 50, 75, 95, 99, 100},
    .scale = PEAK_MB_SCALE,
    .parsed_max = RUN_PARSED_MAX,
    .value_max = PEAK_KIB_MAX,
};

static uint32_t memory_for(uint64_t peak_kib)
{
    size_t last = sizeof MEMORY_SIZES / sizeof MEMORY_SIZES[0] - 1;
    for (size_t i = 0; i < last; i++) {
        if (peak_kib <= (uint64_t)MEMORY_SIZES[i] * 1024) {
            return MEMORY_SIZES[i];
        }
    }
    return MEMORY_SIZES[last];
}

/* Percentiles rise; where a file says otherwise the lower one is lifted. */
static int read_points(const struct csv *csv, const struct points_file *file, const int *columns,
                       struct trace_points *points, struct err *err)
{
    uint64_t before = 0;
    points->count = file->count;
    for (unsigned i = 0; i < file->count; i++) {
        uint64_t value;
        if (!csv_decimal(csv->fields[columns[i]], file->scale, file->parsed_max, &value)) {
            return csv_fail(csv, err, "a percentile is not a number");
        }
        value = value < file->value_max ? value : file->value_max;
        before = value > before ? value : before;
        points->percent[i] = file->percent[i];
        points->value[i] = before;
    }
    return 0;
}

/* Functions by "owner/app/function", and by "owner/app" (a chain through next_same: all functions of an application).
 */
struct index {
    struct map *map;
    size_t *next; /* next function of the same key + 1; 0: none */
};

static int make_key(char *key, size_t size, const char *owner, const char *app, const char *name)
{
    return snprintf(key, size, "%s/%s/%s", owner, app, name);
}

#define KEY_BYTES (3 * (TRACE_HASH_BYTES_MAX + 1) + 1)

static int build_index(const struct trace *trace, bool by_function, struct index *index, struct err *err)
{
    index->map = map_new();
    index->next = calloc(trace->count + 1, sizeof *index->next);
    if (index->map == NULL || index->next == NULL) {
        return err_set(err, ERR_SYSTEM, "trace: out of memory");
    }
    for (size_t i = 0; i < trace->count; i++) {
        struct trace_function *function = &trace->functions[i];
        char key[KEY_BYTES];
        int length = make_key(key, sizeof key, function->owner, function->app, by_function ? function->name : "");
        const struct trace_function *same = map_get(index->map, key, (size_t)length);
        index->next[i] = same != NULL ? (size_t)(same - trace->functions) + 1 : 0;
        if (map_put(index->map, key, (size_t)length, function) != 0) {
            return err_set(err, ERR_SYSTEM, "trace: out of memory");
        }
    }
    return 0;
}

static void free_index(struct index *index)
{
    map_free(&index->map);
    free(index->next);
}

static void set_points(struct trace *trace, const struct index *index, const char *key, size_t length,
                       const struct points_file *file, const struct trace_points *points)
{
    struct trace_function *function = map_get(index->map, key, length);
    while (function != NULL) {
        if (file->run) {
            function->run_us = *points;
        } else {
            function->peak_kib = *points;
            function->memory_mib = memory_for(points->value[points->count - 1]);
        }
        size_t next = index->next[function - trace->functions];
        function = next != 0 ? &trace->functions[next - 1] : NULL;
    }
}

static int read_points_line(struct trace *trace, const struct index *index, const struct csv *csv,
                            const struct points_file *file, const int *columns, struct err *err)
{
    char hashes[3][TRACE_HASH_BYTES_MAX + 1] = {"", "", ""};
    char key[KEY_BYTES];
    struct trace_points points = {0};
    for (int i = 0; i < 3; i++) {
        int column = columns[TRACE_POINTS + i];
        if (column >= 0 && copy_hash(csv, column, hashes[i], err) != 0) {
            return -1;
        }
    }
    if (read_points(csv, file, columns, &points, err) != 0) {
        return -1;
    }
    int length = make_key(key, sizeof key, hashes[0], hashes[1], hashes[2]);
    set_points(trace, index, key, (size_t)length, file, &points);
    return 0;
}

/* columns: the percentiles, then from TRACE_POINTS on owner, application and function (-1: none). */
static int find_columns(const struct csv *csv, const struct points_file *file, int *columns, struct err *err)
{
    for (unsigned i = 0; i < file->count; i++) {
        char name[48];
        (void)snprintf(name, sizeof name, "%s%u", file->prefix, file->percent[i]);
        columns[i] = csv_column(csv, name);
        if (columns[i] < 0) {
            return csv_fail(csv, err, "the header lacks a percentile");
        }
    }
    columns[TRACE_POINTS] = csv_column(csv, "HashOwner");
    columns[TRACE_POINTS + 1] = csv_column(csv, "HashApp");
    columns[TRACE_POINTS + 2] = csv_column(csv, "HashFunction");
    bool enough = columns[TRACE_POINTS] >= 0 && columns[TRACE_POINTS + 1] >= 0;
    if (!enough || (file->run && columns[TRACE_POINTS + 2] < 0)) {
        return csv_fail(csv, err, "the header lacks HashOwner, HashApp or HashFunction");
    }
    return 0;
}

static int parse_points(struct trace *trace, const struct points_file *file, const char *text, size_t length,
                        struct err *err)
{
    struct csv csv;
    struct index index = {0};
    int columns[TRACE_POINTS + 3];
    bool more = false;
    int rc = -1;
    csv_open(&csv, file->what, text, length);
    if (csv_next(&csv, &more, err) != 0 || find_columns(&csv, file, columns, err) != 0 ||
        build_index(trace, columns[TRACE_POINTS + 2] >= 0, &index, err) != 0) {
        goto out;
    }
    for (;;) {
        if (csv_next(&csv, &more, err) != 0) {
            goto out;
        }
        if (!more) {
            break;
        }
        if (read_points_line(trace, &index, &csv, file, columns, err) != 0) {
            goto out;
        }
    }
    rc = 0;
out:
    free_index(&index);
    return rc;
}

int trace_parse_run(struct trace *trace, const char *text, size_t length, struct err *err)
{
    return parse_points(trace, &RUN_FILE, text, length, err);
}

int trace_parse_mem(struct trace *trace, const char *text, size_t length, struct err *err)
{
    return parse_points(trace, &MEM_FILE, text, length, err);
}

typedef int parse_fn(struct trace *trace, const char *text, size_t length, struct err *err);

static int read_file(struct trace *trace, const char *prefix, const char *suffix, parse_fn *parse,
                     struct sha256 *digest, struct err *err)
{
    char path[4096];
    struct buf text = {0};
    int length = snprintf(path, sizeof path, "%s%s", prefix, suffix);
    if (length < 0 || (size_t)length >= sizeof path) {
        return err_field(err, "trace", "the path is too long");
    }
    int rc = fs_read(path, TRACE_FILE_BYTES_MAX, &text, err);
    if (rc == 0) {
        sha256_update(digest, buf_text(&text), text.length);
        rc = parse(trace, buf_text(&text), text.length, err);
        rc = rc == 0 ? 0 : err_wrap(err, "read %s", path);
    }
    buf_free(&text);
    return rc;
}

int trace_open(const char *prefix, struct trace **trace, struct err *err)
{
    struct trace *self = calloc(1, sizeof *self);
    struct sha256 *digest = sha256_new();
    int rc = -1;
    if (self == NULL) {
        (void)err_set(err, ERR_SYSTEM, "trace: out of memory");
        goto out;
    }
    if (read_file(self, prefix, "_inv.csv", trace_parse_inv, digest, err) != 0 ||
        read_file(self, prefix, "_run.csv", trace_parse_run, digest, err) != 0 ||
        read_file(self, prefix, "_mem.csv", trace_parse_mem, digest, err) != 0) {
        goto out;
    }
    sha256_end(&digest, self->digest);
    *trace = self;
    self = NULL;
    rc = 0;
out:
    sha256_end(&digest, NULL);
    trace_free(&self);
    return rc;
}

void trace_free(struct trace **trace)
{
    struct trace *self = *trace;
    if (self == NULL) {
        return;
    }
    for (size_t i = 0; i < self->count; i++) {
        free(self->functions[i].minutes);
    }
    free(self->functions);
    free(self);
    *trace = NULL;
}
