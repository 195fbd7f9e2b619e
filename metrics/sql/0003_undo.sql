-- Take back what dashboards may ask. Nothing is lost but the key of pseudonyms: they will be others.
DROP VIEW obs_grafana_sessions, obs_grafana_feedback, obs_grafana_budgets, obs_grafana_spend, obs_grafana_tool_calls,
    obs_grafana_entries, metrics_agentlabel;
DROP TABLE metrics_grafanakey;
