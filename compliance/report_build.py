"""Build what a report says: evaluate, seal, and gather everything else of the same moment.

    1. evaluate the period, and the one before it, from the tallies as they stand at one moment;
    2. gather every other part from the same rows and from the entries up to their head;
    3. seal the result, or find it sealed already;
    4. name the report after the snapshot and write `content.json` and `items.csv`.

What is sealed already with another head, and what a bundle holds, is made again from the entries up
to that head: the same content, byte for byte. Only drawn samples may be newer than the head.
What a reading comes to: report_draft.py. Drawn samples: report_drawn.py.
Rendering: report_forms.py. Who calls it: make_report.py, manage.py writereport.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Final

from compliance.gather import Ledger, Manifest, format_time
from compliance.in_force import catalogue_in_force, framework_of
from compliance.models import Snapshot
from compliance.report_bundle import BundleEvidence
from compliance.report_content import ITEMS, ReportContent, content_bytes, parse_content, report_id
from compliance.report_draft import Draft, NothingToReport, Told, Wanted, draft_of, private
from compliance.report_drawn import samples_of
from compliance.report_entries import LedgerEvidence
from compliance.report_evidence import Evidence
from compliance.report_found import write_annex
from compliance.report_reading import text_said
from compliance.report_rows import MemoryRows, TalliedRows
from compliance.result import day_of, day_text, time_text
from compliance.scratch import BundleRefused, check_bundle, from_checked, from_ledger
from compliance.snapshot import seal_snapshot
from compliance.tallied import steady

CONTENT: Final = "content.json"
LINES: Final = "items.lines"
"""Where items wait for the name of the report; gone before `build_report` returns."""


class SnapshotDiffers(ValueError):
    """A sealed result cannot be made again: the catalogue in force is another one by now."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Built:
    """A report's content, as it stands in the folder."""

    content: ReportContent
    raw: bytes
    """The bytes of `content.json`."""
    items: Path
    """`items.csv`."""
    snapshot: Snapshot | None
    """None: made of a bundle."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Sealed:
    """What names a sealed result."""

    snapshot: str
    digest: str
    restates: str
    issued_at: str


def build_report(
    ledger: Ledger,
    framework_id: str,
    *,
    start: date,
    end: date,
    environment: str | None,
    by: str,
    folder: Path,
    snapshot: Snapshot | None = None,
    stored: Callable[[Snapshot], Path | None] | None = None,
    on_progress: Told | None = None,
) -> Built:
    """Evaluate and seal a period, or take the snapshot given, and write its content to `folder`.

    `folder` then holds `content.json` and `items.csv`, mode 0600 and flushed to disk. `by` asked
    for it; `environment` None: all. `stored` is asked for a folder in which the content of a
    snapshot lies already, which is then taken as it is, but for newer samples; None: built anew.
    Call it outside of a transaction. Raises NothingToReport, UnknownFramework, LensNotTallied,
    SnapshotDiffers, PrunedSince and OSError.
    """
    wanted = _wanted(framework_id, start, end, environment, folder, on_progress)
    if snapshot is not None and (kept := _kept(snapshot, stored)) is not None:
        return _again(ledger, snapshot, kept, folder)
    lines = folder / LINES
    try:
        draft = _of_tallies(ledger, wanted, snapshot, lines)
        if snapshot is None:
            assert draft is not None, "without a snapshot the tallies are read"
            snapshot = seal_snapshot(ledger, draft.result, kind="period", by=by)
            if snapshot.head_seq != draft.result.head_seq:
                if (kept := _kept(snapshot, stored)) is not None:
                    return _again(ledger, snapshot, kept, folder)
                draft = None
        if draft is None:
            draft = _of_entries(ledger, wanted, snapshot.head_seq, lines)
        if draft.result.digest != snapshot.digest:
            raise SnapshotDiffers(
                "the sealed result cannot be made again, since the catalogue in force has changed; "
                "report the period anew, which restates it"
            )
        sealed = Sealed(
            snapshot=str(snapshot.id),
            digest=snapshot.digest,
            restates="" if snapshot.restates is None else str(snapshot.restates),
            issued_at=format_time(snapshot.made_at),
        )
        evidence = LedgerEvidence(ledger, head_seq=snapshot.head_seq)
        return _written(wanted, draft, sealed, evidence, lines, snapshot)
    finally:
        lines.unlink(missing_ok=True)


def build_from_bundle(
    path: Path,
    framework_id: str,
    *,
    start: date,
    end: date,
    environment: str | None,
    folder: Path,
    keys: Sequence[str] = (),
    on_progress: Told | None = None,
) -> Built:
    """Write the content of a period to `folder` from an evidence bundle alone.

    Of the newest sealed result of the period that the bundle tells of, the same bytes as its ledger
    gives; else of all its entries, under no snapshot. `keys` are verifier keys of the ledger.
    Raises NothingToReport, UnknownFramework, BundleRefused, and OSError.
    """
    wanted = _wanted(framework_id, start, end, environment, folder, on_progress)
    lines = folder / LINES
    with path.open("rb") as file:
        wanted.tell("verifying the bundle", 0, 0)
        manifest = check_bundle(file, keys=keys)
        if not manifest.count:
            raise NothingToReport(f"the bundle of {manifest.ledger} holds no entry")
        sealed, head = _sealed_in(path, manifest, wanted)
        memory = from_checked(
            file,
            manifest,
            wanted.catalogue,
            until=head + 1,
            on_progress=lambda done, total: wanted.tell("reading entries", done, total),
        )
    evidence = BundleEvidence(path, manifest, head_seq=head)
    try:
        draft = draft_of(wanted, MemoryRows(memory), evidence, lines)
        if sealed is None:
            sealed = Sealed(
                snapshot="",
                digest=draft.result.digest,
                restates="",
                issued_at=time_text(memory.clock),
            )
        elif draft.result.digest != sealed.digest:
            raise BundleRefused(
                f"its entries do not give the digest that was sealed as {sealed.snapshot}: "
                "the catalogue here is another one than that in force when it was sealed"
            )
        return _written(wanted, draft, sealed, evidence, lines, None)
    finally:
        evidence.close()
        lines.unlink(missing_ok=True)


def with_samples(content: ReportContent, ledger: Ledger) -> ReportContent:
    """Return the content with every sample of its snapshot that the ledger tells of by now."""
    evidence = LedgerEvidence(ledger, head_seq=content.integrity.head_seq)
    return replace(content, samples=samples_of(content.cover.snapshot, evidence))


def _of_tallies(
    ledger: Ledger, wanted: Wanted, snapshot: Snapshot | None, lines: Path
) -> Draft | None:
    """Return the draft of the tallies' moment; None when the snapshot given is of another one."""
    with steady():
        rows = TalliedRows(ledger)
        head = rows.source.span_facts().head_seq
        if snapshot is not None and snapshot.head_seq != head:
            return None
        if head < 0:
            raise NothingToReport(
                f"{ledger.name} has no entries yet; send events first (docs/events.md)"
            )
        return draft_of(wanted, rows, LedgerEvidence(ledger, head_seq=head), lines)


