-- What agents tell besides their acts: spans and log lines, as they came over OTLP, and what the
-- platform caught of its own slow work. All of it may go by policy: what must be proven is an entry.
--
-- A day is a partition of spans and of lines, by the time their sender says; what is older than is
-- kept is not taken in. Ids are lower-case hexadecimal as on the wire.

CREATE TABLE tracing_span (
    ledger_id integer NOT NULL,  -- no reference: dropping a day must not ask every ledger
    trace_id text COLLATE "C" NOT NULL,
    span_id text COLLATE "C" NOT NULL,
    started_at timestamptz NOT NULL,
    start_ns bigint NOT NULL,  -- since 1970; a timestamp holds microseconds
    duration_ns bigint NOT NULL CONSTRAINT tracing_span_duration CHECK (duration_ns >= 0),
    parent_id text COLLATE "C" NOT NULL DEFAULT '',
    name text NOT NULL,
    kind smallint NOT NULL DEFAULT 0,  -- OTLP's: 1 internal, 2 server, 3 client, 4 producer, 5 consumer
    status smallint NOT NULL DEFAULT 0,  -- OTLP's: 0 unset, 1 ok, 2 error
    status_message text NOT NULL DEFAULT '',
    service text COLLATE "C" NOT NULL DEFAULT '',
    agent_id text COLLATE "C" NOT NULL DEFAULT '',
    session_id text COLLATE "C" NOT NULL DEFAULT '',
    operation text COLLATE "C" NOT NULL DEFAULT '',  -- normalised, as gen_ai.operation.name; empty: unknown
    subject text NOT NULL DEFAULT '',  -- the tool, model, memory or workflow it names
    input_tokens bigint,
    output_tokens bigint,
    cost_usd numeric,
    arguments_sha256 text COLLATE "C" NOT NULL DEFAULT '',  -- of a tool's arguments: the same call again
    event_id uuid,  -- the event made of it; NULL: kept as a span only
    scope text NOT NULL DEFAULT '',  -- instrumentation library
    attributes jsonb NOT NULL DEFAULT '{}',  -- as sent, secrets masked, capped
    resource jsonb NOT NULL DEFAULT '{}',
    events jsonb NOT NULL DEFAULT '[]',
    links jsonb NOT NULL DEFAULT '[]',
    received_at timestamptz NOT NULL,
    PRIMARY KEY (ledger_id, trace_id, span_id, started_at)
) PARTITION BY RANGE (started_at);

-- One row a trace, kept in the transaction that stores its spans: no list counts spans.
CREATE TABLE tracing_trace (
    ledger_id integer NOT NULL,
    trace_id text COLLATE "C" NOT NULL,
    started_at timestamptz NOT NULL,
    ended_at timestamptz NOT NULL,
    name text NOT NULL DEFAULT '',  -- of the span without a parent, or of the earliest
    service text COLLATE "C" NOT NULL DEFAULT '',
    agent_id text COLLATE "C" NOT NULL DEFAULT '',
    session_id text COLLATE "C" NOT NULL DEFAULT '',
    has_root boolean NOT NULL DEFAULT false,
    spans bigint NOT NULL,
    errors bigint NOT NULL DEFAULT 0,
    made_events bigint NOT NULL DEFAULT 0,
    input_tokens bigint NOT NULL DEFAULT 0,
    output_tokens bigint NOT NULL DEFAULT 0,
    cost_usd numeric NOT NULL DEFAULT 0,
    updated_at timestamptz NOT NULL,
    PRIMARY KEY (ledger_id, trace_id)
) WITH (fillfactor = 70);
CREATE INDEX tracing_trace_newest ON tracing_trace (ledger_id, started_at DESC, trace_id);
CREATE INDEX tracing_trace_by_agent ON tracing_trace (ledger_id, agent_id, started_at DESC, trace_id);
CREATE INDEX tracing_trace_by_session ON tracing_trace (ledger_id, session_id, started_at DESC, trace_id) WHERE session_id <> '';

CREATE TABLE tracing_line (
    ledger_id integer NOT NULL,
    at timestamptz NOT NULL,
    digest bytea NOT NULL CONSTRAINT tracing_line_digest CHECK (length(digest) = 16),  -- of the record: a retry adds none
    received_at timestamptz NOT NULL,
    severity smallint NOT NULL,  -- OTLP's number, 1 to 24; 9 is INFO, 13 WARN, 17 ERROR
    service text COLLATE "C" NOT NULL DEFAULT '',
    agent_id text COLLATE "C" NOT NULL DEFAULT '',
    task_id text COLLATE "C" NOT NULL DEFAULT '',
    trace_id text COLLATE "C" NOT NULL DEFAULT '',
    span_id text COLLATE "C" NOT NULL DEFAULT '',
    logger text NOT NULL DEFAULT '',
    message text NOT NULL,
    fields jsonb NOT NULL DEFAULT '{}',
    event_id uuid,
    PRIMARY KEY (ledger_id, at, digest)
) PARTITION BY RANGE (at);
CREATE INDEX tracing_line_by_trace ON tracing_line (ledger_id, trace_id, at) WHERE trace_id <> '';
CREATE INDEX tracing_line_by_agent ON tracing_line (ledger_id, agent_id, at) WHERE agent_id <> '';
CREATE INDEX tracing_line_by_task ON tracing_line (ledger_id, task_id, at) WHERE task_id <> '';

