#include "engine/meter.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/err.h"
#include "engine/procfs.h"

#define PATH_BYTES 300
#define PROCESSES_MAX 1100     /* Lambda's 1,024 and the sandbox's own */
#define OVERHEAD_MIB 8         /* bwrap and the launcher live in the same group */
#define DATA_OVERHEAD_MIB 1024 /* a process maps more than it touches */
#define REMOVE_TRIES_MAX 200
#define REMOVE_WAIT_US 1000
#define CPU_FRESH_NS 10000000

enum source { SOURCE_CGROUP2, SOURCE_CGROUP1, SOURCE_PROC };

struct meter_site {
    enum source source;
    char memory[PATH_BYTES]; /* the node's folder; v2: the only one */
    char cpu[PATH_BYTES];    /* "" when absent */
    char pids[PATH_BYTES];
};

struct meter {
    enum source source;
    char memory[PATH_BYTES + 32], cpu[PATH_BYTES + 32], pids[PATH_BYTES + 32];
    int join_fd[3]; /* cgroup.procs (v2) or tasks (v1) of each */
    int peak_fd, cpu_fd, oom_fd;
    int resident_fd; /* v1: /proc/PID/statm of the largest process, from the first end on */
    uint64_t cpu_begin, cpu_end;
    int64_t end_ns; /* when cpu_end was read; 0: never */
    pid_t pid;
    uint64_t memory_kib; /* limit */
};

static bool write_text(const char *dir, const char *name, const char *text)
{
    char path[PATH_BYTES + 64];
    (void)snprintf(path, sizeof path, "%s/%s", dir, name);
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0) {
        return false;
    }
    bool ok = write(fd, text, strlen(text)) == (ssize_t)strlen(text);
    (void)close(fd);
    return ok;
}

static bool write_number(const char *dir, const char *name, uint64_t value)
{
    char text[32];
    (void)snprintf(text, sizeof text, "%" PRIu64, value);
    return write_text(dir, name, text);
}

static int open_in(const char *dir, const char *name, int flags)
{
    char path[PATH_BYTES + 64];
    (void)snprintf(path, sizeof path, "%s/%s", dir, name);
    return open(path, flags | O_CLOEXEC);
}

static bool make_dir(const char *path)
{
    return mkdir(path, 0755) == 0 || errno == EEXIST;
}

static void kill_all(const char *group)
{
    char line[32];
    FILE *file = NULL;
    int fd = open_in(group, "cgroup.procs", O_RDONLY);
    if (fd < 0 || (file = fdopen(fd, "r")) == NULL) {
        if (fd >= 0) {
            (void)close(fd);
        }
        return;
    }
    while (fgets(line, sizeof line, file) != NULL) {
        long pid = strtol(line, NULL, 10);
        if (pid > 1) {
            (void)kill((pid_t)pid, SIGKILL);
        }
    }
    (void)fclose(file);
}

/* Groups of the node that had this data directory before and was killed: nearly all its processes died with it, but a
 * sandbox that was just being built may still wait for it. */
static void sweep(const char *dir)
{
    char path[PATH_BYTES + 32];
    DIR *groups = opendir(dir);
    struct dirent *entry = NULL;
    while (groups != NULL && (entry = readdir(groups)) != NULL) {
        if (strspn(entry->d_name, "0123456789") == strlen(entry->d_name)) {
            (void)snprintf(path, sizeof path, "%s/%.20s", dir, entry->d_name);
            kill_all(path);
            (void)rmdir(path); /* not yet where something had to be killed: then by the next node */
        }
    }
    if (groups != NULL) {
        (void)closedir(groups);
    }
}

