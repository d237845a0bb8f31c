/*
 * A function that works for as long as its event says, {"ms":20}, and answers when it began and ended by the machine's
 * monotonic clock, {"began":NS,"ended":NS}: whoever called can count how many ran at once. Build: cc -O2 -D_GNU_SOURCE.
 */
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static char input[65536];

static int open_api(const char *api)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    int on = 1;
    address.sin_port = htons((unsigned short)strtoul(strchr(api, ':') + 1, NULL, 10));
    (void)inet_pton(AF_INET, "127.0.0.1", &address.sin_addr);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return connect(fd, (struct sockaddr *)&address, sizeof address) == 0 ? fd : -1;
}

/* Send text and read one answer; *body points behind its head. */
static int exchange(int fd, const char *text, size_t length, const char **body)
{
    size_t used = 0;
    size_t need = 0;
    char *end = NULL;
    if (send(fd, text, length, MSG_NOSIGNAL) != (ssize_t)length) {
        return -1;
    }
    while (end == NULL || used < need) {
        ssize_t got = recv(fd, input + used, sizeof input - 1 - used, 0);
        if (got <= 0) {
            return -1;
        }
        used += (size_t)got;
        input[used] = '\0';
        if (end == NULL && (end = strstr(input, "\r\n\r\n")) != NULL) {
            const char *found = strcasestr(input, "\r\ncontent-length:");
            *body = end + 4;
            need = (size_t)(end + 4 - input) + (found != NULL && found < end ? strtoul(found + 17, NULL, 10) : 0);
        }
    }
    return 0;
}

static long long now_ns(void)
{
    struct timespec now = {0};
    (void)clock_gettime(CLOCK_MONOTONIC, &now); /* lint: a function is a program of its own */
    return (long long)now.tv_sec * 1000000000 + now.tv_nsec;
}

int main(void)
{
    const char *api = getenv("AWS_LAMBDA_RUNTIME_API");
    int fd = api != NULL && strchr(api, ':') != NULL ? open_api(api) : -1;
    while (fd >= 0) {
        char text[512];
        char answer[128];
        char id[64] = "";
        const char *body = NULL;
        int n =
            snprintf(text, sizeof text, "GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nHost: %s\r\n\r\n", api);
        if (exchange(fd, text, (size_t)n, &body) != 0) {
            break;
        }
        long long began = now_ns();
        const char *found = strcasestr(input, "lambda-runtime-aws-request-id:");
        const char *word = strstr(body, "\"ms\":");
        if (found == NULL || sscanf(found + 30, " %63[^\r]", id) != 1) {
            break;
        }
        long ms = word != NULL ? strtol(word + 5, NULL, 10) : 0;
        struct timespec span = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
        (void)nanosleep(&span, NULL); /* lint: the work */
        int length = snprintf(answer, sizeof answer, "{\"began\":%lld,\"ended\":%lld}", began, now_ns());
        n = snprintf(text, sizeof text,
                     "POST /2018-06-01/runtime/invocation/%s/response HTTP/1.1\r\nHost: %s\r\n"
                     "Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
                     id, api, length, answer);
        if (exchange(fd, text, (size_t)n, &body) != 0) {
            break;
        }
    }
    return 1;
}
