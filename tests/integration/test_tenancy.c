/*
 * Goal:   no key learns anything of an account that is not its own, by any route: not the rows, not whether something
 * exists. Method: a whole node with two accounts that have one of everything; the route table of the program is walked
 * with every kind of key. Two answers that must tell nothing apart are compared as wholes, status, headers and body,
 * with only the names the client sent taken out. The other account is looked at before and after. The walk with the
 * right key shows that the refusals above are not the answers of a node that refuses all.
 * Length: one pair of accounts with one of everything serves all of it.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "api/server.h"
#include "common/calendar.h"
#include "common/clock.h"
#include "common/err.h"
#include "schema/pg.h"
#include "tests/support/api_client.h"
#include "tests/support/pgtest.h"

/* A zip with an executable "bootstrap". */
#define CODE                                                                                                           \
    "UEsDBBQAAAAAAAAAIVyjt17aEQAAABEAAAAJAAAAYm9vdHN0cmFwIyEvYmluL3NoCmV4aXQgMQpQSwECFAMUAAAAAAAAACFco7de2hEAAAARAAAA" \
    "CQ"                                                                                                               \
    "AAAAAAAAAAAAAA7QEAAAAAYm9vdHN0cmFwUEsFBgAAAAABAAEANwAAADgAAAAAAA=="
#define NAMES_MAX 13
#define TRIES_MAX 20000

/* What an account has, or a client may make up. */
struct things {
    char a[40], id[40], f[200], alias[40], key[40], webhook[40], invoice[40], request[40], month[8], arn[200],
        package[80], layer[200];
    char write[80], read[80]; /* keys */
};

static struct things victim, own, nowhere;
static char revoked[80], expired[80];

/* ---- one of everything ---- */

static void last_month(char month[8])
{
    char text[CALENDAR_TEXT_BYTES];
    int64_t from_us = 0, to_us = 0;
    month_range(month_of(clock_wall_us()), &from_us, &to_us);
    month_format(month_of(from_us - 1), text);
    (void)snprintf(month, 8, "%.7s", text);
}

static void at(char path[256], const struct things *of, const char *rest)
{
    (void)snprintf(path, 256, "/v1/accounts/%s%s", of->a, rest);
}

static void make_usage(struct things *of)
{
    char body[600], path[256];
    last_month(of->month);
    (void)snprintf(body, sizeof body,
                   "[{\"specversion\":\"1.0\",\"type\":\"t\",\"source\":\"s\",\"id\":\"%s\",\"subject\":\"%s/ext\","
                   "\"time\":\"%s-05T10:00:00Z\",\"data\":{\"duration_ms\":900000,\"memory_mb\":10240}}]",
                   of->a, of->a, of->month);
    struct api_answer answer = api_ask_as("Bearer " API_TEST_ADMIN, "POST", "/v1/events",
                                          "Content-Type: application/cloudevents-batch+json", body, strlen(body));
    ck_assert_msg(answer.status == 202, "%ld %s", answer.status, buf_text(&answer.body));
    api_answer_free(&answer);
    (void)snprintf(body, sizeof body, "{\"accounts\":[\"%s\"],\"grace_hours\":0}", of->a);
    (void)snprintf(path, sizeof path, "/v1/months/%s/close", of->month);
    char state[20] = "";
    for (int i = 0; i < TRIES_MAX && strcmp(state, "done") != 0; i++) {
        if (i == 0 || strcmp(state, "failed") == 0) { /* "failed": the record is not in yet */
            api_make("POST", path, body, NULL, NULL, 0);
        }
        api_make("GET", path, NULL, "state", state, sizeof state);
    }
    ck_assert_str_eq(state, "done");
}

