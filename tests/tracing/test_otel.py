"""Which spans are made, what is counted of them, and what a full queue does."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.instrumentation.utils import suppress_instrumentation
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.trace import NonRecordingSpan, Span, SpanContext, SpanKind, TraceFlags

from audit import measures, spans
from audit.ledger.record import link
from audit.redact import Redactor
from tests.conftest import make_event
from tracing import otel, sampling

PARENT = SpanContext(0xA, 0xB, is_remote=True, trace_flags=TraceFlags(TraceFlags.SAMPLED))
UNKEPT = SpanContext(0xA, 0xB, is_remote=True, trace_flags=TraceFlags(0))


class Answers(SpanExporter):
    """Keeps what it is sent, and answers as it is told."""

    def __init__(self) -> None:
        self.result = SpanExportResult.SUCCESS
        self.spans: list[ReadableSpan] = []

    def export(self, sent: Sequence[ReadableSpan]) -> SpanExportResult:
        self.spans += sent
        return self.result


@pytest.fixture(autouse=True)
def as_installed() -> Iterator[None]:
    """Begin and end with every trace kept, and gather what is counted meanwhile."""
    sampling.follow({"tracing": "on", "sampling": "1"})
    gathered = measures.is_gathering()
    measures.gather(on=True)
    measures.drain()
    yield
    measures.drain()
    measures.gather(on=gathered)
    sampling.follow({"tracing": "on", "sampling": "1"})


@pytest.fixture
def answers() -> Answers:
    return Answers()


@pytest.fixture
def provider(answers: Answers) -> Iterator[otel.Provider]:
    """Return a provider as the platform makes it, sending to `answers`."""
    made = otel.Provider(sampler=otel.Switched(), shutdown_on_exit=False)
    made.add_span_processor(otel.Counted(otel.Clean([answers], Redactor())))
    yield made
    made.shutdown()


def begun(provider: otel.Provider, parent: SpanContext | None = None, **options: Any) -> Span:
    context = None if parent is None else trace.set_span_in_context(NonRecordingSpan(parent))
    return provider.get_tracer("tests").start_span("a span", context=context, **options)


def counted() -> Counter[tuple[str, str]]:
    found: Counter[tuple[str, str]] = Counter()
    for family, labels, number, _ in measures.drain():
        found[family, labels[0]] += number
    return found


# --- Which are made ------------------------------------------------------------------------------


def test_below_a_sender_the_sender_decides(provider: otel.Provider) -> None:
    sampling.follow({"tracing": "on", "sampling": "0"})

    assert begun(provider, PARENT).is_recording()
    assert not begun(provider, UNKEPT).is_recording()
    assert not begun(provider).is_recording(), "and the switch where a trace begins"


def test_the_share_is_drawn_from_the_id_of_the_trace(provider: otel.Provider) -> None:
    sampling.follow({"tracing": "on", "sampling": "0.5"})

    kept = [begun(provider) for _ in range(400)]

    for each in kept:
        assert each.is_recording() is sampling.is_kept(each.get_span_context().trace_id)
    assert 120 < sum(each.is_recording() for each in kept) < 280


def test_switched_off_no_span_is_made_and_none_is_passed_on(provider: otel.Provider) -> None:
    sampling.follow({"tracing": "off", "sampling": "1"})

    span = begun(provider, PARENT)
    assert not span.is_recording()
    with trace.use_span(span):
        assert spans.traceparent("as-it-was-sent") == "as-it-was-sent"

    sampling.follow({"tracing": "on", "sampling": "1"})
    assert begun(provider, PARENT).is_recording(), "and on again without a restart"


def test_a_statement_that_belongs_to_nothing_makes_no_trace(provider: otel.Provider) -> None:
    assert not begun(provider, kind=SpanKind.CLIENT).is_recording()
    assert begun(provider, PARENT, kind=SpanKind.CLIENT).is_recording()


def test_nothing_is_made_for_what_is_suppressed(provider: otel.Provider) -> None:
    with suppress_instrumentation():
        assert not begun(provider).is_recording()
        assert not begun(provider, kind=SpanKind.PRODUCER).is_recording()


# --- What is counted -----------------------------------------------------------------------------


def test_spans_that_arrive_are_counted_with_what_they_cost(
    provider: otel.Provider, answers: Answers
) -> None:
    for _ in range(otel.EVERY * 2):
        begun(provider).end()
    provider.force_flush()

    found = counted()
    assert found["obs_spans_total", "own"] == len(answers.spans) == otel.EVERY * 2
    assert found["obs_spans_dropped_total", "own"] == 0
    assert found["obs_observability_overhead_seconds_total", "tracing"] > 0


def test_spans_that_do_not_arrive_are_counted_as_dropped(
    provider: otel.Provider, answers: Answers
) -> None:
    answers.result = SpanExportResult.FAILURE
    for _ in range(3):
        begun(provider).end()
    provider.force_flush()

    found = counted()
    assert found["obs_spans_dropped_total", "own"] == 3
    assert found["obs_spans_total", "own"] == 0


def test_a_receiver_that_is_away_is_said_once_and_once_that_it_is_back(
    provider: otel.Provider, answers: Answers, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "tracing.otel")
    for result in (SpanExportResult.FAILURE,) * 3 + (SpanExportResult.SUCCESS,) * 2:
        answers.result = result
        begun(provider).end()
        provider.force_flush()

    said = [each.msg["event"] for each in caplog.records if isinstance(each.msg, dict)]
    assert said == ["spans.not_sent", "spans.sent_again"]


def test_the_end_of_a_process_waits_for_one_batch_that_fails_and_no_more(answers: Answers) -> None:
    clean = otel.Clean([answers], Redactor())
    answers.result = SpanExportResult.FAILURE
    clean.is_ending = True

    for _ in range(3):
        clean.export([ReadableSpan("a span")])

    assert len(answers.spans) == 1
    assert counted()["obs_spans_dropped_total", "own"] == 3


def test_what_finds_no_room_is_counted_to_the_span(
    provider: otel.Provider, answers: Answers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(otel, "QUEUE", 4)
    monkeypatch.setattr(otel, "BATCH", 4)
    monkeypatch.setattr(otel, "DELAY_SECONDS", 60.0)
    clean = otel.Clean([answers], Redactor())
    full = otel.Counted(clean)
    # Nobody sends while the queue fills: the thread that would is held up by its own lock.
    with full._batch_processor._export_lock:
        for number in range(10):
            span = provider.get_tracer("tests").start_span(str(number))
            assert isinstance(span, ReadableSpan)
            full.on_end(span)
    full.force_flush()
    full.shutdown()  # type: ignore[no-untyped-call]

    assert [each.name for each in answers.spans if each.name.isdigit()] == ["6", "7", "8", "9"]
    assert counted()["obs_spans_dropped_total", "own"] == 6


# --- Links ---------------------------------------------------------------------------------------


def links(span: Span) -> list[tuple[int, int]]:
    assert isinstance(span, ReadableSpan)
    return [(each.context.trace_id, each.context.span_id) for each in span.links]


def test_a_batch_links_to_each_trace_once_and_to_so_many_at_most(provider: otel.Provider) -> None:
    parents = [f"00-{number:032x}-{number + 7:016x}-01" for number in range(1, 100)]
    span = begun(provider)

    spans.link_to_senders(span, ["", "nonsense", f"00-{0:032x}-{0:016x}-01", *parents, *parents])

    assert links(span) == [(number, number + 7) for number in range(1, spans.MOST_LINKS + 1)]


def test_a_batch_links_to_the_acts_that_its_records_name(provider: otel.Provider) -> None:
    act = {"trace_id": f"{0xA:032x}", "span_id": f"{0xB:016x}"}
    without_a_span = {"trace_id": f"{0xC:032x}"}
    events = [make_event(trace=act), make_event(), make_event(trace=without_a_span)]
    span = begun(provider)

    chained = link(
        [(json.dumps(each).encode(), "2026-11-21T10:00:00.000000Z", b"{}") for each in events],
        ledger="main",
        size=0,
        head=bytes(32),
    )
    spans.link_to_acts(span, [record for _, record, _ in chained])

    assert links(span) == [(0xA, 0xB)]
