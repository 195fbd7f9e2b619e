-- What people decide, while it is worked on: drafts, files, what waits for a second person.
--
-- What counts in a score is the entry that each act leaves in the ledger; these rows are where it is
-- prepared and looked up. None is ever deleted. Where the rule asks for a second person, the rule
-- stands here as well: whoever approves or signs is an account that may, and not the one that asked.

-- The name of an account that may do something at the desk; refuses any other.
CREATE FUNCTION compliance_person(a_user integer, a_codename text) RETURNS text
LANGUAGE plpgsql STABLE AS $$
DECLARE
    holder text;
BEGIN
    SELECT u.username INTO holder
    FROM public.auth_user AS u
    WHERE u.id = a_user
      AND u.is_active
      AND u.is_staff
      AND (u.is_superuser
           OR EXISTS (
               SELECT FROM public.auth_permission AS p
               JOIN public.django_content_type AS t ON t.id = p.content_type_id
               WHERE t.app_label = 'compliance'
                 AND p.codename = a_codename
                 AND (p.id IN (SELECT permission_id FROM public.auth_user_user_permissions WHERE user_id = u.id)
                      OR p.id IN (SELECT g.permission_id FROM public.auth_group_permissions AS g
                                  JOIN public.auth_user_groups AS m ON m.group_id = g.group_id
                                  WHERE m.user_id = u.id))
           ));
    IF NOT FOUND THEN
        RAISE EXCEPTION 'account % does not hold the right %', a_user, a_codename USING ERRCODE = 'OBS02';
    END IF;
    RETURN holder;
END
$$;

CREATE FUNCTION compliance_refuse_change() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'what people decided is never deleted: % on % refused', TG_OP, TG_TABLE_NAME USING ERRCODE = 'OBS01';
END
$$;

-- Management statements. One that is signed says for ever what it said; it can be withdrawn.
CREATE TABLE compliance_statement (
    id bigint GENERATED ALWAYS AS IDENTITY,
    uid uuid NOT NULL DEFAULT gen_random_uuid(),
    ledger_id integer NOT NULL REFERENCES audit_ledger,
    framework text COLLATE "C" NOT NULL,
    control text COLLATE "C" NOT NULL CONSTRAINT compliance_statement_control CHECK (control <> ''),
    text text NOT NULL CONSTRAINT compliance_statement_text CHECK (text <> ''),
    role text NOT NULL,
    is_reasoning boolean NOT NULL DEFAULT false,
    effective_from date NOT NULL,
    effective_to date NOT NULL,
    expires_on date NOT NULL,
    file_name text NOT NULL DEFAULT '',
    file_sha256 text COLLATE "C" NOT NULL DEFAULT '',
    file_size integer NOT NULL DEFAULT 0,
    file bytea,
    renews_id bigint,
    state text NOT NULL DEFAULT 'draft'
        CONSTRAINT compliance_statement_state CHECK (state IN ('draft', 'signed', 'withdrawn', 'discarded')),
    prepared_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    prepared_by_id integer NOT NULL,
    prepared_by text NOT NULL CONSTRAINT compliance_statement_preparer CHECK (prepared_by <> ''),
    signed_at timestamptz,
    signer_id integer,
    signed_by text NOT NULL DEFAULT '',
    ended_at timestamptz,
    ended_by text NOT NULL DEFAULT '',
    end_reason text NOT NULL DEFAULT '',
    reminded integer,  -- days before its expiry of the last reminder that was sent
    PRIMARY KEY (ledger_id, id),
    CONSTRAINT compliance_statement_uid UNIQUE (ledger_id, uid),
    CONSTRAINT compliance_statement_dates CHECK (effective_from <= effective_to AND effective_from <= expires_on),
    CONSTRAINT compliance_statement_file CHECK ((file IS NULL) = (file_name = '') AND (file IS NULL) = (file_sha256 = '')),
    CONSTRAINT compliance_statement_file_hash CHECK (file IS NULL OR (file_sha256 = encode(sha256(file), 'hex') AND file_size = octet_length(file))),
    CONSTRAINT compliance_statement_signed CHECK
        ((state IN ('signed', 'withdrawn')) = (signer_id IS NOT NULL) AND (signer_id IS NULL) = (signed_by = '')),
    CONSTRAINT compliance_statement_two_people CHECK (signer_id <> prepared_by_id AND signed_by <> prepared_by),
    CONSTRAINT compliance_statement_ended CHECK ((state IN ('withdrawn', 'discarded')) = (ended_by <> ''))
);
CREATE INDEX compliance_statement_state_of ON compliance_statement (ledger_id, state, id DESC);

