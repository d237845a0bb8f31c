-- A second wall between accounts: what a request with the key of an account asks of the database runs as role
-- farthing_tenant, for which rows of other accounts do not exist, whatever the statement says.
--
-- The account is the session's setting farthing.account_id; without it there are no rows at all. Tables have row-level
-- security. Tables that are filled by COPY cannot have it (PostgreSQL refuses COPY FROM on them to everybody who is not
-- their owner), and views are not for it: these are seen through a filtering view of the same name in a schema of
-- the tenants, which stands first in the search path of such a connection. Role farthing_app (metering, billing, quotas,
-- operators) sees everything, as before.
--
-- A new table is closed to tenants until a migration calls one of the two functions.

CREATE FUNCTION tenant_table(p_table regclass, p_privileges text) RETURNS void
LANGUAGE plpgsql STRICT
AS $$
BEGIN
    IF to_regnamespace(quote_ident(current_schema() || '_tenant')) IS NULL THEN
        RETURN;
    END IF;
    EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', p_table);
    EXECUTE format('CREATE POLICY program ON %s TO farthing_app USING (true)', p_table);
    EXECUTE format('CREATE POLICY tenant ON %s TO farthing_tenant'
        ' USING (account_id = nullif(current_setting(''farthing.account_id'', true), '''')::bigint)', p_table);
    EXECUTE format('GRANT %s ON %s TO farthing_tenant', p_privileges, p_table);
END $$;
COMMENT ON FUNCTION tenant_table(regclass, text) IS 'Row-level security by account_id, and these privileges for tenants.';

CREATE FUNCTION tenant_view(p_table regclass) RETURNS void
LANGUAGE plpgsql STRICT
AS $$
DECLARE
    v_schema text := current_schema() || '_tenant';
    v_name   text := (SELECT relname FROM pg_catalog.pg_class WHERE oid = p_table);
BEGIN
    IF to_regnamespace(quote_ident(v_schema)) IS NULL THEN
        RETURN;
    END IF;
    EXECUTE format('CREATE OR REPLACE VIEW %I.%I WITH (security_barrier) AS SELECT * FROM %s'
        ' WHERE account_id = nullif(current_setting(''farthing.account_id'', true), '''')::bigint', v_schema, v_name, p_table);
    EXECUTE format('COMMENT ON VIEW %I.%I IS %L', v_schema, v_name, 'Rows of ' || v_name || ' that are the tenant''s.');
    EXECUTE format('GRANT SELECT ON %I.%I TO farthing_tenant', v_schema, v_name);
END $$;
COMMENT ON FUNCTION tenant_view(regclass) IS 'Gives tenants their own rows of a table or view to read. To be called again when it got a column.';

REVOKE ALL ON FUNCTION tenant_table(regclass, text) FROM PUBLIC;
REVOKE ALL ON FUNCTION tenant_view(regclass) FROM PUBLIC;

-- Where the migrating role may make no roles or schemas there is one wall, as before, and the node says so.
DO $$
DECLARE
    v_schema text := current_schema() || '_tenant';
BEGIN
    IF (SELECT count(*) FROM pg_catalog.pg_roles WHERE rolname IN ('farthing_app', 'farthing_tenant')) < 2
        OR NOT has_database_privilege(current_database(), 'CREATE') THEN
        RETURN;
    END IF;
    EXECUTE format('CREATE SCHEMA IF NOT EXISTS %I', v_schema);
    EXECUTE format('COMMENT ON SCHEMA %I IS %L', v_schema, 'What tenants see of tables that cannot have row-level security.');
    EXECUTE format('GRANT USAGE ON SCHEMA %I, %I TO farthing_tenant', v_schema, current_schema());

    GRANT SELECT ON schema_migration, price_book, node, producer_cursor, spool_hole, seal_run, seal_cursor TO farthing_tenant;
    GRANT SELECT, UPDATE ON auth_epoch TO farthing_tenant;
    EXECUTE format('GRANT USAGE ON ALL SEQUENCES IN SCHEMA %I TO farthing_tenant', current_schema());
    REVOKE ALL ON SEQUENCE account_id_seq, node_node_id_seq, invoice_invoice_id_seq, seal_run_run_id_seq FROM farthing_tenant;

    PERFORM tenant_table('account', 'SELECT, UPDATE (account_id)'); -- that much is a row lock
    PERFORM tenant_table('account_name', 'SELECT');
    PERFORM tenant_table('api_key', 'SELECT, INSERT, UPDATE');
    PERFORM tenant_table('audit_log', 'SELECT, INSERT');
    PERFORM tenant_table('idempotency_key', 'SELECT, INSERT, UPDATE, DELETE');
    PERFORM tenant_table('usage_hourly', 'SELECT');
    PERFORM tenant_table('usage_refusal', 'SELECT');
    PERFORM tenant_table('usage_seal', 'SELECT');
    PERFORM tenant_table('code_blob', 'SELECT, INSERT, UPDATE, DELETE');
    PERFORM tenant_table('function', 'SELECT, INSERT, UPDATE, DELETE');
    PERFORM tenant_table('function_version', 'SELECT, INSERT, UPDATE, DELETE');
    PERFORM tenant_table('function_alias', 'SELECT, INSERT, UPDATE, DELETE');
    PERFORM tenant_table('event_invoke_config', 'SELECT, INSERT, UPDATE, DELETE');
    PERFORM tenant_table('async_event', 'SELECT, INSERT');
    PERFORM tenant_table('event_claim', 'SELECT, INSERT');
    PERFORM tenant_table('quota', 'SELECT');
    PERFORM tenant_table('quota_change', 'SELECT, INSERT, UPDATE');
    PERFORM tenant_table('quota_period', 'SELECT');
    PERFORM tenant_table('quota_lease', 'SELECT');
    PERFORM tenant_table('quota_notice', 'SELECT');
    PERFORM tenant_table('webhook', 'SELECT, INSERT, UPDATE, DELETE');
    PERFORM tenant_table('webhook_delivery', 'SELECT, INSERT');
    PERFORM tenant_table('usage_feed', 'SELECT, INSERT, UPDATE, DELETE');
    PERFORM tenant_table('price_override', 'SELECT');
    PERFORM tenant_table('account_credit', 'SELECT');
    PERFORM tenant_table('invoice_event', 'SELECT');
    PERFORM tenant_table('invoice_park', 'SELECT');
    -- What the operator set for all is in force for each.
    CREATE POLICY defaults ON quota FOR SELECT TO farthing_tenant USING (account_id = 0);

    PERFORM tenant_view('usage_record');
    PERFORM tenant_view('invoice_line');
    PERFORM tenant_view('invoice_document');
    PERFORM tenant_view('account_credit_use');
    PERFORM tenant_view('account_credit_left');
    PERFORM tenant_view('invoice');
END $$;
