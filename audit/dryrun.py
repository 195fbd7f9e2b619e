"""Look how far a ledger may be pruned, and what stops it. Changes nothing but `verified_at`.

Entries go from the front, in blocks of 256. They stay from the first one on that is younger than
its policy or on hold (`audit_kept`, in Postgres), that no bundle holds which a worker has verified,
that no verification found intact, that no checkpoint covers, or that a projection has not read.
What bundles hold is verified here, by the same code as `python -m audit.ledger verify`.
Deciding: retain.py. Doing: prune.py.
"""

from __future__ import annotations

import threading
from collections.abc import Generator, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

import structlog

from audit.database import rows
from audit.exportfile import path_of
from audit.ledger.note import VerifierKey, openssl_verify, parse_verifier_key
from audit.ledger.offline import Trust, Verdict, verify_bundle
from audit.models import CheckpointNote, Entry, Export, Head, Hold, Ledger, SigningKey
from audit.project import cursor_of, projections
from audit.retain import Blocker, PlanReport, Policies, policies

log = structlog.get_logger(__name__)

BLOCK: Final = 256
"""Entries of a tile: a minimum index is a multiple of it."""

PART: Final = 80 * BLOCK
"""Seqs that one statement looks at."""

_WAIT = 0.05  # seconds between two looks at a bundle that is being verified

_KEPT = "SELECT seq, why, what FROM audit_kept(%s, %s, %s) ORDER BY seq, why, what"
_COUNT = """
SELECT category, data_classes, count(*), min(received_at), max(received_at)
FROM audit_entry
WHERE ledger_id = %s
  AND seq >= %s
  AND seq < %s
GROUP BY category, data_classes
"""
_STANDING = """
SELECT result, intact_to, finding_id, doubt_id
FROM audit_standing
WHERE ledger_id = %s
"""
_VERIFIED = """
UPDATE audit_export
SET verified_at = clock_timestamp()
WHERE ledger_id = %s
  AND id = %s
  AND verified_at IS NULL
RETURNING id
"""


# --- By age and hold ------------------------------------------------------------------------------


def kept(ledger: Ledger, start: int, end: int) -> list[Blocker]:
    """Return why entries of [start, end) must stay, the nearest first; empty when all may go."""
    return [
        _told(ledger, seq, why, what)
        for seq, why, what in rows(_KEPT, (ledger.id, start, end))
        if seq is not None
    ]


def _told(ledger: Ledger, seq: int, why: str, what: str) -> Blocker:
    if why == "held":
        hold = Hold.objects.get(ledger=ledger, id=int(what))
        of = f"the {hold.kind}" if hold.kind == "ledger" else f"the {hold.kind} {hold.value}"
        return Blocker(
            seq=seq,
            why=why,
            what=what,
            sentence=f"#{seq:,} is under hold {hold.id} on {of} for {hold.matter}, applied by "
            f"{hold.applied_by}. It goes when the hold is released.",
        )
    entry = Entry.objects.filter(ledger=ledger, seq=seq).only(
        "received_at", "category", "data_classes"
    )[0]
    days, kind, name = _longest(policies(ledger), entry.category, entry.data_classes or [])
    until = entry.received_at + timedelta(days=days)
    because = {"ledger": "", "category": f" for {name}", "data_class": f" for {name} data"}[kind]
    return Blocker(
        seq=seq,
        why=why,
        what=f"{kind}:{name}" if name else kind,
        sentence=f"#{seq:,} was received on {entry.received_at:%Y-%m-%d} and is kept {days:,} "
        f"days{because}, until {until:%Y-%m-%d}. Wait, or change the policy.",
    )


def _longest(kept_by: Policies, category: str, data_classes: Iterable[str]) -> tuple[int, str, str]:
    """Return days, kind and name of the policy that keeps such an entry longest."""
    kinds = [
        ("ledger", ""),
        ("category", category),
        *(("data_class", name) for name in data_classes),
    ]
    kind, name = max(kinds, key=lambda each: kept_by.days_of(*each))
    return kept_by.days_of(kind, name), kind, name


# --- By anything else -----------------------------------------------------------------------------


def limits(ledger: Ledger, start: int, *, tried: Mapping[int, str] | None = None) -> list[Blocker]:
    """Return where each thing but age and holds ends what may go from `start` on.

    `tried` says why bundles that were looked at are no proof.
    """
    return [
        _exported(ledger, start, tried or {}),
        _verified(ledger, start),
        _sealed(ledger),
        *_counted(ledger),
    ]