CREATE FUNCTION compliance_statement_is_signed() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF (NEW.id, NEW.uid, NEW.ledger_id, NEW.framework, NEW.control, NEW.text, NEW.role, NEW.is_reasoning, NEW.effective_from, NEW.effective_to,
            NEW.expires_on, NEW.file_name, NEW.file_sha256, NEW.prepared_at, NEW.prepared_by_id, NEW.prepared_by, NEW.renews_id)
        IS DISTINCT FROM
        (OLD.id, OLD.uid, OLD.ledger_id, OLD.framework, OLD.control, OLD.text, OLD.role, OLD.is_reasoning, OLD.effective_from, OLD.effective_to,
            OLD.expires_on, OLD.file_name, OLD.file_sha256, OLD.prepared_at, OLD.prepared_by_id, OLD.prepared_by, OLD.renews_id)
        OR (OLD.state <> 'draft' AND (NEW.signer_id, NEW.signed_by, NEW.signed_at) IS DISTINCT FROM (OLD.signer_id, OLD.signed_by, OLD.signed_at))
        OR (OLD.ended_by <> '' AND (NEW.ended_at, NEW.ended_by, NEW.end_reason) IS DISTINCT FROM (OLD.ended_at, OLD.ended_by, OLD.end_reason))
    THEN
        RAISE EXCEPTION 'a statement stays as it was prepared; prepare another one' USING ERRCODE = 'OBS01';
    END IF;
    IF NEW.state <> OLD.state THEN
        IF (OLD.state, NEW.state) NOT IN (('draft', 'signed'), ('draft', 'discarded'), ('signed', 'withdrawn')) THEN
            RAISE EXCEPTION 'a statement that is % does not become %', OLD.state, NEW.state USING ERRCODE = 'OBS02';
        END IF;
        IF NEW.state = 'signed' THEN
            NEW.signed_by := public.compliance_person(NEW.signer_id, 'change_statement');
            NEW.signed_at := clock_timestamp();
        END IF;
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER compliance_signed BEFORE UPDATE ON compliance_statement
    FOR EACH ROW EXECUTE FUNCTION compliance_statement_is_signed();

-- What needs a second person: waivers, scope decisions, limits and lists. A limit that is only made
-- tighter takes force by one person alone (`is_alone`).
CREATE TABLE compliance_decision (
    id bigint GENERATED ALWAYS AS IDENTITY,
    uid uuid NOT NULL DEFAULT gen_random_uuid(),
    ledger_id integer NOT NULL REFERENCES audit_ledger,
    kind text COLLATE "C" NOT NULL CONSTRAINT compliance_decision_kind CHECK (kind IN ('waiver', 'scope', 'limit')),
    framework text COLLATE "C" NOT NULL DEFAULT '',
    control text COLLATE "C" NOT NULL DEFAULT '',
    check_id text COLLATE "C" NOT NULL DEFAULT '',
    severity text COLLATE "C" NOT NULL DEFAULT '',
    details jsonb NOT NULL DEFAULT '{}',
    reason text NOT NULL CONSTRAINT compliance_decision_reason CHECK (reason <> ''),
    begins_on date,
    expires_on date,
    state text NOT NULL DEFAULT 'asked'
        CONSTRAINT compliance_decision_state CHECK (state IN ('asked', 'approved', 'denied', 'ended')),
    is_alone boolean NOT NULL DEFAULT false,
    asked_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    asked_by_id integer NOT NULL,
    asked_by text NOT NULL CONSTRAINT compliance_decision_asker CHECK (asked_by <> ''),
    approved_at timestamptz,
    approver_id integer,
    approved_by text NOT NULL DEFAULT '',
    ended_at timestamptz,
    ended_by text NOT NULL DEFAULT '',
    end_reason text NOT NULL DEFAULT '',
    reminded integer,  -- days before its expiry of the last reminder that was sent
    PRIMARY KEY (ledger_id, id),
    CONSTRAINT compliance_decision_uid UNIQUE (ledger_id, uid),
    CONSTRAINT compliance_decision_waiver CHECK
        (kind <> 'waiver' OR (control <> '' AND severity <> '' AND begins_on IS NOT NULL AND expires_on IS NOT NULL AND begins_on <= expires_on)),
    CONSTRAINT compliance_decision_alone CHECK (NOT is_alone OR kind = 'limit'),
    CONSTRAINT compliance_decision_two_people CHECK
        (approver_id <> asked_by_id AND approved_by <> asked_by
         AND (approver_id IS NULL) = (approved_by = '')
         AND (state NOT IN ('approved', 'ended') OR approver_id IS NOT NULL OR is_alone)
         AND (approver_id IS NULL OR state IN ('approved', 'ended'))),
    CONSTRAINT compliance_decision_ended CHECK ((state IN ('denied', 'ended')) = (ended_by <> ''))
);
CREATE INDEX compliance_decision_state_of ON compliance_decision (ledger_id, state, id DESC);
CREATE INDEX compliance_decision_kind_of ON compliance_decision (ledger_id, kind, id DESC);

