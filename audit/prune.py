"""Work on purges: look what may go, and once two people have approved, let it go.

A Celery task does it, and with Redis down the append loop does. One worker has a ledger's purge at
a time, by a lock of its session, and whoever comes after a crash goes on where it stood:

    asked      look through the ledger part by part (dryrun.py)   → proposed, nothing
    approved   look again at what ends it, freeze the carry of each projection (project.py), then in
               one transaction keep the carries, leave `audit.purged` and prune the first entries;
               from then on readers find nothing below the minimum index       → pruning, refused
    pruning    let projections forget, prune the rest batch by batch, drop whole months     → done

The entries go through the one function that may: audit/sql/0012_retention.sql. Deciding: retain.py.
What lies in quarantine: blank.py.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from datetime import date, datetime
from typing import Final

import psycopg
import structlog
from django.db import DatabaseError, transaction
from django.utils import timezone
from psycopg import errors as pg
from psycopg.types.json import Jsonb

from audit.carry import Frozen, keep_carry
from audit.database import raw_connection, rows
from audit.dryrun import PART, Look, kept, limits, look
from audit.errors import AuditError, PurgeBlocked, PurgeStopped
from audit.ledger.merkle import HASH_SIZE
from audit.ledger.tiles import TILE_WIDTH, Tile
from audit.models import Ledger, PurgeApproval, PurgePlan
from audit.project import forget, freeze, projections
from audit.pruned import minimum_index
from audit.receive import receive_own
from audit.retain import REFUSED, PlanReport, approval_id, policies, refusal_of
from audit.tree import LedgerTiles

log = structlog.get_logger(__name__)

GRACE: Final = 2.0
"""Seconds that a purge waits for a Celery worker before the append loop takes it."""

MOST: Final = 5_000
"""Entries that one transaction prunes."""

_LOCK_SECONDS = 2  # how long a month may hold up readers and writers while it waits to be dropped

_WAITING = """
SELECT ledger_id, id
FROM audit_purgeplan AS plan
WHERE state IN ('asked', 'approved', 'pruning')
  AND (%(ledger)s::int IS NULL OR ledger_id = %(ledger)s)
  AND clock_timestamp() - make_interval(secs => %(waited)s) >= greatest(proposed_at, (
      SELECT max(approved_at)
      FROM audit_purgeapproval
      WHERE ledger_id = plan.ledger_id AND plan_id = plan.id
  ))
ORDER BY ledger_id, id
"""
# Held by the session while it works on a ledger's purge; a crash lets go of it.
_TRY_LOCK = "SELECT pg_try_advisory_lock(hashtext('audit.prune'), %s)"
_UNLOCK = "SELECT pg_advisory_unlock(hashtext('audit.prune'), %s)"
_LOCK_APPROVED = """
SELECT id
FROM audit_purgeplan
WHERE ledger_id = %s
  AND id = %s
  AND state = 'approved'
FOR UPDATE
"""
# Each of these writes only while the plan is still in the state it was taken in.
_SAY = """
UPDATE audit_purgeplan
SET from_seq = %s, next_seq = %s, report = %s
WHERE ledger_id = %s
  AND id = %s
  AND state = 'asked'
RETURNING id
"""
_PLANNED = """
UPDATE audit_purgeplan
SET from_seq = %s, to_seq = %s, next_seq = %s, report = %s, planned_at = clock_timestamp(),
    state = CASE WHEN %s::bigint IS NULL THEN 'nothing' ELSE 'proposed' END,
    finished_at = CASE WHEN %s::bigint IS NULL THEN clock_timestamp() END,
    note = %s
WHERE ledger_id = %s
  AND id = %s
  AND state = 'asked'
RETURNING id
"""
_REFUSE = """
UPDATE audit_purgeplan
SET state = 'refused', note = %s, finished_at = clock_timestamp()
WHERE ledger_id = %s
  AND id = %s
  AND state IN ('asked', 'approved', 'pruning')
RETURNING id
"""
_PRUNE = "SELECT audit_prune(%s, %s, %s)"
_MONTHS = """
SELECT right(c.relname, 6)
FROM pg_inherits AS i
JOIN pg_class AS c ON c.oid = i.inhrelid
WHERE i.inhparent = 'public.audit_entry'::regclass
  AND c.relname ~ '^audit_entry_[0-9]{6}$'
