"""Ask a witness to cosign. Owns the body of C2SP tlog-witness `add-checkpoint`.

    old <size>                    the size that the witness is thought to have seen last
    <base64 of 32 bytes>          at most 63 lines: the consistency proof from there
    …
                                  an empty line, then the signed checkpoint, byte for byte
    <checkpoint>

Its answer is signature lines: `note.parse_signatures`. Never sends anything, keeps no state, and
decides nothing: what a witness may cosign is for the witness that keeps the state.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from audit.ledger.errors import ProofMalformed
from audit.ledger.merkle import HASH_SIZE
from audit.ledger.note import decode_base64, encode_base64

MAX_HASHES = 63
"""Lines of the longest consistency proof."""

_OLD = re.compile(r"old (0|[1-9][0-9]{0,18})")


@dataclass(frozen=True, kw_only=True)
class CosignRequest:
    """What a ledger sends to a witness."""

    old_size: int
    """0 for a ledger that the witness has never seen; then there is no proof."""
    proof: tuple[bytes, ...]
    """From the old size to that of the checkpoint, 32 bytes each."""
    checkpoint: bytes
    """A signed note."""


def format_cosign_request(request: CosignRequest) -> bytes:
    """Return the body to POST. Raises ProofMalformed for more than 63 hashes."""
    if len(request.proof) > MAX_HASHES:
        raise ProofMalformed(reason=f"more than {MAX_HASHES} hashes")
    lines = [f"old {request.old_size}", *map(encode_base64, request.proof), ""]
    return "".join(f"{line}\n" for line in lines).encode() + request.checkpoint


def parse_cosign_request(data: bytes) -> CosignRequest:
    """Take such a body apart; checks neither proof nor signature. Raises ProofMalformed."""
    head, gap, checkpoint = data.partition(b"\n\n")
    if not gap:
        raise ProofMalformed(reason="no empty line before the checkpoint")
    try:
        first, *lines = head.decode("ascii").split("\n")
    except UnicodeDecodeError as error:
        raise ProofMalformed(reason="not ASCII before the checkpoint") from error
    old = _OLD.fullmatch(first)
    if old is None:
        raise ProofMalformed(reason="the first line is not `old` and a size")
    if len(lines) > MAX_HASHES:
        raise ProofMalformed(reason=f"more than {MAX_HASHES} hashes")
    proof = tuple(map(decode_base64, lines))
    hashes = tuple(each for each in proof if each is not None and len(each) == HASH_SIZE)
    if len(hashes) != len(lines):
        raise ProofMalformed(reason="a line is no base64 of 32 bytes")
    return CosignRequest(old_size=int(old[1]), proof=hashes, checkpoint=checkpoint)
