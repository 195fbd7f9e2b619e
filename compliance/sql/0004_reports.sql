-- Reports: what was asked, what was made of it, who has it; schedules with a row a slot; samples.
-- Files lie in $OBS_REPORT_DIR, each row holds its SHA-256. compliance/report.py, schedule.py,
-- deliver_report.py, sample.py.

-- A schedule. Changed in place, each change an entry; a removed one keeps its row and loses its secrets.
CREATE TABLE compliance_schedule (
    id bigint GENERATED ALWAYS AS IDENTITY,
    uid uuid NOT NULL DEFAULT gen_random_uuid(),
    ledger_id integer NOT NULL REFERENCES audit_ledger,
    name text NOT NULL CONSTRAINT compliance_schedule_name CHECK (name <> ''),
    framework text COLLATE "C" NOT NULL,
    environment text COLLATE "C" NOT NULL DEFAULT 'prod',  -- empty: all
    cron text COLLATE "C" NOT NULL,
    zone text COLLATE "C" NOT NULL,
    period text COLLATE "C" NOT NULL CONSTRAINT compliance_schedule_period
        CHECK (period IN ('last_day', 'last_week', 'last_month', 'last_quarter', 'last_year', 'last_30_days', 'last_90_days', 'last_365_days')),
    formats text[] NOT NULL CONSTRAINT compliance_schedule_formats
        CHECK (formats <@ ARRAY['pdf', 'html', 'csv', 'json', 'oscal', 'executive', 'zip'] AND cardinality(formats) > 0),
    -- [{"kind": "email" | "webhook" | "objectstore", "address": …, "options": {…}}]; secrets beside them
    recipients jsonb NOT NULL DEFAULT '[]',
    secrets bytea,  -- sealed as destinations' are
    is_on boolean NOT NULL DEFAULT true,
    counts_from timestamptz NOT NULL DEFAULT clock_timestamp(),  -- slots before it are nobody's
    made_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    made_by text NOT NULL,
    changed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    changed_by text NOT NULL,
    removed_at timestamptz,
    removed_by text NOT NULL DEFAULT '',
    PRIMARY KEY (ledger_id, id),
    CONSTRAINT compliance_schedule_uid UNIQUE (ledger_id, uid),
    CONSTRAINT compliance_schedule_removed CHECK
        ((removed_at IS NULL) = (removed_by = '') AND (removed_at IS NULL OR (secrets IS NULL AND NOT is_on)))
);
CREATE UNIQUE INDEX compliance_schedule_known ON compliance_schedule (ledger_id, name) WHERE removed_at IS NULL;

-- A report that was asked for. A row in Postgres is the queue: whoever takes it counts `attempt` up,
-- and who holds an older number writes nothing any more.
CREATE TABLE compliance_report (
    id bigint GENERATED ALWAYS AS IDENTITY,
    uid uuid NOT NULL DEFAULT gen_random_uuid(),
    ledger_id integer NOT NULL REFERENCES audit_ledger,
    framework text COLLATE "C" NOT NULL,
    start_day date NOT NULL,
    end_day date NOT NULL,
    environment text COLLATE "C" NOT NULL,  -- empty: all
    formats text[] NOT NULL CONSTRAINT compliance_report_formats
        CHECK (formats <@ ARRAY['pdf', 'html', 'csv', 'json', 'oscal', 'executive', 'zip'] AND cardinality(formats) > 0),
    snapshot_id uuid REFERENCES compliance_snapshot,  -- asked for, or sealed on the way
    schedule_id bigint,  -- of the slot that asked for it
    slot_due timestamptz,
    via text NOT NULL CONSTRAINT compliance_report_via CHECK (via IN ('admin', 'api', 'command', 'schedule')),
    asked_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    asked_by text NOT NULL,
    reason text NOT NULL DEFAULT '',  -- stands in the entry
    owner text NOT NULL DEFAULT '',  -- who answers for it when a machine asks
    state text NOT NULL DEFAULT 'queued' CONSTRAINT compliance_report_state
        CHECK (state IN ('queued', 'running', 'signing', 'done', 'failed', 'cancelled')),
    stage text NOT NULL DEFAULT '',  -- what is being done, in words
    done bigint NOT NULL DEFAULT 0,
    total bigint NOT NULL DEFAULT 0,
    attempt integer NOT NULL DEFAULT 0,
    lost integer NOT NULL DEFAULT 0,
    failures integer NOT NULL DEFAULT 0,  -- how often it came to failed; a metric, which must not fall when it is tried again
    attempt_at timestamptz,
    seen_at timestamptz,
    finished_at timestamptz,
    cancelled_by text NOT NULL DEFAULT '',
    note text NOT NULL DEFAULT '',  -- why it failed, and the way out
    report_id text COLLATE "C" NOT NULL DEFAULT '',  -- as its cover says
    content_sha256 text COLLATE "C" NOT NULL DEFAULT '',
    evidenced text,
    tested text,
    coverage text,
    cap integer,
    band text,
    signature_id uuid,  -- the manifest of its archive, as audit_signature holds it
    event_id uuid,  -- audit.report_generated
    PRIMARY KEY (ledger_id, id),
    CONSTRAINT compliance_report_uid UNIQUE (ledger_id, uid),
    CONSTRAINT compliance_report_days CHECK (start_day < end_day),
    CONSTRAINT compliance_report_done CHECK (state <> 'done' OR (content_sha256 <> '' AND snapshot_id IS NOT NULL)),
    CONSTRAINT compliance_report_slot CHECK ((schedule_id IS NULL) = (slot_due IS NULL)),
    FOREIGN KEY (ledger_id, schedule_id) REFERENCES compliance_schedule (ledger_id, id)
);
CREATE INDEX compliance_report_unfinished ON compliance_report (ledger_id, id) WHERE state IN ('queued', 'running', 'signing');
CREATE INDEX compliance_report_newest ON compliance_report (ledger_id, framework, id DESC);

