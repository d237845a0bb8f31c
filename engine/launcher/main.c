/*
 * farthing-launcher - first process of an instance: opens the Runtime API's listener, starts the runtime, tells how it
 * ended.
 *
 * Why:      only a process inside the instance's network namespace can listen on its 127.0.0.1; the socket travels out
 * over the control socket (SCM_RIGHTS), so the node needs no privilege. It is process 1 of the pid namespace: when it
 * ends, everything the function started is gone. Runs:     farthing-launcher PORT CONTROL_FD; PORT 0: any free one
 * (shared network). Environment, directory and arguments come over the control socket, so that no word of a tenant is
 * ever in the environment of a program outside the sandbox. Protocol: in: struct launch_config, then config.length
 * bytes of NUL-terminated texts: directory, arguments, extensions, environment; later enum launch_command. out: struct
 * launch_report, the first one (LAUNCH_LISTENING) carries the listener. Extensions are started first; the runtime then
 * waits until the node says that all of them have registered. With extensions it goes on when the runtime has ended:
 * they may have something to do with that. Built:    statically, embedded in the library (launcher_image.c), unpacked
 * beside the code cache, seen at /var/runtime.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "engine/launcher/protocol.h"

#define TEXTS_MAX 512

static int read_all(int fd, void *bytes, size_t length)
{
    char *at = bytes;
    while (length > 0) {
        ssize_t got = read(fd, at, length);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got <= 0) {
            return -1;
        }
        at += got;
        length -= (size_t)got;
    }
    return 0;
}

static int report_of(int control, uint32_t kind, int32_t value, uint32_t index, int passed_fd)
{
    struct launch_report line = {.kind = kind, .value = value, .index = index};
    struct iovec part = {.iov_base = &line, .iov_len = sizeof line};
    union {
        struct cmsghdr header;
        char room[CMSG_SPACE(sizeof(int))];
    } ancillary;
    memset(&ancillary, 0, sizeof ancillary);
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    if (passed_fd >= 0) {
        message.msg_control = &ancillary;
        message.msg_controllen = sizeof ancillary.room;
        struct cmsghdr *head = CMSG_FIRSTHDR(&message);
        head->cmsg_level = SOL_SOCKET;
        head->cmsg_type = SCM_RIGHTS;
        head->cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(head), &passed_fd, sizeof passed_fd);
    }
    return sendmsg(control, &message, MSG_NOSIGNAL) == (ssize_t)sizeof line ? 0 : -1;
}

static int report(int control, uint32_t kind, int32_t value, int passed_fd)
{
    return report_of(control, kind, value, 0, passed_fd);
}

static int open_listener(int port, int *chosen)
{
    int on = 1;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
        bind(fd, (const struct sockaddr *)&address, sizeof address) != 0 || listen(fd, 128) != 0 ||
        getsockname(fd, (struct sockaddr *)&address, &length) != 0) {
        return -1;
    }
    *chosen = ntohs(address.sin_port);
    return fd;
}

static void limit(__rlimit_resource_t which, uint64_t value)
{
    struct rlimit both = {.rlim_cur = value, .rlim_max = value};
    (void)setrlimit(which, &both);
}

struct plan {
    char *directory;
    char *argv[TEXTS_MAX + 1];
    char *extensions[LAUNCH_EXTENSIONS_MAX];
    char *envp[TEXTS_MAX + 2];
    uint32_t extension_count;
};

/* Split the texts; the one the launcher adds is the address of the Runtime API. */
static void split(char *texts, const struct launch_config *config, char *address, struct plan *plan)
{
    char *at = texts;
    char *end = texts + config->length;
    uint32_t index = 0;
    uint32_t args = 0;
    uint32_t variables = 0;
    while (at < end && index < TEXTS_MAX) {
        if (index == 0) {
            plan->directory = at;
        } else if (index <= config->argument_count) {
            plan->argv[args++] = at;
        } else if (index <= config->argument_count + config->extension_count) {
            plan->extensions[plan->extension_count++] = at;
        } else {
            plan->envp[variables++] = at;
        }
        at += strlen(at) + 1;
        index++;
    }
    plan->envp[variables++] = address;
    plan->argv[args] = NULL;
    plan->envp[variables] = NULL;
}

static void in_child(void)
{
    sigset_t none;
    sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
}

static pid_t start_runtime(int control, struct plan *plan)
{
    pid_t pid = fork();
    if (pid != 0) {
        return pid;
    }
    in_child();
    if (chdir(plan->directory) != 0) {
        (void)report(control, LAUNCH_NO_DIRECTORY, errno, -1);
        _exit(126);
    }
    (void)execve(plan->argv[0], plan->argv, plan->envp);
    (void)report(control, LAUNCH_NO_PROGRAM, errno, -1);
    _exit(127);
}

static pid_t start_extension(int control, struct plan *plan, uint32_t index)
{
    char *const argv[] = {plan->extensions[index], NULL};
    pid_t pid = fork();
    if (pid != 0) {
        return pid;
    }
    in_child();
    if (chdir("/") == 0) {
        (void)execve(argv[0], argv, plan->envp);
    }
    (void)report_of(control, LAUNCH_NO_EXTENSION, errno, index, -1);
    _exit(127);
}

