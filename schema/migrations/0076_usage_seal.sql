-- Seals: what the records of an account and UTC day were, as one hash (metering/proof.h). A seal is never changed: when late
-- records arrive the day is sealed again, in another run. An invoice stands on the seals that were there when it was issued.

CREATE TABLE seal_run (
    run_id         bigint      NOT NULL GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    day            date        NOT NULL,
    sealed_at      timestamptz NOT NULL
);
COMMENT ON TABLE seal_run IS 'One pass over the records of a day.';
COMMENT ON COLUMN seal_run.run_id IS 'A later run of a day has a higher number.';
COMMENT ON COLUMN seal_run.day IS 'UTC day.';
COMMENT ON COLUMN seal_run.sealed_at IS 'When.';

CREATE TABLE seal_cursor (
    run_id         bigint      NOT NULL,
    producer_id    bigint      NOT NULL,
    epoch          bigint      NOT NULL,
    last_sequence  bigint      NOT NULL,
    PRIMARY KEY (run_id, producer_id)
);
COMMENT ON TABLE seal_cursor IS 'How far each producer was in when a run read the records: tells those it saw from later ones.';
COMMENT ON COLUMN seal_cursor.run_id IS 'Of which run.';
COMMENT ON COLUMN seal_cursor.producer_id IS 'Spool.';
COMMENT ON COLUMN seal_cursor.epoch IS 'As in producer_cursor, then.';
COMMENT ON COLUMN seal_cursor.last_sequence IS 'As in producer_cursor, then.';

CREATE TABLE usage_seal (
    account_id     bigint      NOT NULL,
    day            date        NOT NULL,
    run_id         bigint      NOT NULL,
    sealed_at      timestamptz NOT NULL,
    counted        bigint      NOT NULL,
    records        bigint      NOT NULL,
    root           bytea       NOT NULL CHECK (length(root) = 32),
    PRIMARY KEY (account_id, day, run_id)
);
CREATE INDEX usage_seal_day_idx ON usage_seal (day, account_id);
COMMENT ON TABLE usage_seal IS 'The Merkle root over the records of an account and day, one row a run that found it changed.';
COMMENT ON COLUMN usage_seal.account_id IS 'Whose.';
COMMENT ON COLUMN usage_seal.day IS 'UTC day the invocations started in.';
COMMENT ON COLUMN usage_seal.run_id IS 'By which run.';
COMMENT ON COLUMN usage_seal.sealed_at IS 'As in seal_run: a bill asks for the seals as of its issue.';
COMMENT ON COLUMN usage_seal.counted IS 'Invocations of the day in usage_hourly then; when it differs now, the day is sealed again.';
COMMENT ON COLUMN usage_seal.records IS 'Leaves: raw records there were. Fewer than counted when raw records were dropped before.';
COMMENT ON COLUMN usage_seal.root IS 'Root of the tree of the day.';

-- The run an account's day stands on, as of an instant.
CREATE FUNCTION usage_seal_run(p_account bigint, p_day date, p_as_of timestamptz) RETURNS bigint
LANGUAGE sql STABLE AS $$
    SELECT max(s.run_id) FROM usage_seal s WHERE s.account_id = p_account AND s.day = p_day AND s.sealed_at <= p_as_of
$$;
COMMENT ON FUNCTION usage_seal_run IS 'The latest seal of an account and day that was there at an instant; null: none.';

-- The role is missing where the migrating role may not make one; then the program works as the owner.
DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'farthing_app') THEN
        REVOKE UPDATE, DELETE ON seal_run, seal_cursor, usage_seal FROM farthing_app;
    END IF;
END $$;
