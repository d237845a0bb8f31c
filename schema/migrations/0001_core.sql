-- Accounts, keys, nodes and the audit log.
--
-- Rules that hold in every migration, so that the schema can be distributed by account_id (citus.sql) without a change:
-- account_id bigint leads every primary key, unique constraint and foreign key of every big table; sequences are bigint;
-- no triggers; no statement needs a lock across accounts.

CREATE TABLE account (
    account_id    bigint      NOT NULL PRIMARY KEY,
    name          text        NOT NULL,
    display_name  text        NOT NULL DEFAULT '',
    currency      text        NOT NULL DEFAULT 'USD',
    state         text        NOT NULL DEFAULT 'active' CHECK (state IN ('active', 'suspended', 'closed')),
    price_book    text        NOT NULL DEFAULT 'default',
    billing       jsonb       NOT NULL DEFAULT '{}',
    tags          jsonb       NOT NULL DEFAULT '{}',
    revision      bigint      NOT NULL DEFAULT 1,
    created_at    timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE account IS 'A tenant: who deploys functions and who is billed.';
COMMENT ON COLUMN account.account_id IS 'Twelve digits from 100000000001; also the account field of ARNs.';
COMMENT ON COLUMN account.name IS 'What people type; unique through account_name.';
COMMENT ON COLUMN account.display_name IS 'What bills print; empty: name.';
COMMENT ON COLUMN account.currency IS 'ISO 4217; must be the currency of its price book.';
COMMENT ON COLUMN account.state IS 'suspended: nothing runs, bills go on; closed: history only.';
COMMENT ON COLUMN account.price_book IS 'Name of the price book that rates this account.';
COMMENT ON COLUMN account.billing IS 'Postal address, tax ids, payment terms: printed on invoices.';
COMMENT ON COLUMN account.tags IS 'Flat object of strings.';
COMMENT ON COLUMN account.revision IS 'Grows with each change; the ETag.';
COMMENT ON COLUMN account.created_at IS 'When it was made.';

CREATE TABLE account_name (
    name          text        NOT NULL PRIMARY KEY,
    account_id    bigint      NOT NULL
);
COMMENT ON TABLE account_name IS 'Account by name; kept apart so that uniqueness of names needs no global constraint on account.';
COMMENT ON COLUMN account_name.name IS 'As account.name.';
COMMENT ON COLUMN account_name.account_id IS 'As account.account_id.';

CREATE SEQUENCE account_id_seq AS bigint START 100000000001 MINVALUE 100000000001 MAXVALUE 999999999999;

CREATE TABLE api_key (
    key_id        bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    account_id    bigint,
    scope         text        NOT NULL CHECK (scope IN ('admin', 'account', 'read')),
    name          text        NOT NULL DEFAULT '',
    prefix        text        NOT NULL,
    secret_sha256 bytea       NOT NULL UNIQUE,
    sigv4_id      text        UNIQUE,
    sigv4_secret  bytea,
    created_at    timestamptz NOT NULL DEFAULT now(),
    expires_at    timestamptz,
    revoked_at    timestamptz,
    last_used_at  timestamptz,
    CHECK ((scope = 'admin') = (account_id IS NULL))
);
COMMENT ON TABLE api_key IS 'Who may call the API. Small: a reference table when distributed.';
COMMENT ON COLUMN api_key.key_id IS 'Shown as key_N.';
COMMENT ON COLUMN api_key.account_id IS 'The one account it opens; null for admin keys.';
COMMENT ON COLUMN api_key.scope IS 'admin: everything; account: its account; read: its account, GET only.';
COMMENT ON COLUMN api_key.name IS 'A note of its owner.';
COMMENT ON COLUMN api_key.prefix IS 'First characters of the key, to recognise it.';
COMMENT ON COLUMN api_key.secret_sha256 IS 'SHA-256 of the key; the key itself is shown once and not kept.';
COMMENT ON COLUMN api_key.sigv4_id IS 'AWS access key id of the pair, when it has one.';
COMMENT ON COLUMN api_key.sigv4_secret IS 'AWS secret key, encrypted with the node key: verifying SigV4 needs the secret itself.';
COMMENT ON COLUMN api_key.created_at IS 'When it was made.';
COMMENT ON COLUMN api_key.expires_at IS 'Refused from then on; null: never.';
COMMENT ON COLUMN api_key.revoked_at IS 'Refused from then on.';
COMMENT ON COLUMN api_key.last_used_at IS 'Written at most once a minute.';

CREATE TABLE node (
    node_id       bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name          text        NOT NULL UNIQUE,
    address       text        NOT NULL DEFAULT '',
    version       text        NOT NULL DEFAULT '',
    started_at    timestamptz NOT NULL DEFAULT now(),
    seen_at       timestamptz NOT NULL DEFAULT now(),
    status        jsonb       NOT NULL DEFAULT '{}'
);
COMMENT ON TABLE node IS 'Processes of farthing serve; a reference table when distributed.';
COMMENT ON COLUMN node.node_id IS 'In every usage record and lease.';
COMMENT ON COLUMN node.name IS 'Kept in the data directory, so a restart is the same node.';
COMMENT ON COLUMN node.address IS 'Where it listens.';
COMMENT ON COLUMN node.version IS 'Program version.';
COMMENT ON COLUMN node.started_at IS 'Last start.';
COMMENT ON COLUMN node.seen_at IS 'Last heartbeat.';
COMMENT ON COLUMN node.status IS 'What the heartbeat said: instances, spool bytes, lag.';

CREATE TABLE audit_log (
    audit_id      bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at            timestamptz NOT NULL DEFAULT now(),
    key_id        bigint,
    account_id    bigint,
    action        text        NOT NULL,
    subject       text        NOT NULL,
    detail        jsonb       NOT NULL DEFAULT '{}'
);
COMMENT ON TABLE audit_log IS 'Every administrative change; append-only (no UPDATE or DELETE is granted).';
COMMENT ON COLUMN audit_log.audit_id IS 'Order of writing.';
COMMENT ON COLUMN audit_log.at IS 'When.';
COMMENT ON COLUMN audit_log.key_id IS 'By whom; null: the program itself.';
COMMENT ON COLUMN audit_log.account_id IS 'About which account, if any.';
COMMENT ON COLUMN audit_log.action IS 'account.create, quota.set, key.revoke, ...';
COMMENT ON COLUMN audit_log.subject IS 'What it changed: acct_..., quota name, key id.';
COMMENT ON COLUMN audit_log.detail IS 'Old and new values without secrets.';

CREATE TABLE idempotency_key (
    account_id    bigint      NOT NULL,
    key           text        NOT NULL,
    request_sha256 bytea      NOT NULL,
    status        integer     NOT NULL,
    headers       jsonb       NOT NULL DEFAULT '{}',
    body          bytea       NOT NULL,
    created_at    timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (account_id, key)
);
COMMENT ON TABLE idempotency_key IS 'Answers already given, so that a repeated request neither acts twice nor differs. Kept 24 hours.';
COMMENT ON COLUMN idempotency_key.account_id IS '0 for admin requests about no account.';
COMMENT ON COLUMN idempotency_key.key IS 'The Idempotency-Key header.';
COMMENT ON COLUMN idempotency_key.request_sha256 IS 'Method, path and body: the same key with another request is an error.';
COMMENT ON COLUMN idempotency_key.status IS 'HTTP status; 0 while the first request runs.';
COMMENT ON COLUMN idempotency_key.headers IS 'Headers to repeat.';
COMMENT ON COLUMN idempotency_key.body IS 'The answer.';
COMMENT ON COLUMN idempotency_key.created_at IS 'Start of the 24 hours.';
