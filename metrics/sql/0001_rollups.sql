-- What is counted, as rows: the projection `metrics` (metrics/rollup.py), what processes count of
-- themselves (metrics/flushing.py), the page that Prometheus is given, and what people decide.
--
-- A series is its family and the values of its labels, joined by a space, in the family's order; no
-- normalised value has a space. Numbers are whole: metrics/family.py says how many make a unit.
-- Of a histogram `buckets` holds the observations of each (not cumulative, infinity the last) and
-- `total` the sum of what was observed; of a counter `n` holds the count.

-- Buckets added place by place; a row of before a new edge came is as long as it was.
CREATE FUNCTION metrics_add(a bigint[], b bigint[]) RETURNS bigint[]
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE
        WHEN a IS NULL THEN b
        WHEN b IS NULL THEN a
        ELSE (SELECT array_agg(coalesce(x, 0) + coalesce(y, 0) ORDER BY place)
              FROM unnest(a, b) WITH ORDINALITY AS both_(x, y, place))
    END
$$;

-- --- The projection: from entries alone, each once ---------------------------------------------

CREATE TABLE metrics_total (
    ledger_id integer NOT NULL REFERENCES audit_ledger,
    family text COLLATE "C" NOT NULL,
    labels text COLLATE "C" NOT NULL,
    n numeric NOT NULL DEFAULT 0,
    buckets bigint[],
    total numeric NOT NULL DEFAULT 0,
    PRIMARY KEY (ledger_id, family, labels)
) WITH (fillfactor = 40, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000);

-- By the minute in which acts occurred; a day is a partition, and goes by policy.
CREATE TABLE metrics_minute (
    ledger_id integer NOT NULL,  -- no reference: dropping a day must not ask every ledger
    family text COLLATE "C" NOT NULL,
    labels text COLLATE "C" NOT NULL,
    minute timestamptz NOT NULL,
    n numeric NOT NULL DEFAULT 0,
    buckets bigint[],
    total numeric NOT NULL DEFAULT 0,
    PRIMARY KEY (ledger_id, family, labels, minute)
) PARTITION BY RANGE (minute);

-- The newest observation of a bucket that tells its trace.
CREATE TABLE metrics_exemplar (
    ledger_id integer NOT NULL REFERENCES audit_ledger,
    family text COLLATE "C" NOT NULL,
    labels text COLLATE "C" NOT NULL,
    place integer NOT NULL,  -- of the bucket
    trace_id text COLLATE "C" NOT NULL,
    value numeric NOT NULL,
    at timestamptz NOT NULL,  -- occurred_at
    PRIMARY KEY (ledger_id, family, labels, place)
) WITH (fillfactor = 40, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000);

-- What the newest entry says.
CREATE TABLE metrics_gauge (
    ledger_id integer NOT NULL REFERENCES audit_ledger,
    family text COLLATE "C" NOT NULL,
    labels text COLLATE "C" NOT NULL,
    value numeric NOT NULL,
    at timestamptz NOT NULL,  -- occurred_at
    PRIMARY KEY (ledger_id, family, labels)
) WITH (fillfactor = 40, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000);

-- Nano-dollars by UTC day of the act, for budgets.
CREATE TABLE metrics_spend (
    ledger_id integer NOT NULL REFERENCES audit_ledger,
    day date NOT NULL,
    agent text COLLATE "C" NOT NULL,  -- what the label says; `_other` when it has none
    provider text COLLATE "C" NOT NULL,
    model text COLLATE "C" NOT NULL,
    nano numeric NOT NULL,
    PRIMARY KEY (ledger_id, day, agent, provider, model)
);

-- Who was there lately: fingerprints of agents, users and sessions with the newest act of each.
CREATE TABLE metrics_seen (
    ledger_id integer NOT NULL REFERENCES audit_ledger,
    sort text COLLATE "C" NOT NULL CONSTRAINT metrics_seen_sort CHECK (sort IN ('agent', 'user', 'session')),
    id bytea NOT NULL CONSTRAINT metrics_seen_id CHECK (length(id) = 8),
    at timestamptz NOT NULL,
    PRIMARY KEY (ledger_id, sort, id)
) WITH (fillfactor = 70);
CREATE INDEX metrics_seen_at ON metrics_seen (sort, at);

-- What the fold remembers between entries: metrics/states.py.
CREATE TABLE metrics_state (
    ledger_id integer NOT NULL REFERENCES audit_ledger,
    state jsonb NOT NULL,
    PRIMARY KEY (ledger_id)
) WITH (fillfactor = 40);

-- --- What labels may say: of the installation, learned once, kept over rebuilds ----------------

CREATE TABLE metrics_name (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    list text COLLATE "C" NOT NULL,
    value text COLLATE "C" NOT NULL,
    CONSTRAINT metrics_name_known UNIQUE (list, value)
);

-- --- What processes count of themselves ---------------------------------------------------------

