"""List what failed and what is open: for the pages of a report, and whole for its annex items.csv.

Items stream: what the pages show is kept, the first LISTED of each lens; everything goes to a file
beside, a line an item, since the name of the report is known only once its result is sealed. Then
`write_annex` makes items.csv of it. Memory stays flat however many items there are.
Never judges. Words of an item's failure are the check's own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256
from heapq import nsmallest
from pathlib import Path
from typing import BinaryIO, Final

import msgspec

from compliance.definitions import Lens
from compliance.found_items import NO_ENTRY
from compliance.kinds.base import Item
from compliance.renderers.csv_files import ItemRow, write_items
from compliance.report_content import (
    ITEMS,
    LISTED,
    Annex,
    Deviation,
    Exceptions,
    Pending,
    PendingItem,
)
from compliance.report_evidence import Named
from compliance.report_reading import Reading
from compliance.report_waived import LensLegs
from compliance.result import day_text, time_text

BATCH: Final = 1_000
"""Items whose entries are looked up together."""
NEVER: Final = "9999-12-31"
"""Sorts what has no due time behind everything that has."""

_encode: Final = msgspec.json.Encoder().encode
_decode: Final = msgspec.json.Decoder(ItemRow).decode


@dataclass(kw_only=True, slots=True)
class Found:
    """What was listed of a reading, while its items went to the file."""

    exceptions: list[Exceptions] = field(default_factory=list)
    pending: list[PendingItem] = field(default_factory=list)
    kept: int = 0
    """Items that no entry up to the head decides."""


def list_items(
    reading: Reading,
    legs: Mapping[str, LensLegs],
    finding_of: Mapping[tuple[str, str], str],
    out: BinaryIO,
    on_progress: Callable[[int, int], None],
) -> tuple[tuple[Exceptions, ...], Pending]:
    """Return what failed and what is open, and write a line of each item to `out`.

    By check and lens: first what failed, by day and id, then what is open. `on_progress` is told
    checks done and checks in all.
    """
    found = Found()
    for done, result in enumerate(reading.result.checks):
        on_progress(done, len(reading.result.checks))
        lens, of = reading.lenses[result.lens], legs[result.lens]
        _failing(reading, lens, of, finding_of, out, found)
        _pending(reading, lens, of, out, found)
    total = sum(result.pending for result in reading.result.checks)
    listed = tuple(sorted(found.pending, key=_by_due)[:LISTED])
    return tuple(found.exceptions), Pending(total=total, listed=listed, kept=found.kept)


def write_annex(lines: Path, out: BinaryIO, *, report_id: str) -> Annex:
    """Write items.csv of the lines that `list_items` wrote; return what the content says of it.

    Raises OSError.
    """
    told = _Told(out)
    with lines.open("rb") as read:
        rows = write_items(told, (replace(_decode(line), report_id=report_id) for line in read))  # type: ignore[arg-type]
    return Annex(name=ITEMS, rows=rows, sha256=told.digest.hexdigest())


class _Told:
    """A file that is hashed while it is written."""

    def __init__(self, out: BinaryIO) -> None:
        self._out = out
        self.digest = sha256()

    def write(self, some: bytes) -> int:
        self.digest.update(some)
        return self._out.write(some)


def _failing(
    reading: Reading,
    lens: Lens,
    legs: LensLegs,
    finding_of: Mapping[tuple[str, str], str],
    out: BinaryIO,
    found: Found,
) -> None:
    total = waived = 0
    listed: list[Deviation] = []
    for items in _batches(reading.rows.failing(lens, reading.span)):
        named = reading.evidence.named([item.seq for item in items if item.seq != NO_ENTRY])
        for item in items:
            entry, waiver = named.get(item.seq), legs.waiver_of(item.item)
            total += 1
            waived += bool(waiver)
            state = "waived" if waiver else "fail"
            out.write(_line(_row(reading, lens, legs, item, entry, state=state)))
            if len(listed) < LISTED:
                finding = finding_of.get((lens.check, item.item), "")
                listed.append(_deviation(item, entry, waiver, finding))
    if total:
        found.exceptions.append(
            Exceptions(
                check=lens.check,
                lens=lens.id,
                controls=tuple(legs.controls),
                total=total,
                waived=waived,
                listed=tuple(listed),
            )
        )


def _pending(reading: Reading, lens: Lens, legs: LensLegs, out: BinaryIO, found: Found) -> None:
    for items in _batches(reading.rows.pending(lens, reading.span)):
        named = reading.evidence.named([item.seq for item in items])
        for item in items:
            row = _row(reading, lens, legs, item, named.get(item.seq), state="pending")
            out.write(_line(row))
        found.kept += len(items)
        lines = [_pending_item(lens, item) for item in items]
        found.pending = nsmallest(LISTED, [*found.pending, *lines], key=_by_due)


def _row(
    reading: Reading, lens: Lens, legs: LensLegs, item: Item, entry: Named | None, *, state: str
) -> ItemRow:
    assert state in ("fail", "waived", "pending"), "these are listed"
    return ItemRow(
        report_id="",
        framework=reading.framework.id,
        control=" ".join(legs.controls),
        check=lens.check,
        check_version=reading.catalogue.version,
        item=item.item,
        entry_id="" if entry is None else entry.entry_id,
        seq=item.seq,
        occurred_at="" if entry is None else entry.occurred_at,
        agent=item.agent,
        state=state,  # type: ignore[arg-type]
        reason=item.why,
        payload_hash="" if entry is None else entry.hash,
        due=_due(item),
    )


def _deviation(item: Item, entry: Named | None, waiver: str, finding: str) -> Deviation:
    return Deviation(
        item=item.item,
        day=day_text(item.day),
        seq=item.seq,
        entry_id="" if entry is None else entry.entry_id,
        occurred_at="" if entry is None else entry.occurred_at,
        actor="" if entry is None else entry.actor,
        agent=item.agent,
        action="" if entry is None else entry.action,
        why=item.why,
        waiver=waiver,
        finding=finding,
    )


def _pending_item(lens: Lens, item: Item) -> PendingItem:
    return PendingItem(
        check=lens.check,
        lens=lens.id,
        item=item.item,
        day=day_text(item.day),
        seq=item.seq,
        due=_due(item),
        agent=item.agent,
    )


def _by_due(item: PendingItem) -> tuple[str, str, str, str]:
    return item.due or NEVER, item.check, item.item, item.lens


def _due(item: Item) -> str:
    return "" if item.due is None or item.state != "pending" else time_text(item.due)


def _line(row: ItemRow) -> bytes:
    return _encode(row) + b"\n"


def _batches(items: Iterator[Item]) -> Iterator[Sequence[Item]]:
    batch: list[Item] = []
    for item in items:
        batch.append(item)
        if len(batch) == BATCH:
            yield batch
            batch = []
    if batch:
        yield batch
