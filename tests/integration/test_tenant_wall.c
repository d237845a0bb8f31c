/*
 * Goal:   where the API's own check of the account fails, PostgreSQL still gives no row of another account, to read or
 * to write. Method: the check is left out: raw SQL on a connection of pg_open_tenant, over every relation that has an
 * account_id, taken from the catalogue, so that a new table that is open fails here on the day it is made. Every table
 * gets a row of two accounts by itself. The guard is seen to fail on a table that was left open on purpose.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "common/err.h"
#include "schema/pg.h"
#include "tests/support/pgtest.h"

static struct pg *owner, *tenant;

static void script(struct pg *pg, const char *sql)
{
    struct err err = {0};
    ck_assert_msg(pg_script(pg, sql, &err) == 0, "%s", err.text);
}

/* A row of account 1 and of account 2 in each table, whatever its columns are. Constraints that look into values are in
 * the way of that and are dropped; keys stay. */
static const char FILL[] =
    "DO $$ DECLARE t record; c record; v_names text; v_values text; v_account int;"
    " BEGIN PERFORM usage_partition_ensure('2026-01-01', '2026-01-01');"
    " FOR c IN SELECT conrelid::regclass AS tab, conname FROM pg_constraint WHERE contype IN ('c', 'f')"
    "   AND connamespace = current_schema()::regnamespace AND conparentid = 0 ORDER BY contype DESC LOOP"
    "   EXECUTE format('ALTER TABLE %s DROP CONSTRAINT %I', c.tab, c.conname); END LOOP;"
    " FOR t IN SELECT a.attrelid AS oid FROM pg_class k JOIN pg_attribute a ON a.attrelid = k.oid"
    "   WHERE k.relnamespace = current_schema()::regnamespace AND k.relkind IN ('r', 'p') AND NOT k.relispartition"
    "   AND a.attname = 'account_id' LOOP"
    "  FOR v_account IN 1..2 LOOP"
    "   SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum), string_agg(CASE"
    "     WHEN format_type(atttypid, NULL) ~ '\\[\\]$' THEN quote_literal('{}')"
    "     WHEN format_type(atttypid, NULL) = 'uuid' THEN quote_literal(md5(v_account::text)::uuid)"
    "     WHEN format_type(atttypid, NULL) = 'jsonb' THEN quote_literal('{}')"
    "     WHEN format_type(atttypid, NULL) = 'boolean' THEN 'false'"
    "     WHEN format_type(atttypid, NULL) = 'date' THEN quote_literal(date '2026-01-01')"
    "     WHEN format_type(atttypid, NULL) ~ '^timestamp' THEN quote_literal('2026-01-01 00:00:00Z')"
    "     WHEN format_type(atttypid, NULL) = 'interval' THEN quote_literal('1 s')"
    "     ELSE quote_literal(v_account) END || '::' || format_type(atttypid, NULL), ', ' ORDER BY attnum)"
    "    INTO v_names, v_values FROM pg_attribute"
    "    WHERE attrelid = t.oid AND attnum > 0 AND NOT attisdropped AND attgenerated = '';"
    "   EXECUTE format('INSERT INTO %s (%s) OVERRIDING SYSTEM VALUE VALUES (%s)', t.oid::regclass, v_names, v_values);"
    "  END LOOP; END LOOP; END $$";

/* Every relation that has an account_id, in the program's schema and in that of the tenants. */
#define RELATIONS                                                                                                      \
    "SELECT k.oid::regclass AS name, k.relkind AS kind, has_table_privilege(k.oid, 'SELECT') AS may_read,"             \
    " has_table_privilege(k.oid, 'INSERT') OR has_any_column_privilege(k.oid, 'UPDATE')"                               \
    "  OR has_table_privilege(k.oid, 'DELETE') AS may_write"                                                           \
    " FROM pg_class k JOIN pg_attribute a ON a.attrelid = k.oid AND a.attname = 'account_id'"                          \
    " JOIN pg_namespace n ON n.oid = k.relnamespace"                                                                   \
    " WHERE k.relkind IN ('r', 'p', 'v', 'm', 'f') AND n.nspname !~ '^(pg_|information_schema)' "

/* As tenant 1: nothing of others can be read (but the operator's defaults, which are account 0's), all of its own can.
 */
