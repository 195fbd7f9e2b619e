"""Whatever a superuser changes behind our back is found, at its seq and field.

The changes are real ones: tampering.py.
"""

from __future__ import annotations

import pytest

from audit.ledger.record import leaf_hash
from audit.models import Entry, Ledger
from audit.verify import NO_CHECKPOINT, verify
from tests.audit.tampering import Connection, tampering
from tests.audit.verifying import (
    COLUMNS,
    SIZE,
    assert_tampered,
    chunk,
    copy_row,
    five,
    forge_last,
    set_record,
)

__all__ = ["chunk", "five"]  # fixtures, which pytest finds by their names here


# --- A record -------------------------------------------------------------------------------------


@pytest.mark.usefixtures("chunk")
@pytest.mark.parametrize("seq", range(SIZE))
def test_one_byte_of_one_record_changed(
    ledger: Ledger, five: list[Entry], superuser: Connection, seq: int
) -> None:
    forged = bytes(five[seq].record).replace(b'"search"', b'"Search"', 1)
    with tampering(superuser):
        set_record(superuser, ledger, seq, record=forged)

    said = assert_tampered(ledger, seq=seq, field="hash")

    assert said["broken"] == 1
    assert said["first"]["expected"] == leaf_hash(forged).hex()
    assert said["first"]["found"] == five[seq].hash


