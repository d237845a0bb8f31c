/*
 * printed_parts.h - the words of a printed invoice in the pieces both drawings place: facts, cells, sums.
 */
#ifndef FARTHING_REPORTS_PRINTED_PARTS_H
#define FARTHING_REPORTS_PRINTED_PARTS_H

#include "reports/printed.h"

#define PRINTED_SUMS_MAX 24
#define PRINTED_LABEL_BYTES 224

struct printed_facts {
    char document_title[400];
    char account[PRINTED_TEXT_BYTES + 64];
    char period[2 * PRINTED_TEXT_BYTES + 8];
    char issued[PRINTED_TEXT_BYTES], due[PRINTED_TEXT_BYTES], complete[PRINTED_TEXT_BYTES]; /* "" when there is none */
    char takes_back[2 * PRINTED_TEXT_BYTES]; /* of a credit note: "INV-2026-000001 of 1 November 2026" */
    char reason[416];                        /* why it was written, credited or void; "" */
    char due_label[32];
    char total[PRINTED_TEXT_BYTES];
    char price_list[PRINTED_TEXT_BYTES + 32];
    char state[160];
    char terms[PARTY_NOTE_BYTES + 160];
    char how[400];
    char root_label[64], digest_label[64]; /* "" when there is nothing to show */
};

struct printed_cells {
    char quantity[PRINTED_TEXT_BYTES + 16], price[PRINTED_TEXT_BYTES], amount[PRINTED_TEXT_BYTES];
};

struct printed_function_cells {
    char requests[PRINTED_TEXT_BYTES], compute[PRINTED_TEXT_BYTES];
    char requests_amount[PRINTED_TEXT_BYTES], compute_amount[PRINTED_TEXT_BYTES], other_amount[PRINTED_TEXT_BYTES];
    char total[PRINTED_TEXT_BYTES];
};

/* A row under the lines: subtotal, taxes, and the total last. */
struct printed_sum {
    char label[PRINTED_LABEL_BYTES];
    char amount[PRINTED_TEXT_BYTES];
};

void printed_facts(const struct printed *printed, struct printed_facts *facts);
void printed_cells(const struct printed *printed, const struct rated_line *line, struct printed_cells *cells);
void printed_function_cells(const struct printed *printed, const struct printed_function *row,
                            struct printed_function_cells *cells);
/* How many; the last is what is to be paid. */
int printed_sums(const struct printed *printed, struct printed_sum sums[PRINTED_SUMS_MAX]);
const char *printed_section_title(enum printed_section section);

#endif
