-- What a batch adds to a row of usage_hourly. One array of these costs PostgreSQL a fifth of what an array for each of
-- its columns costs. A type of its own, not the row type of the table: the table may grow columns, a program in flight not.

CREATE TYPE usage_hourly_delta AS (
    account_id     bigint,
    hour           timestamptz,
    function_id    bigint,
    version        bigint,
    memory_mib     bigint,
    arch           bigint,
    provisioned    bigint,
    invocations    bigint,
    billed_requests bigint,
    errors         bigint,
    timeouts       bigint,
    ooms           bigint,
    init_errors    bigint,
    killed         bigint,
    throttles      bigint,
    cold_starts    bigint,
    billed_ms      bigint,
    mb_ms          bigint,
    storage_mb_ms  bigint,
    streamed_bytes bigint,
    duration_us    bigint,
    init_us        bigint,
    cpu_us         bigint,
    response_bytes bigint,
    peak_kib_sum   bigint,
    peak_kib_max   bigint,
    latency        numeric
);
COMMENT ON TYPE usage_hourly_delta IS 'A row of usage_hourly as the aggregator sends it: bound as one binary array.';
