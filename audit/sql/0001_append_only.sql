-- What nobody may change. The triggers are ENABLE ALWAYS, so session_replication_role does not
-- silence them, and there is no off switch.

CREATE FUNCTION audit_refuse_change() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only: % refused', TG_TABLE_NAME, TG_OP
        USING ERRCODE = 'OBS01', HINT = 'A correction is a new event that names the old one.';
END
$$;

-- Entries and event keys are inserted and never touched again.
CREATE TRIGGER audit_no_change BEFORE UPDATE OR DELETE ON audit_entry
    FOR EACH ROW EXECUTE FUNCTION audit_refuse_change();
CREATE TRIGGER audit_no_truncate BEFORE TRUNCATE ON audit_entry
    FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse_change();
ALTER TABLE audit_entry ENABLE ALWAYS TRIGGER audit_no_change;
ALTER TABLE audit_entry ENABLE ALWAYS TRIGGER audit_no_truncate;

CREATE TRIGGER audit_no_change BEFORE UPDATE OR DELETE ON audit_eventkey
    FOR EACH ROW EXECUTE FUNCTION audit_refuse_change();
CREATE TRIGGER audit_no_truncate BEFORE TRUNCATE ON audit_eventkey
    FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse_change();
ALTER TABLE audit_eventkey ENABLE ALWAYS TRIGGER audit_no_change;
ALTER TABLE audit_eventkey ENABLE ALWAYS TRIGGER audit_no_truncate;

-- A head only grows: a smaller one would be a rewrite.
CREATE FUNCTION audit_head_only_grows() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND NEW.ledger_id = OLD.ledger_id AND NEW.size > OLD.size THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'the head of a ledger only grows: % refused', TG_OP USING ERRCODE = 'OBS01';
END
$$;
CREATE TRIGGER audit_only_grows BEFORE UPDATE OR DELETE ON audit_head
    FOR EACH ROW EXECUTE FUNCTION audit_head_only_grows();
CREATE TRIGGER audit_no_truncate BEFORE TRUNCATE ON audit_head
    FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse_change();
ALTER TABLE audit_head ENABLE ALWAYS TRIGGER audit_only_grows;
ALTER TABLE audit_head ENABLE ALWAYS TRIGGER audit_no_truncate;

-- A ledger's name and origin are part of every record and proof.
CREATE FUNCTION audit_ledger_keeps_its_name() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND NEW.id = OLD.id AND NEW.name = OLD.name AND NEW.origin = OLD.origin THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'a ledger keeps its name and origin for ever: % refused', TG_OP USING ERRCODE = 'OBS01';
END
$$;
CREATE TRIGGER audit_keeps_name BEFORE UPDATE OR DELETE ON audit_ledger
    FOR EACH ROW EXECUTE FUNCTION audit_ledger_keeps_its_name();
CREATE TRIGGER audit_no_truncate BEFORE TRUNCATE ON audit_ledger
    FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse_change();
ALTER TABLE audit_ledger ENABLE ALWAYS TRIGGER audit_keeps_name;
ALTER TABLE audit_ledger ENABLE ALWAYS TRIGGER audit_no_truncate;

-- Of a quarantined event only its state may move.
CREATE FUNCTION audit_quarantine_keeps_content() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE'
        AND (NEW.ledger_id, NEW.id, NEW.event_id, NEW.digest, NEW.event, NEW.source, NEW.source_id, NEW.key_id, NEW.request_id, NEW.traceparent, NEW.received_at, NEW.quarantined_at, NEW.reason, NEW.error)
            IS NOT DISTINCT FROM
            (OLD.ledger_id, OLD.id, OLD.event_id, OLD.digest, OLD.event, OLD.source, OLD.source_id, OLD.key_id, OLD.request_id, OLD.traceparent, OLD.received_at, OLD.quarantined_at, OLD.reason, OLD.error)
    THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'what is in quarantine stays as it came: % refused', TG_OP USING ERRCODE = 'OBS01';
END
$$;
CREATE TRIGGER audit_keeps_content BEFORE UPDATE OR DELETE ON audit_quarantine
    FOR EACH ROW EXECUTE FUNCTION audit_quarantine_keeps_content();
CREATE TRIGGER audit_no_truncate BEFORE TRUNCATE ON audit_quarantine
    FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse_change();
ALTER TABLE audit_quarantine ENABLE ALWAYS TRIGGER audit_keeps_content;
ALTER TABLE audit_quarantine ENABLE ALWAYS TRIGGER audit_no_truncate;

-- Keys of data subjects are never deleted; an inbox row leaves only by DELETE, one at a time.
CREATE TRIGGER audit_no_delete BEFORE DELETE ON audit_subjectkey
    FOR EACH ROW EXECUTE FUNCTION audit_refuse_change();
CREATE TRIGGER audit_no_truncate BEFORE TRUNCATE ON audit_subjectkey
    FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse_change();
CREATE TRIGGER audit_no_change BEFORE UPDATE ON audit_inbox
    FOR EACH ROW EXECUTE FUNCTION audit_refuse_change();
CREATE TRIGGER audit_no_truncate BEFORE TRUNCATE ON audit_inbox
    FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse_change();
ALTER TABLE audit_subjectkey ENABLE ALWAYS TRIGGER audit_no_delete;
ALTER TABLE audit_subjectkey ENABLE ALWAYS TRIGGER audit_no_truncate;
ALTER TABLE audit_inbox ENABLE ALWAYS TRIGGER audit_no_change;
ALTER TABLE audit_inbox ENABLE ALWAYS TRIGGER audit_no_truncate;
