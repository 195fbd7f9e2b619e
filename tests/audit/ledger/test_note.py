"""Notes: keys, signatures, and which notes open."""

from __future__ import annotations

import random
from base64 import b64encode
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.ledger import ed25519
from audit.ledger.errors import KeyMalformed, NoteMalformed, NotSigned, SignatureWrong
from audit.ledger.note import (
    COSIGNATURE,
    SIGNATURE_LIMIT,
    Note,
    Signature,
    Signed,
    SigningKey,
    VerifierKey,
    Verify,
    add_signatures,
    cosign,
    cosigned_message,
    decode_base64,
    encode_base64,
    format_note,
    format_signature,
    format_signing_key,
    format_verifier_key,
    make_signing_key,
    open_note,
    openssl_verify,
    parse_note,
    parse_signatures,
    parse_signing_key,
    parse_verifier_key,
    sign,
    sign_note,
)
from tests.audit.ledger.trees import OURS, VECTORS

TEXT = "example.com/main\n5\n" + b64encode(bytes(32)).decode() + "\n"
BOTH = pytest.mark.parametrize("verify", [openssl_verify, ed25519.verify], ids=["openssl", "ours"])


def key_of(name: str, number: int = 1) -> SigningKey:
    return make_signing_key(name=name, seed=bytes([number]) * 32)


ALICE, BOB, CHARLIE = key_of("alice.example", 1), key_of("bob.example", 2), key_of("charlie", 3)


@BOTH
@pytest.mark.parametrize("vectors", VECTORS)
def test_published_notes_open(vectors: dict[str, Any], verify: Verify) -> None:
    for vector in vectors["signed_notes"].values():
        key = parse_verifier_key(vector["vkey"])

        opened = open_note(vector["msg"].encode(), keys=[key], verify=verify)

        assert frozenset([key]) == opened.keys()
        assert vector["msg"].rpartition("\n\n")[0] + "\n" == opened.text
        assert vector["msg"].encode() == format_note(opened.note)


@pytest.mark.parametrize("vectors", VECTORS)
def test_published_keys_sign_the_same_bytes(vectors: dict[str, Any]) -> None:
    with_key = [each for each in vectors["signed_notes"].values() if "skey" in each]
    assert with_key
    for vector in with_key:
        signer = parse_signing_key(vector["skey"])
        text = parse_note(vector["msg"].encode()).text

        line = format_signature(sign(text, signer=signer))

        assert line in vector["msg"]
        assert vector["vkey"] == format_verifier_key(signer.key)
        assert vector["skey"] == format_signing_key(signer)


@BOTH
@pytest.mark.parametrize("vectors", VECTORS)
def test_a_published_cosignature_is_made_and_read(vectors: dict[str, Any], verify: Verify) -> None:
    vector = vectors["cosignature"]
    signer = parse_signing_key(vector["skey"]).as_cosigner()

    made = cosign(vector["text"], signer=signer, moment=vector["timestamp"])
    note = format_note(Note(text=vector["text"], signatures=(made,)))
    opened = open_note(note, keys=[signer.key], verify=verify)

    assert vector["vkey_type1"] == format_verifier_key(parse_signing_key(vector["skey"]).key)
    assert vector["cosig_key_id"] == signer.key.key_id.hex()
    message = cosigned_message(vector["text"], moment=vector["timestamp"])
    assert vector["message"] == message.decode()
    assert vector["line"] == format_signature(made)
    assert (made,) == parse_signatures(vector["line"])
    assert (Signed(key=signer.key, moment=vector["timestamp"]),) == opened.signed


def test_a_key_of_a_witness_round_trips() -> None:
    vector = OURS["cosignature"]
    witness = parse_verifier_key(vector["vkey_type4"])

    assert witness.algorithm == COSIGNATURE
    assert vector["vkey_type4"] == format_verifier_key(witness)
    assert parse_signing_key(vector["skey"]).as_cosigner().key == witness


BAD_KEYS = [
    *OURS["bad_vkeys"],
    "PeterNeumann+cc469956+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TWBADKEY==",
    "PeterNeumann+173116ae+ZRpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
]