ORDER BY c.relname
"""


# --- Taking ---------------------------------------------------------------------------------------


def work_through_plans(ledger_id: int | None = None) -> bool:
    """Do all that purges wait for, of one ledger or of all; True when there was anything to do.

    A purge that another worker has is left to it.
    """
    return sum(1 for _ in _steps(ledger_id, waited=0.0)) > 0


def work_on_a_plan(going: Iterator[object] | None) -> Iterator[object] | None:
    """Do one step for purges that no Celery worker took; return what goes on, if anything.

    For the append loop, which must not stand still for a whole purge.
    """
    if going is None:
        going = _steps(None, waited=GRACE)
    return going if next(going, None) is not None else None


def is_any_waiting(ledger: Ledger) -> bool:
    """Tell whether a purge waits for a worker: the bell may have been lost."""
    return bool(rows(_WAITING, {"ledger": ledger.id, "waited": GRACE}))


def _steps(ledger_id: int | None, *, waited: float) -> Iterator[int]:
    """Yield the number of a plan after each step of work on it."""
    for each, plan_id in rows(_WAITING, {"ledger": ledger_id, "waited": waited}):
        with _taken(each) as is_ours:
            if not is_ours:
                continue
            yield plan_id
            for _ in _work(each, plan_id):
                yield plan_id


@contextmanager
def _taken(ledger_id: int) -> Iterator[bool]:
    connection = raw_connection()
    ((is_ours,),) = rows(_TRY_LOCK, (ledger_id,))
    try:
        yield is_ours
    finally:
        # A session that is gone has let go of its locks.
        if is_ours and not connection.closed:
            connection.execute(_UNLOCK, (ledger_id,))


def _work(ledger_id: int, plan_id: int) -> Iterator[None]:
    """Do what a plan waits for; what cannot be done is a refusal, with its reason in the note."""
    plan = PurgePlan.objects.select_related("ledger").get(ledger_id=ledger_id, id=plan_id)
    try:
        if plan.state == "asked":
            yield from _look(plan)
        if plan.state == "approved":
            yield from _begin(plan)
        if plan.state in {"approved", "pruning"}:
            yield from _finish(plan)
    except PurgeStopped as stopped:
        log.info("purge.stopped", purge=plan_id, why=str(stopped))
    except psycopg.Error as error:
        if error.sqlstate not in REFUSED:
            raise
        _refuse(plan, refusal_of(error))
    except DatabaseError:
        raise
    except (AuditError, OSError) as error:
        _refuse(plan, str(error))
    except Exception as error:
        _refuse(plan, f"{type(error).__name__}: {error}")
        raise


def _refuse(plan: PurgePlan, why: str) -> None:
    """End a plan that cannot be done, and leave an entry where people had approved it."""
    log.warning("purge.refused", ledger=plan.ledger.name, purge=plan.id, why=why)
    note = why.split("\n")[0][:500].replace("\0", "\u2400")
    with transaction.atomic():
        refused = rows(_REFUSE, (note, plan.ledger_id, plan.id))
        if refused and plan.state != "asked":
            receive_own(
                plan.ledger,
                "approval.denied",
                outcome="denied",
                reason=note,
                target={"type": "ledger", "id": plan.ledger.name},
                details={"act": "purge", "plan": plan.id},
                decision={"approval_id": approval_id(plan.ledger, plan.id)},
            )


# --- Looking --------------------------------------------------------------------------------------


def _look(plan: PurgePlan) -> Iterator[None]:
    """Look how far the ledger may be pruned; keep each part, so that nothing is looked at twice."""
    ledger, start = plan.ledger, minimum_index(plan.ledger_id)
    report = PlanReport.of(plan)
    after = None if report is None else Look(next_seq=plan.next_seq, report=report)
    for step in look(ledger, start, after):
        if step is not None:
            _keep(plan, step)
        yield


def _keep(plan: PurgePlan, step: Look) -> None:
    report, to_seq = step.report, step.report.to_seq
    text, place = Jsonb(report.as_json()), (plan.ledger_id, plan.id)
    if not step.is_over:
        kept_it = rows(_SAY, (report.from_seq, step.next_seq, text, *place))
    else:
        end = (report.from_seq, to_seq, step.next_seq, text, to_seq, to_seq, _note(report))
        kept_it = rows(_PLANNED, (*end, *place))
    if not kept_it:
        raise PurgeStopped("withdrawn while it was looked at")
    if step.is_over:
        log.info("purge.planned", ledger=plan.ledger.name, purge=plan.id, to_seq=to_seq)


def _note(report: PlanReport) -> str:
    if report.to_seq is not None:
        return ""
    if report.blockers:
        return report.blockers[0].sentence
    return f"Entries go in blocks of {TILE_WIDTH}, and there is no whole one."


# --- Beginning ------------------------------------------------------------------------------------


def _begin(plan: PurgePlan) -> Iterator[None]:
    """Freeze what projections have counted, and let the first entries go; all of it or nothing."""
    yield from _check_again(plan)
    carries = []
    for projection in projections().values():
        carries.append((yield from _frozen(plan, projection.name)))
    with transaction.atomic():
        if not rows(_LOCK_APPROVED, (plan.ledger_id, plan.id)):
            raise PurgeStopped("withdrawn before it began")
        for each in carries:
            keep_carry(plan.ledger_id, each)
        _leave_entry(plan, carries)
        rows(_PRUNE, (plan.ledger_id, plan.id, MOST))
    log.info("purge.begun", ledger=plan.ledger.name, purge=plan.id, to_seq=plan.to_seq)
    yield


def _check_again(plan: PurgePlan) -> Iterator[None]:
    """Raise PurgeBlocked when something ends it earlier by now than when people approved it."""
    start, to_seq = _range(plan)
    for each in limits(plan.ledger, start):
        if each.seq < to_seq:
            raise PurgeBlocked(each.sentence)
    for at in range(start, to_seq, PART):
        for each in kept(plan.ledger, at, min(at + PART, to_seq)):
            raise PurgeBlocked(each.sentence)
        yield


def _frozen(plan: PurgePlan, name: str) -> Generator[None, None, Frozen]:
    """Freeze one projection and yield now and then."""
    _, to_seq = _range(plan)
    going = freeze(plan.ledger, projections()[name], to_seq=to_seq)
    while True:
        try:
            next(going)
        except StopIteration as ended:
            frozen: Frozen = ended.value
            return frozen
        yield


def _range(plan: PurgePlan) -> tuple[int, int]:
    assert plan.to_seq is not None, "what was approved has a range"
    return plan.from_seq, plan.to_seq


def _leave_entry(plan: PurgePlan, carries: list[Frozen]) -> None:
    """Leave `audit.purged`, without which verification takes a purge for tampering."""
    report = PlanReport.of(plan)
    assert report is not None, "what was approved has a report"
    assert report.newest is not None, "what was approved has entries"
    start, to_seq = _range(plan)
    approvals = PurgeApproval.objects.filter(ledger_id=plan.ledger_id, plan_id=plan.id)
    age = timezone.now() - datetime.fromisoformat(report.newest)
    receive_own(
        plan.ledger,
        "audit.purged",
        reason=plan.reason,
        target={"type": "ledger", "id": plan.ledger.name},
        decision={"approval_id": approval_id(plan.ledger, plan.id)},
        integrity={
            "from_seq": start,
            "to_seq": to_seq - 1,
            "oldest_seq": to_seq,
            "head_hash": _last_hash(plan.ledger_id, to_seq),
            "retention_days": policies(plan.ledger).days,
            "purged_min_age_days": age.days,
        },
        details={
            "plan": plan.id,
            "proposed_by": plan.proposed_by,
            "approvers": list(approvals.order_by("approved_at").values_list("username", flat=True)),
            "entries": report.entries,
            "by_category": report.by_category,
            "by_data_class": report.by_data_class,
            "oldest": report.oldest,
            "newest": report.newest,
            "carry": {each.projection: each.digest().hex() for each in carries},
        },
    )


def _last_hash(ledger_id: int, to_seq: int) -> str:
    """Return the hash of the last entry that goes, from its tile, in hex."""
    tile = Tile(level=0, index=to_seq // TILE_WIDTH - 1, width=TILE_WIDTH)
    (hashes,) = LedgerTiles(ledger_id=ledger_id).read_tiles([tile])
    return hashes[-HASH_SIZE:].hex()


# --- Finishing ------------------------------------------------------------------------------------


def _finish(plan: PurgePlan) -> Iterator[None]:
    """Prune the rest of what has begun, batch by batch, then drop the months that are empty now."""
    for projection in projections().values():
        forget(plan.ledger_id, projection)
        yield
    gone = 1
    while gone:
        ((gone,),) = rows(_PRUNE, (plan.ledger_id, plan.id, MOST))
        yield
    log.info("purge.done", ledger=plan.ledger.name, purge=plan.id)
    drop_months(timezone.now().date())


def drop_months(today: date) -> int:
    """Drop each past month that holds nothing but pruned entries; return how many went.

    A month that somebody reads is tried again at the next call. Called after a purge, and daily.
    """
    this_month = f"{today:%Y%m}"
    dropped = 0
    for (month,) in rows(_MONTHS):
        if month < this_month:
            dropped += _drop_month(date(int(month[:4]), int(month[4:]), 1))
    return dropped


def _drop_month(first_day: date) -> int:
    try:
        with raw_connection().transaction():
            rows("SELECT set_config('lock_timeout', %s, true)", (f"{_LOCK_SECONDS}s",))
            ((is_gone,),) = rows("SELECT audit_drop_month(%s)", (first_day,))
    except pg.LockNotAvailable:
        log.info("month.busy", month=f"{first_day:%Y-%m}")
        return 0
    if is_gone:
        log.info("month.dropped", month=f"{first_day:%Y-%m}")
    return int(is_gone)
