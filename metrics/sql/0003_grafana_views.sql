-- What dashboards may ask Postgres: six views, read by the role obs_grafana and nobody else. Their
-- columns are the list of metrics/boards/grafana_views.py.
--
-- Forbids: the bytes of a record, a text that somebody wrote, and the id of a person. A view reads
-- with the rights of its owner, so obs_grafana has none on any table. What was erased or pruned is
-- gone from the tables, and so from here.

-- What makes pseudonyms of people whom an event names in clear: the same person has the same one,
-- and no one who guesses a name can try it. Nobody but the owner reads it.
CREATE TABLE metrics_grafanakey (
    is_only boolean PRIMARY KEY DEFAULT true CONSTRAINT metrics_grafanakey_only CHECK (is_only),
    key bytea NOT NULL CONSTRAINT metrics_grafanakey_length CHECK (octet_length(key) = 32)
);
INSERT INTO metrics_grafanakey (key)
SELECT sha256(convert_to(concat(gen_random_uuid(), gen_random_uuid(), gen_random_uuid()), 'UTF8'));

-- What the label `agent` says of an agent, as counting has learned it.
CREATE VIEW metrics_agentlabel AS
SELECT state.ledger_id, label.key AS agent_id, label.value AS label
FROM metrics_state AS state
CROSS JOIN LATERAL jsonb_each_text(state.state -> 'agents') AS label;

