"""Checkpoints: one text for one head, and whose word counts."""

from __future__ import annotations

from base64 import b64decode, b64encode
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.ledger import ed25519
from audit.ledger.checkpoint import (
    MAX_SIZE,
    Checkpoint,
    format_checkpoint,
    open_checkpoint,
    parse_checkpoint,
)
from audit.ledger.errors import CheckpointMalformed, NotSigned, OriginWrong, SignatureWrong
from audit.ledger.merkle import EMPTY_ROOT, root_of
from audit.ledger.note import (
    Note,
    add_signatures,
    cosign,
    format_note,
    make_signing_key,
    parse_note,
    parse_signing_key,
    parse_verifier_key,
    sign_note,
)
from audit.ledger.record import leaf_hash
from tests.audit.ledger.trees import VECTORS, MemoryTree

ORIGIN = "example.com/ledger/main"
LOG = make_signing_key(name=ORIGIN, seed=bytes([1]) * 32)
NEXT = make_signing_key(name=ORIGIN, seed=bytes([2]) * 32)
WITNESS = make_signing_key(name="witness.example.org", seed=bytes([3]) * 32).as_cosigner()
HEAD = Checkpoint(origin=ORIGIN, size=5, root=bytes(range(32)))
TEXT = format_checkpoint(HEAD)


@pytest.mark.parametrize("vectors", VECTORS)
def test_checkpoints_of_a_log_open_and_are_signed_byte_for_byte(vectors: dict[str, Any]) -> None:
    log = vectors["log"]
    tree = MemoryTree([leaf_hash(each.encode()) for each in log["entries"]])
    key, signer = parse_verifier_key(log["vkey"]), parse_signing_key(log["skey"])
    assert len(log["entries"]) + 1 == len(log["checkpoints"])
    for size, text in log["checkpoints"].items():
        head = Checkpoint(origin=log["origin"], size=int(size), root=root_of(int(size), tree))

        opened = open_checkpoint(text.encode(), origin=log["origin"], keys=[key])

        assert head == opened.checkpoint
        assert text.encode() == sign_note(format_checkpoint(head), signers=[signer])


@pytest.mark.parametrize("vectors", VECTORS)
def test_a_bare_text_is_the_worked_one(vectors: dict[str, Any]) -> None:
    vector = vectors["bare_checkpoint"]
    head = Checkpoint(
        origin=vector["origin"],
        size=int(vector["size"]),
        root=leaf_hash(vector["leaf"].encode()),
    )

    assert vector["text"] == format_checkpoint(head)
    assert head == parse_checkpoint(vector["text"])


@pytest.mark.parametrize("vectors", VECTORS)
def test_a_note_of_another_log_states_its_head(vectors: dict[str, Any]) -> None:
    found = vectors["signed_notes"].get("sum_golang_org")
    note = found["msg"] if found else vectors["log"]["checkpoints"]["15"]

    head = parse_checkpoint(parse_note(note.encode()).text)

    assert note.split("\n")[:3] == [head.origin, str(head.size), b64encode(head.root).decode()]


@given(
    st.text(st.characters(codec="utf-8", exclude_characters="\n", min_codepoint=32), min_size=1),
    st.integers(1, MAX_SIZE),
    st.binary(min_size=32, max_size=32),
    st.lists(st.sampled_from(["extension", "another one", "é"]), max_size=2),
)
def test_texts_round_trip(origin: str, size: int, root: bytes, extensions: list[str]) -> None:
    head = Checkpoint(origin=origin, size=size, root=root, extensions=tuple(extensions))

    assert head == parse_checkpoint(format_checkpoint(head))


