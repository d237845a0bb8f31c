/*
 * Which folder a hook writes into: a producer nobody holds, or a new one.
 */
#include "common/check.h"
#include "common/clock.h"
#include "common/digest.h"
#include "metering/hook_internal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define CONTROL_NAME "producer"

static int fail(struct err *err, const char *action, const char *path)
{
    return err_set(err, ERR_SYSTEM, "%s %s: %s", action, path, strerror(errno));
}

static int set_path(struct hook_producer *producer, const char *dir, uint64_t producer_id, struct err *err)
{
    char name[SPOOL_NAME_BYTES];
    spool_producer_name(producer_id, name);
    int length = snprintf(producer->path, sizeof producer->path, "%s/%s", dir, name);
    if (length < 0 || (size_t)length >= sizeof producer->path) {
        return err_field(err, "dir", "path of the spool is longer than %d bytes", SPOOL_PATH_BYTES);
    }
    producer->producer_id = producer_id;
    return 0;
}

/* A new control page is written whole, so a reader sees none or all of it. */
static int write_control(struct hook_producer *producer, const struct farthing_hook_options *options, struct err *err)
{
    struct spool_control control;
    uint32_t flags = options->producer_id != 0 ? SPOOL_FLAG_RESERVED : 0;
    spool_control_init(&control, producer->producer_id, options->node_id, flags, clock_wall_us());
    if (pwrite(producer->control_fd, &control, sizeof control, 0) != (ssize_t)sizeof control ||
        fsync(producer->control_fd) != 0 || fsync(producer->dir_fd) != 0) {
        return fail(err, "write", producer->path);
    }
    return 0;
}

static int map_control(struct hook_producer *producer, struct err *err)
{
    void *page = mmap(NULL, SPOOL_PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, producer->control_fd, 0);
    if (page == MAP_FAILED) {
        return fail(err, "map", producer->path);
    }
    producer->control = page;
    return spool_control_check(producer->control, producer->producer_id, err);
}

