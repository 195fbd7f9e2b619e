-- Who reads the log says why, and somebody answers for machines that do: the entry audit.exported
-- carries both. What was exported before has neither.
ALTER TABLE audit_export
    ADD COLUMN reason text NOT NULL DEFAULT '' CONSTRAINT audit_export_reason CHECK (length(reason) <= 500),
    ADD COLUMN owner text NOT NULL DEFAULT '';

DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'obs_web') THEN
        GRANT INSERT (reason, owner) ON audit_export TO obs_web;
    END IF;
END
$$;
