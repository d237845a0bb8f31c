-- Leases: the statements by which nodes take, renew and give back slices of a limit. Reasoning: docs/quotas.md.
--
-- Invariant, under the lock of the quota_period row: used + sum(granted - ingested) <= limit, unless the limit was lowered
-- or a call turned out dearer than its reservation; then nothing more is given out. used is read from usage_hourly *after*
-- the cursors that decide ingested, so a unit is in used, or in a lease, or for a moment in both; never in neither.

-- The limit that blocks now (null: nothing blocks) and since when it stands. p_default where neither account nor operator set one.
CREATE FUNCTION quota_limit_in_force(p_account bigint, p_name text, p_default bigint, OUT limit_units bigint, OUT since timestamptz)
LANGUAGE plpgsql AS $$
DECLARE
    v_action text;
BEGIN
    since := '-infinity';
    IF starts_with(p_name, 'function:') THEN
        SELECT f.reserved_concurrency INTO limit_units FROM function f
         WHERE f.account_id = p_account AND f.function_id = substr(p_name, 10)::bigint AND f.deleted_at IS NULL;
        limit_units := coalesce(limit_units, 0);
        RETURN;
    END IF;
    SELECT q.limit_units::bigint, q.action, q.updated_at INTO limit_units, v_action, since FROM quota q
     WHERE q.account_id = p_account AND q.name = p_name;
    IF NOT FOUND THEN
        SELECT q.limit_units::bigint, q.action, q.updated_at INTO limit_units, v_action, since FROM quota q
         WHERE q.account_id = 0 AND q.name = p_name;
        IF NOT FOUND THEN
            limit_units := p_default;
            since := '-infinity';
        END IF;
    END IF;
    IF v_action = 'notify' THEN
        limit_units := NULL;
    ELSIF p_name = 'concurrency' AND limit_units IS NOT NULL THEN
        -- Lambda's rule: what functions reserved is carved out of the account's pool.
        SELECT greatest(0, limit_units - coalesce(sum(f.reserved_concurrency), 0)) INTO limit_units FROM function f
         WHERE f.account_id = p_account AND f.deleted_at IS NULL;
    END IF;
END $$;
COMMENT ON FUNCTION quota_limit_in_force IS 'The limit that blocks now; null: none.';

-- Nothing of this lease can be used any more and all that was used is in usage_hourly. Expiry alone never says so.
CREATE FUNCTION quota_lease_over(l quota_lease, c producer_cursor, p_now timestamptz) RETURNS boolean
LANGUAGE sql IMMUTABLE AS $$
    SELECT coalesce(l.expires_at < p_now AND (
               l.granted = l.ingested                                                   -- nothing was out
            OR c.epoch > l.epoch                                                        -- records of a later run are in
            OR (c.complete_through IS NULL AND c.updated_at > l.expires_at)             -- its spool was emptied and retired
            OR c.complete_through > l.over_at                                           -- the node started again, then caught up
            OR c.complete_through > l.expires_at + (l.call_ms + 60000) * interval '1 millisecond'), false) -- its calls are over
$$;
COMMENT ON FUNCTION quota_lease_over IS 'Whether a lease can be let go of: its holder spends no more and its records are in.';

-- What each lease of a period may be relieved of: "holder:ingested:gone" words. Read BEFORE the usage they are set against.
CREATE FUNCTION quota_positions(p_account bigint, p_name text, p_period date, p_now timestamptz) RETURNS text
LANGUAGE sql VOLATILE AS $$
    SELECT coalesce(string_agg(format('%s:%s:%s', l.holder,
               CASE WHEN c.epoch > l.epoch
                      OR (c.epoch = l.epoch AND (c.complete_through IS NULL OR c.last_sequence >= l.mark_sequence - 1))
                    THEN greatest(l.mark_units, l.passed, l.ingested) ELSE greatest(l.passed, l.ingested) END,
               CASE WHEN quota_lease_over(l, c, p_now) THEN 1 ELSE 0 END), ' ' ORDER BY l.holder), '')
      FROM quota_lease l LEFT JOIN producer_cursor c ON c.producer_id = l.producer_id AND l.producer_id <> 0
     WHERE l.account_id = p_account AND l.name = p_name AND l.period = p_period
