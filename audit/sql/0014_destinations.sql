-- Where entries are sent on to, how far each destination has taken them, and how it does.
--
-- `next_seq` is the seq that is sent next and moves only after the other side acknowledged;
-- `batch_to` is the end of the batch that was begun, so that a retry sends the same batch again;
-- `sent_to` is the furthest seq that was ever acknowledged, which a replay does not take back.
-- A row is never deleted: a removed destination keeps its name and loses its secret.
CREATE TABLE audit_destination (
    id bigint GENERATED ALWAYS AS IDENTITY,
    made_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    tried_at timestamptz,
    ok_at timestamptz,
    failing_since timestamptz,
    removed_at timestamptz,
    next_seq bigint NOT NULL CONSTRAINT audit_destination_next CHECK (next_seq >= 0),
    batch_to bigint,
    sent_to bigint NOT NULL DEFAULT 0,
    ledger_id integer NOT NULL REFERENCES audit_ledger,
    failures integer NOT NULL DEFAULT 0,
    name text COLLATE "C" NOT NULL
        CONSTRAINT audit_destination_name CHECK (name ~ '^[a-z0-9][a-z0-9-]{0,62}$'),
    kind text COLLATE "C" NOT NULL CONSTRAINT audit_destination_kind
        CHECK (kind IN ('http', 'webhook', 'ocsf', 'syslog', 'file', 'objectstore')),
    address text COLLATE "C" NOT NULL CONSTRAINT audit_destination_address CHECK (address <> ''),
    state text NOT NULL DEFAULT 'active'
        CONSTRAINT audit_destination_state CHECK (state IN ('active', 'paused', 'dead')),
    error text NOT NULL DEFAULT '',
    made_by text NOT NULL,
    removed_by text NOT NULL DEFAULT '',
    options jsonb NOT NULL DEFAULT '{}',
    gaps jsonb NOT NULL DEFAULT '[]',
    secret bytea,
    PRIMARY KEY (ledger_id, id),
    CONSTRAINT audit_destination_batch CHECK (batch_to > next_seq),
    CONSTRAINT audit_destination_removed CHECK
        ((removed_at IS NULL) = (removed_by = '') AND (removed_at IS NULL OR (secret IS NULL AND state = 'paused')))
);
CREATE UNIQUE INDEX audit_destination_known ON audit_destination (ledger_id, name) WHERE removed_at IS NULL;
-- Two writers would mingle their lines.
CREATE UNIQUE INDEX audit_destination_folder ON audit_destination (ledger_id, address)
    WHERE removed_at IS NULL AND kind = 'file';

DO $$
DECLARE
    a_role text;
BEGIN
    -- Default privileges open every new table to the running roles; close ours first.
    FOR a_role IN SELECT rolname FROM pg_roles WHERE rolname IN ('obs_web', 'obs_worker', 'obs_read') LOOP
        EXECUTE format('REVOKE ALL ON audit_destination FROM %I', a_role);
    END LOOP;
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'obs_web') THEN
        -- What is sent and how it went is the worker's to say; where to, and from where on, a person's.
        GRANT SELECT ON audit_destination TO obs_web;
        GRANT INSERT (ledger_id, name, kind, address, options, secret, next_seq, made_by) ON audit_destination TO obs_web;
        GRANT UPDATE (address, options, secret, state, next_seq, batch_to, failures, failing_since, error, removed_at, removed_by)
            ON audit_destination TO obs_web;
    END IF;
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'obs_worker') THEN
        GRANT SELECT ON audit_destination TO obs_worker;
        GRANT UPDATE (next_seq, batch_to, sent_to, tried_at, ok_at, failing_since, failures, error, state, gaps)
            ON audit_destination TO obs_worker;
    END IF;
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'obs_read') THEN
        -- Auditors never see a secret, not even a sealed one.
        GRANT SELECT (id, made_at, tried_at, ok_at, failing_since, removed_at, next_seq, batch_to, sent_to, ledger_id,
            failures, name, kind, address, state, error, made_by, removed_by, options, gaps) ON audit_destination TO obs_read;
    END IF;
END
$$;
