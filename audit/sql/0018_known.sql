-- Look event ids up by key whatever the planner believes: a plan made while audit_eventkey was
-- analysed as empty reads it whole, and a prepared statement keeps that plan while it grows.
-- A function, since a setting that holds for one statement alone has no other place to stand.
CREATE FUNCTION audit_known(a_ledger integer, ids uuid[])
RETURNS TABLE (place bigint, digest bytea, seq bigint)
LANGUAGE plpgsql STABLE SET enable_seqscan = off AS $$
BEGIN
    RETURN QUERY
        SELECT u.place, k.digest, k.seq
        FROM unnest(ids) WITH ORDINALITY AS u(event_id, place),
             LATERAL (
                 SELECT e.digest, e.seq
                 FROM audit_eventkey AS e
                 WHERE e.ledger_id = a_ledger
                   AND e.event_id = u.event_id
                 OFFSET 0  -- keeps the planner from reading the whole index when statistics are young
             ) AS k;
END
$$;
