-- The usage an invoice was made from, when records came in after it: raw records that the seals of an instant had seen, in
-- the shape of usage_hourly (the columns a bill needs).
CREATE FUNCTION usage_as_of(p_account bigint, p_from timestamptz, p_to timestamptz, p_as_of timestamptz)
RETURNS TABLE (account_id bigint, hour timestamptz, function_id bigint, version integer, memory_mib integer, arch smallint,
               provisioned smallint, billed_requests bigint, mb_ms bigint, storage_mb_ms bigint, streamed_bytes bigint)
LANGUAGE sql STABLE SET timezone = 'UTC' AS $$
    WITH sealed AS (
        SELECT s.day, max(s.run_id) AS run_id FROM usage_seal s
         WHERE s.account_id = p_account AND s.sealed_at <= p_as_of AND s.day >= p_from::date AND s.day < p_to::date
         GROUP BY s.day)
    SELECT r.account_id, date_trunc('hour', r.started_at), r.function_id, r.version, r.memory_mib,
           (r.flags >> 3 & 1)::smallint, (r.flags >> 2 & 1)::smallint, sum(r.billed_requests)::bigint,
           sum(r.memory_mib::bigint * r.billed_ms)::bigint,
           sum(greatest(r.ephemeral_mib - 512, 0)::bigint * r.billed_ms)::bigint,
           sum(CASE WHEN r.flags & 16 <> 0 THEN greatest(r.response_bytes - 6291456, 0) ELSE 0 END)::bigint
      FROM usage_record r JOIN sealed d ON d.day = r.started_at::date
      JOIN seal_cursor c ON c.run_id = d.run_id AND c.producer_id = r.producer_id
     WHERE r.account_id = p_account AND r.started_at >= p_from AND r.started_at < p_to
       AND (r.epoch, r.sequence) <= (c.epoch, c.last_sequence)
     GROUP BY 1, 2, 3, 4, 5, 6, 7
$$;
COMMENT ON FUNCTION usage_as_of IS 'What usage_hourly said when an invoice was issued, from the records its seals had seen.';
