-- A month of an account is read as days, not as hours: usage_daily has the exact sums of usage_hourly for days that are
-- over. Nothing is added to it while records are stored; it is made afterwards, and what is made is used only while it
-- is known to be what usage_hourly says (metering/daily.h has the argument).

CREATE TABLE usage_daily (
    account_id     bigint      NOT NULL,
    day            timestamptz NOT NULL,
    function_id    bigint      NOT NULL,
    version        integer     NOT NULL,
    memory_mib     integer     NOT NULL,
    arch           smallint    NOT NULL,
    provisioned    smallint    NOT NULL,
    invocations    bigint      NOT NULL,
    billed_requests bigint     NOT NULL,
    errors         bigint      NOT NULL,
    timeouts       bigint      NOT NULL,
    ooms           bigint      NOT NULL,
    init_errors    bigint      NOT NULL,
    killed         bigint      NOT NULL,
    throttles      bigint      NOT NULL,
    cold_starts    bigint      NOT NULL,
    billed_ms      bigint      NOT NULL,
    mb_ms          bigint      NOT NULL,
    storage_mb_ms  bigint      NOT NULL,
    streamed_bytes bigint      NOT NULL,
    duration_us    bigint      NOT NULL,
    init_us        bigint      NOT NULL,
    cpu_us         bigint      NOT NULL,
    response_bytes bigint      NOT NULL,
    peak_kib_sum   bigint      NOT NULL,
    peak_kib_max   bigint      NOT NULL,
    latency        numeric     NOT NULL,
    PRIMARY KEY (account_id, day, function_id, version, memory_mib, arch, provisioned)
);
COMMENT ON TABLE usage_daily IS 'Exact sums of usage_hourly by UTC day, for days that are over; good where usage_day says so.';
COMMENT ON COLUMN usage_daily.account_id IS 'Whose.';
COMMENT ON COLUMN usage_daily.day IS 'Start of the UTC day.';
COMMENT ON COLUMN usage_daily.function_id IS 'As in usage_hourly.';
COMMENT ON COLUMN usage_daily.version IS 'As in usage_hourly.';
COMMENT ON COLUMN usage_daily.memory_mib IS 'As in usage_hourly.';
COMMENT ON COLUMN usage_daily.arch IS 'As in usage_hourly.';
COMMENT ON COLUMN usage_daily.provisioned IS 'As in usage_hourly.';
COMMENT ON COLUMN usage_daily.invocations IS 'Sum of the day.';
COMMENT ON COLUMN usage_daily.billed_requests IS 'Sum of the day.';
COMMENT ON COLUMN usage_daily.errors IS 'Sum of the day.';
COMMENT ON COLUMN usage_daily.timeouts IS 'Sum of the day.';
COMMENT ON COLUMN usage_daily.ooms IS 'Sum of the day.';
COMMENT ON COLUMN usage_daily.init_errors IS 'Sum of the day.';
COMMENT ON COLUMN usage_daily.killed IS 'Sum of the day.';
COMMENT ON COLUMN usage_daily.throttles IS 'Sum of the day.';
COMMENT ON COLUMN usage_daily.cold_starts IS 'Sum of the day.';
COMMENT ON COLUMN usage_daily.billed_ms IS 'Sum of the day.';
COMMENT ON COLUMN usage_daily.mb_ms IS 'Sum of the day.';
COMMENT ON COLUMN usage_daily.storage_mb_ms IS 'Sum of the day.';
COMMENT ON COLUMN usage_daily.streamed_bytes IS 'Sum of the day.';
COMMENT ON COLUMN usage_daily.duration_us IS 'Sum of the day.';
COMMENT ON COLUMN usage_daily.init_us IS 'Sum of the day.';
COMMENT ON COLUMN usage_daily.cpu_us IS 'Sum of the day.';
COMMENT ON COLUMN usage_daily.response_bytes IS 'Sum of the day.';
COMMENT ON COLUMN usage_daily.peak_kib_sum IS 'Sum of the day.';
COMMENT ON COLUMN usage_daily.peak_kib_max IS 'Highest of the day.';
COMMENT ON COLUMN usage_daily.latency IS 'Sum of the histograms of the day.';

CREATE TABLE usage_day (
    account_id bigint      NOT NULL,
    day        timestamptz NOT NULL,
    generation bigint      NOT NULL DEFAULT 0,
    summed     bigint,
    changed_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (account_id, day)
);
COMMENT ON TABLE usage_day IS 'Whether the rows of usage_daily of an account and day are what usage_hourly says: where summed = generation.';
COMMENT ON COLUMN usage_day.account_id IS 'Whose.';
COMMENT ON COLUMN usage_day.day IS 'Start of the UTC day.';
COMMENT ON COLUMN usage_day.generation IS 'Counts the batches that changed usage_hourly of that day after it was declared over.';
COMMENT ON COLUMN usage_day.summed IS 'The generation usage_daily was made of; null: it was not made yet.';
COMMENT ON COLUMN usage_day.changed_at IS 'When the last of these batches was stored.';
CREATE INDEX usage_day_due_idx ON usage_day (account_id, day) WHERE summed IS DISTINCT FROM generation;

CREATE TABLE usage_daily_state (
    one     boolean PRIMARY KEY DEFAULT true CHECK (one),
    through timestamptz,
    marked  timestamptz
);
INSERT INTO usage_daily_state DEFAULT VALUES;
COMMENT ON TABLE usage_daily_state IS 'One row: how far days are declared over.';
COMMENT ON COLUMN usage_daily_state.one IS 'Always true.';
COMMENT ON COLUMN usage_daily_state.through IS 'Start of the last day that is declared over: who changes usage_hourly of it says so in usage_day.';
COMMENT ON COLUMN usage_daily_state.marked IS 'Start of the last day of which every account with usage has its row in usage_day.';

ALTER TABLE producer_cursor ADD COLUMN daily_through timestamptz;
COMMENT ON COLUMN producer_cursor.daily_through IS 'usage_daily_state.through as batches of this producer know it: they read it with the row that they move.';

SELECT tenant_table('usage_daily', 'SELECT');
SELECT tenant_table('usage_day', 'SELECT');
DO $$ BEGIN
    IF EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'farthing_tenant') THEN
        GRANT SELECT ON usage_daily_state TO farthing_tenant;
    END IF;
END $$;