-- A file that was made whole. The row is written once; its file may be made again, with the same sum.
CREATE TABLE compliance_reportfile (
    ledger_id integer NOT NULL REFERENCES audit_ledger,
    report_id bigint NOT NULL,
    name text COLLATE "C" NOT NULL,  -- as a person saves it
    format text COLLATE "C" NOT NULL,
    size bigint NOT NULL,
    sha256 text COLLATE "C" NOT NULL CONSTRAINT compliance_reportfile_sha256 CHECK (sha256 ~ '^[0-9a-f]{64}$'),
    made_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (ledger_id, report_id, name),
    FOREIGN KEY (ledger_id, report_id) REFERENCES compliance_report (ledger_id, id)
);

-- One row a slot of a schedule: a second beat finds it there.
CREATE TABLE compliance_slot (
    ledger_id integer NOT NULL REFERENCES audit_ledger,
    schedule_id bigint NOT NULL,
    due_at timestamptz NOT NULL,
    noticed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    state text NOT NULL DEFAULT 'waiting' CONSTRAINT compliance_slot_state
        CHECK (state IN ('waiting', 'making', 'done', 'failed', 'passed')),  -- passed: nobody made it up, `note` says of how many
    attempts integer NOT NULL DEFAULT 0,
    next_try_at timestamptz,
    report_id bigint,
    note text NOT NULL DEFAULT '',
    finished_at timestamptz,
    PRIMARY KEY (ledger_id, schedule_id, due_at),
    FOREIGN KEY (ledger_id, schedule_id) REFERENCES compliance_schedule (ledger_id, id),
    FOREIGN KEY (ledger_id, report_id) REFERENCES compliance_report (ledger_id, id)
);
-- And one report a slot, whoever asks for it.
CREATE UNIQUE INDEX compliance_report_of_slot ON compliance_report (ledger_id, schedule_id, slot_due) WHERE schedule_id IS NOT NULL;
CREATE INDEX compliance_slot_failed ON compliance_slot (ledger_id, schedule_id, due_at) WHERE state = 'failed';
CREATE INDEX compliance_slot_unfinished ON compliance_slot (ledger_id, due_at) WHERE state IN ('waiting', 'making');

