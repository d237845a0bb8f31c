-- Prices and invoices. Money is numeric or text here, never float.

CREATE TABLE price_book (
    name           text        NOT NULL,
    version        bigint      NOT NULL,
    effective_from timestamptz NOT NULL,
    currency       text        NOT NULL,
    body           jsonb       NOT NULL,
    sha256         bytea       NOT NULL,
    created_at     timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (name, version),
    UNIQUE (name, effective_from, version)
);
COMMENT ON TABLE price_book IS 'Append-only (no UPDATE or DELETE is granted); a reference table when distributed.';
COMMENT ON COLUMN price_book.name IS 'Accounts name the book that rates them.';
COMMENT ON COLUMN price_book.version IS '1, 2, 3, ...';
COMMENT ON COLUMN price_book.effective_from IS 'A month start; of the versions in force the highest rates.';
COMMENT ON COLUMN price_book.currency IS 'ISO 4217.';
COMMENT ON COLUMN price_book.body IS 'The document (docs/price-book.schema.json).';
COMMENT ON COLUMN price_book.sha256 IS 'Of the canonical text.';
COMMENT ON COLUMN price_book.created_at IS 'When it was put.';

CREATE TABLE price_override (
    account_id     bigint      NOT NULL,
    effective_from timestamptz NOT NULL,
    version        bigint      NOT NULL,
    body           jsonb       NOT NULL,
    created_at     timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (account_id, effective_from, version)
);
COMMENT ON TABLE price_override IS 'Prices and discounts of one account on top of its book; append-only.';
COMMENT ON COLUMN price_override.account_id IS 'Whose.';
COMMENT ON COLUMN price_override.effective_from IS 'A month start.';
COMMENT ON COLUMN price_override.version IS '1, 2, 3, ... for the same start.';
COMMENT ON COLUMN price_override.body IS 'The document.';
COMMENT ON COLUMN price_override.created_at IS 'When it was put.';

CREATE TABLE invoice_series (
    series         text        NOT NULL,
    year           integer     NOT NULL,
    last_number    bigint      NOT NULL DEFAULT 0,
    PRIMARY KEY (series, year)
);
COMMENT ON TABLE invoice_series IS 'Gap-free numbers: taken in the issuing transaction.';
COMMENT ON COLUMN invoice_series.series IS 'INV or CN.';
COMMENT ON COLUMN invoice_series.year IS 'Year of issue.';
COMMENT ON COLUMN invoice_series.last_number IS 'Last one given.';

CREATE TABLE invoice (
    account_id     bigint      NOT NULL,
    invoice_id     bigint      GENERATED ALWAYS AS IDENTITY,
    kind           text        NOT NULL DEFAULT 'invoice' CHECK (kind IN ('invoice', 'credit_note')),
    state          text        NOT NULL DEFAULT 'draft' CHECK (state IN ('draft', 'issued', 'void', 'credited', 'parked')),
    number         text,
    period         date        NOT NULL,
    currency       text        NOT NULL,
    minor_digits   smallint    NOT NULL,
    net_minor      bigint      NOT NULL DEFAULT 0,
    tax_minor      bigint      NOT NULL DEFAULT 0,
    total_minor    bigint      NOT NULL DEFAULT 0,
    price_book     text        NOT NULL,
    price_version  bigint      NOT NULL,
    complete_through timestamptz,
    refers_to      bigint,
    issued_at      timestamptz,
    due_at         timestamptz,
    document       jsonb       NOT NULL DEFAULT '{}',
    digest         bytea,
    park_reason    text        NOT NULL DEFAULT '',
    created_at     timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (account_id, invoice_id)
);
CREATE UNIQUE INDEX invoice_month_idx ON invoice (account_id, period) WHERE kind = 'invoice' AND state <> 'void';
CREATE INDEX invoice_number_idx ON invoice (number);
COMMENT ON TABLE invoice IS 'One per account and month; issued ones cannot be changed by the program''s role.';
COMMENT ON COLUMN invoice.account_id IS 'Whose.';
COMMENT ON COLUMN invoice.invoice_id IS 'Shown as inv_N.';
COMMENT ON COLUMN invoice.kind IS 'invoice or credit_note.';
COMMENT ON COLUMN invoice.state IS 'draft -> issued -> void, or credited by a credit note; parked: a safety check failed.';
COMMENT ON COLUMN invoice.number IS 'INV-2026-000001, from the moment of issue.';
COMMENT ON COLUMN invoice.period IS 'First day of the billed UTC month.';
COMMENT ON COLUMN invoice.currency IS 'ISO 4217.';
COMMENT ON COLUMN invoice.minor_digits IS 'Decimal digits of the currency.';
COMMENT ON COLUMN invoice.net_minor IS 'Sum of the rounded lines, in minor units.';
COMMENT ON COLUMN invoice.tax_minor IS 'Tax on the net, per category, in minor units.';
COMMENT ON COLUMN invoice.total_minor IS 'What is to be paid, in minor units.';
COMMENT ON COLUMN invoice.price_book IS 'Book that rated it.';
COMMENT ON COLUMN invoice.price_version IS 'Version of the book.';
COMMENT ON COLUMN invoice.complete_through IS 'Watermark when it was rated.';
COMMENT ON COLUMN invoice.refers_to IS 'invoice_id a credit note corrects.';
COMMENT ON COLUMN invoice.issued_at IS 'When it was issued.';
COMMENT ON COLUMN invoice.due_at IS 'When it is to be paid.';
COMMENT ON COLUMN invoice.document IS 'Names and addresses as they were at issue.';
COMMENT ON COLUMN invoice.digest IS 'SHA-256 of the canonical document and lines.';
COMMENT ON COLUMN invoice.park_reason IS 'Why it is parked.';
COMMENT ON COLUMN invoice.created_at IS 'When the draft was made.';

