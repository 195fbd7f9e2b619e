"""Keep what a person finds of a sample: a tick, a note, a file an item; at the end a conclusion.

Until it is concluded a paper is work: ticks may change and are rows alone. The conclusion is an
entry `audit.sample_drawn` with every verdict, note and SHA-256 of a file, by the person who
concludes; from then on Postgres changes nothing of the paper (compliance/sql/0004_reports.sql).
What checks themselves found of the items: found_of(). Drawing: draw_sample.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from pathlib import PurePosixPath
from typing import Any, Final

from django.db import transaction
from django.db.models import Count, Q
from django.utils import timezone

from compliance.acting import ActRefused, Person, read_choice, read_optional, read_text, refusals
from compliance.draw_sample import leave_entry, paper_of
from compliance.gather import rows
from compliance.models.reports import Sample, SampleItem
from compliance.sample_lines import TooLarge, Verdict, concluded_details

VERDICTS: Final = ("no exception", "exception", "not available")
MOST_FILE: Final = 10 * 1024 * 1024
"""Bytes of the file that goes with an item."""
MOST_FILE_NAME: Final = 120
MOST_NOTE: Final = 2_000
"""Characters of a note."""

# The names hold those of entries by themselves; only the others are in the index of entries.
_FOUND: Final = """
SELECT item, seq, state, why
FROM compliance_item
WHERE ledger_id = %s
  AND lens_id = %s
  AND state IN ('fail', 'pending')
  AND (item = ANY(%s) OR (seq = ANY(%s) AND item <> seq::text))
ORDER BY state DESC, item
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Attached:
    """A file that goes with an item."""

    name: str
    content: bytes


@dataclass(frozen=True, kw_only=True, slots=True)
class Ticked:
    """How far a paper is."""

    items: int
    ticked: int
    exceptions: int
    not_available: int


@dataclass(frozen=True, kw_only=True, slots=True)
class EngineFound:
    """What a check keeps of an item by itself: it failed, or is not decided."""

    state: str
    why: str


def tick_item(
    sample: Sample,
    position: int,
    *,
    verdict: str,
    note: str,
    by: Person,
    attached: Attached | None = None,
) -> None:
    """Note what a person found of one item, in place of what was noted before; leaves no entry.

    A file given takes the place of the one before; without one that stays. Raises ActRefused.
    """
    read_choice("verdict", verdict, VERDICTS)
    note = read_optional("note", note, most=MOST_NOTE)
    if verdict != "no exception" and not note:
        raise ActRefused(field="note", message=f"say why: an item that is {verdict!r} has a note")
    fields: dict[str, Any] = {
        "verdict": verdict,
        "note": note,
        "ticked_at": timezone.now(),
        "ticked_by": by.name,
    }
    file = _checked(attached)
    if file is not None:
        fields |= {
            "file_name": file.name,
            "file_sha256": sha256(file.content).hexdigest(),
            "file": file.content,
        }
    with refusals(), transaction.atomic():
        items = SampleItem.objects.filter(
            ledger_id=sample.ledger_id, sample_id=sample.id, position=position
        )
        if items.update(**fields) != 1:
            raise ActRefused(field="act", message="the paper has no item at this place")


def conclude_sample(sample: Sample, *, conclusion: str, by: Person) -> Sample:
    """Conclude a paper whose every item is ticked; leaves its entry, and nothing changes after.

    Raises ActRefused.
    """
    conclusion = read_text("conclusion", conclusion, missing="say what the sample shows")
    with refusals(), transaction.atomic():
        # Held while the entry is written, so that it says what the rows say for ever.
        held = Sample.objects.select_for_update().filter(ledger_id=sample.ledger_id, id=sample.id)
        open_one = held.filter(state="open").first()
        if open_one is None:
            raise ActRefused(field="act", message="it is concluded already, or not drawn yet")
        verdicts = _verdicts(open_one)
        try:
            details = concluded_details(
                str(open_one.uid), str(open_one.snapshot_id), conclusion, verdicts
            )
        except TooLarge as error:
            raise ActRefused(field="conclusion", message=str(error)) from error
        leave_entry(sample.ledger, paper_of(open_one), details, by=by.name)
        held.update(
            state="concluded",
            conclusion=conclusion,
            concluded_at=timezone.now(),
            concluded_by=by.name,
        )
    return Sample.objects.select_related("ledger").get(ledger_id=sample.ledger_id, id=sample.id)


