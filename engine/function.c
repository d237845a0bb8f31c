#include <stdio.h>
#include <string.h>

#include "common/err.h"
#include "common/ids.h"
#include "common/text.h"
#include "engine/function.h"

/* provided, provided.al2023, nodejs, nodejs20.x, python, python3.12, ... */
static int check_runtime(const char *runtime, struct err *err)
{
    static const char *const FAMILIES[] = {"provided", "nodejs", "python"};
    for (size_t i = 0; i < sizeof FAMILIES / sizeof FAMILIES[0]; i++) {
        size_t length = strlen(FAMILIES[i]);
        if (strncmp(runtime, FAMILIES[i], length) == 0 &&
            strspn(runtime + length, "abcdefghijklmnopqrstuvwxyz0123456789.") == strlen(runtime + length)) {
            return 0;
        }
    }
    return err_field(err, "/runtime", "runtime '%.40s' is not one of provided, nodejs, python (or a version of these)",
                     runtime);
}

static int check_range(const char *field, const char *what, int value, int min, int max, struct err *err)
{
    if (value < min || value > max) {
        return err_field(err, field, "%s %d is not between %d and %d", what, value, min, max);
    }
    return 0;
}

static int check_handler(const struct function *function, struct err *err)
{
    if (text_starts(function->runtime, "provided")) {
        return 0;
    }
    if (function->handler[0] == '\0' || strchr(function->handler, '.') == NULL ||
        strchr(function->handler, ' ') != NULL) {
        return err_field(err, "/handler", "handler '%s' is not file.function", function->handler);
    }
    return 0;
}

int function_check(const struct function *function, struct err *err)
{
    if (name_check_function(function->name, "/name", err) != 0 || check_runtime(function->runtime, err) != 0 ||
        check_handler(function, err) != 0 ||
        check_range("/memory_mb", "memory", function->memory_mib, FUNCTION_MEMORY_MIB_MIN, FUNCTION_MEMORY_MIB_MAX,
                    err) != 0 ||
        check_range("/timeout_s", "timeout", function->timeout_s, 1, FUNCTION_TIMEOUT_S_MAX, err) != 0 ||
        check_range("/ephemeral_storage_mb", "ephemeral storage", function->ephemeral_mib, FUNCTION_EPHEMERAL_MIB_MIN,
                    FUNCTION_EPHEMERAL_MIB_MAX, err) != 0 ||
        check_range("/architecture", "architecture", (int)function->arch, ARCH_X86_64, ARCH_ARM64, err) != 0 ||
        check_range("/network", "network", (int)function->network, NETWORK_NONE, NETWORK_HOST, err) != 0) {
        return -1;
    }
    if (!text_utf8(function->description, strlen(function->description))) {
        return err_field(err, "/description", "description is not valid UTF-8");
    }
    return 0;
}
