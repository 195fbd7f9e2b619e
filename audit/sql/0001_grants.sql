-- What each role may do with the ledger's tables. Roles are made by docker/postgres/roles.sql;
-- an installation with one user for everything has none of them, and /ready says so.

DO $$
DECLARE
    a_table text;
    a_role text;
BEGIN
    FOR a_role IN SELECT rolname FROM pg_roles WHERE rolname IN ('obs_web', 'obs_worker', 'obs_read') LOOP
        -- Default privileges open every new table to the running roles; close ours first.
        FOR a_table IN SELECT relname FROM pg_class
            WHERE relnamespace = 'public'::regnamespace AND relname LIKE 'audit\_%' AND relkind IN ('r', 'p', 'v')
        LOOP
            EXECUTE format('REVOKE ALL ON %I FROM %I', a_table, a_role);
        END LOOP;
    END LOOP;

    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'obs_web') THEN
        GRANT SELECT ON audit_ledger, audit_head, audit_entry, audit_eventkey, audit_keyusage,
            audit_projection, audit_agent, audit_agentversion, audit_standing TO obs_web;
        GRANT SELECT, INSERT ON audit_inbox, audit_quarantine, audit_subjectkey, audit_agentkey TO obs_web;
        -- A run may be asked for here; what it found is the worker's to say.
        GRANT SELECT, INSERT (ledger_id, kind, requested_by, from_seq, to_seq, started_at) ON audit_verification TO obs_web;
        GRANT UPDATE (state, note, settled_at, settled_by) ON audit_quarantine TO obs_web;
        GRANT UPDATE (used_on) ON audit_subjectkey TO obs_web;  -- FOR SHARE needs one column
        GRANT UPDATE (name, scopes, events_per_second, events_per_day, expires_at, revoked_at, revoked_by, last_used_at)
            ON audit_agentkey TO obs_web;
        GRANT UPDATE (state) ON audit_verification TO obs_web;  -- a person cancels a run
        REVOKE ALL ON FUNCTION audit_make_month(date) FROM obs_web;
    END IF;

    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'obs_worker') THEN
        GRANT SELECT ON audit_ledger, audit_agentkey, audit_standing TO obs_worker;
        GRANT SELECT, UPDATE ON audit_head TO obs_worker;
        GRANT SELECT, INSERT ON audit_entry, audit_eventkey TO obs_worker;
        GRANT SELECT, INSERT, DELETE ON audit_inbox TO obs_worker;
        GRANT SELECT, INSERT ON audit_quarantine, audit_subjectkey TO obs_worker;
        GRANT UPDATE (state, note, settled_at, settled_by, is_announced) ON audit_quarantine TO obs_worker;
        GRANT UPDATE (used_on) ON audit_subjectkey TO obs_worker;
        GRANT SELECT, INSERT, UPDATE ON audit_keyusage, audit_verification TO obs_worker;
        GRANT SELECT, INSERT, UPDATE, DELETE ON audit_projection, audit_agent, audit_agentversion TO obs_worker;
        GRANT EXECUTE ON FUNCTION audit_make_month(date) TO obs_worker;
    END IF;

    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'obs_read') THEN
        GRANT SELECT ON audit_ledger, audit_head, audit_entry, audit_eventkey, audit_projection,
            audit_agent, audit_agentversion, audit_verification, audit_standing TO obs_read;
    END IF;
END
$$;
