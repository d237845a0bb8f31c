/* Goal: no address, query, Accept or Authorization header breaks the front of the API. First line: address; second:
 * header text. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "api/auth.h"
#include "api/http.h"
#include "api/server.h"
#include "api/sigv4.h"
#include "common/err.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1);
    struct request *request = calloc(1, sizeof *request);
    struct err err = {0};
    struct page page;
    struct sigv4_parts parts;
    unsigned allowed = 0;
    if (text == NULL || request == NULL) {
        free(text);
        free(request);
        return 0;
    }
    memcpy(text, data, size);
    text[size] = '\0';
    char *header = strchr(text, '\n');
    if (header != NULL) {
        *header++ = '\0';
        (void)request_accepts(header, "text/csv");
        (void)sigv4_parse(header, &parts, &err);
        (void)auth_bearer_text(header);
    }
    reply_init(&request->reply);
    request->method = (enum http_method)(size % 8);
    if (request_parse_uri(request, text, &err) == 0) {
        if (router_match(request, &request->route, &allowed) == 0 && request->route != NULL) {
            (void)request_param(request, "a");
        }
        (void)page_get(request, &page, &err);
    }
    problem_reply(request, &err);
    request_free(request);
    free(text);
    return 0;
}
