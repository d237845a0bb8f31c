/* The dashboard under /, and /openapi.json. */
#include "api/static.h"

#include <string.h>

#include "api/handlers.h"
#include "api/http.h"
#include "api/server.h"
#include "common/err.h"

/* Nothing from elsewhere, nothing inline, nobody's frame. */
#define CONTENT_POLICY                                                                                                 \
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "                 \
    "connect-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"

static const struct static_file *find(const char *path)
{
    if (strcmp(path, "/") == 0) {
        path = "/index.html";
    }
    for (const struct static_file *file = STATIC_FILES; file->path != NULL; file++) {
        if (strcmp(file->path, path) == 0) {
            return file;
        }
    }
    return NULL;
}

bool static_known(const char *path)
{
    return find(path) != NULL;
}

static int file_reply(struct request *request, const struct static_file *file)
{
    struct reply *reply = &request->reply;
    reply->status = 200;
    reply->content_type = file->type;
    reply->static_body = (const char *)file->bytes;
    reply->static_bytes = file->length;
    return 0;
}

int static_handler(struct request *request, struct err *err)
{
    const struct static_file *file = find(request->path);
    if (file == NULL) {
        return err_set(err, ERR_NOT_FOUND, "there is nothing at this address");
    }
    reply_header(&request->reply, "Content-Security-Policy", CONTENT_POLICY);
    reply_header(&request->reply, "Referrer-Policy", "no-referrer");
    reply_header(&request->reply, "X-Frame-Options", "DENY");
    reply_header(&request->reply, "Cache-Control", "no-cache");
    return file_reply(request, file);
}

int openapi_handler(struct request *request, struct err *err)
{
    if (OPENAPI_FILE.length == 0) {
        return err_set(err, ERR_NOT_FOUND, "this build carries no OpenAPI document");
    }
    reply_header(&request->reply, "Cache-Control", "no-cache");
    return file_reply(request, &OPENAPI_FILE);
}
