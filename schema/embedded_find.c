/*
 * embedded_find.c - where the server programs are.
 */
#include "common/err.h"
#include "common/text.h"
#include "schema/embedded.h"
#include "schema/embedded_internal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define MAJOR_MIN 15

struct found {
    int wanted; /* 0: the newest */
    int major;
    char bindir[EMBEDDED_PATH_MAX];
};

static bool has_program(const char *bindir, const char *program)
{
    char path[EMBEDDED_PATH_MAX];
    int used = snprintf(path, sizeof path, "%s/%s", bindir, program);
    return used > 0 && (size_t)used < sizeof path && access(path, X_OK) == 0;
}

/* First line that `postgres -V` prints: "postgres (PostgreSQL) 15.18 ...". */
static void read_version(const char *bindir, char *text, size_t size)
{
    char path[EMBEDDED_PATH_MAX];
    int ends[2];
    text[0] = '\0';
    (void)snprintf(path, sizeof path, "%.*s/postgres", (int)(sizeof path - 12), bindir);
    if (pipe2(ends, O_CLOEXEC) != 0) {
        return;
    }
    pid_t pid = fork();
    if (pid == 0) {
        char *const argv[] = {path, (char[]){"-V"}, NULL};
        (void)dup2(ends[1], STDOUT_FILENO);
        (void)execv(path, argv);
        _exit(127);
    }
    (void)close(ends[1]);
    ssize_t got = pid > 0 ? read(ends[0], text, size - 1) : 0;
    text[got > 0 ? got : 0] = '\0';
    (void)close(ends[0]);
    while (pid > 0 && waitpid(pid, NULL, 0) < 0 && errno == EINTR) {
    }
}

static int major_of(const char *bindir)
{
    char text[128];
    if (!has_program(bindir, "postgres") || !has_program(bindir, "initdb")) {
        return 0;
    }
    read_version(bindir, text, sizeof text);
    const char *number = strstr(text, ") ");
    return number != NULL ? (int)strtol(number + 2, NULL, 10) : 0;
}

static void consider(struct found *found, const char *bindir)
{
    int major = major_of(bindir);
    bool better = found->wanted == 0 ? major > found->major : major == found->wanted;
    if (major >= MAJOR_MIN && better && text_copy(found->bindir, sizeof found->bindir, bindir) == 0) {
        found->major = major;
    }
}

/* Debian: /usr/lib/postgresql/15/bin; Red Hat: /usr/pgsql-15/bin. */
static void consider_folder(struct found *found, const char *folder, const char *prefix)
{
    DIR *dir = opendir(folder);
    const struct dirent *entry;
    while (dir != NULL && (entry = readdir(dir)) != NULL) {
        char bindir[EMBEDDED_PATH_MAX];
        int64_t major;
        if (text_starts(entry->d_name, prefix) &&
            text_i64(entry->d_name + strlen(prefix), "version", MAJOR_MIN, 999, &major, NULL) == 0) {
            (void)snprintf(bindir, sizeof bindir, "%s/%s/bin", folder, entry->d_name);
            consider(found, bindir);
        }
    }
    if (dir != NULL) {
        (void)closedir(dir);
    }
}

static void consider_path(struct found *found)
{
    const char *at = getenv("PATH");
    while (at != NULL && *at != '\0') {
        size_t length = strcspn(at, ":");
        char bindir[EMBEDDED_PATH_MAX];
        if (length > 0 && length < sizeof bindir && at[0] == '/') {
            (void)snprintf(bindir, sizeof bindir, "%.*s", (int)length, at);
            consider(found, bindir);
        }
        at += length + (at[length] == ':' ? 1 : 0);
    }
}

int embedded_find_major(int major, char *bindir, size_t size, struct err *err)
{
    struct found found = {.wanted = major};
    const char *chosen = getenv("FARTHING_PG_BINDIR");
    bindir[0] = '\0';
    if (chosen != NULL && chosen[0] != '\0') {
        consider(&found, chosen);
    } else {
        consider_folder(&found, "/usr/lib/postgresql", "");
        consider_folder(&found, "/usr", "pgsql-");
        consider_path(&found);
    }
    if (found.major == 0 || text_copy(bindir, size, found.bindir) != 0) {
        return major == 0
                   ? err_set(err, ERR_SYSTEM, "no PostgreSQL server of version %d or newer is installed", MAJOR_MIN)
                   : err_set(err, ERR_SYSTEM, "the data needs PostgreSQL %d, which is not installed", major);
    }
    return 0;
}

int embedded_find(char *bindir, unsigned size, struct err *err)
{
    return embedded_find_major(0, bindir, size, err);
}
