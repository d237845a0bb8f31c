/*
 * party.h - who sends a bill and who gets it: what an invoice must say about both.
 *
 * Why:       a printed or electronic invoice names both sides with address and tax number; a bill as CSV does not need
 * them. Document: {"name", "address": [lines], "city", "postal_code", "country", "tax_id", "email", "reference",
 * "payment", "terms"}; every member may be missing. country is ISO 3166-1 alpha-2; payment says how to pay (issuer),
 * terms what applies (issuer), reference is the buyer's order number (buyer). Ownership: plain values. Threads: any.
 */
#ifndef FARTHING_REPORTS_PARTY_H
#define FARTHING_REPORTS_PARTY_H

#include <stdbool.h>
#include <stddef.h>

struct err;

#define PARTY_ADDRESS_LINES_MAX 4
#define PARTY_TEXT_BYTES 256
#define PARTY_NOTE_BYTES 1024
#define PARTY_DOCUMENT_BYTES_MAX 16384

struct party {
    char name[PARTY_TEXT_BYTES];
    char address[PARTY_ADDRESS_LINES_MAX][PARTY_TEXT_BYTES];
    int address_lines;
    char city[PARTY_TEXT_BYTES];
    char postal_code[32];
    char country[3];
    char tax_id[64];
    char email[PARTY_TEXT_BYTES];
    char reference[PARTY_TEXT_BYTES];
    char payment[PARTY_NOTE_BYTES]; /* may have line breaks */
    char terms[PARTY_NOTE_BYTES];   /* may have line breaks */
};

/*
 * The whole text is one document; ERR_INVALID points at the member. strict: members of other names are an error (a file
 * somebody wrote), else they are somebody else's (account.billing may hold more).
 */
int party_parse(const char *text, size_t length, bool strict, struct party *party, struct err *err);

#endif
