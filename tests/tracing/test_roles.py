"""What each role of Postgres may do to the tables of traces: tried for real, and rolled back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import psycopg
import pytest

from audit.models import Ledger

SPAN = (
    "INSERT INTO tracing_span (ledger_id, trace_id, span_id, started_at, start_ns, duration_ns, "
    "name, received_at) VALUES (0, 'a', 'b', now(), 0, 0, 'x', now())"
)
LINE = (
    "INSERT INTO tracing_line (ledger_id, at, digest, received_at, severity, message) "
    "VALUES (0, now(), substr(sha256(''), 1, 16), now(), 9, 'x')"
)
TRACE = (
    "INSERT INTO tracing_trace (ledger_id, trace_id, started_at, ended_at, spans, updated_at) "
    "VALUES (0, 'a', now(), now(), 1, now())"
)
PART = "'tracing_span_' || to_char(now() AT TIME ZONE 'UTC', 'YYYYMMDD')"

# (what, the statement, who may: web, worker, read)
ACTS: list[tuple[str, str, str]] = [
    ("store a span", SPAN, "web worker"),
    ("store a line", LINE, "web worker"),
    ("store a trace", TRACE, "web worker"),
    ("add to a trace", "UPDATE tracing_trace SET spans = spans + 1", "web worker"),
    ("read spans", "SELECT count(*) FROM tracing_span", "web worker"),
    ("read traces", "SELECT count(*) FROM tracing_trace", "web worker read"),
    ("read lines", "SELECT count(*) FROM tracing_line", "web worker"),
    ("change a span", "UPDATE tracing_span SET name = 'x'", ""),
    ("change a line", "UPDATE tracing_line SET message = 'x'", ""),
    ("delete spans", "DELETE FROM tracing_span", ""),
    ("delete lines", "DELETE FROM tracing_line", ""),
    ("delete traces", "DELETE FROM tracing_trace", "worker"),
    ("empty spans", "TRUNCATE tracing_span", ""),
    ("make days", "SELECT tracing_make_days('2031-01-01', '2031-01-02')", "web worker"),
    ("drop days", "SELECT tracing_drop_days('tracing_span', '2020-01-01')", "worker"),
]


@pytest.mark.parametrize(("what", "statement", "allowed"), ACTS, ids=[each[0] for each in ACTS])
def test_a_role_may_do_what_its_work_needs_and_no_more(
    ledger: Ledger,
    as_role: Callable[[str], psycopg.Connection[Any]],
    what: str,
    statement: str,
    allowed: str,
) -> None:
    may = []
    for role in ("web", "worker", "read"):
        connection = as_role(role)
        try:
            with connection.transaction(force_rollback=True):
                connection.execute(statement)
        except psycopg.errors.InsufficientPrivilege:
            continue
        may.append(role)

    assert " ".join(may) == allowed


def test_nobody_reaches_a_day_past_its_table(
    ledger: Ledger, as_role: Callable[[str], psycopg.Connection[Any]]
) -> None:
    owner = as_role("owner")
    (day,) = owner.execute(f"SELECT {PART}").fetchone() or ("",)

    for role in ("web", "worker", "read"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            as_role(role).execute(f"SELECT * FROM {day} LIMIT 1")
