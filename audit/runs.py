"""Run verifications, and keep what they found: a row always, an entry if it matters.

A run by hand and the nightly one leave an entry; the others only when they find something new,
since a run that made an entry each time would feed itself. A run that was asked for waits as a
row: a Celery task takes it, and with Redis down the append loop does. One worker has it at a time,
says at most each second how far it is, and can be stopped; whoever takes it next goes on from
there. Who asks: run_queue.py. What is checked: verify.py. Rows:
audit/sql/0004_verification_queue.sql.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import structlog
from django.db import transaction
from django.db.models import Max
from django.utils import timezone

from audit.database import rows
from audit.errors import RunStopped
from audit.fault import Fault
from audit.held import Holder, SinkNotes
from audit.ledger.note import VerifierKey
from audit.models import Head, Ledger, Verification
from audit.pruned import minimum_index
from audit.receive import receive_own
from audit.run_queue import RESUMED, Kind, unfinished_run
from audit.sinks import Sink
from audit.sinks.configured import sinks_from_settings
from audit.sinks.file import FileSink
from audit.verify import Progress, Report, Result, verify_stepwise

log = structlog.get_logger(__name__)


SAMPLE = 1000
"""Consecutive entries of a random sample."""

GRACE = 2.0
"""Seconds that a run waits for a Celery worker before the append loop takes it."""

_LARGEST = 2**53 - 1  # what an event may hold as a number; a forged seq may be larger
_SAY_EVERY = 1.0  # seconds between two notes of how far a run is
_OUTCOMES: dict[Result, str] = {
    "intact": "success",
    "tampered": "failure",
    "not_proven": "unknown",
}
_START = """
INSERT INTO audit_verification
    (ledger_id, kind, requested_by, from_seq, to_seq, started_at, attempt, attempt_at, seen_at)
SELECT %s, %s, %s, %s, %s, moment, 1, moment, moment
FROM clock_timestamp() AS moment
RETURNING id
"""
# Never one that has a result: what a run found is not looked for again under its number.
_TAKE = """
UPDATE audit_verification AS run
SET state = 'running',
    attempt = run.attempt + 1,
    attempt_at = clock_timestamp(),
    attempt_from = run.checked,
    seen_at = clock_timestamp(),
    finished_at = NULL,
    note = ''
FROM (
    SELECT ledger_id, id
    FROM audit_verification
    WHERE state = 'queued'
      AND result IS NULL
      AND (%(ledger)s::int IS NULL OR ledger_id = %(ledger)s)
      AND started_at <= clock_timestamp() - make_interval(secs => %(waited)s)
    ORDER BY ledger_id, id
    LIMIT 1
    FOR UPDATE SKIP LOCKED
) AS next
WHERE run.ledger_id = next.ledger_id
  AND run.id = next.id
RETURNING run.ledger_id, run.id, run.attempt, run.kind, run.requested_by, run.from_seq, run.to_seq,
    -- Over all of the ledger, when it begins at what was the minimum index when it was asked for.
    (run.from_seq = 0 OR EXISTS (
        SELECT FROM audit_purge WHERE ledger_id = run.ledger_id AND to_seq = run.from_seq
    ))
    AND NOT EXISTS (
        SELECT FROM audit_purge
        WHERE ledger_id = run.ledger_id
          AND to_seq > run.from_seq
          -- Whoever asked has not seen a purge that began while he did.
          AND begun_at < run.started_at - interval '10 minutes'
    ),
    run.next_seq, run.checked, run.broken, run.bad_seq, run.bad_field, run.expected, run.found
"""
# Each of these writes only while the run is still this worker's.
_SAY = """
UPDATE audit_verification
SET seen_at = clock_timestamp(), to_seq = %s, checked = %s, next_seq = %s, broken = %s,
    bad_seq = %s, bad_field = %s, expected = %s, found = %s
WHERE ledger_id = %s
  AND id = %s
  AND attempt = %s
  AND state = 'running'