static void make_things(struct things *of, const char *name)
{
    char path[256], body[1200];
    (void)snprintf(of->a, sizeof of->a, "%s", name);
    (void)snprintf(of->f, sizeof of->f, "%s-fn", name);
    (void)snprintf(of->alias, sizeof of->alias, "%s-live", name);
    (void)snprintf(body, sizeof body, "{\"name\":\"%s\"}", name);
    api_make("POST", "/v1/accounts", body, "id", of->id, sizeof of->id);
    (void)snprintf(of->arn, sizeof of->arn, "arn:aws:lambda:us-east-1:%s:function:%.60s", of->id + strlen("acct_"),
                   of->f);
    (void)snprintf(body, sizeof body,
                   "{\"name\":\"%s\",\"runtime\":\"provided\",\"handler\":\"x\",\"code\":\"" CODE "\"}", of->f);
    at(path, of, "/functions");
    api_make("POST", path, body, "code.sha256", of->package, sizeof of->package);
    (void)snprintf(path, sizeof path, "/v1/accounts/%s/functions/%.60s/versions", of->a, of->f);
    api_make("POST", path, "{}", NULL, NULL, 0);
    (void)snprintf(path, sizeof path, "/v1/accounts/%s/functions/%.60s/aliases/%s", of->a, of->f, of->alias);
    api_make("PUT", path, "{\"version\":\"1\"}", NULL, NULL, 0);
    (void)snprintf(path, sizeof path, "/v1/accounts/%s/functions/%.60s/url", of->a, of->f);
    api_make("PUT", path, "{\"authorization\":\"aws_iam\"}", NULL, NULL, 0);
    (void)snprintf(of->layer, sizeof of->layer, "%s-layer", name);
    (void)snprintf(path, sizeof path, "/v1/accounts/%s/layers/%.60s/versions", of->a, of->layer);
    api_make("POST", path, "{\"code\":\"" CODE "\"}", NULL, NULL, 0);
    at(path, of, "/webhooks");
    api_make("POST", path, "{\"url\":\"https://example.com/x\"}", "id", of->webhook, sizeof of->webhook);
    at(path, of, "/credits");
    api_make("POST", path, "{\"amount\":\"1.00\",\"currency\":\"USD\",\"reason\":\"hello\"}", NULL, NULL, 0);
    at(path, of, "/quotas/concurrency");
    api_make("PUT", path, "{\"limit\":\"7\"}", NULL, NULL, 0);
    at(path, of, "/keys");
    api_make("POST", path, "{\"scope\":\"account\"}", "key", of->write, sizeof of->write);
    api_make("POST", path, "{\"scope\":\"read\"}", "key", of->read, sizeof of->read);
    api_make("POST", path, "{\"scope\":\"read\",\"name\":\"third\"}", "id", of->key, sizeof of->key);
    make_usage(of);
    at(path, of, "/invoices");
    api_make("GET", path, NULL, "items.0.id", of->invoice, sizeof of->invoice);
    (void)snprintf(path, sizeof path, "/v1/accounts/%s/invocations?from=%s-01", of->a, of->month);
    api_make("GET", path, NULL, "items.0.request_id", of->request, sizeof of->request);
}

static void make_dead_keys(void)
{
    char path[256], id[40], sql[200];
    struct err err = {0};
    struct pg *pg = NULL;
    at(path, &own, "/keys");
    struct api_answer made = api_ask(API_TEST_ADMIN, "POST", path, "{}");
    api_text(&made, "key", revoked, sizeof revoked);
    api_text(&made, "id", id, sizeof id);
    api_answer_free(&made);
    (void)snprintf(path, sizeof path, "/v1/accounts/%s/keys/%s", own.a, id);
    api_make("DELETE", path, NULL, NULL, NULL, 0);
    at(path, &own, "/keys");
    made = api_ask(API_TEST_ADMIN, "POST", path, "{\"expires_at\":\"2099-01-01T00:00:00Z\"}");
    api_text(&made, "key", expired, sizeof expired);
    api_text(&made, "id", id, sizeof id);
    api_answer_free(&made);
    /* Nobody can make one that has expired; time does. */
    ck_assert_int_eq(pg_open_owner(api_test_database(), &pg, &err), 0);
    (void)snprintf(sql, sizeof sql, "UPDATE api_key SET expires_at = '2020-01-01' WHERE key_id = %s", id + 4);
    ck_assert_msg(pg_script(pg, sql, &err) == 0, "%s", err.text);
    pg_close(&pg);
}

