"""Prove offline that an entry is in a ledger. Owns C2SP tlog-proof, the `.tlog-proof` file.

    c2sp.org/tlog-proof@v1
    extra <base64>                left out when there is none; nobody vouches for it
    index <n>                     decimal, no leading zero
    <base64 of 32 bytes>          one line a hash: the leaf's sibling first, the root's child last
    …
                                  an empty line, then the signed checkpoint, byte for byte
    <checkpoint>

With the record and the ledger's verifier key it is all that a stranger needs: he hashes the record
(record.py), opens the checkpoint (checkpoint.py) and follows the hashes to its root (merkle.py).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from audit.ledger.checkpoint import SignedCheckpoint, open_checkpoint
from audit.ledger.errors import ProofMalformed
from audit.ledger.merkle import HASH_SIZE, check_inclusion
from audit.ledger.note import (
    VerifierKey,
    Verify,
    decode_base64,
    encode_base64,
    openssl_verify,
)

HEADER = "c2sp.org/tlog-proof@v1"

_INDEX = re.compile(r"0|[1-9][0-9]{0,18}")


@dataclass(frozen=True, kw_only=True)
class EntryProof:
    """What a `.tlog-proof` says."""

    index: int
    """The entry's seq."""
    hashes: tuple[bytes, ...]
    """The inclusion proof, 32 bytes each."""
    checkpoint: bytes
    """A signed note, as the ledger published it."""
    extra: bytes | None = None
    """Anything, not signed and not proven; None when the line is left out."""


def format_proof(proof: EntryProof) -> bytes:
    """Return the bytes of a `.tlog-proof` file."""
    lines = [HEADER]
    if proof.extra is not None:
        lines.append(f"extra {encode_base64(proof.extra)}")
    lines.append(f"index {proof.index}")
    lines += map(encode_base64, proof.hashes)
    return "".join(f"{line}\n" for line in [*lines, ""]).encode() + proof.checkpoint


def parse_proof(data: bytes) -> EntryProof:
    """Take a `.tlog-proof` apart; checks nothing of what it says. Raises ProofMalformed."""
    head, gap, checkpoint = data.partition(b"\n\n")
    if not gap:
        raise ProofMalformed(reason="no empty line before the checkpoint")
    try:
        header, *lines = head.decode("ascii").split("\n")
    except UnicodeDecodeError as error:
        raise ProofMalformed(reason="not ASCII before the checkpoint") from error
    if header != HEADER:
        raise ProofMalformed(reason=f"the first line is not {HEADER}")
    extra = None
    if lines and lines[0].startswith("extra "):
        extra = _base64(lines.pop(0).removeprefix("extra "))
    index = lines.pop(0) if lines else ""
    if not index.startswith("index ") or not _INDEX.fullmatch(index.removeprefix("index ")):
        raise ProofMalformed(reason="no line with the index")
    return EntryProof(
        index=int(index.removeprefix("index ")),
        hashes=tuple(map(_hash, lines)),
        checkpoint=checkpoint,
        extra=extra,
    )


def check_proof(
    proof: EntryProof,
    *,
    leaf: bytes,
    origin: str,
    keys: Iterable[VerifierKey],
    witnesses: Iterable[VerifierKey] = (),
    verify: Verify = openssl_verify,
) -> SignedCheckpoint:
    """Check that the entry with this leaf hash is in this ledger; return the checkpoint it is in.

    Raises ProofRefused when hashes and root do not meet, and what `open_checkpoint` raises.
    """
    signed = open_checkpoint(
        proof.checkpoint, origin=origin, keys=keys, witnesses=witnesses, verify=verify
    )
    check_inclusion(
        proof.hashes,
        size=signed.checkpoint.size,
        root=signed.checkpoint.root,
        index=proof.index,
        leaf=leaf,
    )
    return signed


def _base64(text: str) -> bytes:
    found = decode_base64(text)
    if found is None:
        raise ProofMalformed(reason="a line is no base64")
    return found


def _hash(text: str) -> bytes:
    found = _base64(text)
    if len(found) != HASH_SIZE:
        raise ProofMalformed(reason=f"a hash of {len(found)} bytes")
    return found
