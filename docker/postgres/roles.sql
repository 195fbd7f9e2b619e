-- The five roles of an installation, and what each may do in the database this runs in.
-- Forbids: making objects in schema public to everyone but the owner; connecting and temporary
-- tables to everyone who is not named here; functions to the auditors' role and to dashboards'.
-- Run by a superuser in the database of the platform; safe to repeat. Sets no password: do that
-- with ALTER ROLE, else nobody can log in. The ledger's own tables are narrowed further by the
-- migrations of `audit`, which take back what those tables must not allow.

DO $$
DECLARE
    role_name text;
BEGIN
    FOREACH role_name IN ARRAY ARRAY['obs_owner', 'obs_web', 'obs_worker', 'obs_read', 'obs_grafana'] LOOP
        IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = role_name) THEN
            EXECUTE format('CREATE ROLE %I', role_name);
        END IF;
        EXECUTE format(
            'ALTER ROLE %I LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS',
            role_name
        );
    END LOOP;
END
$$;

-- A writer that hangs in a transaction would hold the ledger's head, and vacuum back, for ever.
-- The owner is left out: a migration may think for longer.
ALTER ROLE obs_web SET idle_in_transaction_session_timeout = '60s';
ALTER ROLE obs_worker SET idle_in_transaction_session_timeout = '60s';
ALTER ROLE obs_read SET idle_in_transaction_session_timeout = '60s';

-- A page over a month of history is estimated to cost more than it does; compiling its statements
-- would take longer than running them.
ALTER ROLE obs_web SET jit = off;

-- A dashboard asks again every few seconds: what takes long is given up, and it never takes all
-- connections. Days are UTC days to it, wherever the server stands.
ALTER ROLE obs_grafana CONNECTION LIMIT 10;
ALTER ROLE obs_grafana SET idle_in_transaction_session_timeout = '60s';
ALTER ROLE obs_grafana SET statement_timeout = '15s';
ALTER ROLE obs_grafana SET default_transaction_read_only = on;
ALTER ROLE obs_grafana SET timezone = 'UTC';

DO $$
BEGIN
    EXECUTE format('ALTER DATABASE %I OWNER TO obs_owner', current_database());
    EXECUTE format('REVOKE ALL ON DATABASE %I FROM PUBLIC', current_database());
    EXECUTE format(
        'GRANT CONNECT ON DATABASE %I TO obs_web, obs_worker, obs_read, obs_grafana',
        current_database()
    );
    -- A projection is built again in temporary tables beside its live rows.
    EXECUTE format('GRANT TEMPORARY ON DATABASE %I TO obs_worker', current_database());
END
$$;

ALTER SCHEMA public OWNER TO obs_owner;
REVOKE ALL ON SCHEMA public FROM PUBLIC;
GRANT USAGE ON SCHEMA public TO obs_web, obs_worker, obs_read, obs_grafana;

-- Django's own tables: sessions, users, schedules. Nothing by default for obs_read.
ALTER DEFAULT PRIVILEGES FOR ROLE obs_owner IN SCHEMA public
    GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO obs_web, obs_worker;
ALTER DEFAULT PRIVILEGES FOR ROLE obs_owner IN SCHEMA public
    GRANT USAGE ON SEQUENCES TO obs_web, obs_worker;

-- Postgres lets everyone call every function; ours may run with the owner's rights. Triggers do
-- not ask for this right. Not IN SCHEMA: a default of Postgres itself is only taken back so.
ALTER DEFAULT PRIVILEGES FOR ROLE obs_owner
    REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;
ALTER DEFAULT PRIVILEGES FOR ROLE obs_owner IN SCHEMA public
    GRANT EXECUTE ON FUNCTIONS TO obs_web, obs_worker;

-- The views of dashboards, where they were made before the role was: metrics/sql/0003.
DO $$
DECLARE
    a_view regclass;
BEGIN
    FOR a_view IN
        SELECT oid FROM pg_catalog.pg_class
        WHERE relnamespace = 'public'::regnamespace AND relkind = 'v' AND relname ~ '^obs_grafana_'
    LOOP
        EXECUTE format('GRANT SELECT ON %s TO obs_grafana', a_view);
    END LOOP;
END
$$;
