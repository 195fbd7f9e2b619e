"""Publish checkpoints to sinks, and compare what they give back with the ledger.

`Anchors` runs one thread a sink, so that one that hangs holds up no other and never sealing. Each
looks for ledgers whose newest checkpoint is due there, publishes it and writes down how it went:
audit_anchor holds the state of each ledger and sink, audit_anchorreceipt what was given. What is
due is computed from those rows, so a restart neither forgets an interval nor a back-off.

`compare_with_anchors` asks the sinks that can be read for their newest checkpoint. A note that our
own key signed and that our tree does not continue means a restore or a rewrite: the ledger goes
read-only (seal.py). A sink that lost what it took proves nothing about the ledger, and is shown.

Sinks: audit.sinks. Witnesses, which sealing asks itself: audit.cosigning.
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

import structlog
from django.db import DatabaseError, connection, transaction
from psycopg import Error as PostgresError

from audit.database import rows
from audit.errors import AuditError, LedgerBehind, LedgerForked, TilesMissing
from audit.ledger.checkpoint import Checkpoint, open_checkpoint
from audit.ledger.errors import LedgerFact, NotConsistent
from audit.ledger.merkle import check_consistency, prove_consistency, root_of
from audit.models import Ledger
from audit.receive import receive_own
from audit.seal import known_keys, say_why_not
from audit.sinks import Holder, Published, Receipt, Sink, SinkFailed, SinkUnreachable
from audit.tree import tree_of

log = structlog.get_logger(__name__)

LOOK_SECONDS: Final = 0.5
"""Between two looks for what is due, at least; each is one statement over the ledgers."""

_LOOKS_AN_INTERVAL: Final = 20
_LONGEST_LOOK: Final = 5.0

LONGEST_REST: Final = 300.0
"""Seconds between two tries of a sink that fails, at most; the first rest is two seconds."""

_DATABASE_REST: Final = 5.0

Held: TypeAlias = Literal["ok", "behind", "forked", "lost", "unreachable"]
"""What a comparison found.

ok: the ledger continues what the sink holds, or it holds nothing and never took anything.
behind: the sink holds a signed checkpoint that is larger than the ledger.
forked: the sink holds a signed checkpoint that the ledger does not continue.
lost: the sink does not hold what it took: older, gone, or not signed by us.
unreachable: it could not be asked.
"""

_DUE = """
SELECT l.id, l.name, l.origin, c.size, c.root, c.note, c.signed_at
FROM audit_ledger AS l
CROSS JOIN LATERAL (
    SELECT size, root, note, signed_at
    FROM audit_checkpoint
    WHERE ledger_id = l.id
    ORDER BY size DESC
    LIMIT 1
) AS c
LEFT JOIN audit_anchor AS a ON a.ledger_id = l.id AND a.sink = %(sink)s
WHERE (a.ledger_id IS NULL OR a.state <> 'ok' OR a.size < c.size)
  AND (a.ok_at IS NULL OR a.state <> 'ok'
       OR a.ok_at <= clock_timestamp() - make_interval(secs => %(interval)s))
  AND (a.ledger_id IS NULL OR a.failures = 0
       OR a.tried_at <= clock_timestamp()
          - make_interval(secs => least(2.0 ^ least(a.failures, 20), %(longest)s)))
ORDER BY l.id
"""
_TOOK = """
INSERT INTO audit_anchor (ledger_id, sink, state, interval_seconds, tried_at, ok_at, size, root,
                          failures, error, reference)
VALUES (%s, %s, 'ok', %s, clock_timestamp(), clock_timestamp(), %s, %s, 0, '', %s)
ON CONFLICT (ledger_id, sink) DO UPDATE
SET state = 'ok',
    interval_seconds = excluded.interval_seconds,
    tried_at = excluded.tried_at,
    ok_at = excluded.ok_at,
    size = excluded.size,
    root = excluded.root,
    failures = 0,
    error = '',
    reference = excluded.reference
RETURNING ledger_id
"""
_FAILED = """
INSERT INTO audit_anchor (ledger_id, sink, state, interval_seconds, tried_at, failures, error)
VALUES (%s, %s, %s, %s, clock_timestamp(), 1, %s)
ON CONFLICT (ledger_id, sink) DO UPDATE
SET state = excluded.state,
    interval_seconds = excluded.interval_seconds,
    tried_at = excluded.tried_at,
    failures = audit_anchor.failures + 1,
    error = excluded.error
