"""Send each destination the entries of its ledger: every seq at least once, in order, no other.

A destination's cursor is `next_seq`, and it moves only after the other side acknowledged. Before a
batch goes out its end is written down, so a retry, after a crash too, sends the same batch. One
process at a time sends to a destination: a lock in Postgres, held by the connection of the thread
that sends, so that it ends with whoever held it. Whatever fails is tried again after 1, 2, 4 … up
to 60 seconds; after OBS_DESTINATION_DEAD_AFTER of failing the destination is dead, which is shown
and leaves an entry, and is not tried until a person resumes it.

A cursor below the ledger's minimum index (pruned.py) is a gap: it is written down and shown, and
sending goes on at the minimum. Nothing but entries is ever sent for it.

What is due is computed from rows, so a restart forgets neither a back-off nor a batch. Chaining
never waits for any of this. Recipients: audit.destinations. What people do: destination.py.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, Literal, TypeAlias

import structlog
from django.conf import settings
from django.db import DatabaseError, connection, transaction
from psycopg import Error as PostgresError
from psycopg.types.json import Jsonb

from audit.database import rows
from audit.destination import hand_over
from audit.destinations import Batch, Item, NotDelivered
from audit.destinations.kinds import KINDS
from audit.errors import RecordUnreadable
from audit.models import Destination
from audit.pruned import minimum_index
from audit.receive import receive_own

log = structlog.get_logger(__name__)

LOOK_SECONDS: Final = 0.5
"""Between two looks of an idle destination for what is new."""

LIST_SECONDS: Final = 2.0
"""Between two looks for destinations that were made, paused, resumed or removed."""

LONGEST_REST: Final = 60.0
"""Seconds between two tries of a destination that fails, at most; the first rest is a second."""

_LONGEST_ERROR: Final = 2_000
_DATABASE_REST: Final = 5.0

Step: TypeAlias = Literal["sent", "idle", "resting", "failed", "dead", "gap", "gone"]
"""What one step did.

sent: a batch was acknowledged, and more may wait. idle: nothing waits.
resting: it failed a moment ago. failed: this try did. dead: this try was the last.
gap: entries were pruned before they were sent. gone: it is paused, dead or removed.
"""

_GOING = """
SELECT ledger_id, id
FROM audit_destination
WHERE state = 'active'
  AND removed_at IS NULL
ORDER BY ledger_id, id
"""
_REACH = """
SELECT h.size, coalesce((SELECT max(size) FROM audit_checkpoint WHERE ledger_id = h.ledger_id), 0)
FROM audit_head AS h
WHERE h.ledger_id = %s
"""
# The first always, and then as many as fit; seqs without a row end it, since nothing is skipped.
_READ = """
SELECT seq, hash, record, received_at
FROM (
    SELECT seq, hash, record, received_at,
           sum(octet_length(record)) OVER (ORDER BY seq) AS bytes,
           row_number() OVER (ORDER BY seq) AS place
    FROM audit_entry
    WHERE ledger_id = %(ledger)s
      AND seq >= %(start)s
      AND seq < %(end)s
) AS found
WHERE seq = %(start)s + place - 1
  AND (bytes <= %(bytes)s OR place = 1)
ORDER BY seq
"""
_LOCK_KEY = "hashtextextended('audit_destination ' || %s || ' ' || %s, 0)"
_LOCK = f"SELECT pg_try_advisory_lock({_LOCK_KEY})"
_UNLOCK = f"SELECT pg_advisory_unlock({_LOCK_KEY})"
_BEGIN = """
UPDATE audit_destination
SET batch_to = %s, tried_at = clock_timestamp()
WHERE ledger_id = %s
  AND id = %s
  AND state = 'active'
  AND removed_at IS NULL
  AND next_seq = %s
  AND batch_to IS NOT DISTINCT FROM %s
RETURNING id
"""
# Whoever replayed, changed or paused it meanwhile has forgotten this batch, and so does this.
_TOOK = """
UPDATE audit_destination
SET next_seq = batch_to, sent_to = greatest(sent_to, batch_to), batch_to = NULL,
    ok_at = clock_timestamp(), failing_since = NULL, failures = 0, error = ''
WHERE ledger_id = %s
  AND id = %s
  AND next_seq = %s
  AND batch_to = %s
RETURNING id
"""
_FAILED = """
UPDATE audit_destination
SET failures = failures + 1, error = %(error)s, tried_at = clock_timestamp(),
    failing_since = coalesce(failing_since, clock_timestamp()),
    state = CASE
        WHEN failing_since <= clock_timestamp() - make_interval(secs => %(dead_after)s) THEN 'dead'
        ELSE state
    END
WHERE ledger_id = %(ledger)s
  AND id = %(id)s
  AND state = 'active'
  AND removed_at IS NULL
