#include "engine/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/check.h"
#include "common/err.h"
#include "engine/meter.h"

#define ARGS_MAX 96
#define PROCESSES_MAX 1024 /* as Lambda */
#define CONTROL_FD 3
#define BWRAP "/usr/bin/bwrap"

/* What the child needs between fork and exec: everything is made before, nothing is allocated there. */
struct child {
    const char *program;
    char *const *argv;
    int control, log, null;
    uid_t uid; /* 0: stay */
    const struct meter *meter;
};

struct args {
    const char *at[ARGS_MAX + 1];
    size_t count;
};

static void add(struct args *args, const char *text)
{
    CHECK(args->count < ARGS_MAX);
    args->at[args->count++] = text;
}

static void add2(struct args *args, const char *a, const char *b)
{
    add(args, a);
    add(args, b);
}

static void add3(struct args *args, const char *a, const char *b, const char *c)
{
    add2(args, a, b);
    add(args, c);
}

/* Distributions with a merged /usr have links where others have folders. */
static void add_root(struct args *args)
{
    static const char *const FOLDERS[][2] = {{"/bin", "usr/bin"},
                                             {"/sbin", "usr/sbin"},
                                             {"/lib", "usr/lib"},
                                             {"/lib32", "usr/lib32"},
                                             {"/lib64", "usr/lib64"}};
    add3(args, "--ro-bind", "/usr", "/usr");
    for (size_t i = 0; i < sizeof FOLDERS / sizeof FOLDERS[0]; i++) {
        struct stat found;
        if (lstat(FOLDERS[i][0], &found) != 0) {
            continue;
        }
        if (S_ISLNK(found.st_mode)) {
            add3(args, "--symlink", FOLDERS[i][1], FOLDERS[i][0]);
        } else {
            add3(args, "--ro-bind", FOLDERS[i][0], FOLDERS[i][0]);
        }
    }
    static const char *const ETC[] = {"/etc/ssl/certs", "/etc/ssl/openssl.cnf", "/etc/alternatives", "/etc/ld.so.cache",
                                      "/etc/ca-certificates"};
    for (size_t i = 0; i < sizeof ETC / sizeof ETC[0]; i++) {
        add3(args, "--ro-bind-try", ETC[i], ETC[i]);
    }
}

static void bwrap_args(const struct sandbox_spec *spec, struct args *args, char texts[6][4200])
{
    add3(args, "bwrap", "--unshare-all", "--die-with-parent");
    add2(args, "--new-session", "--as-pid-1");
    if (spec->network_host) {
        add(args, "--share-net");
    }
    add2(args, "--uid", "993");
    add2(args, "--gid", "990");
    add2(args, "--hostname", "sandbox");
    add_root(args);
    static const char *const FILES[] = {"passwd", "group", "hosts"};
    for (size_t i = 0; i < 3; i++) {
        (void)snprintf(texts[i], 4200, "%s/%s", spec->image_dir, FILES[i]);
    }
    add3(args, "--ro-bind", texts[0], "/etc/passwd");
    add3(args, "--ro-bind", texts[1], "/etc/group");
    add3(args, "--ro-bind", texts[2], "/etc/hosts");
    if (spec->network_host) {
        add3(args, "--ro-bind-try", "/etc/resolv.conf", "/etc/resolv.conf");
    }
    add2(args, "--proc", "/proc");
    add2(args, "--dev", "/dev");
    add3(args, "--ro-bind", spec->code_dir, "/var/task");
    add3(args, "--ro-bind", spec->image_dir, "/var/runtime");
    if (spec->opt_dir != NULL) {
        add3(args, "--ro-bind", spec->opt_dir, "/opt");
    } else {
        add2(args, "--dir", "/opt");
    }
    (void)snprintf(texts[3], 4200, "%lld", (long long)spec->ephemeral_mib * 1024 * 1024);
    add2(args, "--size", texts[3]);
    add2(args, "--tmpfs", "/tmp");
    /* Without these two the root and /dev are small memory disks anyone inside could fill. */
    add2(args, "--remount-ro", "/dev");
    add2(args, "--remount-ro", "/");
    add2(args, "--", "/var/runtime/launcher");
    (void)snprintf(texts[4], 4200, "%d", spec->network_host ? 0 : SANDBOX_PORT);
    (void)snprintf(texts[5], 4200, "%d", CONTROL_FD);
    add2(args, texts[4], texts[5]);
}

static void plain_args(const struct sandbox_spec *spec, struct args *args, char texts[6][4200])
{
    (void)snprintf(texts[0], 4200, "%s/launcher", spec->image_dir);
    (void)snprintf(texts[5], 4200, "%d", CONTROL_FD);
    add3(args, texts[0], "0", texts[5]);
}

