"""D8, Audit and Compliance: the ledger, who acted, scores, retention. Pure.

What names single entries is asked of Postgres: ids of people and runs are no labels.
"""

from __future__ import annotations

from typing import Final

from metrics import agent_families as agent
from metrics import ledger_families as f
from metrics.boards.panels import bars, dial, lines, listing, number, pie, row
from metrics.boards.promql import SHOWN, a_minute, grown, now, rate, share
from metrics.boards.shape import STATE, Board, falling, never_above, rising

_ENTRIES: Final = "/admin/audit/entry/"

_TOP_USERS: Final = """
SELECT actor AS "person", count(*) AS "acts",
    count(*) FILTER (WHERE outcome IN ('failure', 'error', 'denied')) AS "failed or denied"
FROM obs_grafana_entries
WHERE $__timeFilter(occurred_at)
    AND actor_type = 'human'
    AND ledger ~ '^(${ledger:regex})$'
    AND environment ~ '^(${environment:regex})$'
GROUP BY actor
ORDER BY count(*) DESC, actor
LIMIT 20
"""
_TOP_AGENTS: Final = """
SELECT agent_id AS "agent", count(*) AS "acts",
    count(*) FILTER (WHERE outcome IN ('failure', 'error', 'denied')) AS "failed or denied",
    max(occurred_at) AS "last seen"
FROM obs_grafana_entries
WHERE $__timeFilter(occurred_at)
    AND ledger ~ '^(${ledger:regex})$'
    AND environment ~ '^(${environment:regex})$'
GROUP BY agent_id
ORDER BY count(*) DESC, agent_id
LIMIT 20
"""
_TOOL_TRAIL: Final = """
SELECT occurred_at AS "time", ledger AS "ledger", seq AS "entry", agent AS "agent", tool AS "tool",
    risk AS "risk", outcome AS "outcome", seconds AS "seconds"
FROM obs_grafana_tool_calls
WHERE $__timeFilter(occurred_at)
    AND ledger ~ '^(${ledger:regex})$'
    AND environment ~ '^(${environment:regex})$'
ORDER BY occurred_at DESC, seq DESC
LIMIT 100
"""
_TIMELINE: Final = """
SELECT occurred_at AS "time", ledger AS "ledger", seq AS "entry", agent AS "agent",
    actor AS "actor", action AS "action", outcome AS "outcome", severity AS "severity"
FROM obs_grafana_entries
WHERE $__timeFilter(occurred_at)
    AND ledger ~ '^(${ledger:regex})$'
    AND environment ~ '^(${environment:regex})$'
ORDER BY occurred_at DESC, seq DESC
LIMIT 100
"""

BOARD: Final = Board(
    number=8,
    slug="audit",
    title="Audit and compliance",
    says="For auditors and officers: is the ledger whole, who did what, how do the scores stand.",
    hours=24,
    rows=(
        row(
            "The ledger",
            dial("Immutability verification", "state",
                 "What the newest verification found: 1 intact, 0.5 not proven, 0 tampered.",
                 (now(f.CHAIN_VERIFIED, "ledger", how="min"), "{{ledger}}"), limits=STATE,
                 page="/admin/audit/verification/"),
            dial("Completeness", "ratio", "Which share of entries lacks no field.",
                 (now(f.COMPLETENESS, "ledger", how="min"), "{{ledger}}"),
                 limits=falling(0.95, 0.99), page=_ENTRIES),
            dial("Failed and denied rate", "ratio",
                 "Which share of acts failed or was denied; above 5 % an alert fires.",
                 (share(agent.AUDIT_ACTIONS, 'status=~"error|denied"', over=SHOWN), "failed"),
                 limits=rising(0.02, 0.05), page=_ENTRIES + "?outcome=denied"),
            number("Append failures", "count", "How many appends failed in the time shown.",
                   (grown(f.APPEND_FAILURES), "failures"), limits=never_above(1),
                   page="/admin/audit/quarantine/"),
            number("Critical actions in 24 h", "count", "How many critical acts a day had.",
                   (grown(agent.CRITICAL_ACTIONS, over="24h"), "acts"), limits=rising(1, 10),
                   page=_ENTRIES + "?severity=critical"),
            number("Active users in 1 h", "count", "How many people acted in the last hour.",
                   (now(agent.ACTIVE_USERS, "", 'window="1h"'), "people")),
        ),
        row(
            "What was done",
            lines("Audit volume and trend", "per_minute",
                  "How many events are chained, beside the same time yesterday.",
                  (a_minute(agent.EVENTS, "ledger"), "{{ledger}}"),
                  (f"60 * {rate(agent.EVENTS, ago='1d')}", "all, a day before"), page=_ENTRIES),
            bars("Entries by action type", "count", "Which acts there were most of.",
                 (f"topk(15, {grown(agent.AUDIT_ACTIONS, 'action')})", "{{action}}"),
                 page=_ENTRIES),
            pie("Entries by result", "count", "How acts ended.",
                (grown(agent.AUDIT_ACTIONS, "status"), "{{status}}"), page=_ENTRIES),
            lines("Permission requests over time", "per_minute",
                  "How many permissions are asked for, granted and denied.",
                  (a_minute(agent.PERMISSIONS, "decision"), "{{decision}}"),
                  page=_ENTRIES + "?action=approval."),
            bars("Data access (GDPR)", "count", "What was done with data, and on what legal basis.",
                 (grown(agent.DATA_ACCESS, "operation lawful_basis"),
                  "{{operation}} {{lawful_basis}}"), page=_ENTRIES + "?action=data."),
            lines("Security events (HIPAA)", "per_minute",
                  "Sign-ins, accounts, credentials and guardrails, by severity.",
                  (a_minute(agent.SECURITY_EVENTS, "type severity"), "{{type}} {{severity}}"),
                  page=_ENTRIES + "?category=authentication"),
        ),
        row(
            "Scores and retention",
            dial("Compliance score (SOC 2)", "score",
                 "The score of the newest posture; empty when none was issued.",
                 (now(f.SCORE, "ledger", 'framework="soc2"', how="min"), "{{ledger}}"),
                 limits=falling(0.7, 0.9), page="/admin/compliance/score/", width=8, is_quiet=True),
            bars("Retention", "ratio",
                 "Which share of entries is kept no longer than a policy says.",
                 (now(f.RETENTION, "policy ledger", how="min"), "{{ledger}} {{policy}}"),
                 limits=falling(0.95, 1), page="/admin/audit/purgeplan/"),
            bars("Scores of all frameworks", "score", "How every framework stands.",
                 (now(f.SCORE, "framework ledger", how="min"), "{{framework}} {{ledger}}"),
                 limits=falling(0.7, 0.9), page="/admin/compliance/score/", is_quiet=True),
        ),
        row(
            "Who",
            listing("Top users", "Who acted most, and how often it failed.", _TOP_USERS,
                    page=_ENTRIES, is_quiet=True),
            listing("Top agents", "Which agents acted most, and how often it failed.", _TOP_AGENTS,
                    page="/admin/audit/agent/"),
        ),
        row(
            "One by one",
            listing("Tool execution audit trail", "The newest hundred calls of tools.", _TOOL_TRAIL,
                    page=_ENTRIES + "?action=tool.invoke", width=24),
            listing("Timeline of the last 100 entries", "The newest hundred entries.", _TIMELINE,
                    page=_ENTRIES, width=24),
        ),
    ),
)  # fmt: skip
