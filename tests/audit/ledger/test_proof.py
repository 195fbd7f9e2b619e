"""Offline receipts: a record, its proof file and a key are all it takes."""

from __future__ import annotations

import subprocess
import sys
from base64 import b64encode
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.errors import AuditError
from audit.ledger import ed25519
from audit.ledger.checkpoint import Checkpoint, format_checkpoint
from audit.ledger.errors import NotIncluded, OriginWrong, ProofMalformed, SignatureWrong
from audit.ledger.merkle import prove_inclusion, root_of
from audit.ledger.note import make_signing_key, parse_verifier_key, sign_note
from audit.ledger.proof import EntryProof, check_proof, format_proof, parse_proof
from audit.ledger.record import leaf_hash
from tests.audit.ledger.trees import OURS, VECTORS, MemoryTree, numbered

ORIGIN = "example.com/ledger/main"
LOG = make_signing_key(name=ORIGIN, seed=bytes([1]) * 32)
LEAVES = numbered(11)
TREE = MemoryTree(LEAVES)
CHECKPOINT = sign_note(
    format_checkpoint(Checkpoint(origin=ORIGIN, size=11, root=root_of(11, TREE))), signers=[LOG]
)


def receipt(index: int, *, extra: bytes | None = None) -> EntryProof:
    hashes = prove_inclusion(index=index, size=11, hashes=TREE)
    return EntryProof(index=index, hashes=tuple(hashes), checkpoint=CHECKPOINT, extra=extra)


@pytest.mark.parametrize("vectors", VECTORS)
def test_a_published_proof_file_proves_its_entry(vectors: dict[str, Any]) -> None:
    vector, log = vectors["proof"], vectors["log"]
    proof = parse_proof(vector["proof_text"].encode())

    signed = check_proof(
        proof,
        leaf=leaf_hash(vector["leaf_data"].encode()),
        origin=log["origin"],
        keys=[parse_verifier_key(log["vkey"])],
        verify=ed25519.verify,
    )

    assert (vector["index"], vector["size"]) == (proof.index, signed.checkpoint.size)
    assert vector["proof_text"].encode() == format_proof(proof)


@pytest.mark.parametrize("vectors", VECTORS)
def test_a_published_proof_file_can_be_made_again(vectors: dict[str, Any]) -> None:
    vector, log = vectors["proof"], vectors["log"]
    tree = MemoryTree([leaf_hash(each.encode()) for each in log["entries"]])

    made = EntryProof(
        index=vector["index"],
        hashes=tuple(prove_inclusion(index=vector["index"], size=vector["size"], hashes=tree)),
        checkpoint=log["checkpoints"][str(vector["size"])].encode(),
    )

    assert vector["proof_text"].encode() == format_proof(made)


OFFLINE = """
import json, sys
sys.path.insert(0, sys.argv[1])
from audit.ledger import ed25519
from audit.ledger.note import parse_verifier_key
from audit.ledger.proof import check_proof, parse_proof
from audit.ledger.record import leaf_hash
import audit.ledger.tiles, audit.ledger.witness
vectors = json.load(open(sys.argv[1] + "/tests/vectors/tlog.json", encoding="utf-8"))
vector, log = vectors["proof"], vectors["log"]
signed = check_proof(
    parse_proof(vector["proof_text"].encode()),
    leaf=leaf_hash(vector["leaf_data"].encode()),
    origin=log["origin"],
    keys=[parse_verifier_key(log["vkey"])],
    verify=ed25519.verify,
)
installed = {name.partition(".")[0] for name in sys.modules} - set(sys.stdlib_module_names)
print(signed.checkpoint.size, *sorted(installed - {"__main__", "audit"}))
"""