def _exported(ledger: Ledger, start: int, tried: Mapping[int, str]) -> Blocker:
    seq = exported_to(ledger, start)
    said = f"From #{seq:,} on nothing is in a bundle that was verified here."
    for each in _dense_bundles(ledger):
        if each.verified_at is None and _covers(each, seq):
            why = tried.get(each.id, "it was not looked at yet")
            said += f" Bundle {each.id} does not count: {why}."
    return Blocker(
        seq=seq,
        why="not_exported",
        what="",
        sentence=f"{said} Make a bundle of all entries (Bundles, or manage.py exportledger "
        f"--ledger {ledger.name} --out FILE), then propose again.",
    )


def _verified(ledger: Ledger, start: int) -> Blocker:
    ((result, intact_to, finding, doubt),) = rows(_STANDING, (ledger.id,))
    if result == "tampered":
        return Blocker(
            seq=start,
            why="tampered",
            what=str(finding),
            sentence=f"Verification {finding} found something changed; nothing goes before that "
            "is cleared up.",
        )
    seq = start if doubt is not None else max(int(intact_to), start)
    return Blocker(
        seq=seq,
        why="not_verified",
        what="" if doubt is None else str(doubt),
        sentence=f"From #{seq:,} on no verification says intact. Run one (Verifications, or "
        f"manage.py verifychain --ledger {ledger.name}), then propose again.",
    )


def _sealed(ledger: Ledger) -> Blocker:
    sizes = CheckpointNote.objects.filter(ledger=ledger).order_by("-size")
    seq = sizes.values_list("size", flat=True).first() or 0
    return Blocker(
        seq=seq,
        why="not_sealed",
        what="",
        sentence=f"From #{seq:,} on no checkpoint covers the entries; keep manage.py seal "
        "--follow running.",
    )


def _counted(ledger: Ledger) -> Iterator[Blocker]:
    for name, projection in projections().items():
        seq = cursor_of(ledger.id, projection)
        yield Blocker(
            seq=seq,
            why="not_counted",
            what=name,
            sentence=f"{name} has read the entries only up to #{seq:,}; it goes on while a worker "
            "or manage.py append_pending --follow runs.",
        )


# --- Bundles --------------------------------------------------------------------------------------


def exported_to(ledger: Ledger, start: int) -> int:
    """Return up to which seq verified bundles hold every entry from `start` on, without a gap."""
    verified = [each for each in _dense_bundles(ledger) if each.verified_at is not None]
    reach = start
    while further := [_end(each) for each in verified if _covers(each, reach)]:
        reach = max(further)
    return reach


def _dense_bundles(ledger: Ledger) -> list[Export]:
    """Return the bundles of all entries of a stretch, finished, the longest reach first."""
    made = Export.objects.select_related("ledger").filter(
        ledger=ledger,
        format="bundle",
        state__in=("done", "expired"),
        first_seq__isnull=False,
        last_seq__isnull=False,
    )
    return [
        each
        for each in made.order_by("-last_seq", "id")
        if each.parsed_query().keys() == {"ledger"}
        and each.entries == _end(each) - (each.first_seq or 0)
    ]


def _end(export: Export) -> int:
    assert export.last_seq is not None, "an export with entries has a last one"
    return export.last_seq + 1


def _covers(export: Export, seq: int) -> bool:
    assert export.first_seq is not None, "an export with entries has a first one"
    return export.first_seq <= seq < _end(export)


def verify_bundles(ledger: Ledger, start: int) -> Generator[None, None, dict[int, str]]:
    """Verify the bundles that could let entries from `start` on go; say why others are no proof.

    Yields while it goes on. Needs the files, so call it where exports are made.
    """
    tried: dict[int, str] = {}
    while True:
        reach = exported_to(ledger, start)
        wanted = [
            each
            for each in _dense_bundles(ledger)
            if each.verified_at is None and each.id not in tried and _covers(each, reach)
        ]
        if not wanted:
            return tried
        export = wanted[0]
        why_not = yield from _why_no_proof(export)
        if why_not:
            log.warning("bundle.no_proof", export=export.id, why=why_not)
            tried[export.id] = why_not
        else:
            rows(_VERIFIED, (ledger.id, export.id))
            log.info("bundle.verified", export=export.id)


def _why_no_proof(export: Export) -> Generator[None, None, str]:
    path = path_of(export)
    if export.state != "done" or not path.exists():
        return "its file is gone and was never verified"
    known = SigningKey.objects.filter(ledger_id=export.ledger_id).values_list("vkey", flat=True)
    verdict = yield from _verdict(path, [parse_verifier_key(each) for each in known])
    if verdict.finding is not None:
        return f"its file was changed ({verdict.finding})"
    if verdict.result != "intact":
        return "; ".join(verdict.reasons)
    manifest = verdict.manifest
    assert manifest is not None, "what is intact has a manifest"
    holds = (manifest.origin, manifest.ledger, manifest.first, manifest.last)
    if holds != (export.ledger.origin, export.ledger.name, export.first_seq, export.last_seq):
        return "its file is another export's"
    return "" if manifest.is_dense() else "entries are missing in it"


