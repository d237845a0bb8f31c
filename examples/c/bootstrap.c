/*
 * A function in C without any library: the Runtime API over one socket. Answers with the event it got.
 * Build: make    Deploy: the folder build/ (it holds `bootstrap`), runtime `provided`.
 */
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#define EVENT_BYTES_MAX (6 * 1024 * 1024 + 65536)

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

static int send_all(int fd, const char *bytes, size_t length)
{
    while (length > 0) {
        ssize_t sent = send(fd, bytes, length, MSG_NOSIGNAL);
        if (sent <= 0) {
            return -1;
        }
        bytes += sent;
        length -= (size_t)sent;
    }
    return 0;
}

/* One answer of the API: the head ends with a NUL, *body is behind it. -1 when the connection ended. */
static int receive(int fd, char **body, size_t *body_length)
{
    size_t used = 0;
    size_t need = 0;
    char *end = NULL;
    while (end == NULL || used < need) {
        ssize_t got = recv(fd, input + used, sizeof input - 1 - used, 0);
        if (got <= 0) {
            return -1;
        }
        used += (size_t)got;
        input[used] = '\0';
        if (end == NULL && (end = strstr(input, "\r\n\r\n")) != NULL) {
            *end = '\0';
            const char *length = strcasestr(input, "\r\ncontent-length:");
            *body = end + 4;
            *body_length = length != NULL ? strtoul(length + 17, NULL, 10) : 0;
            need = (size_t)(*body - input) + *body_length;
        }
    }
    return 0;
}

int main(void)
{
    int fd = open_api();
    if (fd < 0) {
        return 1;
    }
    for (;;) {
        char head[512];
        char id[64] = "";
        char *event = NULL;
        size_t length = 0;
        int n = snprintf(head, sizeof head,
                         "GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nHost: %s\r\n\r\n", host);
        if (send_all(fd, head, (size_t)n) != 0 || receive(fd, &event, &length) != 0) {
            return 1;
        }
        const char *found = strcasestr(input, "lambda-runtime-aws-request-id:");
        if (found == NULL || sscanf(found + 30, " %63[^\r]", id) != 1) {
            return 1;
        }
        /* --- the function's own work is here --- */
        n = snprintf(head, sizeof head,
                     "POST /2018-06-01/runtime/invocation/%s/response HTTP/1.1\r\nHost: %s\r\n"
                     "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n",
                     id, host, length);
        /* Head and body in one packet where there is room in front of the body. */
        size_t before = (size_t)(event - input);
        if ((size_t)n <= before) {
            memcpy(event - n, head, (size_t)n);
            if (send_all(fd, event - n, (size_t)n + length) != 0) {
                return 1;
            }
        } else if (send_all(fd, head, (size_t)n) != 0 || send_all(fd, event, length) != 0) {
            return 1;
        }
        if (receive(fd, &event, &length) != 0) {
            return 1;
        }
    }
}