def test_any_bit_of_a_record_changed_is_found(
    ledger: Ledger, five: list[Entry], superuser: Connection
) -> None:
    original = bytes(five[2].record)

    missed = []
    for position in range(0, 8 * len(original), 97):  # a prime: every bit of a byte has its turn
        forged = bytearray(original)
        forged[position // 8] ^= 1 << position % 8
        with tampering(superuser):
            set_record(superuser, ledger, 2, record=bytes(forged))
        first = verify(ledger).first
        if first is None or (first.seq, first.field) != (2, "hash"):
            missed.append(position)

    assert missed == []


@pytest.mark.usefixtures("chunk")
@pytest.mark.parametrize("seq", range(SIZE))
def test_a_record_and_its_hash_changed_together(
    ledger: Ledger, five: list[Entry], superuser: Connection, seq: int
) -> None:
    forged = bytes(five[seq].record).replace(b'"search"', b'"Search"', 1)
    with tampering(superuser):
        set_record(superuser, ledger, seq, record=forged, hash=leaf_hash(forged))

    # The forged entry agrees with itself; what comes after it names the hash it had.
    if seq == SIZE - 1:
        assert_tampered(ledger, seq=seq, field="head")
    else:
        assert_tampered(ledger, seq=seq + 1, field="prev")


@pytest.mark.parametrize(
    ("field", "old", "new"),
    [
        ("seq", b'"seq":2', b'"seq":7'),
        ("ledger", b'"ledger":"t.', b'"ledger":"u.'),
        ("v", b'"v":1}', b'"v":2}'),
        ("received_at", b'"received_at":"2', b'"received_at":"3'),
        ("actor_id", b'"id":"alice-agent"', b'"id":"mallory-bot"'),
        ("record", b'{"event":', b'["event":'),
        ("record", b'"agent":', b'"Agent":'),
        ("record", b'"occurred_at":"2026', b'"occurred_at":"20x6'),
    ],
)
def test_a_rehashed_record_that_says_otherwise_than_its_row(
    ledger: Ledger, five: list[Entry], superuser: Connection, field: str, old: bytes, new: bytes
) -> None:
    original = bytes(five[2].record)
    assert old in original
    forged = original.replace(old, new, 1)
    with tampering(superuser):
        set_record(superuser, ledger, 2, record=forged, hash=leaf_hash(forged))

    assert_tampered(ledger, seq=2, field=field)


@pytest.mark.parametrize(("column", "becomes", "field"), COLUMNS)
def test_one_column_changed(
    ledger: Ledger,
    five: list[Entry],
    superuser: Connection,
    column: str,
    becomes: str,
    field: str,
) -> None:
    with tampering(superuser):
        changed = superuser.execute(
            f"UPDATE audit_entry SET {column} = {becomes} WHERE ledger_id = %s AND seq = 2",
            (ledger.id,),
        )
        assert changed.rowcount == 1

    assert_tampered(ledger, seq=2, field=field)
    if column == "ledger_id":
        with tampering(superuser):  # a row of no ledger would stay in everybody's way
            superuser.execute("DELETE FROM audit_entry WHERE ledger_id = -1")


def test_no_column_is_left_out_of_this_table(superuser: Connection) -> None:
    found = superuser.execute(
        "SELECT attname FROM pg_attribute "
        "WHERE attrelid = 'audit_entry'::regclass AND attnum > 0 AND NOT attisdropped"
    ).fetchall()

    assert {name for (name,) in found} == {column for column, _, _ in COLUMNS}


# --- Rows -----------------------------------------------------------------------------------------


@pytest.mark.usefixtures("chunk")
@pytest.mark.parametrize("seq", range(SIZE))
def test_a_row_deleted(ledger: Ledger, five: list[Entry], superuser: Connection, seq: int) -> None:
    with tampering(superuser):
        superuser.execute(
            "DELETE FROM audit_entry WHERE ledger_id = %s AND seq = %s", (ledger.id, seq)
        )

    said = assert_tampered(ledger, seq=seq, field="seq")

    assert said["first"]["found"] == "no entry"
    assert said["checked"] == SIZE - 1


@pytest.mark.usefixtures("chunk")
def test_all_rows_deleted(ledger: Ledger, five: list[Entry], superuser: Connection) -> None:
    with tampering(superuser):
        superuser.execute("DELETE FROM audit_entry WHERE ledger_id = %s", (ledger.id,))

    said = assert_tampered(ledger, seq=0, field="seq")

    assert (said["checked"], said["broken"]) == (0, SIZE)


@pytest.mark.usefixtures("chunk")
@pytest.mark.parametrize(("left", "right"), [(0, 1), (1, 2), (0, 4), (2, 4)])
def test_the_seqs_of_two_rows_swapped(
    ledger: Ledger, five: list[Entry], superuser: Connection, left: int, right: int
) -> None:
    with tampering(superuser):
        for old, new in ((left, 1000), (right, left), (1000, right)):
            superuser.execute(
                "UPDATE audit_entry SET seq = %s WHERE ledger_id = %s AND seq = %s",
                (new, ledger.id, old),
            )

    assert_tampered(ledger, seq=left, field="seq")


@pytest.mark.parametrize(("left", "right"), [(0, 1), (1, 3), (3, 4)])
def test_the_records_and_hashes_of_two_rows_swapped(
    ledger: Ledger, five: list[Entry], superuser: Connection, left: int, right: int
) -> None:
    with tampering(superuser):
        for here, there in ((left, right), (right, left)):
            set_record(
                superuser, ledger, here, record=bytes(five[there].record), hash=five[there].hash
            )

    assert_tampered(ledger, seq=left, field="seq")


def test_a_row_added_beyond_the_head(
    ledger: Ledger, five: list[Entry], superuser: Connection
) -> None:
    with tampering(superuser):
        copy_row(superuser, ledger, 4, seq="5")

    assert_tampered(ledger, seq=5, field="seq")


@pytest.mark.usefixtures("chunk")
@pytest.mark.parametrize("shift", ["1 microsecond", "-1 microsecond"])
@pytest.mark.parametrize("seq", [0, 2, 4])
def test_a_second_row_added_under_a_taken_seq(
    ledger: Ledger, five: list[Entry], superuser: Connection, seq: int, shift: str
) -> None:
    with tampering(superuser):
        copy_row(superuser, ledger, seq, received_at=f"received_at + interval '{shift}'")

    # The earlier of the two is read first: the forged one is the stranger, or differs itself.
    assert_tampered(ledger, seq=seq, field="seq" if shift[0] != "-" else "received_at")


def test_a_forged_entry_with_all_links_but_no_event_key(
    ledger: Ledger, five: list[Entry], superuser: Connection
) -> None:
    with tampering(superuser):
        forge_last(superuser, ledger, five[-1])

    assert_tampered(ledger, seq=SIZE, field="event key")


def test_a_perfect_forgery_by_a_superuser_is_what_the_note_warns_of(
    ledger: Ledger, five: list[Entry], superuser: Connection
) -> None:
    with tampering(superuser):
        event_id = forge_last(superuser, ledger, five[-1])
        superuser.execute(
            "INSERT INTO audit_eventkey (ledger_id, event_id, seq, digest) VALUES (%s, %s, %s, %s)",
            (ledger.id, event_id, SIZE, bytes(32)),
        )

    report = verify(ledger)

    assert (report.result, report.note) == ("intact", NO_CHECKPOINT)


# --- Event keys and the head ----------------------------------------------------------------------


@pytest.mark.usefixtures("chunk")
@pytest.mark.parametrize(
    ("statement", "seq", "field"),
    [
        ("DELETE FROM audit_eventkey WHERE ledger_id = %s AND seq = 2", 2, "event key"),
        (
            "UPDATE audit_eventkey SET event_id = gen_random_uuid() "
            "WHERE ledger_id = %s AND seq = 2",
            2,
            "event key",
        ),
        ("UPDATE audit_eventkey SET seq = 77 WHERE ledger_id = %s AND seq = 3", 3, "event key"),
        (
            "INSERT INTO audit_eventkey (ledger_id, event_id, seq, digest) "
            "VALUES (%s, gen_random_uuid(), 5, sha256(''))",
            5,
            "seq",
        ),
        (
            "INSERT INTO audit_eventkey (ledger_id, event_id, seq, digest) "
            "VALUES (%s, gen_random_uuid(), -1, sha256(''))",
            -1,
            "seq",
        ),
    ],
)
def test_an_event_key_deleted_changed_or_added(
    ledger: Ledger,
    five: list[Entry],
    superuser: Connection,
    statement: str,
    seq: int,
    field: str,
) -> None:
    with tampering(superuser):
        changed = superuser.execute(statement, (ledger.id,))
        assert changed.rowcount == 1

    assert_tampered(ledger, seq=seq, field=field)


@pytest.mark.parametrize(
    ("change", "seq", "field"),
    [
        ("SET hash = sha256(hash)", 4, "head"),
        ("SET size = size + 1", 5, "seq"),
        ("SET size = size - 1", 3, "head"),
        (
            "SET size = 4, hash = (SELECT e.hash FROM audit_entry AS e "
            "WHERE e.ledger_id = audit_head.ledger_id AND e.seq = 3)",
            4,
            "seq",
        ),
        ("SET size = 0, hash = decode(repeat('00', 32), 'hex')", 0, "seq"),
    ],
)
def test_the_head_changed(
    ledger: Ledger, five: list[Entry], superuser: Connection, change: str, seq: int, field: str
) -> None:
    with tampering(superuser):
        superuser.execute(f"UPDATE audit_head {change} WHERE ledger_id = %s", (ledger.id,))

    assert_tampered(ledger, seq=seq, field=field)


def test_the_head_deleted(ledger: Ledger, five: list[Entry], superuser: Connection) -> None:
    with tampering(superuser):
        superuser.execute("DELETE FROM audit_head WHERE ledger_id = %s", (ledger.id,))

    report = verify(ledger)

    assert report.result == "tampered"
    assert report.first is not None
    assert (report.first.seq, report.first.field) == (0, "seq")