-- What goes to whom, and how that went. Delivered at least once; `uid` lets the other side tell twice from two.
CREATE TABLE compliance_delivery (
    id bigint GENERATED ALWAYS AS IDENTITY,
    uid uuid NOT NULL DEFAULT gen_random_uuid(),
    ledger_id integer NOT NULL REFERENCES audit_ledger,
    report_id bigint NOT NULL,
    schedule_id bigint,
    position integer NOT NULL,  -- in the recipients of its schedule, when it was asked for
    kind text COLLATE "C" NOT NULL CONSTRAINT compliance_delivery_kind CHECK (kind IN ('email', 'webhook', 'objectstore')),
    address text NOT NULL,
    options jsonb NOT NULL DEFAULT '{}',
    asked_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    asked_by text NOT NULL DEFAULT '',  -- who had it sent again; empty: its schedule
    state text NOT NULL DEFAULT 'waiting' CONSTRAINT compliance_delivery_state CHECK (state IN ('waiting', 'sent', 'failed')),
    attempts integer NOT NULL DEFAULT 0,
    next_try_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    note text NOT NULL DEFAULT '',
    reference text NOT NULL DEFAULT '',
    sent_at timestamptz,
    event_id uuid,  -- audit.report_delivered
    PRIMARY KEY (ledger_id, id),
    CONSTRAINT compliance_delivery_uid UNIQUE (ledger_id, uid),
    CONSTRAINT compliance_delivery_once UNIQUE (ledger_id, report_id, position),
    FOREIGN KEY (ledger_id, report_id) REFERENCES compliance_report (ledger_id, id)
);
CREATE INDEX compliance_delivery_failed ON compliance_delivery (ledger_id, asked_at) WHERE state = 'failed';
CREATE INDEX compliance_delivery_waiting ON compliance_delivery (ledger_id, next_try_at) WHERE state = 'waiting';

-- A work paper: a sample that anybody can draw again, and what a person found in it.
CREATE TABLE compliance_sample (
    id bigint GENERATED ALWAYS AS IDENTITY,
    uid uuid NOT NULL DEFAULT gen_random_uuid(),
    ledger_id integer NOT NULL REFERENCES audit_ledger,
    snapshot_id uuid NOT NULL REFERENCES compliance_snapshot,
    framework text COLLATE "C" NOT NULL,
    control text COLLATE "C" NOT NULL,
    check_id text COLLATE "C" NOT NULL,
    lens_id text COLLATE "C" NOT NULL,
    number text NOT NULL CONSTRAINT compliance_sample_number CHECK (number <> ''),  -- typed after sealing
    seed text COLLATE "C" NOT NULL CONSTRAINT compliance_sample_seed CHECK (seed ~ '^[0-9a-f]{64}$'),
    state text NOT NULL DEFAULT 'queued' CONSTRAINT compliance_sample_state
        CHECK (state IN ('queued', 'drawing', 'open', 'concluded', 'failed')),
    done bigint NOT NULL DEFAULT 0,
    total bigint NOT NULL DEFAULT 0,
    attempt integer NOT NULL DEFAULT 0,
    seen_at timestamptz,
    note text NOT NULL DEFAULT '',
    population bigint,
    rule text NOT NULL DEFAULT '',
    drawn_at timestamptz,
    asked_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    asked_by text NOT NULL,
    conclusion text NOT NULL DEFAULT '',
    concluded_at timestamptz,
    concluded_by text NOT NULL DEFAULT '',
    event_id uuid,  -- audit.sample_drawn
    PRIMARY KEY (ledger_id, id),
    CONSTRAINT compliance_sample_uid UNIQUE (ledger_id, uid),
    CONSTRAINT compliance_sample_concluded CHECK ((state = 'concluded') = (concluded_by <> ''))
);
CREATE INDEX compliance_sample_of ON compliance_sample (ledger_id, snapshot_id, id);
CREATE INDEX compliance_sample_unfinished ON compliance_sample (ledger_id, id) WHERE state IN ('queued', 'drawing');

CREATE TABLE compliance_sampleitem (
    ledger_id integer NOT NULL REFERENCES audit_ledger,
    sample_id bigint NOT NULL,
    position integer NOT NULL,
    seq bigint NOT NULL,  -- -1: a day on which no entry was found, which is what there is to look at
    item text COLLATE "C" NOT NULL,
    stratum text NOT NULL,
    entry_id uuid,
    entry_hash text COLLATE "C" NOT NULL,
    occurred_at timestamptz,
    verdict text NOT NULL DEFAULT '' CONSTRAINT compliance_sampleitem_verdict
        CHECK (verdict IN ('', 'no exception', 'exception', 'not available')),
    note text NOT NULL DEFAULT '',
    file_name text NOT NULL DEFAULT '',
    file_sha256 text COLLATE "C" NOT NULL DEFAULT '',
    file bytea,
    ticked_at timestamptz,
    ticked_by text NOT NULL DEFAULT '',
    PRIMARY KEY (ledger_id, sample_id, position),
    FOREIGN KEY (ledger_id, sample_id) REFERENCES compliance_sample (ledger_id, id),
    CONSTRAINT compliance_sampleitem_entry CHECK
        ((seq = -1) = (entry_id IS NULL) AND (seq = -1) = (entry_hash = '') AND (seq = -1) = (occurred_at IS NULL)),
    CONSTRAINT compliance_sampleitem_file CHECK
        ((file IS NULL) = (file_name = '') AND (file IS NULL) = (file_sha256 = '')),
    CONSTRAINT compliance_sampleitem_file_hash CHECK (file IS NULL OR file_sha256 = encode(sha256(file), 'hex'))
);

