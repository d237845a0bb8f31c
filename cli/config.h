/*
 * config.h - a file of options: `key = value` lines that stand for --key=value (farthing serve --config FILE).
 *
 * Why:       a node under systemd has its options in a file a person can read, comment and check before a restart.
 * Form:      one option a line, named as on the command line without dashes; the value is the rest of the line; flags
 *            are yes or no; empty lines and lines that begin with # say nothing. Each key once.
 * Errors:    FILE:LINE: key: the rule it breaks. Ownership: values point into *config. Threads: one.
 */
#ifndef FARTHING_CLI_CONFIG_H
#define FARTHING_CLI_CONFIG_H

#include <stddef.h>

#include "common/buf.h"

struct arg;
struct err;

#define CONFIG_FILE_BYTES_MAX 65536
#define CONFIG_KEYS_MAX 64

struct config {
    const char *file;
    struct buf text;
    struct {
        const char *key;
        int line;
    } keys[CONFIG_KEYS_MAX];
    int count;
};

/* Read file and store what it says through args, which the command line may overwrite afterwards. */
int config_read(const char *file, const struct arg *args, struct config *config, struct err *err);

/* A check that failed later: when the file set the option err names, say where; returns -1. */
int config_blame(const struct config *config, struct err *err);

/* The file with every option of a help text, each explained and commented out, as a new node finds it. */
void config_print(const char *help);

void config_free(struct config *config);

#endif