-- A record is canonical JSON, so it begins {"event":{"action":"…","actor":{…},"agent":{ and a quote
-- within a string is escaped: the actor is cut out of it and read alone, since reading the whole
-- record is most of what a row costs.
CREATE VIEW obs_grafana_entries AS
SELECT
    ledger.name AS ledger,
    entry.seq,
    entry.occurred_at,
    entry.received_at,
    entry.is_backfill,
    coalesce(named.label, '_other') AS agent,
    entry.agent_id,
    CASE
        WHEN entry.actor_id = entry.agent_id THEN entry.actor_id
        WHEN entry.actor_id ~ '^[0-9a-f]{64}$' THEN entry.actor_id  -- a pseudonym already
        WHEN convert_from(substring(
                entry.record FROM position(',"actor":{'::bytea IN entry.record) + 9
                FOR position(',"agent":{'::bytea IN entry.record) - position(',"actor":{'::bytea IN entry.record) - 9
            ), 'UTF8')::json ->> 'type' IN ('agent', 'service', 'system') THEN entry.actor_id
        ELSE 'person-' || left(encode(sha256(
            (SELECT secret.key FROM metrics_grafanakey AS secret) || convert_to(entry.actor_id, 'UTF8')
        ), 'hex'), 12)
    END AS actor,
    convert_from(substring(
        entry.record FROM position(',"actor":{'::bytea IN entry.record) + 9
        FOR position(',"agent":{'::bytea IN entry.record) - position(',"actor":{'::bytea IN entry.record) - 9
    ), 'UTF8')::json ->> 'type' AS actor_type,
    entry.category,
    entry.action,
    entry.outcome,
    entry.severity,
    entry.environment,
    entry.run_id,
    entry.trace_id
FROM audit_entry AS entry
JOIN audit_ledger AS ledger ON ledger.id = entry.ledger_id
LEFT JOIN metrics_agentlabel AS named ON named.ledger_id = entry.ledger_id AND named.agent_id = entry.agent_id;

-- A tool's name as its label says it, so that a board's variable narrows both.
CREATE VIEW obs_grafana_tool_calls AS
SELECT
    ledger.name AS ledger,
    entry.seq,
    entry.occurred_at,
    coalesce(named.label, '_other') AS agent,
    entry.environment,
    coalesce(nullif(left(ltrim(
        regexp_replace(lower(said.event #>> '{tool,name}'), '[^a-z0-9_.:/-]+', '_', 'g'), '_'
    ), 64), ''), '_none') AS tool,
    said.event #>> '{tool,risk}' AS risk,
    entry.outcome,
    (said.event ->> 'duration_ms')::float8 / 1000 AS seconds,
    entry.run_id
FROM audit_entry AS entry
JOIN audit_ledger AS ledger ON ledger.id = entry.ledger_id
-- OFFSET 0: a record is read once a row, not once a column.
CROSS JOIN LATERAL (SELECT convert_from(entry.record, 'UTF8')::json -> 'event' AS event OFFSET 0) AS said
LEFT JOIN metrics_agentlabel AS named ON named.ledger_id = entry.ledger_id AND named.agent_id = entry.agent_id
WHERE entry.action = 'tool.invoke';

CREATE VIEW obs_grafana_spend AS
SELECT ledger.name AS ledger, spend.day, spend.agent, spend.provider, spend.model, spend.nano / 1000000000 AS usd
FROM metrics_spend AS spend
JOIN audit_ledger AS ledger ON ledger.id = spend.ledger_id;

-- As metrics/spending.py reckons them: UTC days, weeks from Monday, a straight line to the end.
CREATE VIEW obs_grafana_budgets AS
WITH standing AS (
    SELECT
        budget.*,
        clock.today,
        date_trunc(budget.period, clock.today::timestamp)::date AS first,
        (date_trunc(budget.period, clock.today::timestamp) + ('1 ' || budget.period)::interval)::date AS after
    FROM metrics_budget AS budget
    CROSS JOIN (SELECT (now() AT TIME ZONE 'UTC')::date AS today) AS clock
    WHERE budget.ended_at IS NULL
)
SELECT
    standing.name AS budget,
    standing.period,
    standing.first::timestamp AT TIME ZONE 'UTC' AS starts_at,
    standing.after::timestamp AT TIME ZONE 'UTC' AS ends_at,
    standing.usd,
    used.usd AS spent_usd,
    used.usd * ((standing.after - standing.first) * 86400)
        / greatest(extract(epoch FROM now() - standing.first::timestamp AT TIME ZONE 'UTC'), 1) AS forecast_usd
FROM standing
CROSS JOIN LATERAL (
    SELECT coalesce(sum(spend.nano), 0) / 1000000000 AS usd
    FROM metrics_spend AS spend
    WHERE spend.day BETWEEN standing.first AND standing.today
      AND (standing.ledger_id IS NULL OR spend.ledger_id = standing.ledger_id)
      AND CASE standing.covers
          WHEN 'all' THEN true
          WHEN 'agent' THEN spend.agent = standing.value
          WHEN 'model' THEN spend.provider || '/' || spend.model = standing.value
          ELSE EXISTS (
              SELECT
              FROM audit_agent AS agent
              JOIN metrics_agentlabel AS named USING (ledger_id, agent_id)
              WHERE agent.owner = standing.value
                AND named.ledger_id = spend.ledger_id
                AND named.label = spend.agent
          )
      END
) AS used;

CREATE VIEW obs_grafana_feedback AS
SELECT
    ledger.name AS ledger,
    entry.seq,
    entry.occurred_at,
    coalesce(named.label, '_other') AS agent,
    entry.environment,
    coalesce(nullif(left(ltrim(
        regexp_replace(lower(said.event #>> '{feedback,kind}'), '[^a-z0-9_.:/-]+', '_', 'g'), '_'
    ), 64), ''), '_none') AS kind,
    (said.event #>> '{feedback,score}')::float8 AS score
FROM audit_entry AS entry
JOIN audit_ledger AS ledger ON ledger.id = entry.ledger_id
CROSS JOIN LATERAL (SELECT convert_from(entry.record, 'UTF8')::json -> 'event' AS event OFFSET 0) AS said
LEFT JOIN metrics_agentlabel AS named ON named.ledger_id = entry.ledger_id AND named.agent_id = entry.agent_id
WHERE entry.action = 'feedback.received';

-- An entry of a session a row, and not a session: so that a query reads the time it shows alone.
-- What a session is: metrics/seen.py.
CREATE VIEW obs_grafana_sessions AS
SELECT
    ledger.name AS ledger,
    entry.occurred_at,
    coalesce(named.label, '_other') AS agent,
    entry.environment,
    left(encode(sha256(
        (SELECT secret.key FROM metrics_grafanakey AS secret) || convert_to(said.session, 'UTF8')
    ), 'hex'), 16) AS session,
    entry.outcome IN ('failure', 'error') AS is_failed
FROM audit_entry AS entry
JOIN audit_ledger AS ledger ON ledger.id = entry.ledger_id
CROSS JOIN LATERAL (
    SELECT coalesce(
        convert_from(substring(
            entry.record FROM position(',"actor":{'::bytea IN entry.record) + 9
            FOR position(',"agent":{'::bytea IN entry.record) - position(',"actor":{'::bytea IN entry.record) - 9
        ), 'UTF8')::json ->> 'session_id',
        CASE WHEN position('"conversation_id":"'::bytea IN entry.record) > 0
            THEN convert_from(entry.record, 'UTF8')::json #>> '{event,trace,conversation_id}'
        END
    ) AS session
    OFFSET 0
) AS said
LEFT JOIN metrics_agentlabel AS named ON named.ledger_id = entry.ledger_id AND named.agent_id = entry.agent_id
WHERE said.session IS NOT NULL
  -- Most entries are of no session, and to see that costs little.
  AND (position('"session_id":"'::bytea IN entry.record) > 0 OR position('"conversation_id":"'::bytea IN entry.record) > 0);

DO $$
DECLARE
    a_role text;
    a_view text;
BEGIN
    -- Default privileges open what is new to the running roles; close ours.
    FOR a_role IN SELECT rolname FROM pg_roles WHERE rolname IN ('obs_web', 'obs_worker', 'obs_read') LOOP
        FOREACH a_view IN ARRAY ARRAY['metrics_grafanakey', 'metrics_agentlabel', 'obs_grafana_entries',
                'obs_grafana_tool_calls', 'obs_grafana_spend', 'obs_grafana_budgets', 'obs_grafana_feedback',
                'obs_grafana_sessions'] LOOP
            EXECUTE format('REVOKE ALL ON %I FROM %I', a_view, a_role);
        END LOOP;
    END LOOP;
    -- Where the role is made later, docker/postgres/roles.sql grants it the same.
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'obs_grafana') THEN
        GRANT SELECT ON obs_grafana_entries, obs_grafana_tool_calls, obs_grafana_spend, obs_grafana_budgets,
            obs_grafana_feedback, obs_grafana_sessions TO obs_grafana;
    END IF;
END
$$;