RETURNING id
"""
_FINISH = """
UPDATE audit_verification
SET state = 'done', finished_at = clock_timestamp(), to_seq = %s, checked = %s, result = %s,
    broken = %s, bad_seq = %s, bad_field = %s, expected = %s, found = %s, note = %s
WHERE ledger_id = %s
  AND id = %s
  AND attempt = %s
  AND state = 'running'
RETURNING id
"""
_FAIL = """
UPDATE audit_verification
SET state = 'failed', finished_at = clock_timestamp(), note = %s
WHERE ledger_id = %s
  AND id = %s
  AND attempt = %s
  AND state = 'running'
RETURNING id
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Run:
    """A run in the hands of one worker."""

    ledger: Ledger
    id: int
    attempt: int
    """Which taking of the run this is; an older one may write nothing."""
    kind: Kind
    requested_by: str
    from_seq: int
    to_seq: int | None
    """None until the head has been looked at."""
    is_whole: bool
    """Whether it goes over all of the ledger, so that `from_seq` was the minimum index."""
    least: int | None = None
    """The minimum index that whoever asked for a part has looked at."""
    after: Progress | None = None
    """How far an earlier attempt came."""

    @property
    def place(self) -> tuple[int, int, int]:
        """Return what names this attempt in the table."""
        return self.ledger.id, self.id, self.attempt


# --- Working --------------------------------------------------------------------------------------


def work_through_queue(ledger: Ledger) -> int:
    """Run what waits for this ledger, one after the other, and return how many runs were taken."""
    taken = 0
    while (run := _take(ledger_id=ledger.id, waited=0.0)) is not None:
        taken += 1
        for _ in work(run, holders=_outside(run.kind)):
            pass
    return taken


def work_a_step(going: Iterator[object] | None) -> Iterator[object] | None:
    """Check one chunk of a run that no Celery worker took; return what goes on, if anything.

    For the append loop, which must not stand still for a whole run.
    """
    if going is None:
        run = _take(ledger_id=None, waited=GRACE)
        if run is None:
            return None
        # A server that hangs would hold up chaining; a file answers.
        going = work(run, holders=_outside(run.kind, asks_servers=False))
    return going if next(going, None) is not None else None


def _outside(kind: Kind, *, asks_servers: bool = True) -> list[Holder]:
    """Return who is asked what they hold of the ledger.

    Only for runs by hand and by night: sealing compares with the same places all day.
    """
    if kind not in RESUMED:
        return []
    sinks: Sequence[Sink] = sinks_from_settings()
    if not asks_servers:
        sinks = [sink for sink in sinks if isinstance(sink, FileSink)]
    return [SinkNotes(sinks=sinks)]


def work(
    run: Run, *, keys: Sequence[VerifierKey] = (), holders: Sequence[Holder] = ()
) -> Iterator[Progress | Report]:
    """Verify; yield how far it is after each chunk and the report at the end, kept and told.

    Ends early, and says so in the log, when the run was cancelled or given to another worker. A
    failure is kept in the row, and raises.
    """
    said_at = float("-inf")
    try:
        steps = verify_stepwise(
            run.ledger,
            from_seq=None if run.is_whole else run.from_seq,
            to_seq=run.to_seq,
            least=run.from_seq if run.is_whole else run.least,
            after=run.after,
            keys=keys,
            holders=holders,
        )
        for step in steps:
            if isinstance(step, Report):
                _finish(run, step)
            elif time.monotonic() - said_at >= _SAY_EVERY:
                _say(run, step)
                said_at = time.monotonic()
            yield step
    except RunStopped as stopped:
        log.info("verification.stopped", ledger=run.ledger.name, run=run.id, why=str(stopped))
    except BaseException as error:
        rows(_FAIL, (_why(error), *run.place))
        raise


