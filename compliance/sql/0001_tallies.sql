-- What checks found in a ledger, by day: the projection `tallies`. Dropped and rebuilt at will.
--
-- A lens is a check with its parameters, lists and filter filled in; its row holds all that is
-- needed to run it, so that a ledger goes on with the lenses it began with until it is rebuilt.
-- Times in bigint are microseconds since 1970 in UTC; sums of digests are modulo 2^256, and numeric,
-- so that Postgres adds up a year of them.
CREATE TABLE compliance_lens (
    ledger_id integer NOT NULL REFERENCES audit_ledger,
    lens_id text COLLATE "C" NOT NULL CONSTRAINT compliance_lens_id CHECK (lens_id ~ '^[0-9a-f]{32}$'),
    check_id text COLLATE "C" NOT NULL,
    kind text COLLATE "C" NOT NULL,
    definition text NOT NULL,  -- canonical JSON, whose SHA-256 begins with lens_id
    first_seq bigint NOT NULL,  -- the first entry it saw
    PRIMARY KEY (ledger_id, lens_id)
);

-- How far the clock of a ledger is, and when it was born. One row a ledger.
CREATE TABLE compliance_clock (
    ledger_id integer NOT NULL REFERENCES audit_ledger,
    clock bigint NOT NULL,
    born bigint NOT NULL,  -- received_at of the first entry
    next_seq bigint NOT NULL,
    head_hash bytea NOT NULL CONSTRAINT compliance_clock_head CHECK (length(head_hash) = 32),
    PRIMARY KEY (ledger_id)
);

-- Entries a day of occurred_at, and how many of them were history loaded later.
CREATE TABLE compliance_day (
    ledger_id integer NOT NULL REFERENCES audit_ledger,
    day date NOT NULL,
    entries bigint NOT NULL,
    backfilled bigint NOT NULL,
    PRIMARY KEY (ledger_id, day)
);

CREATE TABLE compliance_tally (
    ledger_id integer NOT NULL REFERENCES audit_ledger,
    lens_id text COLLATE "C" NOT NULL,
    day date NOT NULL,
    environment text COLLATE "C" NOT NULL,
    agent_id text COLLATE "C" NOT NULL,
    passed bigint NOT NULL DEFAULT 0,
    failed bigint NOT NULL DEFAULT 0,
    opened bigint NOT NULL DEFAULT 0,
    closed bigint NOT NULL DEFAULT 0,
    latest bigint,  -- of a cadence: the latest match of the day
    restated_seq bigint,  -- the newest entry that changed this day after it was over
    decided_sum numeric(78) NOT NULL DEFAULT 0,
    open_sum numeric(78) NOT NULL DEFAULT 0,
    PRIMARY KEY (ledger_id, lens_id, day, environment, agent_id)
);
CREATE INDEX compliance_tally_day ON compliance_tally (ledger_id, day, lens_id);
-- What is carried into a period: few rows ever open or close anything.
CREATE INDEX compliance_tally_open ON compliance_tally (ledger_id, lens_id, day)
    WHERE opened <> 0 OR closed <> 0;
CREATE INDEX compliance_tally_restated ON compliance_tally (ledger_id, lens_id, day)
    WHERE restated_seq IS NOT NULL;

CREATE TABLE compliance_bucket (
    ledger_id integer NOT NULL REFERENCES audit_ledger,
    lens_id text COLLATE "C" NOT NULL,
    day date NOT NULL,
    environment text COLLATE "C" NOT NULL,
    series text COLLATE "C" NOT NULL,
    agent_id text COLLATE "C" NOT NULL,
    numerator bigint NOT NULL,
    denominator bigint NOT NULL,
    PRIMARY KEY (ledger_id, lens_id, day, environment, series, agent_id)
);

-- Items that are kept by themselves: they failed, are not decided yet, or are facts in force.
CREATE TABLE compliance_item (
    ledger_id integer NOT NULL REFERENCES audit_ledger,
    lens_id text COLLATE "C" NOT NULL,
    item text COLLATE "C" NOT NULL,
    state text COLLATE "C" NOT NULL CONSTRAINT compliance_item_state CHECK (state IN ('fail', 'pending', 'fact')),
    day date NOT NULL,
    environment text COLLATE "C" NOT NULL,
    agent_id text COLLATE "C" NOT NULL,
    seq bigint NOT NULL,
    other_seq bigint,
    due bigint,
    weight bigint NOT NULL,
    why text NOT NULL,
    evidence text NOT NULL,  -- JSON
    is_restated boolean NOT NULL,
    PRIMARY KEY (ledger_id, lens_id, item)
);
CREATE INDEX compliance_item_day ON compliance_item (ledger_id, lens_id, state, day, item);
CREATE INDEX compliance_item_entry ON compliance_item (ledger_id, seq);

-- What checks remember between entries. A slot is the first 16 bytes of the SHA-256 of its name.
CREATE TABLE compliance_state (
    ledger_id integer NOT NULL REFERENCES audit_ledger,
    lens_id text COLLATE "C" NOT NULL,
    slot bytea NOT NULL CONSTRAINT compliance_state_slot CHECK (length(slot) = 16),
    name text NOT NULL,
    value text NOT NULL,  -- JSON
    due bigint,
    PRIMARY KEY (ledger_id, lens_id, slot)
);
CREATE INDEX compliance_state_due ON compliance_state (ledger_id, due) WHERE due IS NOT NULL;

-- What people decided, as the ledger says it: entries of statements, waivers, scope, findings.
CREATE TABLE compliance_act (
    ledger_id integer NOT NULL REFERENCES audit_ledger,
    seq bigint NOT NULL,
    action text COLLATE "C" NOT NULL,
    at bigint NOT NULL,  -- received_at
    act text NOT NULL,  -- JSON: id, actor, outcome, reason, target, details
    PRIMARY KEY (ledger_id, seq)
);

DO $$
DECLARE
    a_role text;
    a_table text;
BEGIN
    FOREACH a_table IN ARRAY ARRAY['lens', 'clock', 'day', 'tally', 'bucket', 'item', 'state', 'act'] LOOP
        -- Default privileges open every new table to the running roles; close ours first.
        FOR a_role IN SELECT rolname FROM pg_roles WHERE rolname IN ('obs_web', 'obs_worker', 'obs_read') LOOP
            EXECUTE format('REVOKE ALL ON compliance_%s FROM %I', a_table, a_role);
            EXECUTE format('GRANT SELECT ON compliance_%s TO %I', a_table, a_role);
        END LOOP;
        IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'obs_worker') THEN
            EXECUTE format('GRANT INSERT, UPDATE, DELETE ON compliance_%s TO obs_worker', a_table);
        END IF;
    END LOOP;
END
$$;