-- Catching slow work, switched on by a person for a time.
CREATE TABLE tracing_capture (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    sort text COLLATE "C" NOT NULL CONSTRAINT tracing_capture_sort CHECK (sort IN ('request', 'task', 'query')),
    slower_ms integer NOT NULL CONSTRAINT tracing_capture_slower CHECK (slower_ms >= 0),
    starts_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    ends_at timestamptz NOT NULL,
    made_by text NOT NULL,
    ended_by text NOT NULL DEFAULT ''
);

CREATE TABLE tracing_profile (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    sort text COLLATE "C" NOT NULL CONSTRAINT tracing_profile_sort CHECK (sort IN ('request', 'task', 'query')),
    name text NOT NULL,  -- route, task or the statement without its values
    at timestamptz NOT NULL,
    duration_ms double precision NOT NULL,
    process text NOT NULL DEFAULT '',
    request_id text COLLATE "C" NOT NULL DEFAULT '',
    trace_id text COLLATE "C" NOT NULL DEFAULT '',
    report jsonb NOT NULL  -- a tree of frames with their milliseconds, or the statement's plan
);
CREATE INDEX tracing_profile_newest ON tracing_profile (at DESC, id DESC);

CREATE FUNCTION tracing_make_days(first_day date, last_day date) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public AS $$
DECLARE
    a_day date;
    a_table text;
    a_role text;
    day_name text;
    made integer := 0;
BEGIN
    IF last_day - first_day > 4000 THEN
        RAISE EXCEPTION 'more than 4000 days of spans at once';
    END IF;
    FOREACH a_table IN ARRAY ARRAY['tracing_span', 'tracing_line'] LOOP
        FOR a_day IN SELECT generate_series(first_day, last_day, interval '1 day')::date LOOP
            day_name := a_table || '_' || to_char(a_day, 'YYYYMMDD');
            CONTINUE WHEN to_regclass('public.' || day_name) IS NOT NULL;
            PERFORM pg_advisory_xact_lock(hashtext('tracing_make_days'));
            -- Not to_regclass again: its cache does not know what another made while we waited.
            CONTINUE WHEN EXISTS (SELECT FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relname = day_name);
            -- Made apart and then attached: PARTITION OF would lock out every reader.
            EXECUTE format('CREATE TABLE public.%I (LIKE public.%I INCLUDING ALL)', day_name, a_table);
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
REVOKE ALL ON FUNCTION tracing_make_days(date, date) FROM PUBLIC;

CREATE FUNCTION tracing_drop_days(of_table text, before date) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public AS $$
DECLARE
    a_name text;
    dropped integer := 0;
BEGIN
    IF of_table NOT IN ('tracing_span', 'tracing_line') THEN
        RAISE EXCEPTION 'no table of days: %', of_table;
    END IF;
    FOR a_name IN
        SELECT part.relname
        FROM pg_inherits
        JOIN pg_class AS part ON part.oid = inhrelid
        WHERE inhparent = ('public.' || of_table)::regclass
            AND right(part.relname, 8) < to_char(before, 'YYYYMMDD')
        ORDER BY part.relname
    LOOP
        EXECUTE format('DROP TABLE public.%I', a_name);
        dropped := dropped + 1;
    END LOOP;
    RETURN dropped;
END
$$;
REVOKE ALL ON FUNCTION tracing_drop_days(text, date) FROM PUBLIC;

SELECT tracing_make_days((now() AT TIME ZONE 'UTC')::date - 1, (now() AT TIME ZONE 'UTC')::date + 2);

DO $$
DECLARE
    a_role text;
    a_table text;
BEGIN
    -- Default privileges open every new table to the running roles; close ours first.
    FOREACH a_table IN ARRAY ARRAY['span', 'trace', 'line', 'capture', 'profile'] LOOP
        FOR a_role IN SELECT rolname FROM pg_roles WHERE rolname IN ('obs_web', 'obs_worker', 'obs_read') LOOP
            EXECUTE format('REVOKE ALL ON %I FROM %I', 'tracing_' || a_table, a_role);
            -- What was said to a model is read at the desk, where reading it leaves an entry.
            CONTINUE WHEN a_role = 'obs_read' AND a_table <> 'trace';
            EXECUTE format('GRANT SELECT ON %I TO %I', 'tracing_' || a_table, a_role);
        END LOOP;
    END LOOP;
    -- So do they every new function.
    FOR a_role IN SELECT rolname FROM pg_roles WHERE rolname IN ('obs_web', 'obs_worker', 'obs_read') LOOP
        EXECUTE format('REVOKE ALL ON FUNCTION tracing_make_days(date, date) FROM %I', a_role);
        EXECUTE format('REVOKE ALL ON FUNCTION tracing_drop_days(text, date) FROM %I', a_role);
    END LOOP;
    -- The web takes spans in, and both catch their own slow work; only the worker takes anything away.
    FOR a_role IN SELECT rolname FROM pg_roles WHERE rolname IN ('obs_web', 'obs_worker') LOOP
        EXECUTE format('GRANT INSERT ON tracing_span, tracing_line, tracing_profile TO %I', a_role);
        EXECUTE format('GRANT INSERT, UPDATE ON tracing_trace TO %I', a_role);
    END LOOP;
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'obs_web') THEN
        GRANT INSERT (sort, slower_ms, ends_at, made_by), UPDATE (ends_at, ended_by) ON tracing_capture TO obs_web;
        -- A day whose spans come before the worker has made it is made by who takes them in.
        GRANT EXECUTE ON FUNCTION tracing_make_days(date, date) TO obs_web;
    END IF;
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'obs_worker') THEN
        GRANT DELETE ON tracing_trace, tracing_profile TO obs_worker;
        GRANT EXECUTE ON FUNCTION tracing_make_days(date, date), tracing_drop_days(text, date) TO obs_worker;
    END IF;
END
$$;
