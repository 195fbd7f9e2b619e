"""Write entries as CSV for people who open them in a spreadsheet. Pure.

RFC 4180: every cell in quotes, a quote doubled, lines end in CR LF. UTF-8 behind a byte order mark,
since Excel takes a file without one for another encoding; others read it as `utf-8-sig`.

A cell that a spreadsheet could take for a formula gets one apostrophe in front: when, after blanks
and characters that do not show, it begins with = + - @ or their full-width forms, or when it begins
with a tab, a line feed or a carriage return. A cell that begins with an apostrophe gets one too, so
that taking one away always gives the text back. Numbers are never negative here.

A column holds one field; what has no column stands in the last one as canonical JSON. A rendering
is a convenience: the evidence is the record.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from audit.unmapped import at, unmapped

BOM: Final = b"\xef\xbb\xbf"

_OF_RECORD: Final = ("seq", "hash", "received_at")
_OF_EVENT: Final = {
    "occurred_at": "occurred_at",
    "event_id": "id",
    "category": "category",
    "action": "action",
    "outcome": "outcome",
    "severity": "severity",
    "agent_id": "agent.id",
    "agent_version": "agent.version",
    "environment": "agent.environment",
    "actor_type": "actor.type",
    "actor_id": "actor.id",
    "target_type": "target.type",
    "target_id": "target.id",
    "reason": "reason",
    "error_type": "error.type",
    "error_message": "error.message",
    "duration_ms": "duration_ms",
    "run_id": "run.id",
    "trace_id": "trace.trace_id",
    "tool_name": "tool.name",
    "model_name": "model.name",
    "data_classes": "data.classes",
    "data_purpose": "data.purpose",
    "decision_effect": "decision.effect",
}
_OF_SOURCE: Final = ("via", "scope", "key", "user", "backfill")
COLUMNS: Final = (
    *_OF_RECORD,
    *_OF_EVENT,
    *(f"source_{name}" for name in _OF_SOURCE),
    "everything_else",
)
"""The names in the first line, in order."""

_MAPPED: Final = frozenset(_OF_EVENT.values())
_RISKY: Final = re.compile(
    "['\t\r\n]|[\\s\x00-\x1f\x7f-\x9f\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufeff]*"
    "[=+\\-@\uff1d\uff0b\uff0d\uff20]"
)


def safe(text: str) -> str:
    """Return the text as no spreadsheet takes it for a formula."""
    return f"'{text}" if _RISKY.match(text) else text


def unsafe(cell: str) -> str:
    """Return the text that `safe()` was given."""
    return cell.removeprefix("'")


def csv_head() -> bytes:
    """Return the byte order mark and the line of column names."""
    return BOM + quoted_line(list(COLUMNS))


def csv_line(record: Mapping[str, Any], *, entry_hash: str) -> bytes:
    """Return an entry as one line of CSV; a cell may hold line ends inside its quotes."""
    event, source = record["event"], record["source"]
    cells = [str(record["seq"]), entry_hash, record["received_at"]]
    cells += [_text(at(event, path)) for path in _OF_EVENT.values()]
    cells += [_text(source.get(name)) for name in _OF_SOURCE]
    rest = unmapped(event, _MAPPED)
    more = {name: value for name, value in source.items() if name not in _OF_SOURCE}
    if more:
        rest["source"] = more  # no block of an event has this name
    cells.append(_json(rest) if rest else "")
    return quoted_line(cells)


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, list) and all(isinstance(each, str) for each in value):
        return " ".join(value)
    return value if isinstance(value, str) else _json(value)


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def quoted_line(cells: Sequence[str]) -> bytes:
    """Return cells as one line, each in quotes and none of them a formula."""
    quoted = ",".join(['"' + safe(cell).replace('"', '""') + '"' for cell in cells])
    return f"{quoted}\r\n".encode()
