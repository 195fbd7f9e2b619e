"""D11, User Experience: what people wait for, what they say of it, whether it went well. Pure."""

from __future__ import annotations

from typing import Final

from metrics import agent_families as agent
from metrics import platform_families as f
from metrics.boards.panels import heat, history, lines, listing, number, row
from metrics.boards.promql import SHOWN, a_minute, grown, now, quantile, share, spread
from metrics.boards.shape import Board, falling, rising

_FEEDBACK: Final = "/admin/audit/entry/?action=feedback.received"
_RECEIVED: Final = 'action="feedback.received"'

_SCORE: Final = """
SELECT $__timeGroup(occurred_at, $__interval) AS "time", agent AS "metric",
    avg(score) AS "value"
FROM obs_grafana_feedback
WHERE $__timeFilter(occurred_at)
    AND score IS NOT NULL
    AND ledger ~ '^(${ledger:regex})$'
    AND environment ~ '^(${environment:regex})$'
    AND agent ~ '^(${agent:regex})$'
GROUP BY 1, agent
ORDER BY 1, agent
"""
_KINDS: Final = """
SELECT agent AS "agent", kind AS "kind", count(*) AS "times", avg(score) AS "score",
    max(occurred_at) AS "newest"
FROM obs_grafana_feedback
WHERE $__timeFilter(occurred_at)
    AND ledger ~ '^(${ledger:regex})$'
    AND environment ~ '^(${environment:regex})$'
    AND agent ~ '^(${agent:regex})$'
GROUP BY agent, kind
ORDER BY avg(score) NULLS LAST, agent, kind
LIMIT 50
"""
_SESSIONS: Final = """
SELECT $__timeGroup(occurred_at, $__interval) AS "time", agent AS "metric",
    1 - count(DISTINCT session) FILTER (WHERE is_failed)::float8 / count(DISTINCT session)
        AS "value"
FROM obs_grafana_sessions
WHERE $__timeFilter(occurred_at)
    AND ledger ~ '^(${ledger:regex})$'
    AND environment ~ '^(${environment:regex})$'
    AND agent ~ '^(${agent:regex})$'
GROUP BY 1, agent
ORDER BY 1, agent
"""

BOARD: Final = Board(
    number=11,
    slug="user-experience",
    title="User experience",
    says="For whoever answers to the people that agents work for: waiting, feedback, success.",
    hours=24,
    refresh_seconds=30,
    rows=(
        row(
            "At a glance",
            number("Wait for an answer", "seconds", "How long 95 % of runs take in the time shown.",
                   (quantile(0.95, agent.AGENT_EXECUTION_SECONDS, over=SHOWN), "p95"),
                   limits=rising(10, 30), page="/admin/audit/entry/?action=run.completed"),
            number("Runs that went well", "ratio", "Which share of runs ended in success.",
                   (share(agent.AGENT_EXECUTIONS, 'status="success"', over=SHOWN), "success"),
                   limits=falling(0.9, 0.95), page="/admin/audit/entry/?action=run.completed"),
            number("Feedback", "count", "How often people said what they think.",
                   (grown(agent.AUDIT_ACTIONS, "", _RECEIVED), "times"), page=_FEEDBACK,
                   is_quiet=True),
            number("Sessions now", "count", "How many sessions had an entry in 15 minutes.",
                   (now(agent.SESSIONS_ACTIVE), "sessions")),
            number("People in 1 h", "count", "How many people acted in the last hour.",
                   (now(agent.ACTIVE_USERS, "", 'window="1h"'), "people")),
            number("People in 24 h", "count", "How many people acted in the last day.",
                   (now(agent.ACTIVE_USERS, "", 'window="24h"'), "people")),
        ),
        row(
            "Waiting",
            lines("End-user latency", "seconds", "How long half, 95 % and 99 % of runs take.",
                  (quantile(0.5, agent.AGENT_EXECUTION_SECONDS), "p50"),
                  (quantile(0.95, agent.AGENT_EXECUTION_SECONDS), "p95"),
                  (quantile(0.99, agent.AGENT_EXECUTION_SECONDS), "p99")),
            heat("Spread of waiting", "seconds", "How the time that runs take spreads.",
                 spread(agent.AGENT_EXECUTION_SECONDS)),
            lines("Wait for the platform", "seconds", "How long 95 % of requests to it take.",
                  (quantile(0.95, f.HTTP_SECONDS), "p95"), limits=rising(0.5, 1)),
        ),
        row(
            "What people say",
            lines("Feedback over time", "per_minute", "When people said what they think.",
                  (a_minute(agent.AUDIT_ACTIONS, "", _RECEIVED), "feedback"), page=_FEEDBACK,
                  is_quiet=True),
            history("Satisfaction", "score", "How content people were with each agent.", _SCORE,
                    page=_FEEDBACK, width=16, is_quiet=True),
            listing("Feedback by kind", "Where people were least content.", _KINDS, page=_FEEDBACK,
                    is_quiet=True),
            history("Session success", "ratio",
                    "Which share of the sessions at work had no failed act meanwhile.", _SESSIONS,
                    page="/admin/audit/agent/", is_quiet=True),
        ),
    ),
)  # fmt: skip
