/*
 * table.h - aligned tables and a little colour for people.
 *
 * Columns:   marks before a head say what its column is: '>' right-aligned (numbers), '?' may be left out where a
 *            terminal is too narrow (the last first, and it is said), '~' words that may be cut then. Widths count
 *            UTF-8 characters.
 *
 * Colour:    only on a terminal, and not when NO_COLOR is set or TERM is dumb; color() gives "" then.
 *
 * Ownership: table_free; cells are copied. Threads: one at a time.
 */
#ifndef FARTHING_CLI_TABLE_H
#define FARTHING_CLI_TABLE_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "common/buf.h"

#define TABLE_COLUMNS_MAX 20

struct table {
    const char *const *heads; /* NULL-terminated */
    int columns;
    int64_t cells;
    struct buf text; /* cells, each ended by NUL */
};

void table_init(struct table *table, const char *const *heads);
/* Cells fill rows from left to right; NULL prints as "-". */
void table_text(struct table *table, const char *cell);
/* With thousands separated: "1,234,567". */
void table_i64(struct table *table, int64_t value);
/* One before the last column that needs it: a rule between the rows so far and the next (totals). */
void table_rule(struct table *table);
void table_print(const struct table *table, FILE *out);
void table_free(struct table *table);

void number_format(int64_t value, char text[32]);
/* A decimal as the API gives it, for people: "9967.90543" with 3 places is "9,967.905", "20000" is "20,000"; digits
 * behind are cut. What is not a decimal stays as it is. */
void quantity_format(const char *decimal, int places, char text[64]);
/* "12.3 MiB" from KiB; "1.5 GB-s" style helpers stay with their commands. */
void kib_format(int64_t kib, char text[32]);
/* "1.234 ms", "2.50 s" from microseconds. */
void duration_format(int64_t us, char text[32]);

enum color { COLOR_NONE, COLOR_BOLD, COLOR_DIM, COLOR_RED, COLOR_GREEN, COLOR_YELLOW, COLOR_BLUE };
bool color_wanted(FILE *out);
/* Characters a line: COLUMNS, or the terminal's; 80 where there is none. */
int table_columns(FILE *out);
const char *color(FILE *out, enum color color);

/* "[####----|  ]": used, held and free parts of a limit, width characters wide; coloured by how full it is. */
void bar_print(FILE *out, int64_t used, int64_t held, int64_t limit, int width);

#endif