static bool open_v2(struct meter_site *site, const char *name)
{
    char line[PATH_BYTES] = "";
    char own[PATH_BYTES] = "";
    FILE *file = fopen("/proc/self/cgroup", "re");
    if (file == NULL || access("/sys/fs/cgroup/cgroup.controllers", R_OK) != 0) {
        if (file != NULL) {
            (void)fclose(file);
        }
        return false;
    }
    while (fgets(line, sizeof line, file) != NULL) {
        if (strncmp(line, "0::", 3) == 0) {
            line[strcspn(line, "\n")] = '\0';
            (void)snprintf(own, sizeof own, "/sys/fs/cgroup%.200s", strcmp(line + 3, "/") == 0 ? "" : line + 3);
        }
    }
    (void)fclose(file);
    char parent[PATH_BYTES + 16];
    (void)snprintf(parent, sizeof parent, "%.200s/farthing", own);
    /* Controllers are handed down only where no process sits: the parent of our group must be ours (delegated). */
    if (own[0] == '\0' || !make_dir(parent) || !write_text(own, "cgroup.subtree_control", "+memory +cpu +pids")) {
        (void)rmdir(parent);
        return false;
    }
    (void)snprintf(site->memory, sizeof site->memory, "%.200s/%.20s", parent, name);
    sweep(site->memory);
    return write_text(parent, "cgroup.subtree_control", "+memory +cpu +pids") && make_dir(site->memory) &&
           write_text(site->memory, "cgroup.subtree_control", "+memory +cpu +pids");
}

static bool open_v1_part(const char *controller, const char *name, char path[PATH_BYTES])
{
    char parent[PATH_BYTES - 32];
    (void)snprintf(parent, sizeof parent, "/sys/fs/cgroup/%s/farthing", controller);
    (void)snprintf(path, PATH_BYTES, "%s/%.20s", parent, name);
    if (!make_dir(parent) || !make_dir(path) || access(path, W_OK) != 0) {
        path[0] = '\0';
        return false;
    }
    sweep(path);
    return true;
}

int meter_site_open(const char *name, struct meter_site **site, struct err *err)
{
    struct meter_site *made = calloc(1, sizeof *made);
    if (made == NULL) {
        return err_set(err, ERR_SYSTEM, "meter: out of memory");
    }
    if (open_v2(made, name)) {
        made->source = SOURCE_CGROUP2;
    } else if (open_v1_part("memory", name, made->memory)) {
        made->source = SOURCE_CGROUP1;
        (void)open_v1_part("cpuacct", name, made->cpu);
        (void)open_v1_part("pids", name, made->pids);
    } else {
        made->source = SOURCE_PROC;
    }
    *site = made;
    return 0;
}

void meter_site_close(struct meter_site **site)
{
    struct meter_site *self = *site;
    *site = NULL;
    if (self == NULL) {
        return;
    }
    if (self->source != SOURCE_PROC) {
        (void)rmdir(self->memory);
    }
    if (self->cpu[0] != '\0') {
        (void)rmdir(self->cpu);
    }
    if (self->pids[0] != '\0') {
        (void)rmdir(self->pids);
    }
    free(self);
}

const char *meter_site_source(const struct meter_site *site)
{
    static const char *const NAMES[] = {"cgroup2", "cgroup1", "proc"};
    return NAMES[site->source];
}

static bool open_group2(struct meter *meter, uint64_t limit)
{
    bool limited = write_number(meter->memory, "memory.max", limit);
    (void)write_text(meter->memory, "memory.swap.max", "0");
    (void)write_number(meter->memory, "pids.max", PROCESSES_MAX);
    meter->join_fd[0] = open_in(meter->memory, "cgroup.procs", O_WRONLY);
    meter->peak_fd = open_in(meter->memory, "memory.peak", O_RDWR);
    if (meter->peak_fd < 0) {
        meter->peak_fd = open_in(meter->memory, "memory.peak", O_RDONLY); /* before Linux 6.12: never forgets */
    }
    meter->cpu_fd = open_in(meter->memory, "cpu.stat", O_RDONLY);
    meter->oom_fd = open_in(meter->memory, "memory.events", O_RDONLY);
    return limited && meter->join_fd[0] >= 0;
}

/* tasks, not cgroup.procs: the child that joins has one thread, and a thread that moves itself needs none of the
 * machine's forks and exits to stand still (Linux 5.17 and later). Joining by process took 12 to 30 ms of each
 * start. */