def _of_entries(ledger: Ledger, wanted: Wanted, head: int, lines: Path) -> Draft:
    """Return the draft of the moment at which the ledger ended with an entry."""
    memory = from_ledger(
        ledger,
        wanted.catalogue,
        until=head + 1,
        on_progress=lambda done, total: wanted.tell("reading entries", done, total),
    )
    return draft_of(wanted, MemoryRows(memory), LedgerEvidence(ledger, head_seq=head), lines)


def _wanted(
    framework_id: str,
    start: date,
    end: date,
    environment: str | None,
    folder: Path,
    on_progress: Told | None,
) -> Wanted:
    if start >= end:
        raise NothingToReport(f"the period from {start} to {end} has no day; `to` is the day after")
    catalogue = catalogue_in_force()
    return Wanted(
        catalogue=catalogue,
        framework=framework_of(catalogue, framework_id),
        start=day_of(start),
        end=day_of(end),
        environment=environment or None,
        folder=folder,
        tell=on_progress or _silent,
    )


def _silent(stage: str, done: int, total: int, /) -> None:
    """Tell nobody."""


def _kept(snapshot: Snapshot, stored: Callable[[Snapshot], Path | None] | None) -> Path | None:
    return None if stored is None else stored(snapshot)


def _again(ledger: Ledger, snapshot: Snapshot, kept: Path, folder: Path) -> Built:
    """Take the content that is stored, with the samples of now."""
    content = with_samples(parse_content((kept / CONTENT).read_bytes()), ledger)
    items = folder / ITEMS
    with (kept / ITEMS).open("rb") as read, private(items) as out:
        while some := read.read(1 << 20):
            out.write(some)
    raw = content_bytes(content)
    with private(folder / CONTENT) as out:
        out.write(raw)
    return Built(content=content, raw=raw, items=items, snapshot=snapshot)


def _sealed_in(path: Path, manifest: Manifest, wanted: Wanted) -> tuple[Sealed | None, int]:
    """Return the newest sealed result of the period in a bundle, and the head it was read to."""
    last = manifest.count - 1
    evidence = BundleEvidence(path, manifest, head_seq=last)
    found: tuple[Sealed | None, int] = (None, last)
    asked = {
        "kind": "period",
        "framework": wanted.framework.id,
        "from": day_text(wanted.start),
        "to": day_text(wanted.end),
        "environment": wanted.environment,
    }
    try:
        for record in evidence.records(["audit.snapshot_sealed"]):
            said = record.event.get("details") or {}
            if all(said.get(name) == value for name, value in asked.items()):
                sealed = Sealed(
                    snapshot=text_said(said, "snapshot"),
                    digest=text_said(said, "digest"),
                    restates=text_said(said, "restates"),
                    issued_at=record.occurred_at,
                )
                found = (sealed, int(said["head_seq"]))
    finally:
        evidence.close()
    return found


# --- Into the folder ------------------------------------------------------------------------------


def _written(
    wanted: Wanted,
    draft: Draft,
    sealed: Sealed,
    evidence: Evidence,
    lines: Path,
    snapshot: Snapshot | None,
) -> Built:
    """Name the report after its snapshot and write its two files."""
    wanted.tell("writing the content", 0, 0)
    name = report_id(sealed.snapshot, sealed.digest)
    cover = replace(
        draft.content.cover,
        report_id=name,
        snapshot=sealed.snapshot,
        snapshot_digest=sealed.digest,
        restates=sealed.restates,
        issued_at=sealed.issued_at,
    )
    items = wanted.folder / ITEMS
    with private(items) as out:
        annex = write_annex(lines, out, report_id=name)
    content = replace(
        draft.content,
        cover=cover,
        annexes=(annex,),
        samples=samples_of(sealed.snapshot, evidence),
    )
    raw = content_bytes(content)
    with private(wanted.folder / CONTENT) as out:
        out.write(raw)
    return Built(content=content, raw=raw, items=items, snapshot=snapshot)
