"""Put a trace into words and numbers that people read: its sentence, its money, its events. Pure.

Returns text; templates escape it. Durations: durations.py.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Final, Protocol

from tracing.conversation import MODEL
from tracing.durations import format_duration
from tracing.waterfall import Waterfall

KINDS: Final = ("unspecified", "internal", "server", "client", "producer", "consumer")
"""OTLP's kinds of spans, by number."""
STATUSES: Final = ("not set", "ok", "error")
"""OTLP's status of a span, by number."""
_CENT: Final = Decimal("0.01")
_SORTS: Final = (
    ("models", MODEL | {"embeddings", "retrieval"}),
    ("tools", frozenset({"execute_tool"})),
)


class Worded(Protocol):
    """What a span must tell to be counted in a sentence."""

    @property
    def name(self) -> str:
        """Return its name."""

    @property
    def operation(self) -> str:
        """Return the normalised operation."""

    @property
    def is_error(self) -> bool:
        """Tell whether it failed."""


def format_usd(usd: Decimal) -> str:
    """Return US dollars: $12.30, $0.0042; empty for nothing, which is what no sender said."""
    if not usd:
        return ""
    return f"${usd:.2g}" if usd < _CENT else f"${usd:,.2f}"


def by_number(words: Sequence[str], number: int) -> str:
    """Return the word of a number; the number itself beyond them."""
    return words[number] if 0 <= number < len(words) else str(number)


def sentence(agent: str, drawn: Waterfall, spans: Sequence[Worded], path: Mapping[int, int]) -> str:
    """Return what happened in a trace in a line or two."""
    if not drawn.rows:
        return "Nothing is kept of the spans of this trace."
    counted = Counter(each.operation for each in spans)
    calls = [
        f"{number:,} {'call' if number == 1 else 'calls'} of {many}"
        for many, operations in _SORTS
        if (number := sum(counted[each] for each in operations))
    ]
    failed = sum(each.is_error for each in spans)
    who = agent or "It"
    said = f"{who} took {format_duration(drawn.duration_ns)} in {_spans(len(spans))}"
    said += f": {_listed(calls)}" if calls else ""
    said += f"; {failed:,} failed." if failed else "; none failed."
    waited = max(path, key=lambda row: (path[row], -row), default=None)
    if waited is None or not path[waited] or len(drawn.rows) == 1:
        return said
    share = round(100 * path[waited] / max(drawn.duration_ns, 1))
    if not share:
        return said
    name = spans[drawn.rows[waited].index].name
    return f"{said} It waited longest for {name}: {format_duration(path[waited])}, {share} %."


def _spans(number: int) -> str:
    return f"{number:,} span{'' if number == 1 else 's'}"


def _listed(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