/* Open the folder at producer->path and take its lock. *taken false: somebody else has it. */
static int claim(struct hook_producer *producer, const struct farthing_hook_options *options, bool *taken,
                 struct err *err)
{
    struct stat status;
    *taken = false;
    producer->dir_fd = open(producer->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (producer->dir_fd < 0) {
        return fail(err, "open", producer->path);
    }
    producer->control_fd = openat(producer->dir_fd, CONTROL_NAME, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (producer->control_fd < 0) {
        return fail(err, "open control page of", producer->path);
    }
    if (!spool_lock_take(producer->control_fd, SPOOL_LOCK_WRITER)) {
        return 0;
    }
    if (fstat(producer->control_fd, &status) != 0) {
        return fail(err, "look at", producer->path);
    }
    /* Empty: its maker died before the first word; there is nothing in it to keep. */
    if (status.st_size < SPOOL_PAGE_BYTES && write_control(producer, options, err) != 0) {
        return -1;
    }
    if (map_control(producer, err) != 0) {
        return -1;
    }
    *taken = true;
    return 0;
}

/* Newest epoch and bytes of the segments that are there. */
static int scan_segments(struct hook_producer *producer, uint64_t *epoch, uint64_t *bytes, struct err *err)
{
    int fd = openat(producer->dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
    if (dir == NULL) {
        if (fd >= 0) {
            (void)close(fd);
        }
        return fail(err, "list", producer->path);
    }
    *epoch = 0;
    *bytes = 0;
    for (struct dirent *entry = readdir(dir); entry != NULL; entry = readdir(dir)) {
        uint64_t e;
        uint64_t first;
        struct stat status;
        if (spool_segment_parse(entry->d_name, &e, &first) &&
            fstatat(producer->dir_fd, entry->d_name, &status, 0) == 0) {
            *epoch = e > *epoch ? e : *epoch;
            *bytes += e < producer->epoch ? (uint64_t)status.st_size : 0;
        }
    }
    (void)closedir(dir);
    return 0;
}

uint64_t hook_producer_leftover(struct hook_producer *producer)
{
    uint64_t epoch;
    uint64_t bytes;
    return scan_segments(producer, &epoch, &bytes, NULL) == 0 ? bytes : 0;
}

/* The number must be on disk before the first record: a cursor may already be past a number that was lost. */
static int begin_epoch(struct hook_producer *producer, struct err *err)
{
    uint64_t in_files;
    uint64_t bytes;
    if (scan_segments(producer, &in_files, &bytes, err) != 0) {
        return -1;
    }
    uint64_t known = atomic_load(&producer->control->epoch);
    uint64_t epoch = (known > in_files ? known : in_files) + 1;
    if (epoch > INT32_MAX) {
        return err_set(err, ERR_SYSTEM, "producer %s has used up its epochs", producer->path);
    }
    struct spool_epoch *line = spool_control_line(producer->control, epoch);
    atomic_store(&line->epoch, 0);
    atomic_store(&line->claimed, 0);
    atomic_store(&line->epoch, epoch);
    atomic_store(&producer->control->epoch, epoch);
    if (msync(producer->control, SPOOL_PAGE_BYTES, MS_SYNC) != 0) {
        return fail(err, "sync", producer->path);
    }
    producer->epoch = epoch;
    return 0;
}

static int compare_ids(const void *a, const void *b)
{
    const uint64_t *x = a;
    const uint64_t *y = b;
    return *x < *y ? -1 : *x > *y;
}

#define PRODUCERS_MAX 65536
#define NEW_TRIES_MAX 1000

/* Ids of the producers in dir, in order; *ids is the caller's to free. */
static int list_producers(const char *path, uint64_t **ids, size_t *count, struct err *err)
{
    size_t room = 16;
    uint64_t *list = malloc(room * sizeof *list);
    DIR *dir = opendir(path);
    int rc = -1;
    *count = 0;
    if (list == NULL || dir == NULL) {
        (void)fail(err, "list", path);
        goto out;
    }
    for (struct dirent *entry = readdir(dir); entry != NULL && *count < PRODUCERS_MAX; entry = readdir(dir)) {
        uint64_t id;
        if (!spool_producer_parse(entry->d_name, &id)) {
            continue;
        }
        if (*count == room) {
            uint64_t *more = realloc(list, 2 * room * sizeof *list);
            if (more == NULL) {
                (void)err_set(err, ERR_SYSTEM, "list %s: out of memory", path);
                goto out;
            }
            list = more;
            room *= 2;
        }
        list[(*count)++] = id;
    }
    qsort(list, *count, sizeof *list, compare_ids);
    *ids = list;
    list = NULL;
    rc = 0;
out:
    free(list);
    if (dir != NULL) {
        (void)closedir(dir);
    }
    return rc;
}

static bool may_take(const struct hook_producer *producer, const struct farthing_hook_options *options)
{
    return producer->control->node_id == options->node_id && (producer->control->flags & SPOOL_FLAG_RESERVED) == 0;
}

/* A producer of this node that nobody holds. One that cannot be opened is left for the aggregator to complain about. */
static int take_over(const struct farthing_hook_options *options, struct hook_producer *producer, bool *taken,
                     struct err *err)
{
    uint64_t *ids = NULL;
    size_t count = 0;
    *taken = false;
    if (list_producers(options->dir, &ids, &count, err) != 0) {
        return -1;
    }
    for (size_t i = 0; i < count && !*taken; i++) {
        bool locked = false;
        if (set_path(producer, options->dir, ids[i], NULL) == 0 && claim(producer, options, &locked, NULL) == 0 &&
            locked && may_take(producer, options)) {
            *taken = true;
        } else {
            hook_producer_close(producer);
        }
    }
    free(ids);
    return 0;
}

static int make_or_open(const struct farthing_hook_options *options, uint64_t producer_id,
                        struct hook_producer *producer, struct err *err)
{
    bool taken = false;
    if (set_path(producer, options->dir, producer_id, err) != 0) {
        return -1;
    }
    if (mkdir(producer->path, 0700) != 0 && errno != EEXIST) {
        return fail(err, "make", producer->path);
    }
    if (claim(producer, options, &taken, err) != 0) {
        return -1;
    }
    if (!taken) {
        return err_set(err, ERR_CONFLICT, "producer %s is in use by another process", producer->path);
    }
    return 0;
}

static uint64_t random_producer_id(void)
{
    uint64_t id = 0;
    while (id == 0) {
        random_bytes(&id, sizeof id);
        id &= INT64_MAX;
    }
    return id;
}

static int sync_folder(const char *path, struct err *err)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int rc = fd >= 0 && fsync(fd) == 0 ? 0 : fail(err, "sync", path);
    if (fd >= 0) {
        (void)close(fd);
    }
    return rc;
}

/* Somebody who looks for a free producer may take ours between mkdir and lock: then it is theirs, and we make another.
 */
static int make_new(const struct farthing_hook_options *options, struct hook_producer *producer, struct err *err)
{
    struct err failure = {0};
    for (int i = 0; i < NEW_TRIES_MAX; i++) {
        if (make_or_open(options, random_producer_id(), producer, &failure) == 0) {
            return 0;
        }
        hook_producer_close(producer);
        if (failure.code != ERR_CONFLICT) {
            break;
        }
    }
    return err_set(err, failure.code, "%s", failure.text);
}

int hook_producer_open(const struct farthing_hook_options *options, struct hook_producer *producer, struct err *err)
{
    bool taken = false;
    if (options->producer_id > INT64_MAX) {
        return err_field(err, "producer_id", "producer_id %" PRIu64 " is above %" PRId64, options->producer_id,
                         INT64_MAX);
    }
    if (options->producer_id == 0 && take_over(options, producer, &taken, err) != 0) {
        return -1;
    }
    if (!taken) {
        int rc = options->producer_id != 0 ? make_or_open(options, options->producer_id, producer, err)
                                           : make_new(options, producer, err);
        if (rc != 0 || sync_folder(options->dir, err) != 0) {
            return -1;
        }
    }
    if (begin_epoch(producer, err) != 0) {
        return -1;
    }
    atomic_store(&producer->leftover_bytes, hook_producer_leftover(producer));
    return 0;
}

void hook_producer_close(struct hook_producer *producer)
{
    if (producer->control != NULL) {
        (void)munmap(producer->control, SPOOL_PAGE_BYTES);
        producer->control = NULL;
    }
    if (producer->control_fd >= 0) {
        (void)close(producer->control_fd); /* lets the lock go */
        producer->control_fd = -1;
    }
    if (producer->dir_fd >= 0) {
        (void)close(producer->dir_fd);
        producer->dir_fd = -1;
    }
}
