"""Check offline that an entry is in its ledger, with the standard library alone. Pure.

    record ─ SHA-256(0x00 ‖ record) ─▶ leaf ─ hashes of the proof ─▶ root ─ checkpoint's signature

A `.tlog-proof` file (C2SP) has the index, the hashes and the signed checkpoint. The tree is that of
RFC 6962, the signature Ed25519 of a C2SP signed note. Without the ledger's key, which must come
from elsewhere, the entry is proven to be in the tree that the checkpoint names, and no more.
"""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from binascii import Error as NotBase64
from collections.abc import Sequence
from hashlib import sha256
from typing import NamedTuple

from obsagent.ed25519 import is_signed
from obsagent.errors import ProofWrong

HEADER = "c2sp.org/tlog-proof@v1"
_ED25519 = 1
_DASH = "— "


class Proof(NamedTuple):
    """What a `.tlog-proof` file says."""

    seq: int
    """The entry's place, from 0."""
    hashes: tuple[bytes, ...]
    checkpoint: str
    """The signed note, as the ledger published it."""


class Checkpoint(NamedTuple):
    """What a checkpoint says: nothing of it is trusted before its signature is checked."""

    origin: str
    size: int
    root: bytes


class Key(NamedTuple):
    """A ledger's verifier key, `name+hash+base64`."""

    name: str
    key_id: bytes
    public: bytes


def parse_proof(data: bytes) -> Proof:
    """Take a `.tlog-proof` apart. Raises ProofWrong."""
    head, gap, checkpoint = data.partition(b"\n\n")
    lines = head.decode("ascii", "replace").split("\n")
    if not gap or lines[0] != HEADER:
        raise ProofWrong("not a .tlog-proof file")
    rest = [line for line in lines[1:] if not line.startswith("extra ")]
    if not rest or re.fullmatch("index (0|[1-9][0-9]{0,18})", rest[0]) is None:
        raise ProofWrong("no index")
    hashes = tuple(_bytes_of(line, 32) for line in rest[1:])
    return Proof(int(rest[0][6:]), hashes, checkpoint.decode("utf-8", "replace"))


def parse_checkpoint(note: str) -> Checkpoint:
    """Take the text of a checkpoint apart. Raises ProofWrong."""
    lines = note.partition("\n\n")[0].split("\n")
    if len(lines) < 3 or re.fullmatch("0|[1-9][0-9]{0,18}", lines[1]) is None:
        raise ProofWrong("not a checkpoint")
    return Checkpoint(lines[0], int(lines[1]), _bytes_of(lines[2], 32))


def parse_key(text: str) -> Key:
    """Read a verifier key. Raises ProofWrong."""
    name, _, rest = text.strip().partition("+")
    digest, _, encoded = rest.partition("+")
    data = _bytes_of(encoded, 33)
    if data[0] != _ED25519:
        raise ProofWrong(f"a key of algorithm {data[0]}; a ledger's has {_ED25519}")
    key_id = sha256(name.encode() + b"\n" + data).digest()[:4]
    if key_id.hex() != digest:
        raise ProofWrong("the key's name and its digest do not belong together")
    return Key(name, key_id, data[1:])


def leaf_of(record: bytes) -> bytes:
    """Return the hash of an entry's record: what the tree holds of it."""
    return sha256(b"\0" + record).digest()


def check_inclusion(
    hashes: Sequence[bytes], *, size: int, root: bytes, index: int, leaf: bytes
) -> None:
    """Check that the tree of this size and root holds the leaf at this index; RFC 9162 §2.1.3.2.

    Raises ProofWrong.
    """
    if not 0 <= index < size:
        raise ProofWrong(f"a tree of size {size} has no entry {index}")
    found, place, last = leaf, index, size - 1
    for sibling in hashes:
        if last == 0:
            raise ProofWrong("too many hashes")
        if place & 1 or place == last:
            found = sha256(b"\1" + sibling + found).digest()
            while not place & 1 and place:
                place >>= 1
                last >>= 1
        else:
            found = sha256(b"\1" + found + sibling).digest()
        place >>= 1
        last >>= 1
    if last:
        raise ProofWrong("too few hashes")
    if found != root:
        raise ProofWrong("the hashes lead to another root: the entry is not in this tree")


def check_signature(note: str, key: Key) -> None:
    """Check that a ledger's key signed a checkpoint. Raises ProofWrong."""
    text, gap, signatures = note.partition("\n\n")
    message = (text + "\n").encode()
    if not gap or not signatures.endswith("\n"):
        raise ProofWrong("not a signed note")
    for line in signatures[:-1].split("\n"):
        name, _, encoded = line[len(_DASH) :].partition(" ")
        if not line.startswith(_DASH) or name != key.name:
            continue
        data = _bytes_of(encoded, None)
        if data[:4] == key.key_id:
            if is_signed(public=key.public, message=message, signature=data[4:]):
                return
            raise ProofWrong("the checkpoint's signature is wrong")
    raise ProofWrong("the checkpoint is not signed by this key")


def check(data: bytes, *, record: bytes, key: Key | None) -> Checkpoint:
    """Check a proof of a record; with a key its checkpoint's signature and origin too.

    Returns the checkpoint that the entry is under. Raises ProofWrong.
    """
    proof = parse_proof(data)
    checkpoint = parse_checkpoint(proof.checkpoint)
    if key is not None:
        if key.name != checkpoint.origin:
            raise ProofWrong("the checkpoint is of another ledger than the key")
        check_signature(proof.checkpoint, key)
    check_inclusion(
        proof.hashes,
        size=checkpoint.size,
        root=checkpoint.root,
        index=proof.seq,
        leaf=leaf_of(record),
    )
    return checkpoint


def _bytes_of(text: str, length: int | None) -> bytes:
    try:
        found = b64decode(text.encode("ascii"), validate=True)
    except (NotBase64, UnicodeEncodeError) as error:
        raise ProofWrong("a line is no base64") from error
    if b64encode(found).decode() != text:
        raise ProofWrong("a line is not the one way to write its bytes in base64")
    if length is not None and len(found) != length:
        raise ProofWrong(f"{len(found)} bytes where {length} belong")
    return found
