"""Records: the bytes of an entry, and the one hash that makes it leaf and link at once."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
from datetime import UTC, datetime, timedelta, timezone
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
import rfc8785
from hypothesis import given, settings
from hypothesis import strategies as st

from audit.ledger.canonical import canonicalise
from audit.ledger.record import GENESIS, RECORD_LIMIT, event_of, format_time, leaf_hash, link

RECEIVED = "2026-11-20T22:06:54.123456Z"
SOURCE = b'{"key":"7Q2mX9aB","scope":"events","via":"api"}'
WORKED: list[dict[str, Any]] = json.loads(
    (Path(__file__).parents[2] / "vectors" / "records.json").read_text()
)["ledgers"]


def one(event: bytes, *, seq: int = 0, head: bytes = GENESIS) -> tuple[bytes, bytes]:
    """Return record and hash of one event."""
    ((_, record, leaf),) = link([(event, RECEIVED, SOURCE)], ledger="main", size=seq, head=head)
    return record, leaf


def published_leaves() -> list[tuple[bytes, str]]:
    """Return leaves and hashes of RFC 6962; those in the folder OBS_VECTORS too."""
    leaves = [
        (b"", "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"),
        (b"\x00", "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7"),
        (b"\x10", "0298d122906dcfc10892cb53a73992fc5b9f493ea4c9badb27b791b4127a7fe7"),
        (b"L123456", "395aa064aa4c29f7010acfe3f25db9485bbd4b91897b6ad7ad547639252b4d56"),
    ]
    folder = os.environ.get("OBS_VECTORS")
    if folder:
        found = json.loads((Path(folder) / "tlog_vectors.json").read_text())
        named, tree = found["hash"], found["ct_tree"]
        hello = base64.b64decode(named["leaf_hello_world_b64"]).hex()
        leaves += [
            (b"", named["leaf_empty"]),
            (b"L123456", named["leaf_L123456"]),
            (b"hello world", hello),
            *zip(map(bytes.fromhex, tree["leaf_inputs_hex"]), tree["leaf_hashes_hex"], strict=True),
        ]
    return leaves


@pytest.mark.parametrize(("leaf", "expected"), published_leaves())
def test_leaf_hash_is_that_of_RFC_6962(leaf: bytes, expected: str) -> None:
    assert leaf_hash(leaf).hex() == expected


@pytest.mark.parametrize("worked", WORKED, ids=[each["ledger"] for each in WORKED])
def test_worked_records_come_out_byte_for_byte(worked: dict[str, Any]) -> None:
    events = [
        (canonicalise(each["event"]), each["received_at"], canonicalise(each["source"]))
        for each in worked["entries"]
    ]

    made = list(
        link(
            events,
            ledger=worked["ledger"],
            size=worked["size"],
            head=bytes.fromhex(worked["head"]),
        )
    )

    assert [seq for seq, _, _ in made] == [each["seq"] for each in worked["entries"]]
    assert [record.decode() for _, record, _ in made] == [
        each["record"] for each in worked["entries"]
    ]
    assert [leaf.hex() for _, _, leaf in made] == [each["hash"] for each in worked["entries"]]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.floats(-1e9, 1e9)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abé☃", max_size=3), inner),
    max_leaves=8,
)  # fmt: skip


@settings(deadline=None)
@given(event=st.dictionaries(st.text("abzé", max_size=3), json_values), seq=st.integers(0, 10**12))
def test_joined_bytes_are_the_reference_form_of_the_whole_record(
    event: dict[str, Any], seq: int
) -> None:
    head = sha256(str(seq).encode()).digest()

    record, leaf = one(canonicalise(event), seq=seq, head=head)

    whole = {
        "event": event,
        "ledger": "main",
        "prev": head.hex(),
        "received_at": RECEIVED,
        "seq": seq,
        "source": json.loads(SOURCE),
        "v": 1,
    }
    assert record == rfc8785.dumps(whole)
    assert leaf == leaf_hash(record)


@pytest.mark.parametrize("text", ["", ',"ledger":"', '{"event":', '\\",\\"ledger\\":\\"'])
def test_the_event_is_found_again_whatever_its_texts_or_the_sources_say(text: str) -> None:
    event = canonicalise({"a": text, "ledger": text, "z": {"ledger": text}})
    source = canonicalise({"id": text, "via": "api"})

    ((_, record, _),) = link([(event, RECEIVED, source)], ledger="main", size=0, head=GENESIS)

    assert event_of(record) == event


@pytest.mark.parametrize("forged", [b"", b"{}", b'{"event":{}', b'x{"event":{},"ledger":"a"}'])
def test_bytes_that_are_no_record_hold_no_event(forged: bytes) -> None:
    assert event_of(forged) is None


def test_every_flipped_bit_gives_another_hash() -> None:
    record, leaf = one(b'{"id":"0191e7a4-7c1e-7d3b-8f00-5b6a0c1d2e3f","note":"Alice"}')

    hashes = set()
    for position in range(8 * len(record)):
        forged = bytearray(record)
        forged[position // 8] ^= 1 << position % 8
        hashes.add(leaf_hash(bytes(forged)))

    assert leaf not in hashes
    assert len(hashes) == 8 * len(record)


def test_a_leaf_hash_is_not_the_plain_hash_of_its_bytes() -> None:
    record, leaf = one(b"{}")

    assert leaf == sha256(b"\x00" + record).digest()
    assert leaf != sha256(record).digest()


def test_anyone_can_check_an_entry_with_a_shell(tmp_path: Path) -> None:
    assert shutil.which("sha256sum"), "this needs sha256sum (coreutils)"
    record, leaf = one('{"note":"naïve ☃"}'.encode())
    (tmp_path / "record").write_bytes(record)

    said = subprocess.run(
        ["sh", "-c", r"(printf '\0'; cat record) | sha256sum"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    ).stdout

    assert said.split()[0] == leaf.hex()


def test_a_chain_linked_in_two_parts_is_the_chain_linked_in_one() -> None:
    events = [(b'{"n":%d}' % n, RECEIVED, SOURCE) for n in range(9)]
    whole = list(link(events, ledger="main", size=0, head=GENESIS))

    for cut in range(1, 9):
        first = list(link(events[:cut], ledger="main", size=0, head=GENESIS))
        rest = list(link(events[cut:], ledger="main", size=cut, head=first[-1][2]))
        assert first + rest == whole


def test_the_first_entry_names_64_zeros_and_each_other_the_one_before() -> None:
    events = [(b'{"n":%d}' % n, RECEIVED, SOURCE) for n in range(3)]

    made = list(link(events, ledger="main", size=0, head=GENESIS))

    prevs = [json.loads(record)["prev"] for _, record, _ in made]
    assert prevs == ["0" * 64, made[0][2].hex(), made[1][2].hex()]


def test_the_same_event_under_another_ledger_seq_or_source_has_another_hash() -> None:
    def hashed(ledger: str, size: int, source: bytes, head: bytes) -> bytes:
        ((_, _, leaf),) = link([(b"{}", RECEIVED, source)], ledger=ledger, size=size, head=head)
        return leaf

    leaves = {
        hashed("main", 0, SOURCE, GENESIS),
        hashed("other", 0, SOURCE, GENESIS),
        hashed("main", 1, SOURCE, GENESIS),
        hashed("main", 0, b'{"scope":"ops","via":"api"}', GENESIS),
        hashed("main", 0, SOURCE, b"\x01" * 32),
    }

    assert len(leaves) == 5


@settings(deadline=None)
@given(
    moment=st.datetimes(
        min_value=datetime(1, 1, 2),  # noqa: DTZ001  (hypothesis adds the zone)
        max_value=datetime(9999, 12, 30),  # noqa: DTZ001
        timezones=st.sampled_from([UTC, timezone(timedelta(hours=-11, minutes=-30))]),
    )
)
def test_a_time_is_written_in_one_way_and_read_back_as_the_same_moment(moment: datetime) -> None:
    written = format_time(moment)

    assert len(written) == len("2026-11-20T22:06:54.123456Z")
    assert written.endswith("Z")
    assert datetime.fromisoformat(written) == moment


def test_a_record_fits_behind_a_sixteen_bit_length() -> None:
    assert RECORD_LIMIT == 2**16 - 1
