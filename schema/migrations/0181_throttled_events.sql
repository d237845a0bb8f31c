-- Events that could not run yet are found by their function when another of it has ended.
CREATE INDEX async_event_throttled_idx ON async_event (account_id, function_id, event_id) WHERE throttles > 0;
