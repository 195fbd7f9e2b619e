"""What is sent to a witness."""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Callable
from typing import Any

import pytest

from audit.ledger.errors import ProofMalformed
from audit.ledger.witness import CosignRequest, format_cosign_request, parse_cosign_request
from tests.audit.ledger.trees import OURS, VECTORS

GOOD = OURS["add_checkpoint_body"].encode()
HASH = b64encode(bytes(32)) + b"\n"


@pytest.mark.parametrize("vectors", VECTORS)
def test_a_published_body_is_read_and_made(vectors: dict[str, Any]) -> None:
    request = CosignRequest(
        old_size=7,
        proof=tuple(map(b64decode, vectors["consistency_7_15"])),
        checkpoint=vectors["log"]["checkpoints"]["15"].encode(),
    )
    body = vectors["add_checkpoint_body"].encode()

    assert body == format_cosign_request(request)
    assert request == parse_cosign_request(body)


def test_a_ledger_that_a_witness_never_saw_sends_no_proof() -> None:
    first = CosignRequest(old_size=0, proof=(), checkpoint=b"note\n")

    assert format_cosign_request(first) == b"old 0\n\nnote\n"
    assert first == parse_cosign_request(format_cosign_request(first))


@pytest.mark.parametrize(
    "change",
    [
        lambda data: b"",
        lambda data: data.replace(b"old 7", b"old 07"),
        lambda data: data.replace(b"old 7", b"old -7"),
        lambda data: data.replace(b"old 7", b"new 7"),
        lambda data: data.replace(b"old 7", b"old"),
        lambda data: data.replace(b"old 7", b"old " + b"7" * 5000),
        lambda data: data.replace(b"old 7", b"old \xff"),
        lambda data: data.replace(b"old 7\n", b"old 7\nAA\n"),
        lambda data: data.replace(b"old 7\n", b"old 7\n" + b64encode(bytes(31)) + b"\n"),
        lambda data: data.replace(b"old 7\n", b"old 7\n" + HASH * 63),
        lambda data: data.replace(b"\n\n", b"\n"),
        lambda data: data.replace(b"\n", b"\r\n"),
    ],
)
def test_what_is_no_request_is_refused(change: Callable[[bytes], bytes]) -> None:
    with pytest.raises(ProofMalformed):
        parse_cosign_request(change(GOOD))


def test_a_proof_of_more_than_63_hashes_is_not_sent() -> None:
    with pytest.raises(ProofMalformed):
        format_cosign_request(
            CosignRequest(old_size=1, proof=(bytes(32),) * 64, checkpoint=b"note\n")
        )
