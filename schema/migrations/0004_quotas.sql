-- Quotas: limits, escrow by period, leases of nodes.

CREATE TABLE quota (
    account_id     bigint      NOT NULL,
    name           text        NOT NULL,
    limit_text     text        NOT NULL,
    limit_units    numeric(38) NOT NULL CHECK (limit_units >= 0),
    action         text        NOT NULL DEFAULT 'block' CHECK (action IN ('block', 'notify')),
    thresholds     integer[]   NOT NULL DEFAULT '{50,80,100}',
    revision       bigint      NOT NULL DEFAULT 1,
    updated_at     timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (account_id, name)
);
COMMENT ON TABLE quota IS 'Limits of an account; account_id 0 holds the defaults of the operator.';
COMMENT ON COLUMN quota.account_id IS 'Whose; 0: default for all that have none of their own.';
COMMENT ON COLUMN quota.name IS 'concurrency, requests_per_second, requests_per_month, gb_seconds_per_month, spend_per_month, memory_mb, functions, code_bytes, async_queue.';
COMMENT ON COLUMN quota.limit_text IS 'As the person wrote it, normalised decimal.';
COMMENT ON COLUMN quota.limit_units IS 'In units of the quota: invocations, MB*ms, 10^-12 of the currency, ...';
COMMENT ON COLUMN quota.action IS 'block refuses; notify only tells.';
COMMENT ON COLUMN quota.thresholds IS 'Per cent of the limit at which a notice fires, once a period.';
COMMENT ON COLUMN quota.revision IS 'The ETag.';
COMMENT ON COLUMN quota.updated_at IS 'Last change.';

