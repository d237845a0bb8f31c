-- One account's sums must not stop statements about everybody: a sum that no bigint holds is given as the largest there
-- is. Bills do not accept that number (billing/bill.c): the account is parked, the others are billed.
CREATE FUNCTION counted(p_sum numeric) RETURNS bigint LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT least(p_sum, 9223372036854775807)::bigint
$$;
COMMENT ON FUNCTION counted IS 'A sum of usage as bigint; 9223372036854775807 means: more than can be counted.';
