#include "cli/share.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/err.h"

#define SHARE_LEVELS_MAX 5 /* how deep a build directory lies in the source tree */

int share_program(char path[PATH_MAX], struct err *err)
{
    ssize_t length = readlink("/proc/self/exe", path, PATH_MAX - 1);

    if (length <= 0) {
        return err_set(err, ERR_SYSTEM, "find this program: %s", strerror(errno));
    }
    path[length] = '\0';
    return 0;
}

static bool there(char path[PATH_MAX], const char *dir, const char *middle, const char *name)
{
    int length = snprintf(path, PATH_MAX, "%s/%s%s", dir, middle, name);

    return length > 0 && length < PATH_MAX && access(path, R_OK) == 0;
}

int share_find(const char *name, char path[PATH_MAX], struct err *err)
{
    const char *share = getenv("FARTHING_SHARE");
    char dir[PATH_MAX];

    if (share != NULL && share[0] != '\0') {
        return there(path, share, "", name)
                   ? 0
                   : err_set(err, ERR_NOT_FOUND, "%s is not in FARTHING_SHARE (%s)", name, share);
    }
    if (share_program(dir, err) != 0) {
        return -1;
    }
    for (int level = 0; level < SHARE_LEVELS_MAX; level++) {
        char *slash = strrchr(dir, '/');
        if (slash == NULL) {
            break;
        }
        *slash = '\0';
        if (there(path, dir, "", name) || there(path, dir, "share/farthing/", name)) {
            return 0;
        }
    }
    return err_set(err, ERR_NOT_FOUND, "%s is not beside this program; set FARTHING_SHARE to the folder it is in",
                   name);
}
