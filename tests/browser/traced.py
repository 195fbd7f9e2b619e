"""Traces, log lines and profiles in a running installation, as its receiver would have left them.

Events are posted, so that spans have entries; spans and lines are written by SQL. For tests of
pages and for pictures.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
from psycopg.types.json import Jsonb

from obsplatform import env
from tests.browser.calling import call
from tests.tracing.spans import (
    MS,
    Kept,
    agent_run,
    keep_lines,
    keep_trace,
    long_run,
    new_trace_id,
    now_ns,
)

LONG = 10_000
"""Spans of the long trace."""
_FRAMES = {
    "frames": [
        {"name": "list_entries", "file": "audit/api.py", "line": 240, "ms": 812.0, "children": [
            {"name": "page", "file": "audit/query.py", "line": 370, "ms": 690.0, "children": [
                {"name": "execute", "file": "psycopg/cursor.py", "line": 97, "ms": 655.0},
            ]},
            {"name": "_item", "file": "audit/api.py", "line": 395, "ms": 96.0},
        ]},
    ]
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Traced:
    """Traces that stand in an installation."""

    run: str
    """A run of an agent whose spans have entries; one of its tools failed."""
    looping: str
    long: str
    odd: str
    """With a hostile name, an orphan, and a span that begins before its parent."""
    spans: list[Kept]
    """Those of `run`."""


def keep_traces(ready: Mapping[str, Any], data: Path, *, attack: str = "<b>odd</b>") -> Traced:
    """Keep a few traces with all that pages show of them."""
    url = env.installation(data)["database_url"]
    with psycopg.connect(url, autocommit=True) as connection:
        ((ledger_id,),) = connection.execute(
            "SELECT id FROM audit_ledger WHERE name = %s", (ready["ledger"],)
        ).fetchall()
        now = now_ns()
        trace_id = new_trace_id()
        spans = agent_run(at_ns=now - 9_000 * MS, fails=True, events=_post(ready, trace_id))
        keep_trace(connection, ledger_id, spans, trace_id=trace_id)
        for number in range(1, 12):
            keep_trace(
                connection, ledger_id, agent_run(at_ns=now - number * 61_000 * MS),
                session=f"session-{1 + number // 5}",
            )  # fmt: skip
        looping = keep_trace(
            connection, ledger_id, agent_run(at_ns=now - 5_000 * MS, lookups=4, is_looping=True)
        )
        long = keep_trace(
            connection, ledger_id, long_run(at_ns=now - 15_000 * MS, spans=LONG),
            agent="indexer", service="indexer", session="",
        )  # fmt: skip
        odd = keep_trace(connection, ledger_id, _odd(now - 2_000 * MS, attack), agent=attack)
        _keep_lines(connection, ledger_id, trace_id, spans)
        connection.execute(
            "INSERT INTO tracing_profile (sort, name, at, duration_ms, process, request_id, report)"
            " VALUES ('request', 'GET /api/v1/entries', now(), 817, 'web', 'r-1', %s),"
            " ('query', 'SELECT FROM audit_entry', now(), 655, 'web', '', %s)",
            (
                Jsonb(_FRAMES),
                Jsonb({
                    "statement": "SELECT seq, hash, record FROM audit_entry WHERE ledger_id = %s",
                    "plan": "Index Scan using audit_entry_pkey on audit_entry", "count": 3,
                }),
            ),
        )  # fmt: skip
    return Traced(run=trace_id, looping=looping, long=long, odd=odd, spans=spans)


def _post(ready: Mapping[str, Any], trace_id: str) -> dict[str, uuid.UUID]:
    """Post what the spans of a run tell; return the ids of the events by what they are of."""
    shared: dict[str, Any] = {
        "occurred_at": datetime.now(UTC).isoformat(),
        "agent": {"id": "claims-adjudicator"},
        "actor": {"type": "agent", "id": "claims-adjudicator"},
        "trace": {"trace_id": trace_id},
        "run": {"id": trace_id},
    }
    tool = {"type": "tool", "id": "claims.lookup"}
    made: dict[str, dict[str, Any]] = {
        "run": {"category": "action", "action": "run.completed", "outcome": "success"},
        "tool": {
            "category": "tool_call", "action": "tool.invoke", "outcome": "error",
            "error": {"type": "TimeoutError"}, "target": tool, "tool": {"name": "claims.lookup"},
        },
    }  # fmt: skip
    ids = {name: uuid.uuid4() for name in made}
    status, answer = call(
        f"{ready['url']}/api/v1/events?wait=chained",
        method="POST",
        key=ready["key"],
        body=[shared | {"id": str(ids[name])} | event for name, event in made.items()],
    )
    assert status in {200, 202}, answer
    return ids


def _odd(at_ns: int, attack: str) -> list[Kept]:
    run = Kept(name=attack, start_ns=at_ns, duration_ns=40 * MS, attributes={attack: attack})
    return [
        run,
        Kept(name="early", parent_id=run.span_id, start_ns=at_ns - 8 * MS, duration_ns=20 * MS),
        Kept(name="late", parent_id=run.span_id, start_ns=at_ns + 30 * MS, duration_ns=60 * MS),
        Kept(name="lost", parent_id="feedfacefeedface", start_ns=at_ns + 5 * MS),
    ]


def _keep_lines(
    connection: psycopg.Connection[Any], ledger_id: int, trace_id: str, spans: list[Kept]
) -> None:
    began = datetime.now(UTC) - timedelta(seconds=9)
    said = (
        (9, "Took claim 4711 from the queue"), (5, "Building the prompt"),
        (9, "Asked claims.lookup"), (13, "claims.lookup is slow: 360 ms"),
        (17, "claims.lookup failed: the claims store did not answer within 300 ms"),
        (9, "Decided: covered"),
    )  # fmt: skip
    keep_lines(connection, ledger_id, [
        {"message": message, "severity": severity,
         "at": began + timedelta(milliseconds=350 * place), "trace_id": trace_id,
         "span_id": spans[place].span_id, "task_id": "claim-4711",
         "fields": {"claim": 4711, "step": place}}
        for place, (severity, message) in enumerate(said)
    ])  # fmt: skip