static void up(void)
{
    api_node_up();
    make_things(&victim, "victim");
    make_things(&own, "mine");
    make_dead_keys();
    nowhere = own;
    (void)snprintf(nowhere.a, sizeof nowhere.a, "nobody");
    (void)snprintf(nowhere.id, sizeof nowhere.id, "acct_999999999999");
    (void)snprintf(nowhere.f, sizeof nowhere.f, "nothing-fn");
    (void)snprintf(nowhere.alias, sizeof nowhere.alias, "nothing-live");
    (void)snprintf(nowhere.key, sizeof nowhere.key, "key_888888");
    (void)snprintf(nowhere.webhook, sizeof nowhere.webhook, "wh_888888");
    (void)snprintf(nowhere.invoice, sizeof nowhere.invoice, "inv_888888");
    (void)snprintf(nowhere.request, sizeof nowhere.request, "01234567-89ab-4cde-8f01-23456789abcd");
    (void)snprintf(nowhere.arn, sizeof nowhere.arn, "arn:aws:lambda:us-east-1:999999999999:function:nothing-fn");
    (void)snprintf(nowhere.layer, sizeof nowhere.layer, "nothing-layer");
    memset(nowhere.package, 'a', 64);
}

/* ---- paths ---- */

static const char *value_of(const char *name, size_t length, const struct things *of)
{
    const struct {
        const char *name, *value;
    } values[] = {{"a", of->a},
                  {"f", of->f},
                  {"alias", of->alias},
                  {"key", of->key},
                  {"webhook", of->webhook},
                  {"invoice", of->invoice},
                  {"request", of->request},
                  {"month", of->month},
                  {"arn", of->arn},
                  {"package", of->package},
                  {"layer", of->layer},
                  {"version", "1"},
                  {"quota", "concurrency"},
                  {"line", "1"},
                  {"book", "default"}};
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        if (strlen(values[i].name) == length && strncmp(values[i].name, name, length) == 0) {
            return values[i].value;
        }
    }
    ck_abort_msg("the test does not know what to put for {%.*s}", (int)length, name);
    return NULL;
}

static void fill(const char *pattern, const char *a, const struct things *of, char path[512])
{
    size_t used = 0;
    for (const char *p = pattern; *p != '\0';) {
        if (*p != '{') {
            path[used++] = *p++;
            continue;
        }
        size_t length = strcspn(p, "}") - 1;
        used += (size_t)snprintf(path + used, 512 - used, "%s",
                                 strncmp(p, "{a}", 3) == 0 ? a : value_of(p + 1, length, of));
        p += length + 2;
    }
    path[used] = '\0';
}

/* A proof is one of a month. */
static void fill_own(const struct route *route, const struct things *of, char path[512])
{
    fill(route->pattern, of->a, of, path);
    if (strstr(route->pattern, "/proof") != NULL) {
        size_t length = strlen(path);
        (void)snprintf(path + length, 512 - length, "?month=%s", of->month);
    }
}

