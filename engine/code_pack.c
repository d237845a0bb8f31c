/* code_pack.c - folders as packages: the same files give the same bytes. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <zip.h>

#include "common/buf.h"
#include "common/err.h"
#include "engine/function.h"

#define CODE_FIELD "/code"
#define ENTRIES_MAX 65535
#define DEPTH_MAX 64
#define CHUNK_BYTES 65536
#define PATH_BYTES 4096

struct file_list {
    char **paths;
    size_t count, room;
};

static int add_path(struct file_list *list, const char *path)
{
    if (list->count == list->room) {
        size_t room = list->room == 0 ? 64 : list->room * 2;
        char **grown = realloc(list->paths, room * sizeof *grown);
        if (grown == NULL) {
            return -1;
        }
        list->paths = grown;
        list->room = room;
    }
    list->paths[list->count] = strdup(path);
    return list->paths[list->count++] == NULL ? -1 : 0;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static int pack_file(zip_t *archive, const char *dir, const char *path, struct err *err)
{
    struct stat found;
    const char *name = path + strlen(dir) + 1;
    if (stat(path, &found) != 0) {
        return err_set(err, ERR_SYSTEM, "pack %s: %s", path, strerror(errno));
    }
    zip_source_t *source = zip_source_file(archive, path, 0, -1);
    zip_int64_t index = source != NULL ? zip_file_add(archive, name, source, ZIP_FL_ENC_UTF_8) : -1;
    if (index < 0) {
        zip_source_free(source);
        return err_set(err, ERR_SYSTEM, "pack %s: %s", path, zip_strerror(archive));
    }
    mode_t mode = (found.st_mode & 0111) != 0 ? 0755 : 0644;
    zip_uint32_t attributes = (zip_uint32_t)(S_IFREG | mode) << 16;
    /* 1980-01-01: what zip can say earliest; the same files give the same bytes. */
    if (zip_file_set_external_attributes(archive, (zip_uint64_t)index, 0, ZIP_OPSYS_UNIX, attributes) != 0 ||
        zip_file_set_dostime(archive, (zip_uint64_t)index, 0, 33, 0) != 0 ||
        zip_set_file_compression(archive, (zip_uint64_t)index, ZIP_CM_DEFLATE, 6) != 0) {
        return err_set(err, ERR_SYSTEM, "pack %s: %s", path, zip_strerror(archive));
    }
    return 0;
}

static int walk(const char *dir, struct file_list *list, int depth, struct err *err);

static int read_bytes(zip_source_t *source, struct buf *zip, struct err *err)
{
    char chunk[CHUNK_BYTES];
    zip_int64_t got = 0;
    if (zip_source_open(source) != 0) {
        return err_set(err, ERR_SYSTEM, "pack: cannot read the package back");
    }
    while ((got = zip_source_read(source, chunk, sizeof chunk)) > 0) {
        buf_append(zip, chunk, (size_t)got);
    }
    (void)zip_source_close(source);
    return got == 0 && buf_ok(zip) ? 0 : err_set(err, ERR_SYSTEM, "pack: cannot read the package back");
}

int code_pack_dir(const char *dir, struct buf *zip, struct err *err)
{
    struct file_list list = {0};
    zip_error_t error;
    zip_source_t *source = NULL;
    zip_t *archive = NULL;
    int rc = -1;

    zip_error_init(&error);
    if (walk(dir, &list, 0, err) != 0) {
        goto out;
    }
    if (list.count == 0) {
        (void)err_field(err, CODE_FIELD, "%s has no files", dir);
        goto out;
    }
    qsort(list.paths, list.count, sizeof *list.paths, by_name);
    source = zip_source_buffer_create(NULL, 0, 0, &error);
    archive = source != NULL ? zip_open_from_source(source, ZIP_CREATE | ZIP_TRUNCATE, &error) : NULL;
    if (archive == NULL) {
        (void)err_set(err, ERR_SYSTEM, "pack %s: %s", dir, zip_error_strerror(&error));
        goto out;
    }
    for (size_t i = 0; i < list.count; i++) {
        if (pack_file(archive, dir, list.paths[i], err) != 0) {
            goto out;
        }
    }
    zip_source_keep(source);
    if (zip_close(archive) != 0) {
        (void)err_set(err, ERR_SYSTEM, "pack %s: %s", dir, zip_strerror(archive));
        zip_source_free(source);
        goto out;
    }
    archive = NULL;
    rc = read_bytes(source, zip, err);
    zip_source_free(source);
    source = NULL;
out:
    if (archive != NULL) {
        zip_discard(archive);
    }
    zip_error_fini(&error);
    for (size_t i = 0; i < list.count; i++) {
        free(list.paths[i]);
    }
    free(list.paths);
    return rc;
}

static int walk_entry(const char *path, struct file_list *list, int depth, struct err *err)
{
    struct stat found;
    if (lstat(path, &found) != 0) {
        return err_set(err, ERR_NOT_FOUND, "%s: %s", path, strerror(errno));
    }
    if (S_ISDIR(found.st_mode)) {
        return walk(path, list, depth + 1, err);
    }
    if (S_ISLNK(found.st_mode)) {
        return err_field(err, CODE_FIELD, "%s is a symbolic link: packages hold files only", path);
    }
    if (!S_ISREG(found.st_mode)) {
        return err_field(err, CODE_FIELD, "%s is neither file nor folder", path);
    }
    return add_path(list, path) == 0 ? 0 : err_set(err, ERR_SYSTEM, "pack: out of memory");
}

static int walk(const char *dir, struct file_list *list, int depth, struct err *err)
{
    char path[PATH_BYTES];
    int rc = 0;
    if (depth > DEPTH_MAX || list->count > ENTRIES_MAX) {
        return err_field(err, CODE_FIELD, "%s has too many files or folders", dir);
    }
    DIR *folder = opendir(dir);
    if (folder == NULL) {
        return err_field(err, CODE_FIELD, "%s: %s", dir, strerror(errno));
    }
    const struct dirent *entry = NULL;
    while (rc == 0 && (entry = readdir(folder)) != NULL) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) {
            continue;
        }
        int length = snprintf(path, sizeof path, "%s/%s", dir, entry->d_name);
        rc = length > 0 && (size_t)length < sizeof path ? walk_entry(path, list, depth, err)
                                                        : err_field(err, CODE_FIELD, "%s: a path is too long", dir);
    }
    (void)closedir(folder);
    return rc;
}