$$;
COMMENT ON FUNCTION quota_positions IS 'How far the records of each lease of a period are known to be in.';

-- Store usage read after p_positions, and let go of what it contains. Greatest() makes late and repeated calls harmless.
CREATE FUNCTION quota_relieve(p_account bigint, p_name text, p_period date, p_positions text, p_used bigint, p_now timestamptz,
                              p_cost_us bigint) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM 1 FROM quota_period WHERE account_id = p_account AND name = p_name AND period = p_period FOR UPDATE;
    UPDATE quota_period SET used = greatest(used, p_used), used_at = greatest(used_at, p_now), used_cost_us = p_cost_us
     WHERE account_id = p_account AND name = p_name AND period = p_period;
    UPDATE quota_lease l SET ingested = least(l.granted, p.ingested)
      FROM (SELECT split_part(w, ':', 1)::bigint AS holder, split_part(w, ':', 2)::bigint AS ingested
              FROM unnest(string_to_array(p_positions, ' ')) w) p
     WHERE l.account_id = p_account AND l.name = p_name AND l.period = p_period AND l.holder = p.holder
       AND p.ingested > l.ingested;
    DELETE FROM quota_lease l
     USING (SELECT split_part(w, ':', 1)::bigint AS holder FROM unnest(string_to_array(p_positions, ' ')) w
             WHERE split_part(w, ':', 3) = '1') p
     WHERE l.account_id = p_account AND l.name = p_name AND l.period = p_period AND l.holder = p.holder
       AND l.expires_at < p_now;
END $$;
COMMENT ON FUNCTION quota_relieve IS 'Store usage read from records and release the leases whose units it contains.';

-- Usage of a month from the rollups. Spend is not a number this schema can tell: null.
CREATE FUNCTION quota_used(p_account bigint, p_name text, p_period date) RETURNS bigint
LANGUAGE sql VOLATILE AS $$
    SELECT CASE p_name WHEN 'requests_per_month' THEN coalesce(sum(u.invocations), 0)::bigint
                       WHEN 'gb_seconds_per_month' THEN coalesce(sum(u.mb_ms), 0)::bigint END
      FROM usage_hourly u
     WHERE u.account_id = p_account AND u.hour >= p_period::timestamp AT TIME ZONE 'UTC'
       AND u.hour < (p_period + interval '1 month') AT TIME ZONE 'UTC'
$$;
COMMENT ON FUNCTION quota_used IS 'What usage_hourly says of a month: invocations or MB*ms.';

-- Read the truth, release what it contains. Concurrency has no truth: a silent holder keeps its slice until its calls must be over.
CREATE FUNCTION quota_reconcile(p_account bigint, p_name text, p_period date, p_now timestamptz) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    v_positions text;
    v_used bigint;
    v_start timestamptz := clock_timestamp();
BEGIN
    IF p_period = date '1970-01-01' THEN
        DELETE FROM quota_lease l WHERE l.account_id = p_account AND l.name = p_name AND l.period = p_period
           AND (l.granted = 0 AND l.expires_at < p_now OR l.expires_at + l.call_ms * interval '1 millisecond' < p_now);
        UPDATE quota_period SET used_at = p_now WHERE account_id = p_account AND name = p_name AND period = p_period;
        RETURN;
    END IF;
    v_positions := quota_positions(p_account, p_name, p_period, p_now);
    v_used := quota_used(p_account, p_name, p_period);
    IF v_used IS NOT NULL THEN
        PERFORM quota_relieve(p_account, p_name, p_period, v_positions, v_used, p_now,
                              (extract(epoch FROM clock_timestamp() - v_start) * 1000000)::bigint);
    END IF;
END $$;
COMMENT ON FUNCTION quota_reconcile IS 'Set escrow against records: read usage, release leases whose units it contains.';

