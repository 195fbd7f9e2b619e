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

    def inner(self, stored_above: Callable[[Sequence[tuple[str, str, str]]], set[int]]) -> set[int]:
        """Return the places of invocations within another one.

        `stored_above` is asked once, of parents that are not in the request, as
        `(trace, span, time of the child)`; it returns the places of those that are or are within
        an invocation.
        """
        found: set[int] = set()
        asked: list[tuple[str, str, str]] = []
        askers: list[int] = []
        for place, meaning in enumerate(self._meanings):
            span = self._spans[place]
            if meaning.operation != _INVOKED or not span.parent_id:
                continue
            top, is_inner = self._climb(place)
            if is_inner:
                found.add(place)
            elif top.parent_id:
                asked.append((top.trace_id, top.parent_id, time_of(top.start_ns)))
                askers.append(place)
        found.update(askers[n] for n in stored_above(asked))
        return found

    def _climb(self, place: int) -> tuple[Span, bool]:
        """Return the highest ancestor in the request, or the first that is an invocation."""
        span = self._spans[place]
        seen = {place}
        while span.parent_id:
            above = self._places.get((span.trace_id, span.parent_id))
            if above is None or above in seen:  # a circle has no top
                break
            seen.add(above)
            span = self._spans[above]
            if self._meanings[above].operation == _INVOKED:
                return span, True
        return span, False