CREATE TABLE metrics_process (
    family text COLLATE "C" NOT NULL,
    labels text COLLATE "C" NOT NULL,
    n numeric NOT NULL DEFAULT 0,
    buckets bigint[],
    total numeric NOT NULL DEFAULT 0,
    PRIMARY KEY (family, labels)
) WITH (fillfactor = 40, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000);

CREATE TABLE metrics_processminute (
    family text COLLATE "C" NOT NULL,
    labels text COLLATE "C" NOT NULL,
    minute timestamptz NOT NULL,
    n numeric NOT NULL DEFAULT 0,
    buckets bigint[],
    total numeric NOT NULL DEFAULT 0,
    PRIMARY KEY (family, labels, minute)
) PARTITION BY RANGE (minute);

-- The last flush of each process, so that one whose answer was lost is not added twice.
CREATE TABLE metrics_flush (
    process text COLLATE "C" PRIMARY KEY,
    number bigint NOT NULL,
    at timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- --- Facts asked on a timer, and the page --------------------------------------------------------

CREATE TABLE metrics_fact (
    family text COLLATE "C" NOT NULL,
    labels text COLLATE "C" NOT NULL,
    value double precision NOT NULL,  -- in the family's unit
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    source text COLLATE "C" NOT NULL DEFAULT '',  -- which of settings.METRICS_FACTS said it; else empty
    PRIMARY KEY (family, labels)
) WITH (fillfactor = 40);

-- What counts and sizes were a while ago, so that their growth can be told.
CREATE TABLE metrics_past (
    what text COLLATE "C" NOT NULL CONSTRAINT metrics_past_what CHECK (what IN ('append', 'counting', 'stores')),
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    figures jsonb NOT NULL,
    PRIMARY KEY (what, at)
);

-- What /metrics?scope=platform answers, rendered once for all processes. An empty scope is all of
-- the installation; else it is the name of the ledger that a key sees. Not logged: it is replaced
-- every five seconds, and one that a crash takes is rendered again.
CREATE UNLOGGED TABLE metrics_page (
    scope text COLLATE "C" NOT NULL,
    format text COLLATE "C" NOT NULL,
    body bytea NOT NULL,  -- UTF-8 in zlib's format
    seconds double precision NOT NULL,  -- how long it took to render
    made_at timestamptz NOT NULL,  -- when its rows began to be read
    PRIMARY KEY (scope, format)
);

-- --- What people decide, each change an entry ----------------------------------------------------

CREATE TABLE metrics_switch (
    name text COLLATE "C" PRIMARY KEY CONSTRAINT metrics_switch_name CHECK (name IN ('metrics', 'logging', 'log_level', 'detail')),
    value text NOT NULL,
    changed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    changed_by text NOT NULL
);

-- A measure of agents' own that is taken. Ended ones stay, so that a rebuild counts what was counted.
CREATE TABLE metrics_custommetric (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text COLLATE "C" NOT NULL CONSTRAINT metrics_custommetric_name CHECK (name ~ '^[a-z][a-z0-9_.:/-]{0,63}$'),
    kind text NOT NULL CONSTRAINT metrics_custommetric_kind CHECK (kind IN ('counter', 'gauge', 'histogram')),
    labels text[] NOT NULL DEFAULT '{}' CONSTRAINT metrics_custommetric_labels CHECK (cardinality(labels) <= 5),
    help text NOT NULL DEFAULT '',
    allowed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    allowed_by text NOT NULL,
    ended_at timestamptz,
    ended_by text NOT NULL DEFAULT '',
    CONSTRAINT metrics_custommetric_ended CHECK ((ended_at IS NULL) = (ended_by = ''))
);
CREATE UNIQUE INDEX metrics_custommetric_known ON metrics_custommetric (name) WHERE ended_at IS NULL;

-- What a model costs from a moment on, in dollars per million tokens.
CREATE TABLE metrics_price (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    provider text COLLATE "C" NOT NULL CONSTRAINT metrics_price_provider CHECK (provider <> ''),
    model text COLLATE "C" NOT NULL CONSTRAINT metrics_price_model CHECK (model <> ''),
    starts_at timestamptz NOT NULL,
    input numeric(14, 6) NOT NULL,
    output numeric(14, 6) NOT NULL,
    cache_read numeric(14, 6) NOT NULL DEFAULT 0,  -- besides input; 0 or less where input holds them
    reasoning numeric(14, 6) NOT NULL DEFAULT 0,  -- besides output, likewise
    entered_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    entered_by text NOT NULL,
    removed_at timestamptz,
    removed_by text NOT NULL DEFAULT '',
    CONSTRAINT metrics_price_counts CHECK (input >= 0 AND output >= 0),
    CONSTRAINT metrics_price_removed CHECK ((removed_at IS NULL) = (removed_by = ''))
);
CREATE UNIQUE INDEX metrics_price_known ON metrics_price (provider, model, starts_at) WHERE removed_at IS NULL;

CREATE TABLE metrics_budget (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL CONSTRAINT metrics_budget_name CHECK (name ~ '^[a-z0-9][a-z0-9_.:/-]{0,63}$'),
    ledger_id integer REFERENCES audit_ledger,  -- NULL: all of them together
    covers text NOT NULL CONSTRAINT metrics_budget_covers CHECK (covers IN ('all', 'agent', 'team', 'model')),
    value text NOT NULL DEFAULT '',  -- the agent's, team's or model's name; `provider/model`
    period text NOT NULL CONSTRAINT metrics_budget_period CHECK (period IN ('day', 'week', 'month')),
    usd numeric(14, 2) NOT NULL CONSTRAINT metrics_budget_usd CHECK (usd > 0),
    made_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    made_by text NOT NULL,
    changed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    changed_by text NOT NULL,
    ended_at timestamptz,
    ended_by text NOT NULL DEFAULT '',
    CONSTRAINT metrics_budget_covered CHECK ((covers = 'all') = (value = '')),
    CONSTRAINT metrics_budget_ended CHECK ((ended_at IS NULL) = (ended_by = ''))
);
CREATE UNIQUE INDEX metrics_budget_known ON metrics_budget (name) WHERE ended_at IS NULL;

-- --- Days of minute history ----------------------------------------------------------------------

-- Make the days from one to another, both included; those that are there stay as they are.
CREATE FUNCTION metrics_make_days(first_day date, last_day date) RETURNS integer
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
    FOREACH a_table IN ARRAY ARRAY['metrics_minute', 'metrics_processminute'] LOOP
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
REVOKE ALL ON FUNCTION metrics_make_days(date, date) FROM PUBLIC;

-- Drop every day that lies before one.
CREATE FUNCTION metrics_drop_days(before date) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public AS $$
DECLARE
    a_name text;
    dropped integer := 0;
BEGIN
    FOR a_name IN
        SELECT part.relname
        FROM pg_inherits
        JOIN pg_class AS part ON part.oid = inhrelid
        WHERE inhparent IN ('public.metrics_minute'::regclass, 'public.metrics_processminute'::regclass)
            AND right(part.relname, 8) < to_char(before, 'YYYYMMDD')
        ORDER BY part.relname
    LOOP
        EXECUTE format('DROP TABLE public.%I', a_name);
        dropped := dropped + 1;
    END LOOP;
    RETURN dropped;
END
$$;
REVOKE ALL ON FUNCTION metrics_drop_days(date) FROM PUBLIC;

SELECT metrics_make_days((now() AT TIME ZONE 'UTC')::date - 1, (now() AT TIME ZONE 'UTC')::date + 2);

DO $$
DECLARE
    a_role text;
    a_table text;
BEGIN
    -- Default privileges open every new table to the running roles; close ours first.
    FOREACH a_table IN ARRAY ARRAY['total', 'minute', 'exemplar', 'gauge', 'spend', 'seen', 'state', 'name', 'process',
            'processminute', 'flush', 'fact', 'past', 'page', 'switch', 'custommetric', 'price', 'budget'] LOOP
        FOR a_role IN SELECT rolname FROM pg_roles WHERE rolname IN ('obs_web', 'obs_worker', 'obs_read') LOOP
            EXECUTE format('REVOKE ALL ON %I FROM %I', 'metrics_' || a_table, a_role);
            EXECUTE format('GRANT SELECT ON %I TO %I', 'metrics_' || a_table, a_role);
        END LOOP;
    END LOOP;
    -- The web adds what it counts of itself and renders the page; what entries say it cannot change.
    FOR a_role IN SELECT rolname FROM pg_roles WHERE rolname IN ('obs_web', 'obs_worker') LOOP
        EXECUTE format('GRANT INSERT, UPDATE ON metrics_process, metrics_processminute, metrics_page TO %I', a_role);
        EXECUTE format('GRANT INSERT, UPDATE ON metrics_flush TO %I', a_role);
    END LOOP;
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'obs_web') THEN
        GRANT INSERT, UPDATE ON metrics_switch TO obs_web;
        GRANT INSERT (name, kind, labels, help, allowed_by), UPDATE (help, ended_at, ended_by) ON metrics_custommetric TO obs_web;
        GRANT INSERT (provider, model, starts_at, input, output, cache_read, reasoning, entered_by),
            UPDATE (removed_at, removed_by) ON metrics_price TO obs_web;
        GRANT INSERT, UPDATE ON metrics_budget TO obs_web;
        REVOKE ALL ON FUNCTION metrics_make_days(date, date), metrics_drop_days(date) FROM obs_web;
    END IF;
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'obs_worker') THEN
        GRANT INSERT, UPDATE, DELETE ON metrics_total, metrics_minute, metrics_exemplar, metrics_gauge, metrics_spend,
            metrics_seen, metrics_state, metrics_fact TO obs_worker;
        GRANT INSERT, DELETE ON metrics_past TO obs_worker;
        GRANT INSERT ON metrics_name TO obs_worker;
        GRANT DELETE ON metrics_flush, metrics_page TO obs_worker;
        GRANT EXECUTE ON FUNCTION metrics_make_days(date, date), metrics_drop_days(date) TO obs_worker;
    END IF;
END
$$;
