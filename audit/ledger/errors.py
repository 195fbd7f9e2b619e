"""Errors of trees, tiles, notes and proofs, each named for the fact it states. Owns no behaviour.

All are `AuditError`s. What refuses a proof is a `ProofRefused`, so that a verifier can tell "this
proof does not hold" from "this text cannot be read". Pure: imports no Django.
"""

from __future__ import annotations

from dataclasses import dataclass

from audit.errors import AuditError


class LedgerFact(AuditError):
    """A fact about a tree, a note or a proof; the attributes say where."""

    def __reduce__(self) -> tuple[object, ...]:
        """Survive pickling, which would pass the arguments by position."""
        return (_restored, (type(self), vars(self)))


def _restored(kind: type[LedgerFact], facts: dict[str, object]) -> LedgerFact:
    return kind(**facts)


@dataclass(kw_only=True, eq=False)
class OutsideTree(LedgerFact):
    """Entry 12, or a range or an older tree, was asked of a tree that does not reach so far."""

    asked: str
    """What was asked for, in words: `entry 12`."""
    size: int

    def __str__(self) -> str:
        """Read as a line of a log."""
        return f"a tree of size {self.size} has no {self.asked}"


class ProofRefused(LedgerFact):
    """A proof does not prove what it was given for."""


@dataclass(kw_only=True, eq=False)
class ProofMalformed(ProofRefused):
    """A proof cannot be one of this tree: too few hashes, a hash of 31 bytes, a size of zero."""

    reason: str

    def __str__(self) -> str:
        """Read as a line of a log."""
        return f"no proof: {self.reason}"


@dataclass(kw_only=True, eq=False)
class NotIncluded(ProofRefused):
    """From leaf 812 the proof does not lead to the root of the tree of size 9,000."""

    index: int
    size: int
    expected: bytes
    """The root that was to be reached."""
    found: bytes
    """The root to which leaf and proof lead."""

    def __str__(self) -> str:
        """Read as a line of a log."""
        return (
            f"entry {self.index} is not in this tree of size {self.size}:"
            f" the proof leads to {self.found.hex()}, the root is {self.expected.hex()}"
        )


@dataclass(kw_only=True, eq=False)
class NotConsistent(ProofRefused):
    """The tree of size 9,000 does not begin with the tree of size 812: history was rewritten."""

    old_size: int
    new_size: int
    expected: bytes
    """The root, of the older or the newer tree, that was to be reached."""
    found: bytes
    """The root to which the proof leads."""

    def __str__(self) -> str:
        """Read as a line of a log."""
        return (
            f"the tree of size {self.new_size} does not continue the tree of size {self.old_size}:"
            f" the proof leads to {self.found.hex()}, the root is {self.expected.hex()}"
        )


@dataclass(kw_only=True, eq=False)
class RangeNotIncluded(ProofRefused):
    """Entries 300 to 811, as given, are not those of the tree of size 9,000."""

    start: int
    end: int
    size: int
    expected: bytes
    found: bytes

    def __str__(self) -> str:
        """Read as a line of a log."""
        return (
            f"entries {self.start} to {self.end - 1} are not those of this tree of size"
            f" {self.size}: they lead to {self.found.hex()}, the root is {self.expected.hex()}"
        )


@dataclass(kw_only=True, eq=False)
class TilePathMalformed(LedgerFact):
    """A path names no tile and no bundle: a level above 63, a width of 256, a missing digit."""

    path: str

    def __str__(self) -> str:
        """Read as a line of a log."""
        return f"{self.path!r} is no tile's path"


@dataclass(kw_only=True, eq=False)
class TileMalformed(LedgerFact):
    """The bytes of a tile or a bundle are not as many, or not laid out, as their path says."""

    path: str
    """Of the tile; empty when a bundle is read apart from its path."""
    reason: str

    def __str__(self) -> str:
        """Read as a line of a log."""
        return f"{self.path or 'a bundle'}: {self.reason}"


