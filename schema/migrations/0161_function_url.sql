-- Function URLs: an HTTP address of its own for a function or one of its aliases.
--
-- url_id is 32 characters that hold the account and random bits, so that a request finds its row by account without an
-- index over all accounts.

CREATE TABLE function_url (
    account_id  bigint      NOT NULL,
    function_id bigint      NOT NULL,
    qualifier   text        NOT NULL DEFAULT '',
    url_id      text        NOT NULL,
    iam         boolean     NOT NULL,
    stream      boolean     NOT NULL,
    cors        text        NOT NULL DEFAULT '',
    created_at  timestamptz NOT NULL DEFAULT now(),
    modified_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (account_id, function_id, qualifier),
    UNIQUE (account_id, url_id)
);
COMMENT ON TABLE function_url IS 'HTTP addresses of functions.';
COMMENT ON COLUMN function_url.account_id IS 'Whose.';
COMMENT ON COLUMN function_url.function_id IS 'Which function; the address of a deleted one answers 404.';
COMMENT ON COLUMN function_url.qualifier IS 'Alias; empty: $LATEST.';
COMMENT ON COLUMN function_url.url_id IS 'First label of the host name.';
COMMENT ON COLUMN function_url.iam IS 'Callers must sign (AWS_IAM); otherwise everybody may call.';
COMMENT ON COLUMN function_url.stream IS 'The response is sent as it comes (RESPONSE_STREAM).';
COMMENT ON COLUMN function_url.cors IS 'Cross-origin rules as JSON in AWS''s shape; empty: none.';
COMMENT ON COLUMN function_url.created_at IS 'When it was made.';
COMMENT ON COLUMN function_url.modified_at IS 'When it was changed last.';

SELECT tenant_table('function_url', 'SELECT, INSERT, UPDATE, DELETE');
