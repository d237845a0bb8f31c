#include "common/fs.h"

#include "common/buf.h"
#include "common/digest.h"
#include "common/err.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FS_DEPTH_MAX 128

static int fail(struct err *err, const char *action, const char *path)
{
    int error = errno;
    enum err_code code = error == ENOENT ? ERR_NOT_FOUND : ERR_SYSTEM;
    return err_set(err, code, "%s %s: %s", action, path, strerror(error));
}

static int read_all(int fd, const char *path, size_t max_bytes, struct buf *out, struct err *err)
{
    char chunk[16384];
    size_t total = 0;
    for (;;) {
        ssize_t got = read(fd, chunk, sizeof chunk);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0) {
            return fail(err, "read", path);
        }
        if (got == 0) {
            return 0;
        }
        total += (size_t)got;
        if (total > max_bytes) {
            return err_set(err, ERR_LIMIT, "read %s: more than %zu bytes", path, max_bytes);
        }
        buf_append(out, chunk, (size_t)got);
        if (!buf_ok(out)) {
            return err_set(err, ERR_SYSTEM, "read %s: out of memory", path);
        }
    }
}

int fs_read(const char *path, size_t max_bytes, struct buf *out, struct err *err)
{
    size_t before = out->length;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return fail(err, "open", path);
    }
    int rc = read_all(fd, path, max_bytes, out, err);
    (void)close(fd);
    if (rc != 0 && out->length > before) {
        out->length = before;
        out->data[before] = '\0';
    }
    return rc;
}

static int write_all(int fd, const char *path, const void *bytes, size_t length, struct err *err)
{
    const char *at = bytes;
    while (length > 0) {
        ssize_t put = write(fd, at, length);
        if (put < 0 && errno == EINTR) {
            continue;
        }
        if (put < 0) {
            return fail(err, "write", path);
        }
        at += put;
        length -= (size_t)put;
    }
    return fsync(fd) == 0 ? 0 : fail(err, "fsync", path);
}

/* A rename is durable once the folder is. */
static int sync_folder_of(const char *path, struct err *err)
{
    char folder[PATH_MAX];
    const char *slash = strrchr(path, '/');
    if (slash == NULL) {
        (void)snprintf(folder, sizeof folder, ".");
    } else {
        (void)snprintf(folder, sizeof folder, "%.*s", slash == path ? 1 : (int)(slash - path), path);
    }
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        return fail(err, "open", folder);
    }
    int rc = fsync(fd) == 0 ? 0 : fail(err, "fsync", folder);
    (void)close(fd);
    return rc;
}

int fs_write_atomic(const char *path, const void *bytes, size_t length, mode_t mode, struct err *err)
{
    char beside[PATH_MAX];
    uint8_t random[8];
    char suffix[2 * sizeof random + 1];
    random_bytes(random, sizeof random);
    hex_encode(random, sizeof random, suffix);
    int used = snprintf(beside, sizeof beside, "%s.%s.tmp", path, suffix);
    if (used < 0 || (size_t)used >= sizeof beside) {
        return err_set(err, ERR_INVALID, "write %.200s...: the path is too long", path);
    }
    int fd = open(beside, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
    if (fd < 0) {
        return fail(err, "create", beside);
    }
    int rc = write_all(fd, beside, bytes, length, err);
    if (close(fd) != 0 && rc == 0) {
        rc = fail(err, "close", beside);
    }
    if (rc == 0 && rename(beside, path) != 0) {
        rc = fail(err, "rename to", path);
    }
    if (rc != 0) {
        (void)unlink(beside);
        return -1;
    }
    return sync_folder_of(path, err);
}

static int make_one(const char *path, mode_t mode, struct err *err)
{
    struct stat info;
    if (mkdir(path, mode) == 0 || (errno == EEXIST && stat(path, &info) == 0 && S_ISDIR(info.st_mode))) {
        return 0;
    }
    return fail(err, "make folder", path);
}

int fs_make_dirs(const char *path, mode_t mode, struct err *err)
{
    char part[PATH_MAX];
    size_t length = strlen(path);
    if (length == 0 || length >= sizeof part) {
        return err_set(err, ERR_INVALID, "make folder \"%.200s\": the path is empty or too long", path);
    }
    memcpy(part, path, length + 1);
    for (size_t i = 1; i < length; i++) {
        if (part[i] == '/' && part[i - 1] != '/') {
            part[i] = '\0';
            if (make_one(part, mode, err) != 0) {
                return -1;
            }
            part[i] = '/';
        }
    }
    return make_one(part, mode, err);
}

static int remove_at(int folder, const char *name, const char *path, int depth, struct err *err);

static int remove_entries(DIR *dir, const char *path, int depth, struct err *err)
{
    for (;;) {
        errno = 0;
        const struct dirent *entry = readdir(dir);
        if (entry == NULL) {
            return errno == 0 ? 0 : fail(err, "list", path);
        }
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) {
            continue;
        }
        if (remove_at(dirfd(dir), entry->d_name, path, depth + 1, err) != 0) {
            return -1;
        }
    }
}

/* Everything goes by open folder and name, so a folder swapped for a link meanwhile is not followed. */
static int remove_at(int folder, const char *name, const char *path, int depth, struct err *err)
{
    if (unlinkat(folder, name, 0) == 0 || errno == ENOENT) {
        return 0;
    }
    if (errno != EISDIR && errno != EPERM) {
        return fail(err, "remove", path);
    }
    if (depth > FS_DEPTH_MAX) {
        return err_set(err, ERR_LIMIT, "remove %s: deeper than %d folders", path, FS_DEPTH_MAX);
    }
    int fd = openat(folder, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) {
        return fail(err, "open to remove", path);
    }
    DIR *dir = fdopendir(fd);
    if (dir == NULL) {
        (void)close(fd);
        return fail(err, "list", path);
    }
    int rc = remove_entries(dir, path, depth, err);
    (void)closedir(dir);
    if (rc == 0 && unlinkat(folder, name, AT_REMOVEDIR) != 0 && errno != ENOENT) {
        rc = fail(err, "remove folder", path);
    }
    return rc;
}

int fs_remove_tree(const char *path, struct err *err)
{
    return remove_at(AT_FDCWD, path, path, 0, err);
}
