-- What once guards the ledger goes on guarding it, even against the owner of its tables.
--
-- Forbids, on audit_entry and its partitions, audit_eventkey, audit_tile, audit_checkpoint,
-- audit_purge and audit_purgeapproval, from the moment a table has its first ENABLE ALWAYS trigger:
--   * DROP of the table, a column, a constraint, a trigger (DROP OWNED and CASCADE included);
--   * DISABLE TRIGGER, ENABLE REPLICA TRIGGER, and back to plain ENABLE TRIGGER;
--   * CREATE OR REPLACE of such a trigger or of the function it calls, or ALTER of either;
--   * DETACH PARTITION; RENAME; SET SCHEMA; OWNER TO; another type, or no NOT NULL, for a column;
--   * rules, which would turn a statement into another, and row security, which would hide rows;
--   * ALTER TABLE that rewrites rows (ALTER COLUMN … TYPE … USING, SET UNLOGGED).
-- Allows what only adds: ADD COLUMN, ADD CONSTRAINT, CREATE and DROP INDEX (so keep what must be
-- unique a constraint), new partitions by PARTITION OF or ATTACH, new triggers, storage settings.
--
-- How: the guards that stand are facts, written down by each DDL command that adds one. After
-- each DDL command every fact written down must still hold, else the command fails. So it does
-- not matter how a command is spelled or by which route it came.
--
-- Two ways out, both narrow: a guard may become the wording that obs_guard.successor names, which
-- only this script writes; and obs_guard.drop_month() drops a month that holds nothing but entries
-- of purges that two people approved (audit_purge, itself guarded).
--
-- There is no switch. A superuser can drop these triggers; then the hash chain and the
-- checkpoints held by others tell. To change a guard on purpose, a superuser removes its rows
-- from obs_guard.fact and makes the change in the same transaction; likewise when a later major
-- version of Postgres comes to word a definition otherwise. Functions that a guarded function
-- calls are not guarded: keep a rule within the trigger's own function.
--
-- Run by a superuser in the database of the platform, before the first migration; safe to
-- repeat, which forgets nothing. Postgres 15 and newer. It is present when this says true:
--   SELECT count(*) = 3 FROM pg_event_trigger WHERE evtenabled = 'A' AND evtname IN
--       ('obs_guard_before', 'obs_guard_after', 'obs_guard_rewrite');
-- What a superuser took away meanwhile, for web, worker and auditors to see: none when all stand.
--   SELECT fact FROM obs_guard.lost;

-- One transaction, please (psql -1): until its end the triggers are away, so that this script can
-- be repeated even where a guard was lost.
DROP EVENT TRIGGER IF EXISTS obs_guard_before;
DROP EVENT TRIGGER IF EXISTS obs_guard_after;
DROP EVENT TRIGGER IF EXISTS obs_guard_rewrite;
DROP VIEW IF EXISTS obs_guard.lost;
DROP FUNCTION IF EXISTS obs_guard.standing();
DROP VIEW IF EXISTS obs_guard.ledger_table;

CREATE SCHEMA IF NOT EXISTS obs_guard;
REVOKE ALL ON SCHEMA obs_guard FROM PUBLIC;

CREATE TABLE IF NOT EXISTS obs_guard.fact (
    fact text COLLATE "C" PRIMARY KEY,
    noted_at timestamptz NOT NULL DEFAULT now()
);

-- Wordings that a later version of the platform gives to what it guarded before. Replaced as a
-- whole each time this script runs; a wording that is not listed is refused.
CREATE TABLE IF NOT EXISTS obs_guard.successor (
    was text COLLATE "C" NOT NULL,
    becomes text COLLATE "C" NOT NULL,
    PRIMARY KEY (was, becomes)
);
DELETE FROM obs_guard.successor;
INSERT INTO obs_guard.successor (was, becomes) VALUES
    -- audit/sql/0012_retention.sql: entries of an approved purge may go.
    (
        'function public.audit_refuse_change() is 8d719b3e5e426188452e4c632eaa3e7b',
        'function public.audit_refuse_change() is 7ea111248a7c85d720d8ecdf397a033c'
    );

-- The guarded tables: those of the ledger that have a trigger no session setting can skip.
CREATE VIEW obs_guard.ledger_table AS
WITH RECURSIVE named AS (
    SELECT c.oid
    FROM pg_catalog.pg_class AS c
    JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
    WHERE n.nspname = 'public'
      AND c.relname IN (
          'audit_entry', 'audit_eventkey', 'audit_tile', 'audit_checkpoint', 'audit_purge',
          'audit_purgeapproval'
      )
      AND c.relkind IN ('r', 'p')
    UNION
    SELECT i.inhrelid
    FROM named
    JOIN pg_catalog.pg_inherits AS i ON i.inhparent = named.oid
)
SELECT
    c.oid,
    c.relowner,
    c.relkind,
    c.relpersistence,
    c.relrowsecurity,
    format('%I.%I', n.nspname, c.relname) AS name
