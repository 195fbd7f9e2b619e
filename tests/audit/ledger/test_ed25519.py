"""Ed25519 by the standard library says what OpenSSL says."""

from __future__ import annotations

import random

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from audit.ledger.ed25519 import verify
from audit.ledger.note import openssl_verify
from tests.audit.ledger.trees import OURS

SEED = 20261120
ORDER = 2**252 + 27742317777372353535851937790883648493
PRIME = 2**255 - 19


def both(public: bytes, message: bytes, signature: bytes) -> bool:
    """Return the answer after seeing that both give it."""
    ours = verify(public=public, message=message, signature=signature)
    theirs = openssl_verify(public=public, message=message, signature=signature)
    assert theirs == ours, (public.hex(), message.hex(), signature.hex())
    return ours


@pytest.mark.parametrize("vector", OURS["rfc8032"], ids=lambda each: each["public"][:8])
def test_signatures_of_RFC_8032_hold(vector: dict[str, str]) -> None:
    public, message, signature = (
        bytes.fromhex(vector[key]) for key in ("public", "message", "signature")
    )

    assert both(public, message, signature)
    assert not both(public, message + b"x", signature)


def test_signatures_hold_for_messages_of_every_length() -> None:
    chance = random.Random(SEED)
    for length in [*range(0, 300, 11), 1023, 5_000]:
        key = Ed25519PrivateKey.from_private_bytes(chance.randbytes(32))
        message = chance.randbytes(length)
        assert both(key.public_key().public_bytes_raw(), message, key.sign(message))


def test_any_bit_flipped_is_refused() -> None:
    chance = random.Random(SEED)
    key = Ed25519PrivateKey.from_private_bytes(chance.randbytes(32))
    public, message = key.public_key().public_bytes_raw(), b"Alice chained it."
    signature = key.sign(message)
    for bit in range(512):
        assert not both(public, message, flipped(signature, bit))
    for bit in range(0, 256, 3):
        assert not both(flipped(public, bit), message, signature)
    for bit in range(0, len(message) * 8, 5):
        assert not both(public, flipped(message, bit), signature)


def test_a_second_spelling_of_a_signature_is_refused() -> None:
    key = Ed25519PrivateKey.from_private_bytes(bytes(32))
    public, signature = key.public_key().public_bytes_raw(), key.sign(b"")
    s = int.from_bytes(signature[32:], "little") + ORDER

    assert not both(public, b"", signature[:32] + s.to_bytes(32, "little"))


def test_a_key_that_is_no_point_or_a_second_spelling_is_refused() -> None:
    chance = random.Random(SEED)
    for _ in range(60):  # about half of all y belong to no point
        assert not both(chance.randbytes(32), b"", chance.randbytes(64))
    for y in (PRIME, PRIME + 1, 2**255 - 1):
        key = y.to_bytes(32, "little")
        assert not verify(public=key, message=b"", signature=bytes(64))


def test_lengths_that_cannot_be_are_refused() -> None:
    key = Ed25519PrivateKey.from_private_bytes(bytes(32))
    public, signature = key.public_key().public_bytes_raw(), key.sign(b"")
    for wrong in (b"", public[:-1], public + b"\x00"):
        assert not both(wrong, b"", signature)
    for wrong in (b"", signature[:-1], signature + b"\x00"):
        assert not both(public, b"", wrong)


def flipped(data: bytes, bit: int) -> bytes:
    return data[: bit // 8] + bytes([data[bit // 8] ^ 1 << bit % 8]) + data[bit // 8 + 1 :]
