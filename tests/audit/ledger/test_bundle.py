"""Bundles: what is written verifies, what is changed anywhere does not."""

from __future__ import annotations

import io
import random
import struct
import zipfile
from base64 import b64decode
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from audit.ledger.archive import (
    LIMIT,
    Member,
    Misplaced,
    directory,
    local_header,
    make_room,
    read_members,
)
from audit.ledger.bundle import BundleSpec, BundleWriter, finish_bundle
from audit.ledger.checkpoint import parse_checkpoint
from audit.ledger.errors import BundleUnfinished, CheckpointMalformed, ManifestMalformed
from audit.ledger.manifest import (
    CHECKPOINT,
    MANIFEST,
    PROOFS,
    RECORDS,
    VERIFY_HTML,
    VERIFY_PY,
    format_manifest,
    parse_manifest,
)
from audit.ledger.merkle import prove_range
from audit.ledger.note import (
    COSIGNATURE,
    VerifierKey,
    encode_base64,
    openssl_verify,
    parse_note,
    parse_verifier_key,
    sign_note,
)
from audit.ledger.offline import Trust, Verdict, verify_bundle
from audit.ledger.policy import Policy, PolicyGroup, PolicyLog, PolicyWitness
from tests.audit.ledger.attacks import RENDERINGS, attacks
from tests.audit.ledger.bundles import (
    FORGER,
    LEFT_OUT,
    LOG,
    ORIGIN,
    VECTORS,
    VKEY,
    WITNESSES,
    bundle,
    checkpoint,
    ledger,
    pack,
    resign,
    unpack,
)

REAL = Trust(keys=(LOG.key,))
QUERIES = {
    "every entry": range(50),
    "a dense range": range(3, 40),
    "a dense tail": range(31, 50),
    "a filtered few": [1, 2, 5, 9, 30, 31, 48],
    "one entry": [7],
    "the last entry": [49],
}


def judged(data: bytes, trust: Trust = REAL) -> Verdict:
    return verify_bundle(io.BytesIO(data), trust=trust)


@cache
def _openssl(public: bytes, message: bytes, signature: bytes) -> bool:
    return openssl_verify(public=public, message=message, signature=signature)


def judged_quickly(data: bytes) -> Verdict:
    """Judge with OpenSSL's arithmetic, each signature once: for the same bundle over and over."""
    return verify_bundle(
        io.BytesIO(data),
        trust=REAL,
        verify=lambda *, public, message, signature: _openssl(public, message, signature),
    )


@pytest.mark.parametrize("seqs", QUERIES.values(), ids=QUERIES)
def test_what_is_written_is_intact(seqs: list[int]) -> None:
    verdict = judged(bundle(ledger(50), seqs, renderings=RENDERINGS))

    assert (verdict.result, verdict.finding) == ("intact", None)
    assert verdict.manifest is not None
    assert (verdict.manifest.count, verdict.manifest.first) == (len(seqs), seqs[0])
    assert verdict.signers == (str(LOG.key),)


def test_every_size_to_forty_with_seeded_picks_is_intact() -> None:
    chance = random.Random(1)
    for size in range(1, 41):
        seqs = sorted(chance.sample(range(size), chance.randrange(1, size + 1)))
        assert judged_quickly(bundle(ledger(size), seqs)).result == "intact", (size, seqs)


def test_a_bundle_holds_the_records_as_they_were_hashed() -> None:
    files = unpack(bundle(ledger(50), [3, 9]))

    assert files[RECORDS] == b"".join(ledger(50).records[seq] + b"\n" for seq in (3, 9))


@pytest.mark.parametrize("case", VECTORS["cases"], ids=lambda case: case["name"])
def test_bundles_made_long_ago_are_judged_as_ever(case: dict[str, Any]) -> None:
    verdict = judged(b64decode(case["bundle"]), Trust(keys=(parse_verifier_key(VECTORS["vkey"]),)))

    assert verdict.result == case["result"]
    assert list(verdict.reasons) == case["reasons"]
    assert (vars(verdict.finding) if verdict.finding is not None else None) == case["finding"]


