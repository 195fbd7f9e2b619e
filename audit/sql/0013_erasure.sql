-- Erasing a data subject: who asked, what was found, what became of it; the index of whose data
-- stands where; and what may happen to a key.

-- In which entries a data subject is named. The projection `subjects`.
CREATE TABLE audit_subjectentry (
    seq bigint NOT NULL,
    ledger_id integer NOT NULL,
    pseudonym text COLLATE "C" NOT NULL,
    PRIMARY KEY (ledger_id, pseudonym, seq)
);

-- Erasures wait as rows, as verification runs and exports do. `typed` is the subject's id as it was
-- typed, sealed under a key outside the database; it is gone when the erasure has ended.
CREATE TABLE audit_erasure (
    id bigint GENERATED ALWAYS AS IDENTITY,
    asked_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    ready_at timestamptz,
    confirmed_at timestamptz,
    erased_at timestamptz,
    finished_at timestamptz,
    attempt_at timestamptz,
    seen_at timestamptz,
    size bigint NOT NULL DEFAULT 0,
    next_seq bigint NOT NULL DEFAULT 0,
    entries bigint NOT NULL DEFAULT 0,
    personal_entries bigint NOT NULL DEFAULT 0,
    clear_entries bigint NOT NULL DEFAULT 0,
    first_seq bigint,
    last_seq bigint,
    head_size bigint,
    ledger_id integer NOT NULL REFERENCES audit_ledger,
    attempt integer NOT NULL DEFAULT 0,
    key_id uuid NOT NULL,
    completed_id uuid,
    head_hash bytea CONSTRAINT audit_erasure_head_hash CHECK (octet_length(head_hash) = 32),
    case_id text NOT NULL CONSTRAINT audit_erasure_case CHECK (case_id <> ''),
    reason text NOT NULL CONSTRAINT audit_erasure_reason CHECK (reason <> ''),
    via text NOT NULL CONSTRAINT audit_erasure_via CHECK (via IN ('admin', 'command')),
    asked_by text NOT NULL,
    confirmed_by text NOT NULL DEFAULT '',
    cancelled_by text NOT NULL DEFAULT '',
    state text NOT NULL DEFAULT 'asked' CONSTRAINT audit_erasure_state
        CHECK (state IN ('asked', 'looking', 'ready', 'erasing', 'done', 'refused', 'cancelled')),
    note text NOT NULL DEFAULT '',
    clear_seqs bigint[] NOT NULL DEFAULT '{}',  -- the first hundred
    held_by bigint[] NOT NULL DEFAULT '{}',
    typed bytea,
    PRIMARY KEY (ledger_id, id),
    CONSTRAINT audit_erasure_typed CHECK ((state IN ('asked', 'looking', 'ready', 'erasing')) = (typed IS NOT NULL)),
    CONSTRAINT audit_erasure_confirmed CHECK
        (state NOT IN ('erasing', 'done') OR (ready_at IS NOT NULL AND confirmed_at IS NOT NULL AND confirmed_by <> '')),
    -- Web may say what becomes of an erasure, so it must not be able to say that one was done.
    CONSTRAINT audit_erasure_done CHECK
        (state <> 'done' OR (erased_at IS NOT NULL AND completed_id IS NOT NULL AND head_hash IS NOT NULL))
);
CREATE UNIQUE INDEX audit_erasure_one ON audit_erasure (ledger_id, key_id) WHERE state IN ('asked', 'looking', 'ready', 'erasing');
CREATE INDEX audit_erasure_going ON audit_erasure (ledger_id, id) WHERE state IN ('asked', 'looking', 'erasing');

-- What was asked for stays as it was asked, and what has ended stays as it ended.
CREATE FUNCTION audit_erasure_keeps_its_end() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE'
        AND (NEW.id, NEW.ledger_id, NEW.key_id, NEW.case_id, NEW.via, NEW.asked_at, NEW.asked_by)
            IS NOT DISTINCT FROM (OLD.id, OLD.ledger_id, OLD.key_id, OLD.case_id, OLD.via, OLD.asked_at, OLD.asked_by)
        AND (NEW.typed IS NULL OR NEW.typed = OLD.typed)
        AND OLD.state NOT IN ('done', 'refused', 'cancelled')
    THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'an erasure stays as it was asked for and as it ended: % refused', TG_OP USING ERRCODE = 'OBS01';
