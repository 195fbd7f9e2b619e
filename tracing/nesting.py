"""Find which invocations of agents stand within another one. Pure.

A run is the outermost of nested invocations: frameworks and their instrumentation tell of one run
by several spans. Looked at are the spans of the request, and above them what the caller knows to be
stored. A parent that comes in a later request cannot be known; its run is then told twice.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tracing.otlp import Span
from tracing.semconv import Meaning
from tracing.span_event import time_of

_INVOKED = "invoke_agent"


class Nesting:
    """The spans of one request, by their ids."""

    def __init__(self, spans: Sequence[Span], meanings: Sequence[Meaning]) -> None:
        self._spans = spans
        self._meanings = meanings
        self._places = {(each.trace_id, each.span_id): n for n, each in enumerate(spans)}
        self._tops: dict[int, int] = {}

    def inner(self, stored_above: Callable[[Sequence[tuple[str, str, str]]], set[int]]) -> set[int]:
        """Return the places of invocations within another one.

        `stored_above` is asked once, of parents that are not in the request, as
        `(trace, span, time of the child)`; it returns the places of those that are or are within
        an invocation.
        """
        found: set[int] = set()
        askers: dict[int, list[int]] = {}
        for place, meaning in enumerate(self._meanings):
            if meaning.operation != _INVOKED or not self._spans[place].parent_id:
                continue
            top = self._climb(place)
            if self._is_invoked(top) and top != place:
                found.add(place)
            elif self._spans[top].parent_id:
                askers.setdefault(top, []).append(place)
        tops = [self._spans[top] for top in askers]
        inner = stored_above([(t.trace_id, t.parent_id, time_of(t.start_ns)) for t in tops])
        for number, places in enumerate(askers.values()):
            if number in inner:
                found.update(places)
        return found

    def _climb(self, place: int) -> int:
        """Return the place of the highest ancestor in the request, or of the first invocation.

        A way that was gone once is remembered: thousands may stand below the same long chain.
        """
        way: list[int] = []
        seen = {place}
        here = place
        while (above := self._above(here)) is not None and above not in seen:  # a circle has no top
            way.append(here)
            seen.add(above)
            here = above
            if self._is_invoked(here):
                break
            if here in self._tops:
                here = self._tops[here]
                break
        self._tops.update(dict.fromkeys(way, here))
        return here

    def _above(self, place: int) -> int | None:
        span = self._spans[place]
        return self._places.get((span.trace_id, span.parent_id)) if span.parent_id else None

    def _is_invoked(self, place: int) -> bool:
        return self._meanings[place].operation == _INVOKED
