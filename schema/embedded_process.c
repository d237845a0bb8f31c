/*
 * embedded_process.c - the processes of the embedded server: programs run as its user, the keeper, and what is left
 * over.
 *
 * Between fork and exec (and in the keeper, which never execs) only async-signal-safe calls are made: the node has
 * threads.
 */
#include "common/buf.h"
#include "common/err.h"
#include "common/fs.h"
#include "common/text.h"
#include "schema/embedded_internal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define ARGS_MAX 64
#define STOP_WAIT_MS 60000
#define QUIT_WAIT_MS 10000
#define ORPHANS_MAX 1024
#define EXIT_UNREACHABLE 126

static int open_pid(pid_t pid)
{
    return (int)syscall(SYS_pidfd_open, pid, 0);
}

/* What exec needs, made before the fork. */
struct launch {
    char path[EMBEDDED_PATH_MAX];
    char *argv[ARGS_MAX];
    char *envp[6];
    char home[EMBEDDED_PATH_MAX + 8];
};

static char *mutable_text(const char *text)
{
    union {
        const char *in;
        char *out;
    } cast = {.in = text};
    return cast.out; /* exec takes char *const[], and changes nothing */
}

static int prepare(const struct embedded_place *place, const char *program, const char *const *args,
                   struct launch *launch, struct err *err)
{
    int used = snprintf(launch->path, sizeof launch->path, "%s/%s", place->bindir, program);
    size_t count = 0;
    if (used < 0 || (size_t)used >= sizeof launch->path) {
        return err_set(err, ERR_SYSTEM, "the path of %s is too long", program);
    }
    launch->argv[count++] = launch->path;
    for (; *args != NULL && count < ARGS_MAX - 1; args++) {
        launch->argv[count++] = mutable_text(*args);
    }
    launch->argv[count] = NULL;
    (void)snprintf(launch->home, sizeof launch->home, "HOME=%s", place->dir);
    launch->envp[0] = mutable_text("PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
    launch->envp[1] = mutable_text("LC_ALL=C");
    launch->envp[2] = mutable_text("TZ=UTC");
    launch->envp[3] = launch->home;
    launch->envp[4] = NULL;
    return 0;
}

/* In the child: become the server's user, standing in its folder. */
static void become(const struct embedded_place *place)
{
    (void)umask(077);
    if (place->drop && (setgroups(1, &place->gid) != 0 || setgid(place->gid) != 0 || setuid(place->uid) != 0)) {
        _exit(EXIT_UNREACHABLE);
    }
    if (chdir(place->dir) != 0) {
        _exit(EXIT_UNREACHABLE);
    }
}

static void default_signals(void)
{
    sigset_t none;
    (void)sigemptyset(&none);
    for (int signal_number = 1; signal_number < 32; signal_number++) {
        (void)signal(signal_number, SIG_DFL);
    }
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
}

static void exec_with_log(const struct launch *launch, int log_fd)
{
    default_signals();
    (void)dup2(log_fd, STDOUT_FILENO);
    (void)dup2(log_fd, STDERR_FILENO);
    (void)close_range(3, ~0U, 0);
    (void)execve(launch->path, launch->argv, launch->envp);
    _exit(127);
}

/* fd 0 is /dev/null in every child. */
static void no_input(void)
{
    int null_fd = open("/dev/null", O_RDONLY);
    (void)dup2(null_fd, STDIN_FILENO);
}

static int open_log(const struct embedded_place *place, struct err *err)
{
    int fd = open(place->log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) {
        return err_set(err, ERR_SYSTEM, "open %s: %s", place->log, strerror(errno));
    }
    if (place->drop && fchown(fd, place->uid, place->gid) != 0) {
        (void)close(fd);
        return err_set(err, ERR_SYSTEM, "chown %s: %s", place->log, strerror(errno));
    }
    return fd;
}

int embedded_fail(const struct embedded_place *place, struct err *err, const char *what)
{
    struct buf log = {0};
    if (fs_read(place->log, 64U << 20, &log, NULL) != 0 || log.length == 0) {
        buf_free(&log);
        return err_set(err, ERR_SYSTEM, "%s (nothing in %s)", what, place->log);
    }
    while (log.length > 0 && log.data[log.length - 1] == '\n') {
        log.data[--log.length] = '\0';
    }
    const char *last = strrchr(buf_text(&log), '\n');
    (void)err_set(err, ERR_SYSTEM, "%s: %.160s (see %.120s)", what, last != NULL ? last + 1 : buf_text(&log),
                  place->log);
    buf_free(&log);
    return -1;
}

int embedded_run(const struct embedded_place *place, const char *program, const char *const *args, struct err *err)
{
    struct launch launch;
    char what[64];
    int status = 0;
    if (prepare(place, program, args, &launch, err) != 0) {
        return -1;
    }
    int log_fd = open_log(place, err);
    if (log_fd < 0) {
        return -1;
    }
    pid_t pid = fork();
    if (pid == 0) {
        no_input();
        become(place);
        exec_with_log(&launch, log_fd);
    }
    (void)close(log_fd);
    if (pid < 0) {
        return err_set(err, ERR_SYSTEM, "start %s: %s", program, strerror(errno));
    }
    while (waitpid(pid, &status, 0) < 0) {
        if (errno != EINTR) {
            return err_set(err, ERR_SYSTEM, "wait for %s: %s", program, strerror(errno));
        }
    }
    if (WIFEXITED(status) && WEXITSTATUS(status) == EXIT_UNREACHABLE) {
        return err_set(
            err, ERR_SYSTEM,
            "the server's user (uid %u) cannot reach %s: every folder above it needs to be enterable (chmod o+x)",
            (unsigned)place->uid, place->dir);
    }
    (void)snprintf(what, sizeof what, "%s failed", program);
    return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : embedded_fail(place, err, what);
}

/* ---- the keeper ---- */

static bool ended(int pid_fd, int wait_ms)
{
    struct pollfd end = {.fd = pid_fd, .events = POLLIN};
    int rc;
    while ((rc = poll(&end, 1, wait_ms)) < 0 && errno == EINTR) {
    }
    return rc > 0;
}

_Noreturn static void keep(const struct embedded_place *place, const struct launch *launch, int stop_signal,
                           int life_fd, int log_fd)
{
    (void)setsid(); /* Ctrl-C at the node's terminal is the node's business */
    (void)prctl(PR_SET_NAME, "farthing-keeper");
    no_input();
    become(place);
    (void)signal(SIGINT, SIG_IGN);
    (void)signal(SIGTERM, SIG_IGN);
    (void)signal(SIGHUP, SIG_IGN);
    /* Two descriptors stay; sockets and locks of the node must not live on in here. */
    life_fd = fcntl(life_fd, F_DUPFD, 16);
    log_fd = fcntl(log_fd, F_DUPFD, 16);
    (void)dup2(life_fd, 3);
    (void)dup2(log_fd, 4);
    (void)close_range(5, ~0U, 0);

    pid_t server = fork();
    if (server == 0) {
        exec_with_log(launch, 4);
    }
    int server_fd = server > 0 ? open_pid(server) : -1;
    if (server_fd < 0) {
        _exit(127);
    }
    struct pollfd both[] = {{.fd = 3, .events = POLLIN}, {.fd = server_fd, .events = POLLIN}};
    while (poll(both, 2, -1) < 0 && errno == EINTR) {
    }
    if (both[1].revents == 0) {
        (void)kill(server, stop_signal);
        if (!ended(server_fd, STOP_WAIT_MS)) {
            (void)kill(server, SIGQUIT);
            (void)ended(server_fd, QUIT_WAIT_MS);
        }
    }
    /* A dead server nobody waited for looks alive to the next one. */
    (void)waitpid(server, NULL, WNOHANG);
    _exit(0);
}

int embedded_keep(const struct embedded_place *place, const char *const *args, int stop_signal,
                  struct embedded_keeper *keeper, struct err *err)
{
    struct launch launch;
    int ends[2];
    if (prepare(place, "postgres", args, &launch, err) != 0) {
        return -1;
    }
    int log_fd = open_log(place, err);
    if (log_fd < 0) {
        return -1;
    }
    if (pipe2(ends, O_CLOEXEC) != 0) {
        (void)close(log_fd);
        return err_set(err, ERR_SYSTEM, "start the database server: %s", strerror(errno));
    }
    pid_t pid = fork();
    if (pid == 0) {
        (void)close(ends[1]);
        keep(place, &launch, stop_signal, ends[0], log_fd);
    }
    (void)close(ends[0]);
    (void)close(log_fd);
    int pid_fd = pid > 0 ? open_pid(pid) : -1;
    if (pid_fd < 0) {
        (void)close(ends[1]); /* a keeper that did start stops its server now */
        return err_set(err, ERR_SYSTEM, "start the database server: %s", strerror(errno));
    }
    (void)fcntl(pid_fd, F_SETFD, FD_CLOEXEC);
    *keeper = (struct embedded_keeper){.pid = pid, .pid_fd = pid_fd, .life_fd = ends[1]};
    return 0;
}

bool embedded_wait(const struct embedded_keeper *keeper, int wait_ms)
{
    return keeper->pid == 0 || ended(keeper->pid_fd, wait_ms);
}

bool embedded_kept(const struct embedded_keeper *keeper)
{
    return !embedded_wait(keeper, 0);
}

void embedded_let_go(struct embedded_keeper *keeper)
{
    if (keeper->pid == 0) {
        return;
    }
    (void)close(keeper->life_fd);
    (void)ended(keeper->pid_fd, STOP_WAIT_MS + 2 * QUIT_WAIT_MS);
    while (waitpid(keeper->pid, NULL, 0) < 0 && errno == EINTR) {
    }
    (void)close(keeper->pid_fd);
    *keeper = (struct embedded_keeper){0};
}

/* ---- what an earlier node left ---- */

/* A PostgreSQL process stands in its data directory; that tells it from a stranger who has its number by now. */
static bool is_ours(const struct embedded_place *place, const char *pid_text)
{
    char link[64];
    char target[EMBEDDED_PATH_MAX];
    (void)snprintf(link, sizeof link, "/proc/%.20s/cwd", pid_text);
    ssize_t length = readlink(link, target, sizeof target - 1);
    if (length <= 0) {
        return false;
    }
    target[length] = '\0';
    if (!text_equal(target, place->data)) {
        return false;
    }
    (void)snprintf(link, sizeof link, "/proc/%.20s/exe", pid_text);
    length = readlink(link, target, sizeof target - 1);
    if (length <= 0) {
        return false;
    }
    target[length] = '\0';
    return strstr(target, "/postgres") != NULL;
}

/* The number in the first line of postmaster.pid; 0 when there is none of ours. */
static pid_t leftover_server(const struct embedded_place *place)
{
    char path[EMBEDDED_PATH_MAX + 32];
    struct buf text = {0};
    int64_t pid = 0;
    (void)snprintf(path, sizeof path, "%s/postmaster.pid", place->data);
    if (fs_read(path, 4096, &text, NULL) == 0) {
        char line[32];
        (void)snprintf(line, sizeof line, "%.*s", (int)strcspn(buf_text(&text), "\n"), buf_text(&text));
        if (text_i64(line, "pid", 2, INT32_MAX, &pid, NULL) != 0 || !is_ours(place, line)) {
            pid = 0;
        }
    }
    buf_free(&text);
    return (pid_t)pid;
}

/* Signal, wait; signal harder, wait. */
static bool stop_process(pid_t pid, int first_signal)
{
    int pid_fd = open_pid(pid);
    if (pid_fd < 0) {
        return true;
    }
    (void)kill(pid, first_signal);
    bool gone = ended(pid_fd, first_signal == SIGINT ? STOP_WAIT_MS : QUIT_WAIT_MS);
    if (!gone) {
        (void)kill(pid, SIGKILL);
        gone = ended(pid_fd, QUIT_WAIT_MS);
    }
    (void)close(pid_fd);
    return gone;
}

/* Backends whose server was killed hold its shared memory until they notice; a new server refuses to start before. */
static bool stop_orphans(const struct embedded_place *place)
{
    DIR *proc = opendir("/proc");
    const struct dirent *entry;
    pid_t pids[ORPHANS_MAX];
    size_t count = 0;
    bool gone = true;
    while (proc != NULL && (entry = readdir(proc)) != NULL && count < ORPHANS_MAX) {
        int64_t pid;
        if (text_i64(entry->d_name, "pid", 2, INT32_MAX, &pid, NULL) == 0 && is_ours(place, entry->d_name)) {
            pids[count++] = (pid_t)pid;
        }
    }
    if (proc != NULL) {
        (void)closedir(proc);
    }
    for (size_t i = 0; i < count; i++) {
        gone = stop_process(pids[i], SIGQUIT) && gone;
    }
    return gone;
}

int embedded_clear(const struct embedded_place *place, struct err *err)
{
    pid_t server = leftover_server(place);
    if (server != 0 && !stop_process(server, SIGINT)) {
        return err_set(err, ERR_SYSTEM, "a database server left over in %s (process %d) does not stop", place->data,
                       (int)server);
    }
    if (!stop_orphans(place)) {
        return err_set(err, ERR_SYSTEM, "database processes left over in %s do not stop", place->data);
    }
    /* Nobody stands in the folder now. The number in this file may belong to a stranger, or to a dead process that its
     * parent has not waited for; either would keep the server from starting. */
    char path[EMBEDDED_PATH_MAX + 32];
    (void)snprintf(path, sizeof path, "%s/postmaster.pid", place->data);
    if (unlink(path) != 0 && errno != ENOENT) {
        return err_set(err, ERR_SYSTEM, "remove %s: %s", path, strerror(errno));
    }
    return 0;
}