def _verdicts(sample: Sample) -> list[Verdict]:
    """Return what was found of every item. Raises ActRefused when one is not ticked."""
    items = list(items_of(sample))
    missing = [item.position for item in items if not item.verdict]
    if missing:
        raise ActRefused(
            field="act",
            message=f"{len(missing):,} of {len(items):,} items are not ticked, the first at "
            f"{missing[0]}",
        )
    return [
        Verdict(
            position=item.position,
            verdict=item.verdict,
            note=item.note,
            file_name=item.file_name,
            file_sha256=item.file_sha256,
        )
        for item in items
    ]


def items_of(sample: Sample) -> list[SampleItem]:
    """Return the drawn items by position, without their files."""
    found = SampleItem.objects.filter(ledger_id=sample.ledger_id, sample_id=sample.id)
    return list(found.defer("file").order_by("position"))


def ticked(samples: list[Sample]) -> dict[int, Ticked]:
    """Return how far papers of one ledger are, by their numbers."""
    if not samples:
        return {}
    found = (
        SampleItem.objects.filter(
            ledger_id=samples[0].ledger_id, sample_id__in=[one.id for one in samples]
        )
        .values("sample_id")
        .annotate(
            items=Count("position"),
            ticked=Count("position", filter=~Q(verdict="")),
            exceptions=Count("position", filter=Q(verdict="exception")),
            not_available=Count("position", filter=Q(verdict="not available")),
        )
    )
    by_number = {
        row["sample_id"]: Ticked(
            items=row["items"],
            ticked=row["ticked"],
            exceptions=row["exceptions"],
            not_available=row["not_available"],
        )
        for row in found
    }
    nothing = Ticked(items=0, ticked=0, exceptions=0, not_available=0)
    return {one.id: by_number.get(one.id, nothing) for one in samples}


def found_of(sample: Sample, items: list[SampleItem]) -> dict[int, EngineFound]:
    """Return what the check keeps of the items as of now, by position.

    An item that is not there passed, or is none that the check counts by itself. Entries that came
    after the snapshot may have changed what is said.
    """
    # An entry may be several items, `41/media` and `41/form`; a day or a bucket is known by name.
    seqs = {one.seq for one in items if one.item == str(one.seq)}
    names = [one.item for one in items]
    found: dict[str | int, EngineFound] = {}
    for name, seq, state, why in rows(
        _FOUND, (sample.ledger_id, sample.lens_id, names, sorted(seqs))
    ):
        # Pending come first: of an entry's items the one that failed says more.
        kept = EngineFound(state=state, why=why)
        found[name] = kept
        if seq in seqs:
            found[seq] = kept
    return {
        one.position: said
        for one in items
        if (said := found.get(one.seq) if one.seq in seqs else found.get(one.item)) is not None
    }


def _checked(attached: Attached | None) -> Attached | None:
    if attached is None:
        return None
    name = read_optional("file", PurePosixPath(attached.name.replace("\\", "/")).name, most=1_000)
    if not name:
        raise ActRefused(field="file", message="the file has no name")
    if not attached.content:
        raise ActRefused(field="file", message="the file is empty")
    if len(attached.content) > MOST_FILE:
        raise ActRefused(
            field="file",
            message=f"at most {MOST_FILE:,} bytes; this has {len(attached.content):,}",
        )
    return Attached(name=name[-MOST_FILE_NAME:], content=attached.content)
