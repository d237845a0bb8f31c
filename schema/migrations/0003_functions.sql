-- Functions: code, versions, aliases, and the asynchronous queue.

CREATE TABLE code_blob (
    account_id     bigint      NOT NULL,
    sha256         bytea       NOT NULL,
    zip            bytea       NOT NULL,
    created_at     timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (account_id, sha256)
);
ALTER TABLE code_blob ALTER COLUMN zip SET STORAGE EXTERNAL;
COMMENT ON TABLE code_blob IS 'Deployment packages, by content; nodes keep unpacked copies.';
COMMENT ON COLUMN code_blob.account_id IS 'Whose.';
COMMENT ON COLUMN code_blob.sha256 IS 'Of zip.';
COMMENT ON COLUMN code_blob.zip IS 'The package.';
COMMENT ON COLUMN code_blob.created_at IS 'First upload.';

CREATE SEQUENCE function_id_seq AS bigint;

CREATE TABLE function (
    account_id     bigint      NOT NULL,
    function_id    bigint      NOT NULL,
    name           text        NOT NULL,
    origin         text        NOT NULL DEFAULT 'farthing' CHECK (origin IN ('farthing', 'external')),
    next_version   integer     NOT NULL DEFAULT 1,
    reserved_concurrency integer CHECK (reserved_concurrency >= 0),
    tags           jsonb       NOT NULL DEFAULT '{}',
    created_at     timestamptz NOT NULL DEFAULT now(),
    deleted_at     timestamptz,
    PRIMARY KEY (account_id, function_id)
);
CREATE UNIQUE INDEX function_name_idx ON function (account_id, name) WHERE deleted_at IS NULL;
COMMENT ON TABLE function IS 'Functions, ours and those that only other runtimes report. Deleted ones stay for their bills.';
COMMENT ON COLUMN function.account_id IS 'Whose.';
COMMENT ON COLUMN function.function_id IS 'Never used again.';
COMMENT ON COLUMN function.name IS 'Unique in the account while not deleted.';
COMMENT ON COLUMN function.origin IS 'external: known from usage records only; it cannot be invoked here.';
COMMENT ON COLUMN function.next_version IS 'Number of the next published version.';
COMMENT ON COLUMN function.reserved_concurrency IS 'Null: shares the account; 0: switched off.';
COMMENT ON COLUMN function.tags IS 'Flat object of strings; printed in bills.';
COMMENT ON COLUMN function.created_at IS 'When.';
COMMENT ON COLUMN function.deleted_at IS 'When, or null.';

CREATE TABLE function_version (
    account_id     bigint      NOT NULL,
    function_id    bigint      NOT NULL,
    version        integer     NOT NULL,
    runtime        text        NOT NULL,
    handler        text        NOT NULL,
    arch           smallint    NOT NULL DEFAULT 0,
    memory_mib     integer     NOT NULL,
    timeout_s      integer     NOT NULL,
    ephemeral_mib  integer     NOT NULL DEFAULT 512,
    description    text        NOT NULL DEFAULT '',
    role           text        NOT NULL DEFAULT '',
    environment    bytea,
    network        text        NOT NULL DEFAULT 'none',
    code_sha256    bytea       NOT NULL,
    code_bytes     bigint      NOT NULL,
    provisioned    integer     NOT NULL DEFAULT 0,
    revision       uuid        NOT NULL DEFAULT gen_random_uuid(),
    state          text        NOT NULL DEFAULT 'Active',
    modified_at    timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (account_id, function_id, version),
    FOREIGN KEY (account_id, function_id) REFERENCES function (account_id, function_id)
);
COMMENT ON TABLE function_version IS 'Version 0 is $LATEST and changes; published ones do not.';
COMMENT ON COLUMN function_version.account_id IS 'Whose.';
COMMENT ON COLUMN function_version.function_id IS 'Of which function.';
COMMENT ON COLUMN function_version.version IS '0 is $LATEST.';
COMMENT ON COLUMN function_version.runtime IS 'provided, nodejs, python, or a Lambda identifier of these families.';
COMMENT ON COLUMN function_version.handler IS 'file.function; free for provided.';
COMMENT ON COLUMN function_version.arch IS '0 x86_64, 1 arm64.';
COMMENT ON COLUMN function_version.memory_mib IS '128 to 10240.';
COMMENT ON COLUMN function_version.timeout_s IS '1 to 900.';
COMMENT ON COLUMN function_version.ephemeral_mib IS '512 to 10240: size of /tmp.';
COMMENT ON COLUMN function_version.description IS 'Free text.';
COMMENT ON COLUMN function_version.role IS 'Kept for AWS clients; not used.';
COMMENT ON COLUMN function_version.environment IS 'Variables, as JSON, encrypted with the node key.';
COMMENT ON COLUMN function_version.network IS 'none or host.';
COMMENT ON COLUMN function_version.code_sha256 IS 'Into code_blob.';
COMMENT ON COLUMN function_version.code_bytes IS 'Size of the zip.';
COMMENT ON COLUMN function_version.provisioned IS 'Instances kept ready.';
COMMENT ON COLUMN function_version.revision IS 'Changes with every change.';
COMMENT ON COLUMN function_version.state IS 'Lambda''s State.';
COMMENT ON COLUMN function_version.modified_at IS 'Last change.';