CREATE FUNCTION compliance_decision_is_approved() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF (NEW.id, NEW.uid, NEW.ledger_id, NEW.kind, NEW.framework, NEW.control, NEW.check_id, NEW.severity, NEW.details, NEW.reason, NEW.begins_on,
            NEW.expires_on, NEW.is_alone, NEW.asked_at, NEW.asked_by_id, NEW.asked_by)
        IS DISTINCT FROM
        (OLD.id, OLD.uid, OLD.ledger_id, OLD.kind, OLD.framework, OLD.control, OLD.check_id, OLD.severity, OLD.details, OLD.reason, OLD.begins_on,
            OLD.expires_on, OLD.is_alone, OLD.asked_at, OLD.asked_by_id, OLD.asked_by)
        OR (OLD.state <> 'asked' AND (NEW.approver_id, NEW.approved_by, NEW.approved_at) IS DISTINCT FROM (OLD.approver_id, OLD.approved_by, OLD.approved_at))
        OR (OLD.ended_by <> '' AND (NEW.ended_at, NEW.ended_by, NEW.end_reason) IS DISTINCT FROM (OLD.ended_at, OLD.ended_by, OLD.end_reason))
    THEN
        RAISE EXCEPTION 'what was asked stays as it was asked; ask again' USING ERRCODE = 'OBS01';
    END IF;
    IF NEW.state <> OLD.state THEN
        IF (OLD.state, NEW.state) NOT IN (('asked', 'approved'), ('asked', 'denied'), ('approved', 'ended')) THEN
            RAISE EXCEPTION 'a decision that is % does not become %', OLD.state, NEW.state USING ERRCODE = 'OBS02';
        END IF;
        IF NEW.state = 'approved' THEN
            NEW.approved_by := public.compliance_person(NEW.approver_id, 'change_decision');
            NEW.approved_at := clock_timestamp();
            IF NEW.kind = 'waiver' AND NEW.expires_on > (NEW.approved_at AT TIME ZONE 'UTC')::date + (CASE NEW.severity WHEN 'critical' THEN 90 ELSE 365 END) THEN
                RAISE EXCEPTION 'a waiver ends at most 365 days after its approval, a critical one 90' USING ERRCODE = 'OBS02';
            END IF;
        END IF;
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER compliance_approved BEFORE UPDATE ON compliance_decision
    FOR EACH ROW EXECUTE FUNCTION compliance_decision_is_approved();

-- Nothing comes into the table approved, but a limit that one person may set alone.
CREATE FUNCTION compliance_decision_is_asked() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.state <> 'asked' AND NOT (NEW.is_alone AND NEW.state = 'approved' AND NEW.approver_id IS NULL) THEN
        RAISE EXCEPTION 'a decision is asked for before it is %', NEW.state USING ERRCODE = 'OBS02';
    END IF;
    NEW.asked_by := public.compliance_person(NEW.asked_by_id, 'add_decision');
    NEW.asked_at := clock_timestamp();
    RETURN NEW;
END
$$;
CREATE TRIGGER compliance_asked BEFORE INSERT ON compliance_decision
    FOR EACH ROW EXECUTE FUNCTION compliance_decision_is_asked();

CREATE FUNCTION compliance_statement_is_prepared() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.state <> 'draft' THEN
        RAISE EXCEPTION 'a statement is prepared before it is %', NEW.state USING ERRCODE = 'OBS02';
    END IF;
    NEW.prepared_by := public.compliance_person(NEW.prepared_by_id, 'add_statement');
    NEW.prepared_at := clock_timestamp();
    RETURN NEW;
END
$$;
CREATE TRIGGER compliance_prepared BEFORE INSERT ON compliance_statement
    FOR EACH ROW EXECUTE FUNCTION compliance_statement_is_prepared();