static const char READ[] =
    "DO $$ DECLARE t record; v_own bigint; v_foreign bigint; v_seen int := 0; BEGIN"
    " FOR t IN " RELATIONS " LOOP"
    "  BEGIN EXECUTE format('SELECT count(*) FILTER (WHERE account_id = 1), count(*) FILTER (WHERE account_id"
    " IS DISTINCT FROM 1 AND NOT (account_id = 0 AND %L = ''quota'')) FROM %s', t.name, t.name) INTO v_own, v_foreign;"
    "  EXCEPTION WHEN insufficient_privilege THEN"
    "   IF t.may_read THEN RAISE EXCEPTION '% is granted and cannot be read', t.name; END IF; CONTINUE; END;"
    "  IF v_foreign > 0 THEN RAISE EXCEPTION 'rows of others in %', t.name; END IF;"
    "  IF v_own = 0 THEN RAISE EXCEPTION 'not even the own rows in %', t.name; END IF;"
    "  v_seen := v_seen + 1; END LOOP;"
    " IF v_seen < 30 THEN RAISE EXCEPTION 'only % relations were open', v_seen; END IF; END $$";

/* As nobody: nothing at all. */
static const char READ_NOTHING[] =
    "DO $$ DECLARE t record; v_rows bigint; BEGIN FOR t IN " RELATIONS " LOOP CONTINUE WHEN NOT t.may_read;"
    " EXECUTE format('SELECT count(*) FROM %s WHERE account_id <> 0', t.name) INTO v_rows;"
    " IF v_rows > 0 THEN RAISE EXCEPTION 'rows of somebody in %', t.name; END IF; END LOOP; END $$";

/* As tenant 1: change, remove, make and hand over rows of account 2, each way in a transaction of its own. Refused, or
 * done to no row. */
static const char WRITE[] =
    "DO $$ DECLARE t record; v_try text; v_rows bigint; BEGIN FOR t IN " RELATIONS " LOOP"
    "  FOREACH v_try IN ARRAY ARRAY["
    "   'UPDATE %s SET account_id = account_id WHERE account_id = 2', 'DELETE FROM %s WHERE account_id = 2',"
    "   'UPDATE %s SET account_id = 2 WHERE account_id = 1', 'DELETE FROM %s WHERE account_id <> 1',"
    "   'INSERT INTO %s OVERRIDING SYSTEM VALUE SELECT (jsonb_populate_record(r, ''{\"account_id\": 2}'')).* FROM %1$s "
    "r'"
    "  ] LOOP"
    "   BEGIN EXECUTE format(replace(v_try, '%s', '%1$s'), t.name); GET DIAGNOSTICS v_rows = ROW_COUNT;"
    "    IF v_rows > 0 THEN RAISE EXCEPTION 'written: %', format(replace(v_try, '%s', '%1$s'), t.name); END IF;"
    "   EXCEPTION WHEN insufficient_privilege OR object_not_in_prerequisite_state OR feature_not_supported THEN NULL;"
    "   END; END LOOP; END LOOP; END $$";

/* What the catalogue must say: row-level security with a tenant's policy under every grant on a table; of relations
 * without account_id only those that are the same for all; no function that runs as the owner; views that keep up. */
static const char CATALOGUE[] =
    "DO $$ DECLARE t record; BEGIN"
    " FOR t IN SELECT k.oid, k.oid::regclass AS name, k.relkind, k.relname, k.relrowsecurity, n.nspname,"
    "   EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = k.oid AND a.attname = 'account_id') AS has_account"
    "   FROM pg_class k JOIN pg_namespace n ON n.oid = k.relnamespace"
    "   WHERE k.relkind IN ('r', 'p', 'v', 'm', 'f') AND n.nspname !~ '^(pg_|information_schema)'"
    "   AND (has_any_column_privilege('farthing_tenant', k.oid, 'SELECT, INSERT, UPDATE')"
    "    OR has_table_privilege('farthing_tenant', k.oid, 'SELECT, INSERT, UPDATE, DELETE, TRUNCATE, TRIGGER')) LOOP"
    "  IF NOT t.has_account THEN"
    "   IF t.relname NOT IN ('schema_migration', 'price_book', 'node', 'producer_cursor', 'spool_hole', 'seal_run',"
    "   'usage_daily_state',"
    "    'seal_cursor', 'auth_epoch') THEN RAISE EXCEPTION '% has no account and is open to tenants', t.name; END IF;"
    "  ELSIF t.relkind = 'v' THEN"
    "   IF t.nspname <> 'public_tenant' OR pg_get_viewdef(t.oid) !~ 'farthing.account_id'"
    "    OR NOT EXISTS (SELECT FROM pg_class k WHERE k.oid = t.oid AND 'security_barrier=true' = ANY (k.reloptions)) "
    "THEN"
    "    RAISE EXCEPTION 'view % is open to tenants', t.name; END IF;"
    "   IF (SELECT array_agg(attname ORDER BY attnum) FROM pg_attribute WHERE attrelid = t.oid AND attnum > 0) <>"
    "    (SELECT array_agg(attname ORDER BY attnum) FROM pg_attribute WHERE attnum > 0 AND NOT attisdropped"
    "     AND attrelid = format('public.%I', t.relname)::regclass) THEN"
    "    RAISE EXCEPTION 'view % lacks columns: call tenant_view again', t.name; END IF;"
    "  ELSIF NOT t.relrowsecurity OR NOT EXISTS (SELECT FROM pg_policies p WHERE p.tablename = t.relname"
    "    AND p.schemaname = t.nspname AND 'farthing_tenant' = ANY (p.roles) AND p.cmd = 'ALL'"
    "    AND p.qual ~ 'farthing.account_id' AND p.with_check IS NULL) OR EXISTS (SELECT FROM pg_policies p"
    "    WHERE p.tablename = t.relname AND p.roles && ARRAY['farthing_tenant', 'public']::name[]"
    "    AND p.policyname <> 'tenant' AND NOT (t.relname = 'quota' AND p.cmd = 'SELECT')) THEN"
    "   RAISE EXCEPTION 'table % is open to tenants: call tenant_table', t.name; END IF; END LOOP;"
    " FOR t IN SELECT p.oid::regprocedure AS name FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace"
    "   WHERE p.prosecdef AND n.nspname !~ '^(pg_|information_schema)'"
    "   AND has_function_privilege('farthing_tenant', p.oid, 'EXECUTE') LOOP"
    "  RAISE EXCEPTION 'function % runs as the owner and is open to tenants', t.name; END LOOP; END $$";

