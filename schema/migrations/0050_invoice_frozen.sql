-- Issued invoices are rows nobody can change: the program's role may INSERT and SELECT them, nothing else. What happens
-- to an invoice later is another row (invoice_event); drafts are computed, never stored.

DROP INDEX invoice_month_idx;
ALTER TABLE invoice_line DROP CONSTRAINT invoice_line_account_id_invoice_id_fkey;
ALTER TABLE invoice RENAME TO invoice_document;
ALTER TABLE invoice_document DROP COLUMN state, DROP COLUMN park_reason;
ALTER TABLE invoice_document ADD COLUMN revision integer NOT NULL DEFAULT 0;
ALTER TABLE invoice_document ALTER COLUMN number SET NOT NULL;
ALTER TABLE invoice_document ALTER COLUMN issued_at SET NOT NULL;
ALTER TABLE invoice_document ALTER COLUMN digest SET NOT NULL;
CREATE UNIQUE INDEX invoice_document_month_idx ON invoice_document (account_id, period, kind, revision);
COMMENT ON TABLE invoice_document IS 'Issued invoices, one per account, month and revision; written once, in the transaction that takes the number.';
COMMENT ON COLUMN invoice_document.revision IS 'How many invoices of this month were void before this one: two that race for one month collide here.';

CREATE TABLE invoice_event (
    account_id     bigint      NOT NULL,
    invoice_id     bigint      NOT NULL,
    state          text        NOT NULL CHECK (state IN ('void', 'credited')),
    reason         text        NOT NULL,
    happened_at    timestamptz NOT NULL,
    PRIMARY KEY (account_id, invoice_id)
);
COMMENT ON TABLE invoice_event IS 'How an issued invoice ended: at most once, so void and credited exclude each other.';
COMMENT ON COLUMN invoice_event.account_id IS 'Whose.';
COMMENT ON COLUMN invoice_event.invoice_id IS 'Of which invoice.';
COMMENT ON COLUMN invoice_event.state IS 'The state from here on.';
COMMENT ON COLUMN invoice_event.reason IS 'Why, for people.';
COMMENT ON COLUMN invoice_event.happened_at IS 'When.';

CREATE TABLE invoice_park (
    account_id     bigint      NOT NULL,
    period         date        NOT NULL,
    reason         text        NOT NULL,
    parked_at      timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (account_id, period)
);
COMMENT ON TABLE invoice_park IS 'Accounts a month close did not bill because a safety check failed; checked anew by the next close.';
COMMENT ON COLUMN invoice_park.account_id IS 'Whose.';
COMMENT ON COLUMN invoice_park.period IS 'First day of the UTC month.';
COMMENT ON COLUMN invoice_park.reason IS 'Which check failed, and by how much.';
COMMENT ON COLUMN invoice_park.parked_at IS 'When.';

CREATE VIEW invoice AS
SELECT d.account_id, d.invoice_id, d.kind, coalesce(e.state, 'issued') AS state, d.number, d.period, d.currency,
       d.minor_digits, d.net_minor, d.tax_minor, d.total_minor, d.price_book, d.price_version, d.complete_through,
       d.refers_to, d.issued_at, d.due_at, d.document, d.digest, ''::text AS park_reason, d.created_at
FROM invoice_document d LEFT JOIN invoice_event e USING (account_id, invoice_id);
COMMENT ON VIEW invoice IS 'Issued invoices with their present state.';

-- The role is missing where the migrating role may not make one; then the program works as the owner.
DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'farthing_app') THEN
        REVOKE UPDATE, DELETE ON invoice_document, invoice_line, invoice_event, invoice FROM farthing_app;
    END IF;
END $$;
