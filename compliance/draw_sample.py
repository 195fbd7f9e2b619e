"""Ask for samples, and draw those that wait.

A person names a leg of a sealed period and types a number, which is refused before the snapshot's
entry is chained: whoever seals cannot know it, and whoever draws cannot choose the head any more. A
sample waits as a row, so that it is drawn whatever Redis does; one worker has it at a time, says
each second how far it is, and when it is lost another begins again. The drawn items and their entry
`audit.sample_drawn` are kept or lost together. How it is drawn: sample.py. What a person finds:
work_paper.py. Drawing again: redraw_sample.py. Rows: compliance/sql/0004_reports.sql.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

import structlog
from django.db import transaction

from compliance.acting import ActRefused, Person, refusals
from compliance.gather import Entry, Ledger, new_event_id, receive_own, ring, rows
from compliance.in_force import UnknownFramework
from compliance.models import Snapshot
from compliance.models.reports import Sample
from compliance.sample import NO_ENTRY, Drawn, NotANumber, draw, read_number, seed_of
from compliance.sample_lines import ACTION, Paper, TooLarge, drawn_details
from compliance.sample_population import population_of
from compliance.sample_source import FromLedger, NotDrawable, lens_at

log = structlog.get_logger(__name__)

TASK: Final = "compliance.draw_samples"
MOST_ATTEMPTS: Final = 4
"""Workers that a draw may have before it is given up."""
MOST_SAMPLES: Final = 500
"""Samples of one snapshot: an entry each, listed in every report of it."""
_SAY_EVERY: Final = 1.0  # seconds between two signs of a worker

_ASK = """
INSERT INTO compliance_sample
    (ledger_id, uid, snapshot_id, framework, control, check_id, lens_id, number, seed, asked_by)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
RETURNING id
"""
_AGAIN = """
UPDATE compliance_sample
SET state = 'queued'
WHERE ledger_id = %s
  AND id = %s
  AND state = 'failed'
RETURNING id
"""
# What waits, and what lost its worker.
_TAKE = """
UPDATE compliance_sample AS sample
SET state = 'drawing',
    attempt = sample.attempt + 1,
    seen_at = clock_timestamp(),
    done = 0,
    total = 0,
    note = ''
FROM (
    SELECT ledger_id, id, state
    FROM compliance_sample
    WHERE state IN ('queued', 'drawing')
      AND (%(ledger)s::int IS NULL OR ledger_id = %(ledger)s)
      AND (state = 'queued' OR seen_at < clock_timestamp() - make_interval(secs => %(gone)s))
    ORDER BY ledger_id, id
    LIMIT 1
    FOR UPDATE SKIP LOCKED
) AS next
WHERE sample.ledger_id = next.ledger_id
  AND sample.id = next.id
RETURNING sample.ledger_id, sample.id, sample.attempt, next.state
"""
# Each of these writes only while the draw is still this worker's.
_SAY = """
UPDATE compliance_sample
SET seen_at = clock_timestamp(), done = %s, total = %s
WHERE ledger_id = %s
  AND id = %s
  AND attempt = %s
  AND state = 'drawing'
RETURNING id
"""
_HOLD = """
SELECT id
FROM compliance_sample
WHERE ledger_id = %s
  AND id = %s
  AND attempt = %s
  AND state = 'drawing'
FOR UPDATE
"""
_ITEM = """
INSERT INTO compliance_sampleitem
    (ledger_id, sample_id, position, seq, item, stratum, entry_id, entry_hash, occurred_at)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)
RETURNING position
"""
_FINISH = """
UPDATE compliance_sample
SET state = 'open', drawn_at = clock_timestamp(), population = %s, rule = %s, event_id = %s,
    done = total
WHERE ledger_id = %s
  AND id = %s
  AND attempt = %s
  AND state = 'drawing'
RETURNING id
"""
_FAIL = """
UPDATE compliance_sample
SET state = 'failed', note = %s
WHERE ledger_id = %s
  AND id = %s
  AND attempt = %s
  AND state = 'drawing'
