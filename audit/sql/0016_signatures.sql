-- Texts of the apps above that wait for the ledger's signature: the manifests of reports. Who makes
-- them does not hold the key; the process that does signs what it finds true (audit/signatures.py).
CREATE TABLE audit_signature (
    ledger_id integer NOT NULL REFERENCES audit_ledger,
    id uuid NOT NULL,
    text text NOT NULL CONSTRAINT audit_signature_text CHECK (text <> '' AND octet_length(text) <= 65536),
    asked_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    note bytea,
    refusal text NOT NULL DEFAULT '',  -- why it was not signed
    settled_at timestamptz,
    PRIMARY KEY (ledger_id, id),
    CONSTRAINT audit_signature_settled CHECK ((settled_at IS NULL) = (note IS NULL AND refusal = ''))
);
CREATE INDEX audit_signature_waiting ON audit_signature (ledger_id, asked_at) WHERE settled_at IS NULL;

-- A text stays as it was asked for, and what was signed as it was signed.
CREATE FUNCTION audit_signature_stays() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE'
        OR (NEW.ledger_id, NEW.id, NEW.text, NEW.asked_at) IS DISTINCT FROM (OLD.ledger_id, OLD.id, OLD.text, OLD.asked_at)
        OR (OLD.note IS NOT NULL AND (NEW.note, NEW.settled_at) IS DISTINCT FROM (OLD.note, OLD.settled_at))
    THEN
        RAISE EXCEPTION 'a text stays as it was asked for and signed' USING ERRCODE = 'OBS01';
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER audit_stays BEFORE UPDATE OR DELETE ON audit_signature
    FOR EACH ROW EXECUTE FUNCTION audit_signature_stays();

-- Else session_replication_role = replica would skip them.
ALTER TABLE audit_signature ENABLE ALWAYS TRIGGER audit_stays;

DO $$
DECLARE
    a_role text;
BEGIN
    -- Default privileges open every new table to the running roles; close ours first.
    FOR a_role IN SELECT rolname FROM pg_roles WHERE rolname IN ('obs_web', 'obs_worker', 'obs_read') LOOP
        EXECUTE format('REVOKE ALL ON audit_signature FROM %I', a_role);
        EXECUTE format('GRANT SELECT ON audit_signature TO %I', a_role);
    END LOOP;
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'obs_worker') THEN
        GRANT INSERT (ledger_id, id, text) ON audit_signature TO obs_worker;
        GRANT UPDATE (note, refusal, settled_at) ON audit_signature TO obs_worker;
    END IF;
END
$$;
