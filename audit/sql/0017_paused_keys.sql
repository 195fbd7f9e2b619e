-- A key that is paused is refused like a revoked one, until somebody lets it in again. Who paused it,
-- and why, stands in the entry credential.paused.
ALTER TABLE audit_agentkey
    ADD COLUMN paused_at timestamptz,
    ADD COLUMN paused_by text NOT NULL DEFAULT '',
    ADD CONSTRAINT audit_agentkey_paused CHECK ((paused_at IS NULL) = (paused_by = ''));

DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'obs_web') THEN
        GRANT UPDATE (paused_at, paused_by) ON audit_agentkey TO obs_web;
    END IF;
END
$$;
