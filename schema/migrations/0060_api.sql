-- What the API keeps for itself: the epoch of its caches, and the claims of reported events.

CREATE TABLE auth_epoch (
    one            integer     NOT NULL PRIMARY KEY CHECK (one = 1),
    epoch          bigint      NOT NULL
);
INSERT INTO auth_epoch (one, epoch) VALUES (1, 1);
COMMENT ON TABLE auth_epoch IS 'Grows with each change that nodes may have cached (a key revoked, an account suspended); nodes look at it twice a second.';
COMMENT ON COLUMN auth_epoch.one IS 'Always 1.';
COMMENT ON COLUMN auth_epoch.epoch IS 'Grows.';

CREATE TABLE event_claim (
    account_id     bigint      NOT NULL,
    request_id     uuid        NOT NULL,
    state          text        NOT NULL DEFAULT 'claimed' CHECK (state IN ('claimed', 'stored')),
    claimed_at     timestamptz NOT NULL DEFAULT now(),
    started_at     timestamptz NOT NULL,
    PRIMARY KEY (account_id, request_id)
);
CREATE INDEX event_claim_age_idx ON event_claim (claimed_at);
COMMENT ON TABLE event_claim IS 'Usage events of other runtimes by identity (hash of source and id): an event reported twice is counted once.';
COMMENT ON COLUMN event_claim.account_id IS 'Whose.';
COMMENT ON COLUMN event_claim.request_id IS 'Hash of the source and id of the event; also the request id of its record.';
COMMENT ON COLUMN event_claim.state IS 'claimed: being handed to the spool; stored: it is in the spool or further.';
COMMENT ON COLUMN event_claim.claimed_at IS 'An old claim that is not stored is looked up in usage_record before it is tried again.';
COMMENT ON COLUMN event_claim.started_at IS 'Start of the invocation: the partition to look in.';
