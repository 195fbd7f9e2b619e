"""Log lines as pages show them: a level word, the message, its fields, and where it leads."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from audit.models import Ledger
from tracing.admin.addresses import listed, trace_url
from tracing.line_query import level_of
from tracing.message_shapes import is_content_line, without_contents
from tracing.models import Line
from tracing.own_lines import OwnLine
from tracing.trace_query import stored_traces
from tracing.trace_spans import entries_of

_SPOKEN: Final = {"critical": "fatal"}
"""What Python calls a level, as OTLP calls it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class LineRow:
    """One line of a list."""

    at: datetime
    level: str
    message: str
    logger: str
    who: str
    """The agent, or the platform's service."""
    agent_url: str
    trace_id: str
    trace_url: str
    """Empty when nothing is kept of the trace."""
    fields: list[tuple[str, str]]
    raw: str
    entry_seq: int | None = None
    entry_hash: str = ""
    request_id: str = ""
    task_id: str = ""


def line_rows(lines: Iterable[Line], ledger: str, *, reads: bool = False) -> list[LineRow]:
    """Return the rows of lines that were sent into one ledger.

    What people and models said stands in them only for whom `reads` lets read it.
    """
    shown = list(lines)
    if not shown:
        return []
    ledger_id = shown[0].ledger_id
    known = stored_traces(ledger_id, {each.trace_id for each in shown if each.trace_id})
    entries = entries_of(ledger_id, {each.event_id for each in shown if each.event_id})
    rows = []
    for each in shown:
        entry = entries.get(each.event_id) if each.event_id else None
        fields = each.fields if reads else without_contents(each.fields)
        is_hidden = not reads and is_content_line(each.fields)
        rows.append(
            LineRow(
                at=each.at,
                level=level_of(each.severity),
                message=each.fields["event.name"] if is_hidden else each.message,
                logger=each.logger,
                who=each.agent_id or each.service,
                agent_url=listed("tracing_line_changelist", ledger=ledger, agent=each.agent_id)
                if each.agent_id
                else "",
                trace_id=each.trace_id,
                trace_url=trace_url(ledger, each.trace_id, span=each.span_id)
                if each.trace_id in known
                else "",
                fields=_fields(
                    {"service": each.service, "agent": each.agent_id, "task": each.task_id,
                     "span": each.span_id, **(fields or {})}
                ),
                raw=_laid_out(fields),
                entry_seq=entry.seq if entry else None,
                entry_hash=entry.hash if entry else "",
                task_id=each.task_id,
            )
        )  # fmt: skip
    return rows


def own_rows(lines: Iterable[OwnLine]) -> list[LineRow]:
    """Return the rows of the platform's own lines."""
    shown = list(lines)
    ledgers = dict(Ledger.objects.values_list("name", "id")) if shown else {}
    named = {(each.field("ledger"), each.field("trace_id").lower()) for each in shown}
    known = {
        (name, trace)
        for name, ledger_id in ledgers.items()
        for trace in stored_traces(ledger_id, {id_ for of, id_ in named if of == name and id_})
    }
    return [
        LineRow(
            at=each.at,
            level=_SPOKEN.get(each.level, each.level),
            message=f"{each.event} {each.field('request')}".rstrip(),
            logger=each.logger,
            who=each.field("ledger"),
            agent_url="",
            trace_id=each.field("trace_id"),
            trace_url=trace_url(each.field("ledger"), each.field("trace_id"))
            if (each.field("ledger"), each.field("trace_id").lower()) in known
            else "",
            fields=_fields(each.fields),
            raw=_laid_out(each.fields),
            request_id=each.field("request_id"),
            task_id=each.field("task_id"),
        )
        for each in shown
    ]


def _fields(values: Mapping[str, Any]) -> list[tuple[str, str]]:
    return [
        (name, value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))
        for name, value in values.items()
        if value not in ("", None)
    ]


def _laid_out(values: Any) -> str:
    return json.dumps(values, ensure_ascii=False, indent=2, default=str)
