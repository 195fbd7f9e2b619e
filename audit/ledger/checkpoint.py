"""Say how large a ledger is and what its root is. Owns C2SP tlog-checkpoint.

    <origin>                      the ledger; not empty
    <size>                        decimal, no leading zero
    <root>                        base64 of 32 bytes
    <extension>                   any number of lines, none empty; this project writes none

That text, signed as a note (note.py), is a checkpoint: whoever signed it says that the ledger of
this origin had this root at this size. Two checkpoints of one origin that no consistency proof
links (merkle.py) show that its history was rewritten. Never decides what may be signed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from audit.ledger.errors import CheckpointMalformed, NotSigned, OriginWrong
from audit.ledger.merkle import EMPTY_ROOT, HASH_SIZE
from audit.ledger.note import (
    OpenedNote,
    VerifierKey,
    Verify,
    decode_base64,
    encode_base64,
    open_note,
    openssl_verify,
)

MAX_SIZE = 2**63 - 1
"""The largest size that readers in other languages hold."""

_SIZE = re.compile(r"0|[1-9][0-9]{0,18}")
_FORBIDDEN = re.compile("[\x00-\x1f\ud800-\udfff]")


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """The head of a ledger. Raises CheckpointMalformed for what no text could say."""

    origin: str
    size: int
    root: bytes
    """32 bytes."""
    extensions: tuple[str, ...] = ()
    """Lines that others may write below the root; ours are none."""

    def __post_init__(self) -> None:
        """Refuse what could not be written, or not be read again."""
        for line in (self.origin, *self.extensions):
            if not line or _FORBIDDEN.search(line):
                raise CheckpointMalformed(reason="a line is empty or holds what no text may")
        if not 0 <= self.size <= MAX_SIZE:
            raise CheckpointMalformed(reason=f"a size of {self.size}")
        if len(self.root) != HASH_SIZE:
            raise CheckpointMalformed(reason=f"a root of {len(self.root)} bytes")
        if self.size == 0 and self.root != EMPTY_ROOT:
            raise CheckpointMalformed(reason="a root that the tree without leaves does not have")


@dataclass(frozen=True, kw_only=True)
class SignedCheckpoint:
    """A checkpoint that at least one key we trust has signed."""

    checkpoint: Checkpoint
    opened: OpenedNote
    """The note it stands in, and whose signatures hold."""


def format_checkpoint(checkpoint: Checkpoint) -> str:
    """Return the text to sign; ends in a newline."""
    lines = [
        checkpoint.origin,
        str(checkpoint.size),
        encode_base64(checkpoint.root),
        *checkpoint.extensions,
    ]
    return "".join(f"{line}\n" for line in lines)


def parse_checkpoint(text: str) -> Checkpoint:
    """Return the head that a note's text states. Raises CheckpointMalformed."""
    *lines, rest = text.split("\n")
    if rest or len(lines) < 3:
        raise CheckpointMalformed(reason="fewer than three lines")
    origin, size, encoded, *extensions = lines
    if not _SIZE.fullmatch(size):
        raise CheckpointMalformed(reason="the second line is no size")
    root = decode_base64(encoded)
    if root is None:
        raise CheckpointMalformed(reason="the third line is no base64")
    return Checkpoint(origin=origin, size=int(size), root=root, extensions=tuple(extensions))


def open_checkpoint(
    data: bytes,
    *,
    origin: str,
    keys: Iterable[VerifierKey],
    witnesses: Iterable[VerifierKey] = (),
    verify: Verify = openssl_verify,
) -> SignedCheckpoint:
    """Return a checkpoint of this ledger, signed by one of its `keys`.

    Cosignatures of `witnesses` are checked too and stand in `opened.signed`; alone they do not do,
    since a witness says what it saw, not what the ledger is. Raises what `open_note` raises,
    OriginWrong for another ledger's checkpoint, CheckpointMalformed for a text that is none.
    """
    log_keys = tuple(keys)
    opened = open_note(data, keys=(*log_keys, *witnesses), verify=verify)
    if not any(one.key in log_keys for one in opened.signed):
        raise NotSigned(
            wanted=tuple(map(str, log_keys)), found=tuple(str(one.key) for one in opened.signed)
        )
    checkpoint = parse_checkpoint(opened.text)
    if checkpoint.origin != origin:
        raise OriginWrong(expected=origin, found=checkpoint.origin)
    return SignedCheckpoint(checkpoint=checkpoint, opened=opened)
