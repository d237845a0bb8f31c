/* lambda_operations.c - Lambda's operations that are not here, by name: who calls one hears which. */
#include <string.h>

#include "api/handlers.h"
#include "api/http.h"
#include "common/err.h"

/* Of the service's model of 2025-12; '*' is one segment of the path. One that is added later answers with its path. */
static const struct operation {
    const char *name, *method, *path;
} OPERATIONS[] = {
    {"AddLayerVersionPermission", "POST", "/2018-10-31/layers/*/versions/*/policy"},
    {"AddPermission", "POST", "/2015-03-31/functions/*/policy"},
    {"CheckpointDurableExecution", "POST", "/2025-12-01/durable-executions/*/checkpoint"},
    {"CreateCapacityProvider", "POST", "/2025-11-30/capacity-providers"},
    {"CreateCodeSigningConfig", "POST", "/2020-04-22/code-signing-configs"},
    {"CreateEventSourceMapping", "POST", "/2015-03-31/event-source-mappings"},
    {"DeleteCapacityProvider", "DELETE", "/2025-11-30/capacity-providers/*"},
    {"DeleteCodeSigningConfig", "DELETE", "/2020-04-22/code-signing-configs/*"},
    {"DeleteEventSourceMapping", "DELETE", "/2015-03-31/event-source-mappings/*"},
    {"DeleteFunctionCodeSigningConfig", "DELETE", "/2020-06-30/functions/*/code-signing-config"},
    {"GetCapacityProvider", "GET", "/2025-11-30/capacity-providers/*"},
    {"GetCodeSigningConfig", "GET", "/2020-04-22/code-signing-configs/*"},
    {"GetDurableExecution", "GET", "/2025-12-01/durable-executions/*"},
    {"GetDurableExecutionHistory", "GET", "/2025-12-01/durable-executions/*/history"},
    {"GetDurableExecutionState", "GET", "/2025-12-01/durable-executions/*/state"},
    {"GetEventSourceMapping", "GET", "/2015-03-31/event-source-mappings/*"},
    {"GetFunctionCodeSigningConfig", "GET", "/2020-06-30/functions/*/code-signing-config"},
    {"GetFunctionRecursionConfig", "GET", "/2024-08-31/functions/*/recursion-config"},
    {"GetFunctionScalingConfig", "GET", "/2025-11-30/functions/*/function-scaling-config"},
    {"GetLayerVersionPolicy", "GET", "/2018-10-31/layers/*/versions/*/policy"},
    {"GetPolicy", "GET", "/2015-03-31/functions/*/policy"},
    {"GetRuntimeManagementConfig", "GET", "/2021-07-20/functions/*/runtime-management-config"},
    {"ListCapacityProviders", "GET", "/2025-11-30/capacity-providers"},
    {"ListCodeSigningConfigs", "GET", "/2020-04-22/code-signing-configs"},
    {"ListDurableExecutionsByFunction", "GET", "/2025-12-01/functions/*/durable-executions"},
    {"ListEventSourceMappings", "GET", "/2015-03-31/event-source-mappings"},
    {"ListFunctionVersionsByCapacityProvider", "GET", "/2025-11-30/capacity-providers/*/function-versions"},
    {"ListFunctionsByCodeSigningConfig", "GET", "/2020-04-22/code-signing-configs/*/functions"},
    {"PutFunctionCodeSigningConfig", "PUT", "/2020-06-30/functions/*/code-signing-config"},
    {"PutFunctionRecursionConfig", "PUT", "/2024-08-31/functions/*/recursion-config"},
    {"PutFunctionScalingConfig", "PUT", "/2025-11-30/functions/*/function-scaling-config"},
    {"PutRuntimeManagementConfig", "PUT", "/2021-07-20/functions/*/runtime-management-config"},
    {"RemoveLayerVersionPermission", "DELETE", "/2018-10-31/layers/*/versions/*/policy/*"},
    {"RemovePermission", "DELETE", "/2015-03-31/functions/*/policy/*"},
    {"SendDurableExecutionCallbackFailure", "POST", "/2025-12-01/durable-execution-callbacks/*/fail"},
    {"SendDurableExecutionCallbackHeartbeat", "POST", "/2025-12-01/durable-execution-callbacks/*/heartbeat"},
    {"SendDurableExecutionCallbackSuccess", "POST", "/2025-12-01/durable-execution-callbacks/*/succeed"},
    {"StopDurableExecution", "POST", "/2025-12-01/durable-executions/*/stop"},
    {"UpdateCapacityProvider", "PUT", "/2025-11-30/capacity-providers/*"},
    {"UpdateCodeSigningConfig", "PUT", "/2020-04-22/code-signing-configs/*"},
    {"UpdateEventSourceMapping", "PUT", "/2015-03-31/event-source-mappings/*"},
};
#define OPERATION_COUNT (sizeof OPERATIONS / sizeof OPERATIONS[0])

static bool path_fits(const char *pattern, const char *path)
{
    while (*pattern != '\0') {
        if (*pattern == '*') {
            size_t length = strcspn(path, "/");
            if (length == 0) {
                return false;
            }
            pattern++;
            path += length;
        } else if (*pattern++ != *path++) {
            return false;
        }
    }
    return path[0] == '\0' || (path[0] == '/' && path[1] == '\0');
}

static const char *operation_name(const struct request *request)
{
    for (size_t i = 0; i < OPERATION_COUNT; i++) {
        if (strcmp(OPERATIONS[i].method, request->method_name) == 0 && path_fits(OPERATIONS[i].path, request->path)) {
            return OPERATIONS[i].name;
        }
    }
    return NULL;
}

/* 501: AWS's clients do not send it again, as they do after 500, 502, 503 and 504. */
int lambda_unsupported_handler(struct request *request, struct err *err)
{
    const char *name = operation_name(request);
    if (name != NULL) {
        (void)err_set(err, ERR_SYSTEM, "%s is not supported here.", name);
    } else {
        (void)err_set(err, ERR_SYSTEM, "Farthing does not have this operation: %.10s %.200s", request->method_name,
                      request->path);
    }
    return err_slug(err, "NotImplementedException");
}