RETURNING id
"""


class _Overtaken(Exception):
    """Another worker has the draw by now."""


# --- Asking ---------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, slots=True)
class Leg:
    """A leg of a sealed result of which a sample can be drawn."""

    control: str
    check: str
    lens: str
    state: str
    n: int
    f: int


def legs_of_snapshot(snapshot: Snapshot) -> list[Leg]:
    """Return the legs of a sealed result that rest on a check, in its order."""
    return [
        Leg(
            control=control["id"],
            check=leg["id"],
            lens=leg["lens"],
            state=leg["state"],
            n=leg["n"],
            f=leg["f"],
        )
        for control in snapshot.as_json()["controls"]
        for leg in control["legs"]
        if leg["lens"]
    ]


def ask_sample(snapshot: Snapshot, *, control: str, check: str, number: str, by: Person) -> Sample:
    """Ask for a sample of a leg; it is durable when this returns, and drawn soon after.

    `number` is what the auditor types now, 1 to 40 digits. Raises ActRefused: the snapshot's entry
    is not chained yet, no such leg, no such number, a number that was drawn with already.
    """
    if snapshot.kind != "period":
        raise ActRefused(
            field="snapshot",
            message="this is a daily posture; a sample is drawn of a sealed period",
        )
    if not is_chained(snapshot):
        raise ActRefused(
            field="number",
            message="the entry that seals this result is not chained yet, so the number is not "
            "taken: it must come after. Try again in a moment",
        )
    leg = _leg(snapshot, control=control, check=check)
    try:
        read = read_number(number)
    except NotANumber as error:
        raise ActRefused(field="number", message=str(error)) from error
    seed = seed_of(head_hash=snapshot.head_hash, number=read, control=control, check=check)
    _check_room(snapshot, leg, read)
    with refusals():
        ((made,),) = rows(
            _ASK,
            (
                snapshot.ledger_id,
                new_event_id(),
                snapshot.id,
                snapshot.framework,
                leg.control,
                leg.check,
                leg.lens,
                read,
                seed.hex(),
                by.name,
            ),
        )
    _ring(snapshot.ledger_id)
    return Sample.objects.select_related("ledger").get(ledger_id=snapshot.ledger_id, id=made)


def ask_again(sample: Sample) -> None:
    """Put a draw that failed back into the queue, with its number. Raises ActRefused."""
    if not rows(_AGAIN, (sample.ledger_id, sample.id)):
        raise ActRefused(field="act", message="it has not failed, or is tried again already")
    _ring(sample.ledger_id)


def is_chained(snapshot: Snapshot) -> bool:
    """Tell whether the entry that seals a result stands in the ledger."""
    return Entry.objects.filter(ledger_id=snapshot.ledger_id, event_id=snapshot.event_id).exists()


def _leg(snapshot: Snapshot, *, control: str, check: str) -> Leg:
    for leg in legs_of_snapshot(snapshot):
        if (leg.control, leg.check) == (control, check):
            return leg
    raise ActRefused(
        field="leg",
        message="choose a control and a check of this result; statements are read whole",
    )


def _check_room(snapshot: Snapshot, leg: Leg, number: str) -> None:
    drawn = Sample.objects.filter(ledger_id=snapshot.ledger_id, snapshot=snapshot)
    same = drawn.filter(control=leg.control, check_id=leg.check, number=number).first()
    if same is not None:
        raise ActRefused(
            field="number", message=f"sample {same.id} is drawn with this number; it is the same"
        )
    if drawn.count() >= MOST_SAMPLES:
        raise ActRefused(
            field="snapshot", message=f"{MOST_SAMPLES:,} samples of this result are drawn already"
        )


def _ring(ledger_id: int) -> None:
    transaction.on_commit(lambda: ring(ledger_id, task=TASK))


# --- Drawing --------------------------------------------------------------------------------------


def draw_samples(ledger_id: int | None = None) -> int:
    """Draw what waits, of one ledger or of all, one after the other; return how many were taken."""
    taken = 0
    while found := rows(_TAKE, {"ledger": ledger_id, "gone": Sample.LOST_AFTER}):
        taken += 1
        ((of_ledger, number, attempt, was),) = found
        sample = Sample.objects.select_related("ledger").get(ledger_id=of_ledger, id=number)
        _work_on(sample, attempt, was_lost=was == "drawing")
    return taken


def _work_on(sample: Sample, attempt: int, *, was_lost: bool) -> None:
    place = (sample.ledger_id, sample.id, attempt)
    if was_lost and attempt > MOST_ATTEMPTS:
        _fail(place, "its worker was lost again and again: see the log for why, then try it again")
        return
    try:
        drawn = _drawn(sample, _Sign(place))
        _keep(sample, drawn, place)
    except _Overtaken:
        log.info("sample.overtaken", sample=sample.id, attempt=attempt)
    except (NotDrawable, TooLarge, UnknownFramework) as error:
        _fail(place, str(error.args[0]))


def _drawn(sample: Sample, sign: _Sign) -> Drawn:
    """Draw, in as many short reads as it takes: entries up to a head never change."""
    source = FromLedger(sample.ledger)
    sealed = source.sealed(str(sample.snapshot_id))
    lens = lens_at(source, sealed, control=sample.control, check=sample.check_id)
    if lens.id != sample.lens_id:
        raise NotDrawable(
            f"{sample.check_id} is not what it was when this result was sealed: the catalogue has "
            "changed; seal the period again and draw of that result"
        )
    population = population_of(lens, sealed.within)
    entries = source.entries(lens, sealed, sign.say)
    return draw(bytes.fromhex(sample.seed), population, entries)


class _Sign:
    """What a worker says of how far it is."""

    def __init__(self, place: tuple[int, int, int]) -> None:
        self._place = place
        self._said_at = float("-inf")

    def say(self, done: int, total: int) -> None:
        """Note how far the draw is, at most each second. Raises _Overtaken."""
        if done < total and time.monotonic() - self._said_at < _SAY_EVERY:
            return
        if not rows(_SAY, (done, total, *self._place)):
            raise _Overtaken
        self._said_at = time.monotonic()


def _keep(sample: Sample, drawn: Drawn, place: tuple[int, int, int]) -> None:
    """Keep what was drawn, with its entry. Raises _Overtaken, TooLarge."""
    details = drawn_details(paper_of(sample), drawn)
    with transaction.atomic():
        if not rows(_HOLD, place):
            raise _Overtaken
        for position, one in enumerate(drawn.items, 1):
            rows(
                _ITEM,
                (
                    sample.ledger_id,
                    sample.id,
                    position,
                    one.seq,
                    one.item,
                    one.stratum,
                    None if one.seq == NO_ENTRY else one.entry_id,
                    one.entry_hash,
                    None if one.seq == NO_ENTRY else one.occurred_at,
                ),
            )
        event_id = leave_entry(sample.ledger, paper_of(sample), details, by=sample.asked_by)
        rows(_FINISH, (drawn.population, drawn.rule, event_id, *place))


def paper_of(sample: Sample) -> Paper:
    """Return what a sample is of, as its entries say it."""
    return Paper(
        sample=str(sample.uid),
        snapshot=str(sample.snapshot_id),
        framework=sample.framework,
        control=sample.control,
        check=sample.check_id,
        lens=sample.lens_id,
        number=sample.number,
        seed=sample.seed,
    )


def leave_entry(ledger: Ledger, paper: Paper, details: dict[str, Any], *, by: str) -> UUID:
    """Leave `audit.sample_drawn`, in the caller's transaction; return the event's id."""
    receipt = receive_own(
        ledger,
        ACTION,
        by=by,
        target={"type": "control", "id": f"{paper.framework}:{paper.control}"},
        details=details,
    )
    assert receipt.id is not None, "a received event has an id"
    return UUID(receipt.id)


def _fail(place: tuple[int, int, int], why: str) -> None:
    log.error("sample.failed", sample=place[1], error=why)
    rows(_FAIL, (why[:500], *place))
