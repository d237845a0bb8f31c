-- Day partitions of usage_record, and what the program's role may not do.
--
-- Tables are made, indexed and dropped by their owner only. These functions let role farthing_app ask for exactly that, on
-- usage_record and nothing else. A partition is made apart and then attached: that needs no lock that stops writers.

CREATE FUNCTION usage_partition_name(day date) RETURNS text
LANGUAGE sql IMMUTABLE STRICT
AS $$ SELECT 'usage_record_' || to_char(day, 'YYYYMMDD') $$;
COMMENT ON FUNCTION usage_partition_name(date) IS 'usage_record_20261123.';

CREATE FUNCTION usage_partition_ensure(first_day date, last_day date) RETURNS integer
LANGUAGE plpgsql STRICT SECURITY DEFINER SET search_path FROM CURRENT SET timezone = 'UTC'
AS $$
DECLARE
    day  date;
    part text;
    made integer := 0;
BEGIN
    IF last_day - first_day > 400 THEN
        RAISE EXCEPTION 'usage_partition_ensure: % to % is more than 400 days', first_day, last_day;
    END IF;
    FOR day IN SELECT d::date FROM generate_series(first_day::timestamp, last_day::timestamp, interval '1 day') AS d LOOP
        part := usage_partition_name(day);
        CONTINUE WHEN to_regclass(part) IS NOT NULL;
        -- Nodes that find the same day missing queue up here; writers do not.
        LOCK TABLE usage_record IN SHARE UPDATE EXCLUSIVE MODE;
        CONTINUE WHEN to_regclass(part) IS NOT NULL;
        EXECUTE format('CREATE TABLE %I (LIKE usage_record INCLUDING DEFAULTS)', part);
        EXECUTE format('ALTER TABLE usage_record ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)', part,
            day::timestamptz, (day + 1)::timestamptz);
        IF EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'farthing_app') THEN
            EXECUTE format('REVOKE UPDATE, DELETE ON %I FROM farthing_app', part);
        END IF;
        made := made + 1;
    END LOOP;
    RETURN made;
END $$;
COMMENT ON FUNCTION usage_partition_ensure(date, date) IS 'Makes the missing partitions of these days (both included) and says how many.';

CREATE FUNCTION usage_partition_close(day date) RETURNS boolean
LANGUAGE plpgsql STRICT SECURITY DEFINER SET search_path FROM CURRENT SET timezone = 'UTC'
AS $$
DECLARE
    part text := usage_partition_name(day);
BEGIN
    IF to_regclass(part) IS NULL OR to_regclass(part || '_identity_idx') IS NOT NULL THEN
        RETURN false;
    END IF;
    EXECUTE format('CREATE UNIQUE INDEX IF NOT EXISTS %I ON %I (account_id, request_id, attempt)', part || '_identity_idx',
        part);
    EXECUTE format('CREATE INDEX IF NOT EXISTS %I ON %I (account_id, started_at, function_id)', part || '_lookup_idx', part);
    RETURN true;
END $$;
COMMENT ON FUNCTION usage_partition_close(date) IS 'Gives a complete day its indexes; fails when an invocation is there twice. True: made now.';

CREATE FUNCTION usage_partition_drop(day date) RETURNS boolean
LANGUAGE plpgsql STRICT SECURITY DEFINER SET search_path FROM CURRENT SET timezone = 'UTC'
AS $$
DECLARE
    part text := usage_partition_name(day);
BEGIN
    IF to_regclass(part) IS NULL THEN
        RETURN false;
    END IF;
    EXECUTE format('DROP TABLE %I', part);
    RETURN true;
END $$;
COMMENT ON FUNCTION usage_partition_drop(date) IS 'Forgets the raw records of a day. False: there were none.';

REVOKE ALL ON FUNCTION usage_partition_ensure(date, date) FROM PUBLIC;
REVOKE ALL ON FUNCTION usage_partition_close(date) FROM PUBLIC;
REVOKE ALL ON FUNCTION usage_partition_drop(date) FROM PUBLIC;

-- The role is missing where the migrating role may not make one; then the program works as the owner.
DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'farthing_app') THEN
        GRANT EXECUTE ON FUNCTION usage_partition_ensure(date, date) TO farthing_app;
        GRANT EXECUTE ON FUNCTION usage_partition_close(date) TO farthing_app;
        GRANT EXECUTE ON FUNCTION usage_partition_drop(date) TO farthing_app;
        REVOKE UPDATE, DELETE ON audit_log, price_book, price_override, usage_record FROM farthing_app;
    END IF;
END $$;