static bool open_group1(struct meter *meter, uint64_t limit)
{
    bool limited = write_number(meter->memory, "memory.limit_in_bytes", limit);
    (void)write_number(meter->memory, "memory.memsw.limit_in_bytes", limit);
    (void)write_number(meter->memory, "memory.swappiness", 0);
    meter->join_fd[0] = open_in(meter->memory, "tasks", O_WRONLY);
    meter->peak_fd = open_in(meter->memory, "memory.max_usage_in_bytes", O_RDWR);
    meter->oom_fd = open_in(meter->memory, "memory.oom_control", O_RDONLY);
    if (meter->cpu[0] != '\0') {
        meter->join_fd[1] = open_in(meter->cpu, "tasks", O_WRONLY);
        meter->cpu_fd = open_in(meter->cpu, "cpuacct.usage", O_RDONLY);
    }
    if (meter->pids[0] != '\0') {
        (void)write_number(meter->pids, "pids.max", PROCESSES_MAX);
        meter->join_fd[2] = open_in(meter->pids, "tasks", O_WRONLY);
    }
    return limited && meter->join_fd[0] >= 0;
}

static bool make_group(const char *site_dir, uint64_t instance, char *path, size_t path_bytes)
{
    path[0] = '\0';
    if (site_dir[0] == '\0') {
        return true;
    }
    (void)snprintf(path, path_bytes, "%s/%" PRIu64, site_dir, instance);
    return make_dir(path);
}

int meter_new(const struct meter_site *site, uint64_t instance, int memory_mib, struct meter **meter, struct err *err)
{
    struct meter *made = calloc(1, sizeof *made);
    if (made == NULL) {
        return err_set(err, ERR_SYSTEM, "meter: out of memory");
    }
    made->source = site->source;
    made->memory_kib = (uint64_t)memory_mib * 1024;
    made->join_fd[0] = made->join_fd[1] = made->join_fd[2] = made->peak_fd = made->cpu_fd = made->oom_fd =
        made->resident_fd = -1;
    if (site->source != SOURCE_PROC) {
        uint64_t limit = ((uint64_t)memory_mib + OVERHEAD_MIB) * 1024 * 1024;
        if (!make_group(site->memory, instance, made->memory, sizeof made->memory) ||
            !make_group(site->cpu, instance, made->cpu, sizeof made->cpu) ||
            !make_group(site->pids, instance, made->pids, sizeof made->pids) ||
            !(site->source == SOURCE_CGROUP2 ? open_group2(made, limit) : open_group1(made, limit))) {
            int reason = errno;
            meter_free(&made);
            return err_set(err, ERR_SYSTEM, "meter: cgroup of instance %" PRIu64 ": %s", instance, strerror(reason));
        }
    }
    *meter = made;
    return 0;
}

static void remove_group(const char *path)
{
    if (path[0] == '\0') {
        return;
    }
    /* The processes are gone, but their last pages may still be on the way out: EBUSY for a moment. */
    for (int i = 0; i < REMOVE_TRIES_MAX && rmdir(path) != 0 && errno == EBUSY; i++) {
        (void)usleep(REMOVE_WAIT_US); /* lint: the kernel tells nobody */
    }
}

void meter_free(struct meter **meter)
{
    struct meter *self = *meter;
    *meter = NULL;
    if (self == NULL) {
        return;
    }
    const int fds[] = {self->join_fd[0], self->join_fd[1], self->join_fd[2], self->peak_fd,
                       self->cpu_fd,     self->oom_fd,     self->resident_fd};
    for (size_t i = 0; i < sizeof fds / sizeof fds[0]; i++) {
        if (fds[i] >= 0) {
            (void)close(fds[i]);
        }
    }
    remove_group(self->memory);
    remove_group(self->cpu);
    remove_group(self->pids);
    free(self);
}

void meter_join(const struct meter *meter)
{
    for (size_t i = 0; i < 3; i++) {
        if (meter->join_fd[i] >= 0 && write(meter->join_fd[i], "0", 1) != 1 && i == 0) {
            _exit(124);
        }
    }
}

void meter_attach(struct meter *meter, pid_t pid)
{
    meter->pid = pid;
}

uint64_t meter_data_bytes_max(const struct meter *meter, int memory_mib)
{
    return meter->source == SOURCE_PROC ? ((uint64_t)memory_mib + DATA_OVERHEAD_MIB) * 1024 * 1024 : 0;
}

/* The number at the start of a file, or after word in it. */
static uint64_t read_number(int fd, const char *word)
{
    char text[512];
    if (fd < 0) {
        return 0;
    }
    ssize_t got = pread(fd, text, sizeof text - 1, 0);
    if (got <= 0) {
        return 0;
    }
    text[got] = '\0';
    const char *at = text;
    if (word != NULL) {
        at = strstr(text, word);
        if (at == NULL) {
            return 0;
        }
        at += strlen(word);
    }
    return strtoull(at, NULL, 10);
}

