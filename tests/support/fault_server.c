#include "tests/support/fault_server.h"

#include "common/check.h"
#include "common/clock.h"
#include "common/err.h"
#include "schema/embedded.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define STARTS_FAILED_MAX 200 /* in a row */

pid_t fault_fork(void)
{
    (void)fflush(stdout);
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    }
    return pid;
}

void fault_nap_ms(uint64_t ms)
{
    (void)poll(NULL, 0, (int)ms);
}

static void note(struct fault_server *shared, const struct embedded *server)
{
    const char *host = strstr(embedded_conninfo(server), "host='");
    CHECK(host != NULL);
    host += 6;
    (void)snprintf(shared->conninfo, sizeof shared->conninfo, "%s", embedded_conninfo(server));
    (void)snprintf(shared->socket, sizeof shared->socket, "%.*s/.s.PGSQL.5432", (int)strcspn(host, "'"), host);
    atomic_fetch_add(&shared->starts, 1);
}

static void serve(struct fault_server *shared)
{
    const struct embedded_options options = {.dir = shared->dir};
    struct err err = {0};
    int failed = 0;
    while (!atomic_load(&shared->stop)) {
        struct embedded *server = NULL;
        if (embedded_open(&options, &server, &err) != 0) {
            atomic_fetch_add(&shared->failed_starts, 1);
            if (++failed > STARTS_FAILED_MAX) {
                (void)fprintf(stderr, "fault_server: %s\n", err.text);
                _exit(EXIT_FAILURE);
            }
            fault_nap_ms(20);
            continue;
        }
        failed = 0;
        note(shared, server);
        while (embedded_alive(server) && !atomic_load(&shared->stop)) {
            fault_nap_ms(5);
        }
        embedded_close(&server);
    }
    _exit(EXIT_SUCCESS);
}

void fault_server_start(struct fault_server *server, const char *dir)
{
    (void)snprintf(server->dir, sizeof server->dir, "%s", dir);
    pid_t pid = fault_fork();
    if (pid == 0) {
        int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
        (void)dup2(null, STDOUT_FILENO);
        serve(server);
    }
    server->process = pid;
    fault_server_await(server, 0);
}

void fault_server_await(const struct fault_server *server, uint64_t starts)
{
    while (atomic_load(&server->starts) <= starts) {
        CHECK(waitpid(server->process, NULL, WNOHANG) == 0);
        fault_nap_ms(5);
    }
}

/* 0: there is none. */
static pid_t postmaster(const struct fault_server *server)
{
    char path[200];
    char line[32] = "";
    (void)snprintf(path, sizeof path, "%s/data/postmaster.pid", server->dir);
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        return 0;
    }
    bool read = fgets(line, sizeof line, file) != NULL;
    (void)fclose(file);
    long pid = read ? strtol(line, NULL, 10) : 0;
    return pid > 1 ? (pid_t)pid : 0;
}

bool fault_server_kill(const struct fault_server *server, unsigned again_ms)
{
    int64_t until_us = clock_mono_us() + (int64_t)again_ms * 1000;
    pid_t killed = postmaster(server);
    bool done = killed > 0 && kill(killed, SIGKILL) == 0;
    while (clock_mono_us() < until_us) {
        pid_t next = postmaster(server);
        if (next > 0 && next != killed) {
            fault_nap_ms((uint64_t)(clock_mono_us() % 20)); /* into its recovery, somewhere */
            (void)kill(next, SIGKILL);
            killed = next;
        }
        fault_nap_ms(1);
    }
    return done;
}

void fault_server_stop(struct fault_server *server)
{
    atomic_store(&server->stop, true);
    (void)waitpid(server->process, NULL, 0);
}
