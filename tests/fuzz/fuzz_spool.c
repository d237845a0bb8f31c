/*
 * Goal:   no bytes in a segment file crash the reader, and every slot is a record or a hole.
 * Method: a producer with one segment made of the input; the epoch is over, so all of it must be read.
 */
#include "common/check.h"
#include "common/fs.h"
#include "metering/hook.h"
#include "metering/spool.h"
#include "metering/spool_reader.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PRODUCER 7
#define INPUT_MAX 65536u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *to_forget;

static void forget(void)
{
    (void)fs_remove_tree(to_forget, NULL);
}

static void write_segment(const char *dir, const uint8_t *data, size_t size)
{
    char path[256];
    struct segment_header header;
    (void)snprintf(path, sizeof path, "%s/0000000000000007/00000001-0000000000000000.seg", dir);
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    CHECK(fd >= 0);
    segment_header_init(&header, PRODUCER, 1, 0, 1024, 0);
    CHECK(pwrite(fd, &header, sizeof header, 0) == (ssize_t)sizeof header);
    /* An odd first byte damages the header too. */
    off_t at = size > 0 && data[0] % 2 == 1 ? 0 : SPOOL_PAGE_BYTES;
    CHECK(pwrite(fd, data, size, at) == (ssize_t)size);
    (void)close(fd);
}

/* Made once, by a hook that was closed at once: epoch 1 is over and its counter is 0. */
static const char *producer_dir(void)
{
    static char dir[] = "/tmp/farthing-fuzz-XXXXXX";
    static bool made;
    if (!made) {
        struct farthing_hook *hook = NULL;
        CHECK(mkdtemp(dir) != NULL);
        const struct farthing_hook_options options = {.dir = dir, .producer_id = PRODUCER};
        CHECK(farthing_hook_open(&options, &hook, NULL) == 0);
        farthing_hook_close(&hook);
        made = true;
        CHECK(atexit(forget) == 0);
    }
    to_forget = dir;
    return dir;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *dir = producer_dir();
    struct spool_reader *reader = NULL;
    struct spool_batch batch;
    size = size < INPUT_MAX ? size : INPUT_MAX;
    write_segment(dir, data, size);
    CHECK(spool_reader_open(dir, PRODUCER, true, &reader, NULL) == 0);
    spool_reader_seek(reader, 0, 0);
    do {
        if (spool_reader_next(reader, 100, &batch, NULL) != 0) {
            break;
        }
        uint64_t slots = batch.record_count;
        for (size_t i = 0; i < batch.hole_count; i++) {
            slots += batch.holes[i].slots;
        }
        CHECK(slots == batch.end - batch.first);
    } while (batch.first != batch.end);
    spool_reader_close(&reader);
    return 0;
}
