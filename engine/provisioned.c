/* provisioned.c - instances that are kept ready for a version: as many as it was told, from the start of the node on.
 */
#include "common/err.h"
#include "common/log.h"
#include "engine/engine_internal.h"
#include "schema/pg.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define RETRY_NS INT64_C(1000000000)
#define SHARE_NUMERATOR 3 /* of the node's memory and instances: the rest is for calls nobody provisioned for */
#define SHARE_DENOMINATOR 4

static bool share_is_used(const struct engine *engine, const struct fleet *fleet)
{
    int64_t count = 1;
    int64_t memory_mib = fleet->function.memory_mib;
    for (const struct instance *at = engine->instances; at != NULL; at = at->all_next) {
        count += at->provisioned ? 1 : 0;
        memory_mib += at->provisioned ? at->fleet->function.memory_mib : 0;
    }
    return count * SHARE_DENOMINATOR > (int64_t)engine->instances_max * SHARE_NUMERATOR ||
           memory_mib * SHARE_DENOMINATOR > engine->memory_max_mib * SHARE_NUMERATOR;
}

/* Fewer are wanted than there are: idle ones first, then any, become ordinary ones. */
static void demote(struct engine *engine, struct fleet *fleet, int64_t now_ns)
{
    int surplus = fleet->provisioned - fleet->function.provisioned;
    for (int pass = 0; pass < 2 && surplus > 0; pass++) {
        for (struct instance *at = engine->instances; at != NULL && surplus > 0; at = at->all_next) {
            if (at->fleet == fleet && at->provisioned && (pass == 1 || at->state == INSTANCE_IDLE)) {
                at->provisioned = false;
                at->idle_since_ns = now_ns;
                fleet->provisioned--;
                surplus--;
            }
        }
    }
}

void provisioned_tend(struct engine *engine, struct fleet *fleet, int64_t now_ns, int64_t *wake_ns)
{
    int wanted = fleet->retired || engine->closing ? 0 : fleet->function.provisioned;
    if (fleet->provisioned > fleet->function.provisioned) {
        demote(engine, fleet, now_ns);
    }
    while (fleet->provisioned < wanted) {
        int64_t not_before_ns = fleet->start_after_ns;
        if (now_ns < not_before_ns || share_is_used(engine, fleet) || !fleet_room(engine, fleet)) {
            int64_t again_ns = now_ns < not_before_ns ? not_before_ns : now_ns + RETRY_NS;
            *wake_ns = again_ns < *wake_ns ? again_ns : *wake_ns;
            return;
        }
        instance_launch(engine, fleet, true, now_ns);
    }
}

struct instance *provisioned_idle(const struct fleet *fleet)
{
    struct instance *at = fleet->provisioned > 0 ? fleet->idle : NULL;
    while (at != NULL && !at->provisioned) {
        at = at->idle_next;
    }
    return at != NULL ? at : fleet->idle;
}

void engine_provisioned(struct engine *engine, int64_t account_id, int64_t function_id, int version,
                        struct engine_provisioned *found)
{
    *found = (struct engine_provisioned){0};
    (void)pthread_mutex_lock(&engine->lock);
    for (const struct instance *at = engine->instances; at != NULL; at = at->all_next) {
        const struct fleet *fleet = at->fleet;
        if (at->provisioned && fleet->function.account_id == account_id && fleet->function.function_id == function_id &&
            fleet->function.version == version) {
            bool ready = at->state == INSTANCE_IDLE || at->state == INSTANCE_BUSY || at->state == INSTANCE_ANSWERED;
            found->allocated += ready ? 1 : 0;
            found->available += at->state == INSTANCE_IDLE ? 1 : 0;
            found->crashes = fleet->crashes > found->crashes ? fleet->crashes : found->crashes;
        }
    }
    (void)pthread_mutex_unlock(&engine->lock);
}

/* ---- from the start on ---- */

static void on_prepared(const struct invoke_result *result, void *ctx)
{
    (void)result;
    (void)ctx;
}

void engine_prepare(struct engine *engine, int64_t account_id, const char *name, const char *qualifier)
{
    struct err err = {0};
    const struct invoke_request request = {
        .account_id = account_id, .function = name, .qualifier = qualifier, .type = INVOKE_DRY_RUN};
    if (engine_invoke(engine, &request, on_prepared, NULL, NULL, &err) != 0) {
        LOG(LOG_LEVEL_WARN, "provisioned.not_prepared", LF_STR("function", name), LF_STR("error", err.text));
    }
}

static int on_version(int64_t account_id, const char *name, int version, void *ctx)
{
    char qualifier[16];
    (void)snprintf(qualifier, sizeof qualifier, "%d", version);
    engine_prepare(ctx, account_id, name, qualifier);
    return 0;
}

void provisioned_prepare_job(struct engine *engine, struct pg *pg, void *ctx)
{
    struct err err = {0};
    (void)ctx;
    if (pg == NULL) {
        LOG(LOG_LEVEL_WARN, "provisioned.not_prepared", LF_STR("error", "the database cannot be reached"));
    } else if (function_each_provisioned(pg, on_version, engine, &err) != 0) {
        LOG(LOG_LEVEL_WARN, "provisioned.not_prepared", LF_STR("error", err.text));
    }
}