/* Something that gets past the first look at it, so that the refusal is not about the body. */
static const char *body_of(const struct route *route)
{
    static const struct {
        const char *pattern, *body;
    } bodies[] = {
        {"/quotas/{quota}", "{\"limit\":\"5\"}"},
        {"/aliases/{alias}", "{\"version\":\"1\"}"},
        {"/2021-10-31/functions/{f}/url", "{\"AuthType\":\"NONE\"}"},
        {"/url", "{\"authorization\":\"none\"}"},
        {"/webhooks", "{\"url\":\"https://example.com/y\"}"},
        {"/credits", "{\"amount\":\"1.00\",\"currency\":\"USD\",\"reason\":\"again\"}"},
        {"/void", "{\"reason\":\"x\"}"},
        {"/credit", "{\"amount\":\"0.01\",\"reason\":\"x\"}"},
        {"/functions", "{\"name\":\"made\",\"runtime\":\"provided\",\"handler\":\"x\",\"code\":\"" CODE "\"}"},
        {"/v1/accounts", "{\"name\":\"made\"}"}};
    size_t length = strlen(route->pattern);
    for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++) {
        size_t tail = strlen(bodies[i].pattern);
        if (length >= tail && strcmp(route->pattern + length - tail, bodies[i].pattern) == 0) {
            return route->body_bytes_max > 0 ? bodies[i].body : NULL;
        }
    }
    return route->body_bytes_max > 0 ? "{}" : NULL;
}

static bool lambda(const struct route *route)
{
    return (route->flags & ROUTE_LAMBDA) != 0;
}

/* ---- what two answers tell ---- */

/* All of an answer but what the client said itself and what differs between any two answers. */
static void essence(const struct api_answer *answer, const struct things *said, struct buf *out)
{
    static const char *const OWN_LINES[] = {
        "Date:", "Farthing-Request-Id:", "X-Request-Id:", "Content-Length:", "x-amzn-RequestId:", "RateLimit", "ETag:"};
    const char *const names[NAMES_MAX] = {said->layer,   said->arn,     said->f,       said->alias,
                                          said->key,     said->webhook, said->invoice, said->request,
                                          said->package, said->id,      said->id + 5,  said->a};
    for (const char *line = buf_text(&answer->headers); *line != '\0';) {
        size_t length = strcspn(line, "\n") + 1;
        bool skip = false;
        for (size_t i = 0; i < sizeof OWN_LINES / sizeof OWN_LINES[0]; i++) {
            skip = skip || strncasecmp(line, OWN_LINES[i], strlen(OWN_LINES[i])) == 0;
        }
        if (!skip) {
            buf_append(out, line, length);
        }
        line += length - (line[length - 1] == '\0');
    }
    for (const char *p = buf_text(&answer->body); *p != '\0';) {
        size_t taken = strncmp(p, "\"request_id\":\"", 14) == 0 ? 14 + strcspn(p + 14, "\"") : 0;
        for (int i = 0; i < NAMES_MAX && taken == 0; i++) {
            taken = names[i] != NULL && strncmp(p, names[i], strlen(names[i])) == 0 ? strlen(names[i]) : 0;
        }
        buf_append(out, taken > 0 ? "#" : p, 1);
        p += taken > 0 ? taken : 1;
    }
}

static void same(const struct api_answer *one, const struct things *said, const struct api_answer *other,
                 const struct things *said_other, const char *what)
{
    struct buf left = {0}, right = {0};
    essence(one, said, &left);
    essence(other, said_other, &right);
    ck_assert_msg(strcmp(buf_text(&left), buf_text(&right)) == 0, "%s can be told apart:\n%s\nand\n%s", what,
                  buf_text(&left), buf_text(&right));
    buf_free(&left);
    buf_free(&right);
}

/* Beyond what the client said. */
static void tells_nothing(const struct api_answer *answer, const struct things *said, const char *what)
{
    struct buf text = {0};
    const char *const secrets[] = {victim.id, victim.webhook, victim.invoice, victim.request,
                                   victim.f,  victim.alias,   victim.layer};
    essence(answer, said, &text);
    for (size_t i = 0; i < sizeof secrets / sizeof secrets[0]; i++) {
        ck_assert_msg(strstr(buf_text(&text), secrets[i]) == NULL, "%s tells %s: %s", what, secrets[i],
                      buf_text(&text));
    }
    buf_free(&text);
}

/* ---- the walks ---- */

static int walked;