ROOT = b64encode(HEAD.root).decode()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n",
        f"{ORIGIN}\n5\n",
        f"{ORIGIN}\n5\n{ROOT}",
        f"\n5\n{ROOT}\n",
        f"{ORIGIN}\n05\n{ROOT}\n",
        f"{ORIGIN}\n-5\n{ROOT}\n",
        f"{ORIGIN}\n+5\n{ROOT}\n",
        f"{ORIGIN}\n5 \n{ROOT}\n",
        f"{ORIGIN}\n\N{ARABIC-INDIC DIGIT FIVE}\n{ROOT}\n",
        f"{ORIGIN}\n5_0\n{ROOT}\n",
        f"{ORIGIN}\n{MAX_SIZE + 1}\n{ROOT}\n",
        f"{ORIGIN}\n{'9' * 5000}\n{ROOT}\n",
        f"{ORIGIN}\n5\n{ROOT[:-1]}\n",
        f"{ORIGIN}\n5\n{b64encode(bytes(31)).decode()}\n",
        f"{ORIGIN}\n5\n{b64encode(bytes(33)).decode()}\n",
        f"{ORIGIN}\n5\n{ROOT}\n\nextension\n",
        f"{ORIGIN}\n5\n{ROOT}\n\n",
        f"{ORIGIN}\r\n5\r\n{ROOT}\r\n",
        f"{ORIGIN}\n0\n{ROOT}\n",
    ],
)
def test_what_is_no_checkpoint_is_refused(text: str) -> None:
    with pytest.raises(CheckpointMalformed):
        parse_checkpoint(text)


def test_a_checkpoint_that_no_text_could_say_is_not_made() -> None:
    for origin in ("", "two\nlines", "nul\x00", "\ud800"):
        with pytest.raises(CheckpointMalformed):
            Checkpoint(origin=origin, size=1, root=bytes(32))
    for size in (-1, MAX_SIZE + 1):
        with pytest.raises(CheckpointMalformed):
            Checkpoint(origin=ORIGIN, size=size, root=bytes(32))
    for root in (b"", bytes(31), bytes(33)):
        with pytest.raises(CheckpointMalformed):
            Checkpoint(origin=ORIGIN, size=1, root=root)
    assert parse_checkpoint(
        format_checkpoint(Checkpoint(origin=ORIGIN, size=0, root=EMPTY_ROOT))
    ) == Checkpoint(origin=ORIGIN, size=0, root=EMPTY_ROOT)


def test_both_keys_of_a_rotation_open_it() -> None:
    data = sign_note(TEXT, signers=[LOG, NEXT])
    for keys in ([LOG.key], [NEXT.key], [LOG.key, NEXT.key]):
        signed = open_checkpoint(data, origin=ORIGIN, keys=keys, verify=ed25519.verify)

        assert signed.checkpoint == HEAD
        assert set(keys) == signed.opened.keys()


def test_a_checkpoint_of_another_ledger_is_refused() -> None:
    with pytest.raises(OriginWrong) as refused:
        open_checkpoint(sign_note(TEXT, signers=[LOG]), origin="example.com/other", keys=[LOG.key])

    assert (refused.value.expected, refused.value.found) == ("example.com/other", ORIGIN)


def test_a_witness_alone_does_not_vouch_for_a_ledger() -> None:
    made = cosign(TEXT, signer=WITNESS, moment=1_795_212_414)
    alone = format_note(Note(text=TEXT, signatures=(made,)))

    with pytest.raises(NotSigned):
        open_checkpoint(alone, origin=ORIGIN, keys=[LOG.key], witnesses=[WITNESS.key])


def test_a_cosigned_checkpoint_says_who_saw_it_and_when() -> None:
    made = cosign(TEXT, signer=WITNESS, moment=1_795_212_414)
    note = add_signatures(parse_note(sign_note(TEXT, signers=[LOG])), [made])

    signed = open_checkpoint(
        format_note(note), origin=ORIGIN, keys=[LOG.key], witnesses=[WITNESS.key]
    )

    assert [(LOG.key, None), (WITNESS.key, 1_795_212_414)] == [
        (one.key, one.moment) for one in signed.opened.signed
    ]


def test_a_signature_over_another_root_is_refused() -> None:
    data = sign_note(TEXT, signers=[LOG])
    other = b64encode(bytes(32))

    with pytest.raises(SignatureWrong):
        open_checkpoint(data.replace(ROOT.encode(), other), origin=ORIGIN, keys=[LOG.key])

    assert b64decode(ROOT) == HEAD.root