RETURNING state, failures, failing_since
"""
_GAP = """
UPDATE audit_destination
SET next_seq = %(to)s, batch_to = NULL,
    gaps = gaps || %(gap)s::jsonb
WHERE ledger_id = %(ledger)s
  AND id = %(id)s
  AND next_seq = %(from)s
RETURNING id
"""


# --- One step ------------------------------------------------------------------------------------


def deliver_once(ledger_id: int, destination_id: int) -> Step:
    """Send the next batch of one destination, if one is due. The caller holds its lock.

    A failure of the other side is written down and not raised; the database's is raised.
    """
    return _step(ledger_id, destination_id)[0]


def _step(ledger_id: int, destination_id: int) -> tuple[Step, bool]:
    """Do one step, and tell whether the next one should follow at once."""
    row = (
        Destination.objects.select_related("ledger")
        .filter(ledger_id=ledger_id, id=destination_id, state="active", removed_at=None)
        .first()
    )
    if row is None:
        return "gone", False
    if row.failures and datetime.now(UTC) < _due_at(row):
        return "resting", False
    minimum = minimum_index(ledger_id)
    if row.next_seq < minimum:
        _write_gap(row, minimum)
        return "gap", True
    try:
        batch = _next_batch(row)
        if batch is None:
            return "idle", False
        if not _begin(row, batch):
            return "gone", False  # a person did something with it this very moment; look again
        hand_over(row, batch, now=datetime.now(UTC))
    except (NotDelivered, RecordUnreadable) as error:
        return _write_failure(row, str(error)), False
    rows(_TOOK, (ledger_id, destination_id, batch.first, batch.last + 1))
    log.debug("destination.sent", destination=row.name, first=batch.first, last=batch.last)
    return "sent", _is_large(batch, row)


def _is_large(batch: Batch, row: Destination) -> bool:
    """Tell whether a batch was so large that more must wait; after a small one some may gather.

    A batch costs Postgres two commits, so a destination of a lively ledger takes a few a second.
    """
    kind = KINDS[row.kind]
    size = sum(len(item.record) for item in batch.items)
    return 2 * len(batch.items) >= kind.most_entries or 2 * size >= kind.most_bytes


def _due_at(row: Destination) -> datetime:
    """Return when one that fails is tried again: doubling, with some chance so as not to march."""
    assert row.tried_at is not None, "what has failed was tried"
    longest = min(2.0 ** min(row.failures - 1, 20), LONGEST_REST)
    # The same chance at each look, or the earliest of many would always win.
    chance = random.Random(f"{row.id} {row.failures}").uniform(0.5, 1.0)  # noqa: S311
    return row.tried_at + timedelta(seconds=longest * chance)


def _next_batch(row: Destination) -> Batch | None:
    """Return the batch that was begun, or the next one; None while there is nothing to send."""
    kind = KINDS[row.kind]
    if row.batch_to is not None:
        return _batch(row, end=row.batch_to, most_bytes=2**62)
    ((size, sealed),) = rows(_REACH, (row.ledger_id,))
    reach = min(sealed, size) if row.options.get("sealed_only") else size
    if row.next_seq >= reach:
        return None
    end = min(row.next_seq + kind.most_entries, reach)
    return _batch(row, end=end, most_bytes=kind.most_bytes)


def _batch(row: Destination, *, end: int, most_bytes: int) -> Batch | None:
    kind = KINDS[row.kind]
    asked = {"ledger": row.ledger_id, "start": row.next_seq, "end": end, "bytes": most_bytes}
    found = rows(_READ, asked)
    if not found:
        raise NotDelivered(
            f"entry #{row.next_seq:,} is not there, and nothing is skipped: verify the ledger"
        )
    if row.batch_to is not None and len(found) != end - row.next_seq:
        raise NotDelivered(
            f"an entry between #{row.next_seq:,} and #{end:,} is not there any more, and nothing"
            " is skipped: verify the ledger"
        )
    wait = timedelta(seconds=int(row.options.get("collect_seconds", 0)))
    is_full = len(found) == kind.most_entries or found[-1][0] + 1 < end
    if row.batch_to is None and not is_full and datetime.now(UTC) < found[0][3] + wait:
        return None  # it may still be filled
    items = tuple(
        Item(seq=seq, hash=bytes(digest).hex(), record=bytes(record))
        for seq, digest, record, _ in found
    )
    return Batch(ledger=row.ledger.name, items=items)


def _begin(row: Destination, batch: Batch) -> bool:
    """Write down which batch goes out; False when the row is not as it was read."""
    before = (row.ledger_id, row.id, row.next_seq, row.batch_to)
    return bool(rows(_BEGIN, (batch.last + 1, *before)))


def _write_failure(row: Destination, error: str) -> Step:
    said = error.replace("\0", "")[:_LONGEST_ERROR]  # Postgres takes no zero bytes
    with transaction.atomic():
        found = rows(
            _FAILED,
            {
                "ledger": row.ledger_id,
                "id": row.id,
                "error": said,
                "dead_after": settings.DESTINATION_DEAD_AFTER,
            },
        )
        if not found:
            return "gone"
        ((state, failures, since),) = found
        if state == "dead":
            receive_own(
                row.ledger,
                "audit.source_disabled",
                outcome="failure",
                error={"type": "not_delivered", "message": said[:500]},
                target={"type": "destination", "id": row.name},
                details={"next_seq": row.next_seq, "failing_since": since.isoformat()},
            )
    log.warning(
        "destination.failed",
        ledger=row.ledger.name,
        destination=row.name,
        state=state,
        failures=failures,
        error=said,
    )
    return "dead" if state == "dead" else "failed"


def _write_gap(row: Destination, minimum: int) -> None:
    gap = {"from": row.next_seq, "to": minimum, "at": datetime.now(UTC).isoformat()}
    rows(
        _GAP,
        {
            "ledger": row.ledger_id,
            "id": row.id,
            "from": row.next_seq,
            "to": minimum,
            "gap": Jsonb([gap]),
        },
    )
    log.warning("destination.gap", ledger=row.ledger.name, destination=row.name, **gap)


# --- All of them ---------------------------------------------------------------------------------


def going() -> list[tuple[int, int]]:
    """Return ledger and number of each destination that is to be sent to."""
    return [(ledger_id, destination_id) for ledger_id, destination_id in rows(_GOING)]


@contextmanager
def held(ledger_id: int, destination_id: int) -> Iterator[bool]:
    """Hold a destination's lock on this thread's connection, or lend False when another has it."""
    # Held while one process sends to it; it ends with the connection, however that ends.
    ((is_held,),) = rows(_LOCK, (str(ledger_id), str(destination_id)))
    try:
        yield is_held
    finally:
        if is_held and connection.is_usable():
            rows(_UNLOCK, (str(ledger_id), str(destination_id)))


def deliver_all() -> dict[str, int]:
    """Send what is due to each destination, one after the other, until nothing is; count batches.

    Returns how many batches went out and how many tries failed.
    """
    counts = {"sent": 0, "failed": 0}
    for ledger_id, destination_id in going():
        with held(ledger_id, destination_id) as is_held:
            while is_held:
                step = deliver_once(ledger_id, destination_id)
                if step == "sent":
                    counts["sent"] += 1
                elif step in {"failed", "dead"}:
                    counts["failed"] += 1
                if step not in {"sent", "gap"}:
                    break
    return counts


@dataclass(frozen=True, kw_only=True)
class _Courier:
    thread: threading.Thread
    stop: threading.Event


class Couriers:
    """A thread for each destination, so that one that hangs holds up no other."""

    def __init__(self) -> None:
        self._couriers: dict[tuple[int, int], _Courier] = {}

    def tend(self) -> None:
        """Start a thread for each destination that has none, and end those of the others."""
        wanted = set(going())
        for key, courier in list(self._couriers.items()):
            if not courier.thread.is_alive():
                del self._couriers[key]
            elif key not in wanted:
                courier.stop.set()
        for key in sorted(wanted - self._couriers.keys()):
            stop = threading.Event()
            thread = threading.Thread(
                target=_run, args=(*key, stop), name=f"deliver-{key[1]}", daemon=True
            )
            self._couriers[key] = _Courier(thread=thread, stop=stop)
            thread.start()

    def stop(self, *, seconds: float = 2.0) -> None:
        """Ask all to end and wait a little; what hangs dies with the process, as it may."""
        for courier in self._couriers.values():
            courier.stop.set()
        ends = time.monotonic() + seconds
        for courier in self._couriers.values():
            courier.thread.join(max(ends - time.monotonic(), 0))


def _run(ledger_id: int, destination_id: int, stop: threading.Event) -> None:
    """Send to one destination until it is gone or we stop; on any trouble connect again."""
    while not stop.is_set():
        try:
            with held(ledger_id, destination_id) as is_held:
                if is_held and not _follow(ledger_id, destination_id, stop):
                    break
            stop.wait(LIST_SECONDS)  # another process has it
        except (DatabaseError, PostgresError) as error:
            log.warning(
                "destination.retry", destination=destination_id, error=str(error).split("\n")[0]
            )
            connection.close()
            stop.wait(_DATABASE_REST)
        except Exception:
            # A defect of ours must be seen and must not end the thread for good.
            log.exception("destination.defect", destination=destination_id)
            connection.close()
            stop.wait(_DATABASE_REST)
    connection.close()


def _follow(ledger_id: int, destination_id: int, stop: threading.Event) -> bool:
    """Step until asked to stop; False once there is nothing to send to any more."""
    while not stop.is_set():
        step, is_more = _step(ledger_id, destination_id)
        if step in {"gone", "dead"}:
            return False
        if not is_more:
            stop.wait(LOOK_SECONDS)
    return True
