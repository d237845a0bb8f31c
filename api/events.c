/* POST /v1/events: usage reported by other runtimes, as CloudEvents; each counted once. */
#include "api/events.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "api/account_store.h"
#include "api/api.h"
#include "api/auth.h"
#include "api/event_store.h"
#include "api/handlers.h"
#include "api/http.h"
#include "api/node_prices.h"
#include "common/clock.h"
#include "common/err.h"
#include "common/log.h"
#include "common/map.h"
#include "common/text.h"
#include "engine/admission.h"
#include "metering/aggregator.h"
#include "metering/hook.h"

#define REJECTED_SHOWN_MAX 100
#define FLUSH_MS 10000

struct ids {
    int64_t account_id, function_id;
};

struct intake {
    struct request *request;
    int64_t now_us;
    int64_t accepted, duplicates;
    struct buf rejected; /* JSON objects, separated by commas */
    int64_t rejected_count;
    struct map *known; /* "account\0function" to struct ids */
};

/* An account named by an admin's event that is not there is made: the operator reports for whom they like. */
static int account_of(struct intake *intake, const struct event *event, int64_t *account_id, struct err *err)
{
    struct request *request = intake->request;
    const struct caller *caller = &request->caller;
    struct auth_account found;
    struct err local = {0};
    if (caller->account_id != 0) {
        char own[40];
        (void)snprintf(own, sizeof own, "acct_%lld", (long long)caller->account_id);
        if (strcmp(event->account, own) != 0 && strcmp(event->account, caller->account_name) != 0) {
            return err_set(err, ERR_NOT_FOUND, "there is no account %.63s", event->account);
        }
        *account_id = caller->account_id;
        return 0;
    }
    if (auth_account(api_auth(request->api), request->pg, event->account, &found, &local) == 0) {
        *account_id = found.account_id;
        return 0;
    }
    if (local.code != ERR_NOT_FOUND || text_starts(event->account, "acct_")) {
        *err = local;
        return -1;
    }
    struct account made;
    const struct account_new n = {.name = event->account};
    if (account_store_put(request->pg, &n, &made, &local) == 0) {
        *account_id = made.account_id;
        return 0;
    }
    if (local.code == ERR_CONFLICT && account_store_find(request->pg, event->account, &made, err) == 0) {
        *account_id = made.account_id; /* another request made it meanwhile */
        return 0;
    }
    *err = local;
    return -1;
}

static int ids_of(struct intake *intake, const struct event *event, struct ids *ids, struct err *err)
{
    char key[140];
    int length = snprintf(key, sizeof key, "%s/%s", event->account, event->function);
    const struct ids *known = map_get(intake->known, key, (size_t)length);
    if (known != NULL) {
        *ids = *known;
        return 0;
    }
    if (account_of(intake, event, &ids->account_id, err) != 0 ||
        account_store_external_function(intake->request->pg, ids->account_id, event->function, &ids->function_id,
                                        err) != 0) {
        return -1;
    }
    struct ids *kept = malloc(sizeof *kept);
    if (kept != NULL) {
        *kept = *ids;
        if (map_put(intake->known, key, (size_t)length, kept) != 0) {
            free(kept);
        }
    }
    return 0;
}

/* An old claim: only when all that was emitted is stored, its absence means that it was never handed over. */
static int left_behind(struct intake *intake, const struct event *event, int64_t account_id, bool *recorded,
                       struct err *err)
{
    struct aggregator *aggregator = api_get_options(intake->request->api)->aggregator;
    if (aggregator == NULL) {
        return err_set(err, ERR_RETRY, "this node stores no records; report to one with the role aggregator");
    }
    if (aggregator_flush(aggregator, FLUSH_MS, err) != 0) {
        return -1;
    }
    return event_store_recorded(intake->request->pg, account_id, &event->request_id, event->record.started_us, recorded,
                                err);
}