static void open_all(void)
{
    struct err err = {0};
    const char *database = pgtest_database();
    ck_assert_msg(pg_open_owner(database, &owner, &err) == 0, "%s", err.text);
    ck_assert_msg(pg_open_tenant(database, &tenant, &err) == 0, "%s", err.text);
    ck_assert(pg_is_walled(tenant));
    script(owner, FILL);
}

static void close_all(void)
{
    pg_close(&owner);
    pg_close(&tenant);
}

START_TEST(nothing_of_others_is_read)
{
    script(tenant, READ_NOTHING);
    pg_tenant(tenant, 1);
    script(tenant, READ);
    pg_tenant(tenant, 0);
    script(tenant, READ_NOTHING);
}
END_TEST

START_TEST(nothing_of_others_is_written)
{
    pg_tenant(tenant, 1);
    script(tenant, WRITE);
}
END_TEST

START_TEST(the_catalogue_agrees)
{
    script(owner, CATALOGUE);
}
END_TEST

/* What somebody may forget, and the part of this test that sees it. */
static const struct {
    const char *forget;
    bool read, write, catalogue;
} HOLES[] = {
    {"CREATE TABLE leaky (account_id bigint); GRANT SELECT ON leaky TO farthing_tenant", true, false, true},
    {"CREATE TABLE leaky (account_id bigint); GRANT SELECT, INSERT ON leaky TO farthing_tenant", true, true, true},
    {"ALTER TABLE webhook DISABLE ROW LEVEL SECURITY", true, true, true},
    {"DROP POLICY tenant ON usage_hourly; CREATE POLICY tenant ON usage_hourly TO farthing_tenant USING (true)", true,
     false, true},
    {"CREATE POLICY more ON api_key FOR INSERT TO farthing_tenant WITH CHECK (true)", false, true, true},
    {"GRANT SELECT ON usage_record TO farthing_tenant", true, false, true},
    {"GRANT SELECT ON usage_record_20260101 TO farthing_tenant", true, false, true},
    {"GRANT SELECT ON invoice TO farthing_tenant", true, false, true},
    {"CREATE TABLE shared (x int); GRANT SELECT ON shared TO farthing_tenant", false, false, true},
    {"GRANT EXECUTE ON FUNCTION usage_partition_drop(date) TO farthing_tenant", false, false, true},
    {"ALTER TABLE usage_record ADD COLUMN more int", false, false, true},
};

START_TEST(holes_are_seen)
{
    struct err err = {0};
    script(owner, HOLES[_i].forget);
    if (strstr(HOLES[_i].forget, "leaky") != NULL) {
        script(owner, "INSERT INTO leaky VALUES (1), (2)");
    }
    pg_tenant(tenant, 1);
    ck_assert_int_eq(pg_script(tenant, READ, NULL), HOLES[_i].read ? -1 : 0);
    ck_assert_int_eq(pg_script(tenant, WRITE, NULL), HOLES[_i].write ? -1 : 0);
    ck_assert_int_eq(pg_script(owner, CATALOGUE, &err), HOLES[_i].catalogue ? -1 : 0);
}
END_TEST

/* ---- the connection ---- */

static const struct pg_stmt WHOSE = {
    .name = "test.whose",
    .sql = "SELECT account_id, (10 / $1::int8)::int8 AS ten FROM usage_hourly",
    .expect = PG_MAYBE_ROW,
};
static const struct pg_stmt WHOSE_LONG = {
    .name = "test.whose_long", .sql = "SELECT account_id FROM usage_hourly", .expect = PG_ANY_ROWS};
