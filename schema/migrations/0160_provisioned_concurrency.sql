-- When how much provisioned concurrency was configured: what is billed for it follows from this history alone. Nothing
-- ticks, so nothing is lost or counted twice when a node is down, and a closed month gives the same digits for ever.

CREATE TABLE provisioned_period (
    account_id  bigint      NOT NULL,
    function_id bigint      NOT NULL,
    version     integer     NOT NULL,
    starts_at   timestamptz NOT NULL,
    ends_at     timestamptz,
    memory_mib  integer     NOT NULL,
    arch        smallint    NOT NULL,
    instances   integer     NOT NULL,
    PRIMARY KEY (account_id, function_id, version, starts_at)
);
COMMENT ON TABLE provisioned_period IS 'How many instances a version was told to keep ready, from when to when; written by the statements that change function_version.provisioned.';
COMMENT ON COLUMN provisioned_period.account_id IS 'Whose.';
COMMENT ON COLUMN provisioned_period.function_id IS 'Of which function.';
COMMENT ON COLUMN provisioned_period.version IS 'Of which version.';
COMMENT ON COLUMN provisioned_period.starts_at IS 'When it was configured.';
COMMENT ON COLUMN provisioned_period.ends_at IS 'When it was changed or removed, or the version deleted; null: it is in force.';
COMMENT ON COLUMN provisioned_period.memory_mib IS 'Of each instance.';
COMMENT ON COLUMN provisioned_period.arch IS '0 x86_64, 1 arm64.';
COMMENT ON COLUMN provisioned_period.instances IS 'Instances kept ready.';

INSERT INTO provisioned_period (account_id, function_id, version, starts_at, memory_mib, arch, instances)
SELECT account_id, function_id, version, now(), memory_mib, arch, provisioned FROM function_version WHERE provisioned > 0;

-- Steps of five minutes that began before an instant. A step that began is billed whole, in the month it began in: so a
-- period is rounded up to five minutes once, and its parts in two months add up to it.
CREATE FUNCTION provisioned_steps(p_start timestamptz, p_before timestamptz) RETURNS bigint
LANGUAGE sql IMMUTABLE STRICT AS $$
    SELECT greatest(0, ((extract(epoch FROM p_before - p_start) * 1000000)::bigint + 299999999) / 300000000)
$$;
COMMENT ON FUNCTION provisioned_steps IS 'Begun 5-minute steps between two instants.';

-- Rows in the shape of usage_hourly (the columns a bill needs) for what is billed of provisioned concurrency whether it is
-- called or not: provisioned is 2 there. A row for every p_step of the time asked for, with the steps that began in it.
CREATE FUNCTION provisioned_usage(p_accounts bigint[], p_from timestamptz, p_to timestamptz, p_step interval)
RETURNS TABLE (account_id bigint, hour timestamptz, function_id bigint, version integer, memory_mib integer, arch smallint,
               provisioned smallint, billed_requests bigint, mb_ms bigint, storage_mb_ms bigint, streamed_bytes bigint)
LANGUAGE sql STABLE ROWS 10 SET timezone = 'UTC' AS $$
    SELECT p.account_id, w.at, p.function_id, p.version, p.memory_mib, p.arch, 2::smallint, 0::bigint,
           s.steps * p.instances * p.memory_mib * 300000, 0::bigint, 0::bigint
      FROM provisioned_period p
     CROSS JOIN LATERAL generate_series(p_from, p_to - interval '1 microsecond', p_step) w(at)
     CROSS JOIN LATERAL (SELECT provisioned_steps(p.starts_at, least(coalesce(p.ends_at, now()), w.at + p_step, p_to))
                              - provisioned_steps(p.starts_at, w.at) AS steps) s
     WHERE p.account_id = ANY (p_accounts) AND p.starts_at < p_to AND (p.ends_at IS NULL OR p.ends_at > p_from)
       AND s.steps > 0
$$;
COMMENT ON FUNCTION provisioned_usage IS 'What configured provisioned concurrency is billed, as rows like those of usage_hourly.';

SELECT tenant_table('provisioned_period', 'SELECT, INSERT, UPDATE');