/* What runs, and what the node wants of it. */
struct running {
    int control, signals;
    struct plan *plan;
    pid_t runtime; /* 0: not started; -1: ended */
    int runtime_status;
    pid_t extensions[LAUNCH_EXTENSIONS_MAX];
};

/* True: there is nothing left to wait for. */
static bool reap(struct running *running)
{
    int status = 0;
    pid_t gone = 0;
    while ((gone = waitpid(-1, &status, WNOHANG)) > 0) {
        if (gone == running->runtime) {
            running->runtime = -1;
            running->runtime_status = status;
            (void)report(running->control, LAUNCH_ENDED, status, -1);
            if (running->plan->extension_count == 0) {
                return true;
            }
        }
        for (uint32_t i = 0; i < running->plan->extension_count; i++) {
            if (gone == running->extensions[i]) {
                running->extensions[i] = 0;
                (void)report_of(running->control, LAUNCH_EXTENSION_ENDED, status, i, -1);
            }
        }
    }
    return gone < 0 && errno == ECHILD && running->runtime != 0;
}

static void obey(struct running *running)
{
    char command = 0;
    if (read(running->control, &command, 1) != 1) {
        (void)close(running->control); /* the node is gone; so are we, as soon as the kernel has noticed */
        running->control = -1;
    } else if (command == LAUNCH_START_RUNTIME && running->runtime == 0) {
        running->runtime = start_runtime(running->control, running->plan);
        if (running->runtime < 0) {
            (void)report(running->control, LAUNCH_NO_PROGRAM, errno, -1);
        }
    } else if (command == LAUNCH_STOP_RUNTIME && running->runtime > 0) {
        (void)kill(running->runtime, SIGTERM);
    }
}

/* Until everything that was started has ended. */
static int watch(struct running *running)
{
    for (;;) {
        struct pollfd both[] = {{.fd = running->signals, .events = POLLIN}, {.fd = running->control, .events = POLLIN}};
        if (poll(both, 2, -1) < 0 && errno != EINTR) {
            return 125;
        }
        if ((both[1].revents & (POLLIN | POLLHUP)) != 0) {
            obey(running);
        }
        if ((both[0].revents & POLLIN) != 0) {
            struct signalfd_siginfo which;
            if (read(running->signals, &which, sizeof which) < 0) {
                return 125;
            }
            if (reap(running)) {
                int status = running->runtime_status;
                return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
            }
        }
    }
}

int main(int argc, char **argv)
{
    static struct plan plan;
    struct running running = {.plan = &plan};
    struct launch_config config;
    sigset_t children;
    char address[64];
    int port = 0;

    if (argc != 3) {
        return 125;
    }
    int control = (int)strtol(argv[2], NULL, 10);
    if (fcntl(control, F_SETFD, FD_CLOEXEC) != 0 || prctl(PR_SET_DUMPABLE, 0) != 0 ||
        prctl(PR_SET_CHILD_SUBREAPER, 1) != 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) {
        return 125;
    }
    if (read_all(control, &config, sizeof config) != 0 || config.length == 0 || config.length > LAUNCH_TEXT_BYTES_MAX ||
        config.extension_count > LAUNCH_EXTENSIONS_MAX) {
        return 125;
    }
    char *texts = calloc(1, config.length + 1);
    if (texts == NULL || read_all(control, texts, config.length) != 0) {
        return 125;
    }
    int listener = open_listener((int)strtol(argv[1], NULL, 10), &port);
    if (listener < 0) {
        (void)report(control, LAUNCH_NO_LISTENER, errno, -1);
        return 125;
    }
    (void)snprintf(address, sizeof address, "AWS_LAMBDA_RUNTIME_API=127.0.0.1:%d", port);
    split(texts, &config, address, &plan);
    sigemptyset(&children);
    sigaddset(&children, SIGCHLD);
    (void)sigprocmask(SIG_BLOCK, &children, NULL);
    running.signals = signalfd(-1, &children, SFD_CLOEXEC);
    running.control = control;
    if (plan.directory == NULL || plan.argv[0] == NULL || running.signals < 0 ||
        report(control, LAUNCH_LISTENING, port, listener) != 0) {
        return 125;
    }
    (void)close(listener);
    limit(RLIMIT_NOFILE, LAUNCH_FILES_MAX);
    limit(RLIMIT_CORE, 0);
    if (config.process_max > 0) {
        limit(RLIMIT_NPROC, config.process_max);
    }
    if (config.data_bytes_max > 0) {
        limit(RLIMIT_DATA, config.data_bytes_max);
    }
    for (uint32_t i = 0; i < plan.extension_count; i++) {
        running.extensions[i] = start_extension(control, &plan, i);
        if (running.extensions[i] < 0) {
            (void)report_of(control, LAUNCH_NO_EXTENSION, errno, i, -1);
        }
    }
    if (plan.extension_count == 0 && (running.runtime = start_runtime(control, &plan)) < 0) {
        (void)report(control, LAUNCH_NO_PROGRAM, errno, -1);
        return 125;
    }
    return watch(&running);
}
