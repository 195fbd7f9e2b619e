"""Tell a trace as a conversation: who said what, which tools were called, what came back. Pure.

Each call of a model repeats all that was said before it; here everything stands once, where it was
first said. A tool's call stands where the tool ran, with its arguments and its result, and a
message that only repeats such a result is left out. Contents that a sender kept back are said to
be kept back: silence would look as if nothing was said. Reading attributes: message_shapes.py.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Literal, Protocol, TypeAlias

from tracing.message_shapes import Message, Part, arguments, result, said

MODEL: Final = frozenset({"chat", "generate_content", "text_completion"})
"""Operations in which a model answers."""
MOST_TEXT: Final = 20_000
"""Characters of one text that are shown."""
MOST_MOMENTS: Final = 500

Sort: TypeAlias = Literal["said", "tool", "hidden"]


class Telling(Protocol):
    """What a span must tell to stand in a conversation."""

    @property
    def span_id(self) -> str:
        """Return its id."""

    @property
    def operation(self) -> str:
        """Return the normalised operation."""

    @property
    def subject(self) -> str:
        """Return the tool or model."""

    @property
    def agent_id(self) -> str:
        """Return the agent."""

    @property
    def start_ns(self) -> int:
        """Return when it began."""

    @property
    def duration_ns(self) -> int:
        """Return how long it took."""

    @property
    def is_error(self) -> bool:
        """Tell whether it failed."""

    @property
    def attributes(self) -> Mapping[str, Any]:
        """Return its attributes."""

    @property
    def events(self) -> Sequence[Mapping[str, Any]]:
        """Return its events."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Moment:
    """One thing that was said or done."""

    sort: Sort
    span_id: str
    at_ns: int
    role: str
    """Who said it; of a tool `tool`."""
    subject: str
    """The model that answered, or the tool."""
    agent_id: str
    parts: tuple[Part, ...] = ()
    cut: int = 0
    """Characters that are not shown."""
    duration_ns: int = 0
    """Of a tool and of an answer."""
    is_error: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Conversation:
    """All moments in time."""

    moments: tuple[Moment, ...]
    left_out: int
    """Moments beyond the most that are shown."""
    hidden: int
    """Calls whose contents were kept back."""
    repeated: int
    """Messages that repeat what stands already."""


def conversation(spans: Sequence[Telling]) -> Conversation:
    """Return what was said in a trace, each once, in time."""
    told = _Told()
    found: list[tuple[int, int, Telling, str]] = []
    for each in spans:
        if each.operation in MODEL or each.operation == "invoke_agent":
            found.append((each.start_ns, 0, each, "asked"))
            found.append((each.start_ns + each.duration_ns, 1, each, "answered"))
        elif each.operation == "execute_tool":
            found.append((each.start_ns, 2, each, "tool"))
    # Agents last of those that end together: what they give back is what the model said before.
    found.sort(
        key=lambda one: (one[0], one[1], one[2].operation == "invoke_agent", -one[2].duration_ns)
    )
    for _, _, span, what in found:
        told.tell(span, what)
    return Conversation(
        moments=tuple(_cut(each) for each in told.moments[:MOST_MOMENTS]),
        left_out=max(len(told.moments) - MOST_MOMENTS, 0),
        hidden=sum(each.sort == "hidden" for each in told.moments),
        repeated=told.repeated,
    )


class _Told:
    """What was said so far."""

    def __init__(self) -> None:
        self.moments: list[Moment] = []
        self.repeated = 0
        self._known: Counter[tuple[str, ...]] = Counter()

    def tell(self, span: Telling, what: str) -> None:
        """Add what a span says at its start or end and nobody said before."""
        if what == "tool":
            self._tell_tool(span)
            return
        held = said(span.attributes, span.events)
        is_model = span.operation in MODEL
        if what == "asked" and is_model and not held.asked and not held.answered:
            self._add(span, "hidden", "assistant", (), at=span.start_ns, took=span.duration_ns)
            return
        heard: Counter[tuple[str, ...]] = Counter()
        for message in held.asked if what == "asked" else held.answered:
            key = _key(message)
            heard[key] += 1
            # A call repeats the talk so far; an answer repeats nothing but that of an inner call.
            if heard[key] <= self._known[key] and (what == "asked" or not is_model):
                self.repeated += 1
                continue
            self._known[key] += 1
            at, took = (
                (span.start_ns, 0)
                if what == "asked"
                else (span.start_ns + span.duration_ns, span.duration_ns)
            )
            self._add(span, "said", message.role, message.parts, at=at, took=took)

    def _tell_tool(self, span: Telling) -> None:
        given, back = arguments(span.attributes), result(span.attributes)
        if given is None and back is None:
            self._add(span, "hidden", "tool", (), at=span.start_ns, took=span.duration_ns)
            return
        parts = []
        if given is not None:
            parts.append(Part(kind="call", text=given, name=span.subject))
        if back is not None:
            parts.append(Part(kind="result", text=back))
            self._known["tool", _same(back)] += 1
        self._add(span, "tool", "tool", tuple(parts), at=span.start_ns, took=span.duration_ns)

    def _add(
        self, span: Telling, sort: Sort, role: str, parts: tuple[Part, ...], *, at: int, took: int
    ) -> None:
        self.moments.append(
            Moment(
                sort=sort,
                span_id=span.span_id,
                at_ns=at,
                role=role,
                subject=span.subject,
                agent_id=span.agent_id,
                parts=parts,
                duration_ns=took,
                is_error=span.is_error,
            )
        )


def _key(message: Message) -> tuple[str, ...]:
    """Return what two messages have in common that say the same."""
    results = [each for each in message.parts if each.kind == "result"]
    if results and len(results) == len(message.parts):
        return ("tool", *(_same(each.text) for each in results))
    return (
        message.role,
        *(f"{each.kind}\0{each.name}\0{_same(each.text)}" for each in message.parts),
    )


def _same(text: str) -> str:
    """Return a text without what two spellings of one JSON differ in."""
    return "".join(text.split())


def _cut(moment: Moment) -> Moment:
    """Cut each text that is longer than is shown."""
    over = sum(max(len(each.text) - MOST_TEXT, 0) for each in moment.parts)
    if not over:
        return moment
    kept = tuple(replace(each, text=each.text[:MOST_TEXT]) for each in moment.parts)
    return replace(moment, parts=kept, cut=over)
