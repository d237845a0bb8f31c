/* code.c - packages: checked before they are kept, unpacked whole or not at all. Packing: code_pack.c. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zip.h>

#include "common/buf.h"
#include "common/err.h"
#include "common/fs.h"
#include "common/map.h"
#include "common/text.h"
#include "engine/function.h"

#define CODE_FIELD "/code"
#define ENTRIES_MAX 65535
#define NAME_BYTES_MAX 1024
#define DEPTH_MAX 64
#define CHUNK_BYTES 65536
#define PATH_BYTES 4096
#define RATIO_MAX 1032 /* deflate cannot do better; more is a lie */

static int open_zip(const void *bytes, size_t length, zip_t **archive, struct err *err)
{
    zip_error_t error;
    zip_error_init(&error);
    if (length > FUNCTION_ZIP_BYTES_MAX) {
        (void)err_field(err, CODE_FIELD, "Zipped size must be smaller than %d bytes", FUNCTION_ZIP_BYTES_MAX);
        return err_slug(err, "code_too_large");
    }
    zip_source_t *source = zip_source_buffer_create(bytes, length, 0, &error);
    *archive = source != NULL ? zip_open_from_source(source, ZIP_RDONLY | ZIP_CHECKCONS, &error) : NULL;
    if (*archive == NULL) {
        (void)err_field(err, CODE_FIELD, "the package is not a zip file: %s", zip_error_strerror(&error));
        zip_source_free(source);
        zip_error_fini(&error);
        return -1;
    }
    zip_error_fini(&error);
    return 0;
}

static int bad_entry(struct err *err, const char *name, const char *why)
{
    return err_field(err, CODE_FIELD, "entry '%.160s' of the package %s", name, why);
}

/* Relative, no "." or "..", no empty part (but a folder's last). */
static int check_name(const char *name, struct err *err)
{
    size_t length = strlen(name);
    int depth = 0;
    if (length == 0 || length > NAME_BYTES_MAX || !text_utf8(name, length)) {
        return bad_entry(err, name, "has no usable name");
    }
    if (name[0] == '/' || strchr(name, '\\') != NULL) {
        return bad_entry(err, name, "has an absolute path or a backslash");
    }
    for (const char *at = name; *at != '\0';) {
        size_t part = strcspn(at, "/");
        if (part == 0 || (part == 1 && at[0] == '.') || (part == 2 && at[0] == '.' && at[1] == '.')) {
            return bad_entry(err, name, "leads out of the package or has an empty part");
        }
        if (++depth > DEPTH_MAX || part > 255) {
            return bad_entry(err, name, "is too deep or too long");
        }
        at += part;
        at += *at == '/';
    }
    for (size_t i = 0; i < length; i++) {
        if ((unsigned char)name[i] < 0x20) {
            return bad_entry(err, name, "has a control character in its name");
        }
    }
    return 0;
}

static mode_t mode_of(zip_t *archive, zip_uint64_t index)
{
    zip_uint8_t system = 0;
    zip_uint32_t attributes = 0;
    if (zip_file_get_external_attributes(archive, index, 0, &system, &attributes) != 0 || system != ZIP_OPSYS_UNIX) {
        return 0;
    }
    return (mode_t)(attributes >> 16);
}

struct entry {
    const char *name;
    bool folder;
    mode_t mode;
    uint64_t bytes;
};

static int read_entry(zip_t *archive, zip_uint64_t index, struct entry *entry, struct err *err)
{
    zip_stat_t found;
    zip_stat_init(&found);
    if (zip_stat_index(archive, index, 0, &found) != 0 || (found.valid & ZIP_STAT_NAME) == 0 ||
        (found.valid & ZIP_STAT_SIZE) == 0) {
        return err_field(err, CODE_FIELD, "entry %llu of the package cannot be read", (unsigned long long)index);
    }
    if (check_name(found.name, err) != 0) {
        return -1;
    }
    mode_t mode = mode_of(archive, index);
    mode_t kind = mode & S_IFMT;
    size_t length = strlen(found.name);
    *entry =
        (struct entry){.name = found.name, .folder = found.name[length - 1] == '/', .mode = mode, .bytes = found.size};
    if (kind != 0 && kind != S_IFREG && kind != S_IFDIR) {
        return bad_entry(err, found.name, kind == S_IFLNK ? "is a symbolic link" : "is neither file nor folder");
    }
    if ((found.valid & ZIP_STAT_ENCRYPTION_METHOD) != 0 && found.encryption_method != ZIP_EM_NONE) {
        return bad_entry(err, found.name, "is encrypted");
    }
    if ((found.valid & ZIP_STAT_COMP_METHOD) != 0 && found.comp_method != ZIP_CM_STORE &&
        found.comp_method != ZIP_CM_DEFLATE) {
        return bad_entry(err, found.name, "is compressed in a way other than deflate");
    }
    if ((found.valid & ZIP_STAT_COMP_SIZE) != 0 && found.size > (found.comp_size + 16) * RATIO_MAX) {
        return bad_entry(err, found.name, "declares an impossible size");
    }
    return 0;
}

