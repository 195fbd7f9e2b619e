-- What people operate by: history of gauges, alerts, incidents, who is told, what looks unusual, and
-- what service was promised. Numbers by the minute are the fold's and the processes' (0001).

-- --- Gauges by the minute: what a family said last in each --------------------------------------

CREATE TABLE metrics_gaugeminute (
    family text COLLATE "C" NOT NULL,
    labels text COLLATE "C" NOT NULL,
    minute timestamptz NOT NULL,
    value double precision NOT NULL,  -- in the family's unit
    PRIMARY KEY (family, minute, labels)  -- whole families are read, of a time
) PARTITION BY RANGE (minute);

-- `counted`: what counters that are asked of rows said last, so that history has what came since.
ALTER TABLE metrics_past DROP CONSTRAINT metrics_past_what;
ALTER TABLE metrics_past ADD CONSTRAINT metrics_past_what CHECK (what IN ('append', 'counting', 'stores', 'counted'));

-- As in 0001, of three tables.
CREATE OR REPLACE FUNCTION metrics_make_days(first_day date, last_day date) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public AS $$
DECLARE
    a_day date;
    a_table text;
    a_role text;
    day_name text;
    made integer := 0;
BEGIN
    IF last_day - first_day > 4000 THEN
        RAISE EXCEPTION 'more than 4000 days of minute history at once';
    END IF;
    FOREACH a_table IN ARRAY ARRAY['metrics_minute', 'metrics_processminute', 'metrics_gaugeminute'] LOOP
        FOR a_day IN SELECT generate_series(first_day, last_day, interval '1 day')::date LOOP
            day_name := a_table || '_' || to_char(a_day, 'YYYYMMDD');
            CONTINUE WHEN to_regclass('public.' || day_name) IS NOT NULL;
            PERFORM pg_advisory_xact_lock(hashtext('metrics_make_days'));
            -- Not to_regclass again: its cache does not know what another made while we waited.
            CONTINUE WHEN EXISTS (SELECT FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relname = day_name);
            -- Made apart and then attached: PARTITION OF would lock out every reader.
            EXECUTE format('CREATE TABLE public.%I (LIKE public.%I INCLUDING ALL) WITH (fillfactor = 70)', day_name, a_table);
            EXECUTE format(
                'ALTER TABLE public.%I ATTACH PARTITION public.%I FOR VALUES FROM (%L) TO (%L)',
                a_table, day_name, a_day::text || ' 00:00:00+00', (a_day + 1)::text || ' 00:00:00+00'
            );
            FOR a_role IN SELECT rolname FROM pg_roles WHERE rolname IN ('obs_web', 'obs_worker', 'obs_read') LOOP
                EXECUTE format('REVOKE ALL ON public.%I FROM %I', day_name, a_role);
            END LOOP;
            made := made + 1;
        END LOOP;
    END LOOP;
    RETURN made;
END
$$;

CREATE OR REPLACE FUNCTION metrics_drop_days(before date) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public AS $$
DECLARE
    a_name text;
    dropped integer := 0;
BEGIN
    FOR a_name IN
        SELECT part.relname
        FROM pg_inherits
        JOIN pg_class AS part ON part.oid = inhrelid
        WHERE inhparent IN ('public.metrics_minute'::regclass, 'public.metrics_processminute'::regclass,
                'public.metrics_gaugeminute'::regclass)
            AND right(part.relname, 8) < to_char(before, 'YYYYMMDD')
        ORDER BY part.relname
    LOOP
        EXECUTE format('DROP TABLE public.%I', a_name);
        dropped := dropped + 1;
    END LOOP;
    RETURN dropped;
END
$$;

-- --- What agents did, by the quarter of an hour -----------------------------------------------------

-- Of the projection (0001), by the agent's own label: what is looked at together to find the unusual.
CREATE TABLE metrics_agentwork (
    ledger_id integer NOT NULL REFERENCES audit_ledger,
    quarter timestamptz NOT NULL,
    agent text COLLATE "C" NOT NULL,
    what text COLLATE "C" NOT NULL,  -- calls, errors, denied, data, tokens, nano, or `tool` and its label
    n numeric NOT NULL,
    PRIMARY KEY (ledger_id, quarter, agent, what)
) WITH (fillfactor = 70);

-- --- Longer spans of minutes, so that a month is drawn from hundreds of rows a series --------------