-- Take, renew and return, in one call. p_sequence counts the requests of a holder for this lease from 1.
--   p_return  units given back;  p_deficit units already used without a grant (given whatever the limit says)
--   p_need    the smallest useful grant: that or nothing;  p_want what would be good to have
--   p_mark_*  units whose records all lie below a spool sequence; kept until the cursor has passed it
CREATE FUNCTION quota_lease_renew(
    p_account bigint, p_name text, p_period date, p_holder bigint, p_sequence bigint, p_node bigint, p_producer bigint,
    p_epoch bigint, p_return bigint, p_deficit bigint, p_need bigint, p_want bigint, p_spent bigint, p_idle bigint,
    p_mark_units bigint, p_mark_sequence bigint, p_ttl_ms bigint, p_call_ms bigint, p_default bigint, p_now_in timestamptz)
RETURNS TABLE (known boolean, granted bigint, mark_units bigint, limit_units bigint, used bigint, used_age_ms bigint,
               escrow bigint, others_idle bigint, nodes bigint, stale boolean, wanted boolean)
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    v_now timestamptz := coalesce(p_now_in, clock_timestamp());
    v_period quota_period%ROWTYPE;
    v_lease quota_lease%ROWTYPE;
    v_limit bigint;
    v_since timestamptz;
    v_stale boolean := false;
    v_passed boolean;
    v_escrow numeric;
    v_free bigint;
    v_idle bigint;
    v_nodes bigint;
    v_grant bigint := 0;
    v_round integer;
    v_known boolean := true;
