-- What the counters of /metrics must be, counted from the records of all entries by SQL alone: from
-- what docs/observability.md says of each family, sharing no line with the platform's own counting.
--
-- One row a series: its family, its labels, and either how much a counter is (`n`, in whole numbers:
-- a dollar is a thousand million) or everything that a histogram observed (`us`, microseconds).
--
-- It knows no cap: the acts that it is asked about stay below all of them, but for tasks.
WITH read AS MATERIALIZED (
    SELECT
        e.ledger_id,
        e.seq,
        r -> 'event' AS event,
        r ->> 'ledger' AS ledger,
        (r ->> 'received_at')::timestamptz AS received,
        (r -> 'event' ->> 'occurred_at')::timestamptz AS occurred,
        coalesce((r -> 'source' ->> 'backfill')::boolean, false) AS is_history
    FROM audit_entry AS e
    CROSS JOIN LATERAL (SELECT convert_from(e.record, 'UTF8')::jsonb AS r) AS record
),
-- An agent has the name that its newest registration before the entry gave it, in the same ledger.
placed AS (
    SELECT
        read.*,
        max(seq) FILTER (WHERE event ->> 'action' = 'agent.registered') OVER (
            PARTITION BY ledger_id, event -> 'agent' ->> 'id'
            ORDER BY seq
            ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
        ) AS registered_seq
    FROM read
),
act AS MATERIALIZED (
    SELECT
        p.ledger,
        p.event ->> 'action' AS action,
        p.event ->> 'category' AS category,
        split_part(p.event ->> 'action', '.', 2) AS verb,
        p.event -> 'agent' ->> 'id' AS agent_id,
        CASE
            WHEN p.registered_seq IS NULL THEN '_other'
            ELSE pg_temp.word(coalesce(reg.event -> 'agent' ->> 'name', reg.event -> 'agent' ->> 'id'))
        END AS agent,
        coalesce(p.event -> 'agent' ->> 'environment', 'prod') AS environment,
        CASE
            WHEN p.event ->> 'outcome' IN ('success', 'denied') THEN p.event ->> 'outcome'
            WHEN p.event ->> 'outcome' IN ('failure', 'error') THEN 'error'
            ELSE 'other'
        END AS status,
        pg_temp.word(p.event -> 'error' ->> 'type') AS error_type,
        pg_temp.word(p.event -> 'tool' ->> 'name') AS tool,
        pg_temp.word(p.event -> 'model' ->> 'provider') AS provider,
        pg_temp.word(p.event -> 'model' ->> 'name') AS model,
        pg_temp.word(p.event -> 'run' ->> 'mode') AS mode,
        pg_temp.word(p.event -> 'memory' ->> 'type') AS memory_type,
        pg_temp.word(p.event -> 'memory' ->> 'store') AS cache,
        p.event -> 'memory' ->> 'cache_hit' AS cache_hit,
        pg_temp.word(p.event -> 'data' ->> 'legal_basis') AS lawful_basis,
        coalesce(p.event ->> 'severity', 'info') AS severity,
        (p.event ->> 'duration_ms')::numeric AS took_ms,
        (p.event -> 'tool' ->> 'result_bytes')::numeric AS result_bytes,
        p.event -> 'usage' AS usage,
        p.event -> 'tool' ->> 'risk' AS risk,
        extract(epoch FROM p.received - p.occurred) * 1000000 AS lag_us,
        p.is_history OR p.received - p.occurred > interval '1 hour' AS is_late
    FROM placed AS p
    LEFT JOIN read AS reg ON reg.ledger_id = p.ledger_id AND reg.seq = p.registered_seq
),
ended AS (
    SELECT
        act.*,
        CASE WHEN action LIKE '%failed' AND status = 'success' THEN 'error' ELSE status END AS end_status
    FROM act
),
token AS (
    SELECT act.*, type, (usage ->> (type || '_tokens'))::numeric AS tokens
    FROM act
    CROSS JOIN unnest(ARRAY['input', 'output', 'cache_read', 'reasoning']) AS type
    WHERE action LIKE 'llm.%'
        -- That neither input nor output is told is a fault, and said once.
        AND (usage ? (type || '_tokens') OR (type = 'input' AND NOT coalesce(usage ? 'output_tokens', false)))
),
-- What took time, each with the family that shows it; too long is more than 31 days.
timed AS (
    SELECT 'obs_tool_execution_duration_seconds' AS family, jsonb_build_object('tool', tool) AS labels, is_late, took_ms
    FROM act WHERE action = 'tool.invoke'
    UNION ALL
    SELECT 'obs_llm_request_duration_seconds', jsonb_build_object('provider', provider, 'model', model), is_late, took_ms
    FROM act WHERE action LIKE 'llm.%'
    UNION ALL
    SELECT 'obs_task_duration_seconds', jsonb_build_object('mode', mode), is_late, took_ms
    FROM act WHERE action IN ('task.completed', 'task.failed')
    UNION ALL
    SELECT 'obs_agent_execution_duration_seconds', jsonb_build_object('agent', agent, 'environment', environment), is_late, took_ms
    FROM act WHERE action = 'run.completed'
    UNION ALL
    SELECT 'obs_memory_operation_duration_seconds', jsonb_build_object('operation', verb, 'memory_type', memory_type), is_late, took_ms
    FROM act WHERE action LIKE 'memory.%'
),
refused AS (
    SELECT family, CASE WHEN took_ms IS NULL THEN 'missing' WHEN took_ms < 0 THEN 'negative' ELSE 'absurd' END AS reason
    FROM timed
    WHERE took_ms IS NULL OR took_ms < 0 OR took_ms > 31 * 86400 * 1000.0
    UNION ALL
    SELECT 'obs_tool_result_size_bytes', CASE WHEN result_bytes IS NULL THEN 'missing' WHEN result_bytes < 0 THEN 'negative' ELSE 'absurd' END
    FROM act
    WHERE action = 'tool.invoke' AND (result_bytes IS NULL OR result_bytes < 0 OR result_bytes > 2 ^ 50)
    UNION ALL
    SELECT 'obs_llm_tokens_total', CASE WHEN tokens IS NULL THEN 'missing' WHEN tokens < 0 THEN 'negative' ELSE 'absurd' END
    FROM token
    WHERE tokens IS NULL OR tokens < 0 OR tokens > 1000000000
    UNION ALL
    SELECT 'obs_llm_cost_usd_total', CASE WHEN cost IS NULL THEN 'missing' WHEN cost < 0 THEN 'negative' ELSE 'absurd' END
    FROM act
    CROSS JOIN LATERAL (SELECT (usage ->> 'cost_usd')::numeric AS cost) AS said
    WHERE action LIKE 'llm.%' AND (cost IS NULL OR cost < 0 OR cost > 1000000)
    UNION ALL
    SELECT 'obs_ingest_lag_seconds', 'negative' FROM act WHERE NOT is_late AND lag_us < 0
),
one AS (
    SELECT 'obs_events_total' AS family, jsonb_build_object('category', category, 'status', status, 'environment', environment, 'ledger', ledger) AS labels, 1::numeric AS n
    FROM act WHERE NOT is_late
    UNION ALL
    SELECT 'obs_audit_actions_total', jsonb_build_object('action', action, 'status', status, 'ledger', ledger), 1
    FROM act WHERE NOT is_late
    UNION ALL
    SELECT 'obs_agent_operations_total', jsonb_build_object('agent', agent, 'operation', category, 'status', status), 1
    FROM act WHERE NOT is_late AND agent_id <> 'platform'
    UNION ALL
    SELECT 'obs_agent_executions_total', jsonb_build_object('agent', agent, 'status', status, 'environment', environment), 1
    FROM act WHERE NOT is_late AND action = 'run.completed'
    UNION ALL
    SELECT 'obs_agent_errors_total', jsonb_build_object('agent', agent, 'error_type', error_type), 1
    FROM act WHERE NOT is_late AND action = 'run.completed' AND status = 'error'
    UNION ALL
    -- Of agents and modes together: there are more of them than the family has places.
    SELECT 'obs_tasks_total', jsonb_build_object('status', end_status, 'environment', environment), 1
    FROM ended WHERE NOT is_late AND action IN ('task.completed', 'task.failed')
    UNION ALL
    SELECT 'obs_tool_calls_total', jsonb_build_object('tool', tool, 'status', status, 'environment', environment), 1
    FROM act WHERE NOT is_late AND action = 'tool.invoke'
    UNION ALL
    SELECT 'obs_tool_errors_total', jsonb_build_object('tool', tool, 'error_type', error_type), 1
    FROM act WHERE NOT is_late AND action = 'tool.invoke' AND status = 'error'
    UNION ALL
    SELECT 'obs_llm_requests_total', jsonb_build_object('provider', provider, 'model', model, 'status', status, 'environment', environment), 1
    FROM act WHERE NOT is_late AND action LIKE 'llm.%'
    UNION ALL
    SELECT 'obs_llm_tokens_total', jsonb_build_object('provider', provider, 'model', model, 'token_type', type), tokens
    FROM token WHERE NOT is_late AND tokens BETWEEN 0 AND 1000000000
    UNION ALL
    SELECT 'obs_llm_cost_usd_total', jsonb_build_object('provider', provider, 'model', model, 'environment', environment), round(cost * 1000000000)
    FROM act
    CROSS JOIN LATERAL (SELECT (usage ->> 'cost_usd')::numeric AS cost) AS said
    WHERE NOT is_late AND action LIKE 'llm.%' AND cost BETWEEN 0 AND 1000000
    UNION ALL
    SELECT 'obs_memory_operations_total', jsonb_build_object('operation', verb, 'memory_type', memory_type, 'status', status), 1
    FROM act WHERE NOT is_late AND action LIKE 'memory.%'
    UNION ALL
    SELECT 'obs_cache_requests_total', jsonb_build_object('cache', cache, 'outcome', CASE cache_hit WHEN 'true' THEN 'hit' ELSE 'miss' END), 1
    FROM act WHERE NOT is_late AND action LIKE 'memory.%' AND cache_hit IS NOT NULL
    UNION ALL
    SELECT 'obs_data_access_total', jsonb_build_object('operation', verb, 'lawful_basis', lawful_basis), 1
    FROM act WHERE NOT is_late AND action LIKE 'data.%'
    UNION ALL
    SELECT 'obs_critical_actions_total', jsonb_build_object('action', action), 1
    FROM act WHERE NOT is_late AND (severity = 'critical' OR coalesce(risk IN ('high', 'critical'), false))
    UNION ALL
    SELECT 'obs_events_backfilled_total', jsonb_build_object('category', category, 'ledger', ledger), 1
    FROM act WHERE is_late
    UNION ALL
    SELECT 'obs_metrics_refused_total', jsonb_build_object('family', family, 'reason', reason), 1
    FROM refused
)
SELECT family, labels, sum(n), NULL::bigint[]
FROM one
GROUP BY family, labels
HAVING sum(n) > 0
UNION ALL
SELECT family, labels, NULL, array_agg(round(took_ms * 1000)::bigint)
FROM timed
WHERE NOT is_late AND took_ms BETWEEN 0 AND 31 * 86400 * 1000.0
GROUP BY family, labels
UNION ALL
SELECT 'obs_ingest_lag_seconds', jsonb_build_object('stage', 'delivered', 'ledger', ledger), NULL, array_agg(lag_us::bigint)
FROM act
WHERE NOT is_late AND lag_us >= 0
GROUP BY ledger