def run_verification(
    ledger: Ledger,
    *,
    kind: Kind,
    requested_by: str = "",
    from_seq: int | None = None,
    to_seq: int | None = None,
    least: int | None = None,
    keys: Sequence[VerifierKey] = (),
    holders: Sequence[Holder] | None = None,
    on_progress: Callable[[Progress], None] | None = None,
) -> Report:
    """Verify a range here and now and keep the run. A run that fails is kept as failed, and raises.

    `from_seq` and `least` as in `verify_stepwise`, `keys` and `holders` as in `verify`; None asks
    the sinks of this installation, by hand and by night. Raises RunStopped when somebody cancelled
    it meanwhile.
    """
    start = minimum_index(ledger.id) if from_seq is None else from_seq
    ((run_id,),) = rows(
        _START, (ledger.id, kind, requested_by, start, to_seq if to_seq is not None else -1)
    )
    run = Run(
        ledger=ledger,
        id=run_id,
        attempt=1,
        kind=kind,
        requested_by=requested_by,
        from_seq=start,
        to_seq=to_seq,
        is_whole=from_seq is None,
        least=least,
    )
    steps = work(run, keys=keys, holders=_outside(kind) if holders is None else holders)
    for step in steps:
        if isinstance(step, Report):
            return step
        if on_progress is not None:
            try:
                on_progress(step)
            except BaseException as error:
                rows(_FAIL, (_why(error), *run.place))
                raise
    raise RunStopped(f"run {run_id} was cancelled, or another worker has it")


def _take(*, ledger_id: int | None, waited: float) -> Run | None:
    """Take the oldest run that has waited so many seconds; None when there is none."""
    found = rows(_TAKE, {"ledger": ledger_id, "waited": waited})
    if not found:
        return None
    ledger_id, run_id, attempt, kind, requested_by, from_seq, to_seq, is_whole, *reached = found[0]
    return Run(
        ledger=Ledger.objects.get(id=ledger_id),
        id=run_id,
        attempt=attempt,
        kind=kind,
        requested_by=requested_by,
        from_seq=from_seq,
        to_seq=None if to_seq < 0 else to_seq,
        is_whole=is_whole,
        after=_reached(to_seq - from_seq, *reached),
    )


def _reached(
    total: int,
    next_seq: int | None,
    checked: int,
    broken: int,
    bad_seq: int | None,
    bad_field: str,
    expected: str,
    found: str,
) -> Progress | None:
    if next_seq is None:
        return None
    first = None
    if bad_seq is not None:
        first = Fault(seq=bad_seq, field=bad_field, expected=expected, found=found)
    return Progress(
        checked=checked, total=total, seconds=0.0, next_seq=next_seq, broken=broken, first=first
    )


def _say(run: Run, progress: Progress) -> None:
    to_seq = run.from_seq + progress.total
    written = rows(
        _SAY,
        (
            to_seq,
            progress.checked,
            progress.next_seq,
            progress.broken,
            *_told(progress.first),
            *run.place,
        ),
    )
    if not written:
        raise RunStopped("cancelled, or another worker has it")


def _finish(run: Run, report: Report) -> None:
    """Keep the result and leave its entry, both or neither."""
    with transaction.atomic():
        written = rows(
            _FINISH,
            (
                report.to_seq,
                report.checked,
                report.result,
                report.broken,
                *_told(report.first),
                _fit(report.note),
                *run.place,
            ),
        )
        if not written:
            raise RunStopped("cancelled at the last moment, or another worker has it")
        if run.kind in {"nightly", "manual"} or _is_news(run.ledger, report, run.id):
            _leave_entry(report, run)


def _told(fault: Fault | None) -> tuple[int | None, str, str, str]:
    if fault is None:
        return None, "", "", ""
    return fault.seq, fault.field, _fit(fault.expected), _fit(fault.found)


def _fit(text: str) -> str:
    """Return text that Postgres can hold: at most 500 characters, and no NUL."""
    return text[:500].replace("\0", "\u2400")


