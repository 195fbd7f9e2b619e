-- What each agent did on a day (UTC, by when it happened). Part of the projection `agents`.
CREATE TABLE audit_agentday (
    ledger_id integer NOT NULL,
    agent_id text COLLATE "C" NOT NULL,
    day date NOT NULL,
    entries bigint NOT NULL,
    failures bigint NOT NULL,
    denied bigint NOT NULL,
    PRIMARY KEY (ledger_id, agent_id, day)
);
CREATE INDEX audit_agent_latest ON audit_agent (ledger_id, last_seq);  -- the list, most lately seen first

-- The days of entries that were read before: the projection reads all of them again.
DELETE FROM audit_agentversion;
DELETE FROM audit_agent;
UPDATE audit_projection SET next_seq = 0 WHERE name = 'agents';

DO $$
DECLARE
    a_role text;
BEGIN
    -- Default privileges open every new table to the running roles; close ours first.
    FOR a_role IN SELECT rolname FROM pg_roles WHERE rolname IN ('obs_web', 'obs_worker', 'obs_read') LOOP
        EXECUTE format('REVOKE ALL ON audit_agentday FROM %I', a_role);
        EXECUTE format('GRANT SELECT ON audit_agentday TO %I', a_role);
    END LOOP;
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'obs_worker') THEN
        GRANT INSERT, UPDATE, DELETE ON audit_agentday TO obs_worker;
    END IF;
END
$$;
