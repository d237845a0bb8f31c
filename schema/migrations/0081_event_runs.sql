-- An event whose node died runs again at once when that node is back, and its runs have numbers of their own.

ALTER TABLE async_event ADD COLUMN runs integer NOT NULL DEFAULT 0;
COMMENT ON COLUMN async_event.runs IS 'Times it was handed out: the attempt in the record of the run. More than attempt + 1 when a node died over it.';