-- What was drawn, and a concluded paper, stay as they are.
CREATE FUNCTION compliance_sample_stays() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' OR TG_OP = 'TRUNCATE' THEN
        RAISE EXCEPTION 'a work paper is never deleted' USING ERRCODE = 'OBS01';
    END IF;
    IF OLD.state = 'concluded'
        OR (NEW.id, NEW.uid, NEW.ledger_id, NEW.snapshot_id, NEW.framework, NEW.control, NEW.check_id, NEW.lens_id,
            NEW.number, NEW.seed, NEW.asked_at, NEW.asked_by)
        IS DISTINCT FROM
        (OLD.id, OLD.uid, OLD.ledger_id, OLD.snapshot_id, OLD.framework, OLD.control, OLD.check_id, OLD.lens_id,
            OLD.number, OLD.seed, OLD.asked_at, OLD.asked_by)
        OR (OLD.state = 'open' AND (NEW.population, NEW.rule, NEW.drawn_at, NEW.event_id)
            IS DISTINCT FROM (OLD.population, OLD.rule, OLD.drawn_at, OLD.event_id))
        -- Only who draws ends a draw, and nothing is drawn twice.
        OR (OLD.state, NEW.state) NOT IN (('queued', 'queued'), ('queued', 'drawing'), ('drawing', 'drawing'),
            ('drawing', 'queued'), ('drawing', 'open'), ('drawing', 'failed'), ('failed', 'failed'), ('failed', 'queued'),
            ('open', 'open'), ('open', 'concluded'))
    THEN
        RAISE EXCEPTION 'a sample stays as it was drawn, and a concluded paper as it was concluded' USING ERRCODE = 'OBS01';
    END IF;
    IF NEW.state = 'concluded' AND EXISTS (
        SELECT FROM public.compliance_sampleitem AS i
        WHERE i.ledger_id = NEW.ledger_id AND i.sample_id = NEW.id AND i.verdict = '')
    THEN
        RAISE EXCEPTION 'a paper is concluded when every item of it is ticked' USING ERRCODE = 'OBS01';
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER compliance_stays BEFORE UPDATE OR DELETE ON compliance_sample
    FOR EACH ROW EXECUTE FUNCTION compliance_sample_stays();

CREATE FUNCTION compliance_sampleitem_stays() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN
        RAISE EXCEPTION 'a drawn item is never deleted' USING ERRCODE = 'OBS01';
    END IF;
    IF TG_OP = 'INSERT' THEN
        -- Waits for whoever holds the sample's row, so that none comes in while a draw ends.
        PERFORM FROM public.compliance_sample AS s
            WHERE s.ledger_id = NEW.ledger_id AND s.id = NEW.sample_id AND s.state = 'drawing' FOR SHARE;
        IF NOT FOUND OR NEW.verdict <> '' THEN
            RAISE EXCEPTION 'items are drawn, and none is added afterwards' USING ERRCODE = 'OBS01';
        END IF;
        RETURN NEW;
    END IF;
    -- Waits for a conclusion under way, whose entry says what every item was ticked as.
    PERFORM FROM public.compliance_sample AS s
        WHERE s.ledger_id = NEW.ledger_id AND s.id = NEW.sample_id AND s.state = 'open' FOR SHARE;
    IF NOT FOUND
        OR (NEW.ledger_id, NEW.sample_id, NEW.position, NEW.seq, NEW.item, NEW.stratum, NEW.entry_id, NEW.entry_hash, NEW.occurred_at)
        IS DISTINCT FROM
        (OLD.ledger_id, OLD.sample_id, OLD.position, OLD.seq, OLD.item, OLD.stratum, OLD.entry_id, OLD.entry_hash, OLD.occurred_at)
    THEN
        RAISE EXCEPTION 'an item stays as it was drawn, and a concluded paper as it was concluded' USING ERRCODE = 'OBS01';
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER compliance_stays BEFORE INSERT OR UPDATE OR DELETE ON compliance_sampleitem
    FOR EACH ROW EXECUTE FUNCTION compliance_sampleitem_stays();

-- A report, its files, slots and deliveries stay listed for ever.
CREATE FUNCTION compliance_reportfile_stays() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the sum of a file that was handed out is never changed or deleted' USING ERRCODE = 'OBS01';
END
$$;
CREATE TRIGGER compliance_stays BEFORE UPDATE OR DELETE ON compliance_reportfile
    FOR EACH ROW EXECUTE FUNCTION compliance_reportfile_stays();