static uint64_t cpu_now(const struct meter *meter)
{
    if (meter->source == SOURCE_CGROUP2) {
        return read_number(meter->cpu_fd, "usage_usec ");
    }
    if (meter->cpu_fd >= 0) {
        return read_number(meter->cpu_fd, NULL) / 1000;
    }
    return procfs_cpu_us(meter->pid);
}

void meter_begin(struct meter *meter)
{
    if (meter->source == SOURCE_PROC) {
        procfs_reset_peak(meter->pid);
    } else if (meter->peak_fd >= 0) {
        (void)!pwrite(meter->peak_fd, "0", 1, 0);
    }
    /* Reading costs several microseconds; a moment after the end of the last call it would say the same. */
    bool just_read = meter->end_ns != 0 && clock_mono_ns() - meter->end_ns < CPU_FRESH_NS;
    meter->cpu_begin = just_read ? meter->cpu_end : cpu_now(meter);
}

/* What is resident of a process, from its statm: the second number, in pages. */
static uint64_t resident_kib(int fd)
{
    return read_number(fd, " ") * (uint64_t)sysconf(_SC_PAGESIZE) / 1024;
}

static int open_largest(const struct meter *meter)
{
    char text[1024];
    char path[64];
    char *rest = text;
    uint64_t most = 0;
    int found = -1;
    int fd = open_in(meter->memory, "cgroup.procs", O_RDONLY);
    ssize_t got = fd >= 0 ? read(fd, text, sizeof text - 1) : 0;
    text[got > 0 ? got : 0] = '\0';
    if (fd >= 0) {
        (void)close(fd);
    }
    for (long pid = strtol(rest, &rest, 10); pid > 0; pid = strtol(rest, &rest, 10)) {
        (void)snprintf(path, sizeof path, "/proc/%ld/statm", pid);
        fd = open(path, O_RDONLY | O_CLOEXEC);
        uint64_t kib = resident_kib(fd);
        int smaller = kib > most ? found : fd;
        found = kib > most ? fd : found;
        most = kib > most ? kib : most;
        if (smaller >= 0) {
            (void)close(smaller);
        }
    }
    return found;
}

/* A v1 group counts the pages of a file for whoever touched them first, on this machine often another instance: of
 * Node.js it sees 8 MiB of 50. The largest process as it stands is looked at, too (docs/decisions/peak-memory.md). */
static uint64_t resident_now_kib(struct meter *meter)
{
    uint64_t kib = resident_kib(meter->resident_fd);
    if (kib == 0) { /* not looked for yet, or it has ended */
        if (meter->resident_fd >= 0) {
            (void)close(meter->resident_fd);
        }
        meter->resident_fd = open_largest(meter);
        kib = resident_kib(meter->resident_fd);
    }
    return kib;
}

void meter_end(struct meter *meter, uint32_t *peak_kib, uint64_t *cpu_us)
{
    uint64_t peak =
        meter->source == SOURCE_PROC ? procfs_peak_kib(meter->pid) : read_number(meter->peak_fd, NULL) / 1024;
    uint64_t resident = meter->source == SOURCE_CGROUP1 ? resident_now_kib(meter) : 0;
    peak = resident > peak ? resident : peak;
    uint64_t cpu = cpu_now(meter);
    *peak_kib = (uint32_t)(peak > meter->memory_kib ? meter->memory_kib : peak);
    *cpu_us = cpu > meter->cpu_begin ? cpu - meter->cpu_begin : 0;
    meter->cpu_end = cpu;
    meter->end_ns = clock_mono_ns();
}

bool meter_out_of_memory(struct meter *meter)
{
    switch (meter->source) {
    case SOURCE_CGROUP2:
        return read_number(meter->oom_fd, "oom_kill ") > 0;
    case SOURCE_CGROUP1:
        return read_number(meter->oom_fd, "oom_kill ") > 0;
    case SOURCE_PROC:
        return procfs_rss_kib(meter->pid) > meter->memory_kib;
    }
    return false;
}

void meter_kill(const struct meter *meter)
{
    if (meter != NULL && meter->source == SOURCE_CGROUP2) {
        (void)write_text(meter->memory, "cgroup.kill", "1");
    }
}
