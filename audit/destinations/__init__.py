"""Hand entries to somebody who watches: a SIEM, a file, a bucket. Owns what all kinds share.

What is sent is the record as it is stored: redacted, with pseudonyms, with `personal` encrypted,
never decrypted. A recipient is one file of this package: it takes a batch of consecutive entries
of one ledger and returns once the other side has said that it has them. It never touches the
database, keeps no thread and decides nothing: when which batch is sent is audit.deliver, what a
person may set up is kinds.py. Wire formats: lines.py and each recipient's own file.
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Protocol

from audit.errors import AuditError

TEST_SEQ: Final = -1
"""The seq of a test line, which no entry has."""


class NotDelivered(AuditError):
    """The other side did not take a batch, or did not say so; the text names the cause."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Item:
    """One entry on its way."""

    seq: int
    hash: str
    """64 hexadecimal digits."""
    record: bytes
    """The stored bytes, as they were hashed."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Batch:
    """Consecutive entries of one ledger, at least one, in the order of their seq."""

    ledger: str
    items: tuple[Item, ...]

    @property
    def first(self) -> int:
        """Return the first seq."""
        return self.items[0].seq

    @property
    def last(self) -> int:
        """Return the last seq."""
        return self.items[-1].seq

    @property
    def is_test(self) -> bool:
        """Tell whether it is one test line and nothing of the ledger."""
        return self.first == TEST_SEQ


class Recipient(Protocol):
    """The other side."""

    def take(self, batch: Batch, /, *, now: datetime) -> str:
        """Hand over a batch; once this returns the other side has it. Returns what it answered.

        Raises NotDelivered, RecordUnreadable.
        """


def trusting(authority: str) -> ssl.SSLContext | None:
    """Return a TLS context that trusts this PEM certificate alone; None for an empty one.

    None means the authorities of the system. Raises ssl.SSLError for what is no certificate.
    """
    return ssl.create_default_context(cadata=authority) if authority else None
