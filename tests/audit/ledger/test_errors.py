"""Errors of the ledger tell their story, also after crossing a process."""

from __future__ import annotations

import pickle

import pytest

from audit.ledger.errors import (
    BundleUnfinished,
    CheckpointMalformed,
    EdgeIncomplete,
    KeyMalformed,
    LedgerFact,
    ManifestMalformed,
    NotConsistent,
    NoteMalformed,
    NotIncluded,
    NotSigned,
    OriginWrong,
    OutsideTree,
    PolicyMalformed,
    ProofMalformed,
    ProofRefused,
    RangeNotIncluded,
    RecordTooLong,
    SignatureWrong,
    TileMalformed,
    TilePathMalformed,
)

ONE, TWO = bytes([1]) * 32, bytes([2]) * 32

FACTS: list[LedgerFact] = [
    OutsideTree(asked="entry 12", size=9),
    ProofMalformed(reason="no hashes"),
    NotIncluded(index=3, size=9, expected=ONE, found=TWO),
    NotConsistent(old_size=3, new_size=9, expected=ONE, found=TWO),
    RangeNotIncluded(start=3, end=5, size=9, expected=ONE, found=TWO),
    TilePathMalformed(path="tile/64/000"),
    TileMalformed(path="tile/0/000", reason="8,191 bytes"),
    RecordTooLong(length=65_536),
    EdgeIncomplete(size=300, expected=(44, 1), found=(43, 1)),
    KeyMalformed(reason="31 bytes, not 32"),
    NoteMalformed(reason="no signature"),
    SignatureWrong(name="alice", key_id=b"\x01\x02\x03\x04"),
    NotSigned(wanted=("alice+01020304",), found=()),
    CheckpointMalformed(reason="a size of -1"),
    OriginWrong(expected="main", found="other"),
    PolicyMalformed(line=3, reason="a second quorum"),
    ManifestMalformed(reason="the seqs cannot be"),
    BundleUnfinished(reason="proofs of 9 bytes is not where it was"),
]


@pytest.mark.parametrize("fact", FACTS, ids=lambda each: type(each).__name__)
def test_a_fact_survives_pickling(fact: LedgerFact) -> None:
    found = pickle.loads(pickle.dumps(fact))  # noqa: S301

    assert (type(fact), vars(fact), str(fact)) == (type(found), vars(found), str(found))


def test_every_fact_is_tried_here() -> None:
    def kinds(kind: type[LedgerFact]) -> set[type[LedgerFact]]:
        return {kind}.union(*map(kinds, kind.__subclasses__()))

    assert {type(fact) for fact in FACTS} == kinds(LedgerFact) - {LedgerFact, ProofRefused}


def test_the_story_names_place_and_both_roots() -> None:
    told = str(NotIncluded(index=3, size=9, expected=ONE, found=TWO))

    assert all(part in told for part in ("entry 3", "size 9", ONE.hex(), TWO.hex()))
