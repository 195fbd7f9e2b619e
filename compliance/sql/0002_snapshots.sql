-- Results that were sealed: append-only. A period that is sealed again with another digest keeps
-- the old row, and the new one names it in `restates`. The entry audit.snapshot_sealed of event_id
-- holds the digests; this row holds the whole result in canonical JSON.
CREATE TABLE compliance_snapshot (
    id uuid PRIMARY KEY,
    ledger_id integer NOT NULL REFERENCES audit_ledger,
    framework text COLLATE "C" NOT NULL,
    kind text COLLATE "C" NOT NULL
        CONSTRAINT compliance_snapshot_kind CHECK (kind IN ('posture', 'period')),
    start_day date NOT NULL,
    end_day date NOT NULL,
    environment text COLLATE "C" NOT NULL,  -- of the agents that count; empty: all of them
    made_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    made_by text NOT NULL,
    head_seq bigint NOT NULL,
    head_hash text COLLATE "C" NOT NULL,
    evidenced text,
    tested text,
    coverage text,
    cap integer NOT NULL,
    band text,
    digest text COLLATE "C" NOT NULL
        CONSTRAINT compliance_snapshot_digest CHECK (digest ~ '^[0-9a-f]{64}$'),
    result bytea NOT NULL,
    event_id uuid NOT NULL,
    restates uuid REFERENCES compliance_snapshot,
    CONSTRAINT compliance_snapshot_days CHECK (start_day < end_day)
);
CREATE INDEX compliance_snapshot_newest ON compliance_snapshot (ledger_id, framework, kind, made_at DESC);
CREATE INDEX compliance_snapshot_made ON compliance_snapshot (ledger_id, made_at DESC, id DESC);
-- One result is restated once; what restates it may be restated in turn.
CREATE UNIQUE INDEX compliance_snapshot_restated ON compliance_snapshot (restates) WHERE restates IS NOT NULL;

CREATE FUNCTION compliance_snapshot_stays() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'a sealed result is never changed or deleted; seal the period again to restate it'
        USING ERRCODE = 'insufficient_privilege';
END
$$;
CREATE TRIGGER compliance_snapshot_stays
    BEFORE UPDATE OR DELETE OR TRUNCATE ON compliance_snapshot
    FOR EACH STATEMENT EXECUTE FUNCTION compliance_snapshot_stays();
-- Else session_replication_role = replica would skip it.
ALTER TABLE compliance_snapshot ENABLE ALWAYS TRIGGER compliance_snapshot_stays;

DO $$
DECLARE
    a_role text;
BEGIN
    -- Default privileges open every new table to the running roles; close ours first.
    FOR a_role IN SELECT rolname FROM pg_roles WHERE rolname IN ('obs_web', 'obs_worker', 'obs_read') LOOP
        EXECUTE format('REVOKE ALL ON compliance_snapshot FROM %I', a_role);
        EXECUTE format('GRANT SELECT ON compliance_snapshot TO %I', a_role);
    END LOOP;
    FOR a_role IN SELECT rolname FROM pg_roles WHERE rolname IN ('obs_web', 'obs_worker') LOOP
        EXECUTE format('GRANT INSERT ON compliance_snapshot TO %I', a_role);
    END LOOP;
END
$$;
