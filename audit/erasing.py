"""Work on erasures: count what becomes unreadable, then destroy the key, and keep it destroyed.

A Celery task takes an erasure, and with Redis down the append loop does; whoever follows a worker
that was lost goes on where the row says. The act itself: look for holds, write the tombstone, blank
the key and leave `dsr.completed`, the last two in one transaction, which waits for every POST that
holds the key. From the tombstone on there is no way back: erase_again(), at each start and each
minute, blanks every key that has one and lives.

Asking: erase.py. Which keys are dead: tombstones.py. Rows: audit/sql/0013_erasure.sql.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

import structlog
from cryptography.exceptions import InvalidTag
from django.db import DatabaseError, transaction
from psycopg import Error as PostgresError

from audit.database import rows
from audit.erase import MOST_REASON, get_erasure, pseudonym_of, standing_holds, typed_id
from audit.errors import AuditError, ErasureStopped
from audit.ledger.canonical import canonicalise
from audit.models import Erasure, Hold, Ledger
from audit.project import catch_up, projections
from audit.receive import receive_own
from audit.tombstones import Tombstone, bury, is_buried, living

log = structlog.get_logger(__name__)

GRACE: Final = 2.0
"""Seconds that an erasure waits for a Celery worker before the append loop takes it."""

MOST_CLEAR: Final = 100
"""Seqs of entries with the id in clear that an erasure keeps."""

_CHUNK = 4096  # seqs that one statement looks through
_WAIT_SECONDS = 0.2  # while another worker brings the index up to date
_INDEX = "subjects"
_CLASS = 13013  # of the lock that parts holds and erasures; 0013_erasure.sql has its other half

# What waits, what was confirmed since its worker left it, and what lost its worker.
_TAKE = """
UPDATE audit_erasure AS erasure
SET state = CASE erasure.state WHEN 'asked' THEN 'looking' ELSE erasure.state END,
    attempt = erasure.attempt + 1,
    attempt_at = clock_timestamp(),
    seen_at = clock_timestamp(),
    size = h.size,
    next_seq = greatest(erasure.next_seq, coalesce(m.minimum, 0))
FROM (
    SELECT ledger_id, id
    FROM audit_erasure
    WHERE state IN ('asked', 'looking', 'erasing')
      AND (%(ledger)s::int IS NULL OR ledger_id = %(ledger)s)
      AND (%(id)s::bigint IS NULL OR id = %(id)s)
      AND (
          (state = 'asked' AND asked_at <= clock_timestamp() - make_interval(secs => %(waited)s))
          OR (state = 'erasing' AND seen_at < confirmed_at
              AND confirmed_at <= clock_timestamp() - make_interval(secs => %(waited)s))
          OR seen_at < clock_timestamp() - make_interval(secs => %(gone)s)
      )
    ORDER BY ledger_id, id
    LIMIT 1
    FOR UPDATE SKIP LOCKED
) AS next
JOIN audit_head AS h ON h.ledger_id = next.ledger_id
LEFT JOIN audit_minimum AS m ON m.ledger_id = next.ledger_id
WHERE erasure.ledger_id = next.ledger_id
  AND erasure.id = next.id
RETURNING erasure.ledger_id, erasure.id, erasure.attempt
"""
_COUNT = """
SELECT count(named.seq),
       count(named.seq) FILTER (WHERE position(%(personal)s::bytea IN e.record) > 0),
       min(named.seq),
       max(named.seq),
       count(*) FILTER (WHERE position(%(clear)s::bytea IN e.record) > 0),
       (array_agg(e.seq ORDER BY e.seq) FILTER (WHERE position(%(clear)s::bytea IN e.record) > 0))
           [1:%(most)s]
FROM audit_entry AS e
LEFT JOIN audit_subjectentry AS named
  ON named.ledger_id = e.ledger_id AND named.pseudonym = %(pseudonym)s AND named.seq = e.seq
WHERE e.ledger_id = %(ledger)s
  AND e.seq >= %(start)s
  AND e.seq < %(end)s
