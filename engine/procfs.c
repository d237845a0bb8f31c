#include "engine/procfs.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PROCESSES_MAX 2048

typedef uint64_t visit_fn(pid_t pid);

static ssize_t read_file(pid_t pid, const char *name, char *text, size_t room)
{
    char path[96]; /* longer than any name that callers make */
    (void)snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, name);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return -1;
    }
    ssize_t got = read(fd, text, room - 1);
    (void)close(fd);
    text[got > 0 ? got : 0] = '\0';
    return got;
}

/* Children of every thread; appended to list. */
static size_t add_children(pid_t pid, pid_t *list, size_t count)
{
    char name[64];
    char text[8192];
    (void)snprintf(name, sizeof name, "task/%d/children", (int)pid);
    if (read_file(pid, name, text, sizeof text) <= 0) {
        return count;
    }
    char *at = text;
    while (count < PROCESSES_MAX) {
        char *end = at;
        long child = strtol(at, &end, 10);
        if (end == at || child <= 0) {
            break;
        }
        list[count++] = (pid_t)child;
        at = end;
    }
    return count;
}

/* Sum over root and its descendants. */
static uint64_t sum(pid_t root, visit_fn *visit)
{
    pid_t list[PROCESSES_MAX];
    size_t count = 1;
    uint64_t total = 0;
    if (root <= 0) {
        return 0;
    }
    list[0] = root;
    for (size_t i = 0; i < count; i++) {
        total += visit(list[i]);
        count = add_children(list[i], list, count);
    }
    return total;
}

static uint64_t status_kib(pid_t pid, const char *word)
{
    char text[4096];
    if (read_file(pid, "status", text, sizeof text) <= 0) {
        return 0;
    }
    const char *at = strstr(text, word);
    return at == NULL ? 0 : strtoull(at + strlen(word), NULL, 10);
}

static uint64_t peak_of(pid_t pid)
{
    return status_kib(pid, "VmHWM:");
}

static uint64_t rss_of(pid_t pid)
{
    return status_kib(pid, "RssAnon:"); /* programs and libraries are shared: they would count once for each process */
}

static uint64_t reset_of(pid_t pid)
{
    char path[64];
    (void)snprintf(path, sizeof path, "/proc/%d/clear_refs", (int)pid);
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd >= 0) {
        (void)!write(fd, "5", 1);
        (void)close(fd);
    }
    return 0;
}

/* utime, stime and those of waited-for children: fields 14 to 17 of stat, in clock ticks. */
static uint64_t cpu_of(pid_t pid)
{
    char text[1024];
    if (read_file(pid, "stat", text, sizeof text) <= 0) {
        return 0;
    }
    const char *at = strrchr(text, ')'); /* the name may hold anything */
    uint64_t times[4] = {0};
    if (at == NULL ||
        sscanf(at + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64,
               &times[0], &times[1], &times[2], &times[3]) != 4) {
        return 0;
    }
    uint64_t ticks = (uint64_t)sysconf(_SC_CLK_TCK);
    return (times[0] + times[1] + times[2] + times[3]) * 1000000 / ticks;
}

void procfs_reset_peak(pid_t root)
{
    (void)sum(root, reset_of);
}

uint64_t procfs_peak_kib(pid_t root)
{
    return sum(root, peak_of);
}

uint64_t procfs_rss_kib(pid_t root)
{
    return sum(root, rss_of);
}

uint64_t procfs_cpu_us(pid_t root)
{
    return sum(root, cpu_of);
}