-- Sums of metrics_minute and metrics_processminute by quarter of an hour and by three hours: a copy
-- that metrics/spans.py makes, and that counts only while metrics_spandone says so.
CREATE TABLE metrics_span (
    source text COLLATE "C" NOT NULL CONSTRAINT metrics_span_source CHECK (source IN ('entries', 'processes')),
    family text COLLATE "C" NOT NULL,
    minutes smallint NOT NULL CONSTRAINT metrics_span_minutes CHECK (minutes IN (15, 180)),
    starts_at timestamptz NOT NULL,
    ledger_id integer NOT NULL,  -- 0 of processes
    labels text COLLATE "C" NOT NULL,
    n numeric NOT NULL,
    buckets bigint[],
    total numeric NOT NULL,
    PRIMARY KEY (source, family, minutes, starts_at, ledger_id, labels)
) WITH (fillfactor = 80);
CREATE INDEX metrics_span_starts ON metrics_span USING brin (starts_at) WITH (pages_per_range = 16);

-- The spans whose minutes have not changed since they were added up. Who adds to a minute takes its
-- spans out of here after that, in the same transaction; who adds spans up locks this table first.
CREATE TABLE metrics_spandone (
    source text COLLATE "C" NOT NULL,
    minutes smallint NOT NULL,
    starts_at timestamptz NOT NULL,
    PRIMARY KEY (source, minutes, starts_at)
);

-- Minutes are taken away when a projection is built again, all of a ledger at once.
CREATE FUNCTION metrics_forget_spans() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM metrics_spandone WHERE source = TG_ARGV[0];
    RETURN NULL;
END
$$;
CREATE TRIGGER metrics_minute_gone AFTER DELETE ON metrics_minute
FOR EACH STATEMENT EXECUTE FUNCTION metrics_forget_spans('entries');
CREATE TRIGGER metrics_processminute_gone AFTER DELETE ON metrics_processminute
FOR EACH STATEMENT EXECUTE FUNCTION metrics_forget_spans('processes');

-- --- Alerts ---------------------------------------------------------------------------------------

-- Rules that people have made, and those of ours that they have changed: a row stands in the place of
-- the shipped rule of its name. The shape of `rule`: metrics/alert_rule.py.
CREATE TABLE metrics_alertrule (
    name text COLLATE "C" PRIMARY KEY CONSTRAINT metrics_alertrule_name CHECK (name ~ '^[A-Z][A-Za-z0-9]{2,63}$'),
    rule jsonb NOT NULL,
    is_on boolean NOT NULL DEFAULT true,
    changed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    changed_by text NOT NULL
);

-- What the embedded evaluator finds to hold now: one row an alert, gone when it holds no more.
CREATE TABLE metrics_alert (
    fingerprint text COLLATE "C" PRIMARY KEY,  -- of the rule's name and the labels
    rule text COLLATE "C" NOT NULL,
    labels jsonb NOT NULL,
    value double precision NOT NULL,
    holds_since timestamptz NOT NULL,
    fires_since timestamptz,  -- NULL while it has not lasted long enough
    looked_at timestamptz NOT NULL
);

-- How the evaluator's last look at each rule went: `error` is empty where it could be evaluated.
CREATE TABLE metrics_alertlook (
    rule text COLLATE "C" PRIMARY KEY,
    looked_at timestamptz NOT NULL,
    milliseconds double precision NOT NULL,
    error text NOT NULL
);

-- --- Incidents ------------------------------------------------------------------------------------

CREATE TABLE metrics_incident (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    source text NOT NULL CONSTRAINT metrics_incident_source CHECK (source IN ('alertmanager', 'evaluator', 'anomaly', 'person')),
    fingerprint text COLLATE "C" NOT NULL,
    started_at timestamptz NOT NULL,
    name text NOT NULL,  -- the alert's, or a title
    severity text NOT NULL CONSTRAINT metrics_incident_severity CHECK (severity IN ('warning', 'critical')),
    labels jsonb NOT NULL DEFAULT '{}',
    summary text NOT NULL,
    description text NOT NULL DEFAULT '',
    runbook text NOT NULL DEFAULT '',
    ledger_id integer REFERENCES audit_ledger,  -- where its labels name one
    opened_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    opened_by text NOT NULL DEFAULT '',  -- empty: the platform
    ended_at timestamptz,  -- when what raised it held no more
    acknowledged_at timestamptz,
    acknowledged_by text NOT NULL DEFAULT '',
    resolved_at timestamptz,
    resolved_by text NOT NULL DEFAULT '',
    CONSTRAINT metrics_incident_once UNIQUE (fingerprint, started_at),
    CONSTRAINT metrics_incident_acknowledged CHECK ((acknowledged_at IS NULL) = (acknowledged_by = '')),
    CONSTRAINT metrics_incident_resolved CHECK ((resolved_at IS NULL) = (resolved_by = ''))
);
CREATE INDEX metrics_incident_unresolved ON metrics_incident (id) WHERE resolved_at IS NULL;

