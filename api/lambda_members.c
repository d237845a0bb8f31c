/* lambda_members.c - members of a request that stand for services which are not here: set, they are refused by name. */
#include <stdio.h>
#include <string.h>

#include "api/lambda.h"
#include "common/err.h"
#include "common/text.h"

/* Tools send these even when they want nothing of them; then they hold one word that says so. */
static const struct off_word {
    const char *member, *key, *word;
    const char *beside, *beside_prefix; /* a second key that may stand there, and how its text begins */
} OFF_WORDS[] = {
    {"PackageType", NULL, "Zip", NULL, NULL},
    {"TracingConfig", "Mode", "PassThrough", NULL, NULL},
    {"SnapStart", "ApplyOn", "None", NULL, NULL},
    {"LoggingConfig", "LogFormat", "Text", "LogGroup", "/aws/lambda/"}, /* the group every function has */
};
#define OFF_WORD_COUNT (sizeof OFF_WORDS / sizeof OFF_WORDS[0])

static bool is_empty(const cJSON *item)
{
    const cJSON *child;
    if (cJSON_IsNull(item) || cJSON_IsFalse(item)) {
        return true;
    }
    if (cJSON_IsString(item)) {
        return item->valuestring[0] == '\0';
    }
    if (!cJSON_IsObject(item) && !cJSON_IsArray(item)) {
        return false;
    }
    cJSON_ArrayForEach(child, item)
    {
        if (!is_empty(child)) {
            return false;
        }
    }
    return true;
}

static bool says_off(const struct off_word *off, const cJSON *item)
{
    const cJSON *child;
    if (off->key == NULL) {
        return cJSON_IsString(item) && strcmp(item->valuestring, off->word) == 0;
    }
    if (!cJSON_IsObject(item)) {
        return false;
    }
    cJSON_ArrayForEach(child, item)
    {
        bool word =
            cJSON_IsString(child) && strcmp(child->string, off->key) == 0 && strcmp(child->valuestring, off->word) == 0;
        bool beside = off->beside != NULL && cJSON_IsString(child) && strcmp(child->string, off->beside) == 0 &&
                      text_starts(child->valuestring, off->beside_prefix);
        if (!word && !beside && !is_empty(child)) {
            return false;
        }
    }
    return true;
}

static bool is_word_of(const char *words, const char *word)
{
    size_t length = strlen(word);
    for (const char *at = strstr(words, word); length > 0 && at != NULL; at = strstr(at + 1, word)) {
        if ((at == words || at[-1] == ' ') && (at[length] == ' ' || at[length] == '\0')) {
            return true;
        }
    }
    return false;
}

static int refuse(const cJSON *item, const struct off_word *off, struct err *err)
{
    char text[200];
    if (off == NULL) {
        (void)snprintf(text, sizeof text, "%.64s is not supported here; leave it out.", item->string);
    } else {
        (void)snprintf(text, sizeof text, "%s is not supported here, other than %s%s%s.", off->member,
                       off->key != NULL ? off->key : "", off->key != NULL ? " " : "", off->word);
    }
    return lambda_parameter(err, text);
}

int lambda_members_check(const cJSON *object, const char *known, struct err *err)
{
    const cJSON *item;
    cJSON_ArrayForEach(item, object)
    {
        const struct off_word *off = NULL;
        if (item->string == NULL || is_word_of(known, item->string) || is_empty(item)) {
            continue;
        }
        for (size_t i = 0; i < OFF_WORD_COUNT; i++) {
            off = strcmp(OFF_WORDS[i].member, item->string) == 0 ? &OFF_WORDS[i] : off;
        }
        if (off == NULL || !says_off(off, item)) {
            return refuse(item, off, err);
        }
    }
    return 0;
}
