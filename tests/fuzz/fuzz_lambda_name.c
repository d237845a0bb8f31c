/*
 * Goal:   whatever stands where a function is named, only its own account's functions come out: a name and a qualifier
 * that are safe to put into an ARN, and that mean the same however they are written. Method: first line: name, partial
 * or full ARN; second: the Qualifier parameter.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/http.h"
#include "api/lambda.h"
#include "common/check.h"
#include "common/err.h"

#define ACCOUNT 100000000001
#define NAME_CHARACTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_"

static void ask(struct request *request, const char *name, const char *qualifier)
{
    memset(request, 0, sizeof *request);
    request->account_id = ACCOUNT;
    request->params[0] = (struct pair){"f", name};
    request->param_count = 1;
    request->query[0] = (struct pair){"Qualifier", qualifier};
    request->query_count = qualifier != NULL ? 1 : 0;
}

static void same(struct request *request, const struct lambda_target *as, const char *name, const char *qualifier)
{
    struct lambda_target target;
    struct err err = {0};
    ask(request, name, qualifier);
    CHECK(lambda_target(request, &target, &err) == 0);
    CHECK(strcmp(target.name, as->name) == 0 && strcmp(target.qualifier, as->qualifier) == 0);
}

static void check_target(struct request *request, const struct lambda_target *target)
{
    char text[400];
    size_t length = strlen(target->name);
    const char *colon = target->qualifier[0] != '\0' ? ":" : "";
    CHECK(length > 0 && length <= 64 && strspn(target->name, NAME_CHARACTERS) == length);
    CHECK(strcmp(target->qualifier, "$LATEST") == 0 ||
          strspn(target->qualifier, NAME_CHARACTERS) == strlen(target->qualifier));
    (void)snprintf(text, sizeof text, "%s%s%s", target->name, colon, target->qualifier);
    same(request, target, text, NULL);
    same(request, target, text, target->qualifier);
    same(request, target, target->name, target->qualifier);
    (void)snprintf(text, sizeof text, "%lld:function:%s%s%s", (long long)ACCOUNT, target->name, colon,
                   target->qualifier);
    same(request, target, text, NULL);
    (void)snprintf(text, sizeof text, "arn:aws:lambda:local:%lld:function:%s%s%s", (long long)ACCOUNT, target->name,
                   colon, target->qualifier);
    same(request, target, text, NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct request *request = malloc(sizeof *request);
    struct lambda_target target;
    struct lambda_target other;
    struct err err = {0};
    char *text = calloc(1, size + 1);
    CHECK(request != NULL && text != NULL);
    memcpy(text, data, size);
    char *qualifier = text;
    const char *name = strsep(&qualifier, "\n");
    ask(request, name, qualifier);
    if (lambda_target(request, &target, &err) == 0) {
        check_target(request, &target);
        /* Somebody else's account in the same words is not found, or no name at all. */
        ask(request, name, qualifier);
        request->account_id = ACCOUNT + 1;
        err = (struct err){0};
        bool named = strchr(name, ':') != NULL && strstr(name, ":function:") != NULL;
        CHECK(lambda_target(request, &other, &err) == 0 ? !named : named && err.code == ERR_NOT_FOUND);
    } else {
        CHECK(err.code == ERR_INVALID || err.code == ERR_NOT_FOUND);
        CHECK(err.code != ERR_NOT_FOUND || strstr(name, ":function:") != NULL);
    }
    free(text);
    free(request);
    return 0;
}