CREATE FUNCTION compliance_report_stays() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF (NEW.id, NEW.uid, NEW.ledger_id, NEW.framework, NEW.start_day, NEW.end_day, NEW.environment, NEW.asked_at, NEW.asked_by, NEW.via,
            NEW.reason, NEW.owner)
        IS DISTINCT FROM
        (OLD.id, OLD.uid, OLD.ledger_id, OLD.framework, OLD.start_day, OLD.end_day, OLD.environment, OLD.asked_at, OLD.asked_by, OLD.via,
            OLD.reason, OLD.owner)
        OR (OLD.content_sha256 <> '' AND NEW.content_sha256 <> OLD.content_sha256)
        OR (OLD.state = 'done' AND NEW.state <> 'done')
    THEN
        RAISE EXCEPTION 'a report stays as it was asked for and made' USING ERRCODE = 'OBS01';
    END IF;
    IF NEW.state = 'failed' AND OLD.state <> 'failed' THEN
        NEW.failures := OLD.failures + 1;
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER compliance_stays BEFORE UPDATE ON compliance_report
    FOR EACH ROW EXECUTE FUNCTION compliance_report_stays();

-- Else session_replication_role = replica would skip them.
ALTER TABLE compliance_sample ENABLE ALWAYS TRIGGER compliance_stays;
ALTER TABLE compliance_sampleitem ENABLE ALWAYS TRIGGER compliance_stays;
ALTER TABLE compliance_reportfile ENABLE ALWAYS TRIGGER compliance_stays;
ALTER TABLE compliance_report ENABLE ALWAYS TRIGGER compliance_stays;

DO $$
DECLARE
    a_role text;
    a_table text;
BEGIN
    -- Default privileges open every new table to the running roles; close ours first.
    FOREACH a_table IN ARRAY ARRAY['compliance_schedule', 'compliance_report', 'compliance_reportfile', 'compliance_slot',
            'compliance_delivery', 'compliance_sample', 'compliance_sampleitem'] LOOP
        FOR a_role IN SELECT rolname FROM pg_roles WHERE rolname IN ('obs_web', 'obs_worker', 'obs_read') LOOP
            EXECUTE format('REVOKE ALL ON %I FROM %I', a_table, a_role);
            IF a_role <> 'obs_read' OR a_table <> 'compliance_schedule' THEN
                EXECUTE format('GRANT SELECT ON %I TO %I', a_table, a_role);
            END IF;
        END LOOP;
    END LOOP;
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'obs_read') THEN
        -- Auditors never see a secret, not even a sealed one.
        GRANT SELECT (id, uid, ledger_id, name, framework, environment, cron, zone, period, formats, recipients, is_on,
            counts_from, made_at, made_by, changed_at, changed_by, removed_at, removed_by) ON compliance_schedule TO obs_read;
    END IF;
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'obs_web') THEN
        GRANT INSERT, UPDATE ON compliance_schedule TO obs_web;
        -- What is in a report, and whether it is made, is the worker's to say.
        GRANT INSERT (ledger_id, framework, start_day, end_day, environment, formats, snapshot_id, via, asked_by, reason, owner)
            ON compliance_report TO obs_web;
        GRANT UPDATE (state, cancelled_by, finished_at, note) ON compliance_report TO obs_web;
        GRANT INSERT (ledger_id, report_id, schedule_id, position, kind, address, options, asked_by)
            ON compliance_delivery TO obs_web;
        GRANT UPDATE (state, attempts, next_try_at, note, asked_by) ON compliance_delivery TO obs_web;
        GRANT UPDATE (state, attempts, next_try_at, note) ON compliance_slot TO obs_web;
        GRANT INSERT (ledger_id, uid, snapshot_id, framework, control, check_id, lens_id, number, seed, asked_by)
            ON compliance_sample TO obs_web;
        GRANT UPDATE (state, conclusion, concluded_at, concluded_by) ON compliance_sample TO obs_web;
        GRANT UPDATE (verdict, note, file_name, file_sha256, file, ticked_at, ticked_by) ON compliance_sampleitem TO obs_web;
    END IF;
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'obs_worker') THEN
        GRANT INSERT, UPDATE ON compliance_report, compliance_slot, compliance_delivery, compliance_sample TO obs_worker;
        GRANT INSERT ON compliance_reportfile, compliance_sampleitem TO obs_worker;
    END IF;
END
$$;