-- The timeline of an incident; nothing in it is ever changed.
CREATE TABLE metrics_incidentact (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    incident_id bigint NOT NULL REFERENCES metrics_incident,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    who text NOT NULL DEFAULT '',  -- empty: the platform
    act text NOT NULL CONSTRAINT metrics_incidentact_act CHECK (act IN ('opened', 'ended', 'acknowledged', 'resolved', 'reopened',
        'reviewed', 'noted', 'linked', 'told', 'not_told', 'remedy_proposed', 'remedy_decided', 'remedy_done')),
    words text NOT NULL DEFAULT '',
    ledger_id integer REFERENCES audit_ledger,
    seq bigint,  -- the entry it speaks of
    CONSTRAINT metrics_incidentact_entry CHECK ((ledger_id IS NULL) = (seq IS NULL))
);
CREATE INDEX metrics_incidentact_of ON metrics_incidentact (incident_id, id);

-- --- Who is told ----------------------------------------------------------------------------------

CREATE TABLE metrics_receiver (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL CONSTRAINT metrics_receiver_name CHECK (name ~ '^[a-z0-9][a-z0-9_.-]{0,63}$'),
    kind text NOT NULL CONSTRAINT metrics_receiver_kind CHECK (kind IN ('slack', 'pagerduty', 'webhook', 'email')),
    severity text NOT NULL DEFAULT 'warning' CONSTRAINT metrics_receiver_severity CHECK (severity IN ('warning', 'critical')),
    target text NOT NULL DEFAULT '',  -- an address or e-mail addresses; never a secret
    secret text NOT NULL DEFAULT '',  -- the name of a file in the folder of secrets
    made_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    made_by text NOT NULL,
    ended_at timestamptz,
    ended_by text NOT NULL DEFAULT '',
    CONSTRAINT metrics_receiver_ended CHECK ((ended_at IS NULL) = (ended_by = ''))
);
CREATE UNIQUE INDEX metrics_receiver_known ON metrics_receiver (name) WHERE ended_at IS NULL;

CREATE TABLE metrics_notification (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    receiver_id bigint NOT NULL REFERENCES metrics_receiver,
    incident_id bigint REFERENCES metrics_incident,  -- NULL: somebody tried the receiver
    what text NOT NULL CONSTRAINT metrics_notification_what CHECK (what IN ('firing', 'resolved', 'trial')),
    made_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    due_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    tries integer NOT NULL DEFAULT 0,
    sent_at timestamptz,
    given_up_at timestamptz,
    error text NOT NULL DEFAULT ''
);
CREATE UNIQUE INDEX metrics_notification_once ON metrics_notification (receiver_id, incident_id, what);
CREATE INDEX metrics_notification_waiting ON metrics_notification (due_at) WHERE sent_at IS NULL AND given_up_at IS NULL;

-- --- What looks unusual, and what may be done -----------------------------------------------------

CREATE TABLE metrics_anomaly (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    detector text NOT NULL CONSTRAINT metrics_anomaly_detector CHECK (detector IN ('seasonal', 'together', 'trend')),
    measure text COLLATE "C" NOT NULL,  -- what is watched of the family: metrics/anomalies/watched.py
    family text COLLATE "C" NOT NULL,  -- empty where several speak together
    labels text COLLATE "C" NOT NULL,
    started_at timestamptz NOT NULL,
    ended_at timestamptz,  -- when it was as usual again
    found_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    severity text NOT NULL CONSTRAINT metrics_anomaly_severity CHECK (severity IN ('low', 'medium', 'high', 'critical')),
    score double precision NOT NULL,
    seen double precision,
    expected double precision,
    evidence jsonb NOT NULL,
    judged_at timestamptz,
    judged_by text NOT NULL DEFAULT '',
    is_real boolean,  -- what whoever judged said
    reason text NOT NULL DEFAULT '',
    CONSTRAINT metrics_anomaly_once UNIQUE (detector, measure, labels, started_at),
    CONSTRAINT metrics_anomaly_judged CHECK ((judged_at IS NULL) = (judged_by = '') AND (judged_at IS NULL) = (is_real IS NULL))
);

CREATE INDEX metrics_anomaly_open ON metrics_anomaly (id) WHERE ended_at IS NULL;