/* An account that is another's, by name and by number, and one that does not exist: 404, and the same 404. */
static void walk_foreign_account(const struct route *route, const char *key)
{
    char paths[4][512];
    struct things said[4] = {victim, victim, nowhere, nowhere};
    struct api_answer answers[4];
    (void)snprintf(said[1].a, sizeof said[1].a, "%s", victim.id);
    (void)snprintf(said[3].a, sizeof said[3].a, "%s", nowhere.id);
    for (int i = 0; i < 4; i++) {
        fill(route->pattern, said[i].a, &said[i], paths[i]);
        answers[i] = api_ask(key, api_method_name(route->method), paths[i], body_of(route));
        ck_assert_msg(answers[i].status == 404, "%s %s: %ld %s", api_method_name(route->method), paths[i],
                      answers[i].status, buf_text(&answers[i].body));
        same(&answers[0], &said[0], &answers[i], &said[i], paths[i]);
    }
    for (int i = 0; i < 4; i++) {
        api_answer_free(&answers[i]);
    }
    walked++;
}

START_TEST(foreign_accounts)
{
    walked = 0;
    for (const struct route *route = router_table(); route->pattern != NULL; route++) {
        if (strstr(route->pattern, "{a}") != NULL) {
            walk_foreign_account(route, own.write);
            walk_foreign_account(route, own.read);
        }
    }
    ck_assert_int_ge(walked, 80);
}
END_TEST

/* Within the own account: what is another's, and what is nobody's. */
static void walk_foreign_thing(const struct route *route, const struct things *theirs, const struct things *nobodys)
{
    char path[512], path_nobody[512];
    fill(route->pattern, own.a, theirs, path);
    fill(route->pattern, own.a, nobodys, path_nobody);
    struct api_answer foreign = api_ask(own.write, api_method_name(route->method), path, body_of(route));
    struct api_answer missing = api_ask(own.write, api_method_name(route->method), path_nobody, body_of(route));
    if (route->scope == SCOPE_ADMIN) {
        ck_assert_msg(foreign.status == 403, "%s: %ld", path, foreign.status);
    } else {
        /* AWS answers the removal of an alias that is not there like any other. */
        bool gone = lambda(route) && route->method == HTTP_DELETE && foreign.status == 204;
        /* ... and gives an empty list of the versions of a layer that is not there. */
        gone = gone || (strcmp(route->pattern, "/2018-10-31/layers/{layer}/versions") == 0 && foreign.status == 200);
        ck_assert_msg((foreign.status >= 400 && foreign.status < 500) || foreign.status == 501 || gone, "%s %s: %ld %s",
                      api_method_name(route->method), path, foreign.status, buf_text(&foreign.body));
    }
    struct things said = *theirs, said_nobody = *nobodys;
    (void)snprintf(said.a, sizeof said.a, "%s", own.a);
    (void)snprintf(said_nobody.a, sizeof said_nobody.a, "%s", own.a);
    same(&foreign, &said, &missing, &said_nobody, path);
    tells_nothing(&foreign, &said, path);
    api_answer_free(&foreign);
    api_answer_free(&missing);
    walked++;
}

START_TEST(foreign_things_in_the_own_account)
{
    static const char *const parts[] = {"{f}",       "{key}", "{webhook}", "{invoice}",
                                        "{request}", "{arn}", "{package}", "{layer}"};
    walked = 0;
    for (const struct route *route = router_table(); route->pattern != NULL; route++) {
        for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
            if (strstr(route->pattern, parts[i]) != NULL) {
                walk_foreign_thing(route, &victim, &nowhere);
                break;
            }
        }
        if (strstr(route->pattern, "{alias}") != NULL && route->method == HTTP_GET) {
            struct things theirs = own, nobodys = own; /* the own function, the alias of another's */
            (void)snprintf(theirs.alias, sizeof theirs.alias, "%s", victim.alias);
            (void)snprintf(nobodys.alias, sizeof nobodys.alias, "%s", nowhere.alias);
            walk_foreign_thing(route, &theirs, &nobodys);
        }
    }
    ck_assert_int_ge(walked, 50);
}
END_TEST

