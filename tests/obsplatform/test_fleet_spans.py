"""The demo fleet's spans and lines: made of its events, each naming the one that tells its act."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest

from obsplatform.fleet import spans
from obsplatform.fleet.live import live
from obsplatform.fleet.spans import Task
from obsplatform.fleet.teller import Event
from tests.obsplatform.test_fleet import SUBJECT
from tracing import otlp_json, span_shapes
from tracing.contents import digest
from tracing.otlp import Span
from tracing.semconv import meaning_of
from tracing.span_event import ERROR, told_already

NOW = datetime(2026, 11, 20, 15, 30, tzinfo=UTC)


@pytest.fixture(scope="module")
def recent() -> list[Event]:
    return live(now=NOW)


@pytest.fixture(scope="module")
def tasks(recent: list[Event]) -> list[Task]:
    return spans.tasks(recent)


@pytest.fixture(scope="module")
def sent(tasks: list[Task]) -> list[Span]:
    """Return the spans as the platform reads them."""
    return list(otlp_json.spans_of(spans.spans_body(tasks)))


def test_the_same_events_give_the_same_spans(recent: list[Event], tasks: list[Task]) -> None:
    assert spans.tasks(live(now=NOW)) == tasks
    assert tasks == sorted(tasks, key=lambda task: task.ends_at)
    assert len(tasks) > 20


def test_every_span_names_the_event_of_its_act_so_none_is_told_twice(
    recent: list[Event], sent: list[Span]
) -> None:
    by_id = {event["id"]: event for event in recent}

    for span in sent:
        event = by_id[told_already(span)]
        assert event["trace"]["trace_id"] == span.trace_id
        assert event["agent"]["id"] == span.resource["obs.agent.id"]


def test_each_trace_has_one_root_and_holds_its_calls_in_time(sent: list[Span]) -> None:
    places = {(span.trace_id, span.span_id): span for span in sent}
    roots = [span for span in sent if not span.parent_id]

    assert len(places) == len(sent)
    assert len({span.trace_id for span in sent}) == len(roots)
    assert NOW - timedelta(minutes=5) < datetime.fromtimestamp(roots[0].start_ns / 1e9, UTC) <= NOW
    for span in sent:
        assert span.start_ns <= span.end_ns
        if span.parent_id:
            parent = places[span.trace_id, span.parent_id]
            assert parent.start_ns <= span.start_ns
            assert span.end_ns <= parent.end_ns


def test_spans_say_models_tools_memory_errors_tokens_and_cost(sent: list[Span]) -> None:
    meanings = [meaning_of(span.name, span.attributes) for span in sent]

    operations = Counter(each.operation for each in meanings)
    assert operations.keys() >= {
        *("invoke_agent", "chat", "embeddings", "retrieval", "execute_tool", "search_memory"),
    }
    assert all(each.subject for each in meanings)
    assert all(each.input_tokens and each.cost_usd for each in meanings if each.operation == "chat")
    assert any(each.session for each in meanings)
    assert sum(span.status == ERROR for span in sent) >= 4


def test_one_agent_sends_one_call_again_and_again(sent: list[Span]) -> None:
    calls = Counter(
        (span.trace_id, meaning.subject, digest(meaning.arguments))
        for span in sent
        if (meaning := meaning_of(span.name, span.attributes)).operation == "execute_tool"
    )

    (loop,) = [each for each, number in calls.items() if number >= span_shapes.LOOPING]
    assert {span.resource["service.name"] for span in sent if span.trace_id == loop[0]} == {
        "market-lens"
    }


def test_lines_lead_to_their_spans(tasks: list[Task], sent: list[Span]) -> None:
    lines = list(otlp_json.records_of(spans.lines_body(tasks)))
    places = {(span.trace_id, span.span_id) for span in sent}

    assert len(lines) >= 2 * len(tasks)
    assert {(line.trace_id, line.span_id) for line in lines} <= places
    assert {line.severity for line in lines} == {9, 13}
    assert {line.event_name for line in lines} == {""}
    assert not any("obs.action" in line.attributes for line in lines)


def test_nobody_is_named(tasks: list[Task]) -> None:
    assert SUBJECT.search(spans.spans_body(tasks).decode()) is None
    assert SUBJECT.search(spans.lines_body(tasks).decode()) is None
