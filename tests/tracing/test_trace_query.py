"""Traces are found by what the address says, page by page, and nothing of another ledger is."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from django.http import QueryDict

from audit.models import Ledger
from audit.query import Unreadable
from tests.conftest import chain, make_event
from tests.tracing.spans import MS, Kept, agent_run, keep_trace, long_run, now_ns
from tracing.filters import format_place, parse_place
from tracing.models import Trace
from tracing.span_shapes import Key
from tracing.trace_query import (
    get_trace,
    has_trace,
    matching,
    page,
    read_trace_filter,
    session_traces,
)
from tracing.trace_spans import (
    entries_of,
    get_span,
    span_lines,
    telling_spans,
    usual_shapes,
)


@pytest.fixture
def web(as_role: Callable[[str], psycopg.Connection[Any]]) -> psycopg.Connection[Any]:
    return as_role("web")


def found(ledger: Ledger, query: str = "") -> list[str]:
    asked = read_trace_filter(QueryDict(query), ledger=ledger.name)
    assert not asked.errors, asked.errors
    return [each.trace_id for each in page(matching(asked)).traces]


def test_each_filter_finds_its_traces_and_no_others(
    ledger: Ledger, web: psycopg.Connection[Any]
) -> None:
    now = now_ns()
    short = keep_trace(
        web, ledger.id, [Kept(name="ping", start_ns=now - 50 * MS)], agent="pinger", session="s-2",
        service="probe",
    )  # fmt: skip
    run = keep_trace(web, ledger.id, agent_run(at_ns=now - 9_000 * MS, fails=True))

    assert found(ledger) == [short, run]
    for query, wanted in (
        ("agent=pinger", short), ("service=probe", short), ("session=session-1", run),
        ("status=error", run), ("status=ok", short), ("name=PING", short), ("longer=1s", run),
        ("cost=0.01", run), ("operation=execute_tool", run), ("subject=claims.lookup", run),
        ("operation=chat&operation=none&status=error", run),
    ):  # fmt: skip
        assert found(ledger, query) == [wanted], query
    middle = datetime.fromtimestamp(now / 1e9, UTC) - timedelta(seconds=5)
    assert found(ledger, f"from={middle.isoformat().replace('+00:00', 'Z')}") == [short]
    assert found(ledger, f"to={middle.isoformat().replace('+00:00', 'Z')}") == [run]


def test_traces_of_another_ledger_are_never_found(
    ledger: Ledger, web: psycopg.Connection[Any]
) -> None:
    trace_id = keep_trace(web, ledger.id, [Kept(start_ns=now_ns())])

    asked = read_trace_filter(QueryDict("ledger=nowhere"), ledger=ledger.name)

    assert list(matching(asked)) == []
    assert has_trace(ledger.id, trace_id.upper())
    assert not has_trace(ledger.id + 1, trace_id)
    assert get_trace(ledger.id + 1, trace_id) is None


@pytest.mark.parametrize(
    "query",
    ["colour=red", "status=some", "longer=fast", "cost=-1", "name=a&name=b", "name=", "from=today",
     "ledger=A", "ledger=a&ledger=b", "from=2026-11-21T00:00:00Z&to=2026-11-20T00:00:00Z",
     "agent=" + "x" * 201, "subject=%00", "&".join(["agent=a"] * 21)],
)  # fmt: skip
def test_what_cannot_be_read_is_said_and_matches_nothing(database: None, query: str) -> None:
    asked = read_trace_filter(QueryDict(query), ledger="main")

    assert asked.errors
    assert list(matching(asked)) == []


def test_pages_follow_each_other_both_ways_also_where_many_begin_at_once(
    ledger: Ledger, web: psycopg.Connection[Any]
) -> None:
    now = now_ns()
    for number in range(11):
        keep_trace(web, ledger.id, [Kept(start_ns=now - (number // 4) * MS)])
    every = matching(read_trace_filter({}, ledger=ledger.name))
    wanted = [each.trace_id for each in page(every).traces]

    walked, after = [], None
    while True:
        shown = page(every, after=after, size=3)
        walked += [each.trace_id for each in shown.traces]
        if shown.older is None:
            break
        after = shown.older
    assert walked == wanted
    assert len(wanted) == 11
    back = page(every, before=shown.newer, size=3)
    assert [each.trace_id for each in back.traces] == wanted[6:9]
    assert page(every, before=back.newer, size=9).newer is None


def test_a_place_comes_back_and_nothing_else_is_one() -> None:
    at = datetime(2026, 11, 21, 22, 0, 0, 123456, UTC)

    assert parse_place(format_place(at, "a" * 32)) == (at, "a" * 32)
    last = f"{10**17 - 1}-{'a' * 32}"
    assert format_place(*parse_place(last)) == last
    for wrong in ("", "1", "1-2", f"{10**17}-{'a' * 32}", f"-1-{'a' * 32}"):
        with pytest.raises(Unreadable):
            parse_place(wrong)


def test_a_session_has_its_traces_in_time(ledger: Ledger, web: psycopg.Connection[Any]) -> None:
    now = now_ns()
    second = keep_trace(web, ledger.id, agent_run(at_ns=now), session="talk")
    first = keep_trace(web, ledger.id, agent_run(at_ns=now - 60_000 * MS), session="talk")
    keep_trace(web, ledger.id, agent_run(at_ns=now), session="other")

    assert [each.trace_id for each in session_traces(ledger.id, "talk")] == [first, second]


def test_spans_of_a_trace_come_in_time_with_what_rows_need(
    ledger: Ledger, web: psycopg.Connection[Any]
) -> None:
    spans = agent_run(at_ns=now_ns(), fails=True)
    trace_id = keep_trace(web, ledger.id, spans)
    trace = Trace.objects.get(ledger_id=ledger.id, trace_id=trace_id)

    lines = span_lines(trace)

    assert {each.span_id for each in lines} == {each.span_id for each in spans}
    assert [each.start_ns for each in lines] == sorted(each.start_ns for each in spans)
    assert sum(each.is_error for each in lines) == 2
    assert [each.operation for each in telling_spans(trace)].count("chat") == 3
    one = get_span(trace, spans[0].span_id.upper())
    assert one is not None
    assert one.attributes["gen_ai.agent.name"] == "claims-adjudicator"
    assert get_span(trace, "0" * 16) is None


def test_what_is_usual_is_of_the_same_agents_traces_before(
    ledger: Ledger, web: psycopg.Connection[Any]
) -> None:
    now = now_ns()
    for number in range(1, 4):
        keep_trace(web, ledger.id, agent_run(at_ns=now - number * 60_000 * MS))
    keep_trace(web, ledger.id, long_run(at_ns=now - 10_000 * MS, spans=20), agent="indexer")
    trace_id = keep_trace(web, ledger.id, agent_run(at_ns=now))

    usual, traces = usual_shapes(Trace.objects.get(ledger_id=ledger.id, trace_id=trace_id))

    assert traces == 3
    lookup = usual[Key("execute_tool", "execute_tool claims.lookup", "claims.lookup")]
    assert (lookup.traces, lookup.spans, lookup.median_ns) == (3, 6, 360 * MS)
    assert all(key.subject != "index.write" for key in usual)


def test_the_entry_that_a_span_made_is_found_by_its_event(ledger: Ledger) -> None:
    event = make_event()
    (entry,) = chain(ledger, [event])

    found_entries = entries_of(ledger.id, [uuid.UUID(event["id"]), uuid.uuid4()])

    assert {(each.seq, each.hash) for each in found_entries.values()} == {(entry.seq, entry.hash)}
