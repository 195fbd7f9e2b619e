-- How long appends take and how they fail, for /metrics. Appends run in forked workers that come and
-- go, so their figures are rows: counters in a process would fall with it. audit/appendstats.py
-- writes them, audit/figures.py reads them.

-- One row per ledger, histogram and upper edge, so that two ledgers never wait for each other.
-- A new edge is a new row: counts under the old edges stay where they are.
CREATE TABLE audit_appendstat (
    observations bigint NOT NULL CONSTRAINT audit_appendstat_observations CHECK (observations >= 0),
    seconds double precision NOT NULL,
    edge double precision NOT NULL,
    ledger_id integer NOT NULL,
    histogram text COLLATE "C" NOT NULL CONSTRAINT audit_appendstat_histogram CHECK (histogram IN ('entry', 'transaction')),
    PRIMARY KEY (ledger_id, histogram, edge)
) WITH (fillfactor = 20, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500);

-- Failures belong to the write path, not to one ledger: a lost connection fails whoever writes.
CREATE TABLE audit_appendfailure (
    failures bigint NOT NULL CONSTRAINT audit_appendfailure_failures CHECK (failures >= 0),
    reason text COLLATE "C" PRIMARY KEY
        CONSTRAINT audit_appendfailure_reason CHECK (reason IN ('data', 'partition', 'connection', 'other'))
);

-- Whether anything found broken still is: asked at every scrape, answered by few rows.
CREATE INDEX audit_verification_tampered ON audit_verification (ledger_id, id DESC) WHERE result = 'tampered';

DO $$
DECLARE
    a_role text;
BEGIN
    -- Default privileges open every new table to the running roles; close ours first.
    FOR a_role IN SELECT rolname FROM pg_roles WHERE rolname IN ('obs_web', 'obs_worker', 'obs_read') LOOP
        EXECUTE format('REVOKE ALL ON audit_appendstat, audit_appendfailure FROM %I', a_role);
        EXECUTE format('GRANT SELECT ON audit_appendstat, audit_appendfailure TO %I', a_role);
    END LOOP;
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'obs_worker') THEN
        GRANT INSERT, UPDATE ON audit_appendstat, audit_appendfailure TO obs_worker;
    END IF;
END
$$;
