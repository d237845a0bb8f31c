/*
 * Goal:   whatever a function returns, its URL answers with a status, headers and a body that are HTTP, or says that
 * the answer is malformed; and cross-origin rules are read to the same text again. Method: the first byte chooses: a
 * whole answer, a prelude and its stream, rules in this API's names, rules in AWS's.
 */
#include <cjson/cJSON.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "api/function_url.h"
#include "api/http.h"
#include "common/check.h"
#include "common/err.h"
#include "common/json.h"

static bool clean(const char *text)
{
    for (; *text != '\0'; text++) {
        if (((unsigned char)*text < 0x20 && *text != '\t') || *text == 0x7f) {
            return false;
        }
    }
    return true;
}

static void check_head(const struct reply *reply)
{
    size_t bytes = 0;
    CHECK(reply->status >= 200 && reply->status <= 599);
    CHECK(reply->header_count <= REPLY_HEADERS_FOREIGN_MAX);
    for (int i = 0; i < reply->header_count; i++) {
        const char *name = reply->headers[i].name;
        CHECK(name[0] != '\0' && strpbrk(name, " \t\r\n:") == NULL && clean(name) && clean(reply->headers[i].value));
        CHECK(strcasecmp(name, "Content-Length") != 0 && strcasecmp(name, "Transfer-Encoding") != 0 &&
              strcasecmp(name, "Connection") != 0);
        bytes += strlen(name) + strlen(reply->headers[i].value);
    }
    CHECK(bytes <= URL_HEADER_BYTES_MAX);
}

static void answer(const char *text, size_t length)
{
    struct reply reply;
    struct err err = {0};
    reply_init(&reply);
    if (url_answer_read(text, length, &reply, &err) == 0) {
        check_head(&reply);
    } else {
        CHECK(err.code != ERR_NONE && err.text[0] != '\0');
    }
    reply_free(&reply);
}

static void prelude(const char *text, size_t length)
{
    struct reply reply;
    struct err err = {0};
    size_t head = url_prelude_length(text, length);
    CHECK(head <= length);
    /* It is the same however much of the stream has come. */
    CHECK(head == 0 || (url_prelude_length(text, head) == head && url_prelude_length(text, head - 1) == 0));
    reply_init(&reply);
    if (head > 0 && url_prelude_read(text, head, &reply, &err) == 0) {
        check_head(&reply);
        CHECK(reply.body.length == 0);
    }
    reply_free(&reply);
}

static void cors(const char *text, size_t length, bool rest)
{
    struct function_url url = {.iam = false};
    struct err err = {0};
    cJSON *tree = NULL;
    if (json_parse(text, length, &tree, &err) == 0 && url_cors_read(tree, rest, &url.cors, &err) == 0 &&
        url.cors.length > 0) {
        struct buf again = {0};
        struct buf shown = {0};
        struct json_writer writer;
        struct err none = {0};
        json_writer_init(&writer, &shown);
        json_open_object(&writer, NULL);
        url_cors_write(&url, &writer);
        json_close_object(&writer);
        cJSON *written = cJSON_Parse(buf_text(&shown));
        CHECK(url_cors_read(written, true, &again, &none) == 0);
        CHECK(again.length == 0 || strcmp(buf_text(&again), buf_text(&url.cors)) == 0);
        cJSON_Delete(written);
        buf_free(&again);
        buf_free(&shown);
    }
    cJSON_Delete(tree);
    buf_free(&url.cors);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) {
        return 0;
    }
    char *text = malloc(size);
    CHECK(text != NULL);
    memcpy(text, data + 1, size - 1);
    text[size - 1] = '\0';
    switch (data[0] % 4) {
    case 0:
        answer(text, size - 1);
        break;
    case 1:
        prelude(text, size - 1);
        break;
    default:
        cors(text, size - 1, data[0] % 4 == 2);
        break;
    }
    free(text);
    return 0;
}
