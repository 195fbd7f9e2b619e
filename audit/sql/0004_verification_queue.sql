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