static const struct pg_stmt RENAME = {
    .name = "test.rename", .sql = "UPDATE webhook SET url = 'x' || account_id", .expect = PG_NO_ROWS};

static int on_account(const struct pg_row *row, void *ctx, struct err *err)
{
    (void)err;
    *(int64_t *)ctx = pg_get_i64(row, "account_id");
    return 0;
}

static int64_t whose(int64_t divisor, int rc)
{
    int64_t account = 0;
    struct err err = {0};
    const struct pg_param params[] = {PG_P_I64(divisor), PG_P_END};
    ck_assert_msg(pg_run(tenant, &WHOSE, params, on_account, &account, NULL, &err) == rc, "%s", err.text);
    return account;
}

static int in_transaction(struct pg *pg, void *ctx, struct err *err)
{
    return pg_run(pg, &WHOSE_LONG, NULL, on_account, ctx, NULL, err);
}

START_TEST(accounts_take_turns)
{
    struct err err = {0};
    int64_t account = 0, affected = 0;
    ck_assert_int_eq((int)whose(1, 0), 0);
    for (int i = 0; i < 6; i++) {
        pg_tenant(tenant, 1 + i % 2);
        ck_assert_int_eq((int)whose(1, 0), 1 + i % 2);
        ck_assert_int_eq((int)whose(1, 0), 1 + i % 2);
    }
    pg_tenant(tenant, 1); /* a statement that fails takes the change of account with it: it is told again */
    ck_assert_int_eq((int)whose(0, -1), 0);
    ck_assert_int_eq((int)whose(1, 0), 1);
    pg_tenant(tenant, 2);
    ck_assert_int_eq((int)whose(0, -1), 0);
    pg_tenant(tenant, 1);
    ck_assert_int_eq((int)whose(1, 0), 1);
    pg_tenant(tenant, 2);
    ck_assert_int_eq(pg_tx(tenant, in_transaction, &account, &err), 0);
    ck_assert_int_eq((int)account, 2);
    pg_tenant(tenant, 1);
    ck_assert_int_eq(pg_stream(tenant, &WHOSE_LONG, NULL, on_account, &account, &err), 0);
    ck_assert_int_eq((int)account, 1);
    pg_tenant(tenant, 2);
    ck_assert_int_eq((int)whose(1, 0), 2);
    pg_tenant(tenant, 1);
    ck_assert_int_eq(pg_stream(tenant, &WHOSE_LONG, NULL, on_account, &account, &err), 0);
    pg_tenant(tenant, 2);
    ck_assert_int_eq(pg_run(tenant, &RENAME, NULL, NULL, NULL, &affected, &err), 0);
    ck_assert_int_eq((int)affected, 1);
}
END_TEST

static const struct pg_stmt TERMINATE = {
    .name = "test.terminate",
    .sql = "SELECT pg_terminate_backend(pid, 10000) AS done FROM pg_stat_activity WHERE datname = current_database()"
           " AND pid <> pg_backend_pid() AND backend_type = 'client backend'",
    .expect = PG_ANY_ROWS,
};

START_TEST(a_new_link_knows_nobody)
{
    struct err err = {0};
    int64_t account = 0;
    pg_tenant(tenant, 1);
    ck_assert_int_eq((int)whose(1, 0), 1);
    ck_assert_int_eq(pg_run(owner, &TERMINATE, NULL, NULL, NULL, NULL, &err), 0);
    ck_assert_int_eq((int)whose(1, 0), 1); /* connected again, and told again */
    ck_assert_int_eq(pg_run(owner, &TERMINATE, NULL, NULL, NULL, NULL, &err), 0);
    pg_tenant(tenant, 2);
    ck_assert_int_eq(pg_tx(tenant, in_transaction, &account, &err), 0);
    ck_assert_int_eq((int)account, 2);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("tenant_wall");
    TCase *wall = tcase_create("wall");
    tcase_add_checked_fixture(wall, open_all, close_all);
    tcase_set_timeout(wall, 120);
    tcase_add_test(wall, nothing_of_others_is_read);
    tcase_add_test(wall, nothing_of_others_is_written);
    tcase_add_test(wall, the_catalogue_agrees);
    tcase_add_loop_test(wall, holes_are_seen, 0, (int)(sizeof HOLES / sizeof HOLES[0]));
    tcase_add_test(wall, accounts_take_turns);
    tcase_add_test(wall, a_new_link_knows_nobody);
    suite_add_tcase(s, wall);
    return s;
}

int main(void)
{
    SRunner *runner = srunner_create(suite());
    (void)pgtest_database(); /* before the first fork: all tests share its server */
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