/* AWS routes take names, ARNs and partial ARNs: an ARN of another account is no better than one of nobody. */
START_TEST(foreign_arns)
{
    walked = 0;
    for (const struct route *route = router_table(); route->pattern != NULL; route++) {
        if (!lambda(route) || strstr(route->pattern, "{f}") == NULL) {
            continue;
        }
        for (int form = 0; form < 2; form++) {
            struct things theirs = victim, nobodys = nowhere, unknown = victim;
            (void)snprintf(unknown.f, sizeof unknown.f, "%s", nowhere.f);
            struct things *const all[] = {&theirs, &nobodys, &unknown};
            for (int i = 0; i < 3; i++) {
                char name[40];
                (void)snprintf(name, sizeof name, "%.39s", all[i]->f);
                (void)snprintf(all[i]->f, sizeof all[i]->f, "%s%s:function:%s",
                               form == 0 ? "" : "arn:aws:lambda:us-east-1:", all[i]->id + strlen("acct_"), name);
            }
            walk_foreign_thing(route, &theirs, &nobodys);
            walk_foreign_thing(route, &unknown, &nobodys);
        }
    }
    ck_assert_int_ge(walked, 50);
}
END_TEST

/* From now on it says its layer by its ARN. */
static void layer_arn(struct things *of)
{
    char name[64];
    (void)snprintf(name, sizeof name, "%.60s", of->layer);
    (void)snprintf(of->layer, sizeof of->layer, "arn:aws:lambda:us-east-1:%.20s:layer:%s", of->id + strlen("acct_"),
                   name);
}

START_TEST(foreign_layers)
{
    char path[300], body[2][400];
    struct api_answer answers[2];
    struct things said[2] = {victim, nowhere};
    walked = 0;
    for (const struct route *route = router_table(); route->pattern != NULL; route++) {
        if (lambda(route) && strstr(route->pattern, "{layer}") != NULL) {
            struct things theirs = victim, nobodys = nowhere;
            layer_arn(&theirs);
            layer_arn(&nobodys);
            walk_foreign_thing(route, &theirs, &nobodys);
        }
    }
    ck_assert_int_ge(walked, 4);
    /* As a layer of a function, by ARN and by name; and looked for by its ARN. */
    (void)snprintf(path, sizeof path, "/2015-03-31/functions/%.60s/configuration", own.f);
    for (int i = 0; i < 2; i++) {
        layer_arn(&said[i]);
        (void)snprintf(body[i], sizeof body[i], "{\"Layers\":[\"%s:1\"]}", said[i].layer);
        answers[i] = api_ask(own.write, "PUT", path, body[i]);
        ck_assert_int_eq(answers[i].status, 403);
    }
    same(&answers[0], &said[0], &answers[1], &said[1], "a foreign layer of a function");
    for (int i = 0; i < 2; i++) {
        api_answer_free(&answers[i]);
        (void)snprintf(path, sizeof path, "/2018-10-31/layers?find=LayerVersion&Arn=%s:1", said[i].layer);
        answers[i] = api_ask(own.write, "GET", path, NULL);
        ck_assert_int_eq(answers[i].status, 403);
    }
    same(&answers[0], &said[0], &answers[1], &said[1], "a foreign layer by its ARN");
    said[0] = victim;
    said[1] = nowhere;
    (void)snprintf(path, sizeof path, "/v1/accounts/%s/functions/%.60s", own.a, own.f);
    for (int i = 0; i < 2; i++) {
        api_answer_free(&answers[i]);
        (void)snprintf(body[i], sizeof body[i], "{\"layers\":[\"%.60s\"]}", said[i].layer);
        answers[i] = api_ask(own.write, "PATCH", path, body[i]);
        ck_assert_int_eq(answers[i].status, 400);
    }
    same(&answers[0], &said[0], &answers[1], &said[1], "a foreign layer by its name");
    api_answer_free(&answers[0]);
    api_answer_free(&answers[1]);
}
END_TEST