FROM named
JOIN pg_catalog.pg_class AS c ON c.oid = named.oid
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p')
  AND EXISTS (
      SELECT FROM pg_catalog.pg_trigger AS t
      WHERE t.tgrelid = c.oid AND NOT t.tgisinternal AND t.tgenabled = 'A'
  );

-- What stands now, one line a guard. Names, not oids: facts outlive a dump and its restore.
-- A function and no view, so that its search_path is fixed: names are printed as it sees them.
CREATE FUNCTION obs_guard.standing() RETURNS TABLE (fact text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
WITH ledger_table AS MATERIALIZED (SELECT * FROM obs_guard.ledger_table)
SELECT format(
    'table %s kind=%s owner=%s persistence=%s',
    l.name, l.relkind, pg_get_userbyid(l.relowner), l.relpersistence
) AS fact
FROM ledger_table AS l
UNION ALL
SELECT format(
    'partition %s of %s: %s',
    l.name, i.inhparent::regclass, pg_get_expr(c.relpartbound, c.oid)
)
FROM ledger_table AS l
JOIN pg_class AS c ON c.oid = l.oid
JOIN pg_inherits AS i ON i.inhrelid = l.oid AND NOT i.inhdetachpending
UNION ALL
SELECT format(
    'column %s.%I %s %s %s',
    l.name, a.attname, format_type(a.atttypid, a.atttypmod), a.attgenerated, o.collname
)
FROM ledger_table AS l
JOIN pg_attribute AS a ON a.attrelid = l.oid AND a.attnum > 0 AND NOT a.attisdropped
LEFT JOIN pg_collation AS o ON o.oid = a.attcollation
UNION ALL
SELECT format('not null %s.%I', l.name, a.attname)
FROM ledger_table AS l
JOIN pg_attribute AS a ON a.attrelid = l.oid AND a.attnum > 0 AND NOT a.attisdropped
WHERE a.attnotnull
UNION ALL
SELECT format(
    'constraint %I on %s: %s',
    -- VALIDATE CONSTRAINT strengthens, so whether it is valid is no part of the fact.
    o.conname, l.name, replace(pg_get_constraintdef(o.oid), ' NOT VALID', '')
)
FROM ledger_table AS l
JOIN pg_constraint AS o ON o.conrelid = l.oid AND o.contype IN ('p', 'u', 'c', 'f', 'x')
UNION ALL
SELECT format('always %s', pg_get_triggerdef(t.oid))
FROM ledger_table AS l
JOIN pg_trigger AS t ON t.tgrelid = l.oid
WHERE NOT t.tgisinternal AND t.tgenabled = 'A'
UNION
SELECT format('function %s is %s', t.tgfoid::regprocedure, md5(pg_get_functiondef(t.tgfoid)))
FROM ledger_table AS l
JOIN pg_trigger AS t ON t.tgrelid = l.oid
WHERE NOT t.tgisinternal AND t.tgenabled = 'A'
$$;

CREATE VIEW obs_guard.lost AS
SELECT f.fact
FROM obs_guard.fact AS f
WHERE NOT EXISTS (SELECT FROM obs_guard.standing() AS s WHERE s.fact = f.fact);

GRANT USAGE ON SCHEMA obs_guard TO obs_web, obs_worker, obs_read;
GRANT SELECT ON obs_guard.lost TO obs_web, obs_worker, obs_read;

-- After a DDL command: all that was written down still stands; what is new is written down.
-- SECURITY DEFINER, because the roles that run DDL must not be able to touch the facts.
CREATE OR REPLACE FUNCTION obs_guard.after_ddl() RETURNS event_trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    standing text[];
    lost text;
    found text;
BEGIN
    -- Looked at once: this is nearly all that the trigger costs a DDL command.
    standing := ARRAY(SELECT s.fact FROM obs_guard.standing() AS s);
    DELETE FROM obs_guard.fact AS f
    USING obs_guard.successor AS s
    WHERE f.fact = s.was
      AND s.becomes = ANY (standing)
      AND s.was <> ALL (standing);
    SELECT f.fact INTO lost
    FROM (SELECT fact FROM obs_guard.fact EXCEPT SELECT unnest(standing)) AS f
    ORDER BY f.fact
    LIMIT 1;
    IF lost IS NOT NULL THEN
        RAISE EXCEPTION '% refused: the ledger would lose this guard: %', tg_tag, lost
            USING ERRCODE = 'insufficient_privilege',
                  HINT = 'What is forbidden, and the way out: docker/postgres/event_trigger.sql';
    END IF;
    SELECT concat(CASE WHEN l.relrowsecurity THEN 'row security on ' ELSE 'rule on ' END, l.name)
    INTO found
    FROM obs_guard.ledger_table AS l
    WHERE l.relrowsecurity
       OR EXISTS (SELECT FROM pg_rewrite AS r WHERE r.ev_class = l.oid)
    LIMIT 1;
    IF found IS NOT NULL THEN
        RAISE EXCEPTION '% refused: the ledger may have no %', tg_tag, found
            USING ERRCODE = 'insufficient_privilege';
    END IF;
    INSERT INTO obs_guard.fact (fact)
    SELECT unnest(standing) EXCEPT SELECT fact FROM obs_guard.fact
    ON CONFLICT DO NOTHING;
END
$$;

-- Drop a month of entries, all of which are pruned. It looks for itself, so anyone may ask for it.
CREATE OR REPLACE FUNCTION obs_guard.drop_month(month_name text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    month_table regclass;
    is_kept boolean;
BEGIN
    SELECT i.inhrelid::regclass INTO month_table
    FROM pg_inherits AS i
    JOIN pg_class AS c ON c.oid = i.inhrelid
    JOIN pg_namespace AS n ON n.oid = c.relnamespace
    WHERE i.inhparent = to_regclass('public.audit_entry')
      AND n.nspname = 'public'
      AND c.relname = month_name;
    IF month_table IS NULL THEN
        RAISE EXCEPTION '% is no month of the entries', month_name;
    END IF;
    EXECUTE format('LOCK TABLE %s IN ACCESS EXCLUSIVE MODE', month_table);
    EXECUTE format(
        'SELECT EXISTS (SELECT FROM %s AS e WHERE NOT EXISTS ('
        'SELECT FROM public.audit_purge AS p WHERE p.ledger_id = e.ledger_id AND e.seq < p.to_seq))',
        month_table
    ) INTO is_kept;
    IF is_kept THEN
        RAISE EXCEPTION 'DROP of % refused: it holds entries that no approved purge covers', month_name
            USING ERRCODE = 'insufficient_privilege';
    END IF;
    DELETE FROM obs_guard.fact AS f
    WHERE f.fact ~ concat('\mpublic\.', month_name, '\M');
    EXECUTE format('DROP TABLE %s', month_table);
END
$$;
REVOKE ALL ON FUNCTION obs_guard.drop_month(text) FROM PUBLIC;
GRANT USAGE ON SCHEMA obs_guard TO obs_owner;
GRANT EXECUTE ON FUNCTION obs_guard.drop_month(text) TO obs_owner;

-- Before ALTER TABLE: DETACH … CONCURRENTLY commits its first half before anything could look,
-- so it is refused by its words, for every table. Keywords cannot be written in another way.
CREATE OR REPLACE FUNCTION obs_guard.before_ddl() RETURNS event_trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF current_query() ~* '\mdetach\M' AND current_query() ~* '\mconcurrently\M' THEN
        RAISE EXCEPTION 'DETACH PARTITION … CONCURRENTLY is refused in this database'
            USING ERRCODE = 'insufficient_privilege';
    END IF;
END
$$;

-- Before rows are rewritten: ALTER COLUMN … TYPE … USING changes rows and fires no row trigger.
CREATE OR REPLACE FUNCTION obs_guard.on_rewrite() RETURNS event_trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF EXISTS (
        SELECT FROM obs_guard.ledger_table AS l WHERE l.oid = pg_event_trigger_table_rewrite_oid()
    ) THEN
        RAISE EXCEPTION '% refused: it would rewrite rows of %',
            tg_tag, pg_event_trigger_table_rewrite_oid()::regclass
            USING ERRCODE = 'insufficient_privilege';
    END IF;
END
$$;

CREATE EVENT TRIGGER obs_guard_before ON ddl_command_start
    WHEN TAG IN ('ALTER TABLE')
    EXECUTE FUNCTION obs_guard.before_ddl();
CREATE EVENT TRIGGER obs_guard_after ON ddl_command_end
    EXECUTE FUNCTION obs_guard.after_ddl();
CREATE EVENT TRIGGER obs_guard_rewrite ON table_rewrite
    EXECUTE FUNCTION obs_guard.on_rewrite();

-- ALWAYS: they fire under session_replication_role = replica too.
ALTER EVENT TRIGGER obs_guard_before ENABLE ALWAYS;
ALTER EVENT TRIGGER obs_guard_after ENABLE ALWAYS;
ALTER EVENT TRIGGER obs_guard_rewrite ENABLE ALWAYS;

-- Event triggers do not fire for commands about event triggers: write down what stands already.
INSERT INTO obs_guard.fact (fact)
SELECT fact FROM obs_guard.standing()
ON CONFLICT DO NOTHING;
