-- Tenants report events of other runtimes with their own keys: a claim is marked as stored or given back, not only made.

DO $$
BEGIN
    IF to_regnamespace(quote_ident(current_schema() || '_tenant')) IS NOT NULL THEN
        GRANT UPDATE, DELETE ON event_claim TO farthing_tenant;
    END IF;
END $$;
