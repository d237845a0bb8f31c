#include "tests/support/fault_disk.h"

#include "common/check.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/statvfs.h>
#include <unistd.h>

static bool write_line(const char *path, const char *line)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    bool ok = fd >= 0 && write(fd, line, strlen(line)) == (ssize_t)strlen(line);
    if (fd >= 0) {
        (void)close(fd);
    }
    return ok;
}

/* The same user inside as outside: files keep their owner, and the database finds somebody who is not root. */
static bool map_self(unsigned uid, unsigned gid)
{
    char users[64];
    char groups[64];
    (void)snprintf(users, sizeof users, "%u %u 1", uid, uid);
    (void)snprintf(groups, sizeof groups, "%u %u 1", gid, gid);
    return write_line("/proc/self/setgroups", "deny") && write_line("/proc/self/uid_map", users) &&
           write_line("/proc/self/gid_map", groups);
}

bool fault_disk_prepare(const char **why)
{
    unsigned uid = geteuid();
    unsigned gid = getegid();
    if (unshare(uid == 0 ? CLONE_NEWNS : CLONE_NEWNS | CLONE_NEWUSER) != 0 || (uid != 0 && !map_self(uid, gid)) ||
        mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0) {
        *why = strerror(errno);
        return false;
    }
    return true;
}

void fault_disk_mount(const char *path, unsigned mib)
{
    char options[64];
    (void)snprintf(options, sizeof options, "size=%um,mode=0755", mib);
    CHECK(mount("tmpfs", path, "tmpfs", MS_NOSUID | MS_NODEV, options) == 0);
}

void fault_disk_fill(const char *path, unsigned spare_kib)
{
    /* Somebody may write between the look and the change, which then would be below what is in use: look again. */
    for (unsigned more_kib = spare_kib;; more_kib += 64) {
        struct statvfs room;
        char options[64];
        CHECK(statvfs(path, &room) == 0);
        uint64_t used = (uint64_t)(room.f_blocks - room.f_bfree) * room.f_frsize;
        (void)snprintf(options, sizeof options, "size=%lluk", (unsigned long long)(used / 1024 + more_kib + 4));
        if (mount(NULL, path, NULL, MS_REMOUNT | MS_NOSUID | MS_NODEV, options) == 0) {
            return;
        }
        CHECK(errno == EINVAL);
    }
}

void fault_disk_grow(const char *path, unsigned mib)
{
    char options[64];
    (void)snprintf(options, sizeof options, "size=%um", mib);
    CHECK(mount(NULL, path, NULL, MS_REMOUNT | MS_NOSUID | MS_NODEV, options) == 0);
}

void fault_disk_unmount(const char *path)
{
    (void)umount2(path, MNT_DETACH);
}
