"""Hand a checkpoint to somebody who is not us. Owns what every sink has in common.

A ledger that was rewritten is found only by a checkpoint that its owner cannot rewrite too, so each
signed checkpoint goes to sinks: files, other people's servers, stores, time-stamp authorities.
A sink is one file of this package. It never touches the database, keeps no thread, and decides
nothing: who is asked when, and what a mismatch means, is audit.anchor. Which sinks an installation
has is read in configured.py. Imports no Django, but for email.py and configured.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, Protocol

from audit.errors import AuditError


@dataclass(frozen=True, kw_only=True)
class Published:
    """A signed checkpoint that goes out."""

    ledger: str
    origin: str
    size: int
    root: bytes
    """32 bytes."""
    note: bytes
    """The signed note, byte for byte."""
    signed_at: datetime
    """With its zone."""


@dataclass(frozen=True, kw_only=True)
class Receipt:
    """What a sink gave for a checkpoint."""

    reference: str
    """What a person looks for: a file, an object's key and version, a message id, a serial."""
    proof: bytes = b""
    """What the sink itself gave, byte for byte: a time-stamp token, an answer; else empty."""


class SinkFailed(AuditError):
    """A sink did not take a checkpoint; the text names the cause and the way out.

    `is_mismatch` says that the sink holds what contradicts us, so that trying again cannot help.
    """

    def __init__(self, text: str, *, is_mismatch: bool = False) -> None:
        super().__init__(text)
        self.is_mismatch = is_mismatch


class SinkUnreachable(AuditError):
    """A sink could not be asked what it holds."""


class Holder(Protocol):
    """Somebody who holds checkpoints: a sink, or a witness."""

    name: str
    """Unique within an installation, such as `file`."""
    can_read: ClassVar[bool]
    """Whether `newest` can give back what was published."""

    def newest(self, origin: str, /) -> bytes | None:
        """Return the newest signed note held of this ledger; None when there is none.

        Not checked: open it with the ledger's keys. Raises SinkUnreachable, and SinkFailed as a
        mismatch where what it holds was plainly tampered with.
        """


class Sink(Holder, Protocol):
    """Somewhere that checkpoints go."""

    interval: float
    """Seconds between two checkpoints of a ledger; 0 for every checkpoint."""

    def publish(self, published: Published, /) -> Receipt:
        """Hand over one checkpoint; once this returns it is safe there. Raises SinkFailed."""