def test_an_empty_answer_is_not_proven() -> None:
    for size in (0, 50):
        verdict = judged(bundle(ledger(size), []))

        assert verdict.result == "not proven"
        assert verdict.reasons == ("no entry was checked: the bundle holds none",)


def test_without_a_key_from_outside_the_signer_is_unknown() -> None:
    data = bundle(ledger(50), range(50))

    for trust in (Trust(), Trust(keys=(FORGER.key,)), Trust(keys=(WITNESSES[0].key,))):
        verdict = judged(data, trust)
        assert verdict.result == "not proven"
        assert "agrees with itself, signer unknown" in verdict.reasons[0]
        assert verdict.signers == ()


def test_the_same_answer_is_the_same_bytes() -> None:
    once = bundle(ledger(50), [1, 5], renderings=RENDERINGS)

    assert bundle(ledger(50), [1, 5], renderings=RENDERINGS) == once


def test_common_tools_unpack_it(tmp_path: Path) -> None:
    data = bundle(ledger(50), range(9), renderings=RENDERINGS)

    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert archive.testzip() is None
        assert {name: archive.read(name) for name in archive.namelist()} == unpack(data)
        assert {each.compress_type for each in archive.infolist()} == {zipfile.ZIP_STORED}
        assert {each.date_time for each in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}


def test_the_proofs_of_a_dense_range_are_its_range_proof() -> None:
    files = unpack(bundle(ledger(50), range(3, 40)))

    expected = prove_range(start=3, end=40, size=50, hashes=ledger(50).tree())
    assert files[PROOFS].decode().splitlines()[1:] == [encode_base64(each) for each in expected]


def test_a_million_entries_would_need_few_lines_of_proof() -> None:
    """One hash a level at either side, whatever the number of entries."""
    files = unpack(bundle(ledger(3000), range(1, 2999)))

    assert len(files[PROOFS].splitlines()) <= 1 + 2 * 12


def test_every_byte_outside_the_carried_verifiers_counts() -> None:
    data = bundle(ledger(12), [0, 1, 2, 7], renderings=RENDERINGS)
    chance = random.Random(2)
    carried = {
        place
        for each in read_members(io.BytesIO(data))
        if each.name in (VERIFY_PY, VERIFY_HTML)
        for place in range(each.start(), each.end())
    }
    # Those are 150,000 bytes under one SHA-256: a sample does.
    places = [n for n in range(len(data)) if n not in carried]
    places += chance.sample(sorted(carried), 400)

    missed = []
    for place in places:
        flipped = bytearray(data)
        flipped[place] ^= 1 << chance.randrange(8)
        verdict = judged_quickly(bytes(flipped))
        if verdict.result != "tampered" or verdict.finding is None:
            missed.append((place, verdict.result))

    assert len(places) > 4000
    assert missed == []


def test_two_hundred_attacks_are_found_and_named() -> None:
    found: Counter[str] = Counter()

    for attack in attacks(200, seed=3):
        verdict = judged_quickly(attack.data)
        where = verdict.finding.file if verdict.finding is not None else None
        assert verdict.result == attack.result, (attack.name, verdict)
        assert attack.file in (None, where), (attack.name, verdict.finding)
        if attack.seq is not None:
            assert verdict.finding is not None
            assert verdict.finding.seq == attack.seq, (attack.name, verdict.finding)
        found[verdict.result] += 1

    assert found.total() == 200
    assert found["not proven"] >= 10


def test_an_edited_record_is_named_with_what_was_expected() -> None:
    files = unpack(bundle(ledger(50), [1, 5, 9]))
    files[RECORDS] = files[RECORDS].replace(b"entry 5 ", b"entry 6 ")

    verdict = judged(resign(files, FORGER))

    assert verdict.finding is not None
    assert (verdict.finding.file, verdict.finding.seq) == (RECORDS, 5)
    assert verdict.finding.field == "hash"
    assert verdict.finding.expected == ledger(50).hashes[5].hex()


