r"""Build, hash and read a record: the bytes of one entry.

A record is the canonical JSON (RFC 8785) of

    {"event":{…},"ledger":"main","prev":"<64 hex>","received_at":"…Z","seq":41,"source":{…},"v":1}

Its keys are sorted already, so it is joined from canonical pieces and never serialised as a whole.
Its hash is the RFC 6962 leaf hash, SHA-256(0x00 ‖ record): leaf of the tree and link of the chain
at once. Anyone can check it: `(printf '\0'; cat record) | sha256sum`.

Never reads a clock, never touches a database. What is copied out of a record: columns.py.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from hashlib import sha256

GENESIS = bytes(32)
"""The `prev` of the entry with seq 0: 32 zero bytes."""

RECORD_LIMIT = 65_535
"""Bytes. A C2SP entry bundle carries each record behind a 16-bit length."""

FORMAT_VERSION = 1

_BEGIN = b'{"event":'


def leaf_hash(record: bytes) -> bytes:
    """Return the 32 bytes of SHA-256(0x00 ‖ record), RFC 6962 section 2.1."""
    return sha256(b"\x00" + record).digest()


def event_of(record: bytes) -> bytes | None:
    """Return the canonical event inside a record, or None when these bytes are no record.

    A quote inside a string is escaped, so what looks like the last key `ledger` is that key.
    """
    end = record.rfind(b',"ledger":"')
    return record[len(_BEGIN) : end] if end != -1 and record.startswith(_BEGIN) else None


def format_time(moment: datetime) -> str:
    """Return the one way a record writes a time: UTC, six digits of fraction, `Z`."""
    # Not strftime: its %Y writes the year 999 with three digits on Linux.
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def link(
    events: Sequence[tuple[bytes, str, bytes]], *, ledger: str, size: int, head: bytes
) -> Iterator[tuple[int, bytes, bytes]]:
    """Chain `(event, received_at, source)` after a ledger of `size` entries that ends in `head`.

    Yields `(seq, record, hash)`, each record carrying the hash before it.
    """
    middle = b',"ledger":"%b","prev":"' % ledger.encode()
    prev = head
    for seq, (event, received_at, source) in enumerate(events, size):
        record = b'{"event":%b%b%b","received_at":"%b","seq":%d,"source":%b,"v":1}' % (
            event,
            middle,
            prev.hex().encode(),
            received_at.encode(),
            seq,
            source,
        )
        prev = sha256(b"\x00" + record).digest()
        yield seq, record, prev