CREATE TABLE invoice_line (
    account_id     bigint      NOT NULL,
    invoice_id     bigint      NOT NULL,
    line           integer     NOT NULL,
    kind           text        NOT NULL,
    meter          text        NOT NULL DEFAULT '',
    band           integer     NOT NULL DEFAULT 0,
    price_id       text        NOT NULL DEFAULT '',
    description    text        NOT NULL,
    quantity       numeric     NOT NULL DEFAULT 0,
    unit           text        NOT NULL DEFAULT '',
    unit_price     numeric     NOT NULL DEFAULT 0,
    exact_amount   numeric     NOT NULL,
    amount_minor   bigint      NOT NULL,
    period         date        NOT NULL,
    detail         jsonb       NOT NULL DEFAULT '{}',
    PRIMARY KEY (account_id, invoice_id, line),
    FOREIGN KEY (account_id, invoice_id) REFERENCES invoice (account_id, invoice_id)
);
COMMENT ON TABLE invoice_line IS 'One meter and one band, rounded once; also credits, minimum fees, corrections and tax.';
COMMENT ON COLUMN invoice_line.account_id IS 'Whose.';
COMMENT ON COLUMN invoice_line.invoice_id IS 'Of which invoice.';
COMMENT ON COLUMN invoice_line.line IS '1, 2, 3, ...';
COMMENT ON COLUMN invoice_line.kind IS 'usage, correction, credit, minimum_fee, discount, tax.';
COMMENT ON COLUMN invoice_line.meter IS 'Meter of the price book.';
COMMENT ON COLUMN invoice_line.band IS 'Band of the meter, from 0 (free bands too).';
COMMENT ON COLUMN invoice_line.price_id IS 'SkuPriceId of FOCUS: stable key of the band''s price.';
COMMENT ON COLUMN invoice_line.description IS 'For people.';
COMMENT ON COLUMN invoice_line.quantity IS 'Exact whole quantity in the meter''s own unit (MB*ms, requests, bytes).';
COMMENT ON COLUMN invoice_line.unit IS 'The meter''s own unit.';
COMMENT ON COLUMN invoice_line.unit_price IS 'Per pricing unit of the meter.';
COMMENT ON COLUMN invoice_line.exact_amount IS 'Before rounding, all digits.';
COMMENT ON COLUMN invoice_line.amount_minor IS 'After the one rounding, in minor units.';
COMMENT ON COLUMN invoice_line.period IS 'Month the line is about (corrections name an earlier one).';
COMMENT ON COLUMN invoice_line.detail IS 'Pricing unit, record range, tax rate, and what else the kind needs.';