/* In the child; only async-signal-safe calls. */
static _Noreturn void become(const struct child *child)
{
    char path[] = "PATH=/usr/local/bin:/usr/bin:/bin";
    char language[] = "LANG=C.UTF-8";
    char *const environment[] = {path, language, NULL};
    sigset_t none;
    sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
    (void)signal(SIGPIPE, SIG_DFL);
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    meter_join(child->meter);
    (void)setpgid(0, 0);
    if (dup2(child->null, 0) != 0 || dup2(child->log, 1) != 1 || dup2(child->log, 2) != 2) {
        _exit(120);
    }
    if (child->control == CONTROL_FD) {
        (void)fcntl(CONTROL_FD, F_SETFD, 0);
    } else if (dup2(child->control, CONTROL_FD) != CONTROL_FD) {
        _exit(121);
    }
    (void)syscall(SYS_close_range, CONTROL_FD + 1, ~0U, 0);
    if (child->uid != 0) {
        gid_t group = child->uid;
        if (setgroups(0, NULL) != 0 || setresgid(group, group, group) != 0 ||
            setresuid(child->uid, child->uid, child->uid) != 0) {
            _exit(122);
        }
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL); /* changing the user cleared it */
    }
    (void)execve(child->program, child->argv, environment);
    _exit(123);
}

/* Directory, arguments and environment for the launcher; fits the socket's buffer, so writing never waits. */
static int send_config(const struct sandbox_spec *spec, int control, uint64_t data_bytes_max, struct err *err)
{
    struct buf texts = {0};
    struct buf message = {0};
    struct launch_config config = {.process_max = spec->isolated ? PROCESSES_MAX : 0, .data_bytes_max = data_bytes_max};
    int rc = -1;

    const char *directory = spec->isolated ? "/var/task" : spec->code_dir;
    buf_append(&texts, directory, strlen(directory) + 1);
    for (; spec->argv[config.argument_count] != NULL; config.argument_count++) {
        buf_append(&texts, spec->argv[config.argument_count], strlen(spec->argv[config.argument_count]) + 1);
    }
    for (; spec->extensions != NULL && spec->extensions[config.extension_count] != NULL; config.extension_count++) {
        const char *path = spec->extensions[config.extension_count];
        buf_append(&texts, path, strlen(path) + 1);
    }
    buf_append(&texts, spec->environment->data, spec->environment->length);
    config.length = (uint32_t)texts.length;
    buf_append(&message, &config, sizeof config);
    buf_append(&message, texts.data, texts.length);
    if (!buf_ok(&texts) || !buf_ok(&message) || texts.length > LAUNCH_TEXT_BYTES_MAX) {
        (void)err_set(err, ERR_SYSTEM, "instance: environment of %zu bytes does not fit", texts.length);
        goto out;
    }
    if (send(control, message.data, message.length, MSG_NOSIGNAL | MSG_DONTWAIT) != (ssize_t)message.length) {
        (void)err_set(err, ERR_SYSTEM, "instance: control socket: %s", strerror(errno));
        goto out;
    }
    rc = 0;
out:
    buf_free(&texts);
    buf_free(&message);
    return rc;
}

static void close_fd(int *fd)
{
    if (*fd >= 0) {
        (void)close(*fd);
        *fd = -1;
    }
}

static int open_pipes(int control[2], int logs[2], int *null, struct err *err)
{
    int room = 262144;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, control) != 0 || pipe2(logs, O_CLOEXEC) != 0 ||
        (*null = open("/dev/null", O_RDWR | O_CLOEXEC)) < 0 || fcntl(logs[0], F_SETFL, O_NONBLOCK) != 0) {
        return err_set(err, ERR_RETRY, "instance: no descriptors: %s", strerror(errno));
    }
    (void)setsockopt(control[0], SOL_SOCKET, SO_SNDBUF, &room, sizeof room);
    return 0;
}

static int spawn(const struct child *child, struct sandbox *made, struct err *err)
{
    pid_t pid = fork();
    if (pid < 0) {
        return err_set(err, ERR_RETRY, "instance: fork: %s", strerror(errno));
    }
    if (pid == 0) {
        become(child);
    }
    made->pid = pid;
    made->pid_fd = (int)syscall(SYS_pidfd_open, pid, 0);
    if (made->pid_fd < 0) {
        int reason = errno;
        (void)kill(pid, SIGKILL);
        (void)waitpid(pid, NULL, 0);
        made->pid = 0;
        return err_set(err, ERR_RETRY, "instance: pidfd: %s", strerror(reason));
    }
    return 0;
}

