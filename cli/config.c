#include "cli/config.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "cli/args.h"
#include "common/err.h"
#include "common/fs.h"

/* These say which file is read or what to do with it: they make no sense in it. */
static bool only_on_command_line(const char *name)
{
    return strcmp(name, "config") == 0 || strcmp(name, "check-config") == 0 || strcmp(name, "print-config") == 0;
}

static char *trim(char *text)
{
    size_t length = 0;

    while (isspace((unsigned char)*text)) {
        text++;
    }
    length = strlen(text);
    while (length > 0 && isspace((unsigned char)text[length - 1])) {
        text[--length] = '\0';
    }
    return text;
}

static const struct arg *find(const struct arg *args, const char *name)
{
    for (; args->kind != ARG_END; args++) {
        if (strcmp(args->name, name) == 0 && !only_on_command_line(name)) {
            return args;
        }
    }
    return NULL;
}

static int unknown(const char *key, const struct arg *args, struct err *err)
{
    const char *best = NULL;
    int distance = 3;

    for (; args->kind != ARG_END; args++) {
        int d = args_distance(args->name, key);
        if (d < distance && !only_on_command_line(args->name)) {
            distance = d;
            best = args->name;
        }
    }
    return best != NULL ? err_field(err, key, "there is no such key; did you mean %s?", best)
                        : err_field(err, key, "there is no such key; `farthing serve --print-config` shows all");
}

static int flag(const struct arg *arg, const char *value, struct err *err)
{
    bool yes = strcmp(value, "yes") == 0;

    if (!yes && strcmp(value, "no") != 0) {
        return err_field(err, arg->name, "is \"%s\"; it must be yes or no", value);
    }
    *(bool *)arg->value = yes;
    return 0;
}

static int store(struct config *config, const struct arg *args, char *key, char *value, int line, struct err *err)
{
    const struct arg *arg = find(args, key);
    char word[64];
    struct arg_list words;

    if (arg == NULL) {
        return unknown(key, args, err);
    }
    for (int i = 0; i < config->count; i++) {
        if (strcmp(config->keys[i].key, arg->name) == 0) {
            return err_field(err, arg->name, "stands in line %d already", config->keys[i].line);
        }
    }
    if (config->count == CONFIG_KEYS_MAX) {
        return err_field(err, arg->name, "is one key too many; there may be %d", CONFIG_KEYS_MAX);
    }
    config->keys[config->count].key = arg->name;
    config->keys[config->count++].line = line;
    if (arg->kind == ARG_FLAG) {
        return flag(arg, value, err);
    }
    if (value[0] == '\0') {
        return err_field(err, arg->name, "has no value; leave the line out for the default");
    }
    (void)snprintf(word, sizeof word, "--%s", arg->name);
    return args_parse(3, (char *[]){word, word, value}, args, NULL, &words, err);
}

int config_read(const char *file, const struct arg *args, struct config *config, struct err *err)
{
    char *at = NULL;

    *config = (struct config){.file = file};
    if (fs_read(file, CONFIG_FILE_BYTES_MAX, &config->text, err) != 0) {
        return err_wrap(err, "--config");
    }
    if (config->text.length == 0) {
        return 0;
    }
    at = (char *)config->text.data;
    if (memchr(at, '\0', config->text.length) != NULL) {
        return err_set(err, ERR_INVALID, "%s: is no text: there is a zero byte in it", file);
    }
    (void)buf_text(&config->text);
    at = (char *)config->text.data;
    for (int line = 1; at != NULL; line++) {
        char *next = strchr(at, '\n');
        if (next != NULL) {
            *next++ = '\0';
        }
        char *text = trim(at);
        char *equals = strchr(text, '=');
        at = next;
        if (text[0] == '\0' || text[0] == '#') {
            continue;
        }
        if (equals == NULL) {
            return err_field(err, "config", "%s:%d: \"%.60s\" has no =; a line is: key = value", file, line, text);
        }
        *equals = '\0';
        char *key = trim(text);
        if (store(config, args, key, trim(equals + 1), line, err) != 0) {
            return err_wrap(err, "%s:%d: %s", file, line, key);
        }
    }
    return 0;
}

int config_blame(const struct config *config, struct err *err)
{
    for (int i = 0; config->file != NULL && i < config->count; i++) {
        if (strcmp(config->keys[i].key, err->field) == 0) {
            return err_wrap(err, "%s:%d: %s", config->file, config->keys[i].line, config->keys[i].key);
        }
    }
    return -1;
}

/* Where the words of an option end on its first line: at two blanks, before what it means. */
static int words_length(const char *line, int length)
{
    for (int i = 0; i + 1 < length; i++) {
        if (line[i] == ' ' && line[i + 1] == ' ') {
            return i;
        }
    }
    return length;
}

static void print_keys(const char *words, int length)
{
    for (int at = 0; at < length;) {
        int name = at + 2, name_end = name, value_end = 0;
        while (name_end < length && words[name_end] != ' ') {
            name_end++;
        }
        char key[64];
        (void)snprintf(key, sizeof key, "%.*s", name_end - name, words + name);
        bool has_value = name_end + 1 < length && words[name_end + 1] != '-';
        value_end = name_end;
        while (has_value && value_end + 1 < length && words[value_end + 1] != ' ') {
            value_end++;
        }
        if (!only_on_command_line(key)) {
            (void)printf("#%s = %.*s\n", key, has_value ? value_end - name_end : 2,
                         has_value ? words + name_end + 1 : "no");
        }
        at = value_end + (has_value ? 2 : 1);
    }
}

/* An option begins with "  --"; lines further right belong to it. */
static const char *print_option(const char *at)
{
    int first = (int)strcspn(at, "\n");
    int words = words_length(at + 2, first - 2);
    const char *line = at + 2 + words;
    bool skip = false;
    char key[64];

    (void)snprintf(key, sizeof key, "%.*s", (int)strcspn(at + 4, " \n"), at + 4);
    skip = only_on_command_line(key);
    if (!skip) {
        (void)putchar('\n');
    }
    for (;;) {
        int blank = (int)strspn(line, " ");
        int length = (int)strcspn(line + blank, "\n");
        if (length > 0 && !skip) {
            (void)printf("# %.*s\n", length, line + blank);
        }
        line += blank + length;
        if (strncmp(line, "\n    ", 5) != 0) {
            break;
        }
        line++;
    }
    print_keys(at + 2, words);
    return *line == '\0' ? line : line + 1;
}

void config_print(const char *help)
{
    const char *at = strstr(help, "\n  --");

    (void)puts("# Options of farthing serve, one a line: key = value. What is commented out has its default.\n"
               "# After a change: farthing serve --config FILE --check-config");
    for (at = at != NULL ? at + 1 : ""; strncmp(at, "  --", 4) == 0;) {
        at = print_option(at);
    }
}

void config_free(struct config *config)
{
    buf_free(&config->text);
    *config = (struct config){0};
}
