-- A claim beyond the records is put right. Usage read under the lock of the period contains every unit that a lease was ever
-- relieved of, since relieving follows reading and usage_hourly only grows; so this gives nothing out twice.

CREATE FUNCTION quota_heal(p_account bigint, p_name text, p_period date) RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
    v_claimed bigint;
    v_used bigint;
BEGIN
    SELECT q.used INTO v_claimed FROM quota_period q
     WHERE q.account_id = p_account AND q.name = p_name AND q.period = p_period FOR UPDATE;
    v_used := quota_used(p_account, p_name, p_period);
    IF v_used IS NULL OR v_claimed IS NULL OR v_claimed <= v_used THEN
        RETURN 0;
    END IF;
    UPDATE quota_period SET used = v_used, used_at = clock_timestamp()
     WHERE account_id = p_account AND name = p_name AND period = p_period;
    RETURN v_claimed - v_used;
END $$;
COMMENT ON FUNCTION quota_heal IS 'Set used of requests or GB-seconds back to what usage_hourly says; returns by how much it was too high.';