CREATE TABLE function_alias (
    account_id     bigint      NOT NULL,
    function_id    bigint      NOT NULL,
    name           text        NOT NULL,
    version        integer     NOT NULL,
    second_version integer,
    second_weight_ppm integer  CHECK (second_weight_ppm BETWEEN 0 AND 1000000),
    description    text        NOT NULL DEFAULT '',
    revision       uuid        NOT NULL DEFAULT gen_random_uuid(),
    PRIMARY KEY (account_id, function_id, name),
    FOREIGN KEY (account_id, function_id, version) REFERENCES function_version (account_id, function_id, version),
    FOREIGN KEY (account_id, function_id, second_version) REFERENCES function_version (account_id, function_id, version)
);
COMMENT ON TABLE function_alias IS 'Names for versions, optionally split over two.';
COMMENT ON COLUMN function_alias.account_id IS 'Whose.';
COMMENT ON COLUMN function_alias.function_id IS 'Of which function.';
COMMENT ON COLUMN function_alias.name IS 'Alias.';
COMMENT ON COLUMN function_alias.version IS 'Where it points.';
COMMENT ON COLUMN function_alias.second_version IS 'Where the rest goes.';
COMMENT ON COLUMN function_alias.second_weight_ppm IS 'Its share in millionths.';
COMMENT ON COLUMN function_alias.description IS 'Free text.';
COMMENT ON COLUMN function_alias.revision IS 'Changes with every change.';

CREATE TABLE async_event (
    account_id     bigint      NOT NULL,
    event_id       bigint      GENERATED ALWAYS AS IDENTITY,
    function_id    bigint      NOT NULL,
    qualifier      text        NOT NULL DEFAULT '',
    request_id     uuid        NOT NULL,
    attempt        integer     NOT NULL DEFAULT 0,
    throttles      integer     NOT NULL DEFAULT 0,
    payload        bytea       NOT NULL,
    client_context text        NOT NULL DEFAULT '',
    accepted_at    timestamptz NOT NULL DEFAULT now(),
    due_at         timestamptz NOT NULL DEFAULT now(),
    owner_node     bigint,
    owned_until    timestamptz,
    PRIMARY KEY (account_id, event_id)
);
CREATE INDEX async_event_due_idx ON async_event (due_at);
COMMENT ON TABLE async_event IS 'Accepted asynchronous invocations that are not finished.';
COMMENT ON COLUMN async_event.account_id IS 'Whose.';
COMMENT ON COLUMN async_event.event_id IS 'Order of acceptance.';
COMMENT ON COLUMN async_event.function_id IS 'Which function.';
COMMENT ON COLUMN async_event.qualifier IS 'Version or alias asked for.';
COMMENT ON COLUMN async_event.request_id IS 'Kept over all attempts.';
COMMENT ON COLUMN async_event.attempt IS 'Runs so far.';
COMMENT ON COLUMN async_event.throttles IS 'Times it was put back because nothing was free.';
COMMENT ON COLUMN async_event.payload IS 'The event.';
COMMENT ON COLUMN async_event.client_context IS 'X-Amz-Client-Context.';
COMMENT ON COLUMN async_event.accepted_at IS 'When the 202 was sent.';
COMMENT ON COLUMN async_event.due_at IS 'Not before.';
COMMENT ON COLUMN async_event.owner_node IS 'Node that runs it now.';
COMMENT ON COLUMN async_event.owned_until IS 'Then another node may take it.';
