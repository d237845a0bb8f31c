/*
 * pgserver.c - a throw-away server for one run of the tests: farthing_pgserver DIR
 *
 * Prints the connection string and runs until its input ends or SIGTERM or SIGINT comes. DIR is made, and left for the
 * caller to remove.
 */
#include "common/err.h"
#include "schema/embedded.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/signalfd.h>
#include <unistd.h>

static void wait_for_end(int signals)
{
    struct pollfd both[] = {{.fd = STDIN_FILENO, .events = POLLIN}, {.fd = signals, .events = POLLIN}};
    for (;;) {
        char ignored[64];
        if (poll(both, 2, -1) < 0) {
            continue;
        }
        if (both[1].revents != 0 || (both[0].revents != 0 && read(STDIN_FILENO, ignored, sizeof ignored) <= 0)) {
            return;
        }
    }
}

int main(int argc, char **argv)
{
    struct embedded *server = NULL;
    struct err err = {0};
    sigset_t stops;
    if (argc != 2) {
        (void)fprintf(stderr, "usage: farthing_pgserver DIR\n");
        return 2;
    }
    (void)sigemptyset(&stops);
    (void)sigaddset(&stops, SIGTERM);
    (void)sigaddset(&stops, SIGINT);
    (void)sigprocmask(SIG_BLOCK, &stops, NULL);
    int signals = signalfd(-1, &stops, SFD_CLOEXEC);
    const struct embedded_options options = {.dir = argv[1], .throw_away = true, .max_connections = 300};
    if (signals < 0 || embedded_open(&options, &server, &err) != 0) {
        (void)fprintf(stderr, "farthing_pgserver: %s\n", err.text);
        return 1;
    }
    (void)printf("%s\n", embedded_conninfo(server));
    (void)fflush(stdout);
    wait_for_end(signals);
    embedded_close(&server);
    return 0;
}
