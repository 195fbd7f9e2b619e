"""An invocation within another one is found however deep it stands, and each way is gone once."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from tracing.nesting import Nesting
from tracing.otlp import Span
from tracing.semconv import Meaning

RUN, STEP = Meaning(operation="invoke_agent"), Meaning()


def spans_below(parents: Sequence[int | None]) -> list[Span]:
    """Return spans that stand below those of these places; -1 is a parent that is not here."""
    return [
        Span(
            trace_id="ab" * 16,
            span_id=f"{place + 1:016x}",
            parent_id="" if over is None else "f" * 16 if over < 0 else f"{over + 1:016x}",
            name="",
            kind=0,
            start_ns=1,
            end_ns=2,
            status=0,
            status_message="",
            attributes={},
            events=[],
            links=[],
            resource={},
            scope="",
            dropped=0,
        )
        for place, over in enumerate(parents)
    ]


class Counted(list[Meaning]):
    """Meanings that count how often one is looked at."""

    looks = 0

    def __getitem__(self, place: int) -> Meaning:  # type: ignore[override]
        self.looks += 1
        return super().__getitem__(place)


@given(st.lists(st.tuples(st.booleans(), st.integers(-1, 30)), max_size=30), st.booleans())
def test_an_invocation_is_inner_below_another_one(
    drawn: list[tuple[bool, int]], is_stored_above: bool
) -> None:
    parents = [None if over >= place else over for place, (_, over) in enumerate(drawn)]
    meanings = [RUN if is_run else STEP for is_run, _ in drawn]

    def is_inner(place: int) -> bool:
        over = parents[place]
        while over is not None and over >= 0:
            if meanings[over] is RUN:
                return True
            over = parents[over]
        return over is not None and is_stored_above

    found = Nesting(spans_below(parents), meanings).inner(
        lambda asked: set(range(len(asked))) if is_stored_above else set()
    )

    runs = [place for place, meaning in enumerate(meanings) if meaning is RUN]
    assert found == {place for place in runs if is_inner(place)}


def test_thousands_below_one_long_chain_go_it_once() -> None:
    chain = 1_000
    parents = [-1, *range(chain - 1), *[chain - 1] * chain]
    meanings = Counted([STEP] * chain + [RUN] * chain)
    asked: list[Sequence[tuple[str, str, str]]] = []

    def above(parents: Sequence[tuple[str, str, str]]) -> set[int]:
        asked.append(parents)
        return {0}

    found = Nesting(spans_below(parents), meanings).inner(above)

    assert found == set(range(chain, 2 * chain))
    assert [len(each) for each in asked] == [1]
    assert meanings.looks < 10 * chain


def test_a_ring_of_parents_ends() -> None:
    spans = spans_below([1, 2, 0, 2])

    assert Nesting(spans, [STEP, STEP, STEP, RUN]).inner(lambda _: set()) == set()
    assert Nesting(spans, [RUN, STEP, STEP, RUN]).inner(lambda _: set()) == {3}
