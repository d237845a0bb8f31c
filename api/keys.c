/* /v1/keys, /v1/accounts/{a}/keys, /v1/key */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/api.h"
#include "api/auth.h"
#include "api/handlers.h"
#include "api/http.h"
#include "api/json_text.h"
#include "api/key_store.h"
#include "common/calendar.h"
#include "common/clock.h"
#include "common/err.h"
#include "common/ids.h"
#include "common/text.h"
#include "engine/node_key.h"

#define KEY_PREFIX_SHOWN 8

struct key_ask {
    const char *scope, *name;
    int64_t expires_us;
    bool sigv4;
};

static int ask_read(const struct request *request, const cJSON *tree, struct key_ask *ask, struct err *err)
{
    const char *expires = NULL;
    bool admin = request->account_id == 0;
    ask->scope = admin ? "admin" : "account";
    ask->name = "";
    if (json_get_text(tree, "", "scope", false, &ask->scope, err) != 0 ||
        json_get_text(tree, "", "name", false, &ask->name, err) != 0 ||
        json_get_text(tree, "", "expires_at", false, &expires, err) != 0 ||
        json_get_bool(tree, "", "sigv4", false, &ask->sigv4, err) != 0) {
        return -1;
    }
    if (admin ? strcmp(ask->scope, "admin") != 0
              : strcmp(ask->scope, "account") != 0 && strcmp(ask->scope, "read") != 0) {
        return err_field(err, "/scope", "scope is \"%.20s\"; here it is %s", ask->scope,
                         admin ? "admin" : "account or read");
    }
    if (admin && ask->sigv4) {
        return err_field(err, "/sigv4", "AWS key pairs belong to accounts");
    }
    if (ask->name[0] != '\0' && name_check_text(ask->name, 127, "/name", err) != 0) {
        return -1;
    }
    if (expires != NULL) {
        if (calendar_parse(expires, "/expires_at", &ask->expires_us, err) != 0) {
            return -1;
        }
        if (ask->expires_us <= clock_wall_us()) {
            return err_field(err, "/expires_at", "expires_at is in the past");
        }
    }
    return 0;
}

static void new_aws_pair(char id[21], char secret[41])
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    uint8_t random[16];
    struct buf text = {0};
    uint8_t bytes[30];
    random_bytes(random, sizeof random);
    memcpy(id, "AKIA", 4);
    for (size_t i = 0; i < sizeof random; i++) {
        id[4 + i] = letters[random[i] % 32];
    }
    id[20] = '\0';
    random_bytes(bytes, sizeof bytes);
    base64_encode(bytes, sizeof bytes, &text);
    (void)text_copy(secret, 41, buf_text(&text));
    buf_free(&text);
}

static int key_make(struct request *request, const struct key_ask *ask, struct err *err)
{
    char key[AUTH_KEY_BYTES];
    char prefix[KEY_PREFIX_SHOWN + 1];
    char id[ID_TEXT_BYTES];
    char aws_id[21];
    char aws_secret[41];
    uint8_t digest[SHA256_BYTES];
    struct buf sealed = {0};
    struct json_writer writer;
    int64_t key_id = 0;
    auth_new_key(key);
    (void)snprintf(prefix, sizeof prefix, "%.*s", KEY_PREFIX_SHOWN, key);
    sha256(key, strlen(key), digest);
    if (ask->sigv4) {
        new_aws_pair(aws_id, aws_secret);
        if (node_key_seal(api_get_options(request->api)->node_key, aws_id, aws_secret, strlen(aws_secret), &sealed,
                          err) != 0) {
            return -1;
        }
    }
    const struct key_new key_new = {.account_id = request->account_id,
                                    .scope = ask->scope,
                                    .name = ask->name,
                                    .prefix = prefix,
                                    .secret_sha256 = digest,
                                    .sigv4_id = ask->sigv4 ? aws_id : NULL,
                                    .sigv4_sealed = sealed.data,
                                    .sigv4_sealed_length = sealed.length,
                                    .expires_us = ask->expires_us};
    int rc = key_store_put(request->pg, &key_new, &key_id, err);
    buf_free(&sealed);
    if (rc != 0) {
        return -1;
    }
    id_format("key", key_id, id);
    (void)text_copy(request->audit_subject, sizeof request->audit_subject, id);
    reply_json_begin(request, &writer);
    json_put_text(&writer, "id", id);
    json_put_text(&writer, "scope", ask->scope);
    json_put_text(&writer, "name", ask->name);
    json_put_text(&writer, "prefix", prefix);
    json_put_text(&writer, "key", key);
    json_put_time_or_null(&writer, "expires_at", ask->expires_us);
    if (ask->sigv4) {
        json_put_text(&writer, "aws_access_key_id", aws_id);
        json_put_text(&writer, "aws_secret_access_key", aws_secret);
    }
    return reply_json_end(request, 201, &writer, err);
}