"""
# Each of these writes only while the erasure is still this worker's.
_SAY = """
UPDATE audit_erasure
SET seen_at = clock_timestamp()
WHERE ledger_id = %s
  AND id = %s
  AND attempt = %s
  AND state IN ('looking', 'erasing')
RETURNING id
"""
_ADD = """
UPDATE audit_erasure
SET seen_at = clock_timestamp(),
    next_seq = %(end)s,
    entries = entries + %(entries)s,
    personal_entries = personal_entries + %(personal)s,
    clear_entries = clear_entries + %(clear)s,
    first_seq = coalesce(first_seq, %(first)s),
    last_seq = coalesce(%(last)s, last_seq),
    clear_seqs = (clear_seqs || %(seqs)s::bigint[])[1:%(most)s],
    note = ''
WHERE ledger_id = %(ledger)s
  AND id = %(id)s
  AND attempt = %(attempt)s
  AND state IN ('looking', 'erasing')
RETURNING id
"""
_READY = """
UPDATE audit_erasure
SET state = 'ready', ready_at = clock_timestamp(), seen_at = clock_timestamp()
WHERE ledger_id = %s
  AND id = %s
  AND attempt = %s
  AND state = 'looking'
RETURNING id
"""
_LOCK = """
SELECT id, pg_advisory_xact_lock(%s, ledger_id)
FROM audit_erasure
WHERE ledger_id = %s
  AND id = %s
  AND attempt = %s
  AND state = 'erasing'
FOR UPDATE
"""
_LOCK_KEY = """
SELECT wrapped IS NOT NULL OR lookup IS NOT NULL
FROM audit_subjectkey
WHERE ledger_id = %s
  AND key_id = %s
FOR UPDATE
"""
_BLANK = """
UPDATE audit_subjectkey
SET lookup = NULL, wrapped = NULL
WHERE ledger_id = %s
  AND key_id = %s
  AND (lookup IS NOT NULL OR wrapped IS NOT NULL)
RETURNING erased_at
"""
_DONE = """
UPDATE audit_erasure AS e
SET state = 'done',
    finished_at = clock_timestamp(),
    seen_at = clock_timestamp(),
    erased_at = k.erased_at,
    completed_id = %s,
    head_size = h.size,
    head_hash = h.hash,
    typed = NULL,
    note = ''
FROM audit_head AS h, audit_subjectkey AS k
WHERE e.ledger_id = %s
  AND e.id = %s
  AND h.ledger_id = e.ledger_id
  AND k.ledger_id = e.ledger_id
  AND k.key_id = e.key_id
RETURNING e.id
"""
_REFUSE = """
UPDATE audit_erasure
SET state = 'refused', finished_at = clock_timestamp(), held_by = %s, note = %s, typed = NULL
WHERE ledger_id = %s
  AND id = %s
RETURNING id
"""
_NOTE = """
UPDATE audit_erasure
SET note = %s
WHERE ledger_id = %s
  AND id = %s
  AND attempt = %s
  AND state IN ('looking', 'erasing')
