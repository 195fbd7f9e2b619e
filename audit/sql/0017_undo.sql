-- Refused here rather than lost: a key that is paused would be let in again.
DO $$
BEGIN
    IF EXISTS (SELECT FROM audit_agentkey WHERE paused_at IS NOT NULL AND revoked_at IS NULL) THEN
        RAISE EXCEPTION 'API keys are paused; resume or revoke them before this is undone';
    END IF;
END
$$;
ALTER TABLE audit_agentkey DROP COLUMN paused_at, DROP COLUMN paused_by;
