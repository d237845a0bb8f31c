#include "api/idempotency.h"

#include <stdio.h>
#include <string.h>

#include "api/api.h"
#include "api/audit_store.h"
#include "api/http.h"
#include "common/digest.h"
#include "common/err.h"
#include "common/log.h"
#include "engine/node_key.h"

/* The key as sent, or as a structured-field string in quotes. */
static int key_text(const char *header, char key[256], struct err *err)
{
    size_t length = strlen(header);
    if (length >= 2 && header[0] == '"' && header[length - 1] == '"') {
        header++;
        length -= 2;
    }
    if (length == 0 || length > 255) {
        return err_field(err, "Idempotency-Key", "Idempotency-Key has %zu characters; 1 to 255 are allowed", length);
    }
    memcpy(key, header, length);
    key[length] = '\0';
    return 0;
}

static void request_digest(const struct request *request, uint8_t digest[SHA256_BYTES])
{
    struct sha256 *state = sha256_new();
    sha256_update(state, request->method_name, strlen(request->method_name) + 1);
    sha256_update(state, request->uri, strlen(request->uri) + 1);
    sha256_update(state, buf_text(&request->body), request->body.length);
    sha256_end(&state, digest);
}

static int replay(struct request *request, int status, const struct buf *headers, const struct buf *sealed,
                  const char *key, struct err *err)
{
    static const char *const kept[] = {"Location", "ETag", "Link"};
    struct reply *reply = &request->reply;
    cJSON *tree = NULL;
    if (node_key_open(api_get_options(request->api)->node_key, key, sealed->data, sealed->length, &reply->body, err) !=
        0) {
        return err_wrap(err, "kept answer");
    }
    if (json_parse(buf_text(headers), headers->length, &tree, err) != 0) {
        return -1;
    }
    for (size_t i = 0; i < sizeof kept / sizeof kept[0]; i++) {
        const char *value = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(tree, kept[i]));
        if (value != NULL) {
            reply_header(reply, kept[i], value);
        }
    }
    cJSON_Delete(tree);
    reply->status = status;
    reply->content_type = reply->body.length == 0 ? NULL
                          : status >= 400         ? "application/problem+json"
                                                  : "application/json";
    reply_header(reply, "Idempotency-Replayed", "true");
    return 0;
}

int idempotency_begin(struct request *request, struct idempotency_run *run, struct err *err)
{
    const char *header = request_header(request, "Idempotency-Key");
    uint8_t digest[SHA256_BYTES];
    enum idempotency result = IDEMPOTENCY_FRESH;
    struct buf headers = {0};
    struct buf sealed = {0};
    int status = 0;
    if (header == NULL) {
        return 0;
    }
    if (key_text(header, run->key, err) != 0) {
        return -1;
    }
    run->account_id = request->account_id;
    request_digest(request, digest);
    int rc = idempotency_store_begin(request->pg, run->account_id, run->key, digest, &result, &status, &headers,
                                     &sealed, err);
    if (rc == 0) {
        switch (result) {
        case IDEMPOTENCY_FRESH:
            run->claimed = true;
            break;
        case IDEMPOTENCY_REPLAY:
            rc = replay(request, status, &headers, &sealed, run->key, err);
            run->replayed = rc == 0;
            break;
        case IDEMPOTENCY_RUNNING:
            (void)err_set(err, ERR_CONFLICT, "the first request with this Idempotency-Key is still running; ask again");
            rc = err_slug(err, "idempotency_in_progress");
            break;
        case IDEMPOTENCY_MISMATCH:
            (void)err_set(err, ERR_INVALID, "this Idempotency-Key came with another request before");
            rc = err_slug(err, "idempotency_mismatch");
            break;
        }
    }
    buf_free(&headers);
    buf_free(&sealed);
    return rc;
}

void idempotency_end(struct request *request, struct idempotency_run *run)
{
    static const char *const kept[] = {"Location", "ETag", "Link"};
    struct err err = {0};
    struct buf headers = {0};
    struct buf sealed = {0};
    struct json_writer writer;
    int rc;
    if (!run->claimed) {
        return;
    }
    if (request->reply.status >= 500 || request->reply.status == 429) {
        rc = idempotency_store_drop(request->pg, run->account_id, run->key, &err);
    } else {
        json_writer_init(&writer, &headers);
        json_open_object(&writer, NULL);
        for (size_t i = 0; i < sizeof kept / sizeof kept[0]; i++) {
            const char *value = reply_header_get(&request->reply, kept[i]);
            if (value != NULL) {
                json_put_text(&writer, kept[i], value);
            }
        }
        json_close_object(&writer);
        rc = node_key_seal(api_get_options(request->api)->node_key, run->key, buf_text(&request->reply.body),
                           request->reply.body.length, &sealed, &err);
        if (rc == 0) {
            rc = idempotency_store_end(request->pg, run->account_id, run->key, request->reply.status,
                                       buf_text(&headers), sealed.data, sealed.length, &err);
        }
    }
    if (rc != 0) {
        LOG(LOG_LEVEL_WARN, "idempotency.not_kept", LF_STR("error", err.text));
    }
    buf_free(&headers);
    buf_free(&sealed);
}