END
$$;
CREATE TRIGGER audit_keeps_end BEFORE UPDATE OR DELETE ON audit_erasure
    FOR EACH ROW EXECUTE FUNCTION audit_erasure_keeps_its_end();
CREATE TRIGGER audit_no_truncate BEFORE TRUNCATE ON audit_erasure
    FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse_change();
ALTER TABLE audit_erasure ENABLE ALWAYS TRIGGER audit_keeps_end;
ALTER TABLE audit_erasure ENABLE ALWAYS TRIGGER audit_no_truncate;

-- A key is blanked, whole and for good; nothing else of it changes but the day of its use.
CREATE FUNCTION audit_subjectkey_is_only_erased() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF (NEW.ledger_id, NEW.key_id, NEW.created_at) IS NOT DISTINCT FROM (OLD.ledger_id, OLD.key_id, OLD.created_at) THEN
        IF (NEW.lookup, NEW.wrapped, NEW.erased_at) IS NOT DISTINCT FROM (OLD.lookup, OLD.wrapped, OLD.erased_at) THEN
            RETURN NEW;
        END IF;
        IF NEW.lookup IS NULL AND NEW.wrapped IS NULL AND (OLD.lookup IS NOT NULL OR OLD.wrapped IS NOT NULL) THEN
            -- The time is now, whatever the statement says.
            NEW.erased_at := clock_timestamp();
            RETURN NEW;
        END IF;
    END IF;
    RAISE EXCEPTION 'a subject key is erased and nothing else: % refused', TG_OP USING ERRCODE = 'OBS01';
END
$$;
CREATE TRIGGER audit_only_erased BEFORE UPDATE ON audit_subjectkey
    FOR EACH ROW EXECUTE FUNCTION audit_subjectkey_is_only_erased();
ALTER TABLE audit_subjectkey ENABLE ALWAYS TRIGGER audit_only_erased;

-- What was overwritten must not lie about in the table's files until much else has changed.
ALTER TABLE audit_subjectkey SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1);

-- A hold and an erasure never pass each other: whoever comes second sees what the first has done.
-- The erasure holds the other half of this lock, (13013, ledger), while it looks for holds.
CREATE FUNCTION audit_hold_waits_for_erasure() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_catalog.pg_advisory_xact_lock_shared(13013, NEW.ledger_id);
    RETURN NEW;
END
$$;
CREATE TRIGGER audit_waits_for_erasure BEFORE INSERT ON audit_hold
    FOR EACH ROW EXECUTE FUNCTION audit_hold_waits_for_erasure();
ALTER TABLE audit_hold ENABLE ALWAYS TRIGGER audit_waits_for_erasure;

DO $$
DECLARE
    a_role text;
    a_table text;
BEGIN
    -- Default privileges open every new table to the running roles; close ours first.
    FOR a_role IN SELECT rolname FROM pg_roles WHERE rolname IN ('obs_web', 'obs_worker', 'obs_read') LOOP
        FOREACH a_table IN ARRAY ARRAY['audit_subjectentry', 'audit_erasure'] LOOP
            EXECUTE format('REVOKE ALL ON %I FROM %I', a_table, a_role);
        END LOOP;
    END LOOP;
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'obs_web') THEN
        GRANT SELECT ON audit_subjectentry, audit_erasure TO obs_web;
        -- An erasure may be asked for, confirmed and cancelled here; the rest is the worker's.
        GRANT INSERT (ledger_id, key_id, case_id, reason, via, asked_by, typed) ON audit_erasure TO obs_web;
        GRANT UPDATE (state, reason, confirmed_at, confirmed_by, cancelled_by, finished_at, typed) ON audit_erasure TO obs_web;
    END IF;
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'obs_worker') THEN
        GRANT SELECT, INSERT, UPDATE, DELETE ON audit_subjectentry TO obs_worker;
        GRANT SELECT, INSERT, UPDATE ON audit_erasure TO obs_worker;
        GRANT UPDATE (lookup, wrapped, erased_at) ON audit_subjectkey TO obs_worker;
    END IF;
END
$$;
