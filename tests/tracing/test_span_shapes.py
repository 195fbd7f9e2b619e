"""What is rare, slow or looping is found, with its figures, and nothing else is."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tests.tracing.shaped import MS, Shaped
from tracing.span_shapes import LOOPING, Key, Usual, findings, shapes

SEARCH = Key("execute_tool", "execute_tool search", "search")


def call(number: int, *, took: int = 20, digest: str = "", failed: bool = False) -> Shaped:
    return Shaped(
        span_id=f"{number:016x}",
        name=SEARCH.name,
        operation=SEARCH.operation,
        subject=SEARCH.subject,
        duration_ns=took * MS,
        arguments_sha256=digest,
        is_error=failed,
    )


def usual(*, traces: int = 20, spans: int = 40, median: int = 20, p95: int = 40) -> Usual:
    return Usual(traces=traces, spans=spans, median_ns=median * MS, p95_ns=p95 * MS)


@given(st.lists(st.sampled_from(["", "a", "b", "c"]), max_size=20))
def test_a_loop_is_the_same_call_three_times(digests: list[str]) -> None:
    spans = [call(number, digest=digest) for number, digest in enumerate(digests)]

    found = [each.spans for each in findings(spans, {}, traces=0) if each.sort == "looping"]

    counts = [digests.count(each) for each in "abc"]
    assert sorted(found) == sorted(count for count in counts if count >= LOOPING)


def test_a_loop_says_how_often_it_failed_and_what_it_took() -> None:
    spans = [call(number, digest="d", failed=number > 0) for number in range(4)]

    (found,) = findings(spans, {}, traces=0)

    assert found.span_id == spans[0].span_id
    assert found.says == (
        "search was called 4 times with the same arguments; "
        "3 failed, and together they took 80.0 ms."
    )


def test_a_span_is_slow_against_others_of_its_shape() -> None:
    (found,) = findings([call(1), call(2, took=900)], {SEARCH: usual()}, traces=20)

    assert (found.sort, found.span_id, found.spans) == ("slow", f"{2:016x}", 1)
    assert "the median of 40 of other traces is 20.0 ms" in found.says


def test_few_others_prove_no_span_slow() -> None:
    known = {SEARCH: usual(spans=9)}

    assert findings([call(1), call(2, took=900)], known, traces=20) == ()


def test_without_other_traces_many_spans_of_one_trace_are_held_against_each_other() -> None:
    spans = [*(call(number) for number in range(10)), call(99, took=900)]

    (found,) = findings(spans, {}, traces=0)

    assert (found.sort, found.spans) == ("slow", 1)
    assert "all 11 of this trace" in found.says


def test_what_is_over_within_a_clocks_jitter_is_never_slow() -> None:
    known = {SEARCH: Usual(traces=20, spans=40, median_ns=1_000, p95_ns=2_000)}

    assert findings([call(1, took=9)], known, traces=20) == ()


def test_a_shape_that_hardly_any_other_trace_has_is_rare() -> None:
    known = {SEARCH: usual(traces=1, spans=1)}

    (found,) = findings([call(1)], known, traces=20)

    assert found.sort == "rare"
    assert found.says == "1 of the 20 traces of this agent before it has such a span."


def test_few_other_traces_prove_nothing_rare() -> None:
    assert findings([call(1)], {}, traces=9) == ()


def test_shapes_say_what_took_longest_first() -> None:
    chat = Shaped(span_id="c", name="chat", operation="chat", subject="m", duration_ns=500 * MS)

    found = shapes([call(1, failed=True), call(2, took=40), chat], {SEARCH: usual()})

    assert [(each.key.operation, each.count, each.errors) for each in found] == [
        ("chat", 1, 0),
        ("execute_tool", 2, 1),
    ]
    assert found[1].longest_span_id == f"{2:016x}"
    assert found[0].usual is None
