-- Thresholds: each fires once per account, quota, month and per cent, and queues its events in the same statement.

-- 2048000 MB*ms -> '2'; 1500000000000 picos -> '1.5'.
CREATE FUNCTION quota_units_text(p_name text, p_units bigint) RETURNS text
LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE p_name WHEN 'gb_seconds_per_month' THEN trim_scale(p_units::numeric / 1024000)::text
                       WHEN 'spend_per_month' THEN trim_scale(p_units::numeric / 1000000000000)::text
                       ELSE p_units::text END
$$;
COMMENT ON FUNCTION quota_units_text IS 'Units as people write them.';

-- p_spent: the bill so far (null: not known, spend is left out). p_need_*: the smallest call that was lately refused: when it no
-- longer fits beside what is used, the limit counts as reached although some units are left.
CREATE FUNCTION quota_notices_fire(p_account bigint, p_period date, p_spent bigint, p_need_requests bigint, p_need_mb_ms bigint,
                                   p_need_picos bigint) RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
    v_count bigint := 0;
    v_quota record;
    v_used bigint;
    v_need bigint;
BEGIN
    FOR v_quota IN
        SELECT DISTINCT ON (q.name) q.name, q.limit_text, q.limit_units, q.thresholds, q.action FROM quota q
         WHERE q.account_id IN (p_account, 0) AND q.name IN ('requests_per_month', 'gb_seconds_per_month', 'spend_per_month')
         ORDER BY q.name, q.account_id <> p_account
    LOOP
        v_used := CASE v_quota.name WHEN 'spend_per_month' THEN p_spent ELSE quota_used(p_account, v_quota.name, p_period) END;
        CONTINUE WHEN v_used IS NULL;
        v_need := CASE v_quota.name WHEN 'spend_per_month' THEN p_need_picos WHEN 'requests_per_month' THEN p_need_requests
                                    ELSE p_need_mb_ms END;
        WITH fired AS (
            INSERT INTO quota_notice (account_id, name, period, threshold, used_text, limit_text)
            SELECT p_account, v_quota.name, p_period, t, quota_units_text(v_quota.name, v_used), v_quota.limit_text
              FROM unnest(v_quota.thresholds) t
             WHERE v_used::numeric * 100 >= v_quota.limit_units * t
                OR (t = 100 AND v_need > 0 AND v_used::numeric + v_need > v_quota.limit_units)
                ON CONFLICT DO NOTHING
            RETURNING threshold, used_text, fired_at
        ), event AS (
            SELECT f.*, w.webhook_id, gen_random_uuid() AS delivery_id FROM fired f, webhook w
             WHERE w.account_id = p_account AND (cardinality(w.events) = 0 OR 'dev.farthing.quota.threshold' = ANY (w.events))
        ), queued AS (
            INSERT INTO webhook_delivery (account_id, delivery_id, webhook_id, event_type, body)
            SELECT p_account, e.delivery_id, e.webhook_id, 'dev.farthing.quota.threshold', convert_to(json_build_object(
                   'specversion', '1.0', 'id', e.delivery_id, 'source', '/v1/accounts/acct_' || p_account,
                   'type', 'dev.farthing.quota.threshold', 'subject', v_quota.name,
                   'time', to_char(e.fired_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
                   'datacontenttype', 'application/json', 'data', json_build_object(
                       'account', 'acct_' || p_account, 'quota', v_quota.name, 'period', to_char(p_period, 'YYYY-MM'),
                       'threshold', e.threshold, 'used', e.used_text, 'limit', v_quota.limit_text, 'action', v_quota.action))::text,
                   'UTF8')
              FROM event e
        )
        SELECT v_count + count(*) INTO v_count FROM fired;
    END LOOP;
    RETURN v_count;
END $$;
COMMENT ON FUNCTION quota_notices_fire IS 'Fire the thresholds of an account that are due; returns how many did.';
