-- How asynchronous invocations of a function are retried, and where their outcome goes.

CREATE TABLE event_invoke_config (
    account_id     bigint      NOT NULL,
    function_id    bigint      NOT NULL,
    qualifier      text        NOT NULL,
    retries_max    integer     CHECK (retries_max BETWEEN 0 AND 2),
    age_max_s      integer     CHECK (age_max_s BETWEEN 60 AND 21600),
    on_success     text        NOT NULL DEFAULT '',
    on_failure     text        NOT NULL DEFAULT '',
    modified_at    timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (account_id, function_id, qualifier),
    FOREIGN KEY (account_id, function_id) REFERENCES function (account_id, function_id)
);
COMMENT ON TABLE event_invoke_config IS 'Lambda''s event-invoke configuration, of $LATEST, a version or an alias.';
COMMENT ON COLUMN event_invoke_config.account_id IS 'Whose.';
COMMENT ON COLUMN event_invoke_config.function_id IS 'Of which function.';
COMMENT ON COLUMN event_invoke_config.qualifier IS '$LATEST, a number or an alias.';
COMMENT ON COLUMN event_invoke_config.retries_max IS 'Runs after the first failed one; null: 2.';
COMMENT ON COLUMN event_invoke_config.age_max_s IS 'An older event is not run any more; null: 21600.';
COMMENT ON COLUMN event_invoke_config.on_success IS 'ARN of a function, or wh_N or the URL of a webhook; empty: nowhere.';
COMMENT ON COLUMN event_invoke_config.on_failure IS 'Likewise, when the retries or the age are used up.';
COMMENT ON COLUMN event_invoke_config.modified_at IS 'Last change.';

ALTER TABLE async_event ADD COLUMN hops integer NOT NULL DEFAULT 0;
COMMENT ON COLUMN async_event.hops IS 'How many destinations led here: functions that send each other events stop.';
