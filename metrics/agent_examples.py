"""One example of PromQL for each family about agents, rows 1 to 49. Pure.

What an example is: example.py. A test runs each against a Prometheus that scrapes an installation.
"""

from __future__ import annotations

from typing import Final

from metrics.example import Example, ask, quiet

EXAMPLES: Final[dict[str, Example]] = {
    "obs_agent_executions_total": ask(
        "share of each agent's runs that did not end well, the last hour",
        'sum by (agent) (increase(obs_agent_executions_total{status!="success"}[1h]))'
        " / sum by (agent) (increase(obs_agent_executions_total[1h]))",
    ),
    "obs_agent_errors_total": ask(
        "the five most frequent errors of agents in an hour",
        "topk(5, sum by (agent, error_type) (increase(obs_agent_errors_total[1h])))",
    ),
    "obs_agent_execution_duration_seconds": ask(
        "how long 95 % of each agent's runs take at most",
        "histogram_quantile(0.95, sum by (agent, le)"
        " (rate(obs_agent_execution_duration_seconds_bucket[5m])))",
    ),
    "obs_agent_active_executions": ask(
        "the agents with most open runs", "topk(5, obs_agent_active_executions)"
    ),
    "obs_agents_active": ask(
        "the fewest agents at work at once in the last hour",
        "min_over_time(obs_agents_active[1h])",
    ),
    "obs_agent_loop_duration_seconds": ask(
        "average length of a turn by phase",
        "sum by (phase) (rate(obs_agent_loop_duration_seconds_sum[5m]))"
        " / sum by (phase) (rate(obs_agent_loop_duration_seconds_count[5m]))",
    ),
    "obs_agent_loops_total": ask(
        "share of turns that succeed",
        'sum(rate(obs_agent_loops_total{status="success"}[5m]))'
        " / sum(rate(obs_agent_loops_total[5m]))",
    ),
    "obs_agent_operations_total": ask(
        "what an agent does, in acts a minute",
        "60 * sum by (agent, operation) (rate(obs_agent_operations_total[5m]))",
    ),
    "obs_goals_total": ask(
        "goals created and ended in an hour, by mode and how",
        "sum by (mode, status) (increase(obs_goals_total[1h]))",
    ),
    "obs_goals_active": ask("goals that are pursued now", "sum(obs_goals_active)"),
    "obs_goal_completion_seconds": ask(
        "share of goals that were reached within ten minutes",
        'sum(rate(obs_goal_completion_seconds_bucket{le="600.0"}[1h]))'
        " / sum(rate(obs_goal_completion_seconds_count[1h]))",
    ),
    "obs_planning_duration_seconds": ask(
        "how long half of all plans take at most to make",
        "histogram_quantile(0.5, sum by (le) (rate(obs_planning_duration_seconds_bucket[5m])))",
    ),
    "obs_planning_quality_ratio": ask(
        "average quality of plans",
        "sum(rate(obs_planning_quality_ratio_sum[1h]))"
        " / sum(rate(obs_planning_quality_ratio_count[1h]))",
    ),
    "obs_planning_steps": ask(
        "average number of steps",
        "sum(rate(obs_planning_steps_sum[1h])) / sum(rate(obs_planning_steps_count[1h]))",
    ),
    "obs_tasks_total": ask(
        "tasks in an hour by mode and how they ended, in production",
        'sum by (mode, status) (increase(obs_tasks_total{environment="prod"}[1h]))',
    ),
    "obs_task_duration_seconds": ask(
        "how long 90 % of tasks take at most, by mode",
        "histogram_quantile(0.9, sum by (mode, le) (rate(obs_task_duration_seconds_bucket[5m])))",
    ),
    "obs_tasks_active": ask("tasks under way, by mode", "sum by (mode) (obs_tasks_active)"),
    "obs_task_queue_size": ask(
        "how much a queue grows in a minute", "60 * deriv(obs_task_queue_size[10m])"
    ),
    "obs_task_recovery_seconds": ask(
        "how long it takes on average until a failed sort of task is done well again",
        "sum(rate(obs_task_recovery_seconds_sum[1h]))"
        " / sum(rate(obs_task_recovery_seconds_count[1h]))",
    ),
    "obs_tool_calls_total": ask(
        "share of calls that succeed, by tool",
        'sum by (tool) (rate(obs_tool_calls_total{status="success"}[5m]))'
        " / sum by (tool) (rate(obs_tool_calls_total[5m]))",
    ),
    "obs_tool_execution_duration_seconds": ask(
        "the five slowest tools by what 95 % of calls take at most",
        "topk(5, histogram_quantile(0.95, sum by (tool, le)"
        " (rate(obs_tool_execution_duration_seconds_bucket[5m]))))",
    ),
    "obs_tool_errors_total": ask(
        "errors a minute by tool and type",
        "60 * sum by (tool, error_type) (rate(obs_tool_errors_total[5m]))",
    ),
    "obs_tool_result_size_bytes": ask(
        "bytes a second that tools answer",
        "sum by (tool) (rate(obs_tool_result_size_bytes_sum[5m]))",
    ),
    "obs_llm_requests_total": ask(
        "requests a minute, by model", "60 * sum by (model) (rate(obs_llm_requests_total[5m]))"
    ),
    "obs_llm_request_duration_seconds": ask(
        "how long 99 % of requests take at most, by model",
        "histogram_quantile(0.99, sum by (model, le)"
        " (rate(obs_llm_request_duration_seconds_bucket[5m])))",
    ),
    "obs_llm_tokens_total": ask(
        "tokens written for each that was read, by model",
        'sum by (model) (rate(obs_llm_tokens_total{token_type="output"}[5m]))'
        ' / sum by (model) (rate(obs_llm_tokens_total{token_type="input"}[5m]))',
    ),
    "obs_llm_cost_usd_total": ask(
        "dollars in the last hour, by provider and model",
        "sum by (provider, model) (increase(obs_llm_cost_usd_total[1h]))",
    ),
    "obs_llm_budget_usd": ask(
        "dollars that are left of each budget",
        "obs_llm_budget_usd * (1 - obs_llm_budget_used_ratio)",
    ),
    "obs_llm_budget_used_ratio": quiet(
        "budgets of which four fifths are spent", "obs_llm_budget_used_ratio > 0.8"
    ),
    "obs_memory_operations_total": ask(
        "operations a second, by what and on which memory",
        "sum by (operation, memory_type) (rate(obs_memory_operations_total[5m]))",
    ),
    "obs_memory_operation_duration_seconds": ask(
        "share of operations that take at most 50 ms",
        'sum(rate(obs_memory_operation_duration_seconds_bucket{le="0.05"}[5m]))'
        " / sum(rate(obs_memory_operation_duration_seconds_count[5m]))",
    ),
    "obs_agent_memory_size_bytes": ask(
        "the agents with the largest memories",
        "topk(5, sum by (agent) (obs_agent_memory_size_bytes))",
    ),
    "obs_cache_requests_total": ask(
        "share of look-ups that hit, by cache",
        'sum by (cache) (rate(obs_cache_requests_total{outcome="hit"}[5m]))'
        " / sum by (cache) (rate(obs_cache_requests_total[5m]))",
    ),
    "obs_workflow_executions_total": ask(
        "workflows in an hour, by how they ended",
        "sum by (workflow, status) (increase(obs_workflow_executions_total[1h]))",
    ),
    "obs_workflow_execution_duration_seconds": ask(
        "how long 95 % of the runs of a workflow take at most",
        "histogram_quantile(0.95, sum by (workflow, le)"
        " (rate(obs_workflow_execution_duration_seconds_bucket[5m])))",
    ),
    "obs_workflow_node_executions_total": ask(
        "share of steps that do not succeed, by type",
        'sum by (node_type) (rate(obs_workflow_node_executions_total{status!="success"}[5m]))'
        " / sum by (node_type) (rate(obs_workflow_node_executions_total[5m]))",
    ),
    "obs_orchestration_cycle_duration_seconds": ask(
        "average length of a cycle",
        "rate(obs_orchestration_cycle_duration_seconds_sum[5m])"
        " / rate(obs_orchestration_cycle_duration_seconds_count[5m])",
    ),
    "obs_events_total": ask(
        "events a second, by ledger and category",
        "sum by (ledger, category) (rate(obs_events_total[5m]))",
    ),
    "obs_audit_actions_total": ask(
        "share of acts that failed or were denied",
        'sum(rate(obs_audit_actions_total{status=~"error|denied"}[5m]))'
        " / sum(rate(obs_audit_actions_total[5m]))",
    ),
    "obs_critical_actions_total": ask(
        "critical acts of a day", "sum by (action) (increase(obs_critical_actions_total[1d]))"
    ),
    "obs_permission_requests_total": ask(
        "share of decisions that grant",
        'sum(increase(obs_permission_requests_total{decision="granted"}[1h]))'
        ' / sum(increase(obs_permission_requests_total{decision=~"granted|denied"}[1h]))',
    ),
    "obs_security_events_total": ask(
        "grave acts of security in a day",
        'sum by (type) (increase(obs_security_events_total{severity=~"high|critical"}[1d]))',
    ),
    "obs_data_access_total": ask(
        "uses of data by what they rest on",
        "sum by (operation, lawful_basis) (increase(obs_data_access_total[1d]))",
    ),
    "obs_checkpoints_total": ask(
        "checkpoints in an hour", "sum by (action, status) (increase(obs_checkpoints_total[1h]))"
    ),
    "obs_file_operations_total": ask(
        "files a minute, by operation",
        "60 * sum by (operation) (rate(obs_file_operations_total[5m]))",
    ),
    "obs_db_operation_duration_seconds": ask(
        "how long 95 % of queries take at most",
        "histogram_quantile(0.95, sum by (operation, le)"
        " (rate(obs_db_operation_duration_seconds_bucket[5m])))",
    ),
    "obs_active_users": ask("people of the last hour", 'obs_active_users{window="1h"}'),
    "obs_sessions_active": ask(
        "the most sessions at once today", "max_over_time(obs_sessions_active[1d])"
    ),
    "obs_custom_metric_total": ask(
        "what each counter of agents' own adds in an hour",
        "sum by (name) (increase(obs_custom_metric_total[1h]))",
    ),
    "obs_custom_metric_value": ask(
        "what agents said last", "max by (name) (obs_custom_metric_value)"
    ),
    "obs_custom_metric_seconds": ask(
        "how long 95 % of what agents time themselves takes at most",
        "histogram_quantile(0.95, sum by (name, le) (rate(obs_custom_metric_seconds_bucket[5m])))",
    ),
    "obs_external_api_calls_total": ask(
        "calls a minute, by provider and how they ended",
        "60 * sum by (provider, status) (rate(obs_external_api_calls_total[5m]))",
    ),
}
"""By the family's name."""
