-- What agents ask people to approve, and what people answered.

-- Requests that entries show, each with what became of it. Derived: `manage.py rebuild approvals`.
CREATE TABLE compliance_approvalrequest (
    id bigint NOT NULL,  -- ledger and seq in one number, so that an address stays over a rebuild
    ledger_id integer NOT NULL,
    requested_seq bigint NOT NULL,  -- the entry that asks
    approval_id text COLLATE "C" NOT NULL,
    agent_id text COLLATE "C" NOT NULL,
    requested_by text NOT NULL,  -- whose wish it is: that person never grants it
    actor_id text NOT NULL,
    target_type text NOT NULL,
    target_id text NOT NULL,
    tool text NOT NULL,
    arguments_hash text COLLATE "C" NOT NULL,
    risk text NOT NULL,
    operation_id text NOT NULL,
    summary text NOT NULL,
    reason text NOT NULL,
    requested_at timestamptz NOT NULL,
    expires_at timestamptz,
    state text NOT NULL,  -- open, granted, denied, expired
    answered_seq bigint,
    answered_by text NOT NULL,
    answered_at timestamptz,
    answer text NOT NULL,
    PRIMARY KEY (ledger_id, requested_seq),
    CONSTRAINT compliance_approvalrequest_one UNIQUE (ledger_id, approval_id)
);
CREATE INDEX compliance_approvalrequest_state_of ON compliance_approvalrequest (ledger_id, state, id DESC);
CREATE UNIQUE INDEX compliance_approvalrequest_id ON compliance_approvalrequest (id);

-- What a person answered, until the projection has read the entry of it, and for ever: one answer each.
CREATE TABLE compliance_approvalanswer (
    ledger_id integer NOT NULL REFERENCES audit_ledger,
    approval_id text COLLATE "C" NOT NULL,
    is_granted boolean NOT NULL,
    reason text NOT NULL CONSTRAINT compliance_approvalanswer_reason CHECK (reason <> ''),
    user_id integer NOT NULL,
    answered_by text NOT NULL,
    answered_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (ledger_id, approval_id)
);

-- Whoever answers holds the right to, and a yes is never by whoever asked.
CREATE FUNCTION compliance_answer_is_another_persons() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    NEW.answered_by := public.compliance_person(NEW.user_id, 'add_approvalanswer');
    NEW.answered_at := clock_timestamp();
    IF NEW.is_granted AND EXISTS (
        SELECT FROM public.compliance_approvalrequest AS r
        WHERE r.ledger_id = NEW.ledger_id
          AND r.approval_id = NEW.approval_id
          AND NEW.answered_by IN (r.requested_by, r.actor_id)
    ) THEN
        RAISE EXCEPTION '% asked for this; another person grants it', NEW.answered_by USING ERRCODE = 'OBS02';
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER compliance_another_person BEFORE INSERT ON compliance_approvalanswer
    FOR EACH ROW EXECUTE FUNCTION compliance_answer_is_another_persons();
CREATE TRIGGER compliance_stays BEFORE UPDATE OR DELETE ON compliance_approvalanswer
    FOR EACH ROW EXECUTE FUNCTION compliance_refuse_change();
CREATE TRIGGER compliance_no_truncate BEFORE TRUNCATE ON compliance_approvalanswer
    FOR EACH STATEMENT EXECUTE FUNCTION compliance_refuse_change();
ALTER TABLE compliance_approvalanswer ENABLE ALWAYS TRIGGER compliance_another_person;
ALTER TABLE compliance_approvalanswer ENABLE ALWAYS TRIGGER compliance_stays;
ALTER TABLE compliance_approvalanswer ENABLE ALWAYS TRIGGER compliance_no_truncate;

DO $$
DECLARE
    a_role text;
BEGIN
    -- Default privileges open every new table to the running roles; close ours first.
    FOR a_role IN SELECT rolname FROM pg_roles WHERE rolname IN ('obs_web', 'obs_worker', 'obs_read') LOOP
        EXECUTE format('REVOKE ALL ON compliance_approvalrequest, compliance_approvalanswer FROM %I', a_role);
        EXECUTE format('GRANT SELECT ON compliance_approvalrequest, compliance_approvalanswer TO %I', a_role);
    END LOOP;
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'obs_worker') THEN
        GRANT INSERT, UPDATE, DELETE ON compliance_approvalrequest TO obs_worker;
    END IF;
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'obs_web') THEN
        GRANT INSERT ON compliance_approvalanswer TO obs_web;
    END IF;
END
$$;