static const struct {
    const char *what, *authorization;
} BAD_KEYS[] = {
    {"none", NULL},
    {"empty", ""},
    {"no key behind it", "Bearer"},
    {"not one of ours", "Bearer xyz_00112233"},
    {"unknown", "Bearer far_ffffffffffffffffffffffffffffffffffffffffffffffff"},
    {"too short", "Bearer far_"},
    {"with a quote", "Bearer far_' OR true --"},
    {"not UTF-8", "Bearer far_\xff\xfe"},
    {"another scheme", "Basic ZmFyOmZhcg=="},
    {"two at once", "Bearer far_1, Bearer far_2"},
    {"revoked", revoked},
    {"expired", expired},
};

/* No route answers anything but "who are you", whether what it is about exists or not. */
START_TEST(bad_keys)
{
    char authorization[120];
    const char *given = BAD_KEYS[_i].authorization;
    if (given == revoked || given == expired) {
        (void)snprintf(authorization, sizeof authorization, "Bearer %s", given);
        given = authorization;
    }
    for (const struct route *route = router_table(); route->pattern != NULL; route++) {
        if (route->scope == SCOPE_NONE) {
            continue;
        }
        char path[512], path_nobody[512];
        const char *body = body_of(route);
        const char *type = body != NULL ? "Content-Type: application/json" : NULL;
        size_t length = body != NULL ? strlen(body) : 0;
        fill(route->pattern, victim.a, &victim, path);
        fill(route->pattern, nowhere.a, &nowhere, path_nobody);
        struct api_answer there = api_ask_as(given, api_method_name(route->method), path, type, body, length);
        struct api_answer missing = api_ask_as(given, api_method_name(route->method), path_nobody, type, body, length);
        bool refused = there.status == 401 || (lambda(route) && there.status == 403);
        ck_assert_msg(refused, "%s %s, key %s: %ld %s", api_method_name(route->method), path, BAD_KEYS[_i].what,
                      there.status, buf_text(&there.body));
        ck_assert_msg(lambda(route) || strstr(buf_text(&there.headers), "WWW-Authenticate: Bearer") != NULL, "%s",
                      buf_text(&there.headers));
        same(&there, &victim, &missing, &nowhere, path);
        tells_nothing(&there, &victim, path);
        api_answer_free(&there);
        api_answer_free(&missing);
    }
}
END_TEST

/* A smaller scope than the route's: refused, whether what it is about exists or not. */
START_TEST(small_scopes)
{
    for (const struct route *route = router_table(); route->pattern != NULL; route++) {
        const char *const keys[] = {own.read, own.write};
        for (int i = 0; i < 2; i++) {
            if ((i == 0 ? SCOPE_READ : SCOPE_ACCOUNT) >= route->scope) {
                continue;
            }
            char path[512], path_nobody[512];
            fill(route->pattern, own.a, &own, path);
            fill(route->pattern, own.a, &nowhere, path_nobody);
            struct api_answer there = api_ask(keys[i], api_method_name(route->method), path, body_of(route));
            struct api_answer missing = api_ask(keys[i], api_method_name(route->method), path_nobody, body_of(route));
            ck_assert_msg(there.status == 403, "%s %s: %ld %s", api_method_name(route->method), path, there.status,
                          buf_text(&there.body));
            struct things said_nobody = nowhere;
            (void)snprintf(said_nobody.a, sizeof said_nobody.a, "%s", own.a);
            same(&there, &own, &missing, &said_nobody, path);
            api_answer_free(&there);
            api_answer_free(&missing);
        }
    }
}
END_TEST

/* ---- the other account is as it was ---- */

static struct buf before;

