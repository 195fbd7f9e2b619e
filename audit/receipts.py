"""What receiving is given and what it gives back: an event as it came, its sender, a receipt."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

import msgspec

from audit.errors import EventRejected
from audit.ledger.canonical import canonicalise


class Incoming(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One event as it came over the wire."""

    raw: bytes
    default_id: UUID | None = None
    """The id to take when the event has none of its own."""
    source_id: str | None = None
    """The sender's own id when it was no UUID; kept in the record's source."""
    at: str = "$"
    """Where the event stands in what was sent; errors name their place from here."""
    refusal: EventRejected | None = None
    """Why this one was refused before it came here; it is then only reported."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Sender:
    """Who sends, as the record will say for ever."""

    via: str
    """`api`, `admin` or `server`."""
    scope: str
    """`governance`, `ops`, `events` or `server`."""
    scopes: frozenset[str]
    """What the sender may post; the platform itself holds `server`."""
    key: str = ""
    user: str = ""
    ip: str = ""
    backfill: bool = False

    def source(self) -> bytes:
        """Return the canonical `source` of the records of this POST."""
        return canonicalise(self.as_dict())

    def as_dict(self) -> dict[str, Any]:
        """Return the `source` of a record; what is empty is left out."""
        said: dict[str, Any] = {"via": self.via, "scope": self.scope}
        said |= {name: value for name in ("key", "user", "ip") if (value := getattr(self, name))}
        return said | ({"backfill": True} if self.backfill else {})


@dataclass(kw_only=True, slots=True)
class Receipt:
    """What became of one event."""

    index: int
    status: str
    """`received`, `duplicate`, `conflict` or `rejected`."""
    id: str | None = None
    digest: str | None = None
    event_sha256: str | None = None
    error: dict[str, str] | None = None
    seq: int | None = None
    """Known for a duplicate, and for all with `?wait=chained`."""
    hash: str | None = None
    state: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return the receipt as the API shows it; the last three only when known."""
        shown: dict[str, Any] = {
            "index": self.index,
            "id": self.id,
            "status": self.status,
            "digest": self.digest,
            "event_sha256": self.event_sha256,
            "error": self.error,
        }
        later = {"seq": self.seq, "hash": self.hash, "state": self.state}
        return shown | {name: value for name, value in later.items() if value is not None}
