-- Undoes 0010: a doubt counts for nothing again, and a ledger that ended is read-only like others.
ALTER TABLE audit_ledger DROP COLUMN succeeded_by;
DROP INDEX audit_verification_doubt;
DROP VIEW audit_standing;
CREATE VIEW audit_standing AS
SELECT
    ledger.id AS ledger_id,
    CASE WHEN finding.id IS NOT NULL THEN 'tampered' WHEN reach.to_seq > 0 THEN 'intact' ELSE 'not_proven' END AS result,
    coalesce(reach.to_seq, 0) AS intact_to,
    latest.finished_at,
    finding.id AS finding_id,
    coalesce(finding.broken, 0) AS broken
FROM audit_ledger AS ledger
LEFT JOIN LATERAL (
    SELECT run.to_seq
    FROM audit_verification AS run
    WHERE run.ledger_id = ledger.id
      AND run.state = 'done'
      AND (run.kind = 'new' OR run.from_seq = 0)
      AND run.result = 'intact'
    ORDER BY run.to_seq DESC
    LIMIT 1
) AS reach ON true
LEFT JOIN LATERAL (
    SELECT run.finished_at
    FROM audit_verification AS run
    WHERE run.ledger_id = ledger.id
      AND run.state = 'done'
    ORDER BY run.id DESC
    LIMIT 1
) AS latest ON true
LEFT JOIN LATERAL (
    SELECT run.id, run.broken
    FROM audit_verification AS run
    WHERE run.ledger_id = ledger.id
      AND run.result = 'tampered'
      AND NOT EXISTS (
          SELECT
          FROM audit_verification AS later
          WHERE later.ledger_id = ledger.id
            AND later.started_at > run.finished_at
            AND later.state = 'done'
            AND later.result = 'intact'
            AND later.from_seq <= run.from_seq
            AND later.to_seq >= run.to_seq
      )
    ORDER BY run.id DESC
    LIMIT 1
) AS finding ON true;

DO $$
DECLARE
    a_role text;
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'obs_worker') THEN
        REVOKE DELETE ON audit_anchor FROM obs_worker;
    END IF;
    FOR a_role IN SELECT rolname FROM pg_roles WHERE rolname IN ('obs_web', 'obs_worker', 'obs_read') LOOP
        EXECUTE format('GRANT SELECT ON audit_standing TO %I', a_role);
    END LOOP;
END
$$;