BEGIN
    SELECT * INTO v_period FROM quota_period q
     WHERE q.account_id = p_account AND q.name = p_name AND q.period = p_period FOR UPDATE;
    IF NOT FOUND THEN
        INSERT INTO quota_period (account_id, name, period) VALUES (p_account, p_name, p_period) ON CONFLICT DO NOTHING;
        SELECT * INTO v_period FROM quota_period q
         WHERE q.account_id = p_account AND q.name = p_name AND q.period = p_period FOR UPDATE;
    END IF;
    SELECT * INTO v_lease FROM quota_lease l
     WHERE l.account_id = p_account AND l.name = p_name AND l.period = p_period AND l.holder = p_holder;
    IF NOT FOUND THEN
        -- A holder that was swept starts anew; what it remembers of the old lease is in the records by now.
        v_known := p_sequence = 1;
        INSERT INTO quota_lease (account_id, name, period, holder, node_id, producer_id, epoch, sequence, expires_at)
        VALUES (p_account, p_name, p_period, p_holder, p_node, p_producer, p_epoch, 0,
                v_now + p_ttl_ms * interval '1 millisecond')
        RETURNING * INTO v_lease;
    END IF;
    SELECT f.limit_units, f.since INTO v_limit, v_since FROM quota_limit_in_force(p_account, p_name, p_default) f;
    IF p_sequence > v_lease.sequence THEN
        IF v_known THEN
            UPDATE quota_lease l
               SET granted = l.granted - p_return + p_deficit, spent = p_spent, idle = p_idle,
                   expires_at = greatest(l.expires_at, v_now + p_ttl_ms * interval '1 millisecond')
             WHERE l.account_id = p_account AND l.name = p_name AND l.period = p_period AND l.holder = p_holder
            RETURNING * INTO v_lease;
        END IF;
        FOR v_round IN 1..2 LOOP
            SELECT coalesce(sum(l.granted - l.ingested), 0), coalesce(sum(l.idle) FILTER (WHERE l.holder <> p_holder), 0),
                   count(*) FILTER (WHERE l.expires_at > v_now OR l.holder = p_holder)
              INTO v_escrow, v_idle, v_nodes FROM quota_lease l
             WHERE l.account_id = p_account AND l.name = p_name AND l.period = p_period;
            v_free := CASE WHEN v_limit IS NULL THEN 4611686018427387904
                           ELSE greatest(v_limit - v_period.used - v_escrow, -4611686018427387904)::bigint END;
            -- How fresh usage must be: read at least once since the limit was set; now and then; soon when there is too little.
            v_stale := v_period.used_at <= v_since;
            EXIT WHEN v_round = 2 OR v_limit IS NULL OR NOT v_stale
                AND v_period.used_at + v_period.used_cost_us * interval '10 microseconds'
                    + CASE WHEN p_need > v_free THEN interval '20 milliseconds'
                           WHEN greatest(p_need, p_want) > v_free / (2 * v_nodes) THEN interval '1 second'
                           ELSE interval '5 seconds' END > v_now;
            PERFORM quota_reconcile(p_account, p_name, p_period, v_now);
            SELECT * INTO v_period FROM quota_period q
             WHERE q.account_id = p_account AND q.name = p_name AND q.period = p_period;
        END LOOP;
        -- Spend is read by the node: it has to, when there is too little and what is known is old.
        v_stale := v_stale OR (p_name = 'spend_per_month' AND v_limit IS NOT NULL
            AND v_period.used_at + v_period.used_cost_us * interval '10 microseconds'
                + CASE WHEN p_need > v_free THEN interval '20 milliseconds' ELSE interval '5 seconds' END <= v_now);
        IF v_free > 0 AND p_need <= v_free AND NOT (v_stale AND v_period.used_at <= v_since) THEN
            v_grant := least(v_free, greatest(p_need, CASE WHEN v_nodes = 1 THEN p_want
                                                          ELSE least(p_want, v_free / (2 * v_nodes)) END));
        END IF;
        -- The mark is replaced only by one set later than its own passing, so frequent requests do not push it ahead forever.
        v_passed := v_known AND (v_lease.mark_units <= greatest(v_lease.passed, v_lease.ingested) OR EXISTS (
            SELECT 1 FROM producer_cursor c WHERE c.producer_id = v_lease.producer_id AND v_lease.producer_id <> 0
               AND (c.epoch > v_lease.epoch OR (c.epoch = v_lease.epoch AND c.last_sequence >= v_lease.mark_sequence - 1))));
        UPDATE quota_lease l
           SET passed = CASE WHEN v_passed THEN greatest(l.passed, l.mark_units) ELSE l.passed END,
               mark_units = CASE WHEN v_passed THEN p_mark_units ELSE l.mark_units END,
               mark_sequence = CASE WHEN v_passed THEN p_mark_sequence ELSE l.mark_sequence END,
               granted = l.granted + v_grant, sequence = p_sequence, call_ms = greatest(l.call_ms, p_call_ms)
         WHERE l.account_id = p_account AND l.name = p_name AND l.period = p_period AND l.holder = p_holder
        RETURNING * INTO v_lease;
        v_escrow := v_escrow + v_grant;
        IF p_need > v_grant AND v_idle > 0 AND v_period.wanted_at < v_now - interval '100 milliseconds' THEN
            UPDATE quota_period SET wanted_at = v_now, wanted_by = p_holder
             WHERE account_id = p_account AND name = p_name AND period = p_period;
            PERFORM pg_notify('farthing_quota', format('want %s %s %s', p_account, p_name, p_period));
        END IF;
    ELSE
        SELECT coalesce(sum(l.granted - l.ingested), 0), coalesce(sum(l.idle) FILTER (WHERE l.holder <> p_holder), 0),
               count(*) INTO v_escrow, v_idle, v_nodes FROM quota_lease l
         WHERE l.account_id = p_account AND l.name = p_name AND l.period = p_period;
    END IF;
    RETURN QUERY SELECT v_known, v_lease.granted, v_lease.mark_units, v_limit, v_period.used,
        CASE WHEN v_period.used_at = '-infinity' THEN 9223372036854775807
             ELSE (extract(epoch FROM v_now - v_period.used_at) * 1000)::bigint END,
        least(v_escrow, 9223372036854775807)::bigint, v_idle, v_nodes, v_stale,
        v_period.wanted_at > v_now - interval '2 seconds' AND v_period.wanted_by <> p_holder;
END $$;
COMMENT ON FUNCTION quota_lease_renew IS 'One request of one holder: settle, give back, take. A re-sent one changes nothing.';

-- Tell every node that limits of an account changed (0: the defaults).
CREATE FUNCTION quota_changed(p_account bigint) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO quota_change (account_id, changed_at) VALUES (p_account, clock_timestamp())
        ON CONFLICT (account_id) DO UPDATE SET revision = quota_change.revision + 1, changed_at = clock_timestamp();
    PERFORM pg_notify('farthing_quota', format('change %s', p_account));
END $$;
COMMENT ON FUNCTION quota_changed IS 'Call it in the transaction that changes a quota or a reserved concurrency.';