static int hand_over(struct intake *intake, struct event *event, const struct ids *ids, struct err *err)
{
    struct request *request = intake->request;
    const struct api_options *options = api_get_options(request->api);
    struct usage_record *record = &event->record;
    struct billing_policy policy = {.grain_ms = 1, .bill_init = true};
    if (options->price_ctx != NULL) {
        policy = prices_policy(options->price_ctx, ids->account_id, record->started_us, "");
    }
    record->account_id = ids->account_id;
    record->function_id = ids->function_id;
    record->node_id = (uint32_t)options->node_id;
    bool provisioned = (record->flags & USAGE_FLAG_PROVISIONED) != 0; /* its initialisation is paid with the capacity */
    record->billed_ms = billed_duration_ms(&policy, record->duration_us, provisioned ? 0 : record->init_us);
    record->billed_requests = billed_requests(&policy, (record->flags & USAGE_FLAG_ASYNC) != 0, record->event_bytes);
    if (usage_record_check(record, err) != 0) {
        return -1;
    }
    switch (farthing_hook_emit(options->hook, record)) {
    case FARTHING_HOOK_OK:
        if (options->admission != NULL) {
            admission_watch(options->admission, ids->account_id); /* a threshold may be crossed */
        }
        return event_store_stored(request->pg, ids->account_id, &event->request_id, err);
    case FARTHING_HOOK_FULL:
        /* Nothing was written: who reports it again need not wait until the claim is old. */
        (void)event_store_drop(request->pg, ids->account_id, &event->request_id, NULL);
        return err_set(err, ERR_RETRY, "the spool is full; report again in a moment");
    case FARTHING_HOOK_INVALID:
        return err_set(err, ERR_INVALID, "the event breaks a rule of usage records");
    default:
        return err_set(err, ERR_RETRY, "the spool cannot be written");
    }
}

/* 0: counted, now or before. -1 ERR_INVALID or ERR_NOT_FOUND: this event is wrong. -1 else: nothing more can be done
 * now. */
static int take(struct intake *intake, struct event *event, struct err *err)
{
    struct pg *pg = intake->request->pg;
    struct ids ids = {0};
    enum event_claim claim = EVENT_FRESH;
    bool recorded = false;
    if (ids_of(intake, event, &ids, err) != 0 ||
        event_store_claim(pg, ids.account_id, &event->request_id, event->record.started_us, &claim, err) != 0) {
        return -1;
    }
    if (claim == EVENT_BUSY) {
        return err_set(err, ERR_RETRY, "event %.60s is being taken by another request; report it again", event->id);
    }
    if (claim == EVENT_LEFT && left_behind(intake, event, ids.account_id, &recorded, err) != 0) {
        return -1;
    }
    if (claim == EVENT_STORED || recorded) {
        intake->duplicates++;
        return recorded ? event_store_stored(pg, ids.account_id, &event->request_id, err) : 0;
    }
    if (hand_over(intake, event, &ids, err) != 0) {
        if (err->code == ERR_INVALID) {
            (void)event_store_drop(pg, ids.account_id, &event->request_id, NULL);
        }
        return -1;
    }
    intake->accepted++;
    return 0;
}

static void reject(struct intake *intake, int index, const char *id, const struct err *err)
{
    struct json_writer writer;
    if (intake->rejected_count++ >= REJECTED_SHOWN_MAX) {
        return;
    }
    if (intake->rejected.length > 0) {
        buf_putc(&intake->rejected, ',');
    }
    json_writer_init(&writer, &intake->rejected);
    json_open_object(&writer, NULL);
    json_put_i64(&writer, "index", index);
    json_put_text(&writer, "id", id);
    if (err->field[0] != '\0') {
        char pointer[ERR_FIELD_BYTES_MAX + 2];
        (void)snprintf(pointer, sizeof pointer, "#%s", err->field);
        json_put_text(&writer, "pointer", pointer);
    }
    json_put_text(&writer, "detail", err->text);
    json_close_object(&writer);
}

static int batch(struct intake *intake, const cJSON *list, struct err *err)
{
    const cJSON *item;
    int index = 0;
    if (cJSON_GetArraySize(list) > EVENTS_MAX) {
        return err_set(err, ERR_INVALID, "a batch has at most %d events", EVENTS_MAX);
    }
    cJSON_ArrayForEach(item, list)
    {
        char pointer[24];
        struct event event;
        struct err local = {0};
        (void)snprintf(pointer, sizeof pointer, "/%d", index);
        if (event_read(item, pointer, intake->now_us, &event, &local) != 0 || take(intake, &event, &local) != 0) {
            if (local.code != ERR_INVALID && local.code != ERR_NOT_FOUND && local.code != ERR_CONFLICT) {
                *err = local; /* what was counted so far is a duplicate next time */
                return -1;
            }
            reject(intake, index, event.id, &local);
        }
        index++;
    }
    return 0;
}