RETURNING id
"""


# --- Taking --------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, slots=True)
class Job:
    """An erasure in the hands of one worker."""

    erasure: Erasure
    attempt: int
    """Which taking of it this is; an older one may write nothing."""

    @property
    def place(self) -> tuple[int, int, int]:
        """Return what names this attempt in the table."""
        return self.erasure.ledger_id, self.erasure.id, self.attempt


def is_any_waiting(ledger: Ledger) -> bool:
    """Tell whether an erasure waits for a worker: the bell may have been lost."""
    going = ("asked", "looking", "erasing")
    return Erasure.objects.filter(ledger_id=ledger.id, state__in=going).exists()


def work_through_erasures(ledger: Ledger) -> int:
    """Do what waits for this ledger, one after the other; return how many were taken."""
    taken = 0
    while (job := take_erasure(ledger_id=ledger.id, waited=0.0)) is not None:
        taken += 1
        for _ in work_on_erasure(job):
            pass
    return taken


def work_on_an_erasure(going: Iterator[object] | None) -> Iterator[object] | None:
    """Do one chunk of an erasure that no Celery worker took; return what goes on, if anything.

    For the append loop, which must not stand still for a whole ledger.
    """
    if going is None:
        job = take_erasure(ledger_id=None, waited=GRACE)
        if job is None:
            return None
        going = work_on_erasure(job)
    return going if next(going, None) is not None else None


def take_erasure(
    *, ledger_id: int | None, waited: float, erasure_id: int | None = None
) -> Job | None:
    """Take the oldest erasure that has waited so many seconds; None when there is none."""
    found = rows(
        _TAKE,
        {"ledger": ledger_id, "id": erasure_id, "waited": waited, "gone": Erasure.LOST_AFTER},
    )
    if not found:
        return None
    ((of_ledger, taken_id, attempt),) = found
    return Job(erasure=get_erasure(of_ledger, taken_id), attempt=attempt)


# --- Working --------------------------------------------------------------------------------------


def work_on_erasure(job: Job) -> Iterator[int]:
    """Look through what was not looked through, then be ready, or erase; yield each next seq.

    Ends early, and says so in the log, when the erasure was cancelled or given to another worker.
    A failure stays as a note in the row, and another attempt begins a while later; what is no fact
    about keys or the disk raises too.
    """
    try:
        yield from _look(job)
        if job.erasure.state == "erasing":
            _erase(job)
        elif not rows(_READY, job.place):
            raise ErasureStopped("cancelled, or another worker has it")
    except ErasureStopped as stopped:
        log.info("erasure.stopped", erasure=job.erasure.id, why=str(stopped))
    except (DatabaseError, PostgresError):
        raise
    except (AuditError, OSError, InvalidTag) as error:
        _note(job, error)
    except Exception as error:
        _note(job, error)
        raise


def _note(job: Job, error: Exception) -> None:
    """Say in the row and the log why this attempt failed; the next one begins a while later."""
    why = f"{type(error).__name__}: {error}".rstrip(": ")
    if isinstance(error, InvalidTag):
        why = "the wrapping key in OBS_KEY_DIR is another one than when this was asked for"
    log.error("erasure.failed", erasure=job.erasure.id, error=why)
    said = f"its worker failed and will try again: {why}"
    rows(_NOTE, (said[:500].replace("\0", "\u2400"), *job.place))


def _look(job: Job) -> Iterator[int]:
    """Count up to the head; each chunk and its counts commit together, so none counts twice."""
    erasure = job.erasure
    if erasure.next_seq >= erasure.size:
        return
    subject_id = typed_id(erasure)
    pseudonym = pseudonym_of(erasure)
    if pseudonym is None:  # its key is gone already: nothing tells any more which entries named it
        return
    yield from _index_up_to(job, erasure.size)
    sought: dict[str, Any] = {
        "ledger": erasure.ledger_id,
        "pseudonym": pseudonym,
        "personal": f'"key_id":"{erasure.key_id}","nonce":"'.encode(),
        "clear": canonicalise(subject_id)[1:-1],  # as it stands inside a JSON string
        "most": MOST_CLEAR,
    }
    start = erasure.next_seq
    while start < erasure.size:
        end = min(start + _CHUNK, erasure.size)
        with transaction.atomic():
            ((entries, personal, first, last, clear, seqs),) = rows(
                _COUNT, sought | {"start": start, "end": end}
            )
            added = {
                "end": end,
                "entries": entries,
                "personal": personal,
                "clear": clear,
                "first": first,
                "last": last,
                "seqs": seqs or [],
                "most": MOST_CLEAR,
                "ledger": erasure.ledger_id,
                "id": erasure.id,
                "attempt": job.attempt,
            }
            if not rows(_ADD, added):
                raise ErasureStopped("cancelled, or another worker has it")
        start = end
        yield start


def _index_up_to(job: Job, size: int) -> Iterator[int]:
    """Wait until the index of subjects has read all that is to be counted; help it along."""
    ledger_id = job.erasure.ledger_id
    while _indexed(ledger_id) < size:
        if not catch_up(ledger_id, projections()[_INDEX]):
            time.sleep(_WAIT_SECONDS)  # another worker has it
        if not rows(_SAY, job.place):
            raise ErasureStopped("cancelled, or another worker has it")
        yield job.erasure.next_seq


def _indexed(ledger_id: int) -> int:
    found = rows(
        "SELECT next_seq FROM audit_projection WHERE ledger_id = %s AND name = %s",
        (ledger_id, _INDEX),
    )
    return int(found[0][0]) if found else 0


def _erase(job: Job) -> None:
    """Destroy the key, unless a hold stands. Waits for every POST that holds it."""
    erasure = job.erasure
    ledger = erasure.ledger
    with transaction.atomic():
        if not rows(_LOCK, (_CLASS, *job.place)):
            raise ErasureStopped("another worker has it")
        ((is_living,),) = rows(_LOCK_KEY, (ledger.id, erasure.key_id))
        if not is_buried(erasure.key_id):
            holds = standing_holds(erasure) if is_living else []
            if holds:
                _refuse(erasure, holds)
                return
            # Before the key goes: a restore must never find a key that nobody knows to be dead.
            bury(erasure.key_id, ledger=ledger.name)
        rows(_BLANK, (ledger.id, erasure.key_id))
        receipt = _tell(
            erasure,
            "dsr.completed",
            outcome="success",
            details={
                "erasure": erasure.id,
                "asked_by": erasure.asked_by,
                "via": erasure.via,
                **_counted(erasure),
            },
        )
        rows(_DONE, (receipt, ledger.id, erasure.id))
    log.info("erasure.done", erasure=erasure.id, ledger=ledger.name)


def _refuse(erasure: Erasure, holds: Sequence[Hold]) -> None:
    numbers = [each.id for each in holds]
    said = "held by " + ", ".join(f"hold {each.id:,} ({each.matter})" for each in holds)
    rows(_REFUSE, (numbers, said[:MOST_REASON], erasure.ledger_id, erasure.id))
    _tell(
        erasure,
        "dsr.refused",
        outcome="denied",
        reason="a legal hold stands",
        details={"erasure": erasure.id, "holds": numbers, "via": erasure.via},
    )
    log.info("erasure.refused", erasure=erasure.id, holds=numbers)


def _counted(erasure: Erasure) -> dict[str, int]:
    counted = Erasure.objects.filter(ledger_id=erasure.ledger_id, id=erasure.id)
    names = ("entries", "personal_entries", "clear_entries")
    return dict(zip(names, counted.values_list(*names).get(), strict=True))


def _tell(
    erasure: Erasure, action: str, *, outcome: str, details: dict[str, object], reason: str = ""
) -> UUID:
    """Leave the entry of an end, told by whoever confirmed it; return the event's id."""
    receipt = receive_own(
        erasure.ledger,
        action,
        by=erasure.confirmed_by if erasure.via == "admin" else "",
        outcome=outcome,
        reason=reason or erasure.reason,
        case={"id": erasure.case_id, "dsr_type": "erasure"},
        target={"type": "subject_key", "id": str(erasure.key_id)},
        details=details,
    )
    assert receipt.id is not None, "an event of ours has an id"
    return UUID(receipt.id)


# --- After a restore ------------------------------------------------------------------------------


def erase_again(*, on_erased: Callable[[Tombstone], None] | None = None) -> int:
    """Blank every key that has a tombstone and lives: a restored backup brought it back.

    Holds are not asked: it was erased lawfully, before. Leaves an entry for each; returns how many.
    """
    count = 0
    for stone in living():
        ledger = Ledger.objects.get(name=stone.ledger)
        with transaction.atomic():
            if not rows(_BLANK, (ledger.id, stone.key_id)):
                continue  # another process was first, and left the entry
            receive_own(
                ledger,
                "data.delete",
                target={"type": "subject_key", "id": str(stone.key_id)},
                reason="a restored database had brought back the key of an erased data subject",
                data={"classes": ["pii"], "purpose": "erasure"},
                details={"erased_first": stone.buried_at},
            )
        count += 1
        log.warning("erasure.repeated", ledger=stone.ledger, key_id=str(stone.key_id))
        if on_erased is not None:
            on_erased(stone)
    return count


def has_erasures() -> bool:
    """Tell whether the database has been migrated far enough to hold erasures."""
    ((found,),) = rows("SELECT to_regclass('audit_erasure') IS NOT NULL")
    return bool(found)
