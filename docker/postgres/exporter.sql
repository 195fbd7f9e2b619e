-- The role of postgres_exporter: it reads Postgres' own statistics and no table of ours.
-- Run by a superuser in the database of the platform, after roles.sql; safe to repeat.
SET client_min_messages = warning;
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'obs_exporter') THEN
        CREATE ROLE obs_exporter;
    END IF;
END
$$;
ALTER ROLE obs_exporter LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS;
ALTER ROLE obs_exporter CONNECTION LIMIT 5;
ALTER ROLE obs_exporter SET statement_timeout = '10s';
ALTER ROLE obs_exporter SET default_transaction_read_only = on;
GRANT pg_monitor TO obs_exporter;
DO $$
BEGIN
    EXECUTE format('GRANT CONNECT ON DATABASE %I TO obs_exporter', current_database());
END
$$;
