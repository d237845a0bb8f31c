-- Usage: raw records, hourly rollups, cursors. No prices here.

CREATE TABLE usage_record (
    account_id     bigint      NOT NULL,
    started_at     timestamptz NOT NULL,
    function_id    bigint      NOT NULL,
    request_id     uuid        NOT NULL,
    duration_us    bigint      NOT NULL,
    init_us        bigint      NOT NULL,
    cpu_us         bigint      NOT NULL,
    response_bytes bigint      NOT NULL,
    producer_id    bigint      NOT NULL,
    sequence       bigint      NOT NULL,
    billed_ms      integer     NOT NULL,
    memory_mib     integer     NOT NULL,
    peak_kib       integer     NOT NULL,
    version        integer     NOT NULL,
    ephemeral_mib  integer     NOT NULL,
    billed_requests integer    NOT NULL,
    epoch          integer     NOT NULL,
    node_id        integer     NOT NULL,
    attempt        smallint    NOT NULL,
    status         smallint    NOT NULL,
    flags          smallint    NOT NULL
) PARTITION BY RANGE (started_at);
COMMENT ON TABLE usage_record IS 'One row an invocation attempt, as metering/record.h defines it. Partitioned by UTC day; unique index on (account_id, request_id, attempt) only on closed days (0006).';
COMMENT ON COLUMN usage_record.account_id IS 'Whose.';
COMMENT ON COLUMN usage_record.started_at IS 'When the event was handed to the function.';
COMMENT ON COLUMN usage_record.function_id IS 'Which function.';
COMMENT ON COLUMN usage_record.request_id IS 'With attempt: the identity of the invocation.';
COMMENT ON COLUMN usage_record.duration_us IS 'Host-side CLOCK_MONOTONIC.';
COMMENT ON COLUMN usage_record.init_us IS 'Initialisation of a cold start, else 0.';
COMMENT ON COLUMN usage_record.cpu_us IS 'CPU time, measured by the kernel.';
COMMENT ON COLUMN usage_record.response_bytes IS 'Bytes of the response.';
COMMENT ON COLUMN usage_record.producer_id IS 'Spool it came through.';
COMMENT ON COLUMN usage_record.sequence IS 'Its place in that spool and epoch.';
COMMENT ON COLUMN usage_record.billed_ms IS 'Rounded once, by the policy in force.';
COMMENT ON COLUMN usage_record.memory_mib IS 'Configured memory.';
COMMENT ON COLUMN usage_record.peak_kib IS 'Measured peak.';
COMMENT ON COLUMN usage_record.version IS 'Function version; 0 is $LATEST.';
COMMENT ON COLUMN usage_record.ephemeral_mib IS 'Configured /tmp size.';
COMMENT ON COLUMN usage_record.billed_requests IS 'Requests this counts as (1; more for large asynchronous events).';
COMMENT ON COLUMN usage_record.epoch IS 'Start of its producer.';
COMMENT ON COLUMN usage_record.node_id IS 'Where it ran.';
COMMENT ON COLUMN usage_record.attempt IS '1 for the first run; retries keep the request id.';
COMMENT ON COLUMN usage_record.status IS 'enum usage_status.';
COMMENT ON COLUMN usage_record.flags IS 'USAGE_FLAG_*.';

