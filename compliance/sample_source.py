"""Read the entries that a sample is drawn of: from the ledger, or from an evidence bundle.

Both give the same entries up to the snapshot's head, as checks read them, what registries knew at
each included, so that both draw the same sample. Only reads. A draw needs every entry of its
period: where some were pruned it is refused, and an older bundle still has them. Drawing:
sample.py. Who asks: draw_sample.py, redraw_sample.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any, BinaryIO, Final, Protocol

import msgspec

from compliance.definitions import Lens
from compliance.engine import REGISTRY
from compliance.gather import (
    BATCH,
    Ledger,
    leaf_hash,
    minimum_index,
    newest_carry,
    read_rows,
    read_tables,
    rows,
)
from compliance.in_force import catalogue_in_force, framework_of
from compliance.language.reading import EntryView, ToolRegistry, read_entry
from compliance.lenses import Settings, lens_of
from compliance.memory import Memory
from compliance.people import ACTIONS, act_of, settings_of
from compliance.result import date_of
from compliance.sample_lines import ACTION, DRAWN, SEALED, Sealed, sealed_in
from compliance.sample_population import Asking, Within, looks_back
from compliance.scratch import memory_rows, read_bundle
from compliance.tallied import Tallied

Progress = Callable[[int, int], None]
"""Is told entries passed and entries in all; what it raises ends the draw."""

_TOOLS: Final = frozenset({"tool.registered", "tool.removed"})
_PROJECTION: Final = "tallies"

# What nobody asks for stays in the database: most checks care about one entry in a hundred.
_READ = """
SELECT e.seq, e.action, e.category, e.record
FROM audit_entry AS e
WHERE e.ledger_id = %s
  AND e.seq >= %s
  AND e.seq < %s
  AND (e.action || ' ' || e.category) <> ALL(%s::text[])
ORDER BY e.seq
"""
_NAMING = """
SELECT e.seq, e.record
FROM audit_entry AS e
WHERE e.ledger_id = %s
  AND e.action = %s
  AND position(convert_to(%s, 'UTF8') IN e.record) > 0
ORDER BY e.seq
"""
_FIRST = """
SELECT e.received_at
FROM audit_entry AS e
WHERE e.ledger_id = %s
  AND e.seq >= %s