-- The owner's word that nothing of a kind happened in [first_day, end_day).
CREATE TABLE compliance_nilreturn (
    id bigint GENERATED ALWAYS AS IDENTITY,
    uid uuid NOT NULL DEFAULT gen_random_uuid(),
    ledger_id integer NOT NULL REFERENCES audit_ledger,
    check_id text COLLATE "C" NOT NULL,
    first_day date NOT NULL,
    end_day date NOT NULL,
    text text NOT NULL CONSTRAINT compliance_nilreturn_text CHECK (text <> ''),
    signed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    signed_by text NOT NULL CONSTRAINT compliance_nilreturn_signer CHECK (signed_by <> ''),
    withdrawn_at timestamptz,
    withdrawn_by text NOT NULL DEFAULT '',
    withdraw_reason text NOT NULL DEFAULT '',
    PRIMARY KEY (ledger_id, id),
    CONSTRAINT compliance_nilreturn_uid UNIQUE (ledger_id, uid),
    CONSTRAINT compliance_nilreturn_days CHECK (first_day < end_day),
    CONSTRAINT compliance_nilreturn_withdrawn CHECK ((withdrawn_at IS NULL) = (withdrawn_by = ''))
);

-- Reviews of activity records that a person has done; never changed.
CREATE TABLE compliance_review (
    id bigint GENERATED ALWAYS AS IDENTITY,
    uid uuid NOT NULL DEFAULT gen_random_uuid(),
    ledger_id integer NOT NULL REFERENCES audit_ledger,
    scope text NOT NULL CONSTRAINT compliance_review_scope CHECK (scope <> ''),
    items_count bigint NOT NULL,
    findings_count bigint NOT NULL,
    note text NOT NULL CONSTRAINT compliance_review_note CHECK (note <> ''),
    done_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    done_by text NOT NULL CONSTRAINT compliance_review_by CHECK (done_by <> ''),
    PRIMARY KEY (ledger_id, id),
    CONSTRAINT compliance_review_counts CHECK (items_count >= 0 AND findings_count >= 0)
);

-- Findings: what is wrong, who puts it right by when, and what closed it.
CREATE TABLE compliance_finding (
    id bigint GENERATED ALWAYS AS IDENTITY,
    uid uuid NOT NULL DEFAULT gen_random_uuid(),
    ledger_id integer NOT NULL REFERENCES audit_ledger,
    framework text COLLATE "C" NOT NULL,
    control text COLLATE "C" NOT NULL DEFAULT '',
    check_id text COLLATE "C" NOT NULL DEFAULT '',
    item text COLLATE "C" NOT NULL DEFAULT '',
    entry_seq bigint,  -- the entry that it is about
    subject_event uuid,  -- the id of that entry's event
    severity text COLLATE "C" NOT NULL,
    title text NOT NULL CONSTRAINT compliance_finding_title CHECK (title <> ''),
    note text NOT NULL DEFAULT '',
    owner_id integer NOT NULL,
    owner text NOT NULL CONSTRAINT compliance_finding_owner CHECK (owner <> ''),
    due date NOT NULL,
    state text NOT NULL DEFAULT 'open' CONSTRAINT compliance_finding_state CHECK (state IN ('open', 'closed')),
    opened_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    opened_by text NOT NULL CONSTRAINT compliance_finding_opener CHECK (opened_by <> ''),
    retested_at timestamptz,
    retested_by text NOT NULL DEFAULT '',
    retest text NOT NULL DEFAULT '',
    closed_at timestamptz,
    closer_id integer,
    closed_by text NOT NULL DEFAULT '',
    close_note text NOT NULL DEFAULT '',
    PRIMARY KEY (ledger_id, id),
    CONSTRAINT compliance_finding_uid UNIQUE (ledger_id, uid),
    CONSTRAINT compliance_finding_closed CHECK
        ((state = 'closed') = (closer_id IS NOT NULL) AND (closer_id IS NULL) = (closed_by = '') AND (closer_id IS NULL) = (close_note = '')),
    CONSTRAINT compliance_finding_critical CHECK (severity <> 'critical' OR (closer_id <> owner_id AND closed_by <> owner))
);
CREATE INDEX compliance_finding_state_of ON compliance_finding (ledger_id, state, id DESC);
CREATE INDEX compliance_finding_about ON compliance_finding (ledger_id, check_id, item);