def _why(error: BaseException) -> str:
    return _fit(f"{type(error).__name__}: {error}".split("\n")[0])


# --- In the background ----------------------------------------------------------------------------


def verify_new(ledger: Ledger) -> Report | None:
    """Verify what no earlier run of this kind, or of the whole, has reached; None if nothing is.

    Reads no older entry again, and is run every ten seconds. Not each second, as checkpoints are
    made: a row a run would be 86,400 a day. None too while an earlier run is still going.
    """
    going = unfinished_run(ledger, kind="new")
    if going is not None and not going.is_stalled(timezone.now()):
        return None
    ((reached,),) = rows(
        """
        SELECT coalesce(max(to_seq), 0)
        FROM audit_verification
        WHERE ledger_id = %s
          AND state = 'done'
          AND (kind = 'new' OR from_seq = 0)
        """,
        (ledger.id,),
    )
    size = Head.objects.values_list("size", flat=True).get(ledger=ledger)
    if size <= reached:
        return None
    minimum = minimum_index(ledger.id)
    return run_verification(ledger, kind="new", from_seq=max(reached, minimum), least=minimum)


def verify_sample(ledger: Ledger) -> Report | None:
    """Verify a random stretch of what the ledger keeps; None when it is empty.

    With it the tiles above the stretch, and the checkpoint that covers it.
    """
    size = Head.objects.values_list("size", flat=True).get(ledger=ledger)
    minimum = minimum_index(ledger.id)
    if size == minimum:
        return None
    most = max(minimum + 1, size - SAMPLE + 1)
    start = random.randrange(minimum, most)  # noqa: S311  # a sample, no secret
    return run_verification(
        ledger, kind="sample", from_seq=start, to_seq=start + SAMPLE, least=minimum
    )


def _is_news(ledger: Ledger, report: Report, run_id: int) -> bool:
    """Tell whether a run in the background found what no entry says yet.

    A finding is news once, until a later run over its place was intact. An intact stretch is news
    only when nothing was ever verified: it takes back no finding elsewhere. What is not proven is
    news once for each reason.
    """
    earlier = Verification.objects.filter(ledger=ledger, id__lt=run_id)
    if report.result == "not_proven":
        return not earlier.filter(result="not_proven", note=_fit(report.note)).exists()
    intact = earlier.filter(result="intact")
    if report.first is None:
        return report.result == "intact" and not intact.exists()
    seq, field = report.first.seq, report.first.field
    place = max(seq, minimum_index(ledger.id))  # what lies below is gone over with what is kept
    mended = intact.filter(from_seq__lte=place, to_seq__gt=place).aggregate(last=Max("id"))["last"]
    return not earlier.filter(
        result="tampered", bad_seq=seq, bad_field=field, id__gt=mended or 0
    ).exists()


def _leave_entry(report: Report, run: Run) -> None:
    is_broken = report.result == "tampered"
    blocks: dict[str, Any] = {
        "integrity": {
            "from_seq": min(report.from_seq, _LARGEST),
            "to_seq": min(report.to_seq, _LARGEST),
        }
    }
    if is_broken:
        blocks["error"] = {
            "type": "chain_broken",
            "message": "something stored differs from what was chained",
        }
    details: dict[str, object] = {
        "result": report.result,
        "checked": report.checked,
        "run": run.id,
        "kind": run.kind,
    }
    if run.requested_by:
        details["requested_by"] = run.requested_by
    if report.first is not None:
        seq = report.first.seq
        details |= {
            "seq": seq if abs(seq) <= _LARGEST else str(seq),
            "field": report.first.field,
        }
    receive_own(
        run.ledger,
        "audit.chain_broken" if is_broken else "audit.chain_verified",
        # Nothing checked is no success: it must not pass for a proof in anybody's count.
        outcome=_OUTCOMES[report.result],
        severity="critical" if is_broken else "info",
        target={"type": "ledger", "id": run.ledger.name},
        details=details,
        **blocks,
    )
