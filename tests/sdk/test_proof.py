"""The SDK's offline check agrees with the platform's, and refuses every bit that was changed."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from obsagent.ed25519 import is_signed
from obsagent.errors import ProofWrong
from obsagent.proof import check, check_inclusion, leaf_of, parse_key

from audit.ledger.checkpoint import Checkpoint, format_checkpoint
from audit.ledger.merkle import Frontier, Node, fold, prove_inclusion, root_of
from audit.ledger.note import format_verifier_key, make_signing_key, sign_note
from audit.ledger.proof import EntryProof, format_proof

RECORDS = [f'{{"seq":{number}}}'.encode() for number in range(20)]
LEAVES = [leaf_of(record) for record in RECORDS]
ORIGIN = "sdk.example.com/main"


class Tree:
    """Every node of a small tree, computed from its leaves."""

    def read_hashes(self, nodes: Sequence[Node], /) -> list[bytes]:
        return [self._hash(node) for node in nodes]

    def _hash(self, node: Node) -> bytes:
        if node.level == 0:
            return LEAVES[node.position]
        halves = [Node(node.level - 1, 2 * node.position + side) for side in (0, 1)]
        return sha256(b"\1" + b"".join(map(self._hash, halves))).digest()


def signed(size: int) -> tuple[bytes, str]:
    """Return a signed checkpoint of the first leaves, and its key."""
    key = make_signing_key(name=ORIGIN, seed=bytes(range(32)))
    root = root_of(size, Tree())
    text = format_checkpoint(Checkpoint(origin=ORIGIN, size=size, root=root))
    return sign_note(text, signers=[key]), format_verifier_key(key.key)


def proof_of(index: int, size: int) -> tuple[bytes, str]:
    checkpoint, key = signed(size)
    hashes = prove_inclusion(index=index, size=size, hashes=Tree())
    return format_proof(EntryProof(index=index, hashes=tuple(hashes), checkpoint=checkpoint)), key


@pytest.mark.parametrize("size", range(1, 21))
def test_each_entry_of_each_tree_is_proven(size: int) -> None:
    root = root_of(size, Tree())
    for index in range(size):
        hashes = prove_inclusion(index=index, size=size, hashes=Tree())

        check_inclusion(hashes, size=size, root=root, index=index, leaf=LEAVES[index])


@pytest.mark.parametrize("size", range(2, 12))
def test_no_proof_serves_another_entry_or_another_leaf(size: int) -> None:
    root = root_of(size, Tree())
    for index in range(size):
        hashes = prove_inclusion(index=index, size=size, hashes=Tree())
        for other in range(size):
            if other != index:
                with pytest.raises(ProofWrong):
                    check_inclusion(hashes, size=size, root=root, index=other, leaf=LEAVES[index])
        with pytest.raises(ProofWrong):
            check_inclusion(hashes, size=size, root=root, index=index, leaf=bytes(32))
        with pytest.raises(ProofWrong):
            check_inclusion(
                [*hashes, bytes(32)], size=size, root=root, index=index, leaf=LEAVES[index]
            )


def test_a_proof_with_its_key_holds_and_says_the_checkpoint() -> None:
    data, key = proof_of(5, 13)

    checkpoint = check(data, record=RECORDS[5], key=parse_key(key))

    assert (checkpoint.origin, checkpoint.size) == (ORIGIN, 13)


def test_each_changed_byte_of_a_proof_is_refused() -> None:
    data, key = proof_of(5, 13)
    for place in range(len(data)):
        changed = bytearray(data)
        changed[place] ^= 1
        with pytest.raises(ProofWrong):
            check(bytes(changed), record=RECORDS[5], key=parse_key(key))


def test_another_record_another_key_and_another_ledger_are_refused() -> None:
    data, key = proof_of(5, 13)
    other = format_verifier_key(make_signing_key(name=ORIGIN, seed=bytes(32)).key)
    elsewhere = format_verifier_key(make_signing_key(name="other", seed=bytes(range(32))).key)

    with pytest.raises(ProofWrong, match="another root"):
        check(data, record=RECORDS[6], key=parse_key(key))
    with pytest.raises(ProofWrong, match="not signed by this key"):
        check(data, record=RECORDS[5], key=parse_key(other))
    with pytest.raises(ProofWrong, match="another ledger"):
        check(data, record=RECORDS[5], key=parse_key(elsewhere))


def test_signatures_are_those_of_openssl_and_no_changed_bit_passes() -> None:
    private = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
    public = private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    signature = private.sign(b"text")

    assert is_signed(public=public, message=b"text", signature=signature)
    assert not is_signed(public=public, message=b"test", signature=signature)
    for bit in range(0, 512, 7):
        changed = bytearray(signature)
        changed[bit // 8] ^= 1 << bit % 8
        assert not is_signed(public=public, message=b"text", signature=bytes(changed))


def test_the_frontier_and_this_tree_are_one() -> None:
    frontier = Frontier()
    frontier.extend(LEAVES)

    assert frontier.root() == root_of(20, Tree()) == fold(frontier.peaks)
