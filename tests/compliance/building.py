"""Entries, and what checks find in them, without a database. The records are real ones.

`entry(1, "tool.invoke", {"tool.name": "sql"}, at="2026-10-04T10:00:00Z")`, then
`counts(run("TOOL-04", entries))`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from functools import cache
from hashlib import sha256
from typing import Any
from uuid import UUID

from audit.actions import ACTIONS
from audit.ledger.canonical import canonicalise
from audit.ledger.record import GENESIS, format_time, link
from compliance.catalogue import load_catalogue
from compliance.definitions import Catalogue, Lens
from compliance.judge import span_of
from compliance.kinds import KINDS
from compliance.kinds.base import DAY_US, Span, Tested
from compliance.language.reading import EntryView, ToolRegistry, read_entry
from compliance.lenses import Settings, lens_of
from compliance.memory import Memory
from compliance.result import canonical

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
Moment = str | int
"""RFC 3339, a date, or us since 1970."""


def us(moment: Moment) -> int:
    """Return a moment as us since 1970; a date is its first moment."""
    if isinstance(moment, int):
        return moment
    found = datetime.fromisoformat(moment)
    found = found if found.tzinfo else found.replace(tzinfo=UTC)
    return (found - EPOCH) // timedelta(microseconds=1)


def day(text: str) -> int:
    """Return a date as days since 1970."""
    return us(text) // DAY_US


def person(name: str) -> dict[str, Any]:
    """Return what makes an entry the act of a person: `entry(…, **person("alice"))`."""
    return {"actor": {"type": "human", "id": name}, "source": {"scope": "governance"}}


def event_id(seq: int) -> str:
    """Return the id of the event of the entry of this seq."""
    return str(UUID(int=seq + 1))


def record(
    seq: int,
    action: str,
    fields: Mapping[str, Any] | None = None,
    /,
    *,
    at: Moment,
    received: Moment | None = None,
    agent: str = "a",
    environment: str | None = "prod",
    category: str | None = None,
    actor: Mapping[str, Any] | None = None,
    source: Mapping[str, Any] | None = None,
    ledger: str = "main",
) -> tuple[int, bytes, bytes]:
    """Return `(seq, record, hash)`; `fields` by dotted path, None for none.

    It is received when it occurred, unless `received` says otherwise.
    """
    event: dict[str, Any] = {
        "id": event_id(seq),
        "occurred_at": _time(at),
        "category": category or ACTIONS[action],
        "action": action,
        "outcome": "success",
        "actor": dict(actor or {"type": "agent", "id": agent}),
        "agent": {"id": agent, **({"environment": environment} if environment else {})},
    }
    for path, value in (fields or {}).items():
        if value is None:
            continue
        *blocks, last = path.split(".")
        into = event
        for block in blocks:
            into = into.setdefault(block, {})
        into[last] = value
    said = {"via": "api", "scope": "events", "key": "key-1", **(source or {})}
    stored = (canonicalise(event), _time(at if received is None else received), canonicalise(said))
    (linked,) = link([stored], ledger=ledger, size=seq, head=GENESIS)
    return linked


def entry(
    seq: int, action: str, fields: Mapping[str, Any] | None = None, /, **rest: Any
) -> EntryView:
    """Return an entry as checks read it, no tool being registered; see `record`."""
    return read_entry(*record(seq, action, fields, **rest), ToolRegistry())


@cache
def shipped() -> Catalogue:
    """Return the catalogue that is shipped."""
    return load_catalogue()


def lens(check: str | Mapping[str, Any], settings: Settings | None = None) -> Lens:
    """Return the lens of a shipped check by its id, or of a definition."""
    if isinstance(check, str):
        found = settings or Settings()
        return lens_of(shipped(), check, framework=None, control=None, settings=found)
    definition = dict(check)
    name = sha256(canonical(definition)).hexdigest()[:32]
    return Lens(id=name, check="T-01", kind=definition["kind"], definition=definition)


def run(check: str | Mapping[str, Any] | Lens, entries: Iterable[EntryView]) -> Memory:
    """Return what one check finds in these entries, which come in the order of seq."""
    memory = Memory([check if isinstance(check, Lens) else lens(check)], ledger="main")
    for each in entries:
        memory.see(each)
    return memory


def span(
    memory: Memory,
    start: str = "2026-10-01",
    end: str = "2026-11-01",
    *,
    environment: str | None = None,
    agent: str | None = None,
) -> Span:
    """Return the days [start, end) as far as what was seen can be judged in them."""
    facts = memory.span_facts()
    return span_of(facts, start=day(start), end=day(end), environment=environment, agent=agent)


def found_in(memory: Memory, **days: Any) -> Tested:
    """Return what the memory's first lens makes of a span; see `span`."""
    of = next(iter(memory.lenses.values()))
    return KINDS[of.kind].tested(of.definition, memory.view(of, span(memory, **days)))


def counts(memory: Memory, **days: Any) -> tuple[int, int, int]:
    """Return `(n, f, pending)` of a span; see `span`."""
    found = found_in(memory, **days)
    return found.n, found.f, found.pending


def _time(moment: Moment) -> str:
    return format_time(EPOCH + timedelta(microseconds=us(moment)))
