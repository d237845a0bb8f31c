-- Batches of usage for receivers of OpenFaaS's function_usage webhooks: how far each webhook has been told.

CREATE TABLE usage_feed (
    account_id     bigint      NOT NULL,
    webhook_id     bigint      NOT NULL,
    started_at     timestamptz NOT NULL,
    request_id     uuid        NOT NULL DEFAULT '00000000-0000-0000-0000-000000000000',
    attempt        smallint    NOT NULL DEFAULT 0,
    PRIMARY KEY (account_id, webhook_id),
    FOREIGN KEY (account_id, webhook_id) REFERENCES webhook (account_id, webhook_id) ON DELETE CASCADE
);
COMMENT ON TABLE usage_feed IS 'Webhooks that named event function_usage: the last invocation in a batch that was queued for them.';
COMMENT ON COLUMN usage_feed.account_id IS 'Whose.';
COMMENT ON COLUMN usage_feed.webhook_id IS 'Which webhook.';
COMMENT ON COLUMN usage_feed.started_at IS 'Start of the last invocation told; at first when the webhook was made.';
COMMENT ON COLUMN usage_feed.request_id IS 'Of that invocation.';
COMMENT ON COLUMN usage_feed.attempt IS 'Of that invocation.';
