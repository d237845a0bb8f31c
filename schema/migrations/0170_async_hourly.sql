-- What became of asynchronous events, by function and hour: Lambda's AsyncEventsReceived, AsyncEventsDropped and AsyncEventAge.
-- Nothing here is billed; what is, stands in usage_record. Each node adds what it counted once a second.

CREATE TABLE async_hourly (
    account_id  bigint      NOT NULL,
    hour        timestamptz NOT NULL,
    function_id bigint      NOT NULL,
    received    bigint      NOT NULL DEFAULT 0,
    dropped     bigint      NOT NULL DEFAULT 0,
    runs        bigint      NOT NULL DEFAULT 0,
    age_ms      bigint      NOT NULL DEFAULT 0,
    age_ms_max  bigint      NOT NULL DEFAULT 0,
    PRIMARY KEY (account_id, hour, function_id)
);
CREATE INDEX async_hourly_hour_idx ON async_hourly (hour);
COMMENT ON TABLE async_hourly IS 'Events of the asynchronous queue, counted by the nodes, in the hour they were counted in.';
COMMENT ON COLUMN async_hourly.account_id IS 'Whose.';
COMMENT ON COLUMN async_hourly.hour IS 'Its start.';
COMMENT ON COLUMN async_hourly.function_id IS 'Which function.';
COMMENT ON COLUMN async_hourly.received IS 'Put into the queue.';
COMMENT ON COLUMN async_hourly.dropped IS 'Left it without a run that succeeded: retries or age used up, or the function is gone.';
COMMENT ON COLUMN async_hourly.runs IS 'Times an event was handed to the function, retries too.';
COMMENT ON COLUMN async_hourly.age_ms IS 'Sum over runs: from the queueing of the event until it was handed to the function.';
COMMENT ON COLUMN async_hourly.age_ms_max IS 'The largest of them.';

SELECT tenant_table('async_hourly', 'SELECT');
