-- Undoes 0004: a run that waits is cancelled, what runs have found stays.
UPDATE audit_verification SET state = 'cancelled' WHERE state = 'queued';
DROP INDEX audit_quarantine_settled, audit_verification_asked, audit_verification_unfinished, audit_verification_queued;
ALTER TABLE audit_verification
    DROP CONSTRAINT audit_verification_done,
    DROP CONSTRAINT audit_verification_state,
    ADD CONSTRAINT audit_verification_state CHECK (state IN ('running', 'done', 'cancelled', 'failed')),
    DROP COLUMN cancelled_by,
    DROP COLUMN seen_at,
    DROP COLUMN attempt_from,
    DROP COLUMN attempt_at,
    DROP COLUMN attempt,
    DROP COLUMN next_seq;
DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'obs_web') THEN
        REVOKE INSERT (state), UPDATE (finished_at) ON audit_verification FROM obs_web;
    END IF;
END
$$;
CREATE OR REPLACE VIEW audit_standing AS
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
            AND later.id > run.id
            AND later.state = 'done'
            AND later.result = 'intact'
            AND later.from_seq <= run.from_seq
            AND later.to_seq >= run.to_seq
      )
    ORDER BY run.id DESC
    LIMIT 1
) AS finding ON true;
