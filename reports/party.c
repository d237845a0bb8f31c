#include "reports/party.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "common/err.h"
#include "common/ids.h"
#include "common/json.h"

static const char *const MEMBERS[] = {"name",  "address",   "city",    "postal_code", "country", "tax_id",
                                      "email", "reference", "payment", "terms",       NULL};

/* Line breaks are fine in notes; what is left must be text like any other. */
static int check_note(const char *text, size_t bytes_max, const char *pointer, struct err *err)
{
    char line[PARTY_NOTE_BYTES];
    if (strlen(text) >= bytes_max) {
        return err_field(err, pointer, "%s is longer than %zu bytes", pointer + 1, bytes_max - 1);
    }
    for (const char *at = text; *at != '\0';) {
        size_t length = strcspn(at, "\n");
        memcpy(line, at, length);
        line[length] = '\0';
        if (length > 0 && name_check_text(line, bytes_max - 1, pointer, err) != 0) {
            return -1;
        }
        at += length + (at[length] == '\n' ? 1 : 0);
    }
    return 0;
}

static int take(const cJSON *tree, const char *name, bool note, char *to, size_t size, struct err *err)
{
    const char *text = "";
    char pointer[40];
    (void)snprintf(pointer, sizeof pointer, "/%s", name);
    if (json_get_text(tree, "", name, false, &text, err) != 0) {
        return -1;
    }
    if (note ? check_note(text, size, pointer, err) != 0
             : *text != '\0' && name_check_text(text, size - 1, pointer, err) != 0) {
        return -1;
    }
    (void)snprintf(to, size, "%s", text);
    return 0;
}

static int take_address(const cJSON *tree, struct party *party, struct err *err)
{
    const cJSON *lines = NULL;
    const cJSON *line = NULL;
    if (json_get_array(tree, "", "address", false, &lines, err) != 0) {
        return -1;
    }
    cJSON_ArrayForEach(line, lines)
    {
        char pointer[40];
        (void)snprintf(pointer, sizeof pointer, "/address/%d", party->address_lines);
        if (party->address_lines == PARTY_ADDRESS_LINES_MAX) {
            return err_field(err, pointer, "an address has at most %d lines", PARTY_ADDRESS_LINES_MAX);
        }
        if (!cJSON_IsString(line)) {
            return err_field(err, pointer, "a line of an address is text");
        }
        if (name_check_text(line->valuestring, PARTY_TEXT_BYTES - 1, pointer, err) != 0) {
            return -1;
        }
        (void)snprintf(party->address[party->address_lines++], PARTY_TEXT_BYTES, "%s", line->valuestring);
    }
    return 0;
}

static int take_all(const cJSON *tree, bool strict, struct party *party, struct err *err)
{
    if ((strict && json_only(tree, "", MEMBERS, err) != 0) ||
        take(tree, "name", false, party->name, sizeof party->name, err) != 0 || take_address(tree, party, err) != 0 ||
        take(tree, "city", false, party->city, sizeof party->city, err) != 0 ||
        take(tree, "postal_code", false, party->postal_code, sizeof party->postal_code, err) != 0 ||
        take(tree, "tax_id", false, party->tax_id, sizeof party->tax_id, err) != 0 ||
        take(tree, "email", false, party->email, sizeof party->email, err) != 0 ||
        take(tree, "reference", false, party->reference, sizeof party->reference, err) != 0 ||
        take(tree, "payment", true, party->payment, sizeof party->payment, err) != 0 ||
        take(tree, "terms", true, party->terms, sizeof party->terms, err) != 0 ||
        take(tree, "country", false, party->country, sizeof party->country, err) != 0) {
        return -1;
    }
    if (party->country[0] != '\0' && (!isupper((unsigned char)party->country[0]) ||
                                      !isupper((unsigned char)party->country[1]) || party->country[2] != '\0')) {
        return err_field(err, "/country", "country is \"%s\"; two capital letters of ISO 3166-1 are needed",
                         party->country);
    }
    return 0;
}

int party_parse(const char *text, size_t length, bool strict, struct party *party, struct err *err)
{
    struct party self = {.address_lines = 0};
    cJSON *tree = NULL;
    if (length > PARTY_DOCUMENT_BYTES_MAX) {
        return err_set(err, ERR_INVALID, "the document is longer than %d bytes", PARTY_DOCUMENT_BYTES_MAX);
    }
    if (json_parse(text, length, &tree, err) != 0) {
        return -1;
    }
    int rc = cJSON_IsObject(tree) ? take_all(tree, strict, &self, err)
                                  : err_set(err, ERR_INVALID, "a JSON object with name, address, ... is needed");
    cJSON_Delete(tree);
    if (rc == 0) {
        *party = self;
    }
    return rc;
}