/* Names once each, also as folder and file, and no file where another entry needs a folder. */
static int check_twice(struct map *names, const char *name, struct err *err)
{
    static char file_mark, folder_mark;
    size_t length = strlen(name);
    bool folder = name[length - 1] == '/';
    for (size_t i = 0; i < length; i++) {
        if (name[i] == '/' && i + 1 < length) {
            if (map_get(names, name, i) == &file_mark) {
                return bad_entry(err, name, "lies below a file");
            }
            if (map_put(names, name, i, &folder_mark) != 0) {
                return err_set(err, ERR_SYSTEM, "package: out of memory");
            }
        }
    }
    length -= folder;
    const void *before = map_get(names, name, length);
    if (before == &file_mark || (before == &folder_mark && !folder)) {
        return bad_entry(err, name, "is there twice");
    }
    if (map_put(names, name, length, folder ? &folder_mark : &file_mark) != 0) {
        return err_set(err, ERR_SYSTEM, "package: out of memory");
    }
    return 0;
}

static int write_all(int fd, const char *bytes, size_t length)
{
    while (length > 0) {
        ssize_t put = write(fd, bytes, length);
        if (put < 0 && errno == EINTR) {
            continue;
        }
        if (put <= 0) {
            return -1;
        }
        bytes += put;
        length -= (size_t)put;
    }
    return 0;
}

/* Inflate one entry to fd (or nowhere, -1), counting what really comes out. */
static int inflate_entry(zip_t *archive, zip_uint64_t index, const struct entry *entry, int fd, uint64_t *total,
                         struct err *err)
{
    char chunk[CHUNK_BYTES];
    zip_file_t *file = zip_fopen_index(archive, index, 0);
    uint64_t bytes = 0;
    zip_int64_t got = -1;
    if (file == NULL) {
        return bad_entry(err, entry->name, "cannot be read");
    }
    int rc = 0;
    while (rc == 0 && (got = zip_fread(file, chunk, sizeof chunk)) > 0) {
        bytes += (uint64_t)got;
        *total += (uint64_t)got;
        if (*total > FUNCTION_UNZIPPED_BYTES_MAX) {
            (void)err_field(err, CODE_FIELD, "Unzipped size must be smaller than %d bytes",
                            FUNCTION_UNZIPPED_BYTES_MAX);
            rc = err_slug(err, "code_too_large");
        } else if (fd >= 0 && write_all(fd, chunk, (size_t)got) != 0) {
            rc = err_set(err, ERR_SYSTEM, "unpack %s: %s", entry->name, strerror(errno));
        }
    }
    (void)zip_fclose(file);
    if (rc == 0 && (got < 0 || bytes != entry->bytes)) {
        rc = bad_entry(err, entry->name, "is damaged");
    }
    return rc;
}

int code_measure(const void *zip, size_t length, int64_t *unzipped_bytes, struct err *err)
{
    zip_t *archive = NULL;
    struct map *names = NULL;
    uint64_t total = 0;
    zip_int64_t count = 0;
    int rc = -1;

    if (open_zip(zip, length, &archive, err) != 0) {
        return -1;
    }
    count = zip_get_num_entries(archive, 0);
    names = map_new();
    if (count <= 0 || count > ENTRIES_MAX || names == NULL) {
        (void)err_field(err, CODE_FIELD, "the package has %lld entries, not between 1 and %d", (long long)count,
                        ENTRIES_MAX);
        goto out;
    }
    for (zip_int64_t i = 0; i < count; i++) {
        struct entry entry;
        if (read_entry(archive, (zip_uint64_t)i, &entry, err) != 0 || check_twice(names, entry.name, err) != 0 ||
            (!entry.folder && inflate_entry(archive, (zip_uint64_t)i, &entry, -1, &total, err) != 0)) {
            goto out;
        }
    }
    *unzipped_bytes = (int64_t)total;
    rc = 0;
out:
    map_free(&names);
    zip_discard(archive);
    return rc;
}

int code_check(const void *zip, size_t length, struct err *err)
{
    int64_t unzipped_bytes = 0;
    return code_measure(zip, length, &unzipped_bytes, err);
}

/* ---- unpack ---- */

/* What another package left at path, and this one has something else there: it goes. */
static int clear_way(const char *path, bool for_folder, struct err *err)
{
    struct stat found;
    if (lstat(path, &found) != 0) {
        return errno == ENOENT ? 0 : err_set(err, ERR_SYSTEM, "unpack %s: %s", path, strerror(errno));
    }
    if (S_ISDIR(found.st_mode)) {
        return for_folder ? 0 : fs_remove_tree(path, err);
    }
    return unlink(path) == 0 ? 0 : err_set(err, ERR_SYSTEM, "unpack %s: %s", path, strerror(errno));
}