-- What the platform would do, and does when a person has said yes.
CREATE TABLE metrics_remedy (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    anomaly_id bigint REFERENCES metrics_anomaly,
    incident_id bigint REFERENCES metrics_incident,
    act text NOT NULL CONSTRAINT metrics_remedy_act CHECK (act IN ('pause_key', 'notify')),
    target text NOT NULL,
    reason text NOT NULL,
    proposed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    decided_at timestamptz,
    decided_by text NOT NULL DEFAULT '',
    is_approved boolean,
    done_at timestamptz,
    outcome text NOT NULL DEFAULT '',
    CONSTRAINT metrics_remedy_once UNIQUE (anomaly_id, act, target),
    CONSTRAINT metrics_remedy_decided CHECK ((decided_at IS NULL) = (decided_by = '') AND (decided_at IS NULL) = (is_approved IS NULL)),
    CONSTRAINT metrics_remedy_done CHECK (done_at IS NULL OR is_approved IS TRUE)
);

-- --- What service was promised --------------------------------------------------------------------

CREATE TABLE metrics_objective (
    name text COLLATE "C" PRIMARY KEY CONSTRAINT metrics_objective_name CHECK (name ~ '^[a-z0-9][a-z0-9_.-]{0,63}$'),
    indicator text NOT NULL,  -- which of metrics/operations' indicators
    target numeric(8, 6) NOT NULL CONSTRAINT metrics_objective_target CHECK (target > 0 AND target < 1),
    days integer NOT NULL CONSTRAINT metrics_objective_days CHECK (days BETWEEN 1 AND 90),
    changed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    changed_by text NOT NULL
);

SELECT metrics_make_days((now() AT TIME ZONE 'UTC')::date - 1, (now() AT TIME ZONE 'UTC')::date + 2);

DO $$
DECLARE
    a_role text;
    a_table text;
BEGIN
    -- Default privileges open every new table to the running roles; close ours first.
    FOREACH a_table IN ARRAY ARRAY['gaugeminute', 'agentwork', 'span', 'spandone', 'alertrule', 'alert', 'alertlook', 'incident', 'incidentact', 'receiver', 'notification', 'anomaly',
            'remedy', 'objective'] LOOP
        FOR a_role IN SELECT rolname FROM pg_roles WHERE rolname IN ('obs_web', 'obs_worker', 'obs_read') LOOP
            EXECUTE format('REVOKE ALL ON %I FROM %I', 'metrics_' || a_table, a_role);
            EXECUTE format('GRANT SELECT ON %I TO %I', 'metrics_' || a_table, a_role);
        END LOOP;
    END LOOP;
    -- Alertmanager posts to the web, the evaluator works in the worker; people act through the web.
    FOR a_role IN SELECT rolname FROM pg_roles WHERE rolname IN ('obs_web', 'obs_worker') LOOP
        EXECUTE format('GRANT INSERT ON metrics_incident, metrics_incidentact, metrics_notification TO %I', a_role);
        EXECUTE format('GRANT UPDATE (ended_at, acknowledged_at, acknowledged_by, resolved_at, resolved_by) ON metrics_incident TO %I', a_role);
    END LOOP;
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'obs_web') THEN
        GRANT INSERT, UPDATE, DELETE ON metrics_alertrule, metrics_objective TO obs_web;
        GRANT INSERT, UPDATE (ended_at, ended_by) ON metrics_receiver TO obs_web;
        GRANT UPDATE (judged_at, judged_by, is_real, reason) ON metrics_anomaly TO obs_web;
        GRANT UPDATE (decided_at, decided_by, is_approved, done_at, outcome) ON metrics_remedy TO obs_web;
        GRANT DELETE ON metrics_spandone TO obs_web;
        REVOKE ALL ON FUNCTION metrics_make_days(date, date), metrics_drop_days(date) FROM obs_web;
    END IF;
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'obs_worker') THEN
        GRANT INSERT, UPDATE, DELETE ON metrics_gaugeminute, metrics_agentwork, metrics_span, metrics_spandone, metrics_alert, metrics_alertlook TO obs_worker;
        GRANT UPDATE (due_at, tries, sent_at, given_up_at, error) ON metrics_notification TO obs_worker;
        GRANT INSERT, UPDATE (ended_at, severity, score, seen, expected, evidence) ON metrics_anomaly TO obs_worker;
        GRANT INSERT, UPDATE (done_at, outcome) ON metrics_remedy TO obs_worker;
    END IF;
END
$$;
