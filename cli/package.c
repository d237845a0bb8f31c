#include "cli/package.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/err.h"
#include "common/fs.h"
#include "engine/function.h"

struct guess {
    const char *file, *runtime, *handler;
};

/* In order: a bootstrap is always meant to be run. */
static const struct guess GUESSES[] = {
    {"bootstrap", "provided", "bootstrap"},      {"index.mjs", "nodejs", "index.handler"},
    {"index.js", "nodejs", "index.handler"},     {"lambda_function.py", "python", "lambda_function.lambda_handler"},
    {"handler.py", "python", "handler.handler"}, {"main.py", "python", "main.handler"},
    {"index.py", "python", "index.handler"},
};

static void guess_runtime(const char *dir, struct package *package)
{
    char path[PATH_MAX];

    for (size_t i = 0; i < sizeof GUESSES / sizeof GUESSES[0]; i++) {
        int length = snprintf(path, sizeof path, "%s/%s", dir, GUESSES[i].file);
        if (length < (int)sizeof path && access(path, R_OK) == 0) {
            package->runtime = GUESSES[i].runtime;
            package->handler = GUESSES[i].handler;
            return;
        }
    }
}

/* "./examples/node hello.zip" to "node-hello". */
static void guess_name(const char *path, struct package *package)
{
    char real[PATH_MAX];
    const char *base = realpath(path, real) != NULL ? strrchr(real, '/') + 1 : path;
    size_t length = strlen(base);
    size_t at = 0;

    if (length > 4 && strcmp(base + length - 4, ".zip") == 0) {
        length -= 4;
    }
    for (; at < length && at < sizeof package->name - 1; at++) {
        unsigned char c = (unsigned char)base[at];
        package->name[at] = isalnum(c) || c == '_' ? (char)c : '-';
    }
    package->name[at] = '\0';
}

int package_read(const char *path, struct package *package, struct err *err)
{
    struct stat about;

    *package = (struct package){.runtime = "", .handler = ""};
    if (stat(path, &about) != 0) {
        return err_set(err, ERR_INVALID, "%s: %s", path, strerror(errno));
    }
    guess_name(path, package);
    if (S_ISDIR(about.st_mode)) {
        guess_runtime(path, package);
        return code_pack_dir(path, &package->zip, err);
    }
    return fs_read(path, FUNCTION_ZIP_BYTES_MAX, &package->zip, err);
}

void package_free(struct package *package)
{
    buf_free(&package->zip);
}
