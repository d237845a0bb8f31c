/*
 * A function in C without any library: the Runtime API over one socket. Answers with the event it got.
 * Build: make    Deploy: the folder build/ (it holds `bootstrap`), runtime `provided`.
 */
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#define EVENT_BYTES_MAX (6 * 1024 * 1024 + 65536)
#define NEXT "GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nHost: %s\r\n\r\n"

static char input[EVENT_BYTES_MAX];
static char host[128];

static int open_api(void)
{
    const char *api = getenv("AWS_LAMBDA_RUNTIME_API");
    struct sockaddr_in address = {.sin_family = AF_INET};
    int on = 1;
    if (api == NULL || strchr(api, ':') == NULL) {
        return -1;
    }
    snprintf(host, sizeof host, "%s", api);
    address.sin_port = htons((unsigned short)strtoul(strchr(api, ':') + 1, NULL, 10));
    inet_pton(AF_INET, "127.0.0.1", &address.sin_addr);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return connect(fd, (struct sockaddr *)&address, sizeof address) == 0 ? fd : -1;
}

static int send_all(int fd, struct iovec *parts, size_t count)
{
    struct msghdr message = {.msg_iov = parts, .msg_iovlen = count};
    while (message.msg_iovlen > 0) {
        ssize_t sent = sendmsg(fd, &message, MSG_NOSIGNAL);
        if (sent <= 0) {
            return -1;
        }
        while (message.msg_iovlen > 0 && (size_t)sent >= message.msg_iov->iov_len) {
            sent -= (ssize_t)message.msg_iov->iov_len;
            message.msg_iov++;
            message.msg_iovlen--;
        }
        if (message.msg_iovlen > 0) {
            message.msg_iov->iov_base = (char *)message.msg_iov->iov_base + sent;
            message.msg_iov->iov_len -= (size_t)sent;
        }
    }
    return 0;
}

/* Behind the answer that was used last, this much of the next one may be there already. */
static size_t used, kept;

/* One answer of the API: *head ends with a NUL, *body is behind it. -1 when the connection ended. */
static int receive(int fd, char **head, char **body, size_t *body_length)
{
    size_t need = 0;
    char *end = NULL;
    memmove(input, input + used, kept);
    used = 0;
    for (;;) {
        input[kept] = '\0';
        if (end == NULL && (end = strstr(input, "\r\n\r\n")) != NULL) {
            *end = '\0';
            const char *length = strcasestr(input, "\r\ncontent-length:");
            *head = input;
            *body = end + 4;
            *body_length = length != NULL ? strtoul(length + 17, NULL, 10) : 0;
            need = (size_t)(*body - input) + *body_length;
        }
        if (end != NULL && kept >= need) {
            used = need;
            kept -= need;
            return 0;
        }
        ssize_t got = recv(fd, input + kept, sizeof input - 1 - kept, 0);
        if (got <= 0) {
            return -1;
        }
        kept += (size_t)got;
    }
}

/* The answer, and in the same packet the request for the next event: one way to the API less a call. */
static int answer(int fd, const char *id, const char *bytes, size_t length)
{
    char head[512];
    char next[256];
    size_t head_length = (size_t)snprintf(head, sizeof head,
                                          "POST /2018-06-01/runtime/invocation/%s/response HTTP/1.1\r\nHost: %s\r\n"
                                          "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n",
                                          id, host, length);
    size_t next_length = (size_t)snprintf(next, sizeof next, NEXT, host);
    struct iovec parts[] = {{head, head_length}, {(void *)(uintptr_t)bytes, length}, {next, next_length}};
    return send_all(fd, parts, 3);
}

int main(void)
{
    int fd = open_api();
    char first[256];
    struct iovec next = {first, (size_t)snprintf(first, sizeof first, NEXT, host)};
    if (fd < 0 || send_all(fd, &next, 1) != 0) {
        return 1;
    }
    for (;;) {
        char id[64] = "";
        char *head = NULL;
        char *event = NULL;
        size_t length = 0;
        if (receive(fd, &head, &event, &length) != 0) {
            return 1;
        }
        const char *found = strcasestr(head, "lambda-runtime-aws-request-id:");
        if (found == NULL || sscanf(found + 30, " %63[^\r]", id) != 1) {
            return 1;
        }
        /* --- the function's own work is here: event, length bytes of it --- */
        if (answer(fd, id, event, length) != 0 || receive(fd, &head, &event, &length) != 0) {
            return 1; /* what was received: "202 Accepted" */
        }
    }
}
