-- Exports wait as rows, as verification runs do: a row in Postgres is the queue. audit/export.py.
-- An export is taken by one worker at a time: `attempt` counts the takings, and whoever holds an
-- older number writes nothing any more. A bundle waits in `signing` until the process that holds
-- the key has put the signed manifest beside its text; then any worker ends the file.
CREATE TABLE audit_export (
    id bigint GENERATED ALWAYS AS IDENTITY,
    asked_at timestamptz NOT NULL,
    size bigint NOT NULL CONSTRAINT audit_export_size CHECK (size > 0),
    next_seq bigint NOT NULL DEFAULT 0,
    entries bigint NOT NULL DEFAULT 0,
    first_seq bigint,
    last_seq bigint,
    file_size bigint,
    attempt_at timestamptz,
    seen_at timestamptz,
    signed_at timestamptz,
    finished_at timestamptz,
    expires_at timestamptz,
    ledger_id integer NOT NULL REFERENCES audit_ledger,
    attempt integer NOT NULL DEFAULT 0,
    lost integer NOT NULL DEFAULT 0,
    format text NOT NULL CONSTRAINT audit_export_format CHECK (format IN ('bundle', 'csv', 'ocsf', 'cef', 'ndjson')),
    renderings text[] NOT NULL DEFAULT '{}'
        CONSTRAINT audit_export_renderings CHECK (renderings <@ ARRAY['csv', 'ocsf', 'cef']),
    query text NOT NULL,
    via text NOT NULL CONSTRAINT audit_export_via CHECK (via IN ('admin', 'api', 'command')),
    requested_by text NOT NULL,
    state text NOT NULL DEFAULT 'queued' CONSTRAINT audit_export_state
        CHECK (state IN ('queued', 'running', 'signing', 'done', 'cancelled', 'failed', 'expired')),
    cancelled_by text NOT NULL DEFAULT '',
    note text NOT NULL DEFAULT '',
    warning text NOT NULL DEFAULT '',
    manifest text,
    signed_manifest bytea,
    sha256 bytea CONSTRAINT audit_export_sha256 CHECK (octet_length(sha256) = 32),
    PRIMARY KEY (ledger_id, id),
    -- Web may say what becomes of an export, so it must not be able to say that one is made.
    CONSTRAINT audit_export_done CHECK (state NOT IN ('done', 'expired') OR (sha256 IS NOT NULL AND expires_at IS NOT NULL)),
    CONSTRAINT audit_export_signing CHECK (state <> 'signing' OR manifest IS NOT NULL)
);
CREATE INDEX audit_export_unfinished ON audit_export (ledger_id, id) WHERE state IN ('queued', 'running', 'signing');
CREATE INDEX audit_export_kept ON audit_export (ledger_id, expires_at) WHERE state = 'done';

DO $$
DECLARE
    a_role text;
BEGIN
    -- Default privileges open every new table to the running roles; close ours first.
    FOR a_role IN SELECT rolname FROM pg_roles WHERE rolname IN ('obs_web', 'obs_worker', 'obs_read') LOOP
        EXECUTE format('REVOKE ALL ON audit_export FROM %I', a_role);
        EXECUTE format('GRANT SELECT ON audit_export TO %I', a_role);
    END LOOP;
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'obs_web') THEN
        -- An export may be asked for, cancelled and resumed here; what is in it is the worker's to say.
        GRANT INSERT (ledger_id, asked_at, size, format, renderings, query, via, requested_by) ON audit_export TO obs_web;
        GRANT UPDATE (state, cancelled_by, finished_at) ON audit_export TO obs_web;
    END IF;
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'obs_worker') THEN
        GRANT INSERT, UPDATE ON audit_export TO obs_worker;
    END IF;
END
$$;
