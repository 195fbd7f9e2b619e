"""What a family of metrics is: its name, its labels, what it may cost, where it comes from. Pure.

The shape alone; which families there are: families.py. Values are kept as whole numbers, so that a
sum is the same in whatever order it is made: seconds in microseconds, dollars in nano-dollars,
ratios in millionths. `scale` says how many of them make one unit of the exposition.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from audit.actions import ACTIONS

Kind: TypeAlias = Literal["counter", "gauge", "histogram"]

Source: TypeAlias = Literal["entries", "facts", "process", "http", "later"]
"""Where the samples come from.

`entries`: folded from chained entries, each once (fold.py). `facts`: asked of rows by SQL on a
timer or at the scrape. `process`: counted by web, workers and beat, added to rows. `http`:
django-prometheus' own, relabelled at the scrape. `later`: nothing feeds it yet.
"""

Detail: TypeAlias = Literal["minimal", "standard", "full"]
"""The lowest level at which a family is shown. All are counted at each, so that a total is whole
when somebody turns the level up."""

Unit: TypeAlias = Literal["", "seconds", "bytes", "ratio", "usd", "measure"]
"""`measure` is whatever the agent that records it means; it is kept in millionths."""

SCALES: Final[dict[Unit, int]] = {
    "": 1,
    "seconds": 1_000_000,
    "bytes": 1,
    "ratio": 1_000_000,
    "usd": 1_000_000_000,
    "measure": 1_000_000,
}

STATUSES: Final = ("success", "error", "denied", "other")
ENVIRONMENTS: Final = ("prod", "staging", "test", "dev")
TOKEN_TYPES: Final = ("input", "output", "cache_read", "reasoning")
DECISIONS: Final = ("granted", "denied", "requested")
SEVERITIES: Final = ("info", "low", "medium", "high", "critical")
STAGES: Final = ("delivered", "chained", "sealed")

CLOSED: Final[dict[str, tuple[str, ...]]] = {
    "status": STATUSES,
    "environment": ENVIRONMENTS,
    "token_type": TOKEN_TYPES,
    "decision": DECISIONS,
    "severity": SEVERITIES,
    "stage": STAGES,
    "outcome": (*STATUSES, "hit", "miss"),
}
"""Labels whose values are ours: they keep their value also in a family's `_other` rows, so that a
share of errors stays a share when the cap is reached."""

NEVER_LABELS: Final = frozenset({
    "user_id", "session_id", "task_id", "goal_id", "run_id", "trace_id", "span_id", "event_id",
    "agent_id", "workflow_id", "node_id", "id", "message", "prompt", "path", "url", "le",
})  # fmt: skip
"""Names of what multiplies without end, and of what is nobody's business."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Family:
    """One family of metrics."""

    row: int
    """Its row in the table of requirements, 1 to 93; 0 for a guard that the table lacks."""
    name: str
    """As it is exposed; a counter's ends in `_total`."""
    kind: Kind
    labels: tuple[str, ...]
    """In the order in which values stand."""
    help: str
    cap: int
    """The most combinations of label values, `_other` rows included."""
    sources: tuple[Source, ...]
    unit: Unit = ""
    edges: tuple[float, ...] = ()
    """Upper edges of a histogram, in `unit`."""
    fed_by: tuple[str, ...] = ()
    """Actions whose entries feed it, where `entries` is a source."""
    detail: Detail = "standard"
    most: int = 0
    """The most that one entry may say, in `unit`; more is absurd and refused. 0: it only counts."""

    @property
    def scale(self) -> int:
        """How many of the whole numbers that are kept make one `unit`."""
        return SCALES[self.unit]

    @property
    def budget(self) -> int:
        """What it costs at its cap, in series: buckets, infinity, sum and count a combination."""
        return self.cap * (len(self.edges) + 3)

    @property
    def open_labels(self) -> tuple[str, ...]:
        """The labels whose values others choose."""
        return tuple(label for label in self.labels if label not in CLOSED)

    @property
    def reserve(self) -> int:
        """How many of the cap are kept free for `_other` rows, one a combination of closed ones."""
        if not self.open_labels:
            return 0
        rows = 1
        for label in self.labels:
            rows *= len(CLOSED.get(label, ("_other",)))
        return rows


def family(
    kind: Kind,
    row: int,
    name: str,
    labels: str = "",
    *,
    help: str,
    cap: int,
    sources: tuple[Source, ...] = ("entries",),
    unit: Unit = "",
    edges: tuple[float, ...] = (),
    fed_by: str = "",
    detail: Detail = "standard",
    most: int = 0,
) -> Family:
    """Return a family; `labels` and `fed_by` are words, `*` stands for every action there is."""
    return Family(
        row=row,
        name=name,
        kind=kind,
        labels=tuple(labels.split()),
        help=help,
        cap=cap,
        sources=sources,
        unit=unit,
        edges=edges,
        fed_by=tuple(ACTIONS) if fed_by == "*" else tuple(fed_by.split()),
        detail=detail,
        most=most,
    )
