-- Questions over all accounts of a day (seals, the operator's view) read that day's blocks, not the whole table. Rows are
-- made in order of time, so a BRIN index finds them and costs an insert next to nothing; updates of a row never touch it.
CREATE INDEX usage_hourly_hour_idx ON usage_hourly USING brin (hour) WITH (pages_per_range = 16, autosummarize = on);
