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
