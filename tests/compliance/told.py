"""Tell a ledger one lens' story, entry by entry, and ask what the lens makes of it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

from compliance.catalogue import load_catalogue
from compliance.definitions import Catalogue, Kind, Lens
from compliance.kinds import KINDS
from compliance.kinds.base import DAY_US, Item, ItemState, Span, Tested
from compliance.lenses import Settings, lens_of
from compliance.memory import Memory

SECOND = 1_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = DAY_US
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MONDAY = (datetime(2026, 9, 7, tzinfo=UTC) - EPOCH) // timedelta(microseconds=1)
"""Midnight of a Monday, us: where the stories begin."""
FIRST = MONDAY // DAY


def text_of(at: int) -> str:
    """Return a time as events write it."""
    return (
        (EPOCH + timedelta(microseconds=at))
        .isoformat(timespec="microseconds")
        .replace("+00:00", "Z")
    )


class Told:
    """A ledger as one lens sees it."""

    def __init__(self, kind: Kind, definition: Mapping[str, Any], *, resumes: bool = False) -> None:
        self.lens = Lens(id="0" * 32, check="TEST-01", kind=kind, definition=definition)
        self.resumes = resumes
        self.memory = Memory([self.lens], ledger="main")
        self.seq = 0

    def tell(
        self,
        action: str,
        at: int,
        *,
        category: str = "case",
        received: int | None = None,
        backfill: bool = False,
        person: bool = False,
        seq: int | None = None,
        **fields: Any,
    ) -> int:
        """Chain an event; `at` and `received` are us after MONDAY; a field is `case__id=…`."""
        self.seq = self.seq + 1 if seq is None else seq
        record = record_of(
            action,
            at,
            category=category,
            received=received,
            backfill=backfill,
            person=person,
            seq=self.seq,
            **fields,
        )
        self.read(self.seq, record)
        return self.seq

    def read(self, seq: int, record: bytes) -> None:
        if self.resumes:
            rows = json.loads(json.dumps(self.memory.dump()))
            self.memory = Memory([self.lens], ledger="main")
            self.memory.load(rows)
        self.memory.read(seq, record, None)

    def wait(self, until: int) -> None:
        """Let the clock go on to a moment, us after MONDAY."""
        self.tell("system.queue_reported", until, category="system", agent__id="platform")

    def span(self, days: int = 30, *, first: int = 0, environment: str | None = None) -> Span:
        born = self.memory.born or 0
        start = FIRST + first
        return Span(
            start=start,
            end=start + days,
            as_of=min((start + days) * DAY, self.memory.clock),
            observed_from=max(start, born // DAY),
            environment=environment,
            agent=None,
            born=born,
        )

    def tested(self, days: int = 30, *, first: int = 0, environment: str | None = None) -> Tested:
        view = self.memory.view(self.lens, self.span(days, first=first, environment=environment))
        return KINDS[self.lens.kind].tested(self.lens.definition, view)

    def counts(self, days: int = 30, *, first: int = 0, environment: str | None = None) -> Any:
        """Return `(n, f, pending)`."""
        tested = self.tested(days, first=first, environment=environment)
        return tested.n, tested.f, tested.pending

    def items(self, state: ItemState = "fail", days: int = 400) -> dict[str, Item]:
        view = self.memory.view(self.lens, self.span(days))
        return {item.item: item for item in view.items(state)}

    def rows(self) -> dict[str, list[list[Any]]]:
        """Return all rows as they would be stored."""
        rows: dict[str, list[list[Any]]] = json.loads(json.dumps(self.memory.dump()))
        return rows

    def decided(self) -> list[tuple[Any, ...]]:
        """Return what every day counts: (day, environment, agent, passed, failed, pending)."""
        book = self.memory.books[self.lens.id]
        found = (
            (*key, one.passed, one.failed, one.opened - one.closed)
            for key, one in book.tallies.items()
        )
        return sorted(row for row in found if any(row[3:]))


def record_of(
    action: str,
    at: int,
    *,
    category: str,
    seq: int,
    received: int | None = None,
    backfill: bool = False,
    person: bool = False,
    **fields: Any,
) -> bytes:
    """Return the record of an entry."""
    event: dict[str, Any] = {
        "id": f"00000000-0000-7000-8000-{seq % 2**48:012x}",
        "occurred_at": text_of(MONDAY + at),
        "action": action,
        "category": category,
        "outcome": "success",
        "actor": {"type": "agent", "id": "bot"},
        "agent": {"id": "bot"},
    }
    if person:
        event["actor"] = {"type": "human", "id": "alice"}
    for path, value in fields.items():
        block, _, inner = path.partition("__")
        if inner:
            event.setdefault(block, {})[inner] = value
        else:
            event[block] = value
    for block in ("agent", "actor"):
        event[block] = {name: value for name, value in event[block].items() if value is not None}
    source = {"key": "k1", "scope": "governance" if person else "events"}
    return json.dumps(
        {
            "event": event,
            "ledger": "main",
            "prev": "00" * 32,
            "received_at": text_of(MONDAY + (at if received is None else received)),
            "seq": seq,
            "source": source | ({"backfill": True} if backfill else {}),
            "v": 1,
        }
    ).encode()


@cache
def _catalogue() -> Catalogue:
    return load_catalogue()


@cache
def shipped(check: str) -> Lens:
    """Return the lens of a shipped check, as it stands by itself."""
    return lens_of(_catalogue(), check, framework=None, control=None, settings=Settings())


def told(check: str, **more: Any) -> Told:
    """Return a ledger as a shipped check sees it."""
    lens = shipped(check)
    return Told(lens.kind, {**lens.definition, **more})


def retold(ledger: Told, records: Iterable[tuple[int, bytes]]) -> None:
    """Chain records that were made before."""
    for seq, record in records:
        ledger.read(seq, record)
        ledger.seq = seq
