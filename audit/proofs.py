"""Prove to strangers that an entry is in a ledger, and that the ledger only ever grew. Reads only.

A proof leads to the root of a checkpoint that was published, since a root that nobody signed proves
nothing. Hashes come from tiles (tree.py); a proof made of tiles that somebody changed is handed out
as it is and fails where it is checked. The bytes of a proof: audit.ledger.proof. Signing: seal.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from audit.database import rows
from audit.errors import NoCheckpoint, NotSealed
from audit.ledger.merkle import prove_consistency, prove_inclusion, root_of
from audit.ledger.note import (
    Signature,
    VerifierKey,
    add_signatures,
    format_note,
    format_verifier_key,
    open_note,
    parse_note,
    parse_signatures,
)
from audit.ledger.policy import Policy, weigh
from audit.ledger.proof import EntryProof
from audit.models import Ledger
from audit.seal import known_keys
from audit.tree import tree_of

_NEWEST = """
SELECT size, root, note, signed_at
FROM audit_checkpoint
WHERE ledger_id = %s
  AND size < %s
ORDER BY size DESC
LIMIT %s
"""
_AT = """
SELECT size, root, note, signed_at
FROM audit_checkpoint
WHERE ledger_id = %s
  AND size = %s
"""
_LATER = """
SELECT line
FROM audit_cosignature
WHERE ledger_id = %s
  AND size = %s
ORDER BY cosigned_at, witness
"""
_BEYOND = 2**63 - 1


@dataclass(frozen=True, kw_only=True, slots=True)
class PublishedCheckpoint:
    """A checkpoint as anyone is given it."""

    size: int
    root: bytes
    """32 bytes."""
    note: bytes
    """Signed, with the cosignatures held at publication and those that came later."""
    signed_at: datetime

    def signatures(self) -> tuple[Signature, ...]:
        """Return who claims to have signed it; nothing of that is checked."""
        return parse_note(self.note).signatures


@dataclass(frozen=True, kw_only=True, slots=True)
class Growth:
    """That the tree of `new_size` begins with that of `old_size`."""

    old_size: int
    old_root: bytes
    new_size: int
    new_root: bytes
    hashes: tuple[bytes, ...]
    """The consistency proof; empty between trees of one size."""


def newest_checkpoint(ledger_id: int) -> PublishedCheckpoint | None:
    """Return the checkpoint of the largest size, None before the first."""
    return next(iter(list_checkpoints(ledger_id, most=1)), None)


def checkpoint_at(ledger_id: int, size: int) -> PublishedCheckpoint | None:
    """Return the checkpoint of exactly this size, None when none was signed."""
    found = rows(_AT, (ledger_id, size))
    return _published(ledger_id, *found[0]) if found else None


def list_checkpoints(
    ledger_id: int, *, most: int, after: int | None = None
) -> list[PublishedCheckpoint]:
    """Return checkpoints, the largest size first; after a size come those of smaller sizes."""
    found = rows(_NEWEST, (ledger_id, _BEYOND if after is None else after, most))
    return [_published(ledger_id, *each) for each in found]


def prove_entry(
    ledger_id: int, seq: int, *, size: int | None = None
) -> tuple[EntryProof, PublishedCheckpoint]:
    """Prove that entry `seq` is in the tree of the newest checkpoint, or of the one of `size`.

    Raises NotSealed when the newest does not cover it yet, NoCheckpoint when none has that size or
    its size does not cover the entry, TilesMissing.
    """
    newest = newest_checkpoint(ledger_id)
    if newest is None or seq >= newest.size:
        raise NotSealed(seq=seq, sealed_size=newest.size if newest else 0)
    against = newest if size is None else checkpoint_at(ledger_id, size)
    if against is None:
        raise NoCheckpoint(f"no checkpoint has the size {size}; leave size out for the newest")
    if seq >= against.size:
        raise NoCheckpoint(
            f"the checkpoint of size {size} ends before entry {seq}; leave size out for the newest"
        )
    tree = tree_of(ledger_id, size=against.size)
    hashes = prove_inclusion(index=seq, size=against.size, hashes=tree)
    return EntryProof(index=seq, hashes=tuple(hashes), checkpoint=against.note), against


def prove_growth(ledger_id: int, *, old_size: int, new_size: int) -> Growth:
    """Prove that the ledger at `new_size` continues what it was at `old_size`.

    Sizes are 1 and more, old_size at most new_size. Raises NotSealed when the newest checkpoint is
    of a smaller size than `new_size`: no root beyond it was ever signed. Raises TilesMissing.
    """
    newest = newest_checkpoint(ledger_id)
    if newest is None or new_size > newest.size:
        raise NotSealed(seq=new_size - 1, sealed_size=newest.size if newest else 0)
    tree = tree_of(ledger_id, size=new_size)
    return Growth(
        old_size=old_size,
        old_root=root_of(old_size, tree_of(ledger_id, size=old_size)),
        new_size=new_size,
        new_root=root_of(new_size, tree),
        hashes=tuple(prove_consistency(old_size=old_size, new_size=new_size, hashes=tree)),
    )


def verifier_keys(ledger: Ledger) -> list[str]:
    """Return every key the ledger was ever signed with, in signed-note form, newest first."""
    return [format_verifier_key(key) for key in known_keys(ledger)]


def say_witnessed(
    checkpoint: PublishedCheckpoint, *, policy: Policy, keys: list[VerifierKey]
) -> str:
    """Return how many of a policy's witnesses have cosigned, such as "2 of 3".

    `keys` are the ledger's own. Raises what `open_note` raises for a note that is none of theirs.
    """
    cosigners = [each.key for each in policy.witnesses]
    opened = open_note(checkpoint.note, keys=[*keys, *cosigners])
    return str(weigh(policy, opened.keys()))


def _published(
    ledger_id: int, size: int, root: bytes, note: bytes, signed_at: datetime
) -> PublishedCheckpoint:
    later = [
        signature
        for (line,) in rows(_LATER, (ledger_id, size))
        for signature in parse_signatures(line.rstrip("\n") + "\n")
    ]
    if later:
        note = format_note(add_signatures(parse_note(bytes(note)), later))
    return PublishedCheckpoint(size=size, root=bytes(root), note=bytes(note), signed_at=signed_at)
