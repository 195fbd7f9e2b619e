-- Verification runs wait as rows, so that one asked for while Redis is down happens all the same.
-- A run is taken by one worker at a time: `attempt` counts the takings, and whoever holds an older
-- number writes nothing any more. It goes on at `next_seq`, whoever takes it. audit/runs.py.
ALTER TABLE audit_verification
    ADD COLUMN next_seq bigint,
    ADD COLUMN attempt integer NOT NULL DEFAULT 0,
    ADD COLUMN attempt_at timestamptz,
    ADD COLUMN attempt_from bigint NOT NULL DEFAULT 0,
    ADD COLUMN seen_at timestamptz,
    ADD COLUMN cancelled_by text NOT NULL DEFAULT '',
    DROP CONSTRAINT audit_verification_state,
    ADD CONSTRAINT audit_verification_state
        CHECK (state IN ('queued', 'running', 'done', 'cancelled', 'failed')),
    -- Web may say what becomes of a run, so it must not be able to say that one is done.
    ADD CONSTRAINT audit_verification_done CHECK (state <> 'done' OR result IS NOT NULL);

CREATE INDEX audit_verification_queued ON audit_verification (ledger_id, id) WHERE state = 'queued';
CREATE INDEX audit_verification_unfinished ON audit_verification (ledger_id, id) WHERE state IN ('queued', 'running');
-- The list of runs by hand and by night: two runs a minute stand between them.
CREATE INDEX audit_verification_asked ON audit_verification (ledger_id, id) WHERE kind IN ('manual', 'nightly');
-- The list of what was settled in quarantine.
CREATE INDEX audit_quarantine_settled ON audit_quarantine (ledger_id, id) WHERE state <> 'open';

DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'obs_web') THEN
        GRANT INSERT (state) ON audit_verification TO obs_web;
        GRANT UPDATE (cancelled_by, finished_at) ON audit_verification TO obs_web;
    END IF;
END
$$;

-- As before, but for one line: since a run may go on long after it was asked for, its number no
-- longer says what it saw. What mends a finding is a run that began when the finding was made.
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
            AND later.started_at > run.finished_at
            AND later.state = 'done'
            AND later.result = 'intact'
            AND later.from_seq <= run.from_seq
            AND later.to_seq >= run.to_seq
      )
    ORDER BY run.id DESC
    LIMIT 1
) AS finding ON true;