@dataclass(kw_only=True, eq=False)
class RecordTooLong(LedgerFact):
    """A record of more than 65,535 bytes fits no bundle; none such is ever chained."""

    length: int

    def __str__(self) -> str:
        """Read as a line of a log."""
        return f"a record of {self.length} bytes fits no bundle"


@dataclass(kw_only=True, eq=False)
class EdgeIncomplete(LedgerFact):
    """The right edge holds 12 hashes of level 1 where a tree of this size has 14."""

    size: int
    expected: tuple[int, ...]
    """How many hashes each level must hold, leaves first."""
    found: tuple[int, ...]

    def __str__(self) -> str:
        """Read as a line of a log."""
        return (
            f"the right edge of a tree of size {self.size} holds {self.expected} hashes,"
            f" not {self.found}"
        )


@dataclass(kw_only=True, eq=False)
class KeyMalformed(LedgerFact):
    """A text is no key: a wrong id, a length that is not 32, an algorithm we do not know.

    Never holds the text, which may be a secret.
    """

    reason: str

    def __str__(self) -> str:
        """Read as a line of a log."""
        return f"no key: {self.reason}"


@dataclass(kw_only=True, eq=False)
class NoteMalformed(LedgerFact):
    """Bytes are no signed note, or a text cannot be signed as one."""

    reason: str

    def __str__(self) -> str:
        """Read as a line of a log."""
        return f"no signed note: {self.reason}"


@dataclass(kw_only=True, eq=False)
class SignatureWrong(LedgerFact):
    """A signature names a key we know and does not verify under it: the note was altered."""

    name: str
    key_id: bytes

    def __str__(self) -> str:
        """Read as a line of a log."""
        return f"the signature of {self.name}+{self.key_id.hex()} does not verify"


@dataclass(kw_only=True, eq=False)
class NotSigned(LedgerFact):
    """A note carries no signature of a key that we were told to trust."""

    wanted: tuple[str, ...]
    """The keys that would have done, as `name+id`."""
    found: tuple[str, ...]
    """Who signed, as the note says; none of it was checked."""

    def __str__(self) -> str:
        """Read as a line of a log."""
        found = ", ".join(self.found) or "nobody"
        return f"not signed by {', '.join(self.wanted) or 'any known key'}, but by {found}"


@dataclass(kw_only=True, eq=False)
class CheckpointMalformed(LedgerFact):
    """A note's text is no checkpoint: a size with a leading zero, a root of 31 bytes."""

    reason: str

    def __str__(self) -> str:
        """Read as a line of a log."""
        return f"no checkpoint: {self.reason}"


@dataclass(kw_only=True, eq=False)
class OriginWrong(LedgerFact):
    """A checkpoint is of another ledger than the one that was asked about."""

    expected: str
    found: str

    def __str__(self) -> str:
        """Read as a line of a log."""
        return f"a checkpoint of {self.found!r}, not of {self.expected!r}"


@dataclass(kw_only=True, eq=False)
class PolicyMalformed(LedgerFact):
    """A policy cannot be read: a name used before it is defined, a witness that counts twice."""

    line: int
    """Counted from 1; 0 when the whole is meant."""
    reason: str

    def __str__(self) -> str:
        """Read as a line of a log."""
        return f"policy, line {self.line}: {self.reason}" if self.line else f"policy: {self.reason}"


@dataclass(kw_only=True, eq=False)
class ManifestMalformed(LedgerFact):
    """A text is no manifest of a bundle: an unknown line, a last seq outside the tree."""

    reason: str

    def __str__(self) -> str:
        """Read as a line of a log."""
        return f"no manifest: {self.reason}"


@dataclass(kw_only=True, eq=False)
class BundleUnfinished(LedgerFact):
    """A bundle's file does not hold what its manifest says, so it cannot be finished."""

    reason: str

    def __str__(self) -> str:
        """Read as a line of a log."""
        return f"the bundle cannot be finished: {self.reason}; make it anew"
