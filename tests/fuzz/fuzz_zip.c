/*
 * Goal:   no package breaks the node that looks into it, and what is unpacked lies in its folder: plain files and
 * folders, within the limit, all of it or nothing. Method: any bytes as a package. What was unpacked is packed again;
 * that package is fine and unpacks to the same.
 */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/check.h"
#include "common/err.h"
#include "common/fs.h"
#include "engine/function.h"

static int64_t total_bytes;

static int look_at(const char *path, const struct stat *status, int kind, struct FTW *where)
{
    (void)path;
    (void)where;
    CHECK(kind == FTW_F || kind == FTW_D);
    CHECK((status->st_mode & (S_ISUID | S_ISGID | S_IWOTH)) == 0);
    if (kind == FTW_F) {
        CHECK(S_ISREG(status->st_mode) && (status->st_mode & 0222) == 0);
        total_bytes += status->st_size;
        CHECK(total_bytes <= FUNCTION_UNZIPPED_BYTES_MAX);
    }
    return 0;
}

static const char *scratch(void)
{
    static char dir[64];
    if (dir[0] == '\0') {
        (void)snprintf(dir, sizeof dir, "%s/farthing-fuzz-zip-XXXXXX",
                       access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
        CHECK(mkdtemp(dir) != NULL);
        CHECK(rmdir(dir) == 0); /* it is made and removed by each run */
    }
    return dir;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct err err = {0};
    struct err again = {0};
    struct buf packed = {0};
    struct buf twice = {0};
    const char *dir = scratch();
    bool fine = code_check(data, size, &err) == 0;
    CHECK(fine == (err.code == ERR_NONE));
    int unpacked = code_unpack(data, size, dir, &again);
    CHECK(fine ? unpacked == 0 : unpacked != 0 && strcmp(err.text, again.text) == 0);
    CHECK((access(dir, F_OK) == 0) == (unpacked == 0));
    if (unpacked == 0) {
        total_bytes = 0;
        CHECK(nftw(dir, look_at, 16, FTW_PHYS) == 0);
        if (code_pack_dir(dir, &packed, &again) == 0) { /* not when there are only folders in it */
            CHECK(fs_remove_tree(dir, NULL) == 0);
            CHECK(code_check(packed.data, packed.length, &again) == 0);
            CHECK(code_unpack(packed.data, packed.length, dir, &again) == 0);
            CHECK(code_pack_dir(dir, &twice, &again) == 0);
            CHECK(twice.length == packed.length && memcmp(twice.data, packed.data, packed.length) == 0);
        }
        CHECK(fs_remove_tree(dir, NULL) == 0);
    }
    buf_free(&packed);
    buf_free(&twice);
    return 0;
}