int key_create_handler(struct request *request, struct err *err)
{
    static const char *const names[] = {"scope", "name", "expires_at", "sigv4", NULL};
    struct key_ask ask = {0};
    cJSON *tree = NULL;
    int rc = request_json(request, names, &tree, err);
    if (rc == 0) {
        rc = ask_read(request, tree, &ask, err);
    }
    if (rc == 0) {
        rc = key_make(request, &ask, err);
    }
    cJSON_Delete(tree);
    return rc;
}

struct list_ctx {
    struct json_writer writer;
    int64_t left, last;
    bool more;
};

static void key_members(struct json_writer *writer, const struct key_row *key)
{
    char id[ID_TEXT_BYTES];
    id_format("key", key->key_id, id);
    json_put_text(writer, "id", id);
    json_put_text(writer, "scope", key->scope);
    json_put_text(writer, "name", key->name);
    json_put_text(writer, "prefix", key->prefix);
    json_put_text(writer, "aws_access_key_id", key->sigv4_id[0] != '\0' ? key->sigv4_id : NULL);
    json_put_time(writer, "created_at", key->created_us);
    json_put_time_or_null(writer, "expires_at", key->expires_us);
    json_put_time_or_null(writer, "revoked_at", key->revoked_us);
    json_put_time_or_null(writer, "last_used_at", key->last_used_us);
}

static int on_key(const struct key_row *key, void *ctx, struct err *err)
{
    struct list_ctx *list = ctx;
    (void)err;
    if (list->left-- == 0) {
        list->more = true;
        return 0;
    }
    json_open_object(&list->writer, NULL);
    key_members(&list->writer, key);
    json_close_object(&list->writer);
    list->last = key->key_id;
    return 0;
}

int key_list_handler(struct request *request, struct err *err)
{
    struct page page;
    struct list_ctx list = {.last = 0};
    if (page_get(request, &page, err) != 0) {
        return -1;
    }
    list.left = page.limit;
    reply_json_begin(request, &list.writer);
    json_open_array(&list.writer, "items");
    if (key_store_list(request->pg, request->account_id, strtoll(page.after, NULL, 10), page.limit + 1, on_key, &list,
                       err) != 0) {
        return -1;
    }
    char last[24];
    (void)snprintf(last, sizeof last, "%lld", (long long)list.last);
    json_close_array(&list.writer);
    page_put(request, &list.writer, list.more ? last : NULL);
    return reply_json_end(request, 200, &list.writer, err);
}

int key_revoke_handler(struct request *request, struct err *err)
{
    int64_t key_id = 0;
    if (id_parse("key", request_param(request, "key"), "key", &key_id, NULL) != 0) {
        return err_set(err, ERR_NOT_FOUND, "there is no such key");
    }
    if (key_store_revoke(request->pg, request->account_id, key_id, err) != 0) {
        return -1;
    }
    auth_forget(api_auth(request->api));
    id_format("key", key_id, request->audit_subject);
    return reply_empty(request, 204);
}

int key_self_handler(struct request *request, struct err *err)
{
    static const char *const scopes[] = {"none", "read", "account", "admin"};
    struct json_writer writer;
    char id[ID_TEXT_BYTES];
    const struct caller *caller = &request->caller;
    reply_json_begin(request, &writer);
    id_format("key", caller->key_id, id);
    json_put_text(&writer, "id", id);
    json_put_text(&writer, "scope", scopes[caller->scope]);
    if (caller->account_id != 0) {
        id_format("acct", caller->account_id, id);
        json_put_text(&writer, "account", id);
        json_put_text(&writer, "account_name", caller->account_name);
    } else {
        json_put_null(&writer, "account");
        json_put_null(&writer, "account_name");
    }
    return reply_json_end(request, 200, &writer, err);
}