RETURNING ledger_id
"""
_RECEIPT = """
INSERT INTO audit_anchorreceipt (ledger_id, sink, size, root, reference, proof)
VALUES (%s, %s, %s, %s, %s, %s)
ON CONFLICT DO NOTHING
RETURNING size
"""
_FORGET = """
DELETE FROM audit_anchor
WHERE ledger_id = %s
  AND NOT (sink = ANY(%s))
RETURNING sink
"""
_HEAD = "SELECT size FROM audit_head WHERE ledger_id = %s"
_TAKEN = "SELECT size FROM audit_anchor WHERE ledger_id = %s AND sink = %s AND size IS NOT NULL"


@dataclass(frozen=True, kw_only=True, slots=True)
class Comparison:
    """What one sink gave back of a ledger, compared with it."""

    sink: str
    held: Held
    size: int | None = None
    """Of the checkpoint that it gave back, where our key signed it."""
    note: bytes | None = None
    """That checkpoint; None when it gave none that our key signed."""
    text: str = ""
    """What a person should know; empty when it is ok."""

    def contradiction(self) -> AuditError | None:
        """Return what this means for the ledger: LedgerBehind, LedgerForked or nothing."""
        kinds = {"behind": LedgerBehind, "forked": LedgerForked}
        return kinds[self.held](self.text) if self.held in kinds else None


# --- Compare --------------------------------------------------------------------------------------


def compare_with_anchors(ledger: Ledger, sinks: Sequence[Holder]) -> list[Comparison]:
    """Return what each readable sink or witness gives back, compared. Changes nothing.

    Asks one after the other, each bounded by its own time. Raises TilesMissing.
    """
    return [compare(ledger, sink) for sink in sinks if sink.can_read]


def compare(ledger: Ledger, sink: Holder) -> Comparison:
    """Ask one sink for its newest checkpoint and compare it with the ledger."""
    try:
        note = sink.newest(ledger.origin)
    except SinkUnreachable as error:
        return Comparison(sink=sink.name, held="unreachable", text=str(error))
    except SinkFailed as error:
        return Comparison(sink=sink.name, held="lost", text=str(error))
    taken = next((size for (size,) in rows(_TAKEN, (ledger.id, sink.name))), None)
    if note is None:
        if taken is None:
            return Comparison(sink=sink.name, held="ok")
        text = f"{sink.name} took size {taken:,} and holds nothing of {ledger.name} any more"
        return Comparison(sink=sink.name, held="lost", text=text)
    return _compare_note(ledger, sink.name, note, taken)


def _compare_note(ledger: Ledger, sink: str, note: bytes, taken: int | None) -> Comparison:
    try:
        found = open_checkpoint(note, origin=ledger.origin, keys=known_keys(ledger)).checkpoint
    except LedgerFact as error:
        text = f"what {sink} holds of {ledger.name} is not what was signed: {error}"
        return Comparison(sink=sink, held="lost", text=text)
    held, text = _continues(ledger, sink, found)
    if held == "ok" and taken is not None and found.size < taken:
        held = "lost"
        text = f"{sink} took size {taken:,} of {ledger.name} and gives back size {found.size:,}"
    return Comparison(sink=sink, held=held, size=found.size, note=note, text=text)


def _continues(ledger: Ledger, sink: str, held: Checkpoint) -> tuple[Held, str]:
    """Tell whether the ledger continues a checkpoint that its own key signed."""
    ((size,),) = rows(_HEAD, (ledger.id,))
    if held.size > size:
        return "behind", (
            f"{ledger.name} has {size:,} entries, but {sink} holds a checkpoint of {held.size:,}:"
            " the database was restored to an earlier time, or cut off"
        )
    if held.size == 0:
        return "ok", ""
    tree = tree_of(ledger.id, size=size)
    try:
        check_consistency(
            prove_consistency(old_size=held.size, new_size=size, hashes=tree),
            old_size=held.size,
            old_root=held.root,
            new_size=size,
            new_root=root_of(size, tree),
        )
    except NotConsistent:
        return "forked", (
            f"{ledger.name} does not continue the checkpoint of size {held.size:,} that {sink}"
            f" holds: an entry below #{held.size:,} was changed, or another history put in its"
            " place"
        )
    return "ok", ""


# --- Publish --------------------------------------------------------------------------------------


def publish_due(sink: Sink, *, compared: set[int] | None = None) -> int:
    """Publish each ledger's newest checkpoint that is due at this sink; return how many it took.

    `compared` holds the ledgers that were compared with the sink; the others are first, where it
    can be read. A failure is written down and tried again later; nothing is raised for it.
    """
    compared = set() if compared is None else compared
    options = {"sink": sink.name, "interval": sink.interval, "longest": LONGEST_REST}
    took = 0
    for ledger_id, ledger, origin, size, root, note, signed_at in rows(_DUE, options):
        published = Published(
            ledger=ledger,
            origin=origin,
            size=size,
            root=bytes(root),
            note=bytes(note),
            signed_at=signed_at,
        )
        if _publish(sink, ledger_id, published, compared):
            took += 1
    return took


def _publish(sink: Sink, ledger_id: int, published: Published, compared: set[int]) -> bool:
    try:
        if sink.can_read and ledger_id not in compared:
            _insist(ledger_id, sink)
            compared.add(ledger_id)
        receipt = sink.publish(published)
    except SinkFailed as error:
        # Whatever changed at the sink since the last comparison is looked at again.
        compared.discard(ledger_id)
        _write_failure(sink, ledger_id, published, error)
        return False
    _write_receipt(sink, ledger_id, published, receipt)
    return True


def _insist(ledger_id: int, sink: Sink) -> None:
    """Compare; stop a ledger that what the sink holds contradicts. Raises SinkFailed unless ok."""
    ledger = Ledger.objects.get(id=ledger_id)
    try:
        found = compare(ledger, sink)
    except TilesMissing as error:
        raise SinkFailed(f"nothing can be compared with {sink.name}: {error}") from error
    contradiction = found.contradiction()
    if contradiction is not None:
        say_why_not(ledger, contradiction)
    if found.held != "ok":
        raise SinkFailed(found.text, is_mismatch=found.held != "unreachable")


def _write_receipt(sink: Sink, ledger_id: int, published: Published, receipt: Receipt) -> None:
    with transaction.atomic():
        rows(
            _TOOK,
            (
                *(ledger_id, sink.name, sink.interval),
                *(published.size, published.root, receipt.reference),
            ),
        )
        # A sink that takes every checkpoint and gives nothing back is its own history.
        if sink.interval > 0 or receipt.proof:
            rows(
                _RECEIPT,
                (
                    *(ledger_id, sink.name, published.size, published.root),
                    *(receipt.reference, receipt.proof),
                ),
            )
    log.debug("anchor.published", ledger=published.ledger, sink=sink.name, size=published.size)


def _write_failure(sink: Sink, ledger_id: int, published: Published, error: SinkFailed) -> None:
    state = "mismatch" if error.is_mismatch else "failing"
    text = str(error).replace("\0", "")[:2000]  # Postgres takes no zero bytes
    rows(_FAILED, (ledger_id, sink.name, state, sink.interval, text))
    log.warning(
        "anchor.failed",
        ledger=published.ledger,
        sink=sink.name,
        state=state,
        size=published.size,
        error=text,
    )


def forget_others(names: Collection[str]) -> int:
    """Forget how anchors went that are no longer set up; return how many rows that were.

    A row that nobody moves any more would say "failing" for ever. What such an anchor took stays in
    audit_anchorreceipt, and an entry says that it was taken away.
    """
    forgotten = 0
    with transaction.atomic():
        for ledger in Ledger.objects.order_by("id"):
            for (sink,) in rows(_FORGET, (ledger.id, list(names))):
                forgotten += 1
                receive_own(
                    ledger,
                    "audit.config_changed",
                    target={"type": "anchor", "id": sink},
                    details={"change": "no longer set up"},
                )
    return forgotten


class Anchors:
    """Threads that publish, one a sink, beside the process that seals."""

    def __init__(self, sinks: Sequence[Sink]) -> None:
        self._stop = threading.Event()
        self._threads = [
            threading.Thread(
                target=self._run, args=(sink,), name=f"anchor-{sink.name}", daemon=True
            )
            for sink in sinks
        ]

    def start(self) -> None:
        """Begin to publish what is due."""
        for thread in self._threads:
            thread.start()

    def stop(self, *, seconds: float = 2.0) -> None:
        """Ask all to end and wait a little; what hangs dies with the process, as it may."""
        self._stop.set()
        for thread in self._threads:
            thread.join(seconds / len(self._threads))

    def _run(self, sink: Sink) -> None:
        compared: set[int] = set()
        look = min(max(sink.interval / _LOOKS_AN_INTERVAL, LOOK_SECONDS), _LONGEST_LOOK)
        rest = LOOK_SECONDS
        while not self._stop.wait(rest):
            try:
                publish_due(sink, compared=compared)
                rest = look
            except (DatabaseError, PostgresError) as error:
                log.warning("anchor.retry", sink=sink.name, error=str(error).split("\n")[0])
                connection.close()
                rest = _DATABASE_REST
            except Exception:
                # A sink's own defect must be seen and must not end its thread for good.
                log.exception("anchor.defect", sink=sink.name)
                rest = _DATABASE_REST
        connection.close()