static int single(struct intake *intake, const cJSON *tree, struct err *err)
{
    struct event event;
    return event_read(tree, "", intake->now_us, &event, err) != 0 ? -1 : take(intake, &event, err);
}

static int binary(struct intake *intake, const cJSON *data, struct err *err)
{
    const struct request *request = intake->request;
    const char *version = request_header(request, "ce-specversion");
    struct event event = {.id = request_header(request, "ce-id"),
                          .source = request_header(request, "ce-source"),
                          .type = request_header(request, "ce-type"),
                          .subject = request_header(request, "ce-subject"),
                          .time = request_header(request, "ce-time")};
    if (version == NULL || strcmp(version, "1.0") != 0 || event.type == NULL) {
        return err_field(err, "ce-specversion",
                         "this is no CloudEvent: ce-specversion 1.0, ce-id, ce-source and ce-type");
    }
    return event_read_data(data, "", intake->now_us, &event, err) != 0 ? -1 : take(intake, &event, err);
}

static int intake_reply(struct intake *intake, struct err *err)
{
    struct json_writer writer;
    struct buf list = {0};
    reply_json_begin(intake->request, &writer);
    json_put_i64(&writer, "accepted", intake->accepted);
    json_put_i64(&writer, "duplicates", intake->duplicates);
    json_put_i64(&writer, "rejected_count", intake->rejected_count);
    buf_printf(&list, "[%s]", buf_text(&intake->rejected));
    json_put_raw(&writer, "rejected", buf_text(&list));
    buf_free(&list);
    bool nothing = intake->accepted + intake->duplicates == 0 && intake->rejected_count > 0;
    return reply_json_end(intake->request, intake->rejected_count == 0 ? 202 : nothing ? 422 : 207, &writer, err);
}

static void free_ids(const void *key, size_t length, void *value, void *ctx)
{
    (void)key;
    (void)length;
    (void)ctx;
    free(value);
}

static int run(struct intake *intake, const cJSON *tree, struct err *err)
{
    struct request *request = intake->request;
    const char *type = request_header(request, "Content-Type");
    bool batched = type != NULL && strncasecmp(type, "application/cloudevents-batch", 29) == 0;
    bool structured = type != NULL && !batched && strncasecmp(type, "application/cloudevents", 23) == 0;
    if (batched && !cJSON_IsArray(tree)) {
        return err_set(err, ERR_INVALID, "a batch is a JSON array of events");
    }
    if (batched) {
        return batch(intake, tree, err);
    }
    if (structured) {
        return single(intake, tree, err);
    }
    if (request_media_type_is(request, "application/json")) {
        return binary(intake, tree, err);
    }
    (void)err_set(err, ERR_INVALID,
                  "Content-Type is to be application/cloudevents+json, application/cloudevents-batch+json, or "
                  "application/json with ce-* headers");
    return err_slug(err, "unsupported_media_type");
}

int event_handler(struct request *request, struct err *err)
{
    struct intake intake = {.request = request, .now_us = clock_wall_us(), .known = map_new()};
    cJSON *tree = NULL;
    int rc = intake.known != NULL ? 0 : err_set(err, ERR_SYSTEM, "out of memory");
    if (rc == 0) {
        rc = json_parse(buf_text(&request->body), request->body.length, &tree, err);
        if (rc != 0) {
            (void)err_slug(err, "invalid_json");
        }
    }
    if (rc == 0) {
        rc = run(&intake, tree, err);
    }
    if (rc == 0) {
        rc = intake_reply(&intake, err);
    }
    if (intake.known != NULL) {
        map_each(intake.known, free_ids, NULL);
    }
    map_free(&intake.known);
    buf_free(&intake.rejected);
    cJSON_Delete(tree);
    return rc;
}

/* OpenMeter's SDK: always an array, answered 204 when everything was taken. */
int event_openmeter_handler(struct request *request, struct err *err)
{
    if (event_handler(request, err) != 0) {
        return -1;
    }
    return request->reply.status == 202 ? reply_empty(request, 204) : 0;
}
