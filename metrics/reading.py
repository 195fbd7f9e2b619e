"""Read the record of an entry as a fold needs it. Pure.

Takes the bytes as they are stored; the form of a record is told in audit.ledger.record. Whose
counters it feeds: fold.py.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from metrics.folding import Seen

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_DAY_US: Final = 86_400_000_000
_SECOND_US: Final = 1_000_000


class _Record(msgspec.Struct, gc=False):
    event: dict[str, Any]
    ledger: str
    received_at: str
    source: dict[str, Any]


_decode = msgspec.json.Decoder(_Record).decode


def read_record(seq: int, record: bytes) -> Seen:
    """Return an entry as fold takes it."""
    read = _decode(record)
    return Seen(
        seq=seq,
        received_us=_us(read.received_at),
        occurred_us=_us(read.event["occurred_at"]),
        is_backfill=bool(read.source.get("backfill", False)),
        ledger=read.ledger,
        event=read.event,
    )


ACTION: Final = len(b'{"event":{"action":"')
"""Where the action of a record begins: its members and the event's are in order of their names (RFC
8785)."""


def _us(moment: str) -> int:
    return since(datetime.fromisoformat(moment))


def since(moment: datetime) -> int:
    """Return microseconds since 1970."""
    since = moment - _EPOCH
    return since.days * _DAY_US + since.seconds * _SECOND_US + since.microseconds