ORDER BY e.seq
LIMIT 1
"""


class NotDrawable(LookupError):
    """A sample cannot be drawn of what there is. The message is one line, with the way out."""


@dataclass(frozen=True, kw_only=True, slots=True)
class DrawnEntry:
    """The entry of a draw, as it stands in the ledger."""

    seq: int
    details: dict[str, Any]


class Source(Protocol):
    """The entries of one ledger."""

    def sealed(self, snapshot: str) -> Sealed:
        """Return what the entry of a snapshot says. Raises NotDrawable: no such entry."""

    def drawn(self, sample: str) -> DrawnEntry:
        """Return the entry of a draw. Raises NotDrawable: no such entry."""

    def settings(self, head_seq: int) -> Settings:
        """Return the limits and lists that people had set up to an entry."""

    def entries(
        self, lens: Lens, sealed: Sealed, on_progress: Progress | None
    ) -> Iterator[EntryView]:
        """Yield the entries up to the head that the lens may find items in, by seq."""


def lens_at(source: Source, sealed: Sealed, *, control: str, check: str) -> Lens:
    """Return the lens of a leg as the snapshot's entries have it, with the catalogue in force.

    Raises NotDrawable: the catalogue in force has no such leg.
    """
    catalogue = catalogue_in_force()
    framework = framework_of(catalogue, sealed.framework)
    found = next((one for one in framework.controls if one.id == control), None)
    if found is None or check not in found.checks:
        raise NotDrawable(
            f"{sealed.framework} as it is in force has no check {check} in control {control}; "
            "seal the period again and draw of that result"
        )
    settings = source.settings(sealed.head_seq)
    return lens_of(catalogue, check, framework=framework, control=found, settings=settings)


class FromLedger:
    """The entries of a ledger of this installation."""

    def __init__(self, ledger: Ledger) -> None:
        """Take the ledger."""
        self._ledger = ledger

    def sealed(self, snapshot: str) -> Sealed:
        """Return what the entry of a snapshot says."""
        for seq, details in self._details(SEALED, snapshot):
            if details.get("snapshot") == snapshot:
                return sealed_in(seq, details)
        raise NotDrawable(f"{self._ledger.name} has no entry of the snapshot {snapshot}")

    def drawn(self, sample: str) -> DrawnEntry:
        """Return the entry of a draw."""
        for seq, details in self._details(ACTION, sample):
            if details.get("sample") == sample and details.get("act") == DRAWN:
                return DrawnEntry(seq=seq, details=details)
        raise NotDrawable(f"{self._ledger.name} has no entry of the sample {sample}")

    def settings(self, head_seq: int) -> Settings:
        """Return the limits and lists that people had set up to an entry."""
        acts = Tallied(self._ledger).acts()
        return settings_of(act for act in acts if act.seq <= head_seq)

    def entries(
        self, lens: Lens, sealed: Sealed, on_progress: Progress | None
    ) -> Iterator[EntryView]:
        """Yield the entries up to the head, a batch at a time."""
        asking = Asking(lens)
        minimum = minimum_index(self._ledger.id)
        registry = self._begun(lens, sealed.within, minimum)
        total = sealed.head_seq + 1 - minimum
        boring: set[str] = set()
        for start in range(minimum, sealed.head_seq + 1, BATCH):
            end = min(start + BATCH, sealed.head_seq + 1)
            for seq, action, category, record in rows(
                _READ, (self._ledger.id, start, end, sorted(boring))
            ):
                is_of_a_tool = action in _TOOLS
                if not is_of_a_tool and not asking.may_care(action, category):
                    boring.add(f"{action} {category}")
                    continue
                yield _read(seq, bytes(record), registry)
            if on_progress is not None:
                on_progress(end - minimum, total)
        if minimum_index(self._ledger.id) != minimum:
            raise NotDrawable("entries were pruned while the sample was drawn; draw it again")

    def _begun(self, lens: Lens, within: Within, minimum: int) -> ToolRegistry:
        """Return the registry as it was at the first entry that is kept.

        Raises NotDrawable when entries of the period were pruned.
        """
        carry = newest_carry(self._ledger.id, _PROJECTION) if minimum else None
        if carry is None:
            return ToolRegistry()
        tables: dict[str, list[dict[str, Any]]] = {
            table: [dict(zip(columns, row, strict=True)) for row in read_rows(body)]
            for table, columns, body in read_tables(carry)
            if table in ("compliance_day", "compliance_state")
        }
        first_day = within.start - looks_back(lens)
        days = [day for day, *_ in memory_rows(tables)["day"]]
        is_gone = any(first_day <= day < within.end for day in days)
        if not is_gone and lens.definition.get("clock") == "received_at":
            ((received,),) = rows(_FIRST, (self._ledger.id, minimum))
            is_gone = received.date() > date_of(first_day)
        if is_gone:
            raise NotDrawable(
                f"entries of this period, below #{minimum:,}, were pruned; draw it again from an "
                "evidence bundle that was made before"
            )
        known = [row for row in tables.get("compliance_state", ()) if row["lens_id"] == REGISTRY]
        memory = Memory([], ledger=self._ledger.name)
        memory.load(memory_rows({"compliance_state": known}))
        return memory.engine.registry

    def _details(self, action: str, naming: str) -> Iterator[tuple[int, dict[str, Any]]]:
        for seq, record in rows(_NAMING, (self._ledger.id, action, naming)):
            yield seq, _details_of(bytes(record))


class FromBundle:
    """The entries of an unfiltered evidence bundle that `scratch.check_bundle` has found whole."""

    def __init__(self, file: BinaryIO) -> None:
        """Take the open bundle."""
        self._file = file

    def sealed(self, snapshot: str) -> Sealed:
        """Return what the entry of a snapshot says."""
        for seq, details in self._details(SEALED):
            if details.get("snapshot") == snapshot:
                return sealed_in(seq, details)
        raise NotDrawable(f"the bundle has no entry of the snapshot {snapshot}")

    def drawn(self, sample: str) -> DrawnEntry:
        """Return the entry of a draw."""
        for seq, details in self._details(ACTION):
            if details.get("sample") == sample and details.get("act") == DRAWN:
                return DrawnEntry(seq=seq, details=details)
        raise NotDrawable(
            f"the bundle has no entry of the sample {sample}; it was drawn after the bundle was "
            "made, or of another ledger"
        )

    def settings(self, head_seq: int) -> Settings:
        """Return the limits and lists that people had set up to an entry."""
        nothing_known = ToolRegistry()
        acts = (
            act_of(read_entry(seq, record, None, nothing_known))
            for seq, record in islice(read_bundle(self._file), head_seq + 1)
            if any(_names(record, action) for action in ACTIONS)
        )
        return settings_of(act for act in acts if act is not None)

    def entries(
        self, lens: Lens, sealed: Sealed, on_progress: Progress | None
    ) -> Iterator[EntryView]:
        """Yield the entries up to the head."""
        registry = ToolRegistry()
        total = sealed.head_seq + 1
        for seq, record in islice(read_bundle(self._file), total):
            yield _read(seq, record, registry)
            if on_progress is not None and (seq + 1) % BATCH == 0:
                on_progress(seq + 1, total)

    def _details(self, action: str) -> Iterator[tuple[int, dict[str, Any]]]:
        for seq, record in read_bundle(self._file):
            # By chance another entry may hold these words: what is read decides.
            if _names(record, action) and _action_of(record) == action:
                yield seq, _details_of(record)


def _read(seq: int, record: bytes, registry: ToolRegistry) -> EntryView:
    entry = read_entry(seq, record, leaf_hash(record), registry)
    registry.see(entry)
    return entry


def _names(record: bytes, action: str) -> bool:
    # Records are canonical JSON, so an action is spelled in one way.
    return b'"action":"%b"' % action.encode() in record


def _event(record: bytes) -> dict[str, Any]:
    event: dict[str, Any] = msgspec.json.decode(record)["event"]
    return event


def _action_of(record: bytes) -> str:
    return str(_event(record)["action"])


def _details_of(record: bytes) -> dict[str, Any]:
    details: dict[str, Any] = _event(record).get("details") or {}
    return details