@pytest.mark.parametrize("text", BAD_KEYS)
def test_what_is_no_verifier_key_is_refused(text: str) -> None:
    with pytest.raises(KeyMalformed):
        parse_verifier_key(text)


def test_what_is_no_signing_key_is_refused_without_being_shown() -> None:
    secret = format_signing_key(ALICE)
    for wrong in (
        "",
        secret.removeprefix("PRIVATE+"),
        secret.replace("alice", "alicia"),
        secret[:-4],
        secret + "A",
        format_verifier_key(ALICE.key),
    ):
        with pytest.raises(KeyMalformed) as refused:
            parse_signing_key(wrong)
        assert encode_base64(ALICE.seed)[8:24] not in str(refused.value)
    assert "seed" not in repr(ALICE)


@pytest.mark.parametrize("name", ["", "two words", "a+b", "line\nbreak", "tab\t", "nb\u00a0sp"])
def test_a_name_that_no_note_could_hold_is_refused(name: str) -> None:
    with pytest.raises(KeyMalformed):
        VerifierKey(name=name, public=bytes(32))


@given(st.binary(min_size=32, max_size=32), st.sampled_from(["main", "acme.prod/a", "東京"]))
def test_keys_round_trip(seed: bytes, name: str) -> None:
    key = make_signing_key(name=name, seed=seed)

    assert key == parse_signing_key(format_signing_key(key))
    assert key.key == parse_verifier_key(format_verifier_key(key.key))


@BOTH
def test_a_note_of_several_signers_opens_for_each(verify: Verify) -> None:
    data = sign_note(TEXT, signers=[ALICE, BOB])
    for known in ([ALICE], [BOB], [ALICE, BOB], [CHARLIE, BOB]):
        keys = [each.key for each in known]

        opened = open_note(data, keys=keys, verify=verify)

        assert opened.text == TEXT
        assert opened.keys() == {each.key for each in known} - {CHARLIE.key}


def test_signatures_of_unknown_keys_are_ignored_even_when_they_are_nonsense() -> None:
    nonsense = Signature(name="mallory", key_id=b"\x00\x01\x02\x03", signature=b"?")
    same_name = Signature(name=ALICE.key.name, key_id=b"\x00\x01\x02\x03", signature=b"?")
    same_id = Signature(name="mallory", key_id=ALICE.key.key_id, signature=b"?")
    note = parse_note(sign_note(TEXT, signers=[ALICE]))
    note = add_signatures(note, [nonsense, same_name, same_id])

    opened = open_note(format_note(note), keys=[ALICE.key])

    assert {ALICE.key} == opened.keys()
    assert len(opened.note.signatures) == 4


def test_a_note_with_a_wrong_signature_of_a_known_key_is_refused_whoever_else_signed() -> None:
    forged = Signature(name=BOB.key.name, key_id=BOB.key.key_id, signature=bytes(64))
    note = add_signatures(parse_note(sign_note(TEXT, signers=[ALICE])), [forged])

    with pytest.raises(SignatureWrong) as refused:
        open_note(format_note(note), keys=[ALICE.key, BOB.key])

    assert (BOB.key.name, BOB.key.key_id) == (refused.value.name, refused.value.key_id)


def test_a_note_that_no_known_key_signed_is_refused() -> None:
    data = sign_note(TEXT, signers=[ALICE])

    with pytest.raises(NotSigned) as refused:
        open_note(data, keys=[BOB.key])

    assert ((str(BOB.key),), (str(ALICE.key),)) == (refused.value.wanted, refused.value.found)
    with pytest.raises(NotSigned):
        open_note(data, keys=[])


def test_a_key_of_the_same_name_is_another_key() -> None:
    next_key = key_of(ALICE.key.name, 9)
    data = sign_note(TEXT, signers=[ALICE, next_key])

    assert {next_key.key} == open_note(data, keys=[next_key.key]).keys()


def test_a_plain_signature_is_no_cosignature_and_the_other_way_round() -> None:
    witness = ALICE.as_cosigner()
    plain = format_note(Note(text=TEXT, signatures=(sign(TEXT, signer=ALICE),)))
    made = cosign(TEXT, signer=witness, moment=7)
    cosigned = format_note(Note(text=TEXT, signatures=(made,)))

    with pytest.raises(NotSigned):
        open_note(plain, keys=[witness.key])
    with pytest.raises(NotSigned):
        open_note(cosigned, keys=[ALICE.key])