int sandbox_start(const struct sandbox_spec *spec, struct meter *meter, struct sandbox *sandbox, struct err *err)
{
    struct sandbox made = {.pid_fd = -1, .control_fd = -1, .log_fd = -1, .meter = meter, .isolated = spec->isolated};
    struct args args = {.count = 0};
    struct child child;
    uint64_t data_max = 0;
    union {
        const char **mine;
        char *const *theirs; /* execve promises not to change them */
    } argv = {.mine = args.at};
    char(*texts)[4200] = NULL;
    int control[2] = {-1, -1};
    int logs[2] = {-1, -1};
    int null = -1;
    int rc = -1;

    texts = calloc(6, sizeof *texts);
    if (texts == NULL) {
        (void)err_set(err, ERR_SYSTEM, "instance: out of memory");
        goto out;
    }
    if (open_pipes(control, logs, &null, err) != 0) {
        goto out;
    }
    (spec->isolated ? bwrap_args : plain_args)(spec, &args, texts);
    data_max = spec->isolated ? meter_data_bytes_max(meter, spec->memory_mib) : 0;
    if (send_config(spec, control[0], data_max, err) != 0) {
        goto out;
    }
    child = (struct child){
        .program = spec->isolated ? BWRAP : texts[0],
        .argv = argv.theirs,
        .control = control[1],
        .log = logs[1],
        .null = null,
        .uid = spec->isolated && geteuid() == 0 ? spec->uid : 0,
        .meter = meter,
    };
    if (spawn(&child, &made, err) != 0) {
        goto out;
    }
    made.control_fd = control[0];
    made.log_fd = logs[0];
    control[0] = -1;
    logs[0] = -1;
    (void)fcntl(made.control_fd, F_SETFL, O_NONBLOCK);
    meter_attach(meter, made.pid);
    *sandbox = made;
    made.meter = NULL;
    rc = 0;
out:
    free(texts);
    close_fd(&control[0]);
    close_fd(&control[1]);
    close_fd(&logs[0]);
    close_fd(&logs[1]);
    close_fd(&null);
    meter_free(&made.meter);
    return rc;
}

int sandbox_report(const struct sandbox *sandbox, struct launch_report *report, int *listener)
{
    struct iovec part = {.iov_base = report, .iov_len = sizeof *report};
    union {
        struct cmsghdr header;
        char room[CMSG_SPACE(sizeof(int))];
    } ancillary;
    struct msghdr message = {
        .msg_iov = &part, .msg_iovlen = 1, .msg_control = &ancillary, .msg_controllen = sizeof ancillary};
    ssize_t got = recvmsg(sandbox->control_fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    if (got < 0) {
        return errno == EAGAIN || errno == EINTR ? 0 : -1;
    }
    if (got != (ssize_t)sizeof *report) {
        return -1;
    }
    *listener = -1;
    const struct cmsghdr *head = CMSG_FIRSTHDR(&message);
    if (head != NULL && head->cmsg_type == SCM_RIGHTS) {
        memcpy(listener, CMSG_DATA(head), sizeof *listener);
    }
    return 1;
}

void sandbox_command(const struct sandbox *sandbox, enum launch_command command)
{
    const char byte = (char)command;
    if (sandbox->control_fd >= 0) {
        (void)!send(sandbox->control_fd, &byte, 1, MSG_NOSIGNAL | MSG_DONTWAIT);
    }
}

void sandbox_kill(const struct sandbox *sandbox)
{
    if (sandbox->pid <= 0) {
        return;
    }
    if (!sandbox->isolated) {
        (void)kill(-sandbox->pid, SIGKILL);
    }
    meter_kill(sandbox->meter);
    (void)kill(sandbox->pid, SIGKILL); /* not reaped yet, so the number is still its own; namespaces die with it */
}

void sandbox_free(struct sandbox *sandbox, int *status)
{
    int told = 0;
    if (sandbox->pid > 0) {
        while (waitpid(sandbox->pid, &told, 0) < 0 && errno == EINTR) {
        }
        sandbox->pid = 0;
    }
    close_fd(&sandbox->pid_fd);
    close_fd(&sandbox->control_fd);
    close_fd(&sandbox->log_fd);
    meter_free(&sandbox->meter);
    if (status != NULL) {
        *status = told;
    }
}

bool sandbox_probe(char *finding, size_t finding_bytes)
{
    if (access(BWRAP, X_OK) != 0) {
        (void)snprintf(finding, finding_bytes, "bubblewrap is not installed (%s): functions would run unprotected",
                       BWRAP);
        return false;
    }
    static const char *const TRY[] = {BWRAP,       "--unshare-all", "--die-with-parent",
                                      "--uid",     "993",           "--ro-bind",
                                      "/usr",      "/usr",          "--symlink",
                                      "usr/lib",   "/lib",          "--symlink",
                                      "usr/lib64", "/lib64",        "--proc",
                                      "/proc",     "--dev",         "/dev",
                                      "--",        "/usr/bin/true", NULL};
    union {
        const char *const *mine;
        char *const *theirs;
    } argv = {.mine = TRY};
    pid_t pid = fork();
    if (pid == 0) {
        int null = open("/dev/null", O_RDWR);
        (void)dup2(null, 1);
        (void)dup2(null, 2);
        if (geteuid() == 0 &&
            (setgroups(0, NULL) != 0 || setresgid(65534, 65534, 65534) != 0 || setresuid(65534, 65534, 65534) != 0)) {
            _exit(122);
        }
        (void)execve(BWRAP, argv.theirs, (char *const[]){NULL});
        _exit(123);
    }
    int status = -1;
    if (pid < 0 || waitpid(pid, &status, 0) != pid || status != 0) {
        (void)snprintf(finding, finding_bytes,
                       "bubblewrap cannot make namespaces here (user.max_user_namespaces, a container?)");
        return false;
    }
    (void)snprintf(finding, finding_bytes, "bubblewrap: user, pid, mount, network, ipc and uts namespaces");
    return true;
}
