"""Find spans that are rare, slow or looping, with the figures that say so. Pure.

A shape is an operation, a name and a subject: `execute_tool` of `search`. A trace is held against
other traces of the same agent where there are enough of them, else against itself. Every finding
names what it was held against: none says more than its figures.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Final, Literal, NamedTuple, Protocol, TypeAlias

from tracing.durations import format_duration

LOOPING: Final = 3
"""Calls of one tool with the same arguments that are a loop."""
RARE_OF: Final = 10
"""Other traces that it takes to call a shape rare."""
RARE_SHARE: Final = 0.05
"""A shape is rare that at most this share of them has."""
SLOW_OF: Final = 10
"""Other spans of the shape that it takes to call one slow."""
SLOW_TIMES: Final = 3
"""A span is slow that took more than so many times their median."""
SLOW_NS: Final = 10_000_000
"""What is shorter is never slow: a clock's jitter is as long."""

Sort: TypeAlias = Literal["looping", "slow", "rare"]


class Key(NamedTuple):
    """What spans of one shape have in common."""

    operation: str
    name: str
    subject: str


class Act(Protocol):
    """What a span must tell to be held against others."""

    @property
    def span_id(self) -> str:
        """Return its id."""

    @property
    def name(self) -> str:
        """Return its name."""

    @property
    def operation(self) -> str:
        """Return the normalised operation; empty when it is none of ours."""

    @property
    def subject(self) -> str:
        """Return the tool, model, memory or workflow; may be empty."""

    @property
    def arguments_sha256(self) -> str:
        """Return the digest of a tool's arguments; empty when they are not known."""

    @property
    def duration_ns(self) -> int:
        """Return how long it took."""

    @property
    def is_error(self) -> bool:
        """Tell whether it failed."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Usual:
    """What a shape is like in other traces."""

    traces: int
    """How many of them have it."""
    spans: int
    median_ns: int
    p95_ns: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """One thing to look at."""

    sort: Sort
    key: Key
    span_id: str
    """The span to look at first: the slowest, the first of a loop."""
    spans: int
    """How many spans it is about."""
    says: str
    """A sentence with its figures."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Shape:
    """All spans of one shape in one trace."""

    key: Key
    count: int
    errors: int
    total_ns: int
    """Added up; spans that ran side by side count each."""
    median_ns: int
    longest_ns: int
    longest_span_id: str
    usual: Usual | None
    """None when no other trace has it."""


def key_of(span: Act) -> Key:
    """Return the shape of a span."""
    return Key(span.operation, span.name, span.subject)


def shapes(spans: Sequence[Act], usual: Mapping[Key, Usual]) -> tuple[Shape, ...]:
    """Return the shapes of a trace, those that took most time first."""
    found = []
    for key, members in _grouped(spans).items():
        longest = max(members, key=lambda each: each.duration_ns)
        found.append(
            Shape(
                key=key,
                count=len(members),
                errors=sum(each.is_error for each in members),
                total_ns=sum(each.duration_ns for each in members),
                median_ns=int(median(each.duration_ns for each in members)),
                longest_ns=longest.duration_ns,
                longest_span_id=longest.span_id,
                usual=usual.get(key),
            )
        )
    return tuple(sorted(found, key=lambda each: (-each.total_ns, each.key)))


def findings(
    spans: Sequence[Act], usual: Mapping[Key, Usual], *, traces: int
) -> tuple[Finding, ...]:
    """Return what stands out: loops first, then slow ones, then rare ones.

    `usual` is of `traces` other traces, and of each shape that any of them has.
    """
    grouped = _grouped(spans)
    return (
        *_looping(spans),
        *_slow(grouped, usual),
        *_rare(grouped, usual, traces=traces),
    )


def _grouped(spans: Iterable[Act]) -> dict[Key, list[Act]]:
    found: dict[Key, list[Act]] = defaultdict(list)
    for each in spans:
        found[key_of(each)].append(each)
    return dict(found)


def _looping(spans: Iterable[Act]) -> list[Finding]:
    calls: dict[tuple[str, str], list[Act]] = defaultdict(list)
    for each in spans:
        if each.operation == "execute_tool" and each.arguments_sha256:
            calls[each.subject, each.arguments_sha256].append(each)
    found = []
    for (tool, _), members in calls.items():
        if len(members) < LOOPING:
            continue
        failed = sum(each.is_error for each in members)
        took = format_duration(sum(each.duration_ns for each in members))
        found.append(
            Finding(
                sort="looping",
                key=key_of(members[0]),
                span_id=members[0].span_id,
                spans=len(members),
                says=f"{tool or members[0].name} was called {len(members):,} times with the same "
                f"arguments; {failed:,} failed, and together they took {took}.",
            )
        )
    return sorted(found, key=lambda each: (-each.spans, each.key))


def _slow(grouped: Mapping[Key, Sequence[Act]], usual: Mapping[Key, Usual]) -> list[Finding]:
    found = []
    for key, members in grouped.items():
        known = usual.get(key)
        if known is not None and known.spans >= SLOW_OF:
            middle, of = known.median_ns, f"{known.spans:,} of other traces"
            limit = max(SLOW_TIMES * middle, known.p95_ns, SLOW_NS)
        elif len(members) > SLOW_OF:
            middle = int(median(each.duration_ns for each in members))
            of = f"all {len(members):,} of this trace"
            limit = max(SLOW_TIMES * middle, SLOW_NS)
        else:
            continue
        over = [each for each in members if each.duration_ns > limit]
        if not over:
            continue
        longest = max(over, key=lambda each: each.duration_ns)
        found.append(
            Finding(
                sort="slow",
                key=key,
                span_id=longest.span_id,
                spans=len(over),
                says=f"{len(over):,} of {len(members):,} took more than {format_duration(limit)}, "
                f"the longest {format_duration(longest.duration_ns)}; "
                f"the median of {of} is {format_duration(middle)}.",
            )
        )
    return sorted(found, key=lambda each: (-each.spans, each.key))


def _rare(
    grouped: Mapping[Key, Sequence[Act]], usual: Mapping[Key, Usual], *, traces: int
) -> list[Finding]:
    if traces < RARE_OF:
        return []
    found = []
    for key, members in grouped.items():
        have = usual[key].traces if key in usual else 0
        if have > RARE_SHARE * traces:
            continue
        found.append(
            Finding(
                sort="rare",
                key=key,
                span_id=members[0].span_id,
                spans=len(members),
                says=f"{have:,} of the {traces:,} traces of this agent before it "
                f"ha{'s' if have == 1 else 've'} such a span.",
            )
        )
    return sorted(found, key=lambda each: each.key)