def _verdict(path: Path, keys: list[VerifierKey]) -> Generator[None, None, Verdict]:
    """Verify a file in a thread, so that whoever also chains is not held up; yield meanwhile."""
    stopped = threading.Event()

    def going_on(done: int, total: int) -> None:
        if stopped.is_set():
            raise InterruptedError(f"stopped after {done:,} of {total:,} bytes")

    def verify() -> Verdict:
        with path.open("rb") as file:
            trust = Trust(keys=tuple(keys))
            return verify_bundle(file, trust=trust, progress=going_on, verify=openssl_verify)

    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="verify-bundle") as pool:
        verdict = pool.submit(verify)
        try:
            while not wait([verdict], timeout=_WAIT).done:
                yield
        finally:
            stopped.set()
        return verdict.result()


# --- The report -----------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, slots=True)
class Look:
    """How far the look at a ledger is."""

    next_seq: int
    report: PlanReport
    is_over: bool = False


def look(ledger: Ledger, start: int, after: Look | None = None) -> Iterator[Look | None]:
    """Look through a ledger from its minimum index on; the last that is yielded is over.

    Yields what to keep after each part, and None while a bundle is verified; `after` is what was
    kept last. Short statements, flat memory.
    """
    tried = yield from verify_bundles(ledger, start)
    ends = sorted(limits(ledger, start, tried=tried), key=lambda each: each.seq)
    limit = max(_floor(ends[0].seq), start)
    begun = PlanReport(days=policies(ledger).days, from_seq=start, limit=limit)
    at = Look(next_seq=start, report=begun)
    if after is not None and (after.report.from_seq, after.report.limit) == (start, limit):
        at = after
    size = Head.objects.values_list("size", flat=True).get(ledger=ledger)
    while not at.is_over:
        at = _next_part(ledger, at, limit=limit, size=size, ends=ends)
        yield at


def _next_part(ledger: Ledger, at: Look, *, limit: int, size: int, ends: list[Blocker]) -> Look:
    """Look at the next part; beyond `limit` only at what age and holds say, to be able to tell."""
    start, end = at.next_seq, min(at.next_seq + PART, size)
    stops = kept(ledger, start, end) if start < end else []
    found = stops[0].seq if stops else end
    counted_to = min(limit, _floor(found) if stops else end)
    report = at.report
    if start < counted_to:
        report, missing = _count(ledger, report, start, counted_to)
        if missing is not None:
            stops, found = [missing, *stops], missing.seq
    if not stops and end < size:
        return Look(next_seq=end, report=report)
    to_seq = max(min(limit, _floor(found)), report.from_seq)
    # What ends it further on than age or a hold does is of no use to anybody today.
    also = [each for each in ends if each.seq < size and each.seq <= found]
    blockers = tuple(sorted([*stops, *also], key=lambda each: each.seq))
    report = replace(report, to_seq=to_seq if to_seq > report.from_seq else None, blockers=blockers)
    return Look(next_seq=to_seq, report=report, is_over=True)


def _floor(seq: int) -> int:
    return seq - seq % BLOCK


def _count(
    ledger: Ledger, report: PlanReport, start: int, end: int
) -> tuple[PlanReport, Blocker | None]:
    """Add the entries of [start, end) to a report, unless some of them are missing."""
    by_category, by_data_class = dict(report.by_category), dict(report.by_data_class)
    times = [datetime.fromisoformat(each) for each in (report.oldest, report.newest) if each]
    entries = 0
    for category, data_classes, count, oldest, newest in rows(_COUNT, (ledger.id, start, end)):
        entries += count
        by_category[category] = by_category.get(category, 0) + count
        for name in set(data_classes or ()):
            by_data_class[name] = by_data_class.get(name, 0) + count
        times += [oldest, newest]
    if entries != end - start:
        return report, Blocker(
            seq=start,
            why="missing",
            what="",
            sentence=f"From #{start:,} to #{end - 1:,} there are {entries:,} entries and not "
            f"{end - start:,}. Run manage.py verifychain --ledger {ledger.name}.",
        )
    return replace(
        report,
        entries=report.entries + entries,
        by_category=_sorted(by_category),
        by_data_class=_sorted(by_data_class),
        oldest=min(times).isoformat(),
        newest=max(times).isoformat(),
    ), None


def _sorted(counts: Mapping[str, int]) -> dict[str, Any]:
    return dict(sorted(counts.items()))