CREATE FUNCTION compliance_finding_is_closed() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.state = 'closed' THEN
        RAISE EXCEPTION 'a closed finding stays closed; open another one' USING ERRCODE = 'OBS01';
    END IF;
    IF (NEW.id, NEW.uid, NEW.ledger_id, NEW.framework, NEW.control, NEW.check_id, NEW.item, NEW.entry_seq, NEW.subject_event, NEW.severity, NEW.title, NEW.note, NEW.owner_id, NEW.owner, NEW.due, NEW.opened_at, NEW.opened_by)
        IS DISTINCT FROM
        (OLD.id, OLD.uid, OLD.ledger_id, OLD.framework, OLD.control, OLD.check_id, OLD.item, OLD.entry_seq, OLD.subject_event, OLD.severity, OLD.title, OLD.note, OLD.owner_id, OLD.owner, OLD.due, OLD.opened_at, OLD.opened_by)
    THEN
        RAISE EXCEPTION 'a finding stays as it was opened' USING ERRCODE = 'OBS01';
    END IF;
    IF NEW.state = 'closed' THEN
        NEW.closed_by := public.compliance_person(NEW.closer_id, 'change_finding');
        NEW.closed_at := clock_timestamp();
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER compliance_closed BEFORE UPDATE ON compliance_finding
    FOR EACH ROW EXECUTE FUNCTION compliance_finding_is_closed();

-- Frameworks of the customer's own, every version. One version of each name is in force.
CREATE TABLE compliance_framework (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text COLLATE "C" NOT NULL CONSTRAINT compliance_framework_name CHECK (name ~ '^[a-z0-9][a-z0-9_.-]{0,63}$'),
    version text NOT NULL,
    title text NOT NULL,
    controls integer NOT NULL,
    body bytea NOT NULL,  -- the YAML as it was uploaded
    sha256 text COLLATE "C" NOT NULL CONSTRAINT compliance_framework_sha256 CHECK (sha256 = encode(sha256(body), 'hex')),
    is_in_force boolean NOT NULL DEFAULT true,
    uploaded_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    uploaded_by text NOT NULL,
    ended_at timestamptz,
    ended_by text NOT NULL DEFAULT ''
);
CREATE UNIQUE INDEX compliance_framework_one ON compliance_framework (name) WHERE is_in_force;

DO $$
DECLARE
    a_role text;
    a_table text;
BEGIN
    FOREACH a_table IN ARRAY ARRAY['statement', 'decision', 'nilreturn', 'review', 'finding', 'framework'] LOOP
        EXECUTE format('CREATE TRIGGER compliance_no_delete BEFORE DELETE ON compliance_%s FOR EACH ROW EXECUTE FUNCTION compliance_refuse_change()', a_table);
        EXECUTE format('CREATE TRIGGER compliance_no_truncate BEFORE TRUNCATE ON compliance_%s FOR EACH STATEMENT EXECUTE FUNCTION compliance_refuse_change()', a_table);
        EXECUTE format('ALTER TABLE compliance_%s ENABLE ALWAYS TRIGGER compliance_no_delete', a_table);
        EXECUTE format('ALTER TABLE compliance_%s ENABLE ALWAYS TRIGGER compliance_no_truncate', a_table);
        -- Default privileges open every new table to the running roles; close ours first.
        FOR a_role IN SELECT rolname FROM pg_roles WHERE rolname IN ('obs_web', 'obs_worker', 'obs_read') LOOP
            EXECUTE format('REVOKE ALL ON compliance_%s FROM %I', a_table, a_role);
            EXECUTE format('GRANT SELECT ON compliance_%s TO %I', a_table, a_role);
        END LOOP;
        IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'obs_web') THEN
            EXECUTE format('GRANT INSERT, UPDATE ON compliance_%s TO obs_web', a_table);
        END IF;
    END LOOP;
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'obs_web') THEN
        REVOKE UPDATE ON compliance_review FROM obs_web;
    END IF;
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'obs_worker') THEN
        -- The worker notes which reminder it has sent, and nothing else.
        GRANT UPDATE (reminded) ON compliance_statement, compliance_decision TO obs_worker;
    END IF;
END
$$;
ALTER TABLE compliance_statement ENABLE ALWAYS TRIGGER compliance_signed;
ALTER TABLE compliance_statement ENABLE ALWAYS TRIGGER compliance_prepared;
ALTER TABLE compliance_decision ENABLE ALWAYS TRIGGER compliance_approved;
ALTER TABLE compliance_decision ENABLE ALWAYS TRIGGER compliance_asked;
ALTER TABLE compliance_finding ENABLE ALWAYS TRIGGER compliance_closed;
