#include "reports/focus_split.h"

#include "common/err.h"

#include <stdlib.h>
#include <string.h>

/* A share of the bill, and how much of it its rows have taken. */
struct part {
    const struct bill_share *share;
    int64_t packages;
    bool adjusts; /* its line's rounding goes into one of its rows */
    bool adjusted, begun;
    int64_t whole;   /* W: what the function used, less what the bands before take */
    int64_t offered; /* C: of whole, up to the last row */
    int64_t given, given_packages;
};

struct focus_split {
    const struct bill *bill;
    int count;
    struct part *parts; /* in order of function, line */
    struct part *from;  /* the function at hand: from .. to */
    struct part *to;
    int missed; /* where focus_split_begin_missed goes on */
};

static int by_function(const void *left, const void *right)
{
    const struct part *a = left;
    const struct part *b = right;
    if (a->share->function_id != b->share->function_id) {
        return a->share->function_id < b->share->function_id ? -1 : 1;
    }
    return a->share->line - b->share->line;
}

/* Packages of a line over its shares, as the bill did it; and which share of each line carries the rounding. */
static int prepare_line(struct focus_split *split, int first, int count, int64_t *scratch, struct err *err)
{
    struct part *parts = split->parts + first;
    const struct rated_line *line = &split->bill->lines[parts[0].share->line];
    int64_t *packages = scratch + count;
    int largest = 0;
    for (int i = 0; i < count; i++) {
        scratch[i] = parts[i].share->quantity;
        largest = scratch[i] > scratch[largest] ? i : largest;
    }
    parts[largest].adjusts = true;
    if (line->packages == 0) {
        return 0;
    }
    if (money_spread(line->packages, scratch, count, packages, err) != 0) {
        return -1;
    }
    for (int i = 0; i < count; i++) {
        parts[i].packages = packages[i];
    }
    return 0;
}

int focus_split_new(const struct bill *bill, struct focus_split **split, struct err *err)
{
    size_t count = (size_t)bill->share_count;
    struct focus_split *self = calloc(1, sizeof *self);
    int64_t *scratch = calloc(2 * count + 1, sizeof *scratch);
    int rc = -1;
    if (self == NULL || scratch == NULL || (self->parts = calloc(count + 1, sizeof *self->parts)) == NULL) {
        (void)err_set(err, ERR_SYSTEM, "focus: out of memory");
        goto out;
    }
    self->bill = bill;
    self->count = bill->share_count;
    for (int i = 0; i < self->count; i++) {
        self->parts[i].share = &bill->shares[i];
    }
    /* The shares of a bill are in order of line. */
    for (int first = 0, next; first < self->count; first = next) {
        for (next = first + 1; next < self->count && bill->shares[next].line == bill->shares[first].line; next++) {
        }
        if (prepare_line(self, first, next - first, scratch, err) != 0) {
            goto out;
        }
    }
    qsort(self->parts, count, sizeof *self->parts, by_function);
    *split = self;
    self = NULL;
    rc = 0;
out:
    free(scratch);
    focus_split_free(&self);
    return rc;
}

void focus_split_free(struct focus_split **split)
{
    if (*split != NULL) {
        free((*split)->parts);
        free(*split);
        *split = NULL;
    }
}

int focus_split_pieces_max(const struct focus_split *split)
{
    return split->bill->line_count;
}

static void find(struct focus_split *split, int64_t function_id)
{
    int low = 0;
    int high = split->count;
    while (low < high) {
        int middle = low + (high - low) / 2;
        if (split->parts[middle].share->function_id < function_id) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    split->from = split->parts + low;
    split->to = split->from;
    while (split->to < split->parts + split->count && split->to->share->function_id == function_id) {
        split->to++;
    }
}

bool focus_split_begin(struct focus_split *split, int64_t function_id, const int64_t totals[METER_COUNT])
{
    int64_t left[METER_COUNT];
    memcpy(left, totals, sizeof left);
    find(split, function_id);
    for (struct part *part = split->from; part < split->to; part++) {
        enum meter meter = split->bill->lines[part->share->line].meter;
        part->begun = true;
        part->whole = left[meter];
        left[meter] = left[meter] > part->share->quantity ? left[meter] - part->share->quantity : 0;
    }
    return split->from < split->to;
}

/* floor(total * offered / whole), where offered is at most whole. */
static int64_t so_far(int64_t total, int64_t offered, int64_t whole)
{
    return offered >= whole ? total : (int64_t)((money_int)total * offered / whole);
}

static void fill(struct part *part, int64_t quantity, int64_t packages, struct focus_piece *piece)
{
    *piece = (struct focus_piece){.line = part->share->line, .quantity = quantity, .packages = packages};
    /* The row in which half of the part is reached: it is one of the large ones. */
    if (part->adjusts && !part->adjusted && part->given >= part->share->quantity - part->given) {
        piece->adjusts = true;
        part->adjusted = true;
    }
}

int focus_split_row(struct focus_split *split, const int64_t quantity[METER_COUNT], struct focus_piece *pieces)
{
    int64_t left[METER_COUNT];
    int count = 0;
    memcpy(left, quantity, sizeof left);
    for (struct part *part = split->from; part < split->to; part++) {
        enum meter meter = split->bill->lines[part->share->line].meter;
        if (left[meter] <= 0 || part->whole <= 0) {
            continue;
        }
        part->offered += left[meter];
        int64_t piece = so_far(part->share->quantity, part->offered, part->whole) - part->given;
        int64_t packages = so_far(part->packages, part->offered, part->whole) - part->given_packages;
        left[meter] -= piece;
        if (piece == 0) {
            continue; /* its packages, if any, go with the next row */
        }
        part->given += piece;
        part->given_packages += packages;
        fill(part, piece, packages, &pieces[count++]);
    }
    return count;
}

int focus_split_rest(struct focus_split *split, struct focus_piece *pieces)
{
    int count = 0;
    for (struct part *part = split->from; part < split->to; part++) {
        int64_t piece = part->share->quantity - part->given;
        int64_t packages = part->packages - part->given_packages;
        if (piece != 0 || packages != 0) {
            part->given += piece;
            part->given_packages += packages;
            fill(part, piece, packages, &pieces[count++]);
        }
    }
    return count;
}

bool focus_split_begin_missed(struct focus_split *split, int64_t *function_id, const char **name)
{
    static const int64_t NOTHING_USED[METER_COUNT];
    while (split->missed < split->count) {
        const struct part *part = &split->parts[split->missed++];
        if (!part->begun) {
            *function_id = part->share->function_id;
            *name = part->share->function_name;
            return focus_split_begin(split, *function_id, NOTHING_USED);
        }
    }
    return false;
}
