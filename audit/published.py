"""Read what was published of a ledger, for its page: checkpoint, keys, and where it is anchored.

Reads only, a bounded number of rows. Who publishes: seal.py, anchor.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from audit.database import rows
from audit.ledger.errors import LedgerFact
from audit.ledger.note import parse_note, parse_verifier_key

MOST_KEYS: Final = 20
"""Signing keys shown, the newest first."""

_NEWEST = """
SELECT size, root, note, signed_at
FROM audit_checkpoint
WHERE ledger_id = %s
ORDER BY size DESC
LIMIT 1
"""
_LATE = "SELECT witness FROM audit_cosignature WHERE ledger_id = %s AND size = %s ORDER BY witness"
_KEYS = """
SELECT vkey, first_used_at, first_size
FROM audit_signingkey
WHERE ledger_id = %s
ORDER BY first_used_at DESC, vkey
LIMIT %s
"""
_ANCHORS = """
SELECT anchor.sink, anchor.state, anchor.interval_seconds, anchor.tried_at, anchor.ok_at,
       anchor.size, anchor.failures, anchor.error, anchor.reference, missing.signed_at
FROM audit_anchor AS anchor
LEFT JOIN LATERAL (
    SELECT c.signed_at
    FROM audit_checkpoint AS c
    WHERE c.ledger_id = anchor.ledger_id
      AND c.size > coalesce(anchor.size, 0)
    ORDER BY c.size
    LIMIT 1
) AS missing ON true
WHERE anchor.ledger_id = %s
ORDER BY anchor.sink
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class NewestCheckpoint:
    """What was signed last."""

    size: int
    root: str
    """Hex."""
    note: str
    signed_at: datetime
    signed_by: tuple[str, ...]
    """`name+key id` of every signature, the ledger's own first, then those of witnesses."""


@dataclass(frozen=True, kw_only=True, slots=True)
class KeyLine:
    """A public key that signs or has signed."""

    short: str
    """`name+key id`."""
    vkey: str
    first_used_at: datetime
    first_size: int


@dataclass(frozen=True, kw_only=True, slots=True)
class AnchorLine:
    """How one sink goes."""

    sink: str
    state: str
    """ok, failing or mismatch."""
    interval_seconds: float
    tried_at: datetime
    ok_at: datetime | None
    size: int | None
    """The size that it took last."""
    behind: int | None
    """Entries between that and the newest checkpoint; None while it has taken nothing."""
    failures: int
    error: str
    reference: str
    failing_for: float | None
    """Seconds since it should have taken a checkpoint that it did not; None while it is ok, and
    while there is none that it misses."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Published:
    """All that was published of one ledger."""

    checkpoint: NewestCheckpoint | None
    keys: list[KeyLine]
    anchors: list[AnchorLine]

    @property
    def has_witness(self) -> bool:
        """Tell whether any witness was ever asked."""
        return any(each.sink.startswith("witness:") for each in self.anchors)


def published_of(ledger_id: int, *, now: datetime) -> Published:
    """Return what was published of a ledger, and how long each anchor has failed by now."""
    checkpoint = _newest(ledger_id)
    size = 0 if checkpoint is None else checkpoint.size
    return Published(
        checkpoint=checkpoint,
        keys=[
            KeyLine(short=_short(vkey), vkey=vkey, first_used_at=first_used_at, first_size=first)
            for vkey, first_used_at, first in rows(_KEYS, (ledger_id, MOST_KEYS))
        ],
        anchors=[
            AnchorLine(
                sink=sink,
                state=state,
                interval_seconds=interval,
                tried_at=tried_at,
                ok_at=ok_at,
                size=taken,
                behind=None if taken is None else max(size - taken, 0),
                failures=failures,
                error=error,
                reference=reference,
                failing_for=(
                    None
                    if state == "ok" or missing is None
                    else _overdue(now, missing=missing, ok_at=ok_at, interval=interval)
                ),
            )
            for (
                sink,
                state,
                interval,
                tried_at,
                ok_at,
                taken,
                failures,
                error,
                reference,
                missing,
            ) in rows(_ANCHORS, (ledger_id,))
        ],
    )


def _overdue(now: datetime, *, missing: datetime, ok_at: datetime | None, interval: float) -> float:
    """Return for how many seconds the first checkpoint it misses has been due."""
    # One of each hour that took its last 50 minutes ago has not failed for 50 minutes.
    due = missing if ok_at is None else max(missing, ok_at + timedelta(seconds=interval))
    return max((now - due).total_seconds(), 0.0)


def _newest(ledger_id: int) -> NewestCheckpoint | None:
    for size, root, note, signed_at in rows(_NEWEST, (ledger_id,)):
        late = [witness for (witness,) in rows(_LATE, (ledger_id, size))]
        return NewestCheckpoint(
            size=size,
            root=bytes(root).hex(),
            note=bytes(note).decode(errors="replace"),
            signed_at=signed_at,
            signed_by=tuple(dict.fromkeys([*_signers(bytes(note)), *late])),
        )
    return None


def _signers(note: bytes) -> list[str]:
    """Return who signed; nothing for a note that somebody made unreadable: verification tells."""
    try:
        return [f"{each.name}+{each.key_id.hex()}" for each in parse_note(note).signatures]
    except LedgerFact:
        return []


def _short(vkey: str) -> str:
    try:
        return str(parse_verifier_key(vkey))
    except LedgerFact:
        return vkey