def test_a_bundle_signed_by_a_forger_is_never_intact_under_the_real_key() -> None:
    for data in (
        bundle(ledger(50), range(50), signer=FORGER),
        resign(unpack(bundle(ledger(50), range(50))), FORGER),
    ):
        assert judged(data).result == "not proven"
        assert str(FORGER.key) in judged(data).reasons[0]


def test_a_key_of_another_ledger_does_not_vouch() -> None:
    other = VerifierKey(name="ledger.example.com/other", public=LOG.key.public)

    verdict = judged(bundle(ledger(50), range(50)), Trust(keys=(other,)))

    assert verdict.result == "not proven"
    assert "it is of ledger.example.com/main" in verdict.reasons[0]


# --- Witnesses ----------------------------------------------------------------------------------


def policy(needed: int) -> Policy:
    witnesses = tuple(PolicyWitness(name=f"w{n}", key=each.key) for n, each in enumerate(WITNESSES))
    group = PolicyGroup(name="q", needed=needed, members=("w0", "w1", "w2"))
    return Policy(items=(PolicyLog(key=LOG.key), *witnesses, group), quorum="q")


@pytest.mark.parametrize(("needed", "result"), [(1, "intact"), (2, "intact"), (3, "not proven")])
def test_a_policys_quorum_decides(needed: int, result: str) -> None:
    head = checkpoint(ledger(50), witnesses=WITNESSES[:2])

    verdict = judged(bundle(ledger(50), [4], head=head), Trust(policy=policy(needed)))

    assert (verdict.result, verdict.witnessed) == (result, "2 of 3")


def test_a_cosignature_of_a_known_witness_that_fails_is_tampering() -> None:
    head = checkpoint(ledger(50), witnesses=WITNESSES[:1])
    at = head.rindex(b" ") + 30
    forged = head[:at] + (b"A" if head[at : at + 1] != b"A" else b"B") + head[at + 1 :]

    verdict = judged(bundle(ledger(50), [4], head=forged), Trust(policy=policy(1)))

    assert verdict.finding is not None
    assert verdict.finding.file == CHECKPOINT


# --- The manifest -------------------------------------------------------------------------------


def manifest_text() -> str:
    return parse_note(unpack(bundle(ledger(50), [1, 5]))[MANIFEST]).text


def test_a_manifest_is_written_as_it_is_read() -> None:
    manifest = parse_manifest(manifest_text())

    assert format_manifest(manifest) == manifest_text()
    assert manifest.query == '{"agent":["agent-1","agent-2"],"from":"2026-11-01"}'
    assert (manifest.left_out, manifest.size) == (LEFT_OUT, 50)


def test_no_manifest_is_a_checkpoint_and_no_checkpoint_a_manifest() -> None:
    with pytest.raises(CheckpointMalformed):
        parse_checkpoint(manifest_text())
    with pytest.raises(ManifestMalformed):
        parse_manifest(parse_note(checkpoint(ledger(50))).text)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("obsplatform evidence bundle v1", "obsplatform evidence bundle v2"),
        ("size 50", "size 050"),
        ("size 50", "size 5"),
        ("entries 2", "entries 6"),
        ("entries 2", "entries 0"),
        ("first 1\n", ""),
        ("last 5", "last 0"),
        ("query {", "query [{"),
        ("ledger main", "ledger Main"),
        (f"origin {ORIGIN}", "origin a b"),
        ("left-out E", "left-in E"),
        (f"key {VKEY}\n", ""),
        (f"key {VKEY}\n", f"key {VKEY}\nkey {VKEY}\n"),
        (f"key {VKEY}\n", f"key {VKEY[:-1]}A\n"),
        ("README.txt", "READ/ME.txt"),
        ("README.txt", "verify.py"),
        ("README.txt", "manifest"),
        ("root ", "root A"),
        ("file ", "fil "),
    ],
)
def test_what_no_manifest_says_is_refused(old: str, new: str) -> None:
    text = manifest_text()
    assert old in text

    with pytest.raises(ManifestMalformed):
        parse_manifest(text.replace(old, new, 1))


