/*
 * split.c - cuts a script into statements, because some servers take only one at a time.
 */
#include "common/err.h"
#include "schema/migrate_internal.h"

#include <stdbool.h>
#include <string.h>

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f' || c == '\v';
}

/* Letters, digits, '_', '$' and anything outside ASCII: what a name goes on with. */
static bool is_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '$' ||
           (unsigned char)c >= 0x80;
}

static bool looking_at(const struct split *split, size_t at, const char *text)
{
    size_t length = strlen(text);
    return split->length - at >= length && memcmp(split->sql + at, text, length) == 0;
}

/* Past the quote that closes; a doubled one is part of the text. 0: never closed. */
static size_t skip_quoted(const struct split *split, size_t at, char quote, bool backslash)
{
    for (size_t i = at + 1; i < split->length; i++) {
        if (backslash && split->sql[i] == '\\') {
            i++;
        } else if (split->sql[i] == quote) {
            if (i + 1 < split->length && split->sql[i + 1] == quote) {
                i++;
            } else {
                return i + 1;
            }
        }
    }
    return 0;
}

static size_t skip_line(const struct split *split, size_t at)
{
    while (at < split->length && split->sql[at] != '\n') {
        at++;
    }
    return at;
}

static size_t skip_block(const struct split *split, size_t at)
{
    size_t depth = 0;
    while (at < split->length) {
        if (looking_at(split, at, "/*")) {
            depth++;
            at += 2;
        } else if (looking_at(split, at, "*/")) {
            at += 2;
            if (--depth == 0) {
                return at;
            }
        } else {
            at++;
        }
    }
    return 0;
}

/* Length of "$tag$" at at; 0 when it is something else ($1, a name with a dollar in it). */
static size_t dollar_tag(const struct split *split, size_t at)
{
    if (at > 0 && is_word(split->sql[at - 1])) {
        return 0;
    }
    size_t i = at + 1;
    while (i < split->length && is_word(split->sql[i]) && split->sql[i] != '$') {
        i++;
    }
    bool tag = i < split->length && split->sql[i] == '$' && !(split->sql[at + 1] >= '0' && split->sql[at + 1] <= '9');
    return tag ? i + 1 - at : 0;
}

static size_t skip_dollar(const struct split *split, size_t at, size_t tag)
{
    for (size_t i = at + tag; i + tag <= split->length; i++) {
        if (memcmp(split->sql + i, split->sql + at, tag) == 0) {
            return i + tag;
        }
    }
    return 0;
}

/* E'...' takes backslashes; the E must be a word of its own. */
static bool escape_string(const struct split *split, size_t at)
{
    return at > 0 && (split->sql[at - 1] | 0x20) == 'e' && (at == 1 || !is_word(split->sql[at - 2]));
}

/* Past whatever starts at at: a quoted thing as a whole, else one character. 0: never closed. */
static size_t skip_one(const struct split *split, size_t at)
{
    char c = split->sql[at];
    if (c == '\'') {
        return skip_quoted(split, at, c, escape_string(split, at));
    }
    if (c == '"') {
        return skip_quoted(split, at, c, false);
    }
    if (looking_at(split, at, "--")) {
        return skip_line(split, at);
    }
    if (looking_at(split, at, "/*")) {
        return skip_block(split, at);
    }
    size_t tag = c == '$' ? dollar_tag(split, at) : 0;
    return tag > 0 ? skip_dollar(split, at, tag) : at + 1;
}

static int unclosed(const struct split *split, size_t at, struct err *err)
{
    size_t rest = split->length - at;
    return err_set(err, ERR_INVALID, "what starts at byte %zu (%.*s) is never closed", at, (int)(rest < 12 ? rest : 12),
                   split->sql + at);
}

/* Spaces, comments and empty statements in front of a statement. */
static int skip_between(struct split *split, struct err *err)
{
    while (split->at < split->length) {
        bool comment = looking_at(split, split->at, "--") || looking_at(split, split->at, "/*");
        if (!comment && !is_space(split->sql[split->at]) && split->sql[split->at] != ';') {
            return 0;
        }
        size_t next = skip_one(split, split->at);
        if (next == 0) {
            return unclosed(split, split->at, err);
        }
        split->at = next;
    }
    return 0;
}

int split_next(struct split *split, const char **start, size_t *length, struct err *err)
{
    if (skip_between(split, err) != 0) {
        return -1;
    }
    if (split->at >= split->length) {
        return 0;
    }
    size_t from = split->at;
    size_t at = from;
    while (at < split->length && split->sql[at] != ';') {
        size_t next = skip_one(split, at);
        if (next == 0) {
            return unclosed(split, at, err);
        }
        at = next;
    }
    *start = split->sql + from;
    *length = at - from;
    split->at = at < split->length ? at + 1 : at;
    return 1;
}
