#include "common/json.h"

#include "common/buf.h"
#include "common/err.h"
#include "common/json_internal.h"
#include "common/map.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define EXACT_MAX INT64_C(9007199254740992) /* 2^53: cJSON keeps numbers as double */

/* A JSON pointer of one member or element; '~' and '/' in names are escaped as RFC 6901 says. */
static void pointer_to(char pointer[ERR_FIELD_BYTES_MAX], const char *parent, const char *name)
{
    size_t used = (size_t)snprintf(pointer, ERR_FIELD_BYTES_MAX, "%s/", parent);
    for (const char *at = name; *at != '\0' && used + 3 < ERR_FIELD_BYTES_MAX; at++) {
        if (*at == '~' || *at == '/') {
            pointer[used++] = '~';
            pointer[used++] = *at == '~' ? '0' : '1';
        } else {
            pointer[used++] = *at;
        }
    }
    if (used < ERR_FIELD_BYTES_MAX) {
        pointer[used] = '\0';
    }
}

static int refuse(struct err *err, const char *parent, const char *name, const char *rule)
{
    char pointer[ERR_FIELD_BYTES_MAX];
    pointer_to(pointer, parent, name);
    return err_field(err, pointer, "%s: %s", pointer, rule);
}

static int check_members(const cJSON *tree, const char *pointer, struct err *err);

/* Members of one object are different. Two readers of a document with twins may see two documents. */
static int check_twins(const cJSON *object, const char *pointer, struct err *err)
{
    static char present;
    struct map *seen = map_new();
    int rc = seen != NULL ? 0 : err_set(err, ERR_SYSTEM, "read JSON: out of memory");
    for (const cJSON *member = object->child; rc == 0 && member != NULL; member = member->next) {
        size_t length = strlen(member->string);
        if (map_get(seen, member->string, length) != NULL) {
            rc = refuse(err, pointer, member->string, "is there twice");
        } else if (map_put(seen, member->string, length, &present) != 0) {
            rc = err_set(err, ERR_SYSTEM, "read JSON: out of memory");
        }
    }
    map_free(&seen);
    return rc;
}

static int check_children(const cJSON *tree, const char *pointer, struct err *err)
{
    size_t index = 0;
    for (const cJSON *child = tree->child; child != NULL; child = child->next, index++) {
        if (child->child == NULL) {
            continue;
        }
        char number[24];
        char below[ERR_FIELD_BYTES_MAX];
        (void)snprintf(number, sizeof number, "%zu", index);
        pointer_to(below, pointer, child->string != NULL ? child->string : number);
        if (check_members(child, below, err) != 0) {
            return -1;
        }
    }
    return 0;
}

static int check_members(const cJSON *tree, const char *pointer, struct err *err)
{
    if (cJSON_IsObject(tree) && tree->child != NULL && check_twins(tree, pointer, err) != 0) {
        return -1;
    }
    return check_children(tree, pointer, err);
}

int json_parse(const char *text, size_t length, cJSON **tree, struct err *err)
{
    if (json_scan(text, length, err) != 0) {
        return -1;
    }
    cJSON *parsed = cJSON_ParseWithLength(text, length);
    if (parsed == NULL) {
        return err_set(err, ERR_SYSTEM, "read JSON: out of memory");
    }
    if (check_members(parsed, "", err) != 0) {
        cJSON_Delete(parsed);
        return -1;
    }
    *tree = parsed;
    return 0;
}

/* Finds the member. 1: there, 0: missing and not required, -1: error. */
static int member(const cJSON *object, const char *pointer, const char *name, bool required, const cJSON **found,
                  struct err *err)
{
    if (!cJSON_IsObject(object)) {
        (void)err_field(err, pointer, "%s: must be an object", pointer[0] != '\0' ? pointer : "the document");
        return -1;
    }
    *found = cJSON_GetObjectItemCaseSensitive(object, name);
    if (*found != NULL) {
        return 1;
    }
    if (required) {
        (void)refuse(err, pointer, name, "is missing");
        return -1;
    }
    return 0;
}

int json_get_text(const cJSON *object, const char *pointer, const char *name, bool required, const char **value,
                  struct err *err)
{
    const cJSON *found = NULL;
    int rc = member(object, pointer, name, required, &found, err);
    if (rc > 0) {
        if (!cJSON_IsString(found)) {
            return refuse(err, pointer, name, "must be a string");
        }
        *value = found->valuestring;
        rc = 0;
    }
    return rc;
}

int json_get_i64(const cJSON *object, const char *pointer, const char *name, bool required, int64_t min, int64_t max,
                 int64_t *value, struct err *err)
{
    const cJSON *found = NULL;
    int rc = member(object, pointer, name, required, &found, err);
    if (rc <= 0) {
        return rc;
    }
    double number = found->valuedouble;
    bool whole = cJSON_IsNumber(found) && number >= (double)-EXACT_MAX && number <= (double)EXACT_MAX &&
                 (double)(int64_t)number == number;
    if (!whole || (int64_t)number < min || (int64_t)number > max) {
        char rule[96];
        (void)snprintf(rule, sizeof rule, "must be a whole number from %" PRId64 " to %" PRId64, min, max);
        return refuse(err, pointer, name, rule);
    }
    *value = (int64_t)number;
    return 0;
}

int json_get_bool(const cJSON *object, const char *pointer, const char *name, bool required, bool *value,
                  struct err *err)
{
    const cJSON *found = NULL;
    int rc = member(object, pointer, name, required, &found, err);
    if (rc > 0) {
        if (!cJSON_IsBool(found)) {
            return refuse(err, pointer, name, "must be true or false");
        }
        *value = cJSON_IsTrue(found) != 0;
        rc = 0;
    }
    return rc;
}

int json_get_array(const cJSON *object, const char *pointer, const char *name, bool required, const cJSON **value,
                   struct err *err)
{
    const cJSON *found = NULL;
    int rc = member(object, pointer, name, required, &found, err);
    if (rc > 0) {
        if (!cJSON_IsArray(found)) {
            return refuse(err, pointer, name, "must be an array");
        }
        *value = found;
        rc = 0;
    }
    return rc;
}

int json_get_object(const cJSON *object, const char *pointer, const char *name, bool required, const cJSON **value,
                    struct err *err)
{
    const cJSON *found = NULL;
    int rc = member(object, pointer, name, required, &found, err);
    if (rc > 0) {
        if (!cJSON_IsObject(found)) {
            return refuse(err, pointer, name, "must be an object");
        }
        *value = found;
        rc = 0;
    }
    return rc;
}

int json_only(const cJSON *object, const char *pointer, const char *const *names, struct err *err)
{
    if (!cJSON_IsObject(object)) {
        return err_field(err, pointer, "%s: must be an object", pointer[0] != '\0' ? pointer : "the document");
    }
    for (const cJSON *at = object->child; at != NULL; at = at->next) {
        size_t i = 0;
        while (names[i] != NULL && strcmp(names[i], at->string) != 0) {
            i++;
        }
        if (names[i] == NULL) {
            return refuse(err, pointer, at->string, "is not a known member");
        }
    }
    return 0;
}