static int make_parents(char *path, size_t base_length, struct err *err)
{
    for (char *at = path + base_length + 1; (at = strchr(at, '/')) != NULL; at++) {
        *at = '\0';
        int rc = mkdir(path, 0755) == 0 ? 0 : -1;
        if (rc != 0 && errno == EEXIST && clear_way(path, true, err) == 0) {
            rc = mkdir(path, 0755) == 0 || errno == EEXIST ? 0 : -1;
        }
        if (rc != 0) {
            rc = err_set(err, ERR_SYSTEM, "unpack %s: %s", path, strerror(errno));
        }
        *at = '/';
        if (rc != 0) {
            return -1;
        }
    }
    return 0;
}

static int unpack_entry(zip_t *archive, zip_uint64_t index, const char *dir, uint64_t *total, struct err *err)
{
    struct entry entry;
    char path[PATH_BYTES];
    if (read_entry(archive, index, &entry, err) != 0) {
        return -1;
    }
    int length = snprintf(path, sizeof path, "%s/%s", dir, entry.name);
    if (length < 0 || (size_t)length >= sizeof path) {
        return bad_entry(err, entry.name, "has a path too long for this machine");
    }
    if (make_parents(path, strlen(dir), err) != 0) {
        return -1;
    }
    if (entry.folder) {
        return 0; /* its name ends in '/': make_parents made it */
    }
    /* A zip made where modes are unknown: executable, or a bootstrap in it could not start. */
    mode_t mode = entry.mode == 0 || (entry.mode & 0111) != 0 ? 0555 : 0444;
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0 && errno == EEXIST) {
        if (clear_way(path, false, err) != 0) {
            return -1;
        }
        fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    }
    if (fd < 0) {
        return err_set(err, ERR_SYSTEM, "unpack %s: %s", path, strerror(errno));
    }
    int rc = inflate_entry(archive, index, &entry, fd, total, err);
    if (rc == 0 && fchmod(fd, mode) != 0) {
        rc = err_set(err, ERR_SYSTEM, "unpack %s: %s", path, strerror(errno));
    }
    (void)close(fd);
    return rc;
}

static int unpack_begin(const char *dir, char part[PATH_BYTES], struct err *err)
{
    (void)snprintf(part, PATH_BYTES, "%.4000s.XXXXXX", dir);
    if (mkdtemp(part) == NULL) {
        return err_set(err, ERR_SYSTEM, "unpack: %s: %s", part, strerror(errno));
    }
    return 0;
}

static int unpack_into(const void *zip, size_t length, const char *part, struct err *err)
{
    zip_t *archive = NULL;
    uint64_t total = 0;
    int rc = 0;
    if (code_check(zip, length, err) != 0 || open_zip(zip, length, &archive, err) != 0) {
        return -1;
    }
    zip_int64_t count = zip_get_num_entries(archive, 0);
    for (zip_int64_t i = 0; i < count && rc == 0; i++) {
        rc = unpack_entry(archive, (zip_uint64_t)i, part, &total, err);
    }
    zip_discard(archive);
    return rc;
}

/* rc: of what was done so far; when it failed, part goes. */
static int unpack_end(int rc, const char *part, const char *dir, struct err *err)
{
    (void)chmod(part, 0755);
    if (rc == 0 && rename(part, dir) == 0) {
        return 0;
    }
    /* Another thread was first: the same content. */
    if (rc == 0 && errno != EEXIST && errno != ENOTEMPTY) {
        rc = err_set(err, ERR_SYSTEM, "unpack: %s: %s", dir, strerror(errno));
    }
    (void)fs_remove_tree(part, NULL);
    return rc;
}

int code_unpack(const void *zip, size_t length, const char *dir, struct err *err)
{
    char part[PATH_BYTES];
    if (unpack_begin(dir, part, err) != 0) {
        return -1;
    }
    return unpack_end(unpack_into(zip, length, part, err), part, dir, err);
}

int code_unpack_over(code_fetch_fn *fetch, void *ctx, int count, const char *dir, struct err *err)
{
    char part[PATH_BYTES];
    int rc = 0;
    if (unpack_begin(dir, part, err) != 0) {
        return -1;
    }
    for (int i = 0; i < count && rc == 0; i++) {
        struct buf zip = {0};
        rc = fetch(ctx, i, &zip, err);
        if (rc == 0) {
            rc = unpack_into(zip.data, zip.length, part, err);
        }
        buf_free(&zip);
    }
    return unpack_end(rc, part, dir, err);
}
