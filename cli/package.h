/*
 * package.h - a directory or zip on this machine as a deployment package, with guesses for what was not said.
 *
 * Ownership: package_free releases the zip. Threads: any.
 */
#ifndef FARTHING_CLI_PACKAGE_H
#define FARTHING_CLI_PACKAGE_H

#include "common/buf.h"

struct err;

struct package {
    struct buf zip;
    char name[65];       /* of the folder or file, made to fit a function's name */
    const char *runtime; /* "" when the files do not say */
    const char *handler;
};

int package_read(const char *path, struct package *package, struct err *err);
void package_free(struct package *package);

#endif
