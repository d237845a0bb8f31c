-- Credits and prepaid money of accounts: what was granted, and on which invoices it was used. Rows are added, never
-- changed; what is left of a credit is what was granted less what invoices that stand have used.

CREATE TABLE account_credit (
    account_id     bigint      NOT NULL,
    credit_id      bigint      NOT NULL GENERATED ALWAYS AS IDENTITY,
    kind           text        NOT NULL CHECK (kind IN ('credit', 'prepaid')),
    currency       text        NOT NULL,
    amount_minor   bigint      NOT NULL CHECK (amount_minor > 0),
    expires_at     timestamptz,
    reason         text        NOT NULL,
    granted_at     timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (account_id, credit_id)
);
COMMENT ON TABLE account_credit IS 'Credits (before tax) and prepaid money (after tax) of an account; used first what expires first.';
COMMENT ON COLUMN account_credit.account_id IS 'Whose.';
COMMENT ON COLUMN account_credit.credit_id IS 'Shown as cr_N.';
COMMENT ON COLUMN account_credit.kind IS 'credit: reduces what is charged, before tax. prepaid: pays what is due, after tax.';
COMMENT ON COLUMN account_credit.currency IS 'ISO 4217; used only on invoices in it.';
COMMENT ON COLUMN account_credit.amount_minor IS 'Granted, in minor units.';
COMMENT ON COLUMN account_credit.expires_at IS 'It pays for months that began before this; null: never expires.';
COMMENT ON COLUMN account_credit.reason IS 'For people; printed on the line.';
COMMENT ON COLUMN account_credit.granted_at IS 'When.';

CREATE TABLE account_credit_use (
    account_id     bigint      NOT NULL,
    credit_id      bigint      NOT NULL,
    invoice_id     bigint      NOT NULL,
    amount_minor   bigint      NOT NULL CHECK (amount_minor > 0),
    PRIMARY KEY (account_id, credit_id, invoice_id)
);
COMMENT ON TABLE account_credit_use IS 'What an invoice took of a credit, written in the transaction that issues it. A void or credited invoice takes nothing.';
COMMENT ON COLUMN account_credit_use.account_id IS 'Whose.';
COMMENT ON COLUMN account_credit_use.credit_id IS 'Of which credit.';
COMMENT ON COLUMN account_credit_use.invoice_id IS 'By which invoice.';
COMMENT ON COLUMN account_credit_use.amount_minor IS 'How much.';

CREATE VIEW account_credit_left AS
SELECT c.account_id, c.credit_id, c.kind, c.currency, c.amount_minor, c.expires_at, c.reason, c.granted_at,
       c.amount_minor - coalesce((SELECT sum(u.amount_minor) FROM account_credit_use u
           WHERE u.account_id = c.account_id AND u.credit_id = c.credit_id AND NOT EXISTS (
               SELECT FROM invoice_event e WHERE e.account_id = u.account_id AND e.invoice_id = u.invoice_id)), 0)::bigint
           AS left_minor
FROM account_credit c;
COMMENT ON VIEW account_credit_left IS 'Credits with what is left of them.';

-- The role is missing where the migrating role may not make one; then the program works as the owner.
DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'farthing_app') THEN
        REVOKE UPDATE, DELETE ON account_credit, account_credit_use, account_credit_left FROM farthing_app;
    END IF;
END $$;