def test_the_moment_of_a_cosignature_cannot_be_changed() -> None:
    witness = BOB.as_cosigner()
    made = cosign(TEXT, signer=witness, moment=1_795_212_414)
    for place in range(8):
        other = bytearray(made.signature)
        other[place] ^= 1
        changed = Signature(name=made.name, key_id=made.key_id, signature=bytes(other))
        with pytest.raises(SignatureWrong):
            open_note(format_note(Note(text=TEXT, signatures=(changed,))), keys=[witness.key])


def test_a_witness_that_cosigned_twice_vouches_once() -> None:
    witness = BOB.as_cosigner()
    note = parse_note(sign_note(TEXT, signers=[ALICE]))
    twice = [cosign(TEXT, signer=witness, moment=moment) for moment in (7, 8, 8)]

    opened = open_note(format_note(add_signatures(note, twice)), keys=[ALICE.key, witness.key])

    assert [one.moment for one in opened.signed] == [None, 7, 8]
    assert {ALICE.key, witness.key} == opened.keys()


@BOTH
def test_a_note_with_any_bit_flipped_does_not_open(verify: Verify) -> None:
    data = sign_note(TEXT, signers=[ALICE])
    bits = range(len(data) * 8) if verify is openssl_verify else range(0, len(data) * 8, 9)
    for bit in bits:
        wrong = bytearray(data)
        wrong[bit // 8] ^= 1 << bit % 8
        with pytest.raises((NoteMalformed, NotSigned, SignatureWrong)):
            open_note(bytes(wrong), keys=[ALICE.key], verify=verify)


def test_a_text_may_hold_empty_lines_and_any_writing() -> None:
    text = "Ünïcode 😂\n\n\n— not a signature\n\nend\n"

    assert text == open_note(sign_note(text, signers=[ALICE]), keys=[ALICE.key]).text


@pytest.mark.parametrize("text", ["", "no newline", "tab\there\n", "nul\x00\n", "\ud800\n"])
def test_a_text_that_no_note_can_hold_is_not_signed(text: str) -> None:
    with pytest.raises(NoteMalformed):
        sign_note(text, signers=[ALICE])


GOOD = sign_note(TEXT, signers=[ALICE])


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\n",
        TEXT.encode(),
        TEXT.encode() + b"\n",
        GOOD[:-1],
        GOOD + b"\n",
        GOOD + b"x\n",
        GOOD.replace("—".encode(), b"-"),
        GOOD.replace("— ".encode(), "—  ".encode()),
        GOOD.replace(b"\n", b"\r\n"),
        GOOD[:-1] + b" \n",
        GOOD[:-2] + b"\n",
        GOOD.replace(b"example.com", b"example\xffcom"),
        TEXT.encode() + "\n— alice.example AAAA\n".encode(),
        TEXT.encode() + "\n— alice.example\n".encode(),
        TEXT.encode() + b"\n" + format_signature(sign(TEXT, signer=ALICE)).encode() * 101,
        b"x" * 1_000_000 + GOOD,
    ],
)  # fmt: skip
def test_what_is_no_note_is_refused(data: bytes) -> None:
    with pytest.raises(NoteMalformed):
        open_note(data, keys=[ALICE.key])


def test_a_hundred_signatures_are_read() -> None:
    signers = [key_of(f"witness-{number}", number) for number in range(SIGNATURE_LIMIT - 1)]

    opened = open_note(sign_note(TEXT, signers=[*signers, ALICE]), keys=[ALICE.key])

    assert len(opened.note.signatures) == SIGNATURE_LIMIT


def test_base64_has_one_spelling() -> None:
    chance = random.Random(1)
    for length in range(70):
        data = chance.randbytes(length)
        assert data == decode_base64(encode_base64(data))
    for wrong in ("AA", "AB==", "AAF=", "AA==\n", "A A=", "AA=", "-_8=", "AAAA=", "é", "AAA=AAA="):
        assert decode_base64(wrong) is None, wrong