CREATE TABLE usage_hourly (
    account_id     bigint      NOT NULL,
    hour           timestamptz NOT NULL,
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
    PRIMARY KEY (account_id, hour, function_id, version, memory_mib, arch, provisioned)
) WITH (fillfactor = 70);
COMMENT ON TABLE usage_hourly IS 'Exact sums of usage_record by UTC hour of the start; the source of every usage answer and every bill.';
COMMENT ON COLUMN usage_hourly.account_id IS 'Whose.';
COMMENT ON COLUMN usage_hourly.hour IS 'Start of the hour.';
COMMENT ON COLUMN usage_hourly.function_id IS 'Which function.';
COMMENT ON COLUMN usage_hourly.version IS 'Which version; 0 is $LATEST.';
COMMENT ON COLUMN usage_hourly.memory_mib IS 'Configured memory.';
COMMENT ON COLUMN usage_hourly.arch IS '0 x86_64, 1 arm64.';
COMMENT ON COLUMN usage_hourly.provisioned IS '1: ran on provisioned concurrency (priced apart), else 0.';
COMMENT ON COLUMN usage_hourly.invocations IS 'Records.';
COMMENT ON COLUMN usage_hourly.billed_requests IS 'The billed quantity of requests.';
COMMENT ON COLUMN usage_hourly.errors IS 'Records of any status but ok.';
COMMENT ON COLUMN usage_hourly.timeouts IS 'Records of status timeout.';
COMMENT ON COLUMN usage_hourly.ooms IS 'Records of status out_of_memory.';
COMMENT ON COLUMN usage_hourly.init_errors IS 'Records of status init_error.';
COMMENT ON COLUMN usage_hourly.killed IS 'Records of status killed.';
COMMENT ON COLUMN usage_hourly.throttles IS 'Calls refused; never billed, not in invocations.';
COMMENT ON COLUMN usage_hourly.cold_starts IS 'Records with the cold flag.';
COMMENT ON COLUMN usage_hourly.billed_ms IS 'Sum.';
COMMENT ON COLUMN usage_hourly.mb_ms IS 'Sum of memory_mib * billed_ms: the billed quantity of compute. GB-s = mb_ms / 1024000.';
COMMENT ON COLUMN usage_hourly.storage_mb_ms IS 'Sum of (ephemeral_mib - 512) * billed_ms where positive.';
COMMENT ON COLUMN usage_hourly.streamed_bytes IS 'Sum of response bytes beyond 6 MiB of streamed responses.';
COMMENT ON COLUMN usage_hourly.duration_us IS 'Sum.';
COMMENT ON COLUMN usage_hourly.init_us IS 'Sum.';
COMMENT ON COLUMN usage_hourly.cpu_us IS 'Sum.';
COMMENT ON COLUMN usage_hourly.response_bytes IS 'Sum.';
COMMENT ON COLUMN usage_hourly.peak_kib_sum IS 'Sum of peaks (average = sum / invocations).';
COMMENT ON COLUMN usage_hourly.peak_kib_max IS 'Highest peak.';
COMMENT ON COLUMN usage_hourly.latency IS 'Histogram of duration_us as one number: bucket b counts in units of 10^(12*b) (metering/latency.h), so adding rows adds histograms.';

CREATE TABLE usage_refusal (
    account_id     bigint      NOT NULL,
    hour           timestamptz NOT NULL,
    function_id    bigint      NOT NULL,
    reason         smallint    NOT NULL,
    refusals       bigint      NOT NULL,
    PRIMARY KEY (account_id, hour, function_id, reason)
);
COMMENT ON TABLE usage_refusal IS 'Refused calls by reason (enum usage_refusal_reason); exact like records, never billed.';
COMMENT ON COLUMN usage_refusal.account_id IS 'Whose.';
COMMENT ON COLUMN usage_refusal.hour IS 'UTC hour.';
COMMENT ON COLUMN usage_refusal.function_id IS 'Which function; 0 unknown.';
COMMENT ON COLUMN usage_refusal.reason IS 'enum usage_refusal_reason.';
COMMENT ON COLUMN usage_refusal.refusals IS 'How many.';

CREATE TABLE producer_cursor (
    producer_id    bigint      NOT NULL PRIMARY KEY,
    epoch          bigint      NOT NULL,
    last_sequence  bigint      NOT NULL,
    node_id        bigint      NOT NULL DEFAULT 0,
    complete_through timestamptz,
    late_pending   bigint      NOT NULL DEFAULT 0,
    updated_at     timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 10);
COMMENT ON TABLE producer_cursor IS 'How far each spool is in: the one thing that makes ingest exactly-once.';
COMMENT ON COLUMN producer_cursor.producer_id IS 'Random, given when the spool is made.';
COMMENT ON COLUMN producer_cursor.epoch IS 'Counts the starts of the producer.';
COMMENT ON COLUMN producer_cursor.last_sequence IS 'Last sequence stored; -1: none of this epoch yet.';
COMMENT ON COLUMN producer_cursor.node_id IS 'Node that owns the spool; 0: another runtime.';
COMMENT ON COLUMN producer_cursor.complete_through IS 'Everything this producer emitted before this instant is stored. Null: retired, it holds nothing back.';
COMMENT ON COLUMN producer_cursor.late_pending IS 'Records known to be in the spool and not yet stored.';
COMMENT ON COLUMN producer_cursor.updated_at IS 'When the aggregator last said so.';

CREATE TABLE spool_hole (
    producer_id    bigint      NOT NULL,
    epoch          bigint      NOT NULL,
    sequence       bigint      NOT NULL,
    slots          bigint      NOT NULL,
    reason         text        NOT NULL,
    found_at       timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (producer_id, epoch, sequence)
);
COMMENT ON TABLE spool_hole IS 'Slots that hold no valid record: claimed by a writer that died, or damaged on disk.';
COMMENT ON COLUMN spool_hole.producer_id IS 'Spool.';
COMMENT ON COLUMN spool_hole.epoch IS 'Start of the producer.';
COMMENT ON COLUMN spool_hole.sequence IS 'First slot.';
COMMENT ON COLUMN spool_hole.slots IS 'How many.';
COMMENT ON COLUMN spool_hole.reason IS 'unwritten or damaged.';
COMMENT ON COLUMN spool_hole.found_at IS 'When the aggregator passed it.';
