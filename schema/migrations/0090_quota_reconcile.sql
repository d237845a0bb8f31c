-- Escrow against records also where nobody holds anything any more, and an end for rows of months long over.

CREATE OR REPLACE FUNCTION quota_escrow() RETURNS TABLE (account_id bigint, name text, period date, recorded bigint, stored bigint,
    unstored bigint, held bigint, forfeit bigint, silent_s bigint)
LANGUAGE sql VOLATILE AS $$
    WITH found AS (
        SELECT p.account_id, p.name, p.period, quota_used(p.account_id, p.name, p.period) AS recorded, p.used AS stored,
               coalesce(sum(l.spent - l.ingested), 0)::bigint AS unstored, coalesce(sum(l.granted - l.spent), 0)::bigint AS held,
               coalesce(sum(l.granted - l.ingested) FILTER (WHERE l.expires_at < clock_timestamp()), 0)::bigint AS forfeit,
               coalesce(max(extract(epoch FROM clock_timestamp() - l.expires_at)) FILTER (WHERE l.expires_at < clock_timestamp()
                        AND l.granted > l.ingested), 0)::bigint AS silent_s
          FROM quota_period p LEFT JOIN quota_lease l
            ON l.account_id = p.account_id AND l.name = p.name AND l.period = p.period AND l.granted > l.ingested
         WHERE p.period >= (date_trunc('month', clock_timestamp() AT TIME ZONE 'UTC') - interval '1 month')::date
         GROUP BY p.account_id, p.name, p.period, p.used
    )
    SELECT f.* FROM found f
     WHERE f.unstored <> 0 OR f.held <> 0 OR f.stored > coalesce(f.recorded, 0)
     ORDER BY f.account_id, f.name, f.period
$$;
COMMENT ON FUNCTION quota_escrow IS
    'What nodes hold of monthly limits, set against the records; recorded is null for spend, which this schema cannot tell.';

-- Months that ended p_months before the running one, and what else nobody asks for any more; returns how many rows went.
CREATE FUNCTION quota_purge(p_months integer, p_delivery_days integer, p_notice_months integer) RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
    v_month date := date_trunc('month', clock_timestamp() AT TIME ZONE 'UTC')::date;
    v_sum bigint := 0;
    v_rows bigint;
BEGIN
    DELETE FROM quota_lease l WHERE l.period <> date '1970-01-01' AND l.period < v_month - p_months * interval '1 month'
       AND l.expires_at < clock_timestamp();
    GET DIAGNOSTICS v_rows = ROW_COUNT;
    v_sum := v_sum + v_rows;
    -- Pools of reserved concurrency whose function is gone, once nobody can run a call in them.
    DELETE FROM quota_lease l WHERE l.period = date '1970-01-01' AND l.name LIKE 'function:%'
       AND l.expires_at + l.call_ms * interval '1 millisecond' < clock_timestamp()
       AND NOT EXISTS (SELECT FROM function f WHERE f.account_id = l.account_id AND f.function_id = substr(l.name, 10)::bigint
                          AND f.deleted_at IS NULL);
    GET DIAGNOSTICS v_rows = ROW_COUNT;
    v_sum := v_sum + v_rows;
    DELETE FROM quota_period p
     WHERE (p.period <> date '1970-01-01' AND p.period < v_month - p_months * interval '1 month'
            OR p.name LIKE 'function:%' AND NOT EXISTS (SELECT FROM function f WHERE f.account_id = p.account_id
               AND f.function_id = substr(p.name, 10)::bigint AND f.deleted_at IS NULL))
       AND NOT EXISTS (SELECT FROM quota_lease l WHERE l.account_id = p.account_id AND l.name = p.name AND l.period = p.period);
    GET DIAGNOSTICS v_rows = ROW_COUNT;
    v_sum := v_sum + v_rows;
    DELETE FROM webhook_delivery d WHERE coalesce(d.delivered_at, d.gave_up_at) < clock_timestamp() - p_delivery_days * interval '1 day';
    GET DIAGNOSTICS v_rows = ROW_COUNT;
    v_sum := v_sum + v_rows;
    DELETE FROM quota_notice n WHERE n.period < v_month - p_notice_months * interval '1 month';
    GET DIAGNOSTICS v_rows = ROW_COUNT;
    RETURN v_sum + v_rows;
END $$;
COMMENT ON FUNCTION quota_purge IS 'Remove escrow, deliveries and notices that are older than the named limits of engine/quota.h.';
