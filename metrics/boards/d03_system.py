"""D3, System Overview: whether all is well, from health checks to the machine. Pure."""

from __future__ import annotations

from typing import Final

from metrics import agent_families as agent
from metrics import platform_families as f
from metrics.boards.panels import dial, heat, lines, number, row, table
from metrics.boards.promql import (
    SHOWN,
    a_minute,
    now,
    per,
    quantile,
    rate,
    share,
    spread,
)  # fmt: skip
from metrics.boards.shape import STATE, Board, falling, rising

_ENTRIES: Final = "/admin/audit/entry/"
_WELL: Final = 'status="success"'
_USED: Final = 'state="used"'

_MEMORY_USED: Final = f"{now(f.HOST_MEMORY, '', _USED)} / {now(f.HOST_MEMORY)}"
_DISK_USED: Final = f"{now(f.HOST_DISK, 'mount', _USED)} / {now(f.HOST_DISK, 'mount')}"

BOARD: Final = Board(
    number=3,
    slug="system-overview",
    title="System overview",
    says="For whoever is on duty: the one board to look at first.",
    refresh_seconds=5,
    rows=(
        row(
            "At a glance",
            dial("Health score", "score", "All health checks together, weighed.",
                 (now(f.HEALTH_SCORE, how="min"), "score"), limits=falling(0.7, 0.95)),
            number("Active tasks", "count", "How many tasks are under way.",
                   (now(agent.TASKS_ACTIVE), "tasks")),
            dial("Tasks done well", "ratio", "Which share of tasks ended in success.",
                 (share(agent.TASKS, _WELL, over=SHOWN), "tasks"), limits=falling(0.9, 0.95),
                 page=_ENTRIES + "?action=task."),
            dial("Tool calls done well", "ratio", "Which share of calls of tools succeeded.",
                 (share(agent.TOOL_CALLS, _WELL, over=SHOWN), "tools"), limits=falling(0.9, 0.95),
                 page=_ENTRIES + "?action=tool.invoke"),
            dial("Model requests done well", "ratio", "Which share of their requests succeeded.",
                 (share(agent.LLM_REQUESTS, _WELL, over=SHOWN), "models"),
                 limits=falling(0.9, 0.95), page=_ENTRIES + "?action=llm."),
            number("Agents at work", "count", "How many agents left an entry in 5 minutes.",
                   (now(agent.AGENTS_ACTIVE), "agents"), page="/admin/audit/agent/"),
        ),
        row(
            "Tasks",
            lines("Task processing rate", "per_minute", "How many tasks end in a minute, and how.",
                  (a_minute(agent.TASKS, "status"), "{{status}}"), page=_ENTRIES + "?action=task."),
            heat("Task duration distribution", "seconds", "How the time that tasks take spreads.",
                 spread(agent.TASK_SECONDS)),
            lines("Task queues", "count", "How many tasks wait, those of the platform's own too.",
                  (now(agent.TASK_QUEUE_SIZE, "queue"), "{{queue}}")),
            lines("Background tasks", "per_minute", "What the platform's own workers do.",
                  (a_minute(f.CELERY_TASKS, "task status"), "{{task}} {{status}}")),
            lines("Background task duration", "seconds", "How long 95 % of a background task take.",
                  (quantile(0.95, f.CELERY_SECONDS, "task"), "{{task}}")),
            lines("Agent performance", "seconds", "How long 95 % of an agent's runs take.",
                  (quantile(0.95, agent.AGENT_EXECUTION_SECONDS, "agent"), "{{agent}}"),
                  limits=rising(10, 30), page="/admin/audit/agent/"),
        ),
        row(
            "Errors and activity",
            lines("Error tracking", "per_minute", "How many runs and calls of tools fail.",
                  (a_minute(agent.AGENT_ERRORS), "runs"),
                  (a_minute(agent.TOOL_ERRORS), "tools"), page=_ENTRIES + "?outcome=error"),
            lines("Event log activity", "per_minute", "How many events were chained, by category.",
                  (a_minute(agent.EVENTS, "category"), "{{category}}"), is_stacked=True,
                  page=_ENTRIES),
            lines("Log lines", "per_minute", "How much the platform logs, by level.",
                  (a_minute(f.LOG_RECORDS, "level"), "{{level}}")),
            lines("File operations", "per_minute", "Which files agents read, write and delete.",
                  (a_minute(agent.FILE_OPERATIONS, "operation status"), "{{operation}} {{status}}"),
                  page=_ENTRIES + "?action=file."),
            table("Health checks", "state", "What each says: 1 well, 0.5 degraded, 0 failing.",
                  (now(f.HEALTH_STATUS, "check", how="min"), "{{check}}"), limits=STATE, width=8),
            lines("Time of health checks", "seconds", "How long 95 % of a check take.",
                  (quantile(0.95, f.HEALTH_SECONDS, "check"), "{{check}}")),
        ),
        row(
            "Machine and database",
            dial("CPU", "ratio", "How busy the processors are.",
                 (now(f.HOST_CPU, how="max"), "busy"), limits=rising(0.7, 0.9), width=8),
            dial("Memory", "ratio", "How much of the memory is used.",
                 (_MEMORY_USED, "used"), limits=rising(0.8, 0.9), width=8),
            dial("Disk", "ratio", "How full each file system is.",
                 (_DISK_USED, "{{mount}}"), limits=rising(0.8, 0.9), width=8),
            lines("Resource usage", "cores", "How many processors each role keeps busy.",
                  (rate(f.PROCESS_CPU, "role"), "{{role}}"), is_stacked=True),
            lines("Database connections", "count", "What the connections to Postgres do.",
                  (now(f.DB_CONNECTIONS, "state"), "{{state}}"), is_stacked=True),
            lines("Processor time for each event", "seconds",
                  "How much processor time the platform takes for one event that is chained.",
                  (per(f.PROCESS_CPU, agent.EVENTS), "an event")),
        ),
    ),
)  # fmt: skip
