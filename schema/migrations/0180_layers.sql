-- Layers: packages that functions share, unpacked below /opt.

CREATE TABLE layer (
    account_id   bigint  NOT NULL,
    name         text    NOT NULL,
    next_version integer NOT NULL DEFAULT 1,
    PRIMARY KEY (account_id, name)
);
COMMENT ON TABLE layer IS 'Names of layers; they stay when all versions are deleted, so that no number is used twice.';
COMMENT ON COLUMN layer.account_id IS 'Whose.';
COMMENT ON COLUMN layer.name IS 'Unique in the account.';
COMMENT ON COLUMN layer.next_version IS 'Number of the next version.';

CREATE TABLE layer_version (
    account_id     bigint      NOT NULL,
    name           text        NOT NULL,
    version        integer     NOT NULL,
    description    text        NOT NULL DEFAULT '',
    license        text        NOT NULL DEFAULT '',
    runtimes       jsonb       NOT NULL DEFAULT '[]',
    architectures  jsonb       NOT NULL DEFAULT '[]',
    code_sha256    bytea       NOT NULL,
    code_bytes     bigint      NOT NULL,
    unzipped_bytes bigint      NOT NULL,
    created_at     timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (account_id, name, version)
);
COMMENT ON TABLE layer_version IS 'Never changed. A function keeps what it needs of its layers itself, so that it goes on when one is deleted.';
COMMENT ON COLUMN layer_version.account_id IS 'Whose.';
COMMENT ON COLUMN layer_version.name IS 'Of which layer.';
COMMENT ON COLUMN layer_version.version IS 'From 1.';
COMMENT ON COLUMN layer_version.description IS 'Free text.';
COMMENT ON COLUMN layer_version.license IS 'Free text; for AWS clients.';
COMMENT ON COLUMN layer_version.runtimes IS 'Array of the runtimes it is meant for; a note to people, not a rule.';
COMMENT ON COLUMN layer_version.architectures IS 'Array of the architectures it is meant for; a note to people, not a rule.';
COMMENT ON COLUMN layer_version.code_sha256 IS 'Into code_blob.';
COMMENT ON COLUMN layer_version.code_bytes IS 'Size of the zip.';
COMMENT ON COLUMN layer_version.unzipped_bytes IS 'Size of its files.';
COMMENT ON COLUMN layer_version.created_at IS 'When it was published.';

ALTER TABLE function_version ADD COLUMN layers jsonb NOT NULL DEFAULT '[]';
COMMENT ON COLUMN function_version.layers IS 'Layers in order, later ones win: name, version, sha256 (hex), bytes, unzipped.';

ALTER TABLE code_blob ADD COLUMN unzipped_bytes bigint;
COMMENT ON COLUMN code_blob.unzipped_bytes IS 'Size of its files; null: stored before this was counted.';

SELECT tenant_table('layer', 'SELECT, INSERT, UPDATE');
SELECT tenant_table('layer_version', 'SELECT, INSERT, DELETE, UPDATE (account_id)'); -- that much is a row lock
