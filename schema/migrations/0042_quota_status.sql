-- What an account sees of its quotas: used, held, and what checks them against the records.

-- One row a quota name. Monthly: used is what records say plus what nodes finished and nobody stored yet, from one snapshot;
-- held is what nodes hold for running calls and for the next ones.
CREATE FUNCTION quota_state(p_account bigint, p_period date) RETURNS TABLE (name text, used bigint, held bigint)
LANGUAGE sql STABLE AS $$
    WITH lease AS (
        SELECT l.name, l.period, l.granted, l.idle, greatest(l.spent, l.ingested) AS spent,
               CASE WHEN l.name = 'spend_per_month' THEN l.ingested
                    WHEN c.epoch > l.epoch OR (c.epoch = l.epoch
                         AND (c.complete_through IS NULL OR c.last_sequence >= l.mark_sequence - 1))
                    THEN greatest(l.mark_units, l.passed, l.ingested) ELSE greatest(l.passed, l.ingested) END AS ingested,
               quota_lease_over(l, c, clock_timestamp()) AS over
          FROM quota_lease l LEFT JOIN producer_cursor c ON c.producer_id = l.producer_id AND l.producer_id <> 0
         WHERE l.account_id = p_account AND l.period IN (p_period, date '1970-01-01')
    ), month AS (
        SELECT coalesce(sum(u.invocations), 0) AS invocations, coalesce(sum(u.mb_ms), 0) AS mb_ms FROM usage_hourly u
         WHERE u.account_id = p_account AND u.hour >= p_period::timestamp AT TIME ZONE 'UTC'
           AND u.hour < (p_period + interval '1 month') AT TIME ZONE 'UTC'
    ), truth (name, units) AS (
        SELECT 'requests_per_month', invocations FROM month
        UNION ALL SELECT 'gb_seconds_per_month', mb_ms FROM month
        UNION ALL SELECT 'spend_per_month', coalesce((SELECT p.used FROM quota_period p WHERE p.account_id = p_account
                      AND p.name = 'spend_per_month' AND p.period = p_period), 0)
    )
    SELECT t.name, (t.units + coalesce((SELECT sum(l.spent - l.ingested) FROM lease l
                     WHERE l.name = t.name AND l.period = p_period AND NOT l.over), 0))::bigint,
           coalesce((SELECT sum(l.granted - l.spent) FROM lease l
                     WHERE l.name = t.name AND l.period = p_period AND NOT l.over), 0)::bigint
      FROM truth t
    UNION ALL
    SELECT 'concurrency', coalesce(sum(l.granted - l.idle), 0)::bigint, coalesce(sum(l.idle), 0)::bigint FROM lease l
     WHERE l.period = date '1970-01-01'
    UNION ALL SELECT 'requests_per_second', 0, 0
    UNION ALL
    SELECT 'memory_mb', coalesce(max(v.memory_mib), 0)::bigint, 0 FROM function f JOIN function_version v
        ON v.account_id = f.account_id AND v.function_id = f.function_id
     WHERE f.account_id = p_account AND f.deleted_at IS NULL
    UNION ALL
    SELECT 'functions', count(*), 0 FROM function f
     WHERE f.account_id = p_account AND f.deleted_at IS NULL AND f.origin = 'farthing'
    UNION ALL
    SELECT 'code_bytes', coalesce(sum(octet_length(b.zip)), 0)::bigint, 0 FROM code_blob b WHERE b.account_id = p_account
    UNION ALL
    SELECT 'async_queue', count(*), 0 FROM async_event e WHERE e.account_id = p_account
$$;
COMMENT ON FUNCTION quota_state IS 'Used and held of every quota of an account, now.';

-- Escrow against records, one row a period that somebody holds something of: for farthing doctor and the metrics.
--   recorded   what usage_hourly says now (null: spend)
--   stored     what the escrow believes usage_hourly says; it may lag behind, it may never be ahead
--   unstored   finished, not known to be in usage_hourly yet
--   held       by running calls and for the next ones
--   forfeit    of the two before: by holders that are silent since expiry
CREATE FUNCTION quota_escrow() RETURNS TABLE (account_id bigint, name text, period date, recorded bigint, stored bigint,
    unstored bigint, held bigint, forfeit bigint, silent_s bigint)
LANGUAGE sql VOLATILE AS $$
    SELECT p.account_id, p.name, p.period, quota_used(p.account_id, p.name, p.period), p.used,
           sum(l.spent - l.ingested)::bigint, sum(l.granted - l.spent)::bigint,
           coalesce(sum(l.granted - l.ingested) FILTER (WHERE l.expires_at < clock_timestamp()), 0)::bigint,
           coalesce(max(extract(epoch FROM clock_timestamp() - l.expires_at)) FILTER (WHERE l.expires_at < clock_timestamp()), 0)::bigint
      FROM quota_period p JOIN quota_lease l USING (account_id, name, period)
     WHERE p.period <> date '1970-01-01' AND l.granted > l.ingested
     GROUP BY p.account_id, p.name, p.period
     ORDER BY p.account_id, p.name, p.period
$$;
COMMENT ON FUNCTION quota_escrow IS 'What nodes hold of monthly limits, set against the records.';