def test_a_receipt_is_checked_with_the_standard_library_alone() -> None:
    root = Path(__file__).parents[3]

    ended = subprocess.run(
        [sys.executable, "-I", "-S", "-c", OFFLINE, str(root)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    assert (ended.returncode, ended.stdout.strip(), ended.stderr) == (0, "15", "")


def test_extra_data_is_carried() -> None:
    text = OURS["proof"]["with_extra"].encode()

    assert parse_proof(text).extra == b"a note to whom it concerns"
    assert text == format_proof(parse_proof(text))


def test_every_entry_has_a_receipt() -> None:
    for index, leaf in enumerate(LEAVES):
        proof = parse_proof(format_proof(receipt(index)))

        signed = check_proof(proof, leaf=leaf, origin=ORIGIN, keys=[LOG.key])

        assert signed.checkpoint.size == 11


def test_a_receipt_is_of_one_entry_of_one_ledger_under_one_key() -> None:
    other = make_signing_key(name=ORIGIN, seed=bytes([2]) * 32)
    proof = receipt(4)

    with pytest.raises(NotIncluded):
        check_proof(proof, leaf=LEAVES[5], origin=ORIGIN, keys=[LOG.key])
    with pytest.raises(OriginWrong):
        check_proof(proof, leaf=LEAVES[4], origin="example.com/x", keys=[LOG.key])
    with pytest.raises(AuditError, match="not signed"):
        check_proof(proof, leaf=LEAVES[4], origin=ORIGIN, keys=[other.key])


@pytest.mark.parametrize("index", [0, 4, 10])
def test_a_receipt_with_any_bit_flipped_proves_nothing(index: int) -> None:
    data = format_proof(receipt(index))
    for bit in range(len(data) * 8):
        wrong = bytearray(data)
        wrong[bit // 8] ^= 1 << bit % 8
        with pytest.raises(AuditError):
            check_proof(
                parse_proof(bytes(wrong)), leaf=LEAVES[index], origin=ORIGIN, keys=[LOG.key]
            )


@given(
    st.integers(0, 2**60),
    st.lists(st.binary(min_size=32, max_size=32), max_size=5),
    st.none() | st.binary(max_size=40),
)
def test_files_round_trip(index: int, hashes: list[bytes], extra: bytes | None) -> None:
    proof = EntryProof(index=index, hashes=tuple(hashes), checkpoint=CHECKPOINT, extra=extra)

    assert proof == parse_proof(format_proof(proof))


GOOD = format_proof(receipt(4))
HASH = b64encode(bytes(32)) + b"\n"


@pytest.mark.parametrize(
    "change",
    [
        lambda data: b"",
        lambda data: data.replace(b"@v1", b"@v2"),
        lambda data: data.replace(b"c2sp", b" c2sp"),
        lambda data: data.replace(b"\n\n", b"\n"),
        lambda data: data.replace(b"index 4", b"index 04"),
        lambda data: data.replace(b"index 4", b"index -4"),
        lambda data: data.replace(b"index 4", b"index  4"),
        lambda data: data.replace(b"index 4", b"index"),
        lambda data: data.replace(b"index 4\n", b""),
        lambda data: data.replace(b"index 4\n", b"index 4\nindex 4\n"),
        lambda data: data.replace(b"index 4\n", b"index 4\nextra AAAA\n"),
        lambda data: data.replace(b"index 4\n", b"extra A\nindex 4\n"),
        lambda data: data.replace(b"index 4\n", b"index 4\n" + b64encode(bytes(31)) + b"\n"),
        lambda data: data.replace(b"index 4\n", b"index " + b"9" * 5000 + b"\n"),
        lambda data: data.replace(b"index 4\n", b"index \xd9\xa4\n"),
        lambda data: data.replace(b"\n", b"\r\n"),
    ],
)
def test_what_is_no_proof_file_is_refused(change: Callable[[bytes], bytes]) -> None:
    with pytest.raises(ProofMalformed):
        parse_proof(change(GOOD))


def test_hashes_too_many_or_too_few_prove_nothing() -> None:
    for wrong in (GOOD.replace(b"index 4\n", b"index 4\n" + HASH), without_first_hash(GOOD)):
        with pytest.raises(ProofMalformed):
            check_proof(parse_proof(wrong), leaf=LEAVES[4], origin=ORIGIN, keys=[LOG.key])


def test_a_checkpoint_that_was_altered_proves_nothing() -> None:
    with pytest.raises(SignatureWrong):
        check_proof(
            parse_proof(GOOD.replace(b"\n11\n", b"\n12\n")),
            leaf=LEAVES[4],
            origin=ORIGIN,
            keys=[LOG.key],
        )


def without_first_hash(data: bytes) -> bytes:
    lines = data.split(b"\n")
    return b"\n".join(lines[:2] + lines[3:])