static void look(struct buf *out)
{
    for (const struct route *route = router_table(); route->pattern != NULL; route++) {
        if (route->method != HTTP_GET || strstr(route->pattern, "{a}") == NULL ||
            strstr(route->pattern, "/logs") != NULL || strstr(route->pattern, "/deliveries") != NULL ||
            strstr(route->pattern, "verify") != NULL) {
            continue;
        }
        char path[512];
        fill_own(route, &victim, path);
        struct api_answer answer = api_ask(API_TEST_ADMIN, "GET", path, NULL);
        ck_assert_msg(answer.status == 200, "GET %s: %ld %s", path, answer.status, buf_text(&answer.body));
        buf_puts(out, path);
        /* Its age is all that may change. */
        for (const char *p = buf_text(&answer.body); *p != '\0'; p++) {
            static const char *const ages[] = {"\"complete_through\":", "\"as_of\":",      "\"last_used_at\":",
                                               "\"days_left\":",        "\"hours_left\":", "\"cost_per_hour\":"};
            for (size_t i = 0; i < sizeof ages / sizeof ages[0]; i++) {
                if (strncmp(p, ages[i], strlen(ages[i])) == 0) {
                    p += strcspn(p, ",}");
                }
            }
            buf_putc(out, *p);
        }
        buf_putc(out, '\n');
        api_answer_free(&answer);
    }
}

START_TEST(looked_at_before)
{
    look(&before);
}
END_TEST

START_TEST(and_after)
{
    struct buf after = {0};
    look(&after);
    const char *left = buf_text(&before), *right = buf_text(&after);
    size_t i = 0;
    while (left[i] != '\0' && left[i] == right[i]) {
        i++;
    }
    ck_assert_msg(left[i] == right[i], "the other account changed: ...%.300s\nis now ...%.300s",
                  left + (i > 150 ? i - 150 : 0), right + (i > 150 ? i - 150 : 0));
    buf_free(&before);
    buf_free(&after);
}
END_TEST

/* ---- the right key ---- */

/* Nothing is refused for who asks, and nothing fails: the database's own wall leaves the owner everything. */
START_TEST(the_own_key)
{
    for (int deletes = 0; deletes < 2; deletes++) {
        for (const struct route *route = router_table(); route->pattern != NULL; route++) {
            if (route->scope == SCOPE_NONE || route->scope == SCOPE_ADMIN ||
                (route->method == HTTP_DELETE) != (deletes == 1) || strstr(route->pattern, "follow") != NULL) {
                continue;
            }
            char path[512];
            fill_own(route, &own, path);
            struct api_answer answer = api_ask(own.write, api_method_name(route->method), path, body_of(route));
            /* The function of this test exits at once: its calls end in errors of the function, which are no 5xx. */
            ck_assert_msg(answer.status < 500 && answer.status != 401 && answer.status != 403, "%s %s: %ld %s",
                          api_method_name(route->method), path, answer.status, buf_text(&answer.body));
            ck_assert_msg(route->method != HTTP_GET || lambda(route) || answer.status == 200, "GET %s: %ld %s", path,
                          answer.status, buf_text(&answer.body));
            tells_nothing(&answer, &own, path);
            api_answer_free(&answer);
        }
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("tenancy");
    TCase *tcase = tcase_create("tenancy");
    tcase_set_timeout(tcase, 280);
    tcase_add_unchecked_fixture(tcase, up, api_node_down);
    tcase_add_test(tcase, looked_at_before);
    tcase_add_test(tcase, foreign_accounts);
    tcase_add_test(tcase, foreign_things_in_the_own_account);
    tcase_add_test(tcase, foreign_arns);
    tcase_add_test(tcase, foreign_layers);
    tcase_add_loop_test(tcase, bad_keys, 0, (int)(sizeof BAD_KEYS / sizeof BAD_KEYS[0]));
    tcase_add_test(tcase, small_scopes);
    tcase_add_test(tcase, the_own_key);
    tcase_add_test(tcase, and_after);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_set_fork_status(runner, CK_NOFORK); /* the node's threads live in this process */
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