def test_a_witness_cannot_sign_for_a_ledger() -> None:
    manifest = parse_manifest(manifest_text())
    key = VerifierKey(name=ORIGIN, public=LOG.key.public, algorithm=COSIGNATURE)

    with pytest.raises(ManifestMalformed):
        type(manifest)(**{**vars(manifest), "keys": (key,)})


# --- Writing in two steps -----------------------------------------------------------------------


def half_written() -> tuple[io.BytesIO, str]:
    out = io.BytesIO()
    spec = BundleSpec(
        ledger="main",
        origin=ORIGIN,
        checkpoint=checkpoint(ledger(50)),
        query={},
        verifier_keys=(VKEY,),
        left_out=LEFT_OUT,
    )
    writer = BundleWriter(out, spec, ledger(50).tree(), io.BytesIO())
    for seq in range(50):
        writer.add(seq, ledger(50).records[seq])
    return out, writer.manifest_text()


def test_another_process_finishes_a_bundle_as_often_as_it_likes() -> None:
    out, text = half_written()
    signed = sign_note(text, signers=[LOG])

    finish_bundle(out, signed)
    once = out.getvalue()
    finish_bundle(out, signed)

    assert out.getvalue() == once
    assert judged(once).result == "intact"


def test_a_half_written_bundle_is_tampered() -> None:
    out, _ = half_written()

    assert judged(out.getvalue()).result == "tampered"


def test_a_file_that_is_not_what_the_manifest_says_is_not_finished() -> None:
    out, text = half_written()
    out.truncate(5000)

    with pytest.raises(BundleUnfinished, match="make it anew"):
        finish_bundle(out, sign_note(text, signers=[LOG]))


# --- The archive --------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [LIMIT - 1, LIMIT, LIMIT + 1, 5 * LIMIT])
def test_zip64_is_used_only_where_it_is_needed(size: int, tmp_path: Path) -> None:
    """The content is a hole in the file, which costs no room; its CRC is not looked at."""
    path = tmp_path / "large.zip"
    large = Member(name=RECORDS, size=size, crc=7, offset=0)
    small = Member(name=MANIFEST, size=3, crc=0x352441C2, offset=large.end())
    with path.open("w+b") as file:
        file.write(local_header(name=RECORDS, size=size, crc=7))
        file.seek(large.end())
        file.write(local_header(name=MANIFEST, size=3, crc=small.crc) + b"abc")
        file.write(directory([large, small]))

        assert read_members(file) == [large, small]

    with zipfile.ZipFile(path) as archive:
        assert [each.file_size for each in archive.infolist()] == [size, 3]
        assert archive.read(MANIFEST) == b"abc"
    header = local_header(name=RECORDS, size=size, crc=7)
    assert (struct.unpack_from("<H", header, 4)[0] == 45) is (size >= LIMIT)


def test_room_is_made_for_a_longer_header() -> None:
    content = random.Random(4).randbytes(2_500_000)
    file = io.BytesIO(b"head" + content)

    make_room(file, start=4, end=4 + len(content), by=20)

    assert file.getvalue()[24:] == content


@pytest.mark.parametrize("data", [b"", b"PK", b"PK\x03\x04", b"hello, this is no archive" * 9])
def test_what_is_no_archive_is_refused(data: bytes) -> None:
    with pytest.raises(Misplaced):
        read_members(io.BytesIO(data))
    assert judged(data).result == "tampered"


def test_an_archive_of_endless_members_is_refused() -> None:
    data = pack((f"n{number}", b"") for number in range(101))

    with pytest.raises(Misplaced, match="more than 100 members"):
        read_members(io.BytesIO(data))