CREATE TABLE quota_change (
    account_id     bigint      NOT NULL PRIMARY KEY,
    revision       bigint      NOT NULL DEFAULT 1,
    changed_at     timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX quota_change_at_idx ON quota_change (changed_at);
COMMENT ON TABLE quota_change IS 'Which accounts'' limits changed lately: what nodes poll when a notification was lost.';
COMMENT ON COLUMN quota_change.account_id IS 'Whose; 0: the defaults, so everybody''s.';
COMMENT ON COLUMN quota_change.revision IS 'Grows with each change of any quota or reserved concurrency of the account, removals too.';
COMMENT ON COLUMN quota_change.changed_at IS 'When.';

CREATE TABLE quota_period (
    account_id     bigint      NOT NULL,
    name           text        NOT NULL,
    period         date        NOT NULL,
    used           bigint      NOT NULL DEFAULT 0 CHECK (used >= 0),
    used_at        timestamptz NOT NULL DEFAULT '-infinity',
    used_cost_us   bigint      NOT NULL DEFAULT 0,
    wanted_at      timestamptz NOT NULL DEFAULT '-infinity',
    wanted_by      bigint      NOT NULL DEFAULT 0,
    PRIMARY KEY (account_id, name, period)
) WITH (fillfactor = 50);
COMMENT ON TABLE quota_period IS 'Escrow of one limit: its row is the lock under which slices are given out.';
COMMENT ON COLUMN quota_period.account_id IS 'Whose.';
COMMENT ON COLUMN quota_period.name IS 'Quota, or function:N for the reserved concurrency of a function.';
COMMENT ON COLUMN quota_period.period IS 'First day of the UTC month; 1970-01-01 for limits that do not reset.';
COMMENT ON COLUMN quota_period.used IS 'What usage_hourly said at used_at: read from records, never counted here.';
COMMENT ON COLUMN quota_period.used_at IS 'When it was read.';
COMMENT ON COLUMN quota_period.used_cost_us IS 'How long reading took: it is read again no sooner than ten times that.';
COMMENT ON COLUMN quota_period.wanted_at IS 'When a node last asked for more than there was; others then give back what lies idle.';
COMMENT ON COLUMN quota_period.wanted_by IS 'Which holder asked.';

CREATE TABLE quota_lease (
    account_id     bigint      NOT NULL,
    name           text        NOT NULL,
    period         date        NOT NULL,
    holder         bigint      NOT NULL,
    node_id        bigint      NOT NULL,
    producer_id    bigint      NOT NULL,
    epoch          bigint      NOT NULL,
    sequence       bigint      NOT NULL,
    granted        bigint      NOT NULL DEFAULT 0 CHECK (granted >= 0),
    spent          bigint      NOT NULL DEFAULT 0 CHECK (spent >= 0),
    idle           bigint      NOT NULL DEFAULT 0,
    mark_units     bigint      NOT NULL DEFAULT 0,
    mark_sequence  bigint      NOT NULL DEFAULT 0,
    passed         bigint      NOT NULL DEFAULT 0,
    ingested       bigint      NOT NULL DEFAULT 0,
    call_ms        bigint      NOT NULL DEFAULT 0,
    expires_at     timestamptz NOT NULL,
    over_at        timestamptz,
    PRIMARY KEY (account_id, name, period, holder),
    FOREIGN KEY (account_id, name, period) REFERENCES quota_period (account_id, name, period),
    CHECK (ingested <= granted)
) WITH (fillfactor = 50);
CREATE INDEX quota_lease_expiry_idx ON quota_lease (expires_at);
COMMENT ON TABLE quota_lease IS 'A slice of a limit that one node may spend without asking; granted - ingested is out of the limit.';
COMMENT ON COLUMN quota_lease.account_id IS 'Whose.';
COMMENT ON COLUMN quota_lease.name IS 'As quota_period.name.';
COMMENT ON COLUMN quota_lease.period IS 'As quota_period.period.';
COMMENT ON COLUMN quota_lease.holder IS 'One run of one node: random at each start.';
COMMENT ON COLUMN quota_lease.node_id IS 'Node.';
COMMENT ON COLUMN quota_lease.producer_id IS 'Spool of the holder; 0: none.';
COMMENT ON COLUMN quota_lease.epoch IS 'Of the spool.';
COMMENT ON COLUMN quota_lease.sequence IS 'Number of the last request: a re-sent one changes nothing and gets the same answer.';
COMMENT ON COLUMN quota_lease.granted IS 'Units given so far, less those given back.';
COMMENT ON COLUMN quota_lease.spent IS 'Units of finished calls at the last request.';
COMMENT ON COLUMN quota_lease.idle IS 'Units nobody used at the last request.';
COMMENT ON COLUMN quota_lease.mark_units IS 'Units of finished calls whose records all have a sequence below mark_sequence.';
COMMENT ON COLUMN quota_lease.mark_sequence IS 'When the cursor of the spool is there, mark_units are in usage_hourly.';
COMMENT ON COLUMN quota_lease.passed IS 'Units of earlier marks: in usage_hourly, perhaps not yet in quota_period.used.';
COMMENT ON COLUMN quota_lease.ingested IS 'Units known to be in usage_hourly, and so in quota_period.used.';
COMMENT ON COLUMN quota_lease.call_ms IS 'Longest a call admitted under it can last.';
COMMENT ON COLUMN quota_lease.over_at IS 'The node started again then, by its own clock: the holder is gone.';
COMMENT ON COLUMN quota_lease.expires_at IS 'Then forfeit until the spool of the holder is known to be in.';

CREATE TABLE quota_notice (
    account_id     bigint      NOT NULL,
    name           text        NOT NULL,
    period         date        NOT NULL,
    threshold      integer     NOT NULL,
    fired_at       timestamptz NOT NULL DEFAULT now(),
    used_text      text        NOT NULL,
    limit_text     text        NOT NULL,
    PRIMARY KEY (account_id, name, period, threshold)
);
COMMENT ON TABLE quota_notice IS 'Thresholds crossed: a row is the proof that a notice fired, once.';
COMMENT ON COLUMN quota_notice.account_id IS 'Whose.';
COMMENT ON COLUMN quota_notice.name IS 'Quota.';
COMMENT ON COLUMN quota_notice.period IS 'First day of the UTC month.';
COMMENT ON COLUMN quota_notice.threshold IS 'Per cent.';
COMMENT ON COLUMN quota_notice.fired_at IS 'When.';
COMMENT ON COLUMN quota_notice.used_text IS 'Use at that moment.';
COMMENT ON COLUMN quota_notice.limit_text IS 'Limit at that moment.';

CREATE TABLE webhook (
    account_id     bigint      NOT NULL,
    webhook_id     bigint      GENERATED ALWAYS AS IDENTITY,
    url            text        NOT NULL,
    secret         bytea       NOT NULL,
    events         text[]      NOT NULL DEFAULT '{}',
    enabled        boolean     NOT NULL DEFAULT true,
    created_at     timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (account_id, webhook_id)
);
COMMENT ON TABLE webhook IS 'Where an account wants to hear of things.';
COMMENT ON COLUMN webhook.account_id IS 'Whose.';
COMMENT ON COLUMN webhook.webhook_id IS 'Shown as wh_N.';
COMMENT ON COLUMN webhook.url IS 'http or https.';
COMMENT ON COLUMN webhook.secret IS 'HMAC key, encrypted with the node key.';
COMMENT ON COLUMN webhook.events IS 'Event types; empty: all.';
COMMENT ON COLUMN webhook.enabled IS 'Off keeps the queue but sends nothing.';
COMMENT ON COLUMN webhook.created_at IS 'When.';

CREATE TABLE webhook_delivery (
    account_id     bigint      NOT NULL,
    delivery_id    uuid        NOT NULL,
    webhook_id     bigint      NOT NULL,
    event_type     text        NOT NULL,
    body           bytea       NOT NULL,
    attempts       integer     NOT NULL DEFAULT 0,
    due_at         timestamptz NOT NULL DEFAULT now(),
    delivered_at   timestamptz,
    gave_up_at     timestamptz,
    last_status    integer,
    last_error     text        NOT NULL DEFAULT '',
    created_at     timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (account_id, delivery_id),
    FOREIGN KEY (account_id, webhook_id) REFERENCES webhook (account_id, webhook_id) ON DELETE CASCADE
);
CREATE INDEX webhook_delivery_due_idx ON webhook_delivery (due_at) WHERE delivered_at IS NULL AND gave_up_at IS NULL;
COMMENT ON TABLE webhook_delivery IS 'Queue and log of webhook calls.';
COMMENT ON COLUMN webhook_delivery.account_id IS 'Whose.';
COMMENT ON COLUMN webhook_delivery.delivery_id IS 'The id of the CloudEvent.';
COMMENT ON COLUMN webhook_delivery.webhook_id IS 'Where to.';
COMMENT ON COLUMN webhook_delivery.event_type IS 'CloudEvents type.';
COMMENT ON COLUMN webhook_delivery.body IS 'What is sent, byte for byte.';
COMMENT ON COLUMN webhook_delivery.attempts IS 'So far.';
COMMENT ON COLUMN webhook_delivery.due_at IS 'Next attempt.';
COMMENT ON COLUMN webhook_delivery.delivered_at IS 'When a 2xx came.';
COMMENT ON COLUMN webhook_delivery.gave_up_at IS 'When no further attempt was made.';
COMMENT ON COLUMN webhook_delivery.last_status IS 'Last HTTP status.';
COMMENT ON COLUMN webhook_delivery.last_error IS 'Last failure in words.';
COMMENT ON COLUMN webhook_delivery.created_at IS 'When it was queued.';
