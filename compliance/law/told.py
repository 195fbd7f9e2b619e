"""Read an entry for the tables of a law, whatever it holds or lacks. Pure.

Senders may leave any field out, or claim any time: what is missing reads as nothing, and stands in
a table as NOT_RECORDED; nothing here raises on what an entry says.

Times are whole microseconds since 1970 in UTC. Who collects them into cases: cases.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Protocol

from compliance.kinds.base import DAY_US
from compliance.kinds.deadlines import as_us

NOT_RECORDED: Final = "not recorded"
HOUR_US: Final = DAY_US // 24
MINUTE_US: Final = HOUR_US // 60
PLATFORM: Final = "platform"
"""The agent id of the entries that the platform itself writes."""
DEFAULT_ENVIRONMENT: Final = "prod"
"""What an event without an environment reads as (docs/events.md)."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_ONE_US: Final = timedelta(microseconds=1)
# A claimed time leaves room for every deadline that is counted from it.
_FIRST: Final = (datetime(1000, 1, 1, tzinfo=UTC) - _EPOCH) // _ONE_US
_LAST: Final = (datetime(9000, 1, 1, tzinfo=UTC) - _EPOCH) // _ONE_US


class Recorded(Protocol):
    """An entry as evidence hands it out (report_evidence.Record)."""

    @property
    def seq(self) -> int:
        """Return its place in the ledger."""

    @property
    def received_at(self) -> str:
        """Return when it arrived, RFC 3339 in UTC."""

    @property
    def is_backfill(self) -> bool:
        """Tell whether it was sent as history."""

    @property
    def event(self) -> Mapping[str, Any]:
        """Return the event as it is stored."""


class Told:
    """One entry: what it says, when it says that was, and when it arrived."""

    __slots__ = ("action", "at", "event", "is_backfill", "received", "seq")

    def __init__(self, record: Recorded) -> None:
        """Read the times and the action of a record."""
        event = record.event
        received = as_us(record.received_at)
        at = as_us(event.get("occurred_at"))
        self.seq = record.seq
        self.received = bounded(0 if received is None else received)
        self.at = self.received if at is None else bounded(at)
        self.action = words(event.get("action"))
        self.is_backfill = bool(record.is_backfill)
        self.event = event

    def read(self, path: str) -> Any:
        """Return what stands at a dotted path; None when missing or empty."""
        node: Any = self.event
        for name in path.split("."):
            if not isinstance(node, Mapping):
                return None
            node = node.get(name)
        return None if node in ("", [], {}) else node

    def text(self, path: str) -> str:
        """Return the words at a path on one line; empty when there are none."""
        return words(self.read(path))

    def texts(self, path: str) -> tuple[str, ...]:
        """Return the list of words at a path; one word stands for a list of it."""
        return listed(self.read(path))

    def number(self, path: str) -> int | None:
        """Return the whole number at a path."""
        value = self.read(path)
        return value if isinstance(value, int) and not isinstance(value, bool) else None

    @property
    def outcome(self) -> str:
        """Return how it went."""
        return self.text("outcome")

    @property
    def actor(self) -> str:
        """Return who acted."""
        return self.text("actor.id")

    @property
    def is_by_human(self) -> bool:
        """Tell whether a person acted."""
        return self.text("actor.type") == "human"

    @property
    def agent(self) -> str:
        """Return the agent it is about."""
        return self.text("agent.id")

    @property
    def environment(self) -> str:
        """Return where its agent runs."""
        return self.text("agent.environment") or DEFAULT_ENVIRONMENT

    @property
    def order(self) -> tuple[int, int]:
        """Return its place among others: by its time, then by its place in the ledger."""
        return (self.at, self.seq)

    @property
    def kept(self) -> dict[str, Any]:
        """Return what the rules of deadlines look at (compliance/kinds/awaited.py)."""
        return {
            "at": self.at,
            "received": self.received,
            "is_backfill": self.is_backfill,
            "category": self.read("category"),
        }


def bounded(us: int) -> int:
    """Return a moment within the years 1000 to 9000."""
    return min(max(us, _FIRST), _LAST)


def words(value: Any) -> str:
    """Return a value as words on one line; what is no text, number or truth value is none."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    return " ".join(value.split()) if isinstance(value, str) else ""


def listed(value: Any) -> tuple[str, ...]:
    """Return a list of words; what is not words is left out."""
    if isinstance(value, str):
        return (words(value),) if words(value) else ()
    if not isinstance(value, Sequence):
        return ()
    return tuple(said for one in value if (said := words(one)))


def or_not_recorded(said: str) -> str:
    """Return what was said, or that nothing was."""
    return said or NOT_RECORDED


def joined(parts: Iterable[str], *, empty: str = NOT_RECORDED, between: str = ", ") -> str:
    """Return words one after the other; `empty` when there are none."""
    return between.join(part for part in parts if part) or empty


def moment(us: int) -> str:
    """Return a moment for people, `4 October 2026, 14:05 UTC`; seconds are in the clocks."""
    return f"{day(us)}, {_at(us):%H:%M} UTC"


def day(us: int) -> str:
    """Return the UTC day of a moment: `4 October 2026`."""
    found = _at(us)
    return f"{found.day} {found:%B %Y}"


def claimed(told: Told) -> str:
    """Return when an entry says it was, and when it arrived where that is more than a day apart."""
    said = moment(told.at)
    if abs(told.received - told.at) <= DAY_US:
        return said
    return f"{said} (arrived {day(told.received)})"


def arrivals(steps: Iterable[Told]) -> str:
    """Say which of some entries arrived more than a day from when they say they were, and when."""
    every = list(steps)
    apart = [one for one in every if abs(one.received - one.at) > DAY_US]
    if not apart:
        return "as it happened"
    first, last = (day(pick(one.received for one in apart)) for pick in (min, max))
    when = first if first == last else f"{first} to {last}"
    return when if len(apart) == len(every) else f"{len(apart):,} of {len(every):,}: {when}"


def hours(us: int) -> str:
    """Return a stretch of time in hours and minutes: `101 h`, `72 h 30 min`."""
    whole, rest = divmod(max(us, 0), HOUR_US)
    minutes = rest // MINUTE_US
    return f"{whole:,} h" + (f" {minutes} min" if minutes else "")


def days(us: int) -> str:
    """Return a stretch of time in days and hours: `64 days`, `60 days 5 h`."""
    whole, rest = divmod(max(us, 0), DAY_US)
    left = rest // HOUR_US
    said = "1 day" if whole == 1 else f"{whole:,} days"
    return said + (f" {left} h" if left else "")


def _at(us: int) -> datetime:
    return _EPOCH + timedelta(microseconds=us)
