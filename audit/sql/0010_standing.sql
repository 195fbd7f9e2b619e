-- A ledger that another one follows has ended: nothing of it is signed or waited for any more.
ALTER TABLE audit_ledger ADD COLUMN succeeded_by text COLLATE "C" NOT NULL DEFAULT '';

-- The process that seals forgets how an anchor went that is no longer set up.
DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'obs_worker') THEN
        GRANT DELETE ON audit_anchor TO obs_worker;
    END IF;
END
$$;

-- A run that read entries and could not prove them leaves a doubt: the ledger once had a checkpoint,
-- an anchor or a key that is gone. Until a later run over its whole range was intact, the ledger is
-- not proven, whatever earlier runs have found. audit/verify_seals.py.
CREATE INDEX audit_verification_doubt ON audit_verification (ledger_id, id DESC)
    WHERE result = 'not_proven' AND checked > 0;

CREATE OR REPLACE VIEW audit_standing AS
SELECT
    ledger.id AS ledger_id,
    CASE
        WHEN finding.id IS NOT NULL THEN 'tampered'
        WHEN doubt.id IS NOT NULL THEN 'not_proven'
        WHEN reach.to_seq > 0 THEN 'intact'
        ELSE 'not_proven'
    END AS result,
    coalesce(reach.to_seq, 0) AS intact_to,
    latest.finished_at,
    finding.id AS finding_id,
    coalesce(finding.broken, 0) AS broken,
    doubt.id AS doubt_id
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
) AS finding ON true
LEFT JOIN LATERAL (
    SELECT run.id
    FROM audit_verification AS run
    WHERE run.ledger_id = ledger.id
      AND run.result = 'not_proven'
      AND run.checked > 0
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
) AS doubt ON true;
