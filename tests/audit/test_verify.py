"""Verification: whatever a superuser changes behind our back is found, at its seq and field.

The changes are real ones: tests/audit/tampering.py.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import uuid
from hashlib import sha256
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connections

from audit.append import append_pending
from audit.ledger.record import GENESIS, leaf_hash
from audit.ledgers import open_ledger
from audit.management.commands.verifychain import Command
from audit.models import Entry, Inbox, Ledger
from audit.receive import Sender
from audit.verify import NO_CHECKPOINT, Progress, verify
from tests.audit.tampering import Connection, tampering
from tests.conftest import EVENTS, GOVERNANCE, chain, entries, make_event, post

ROOT = Path(__file__).parents[2]
SIZE = 5


@pytest.fixture
def five(ledger: Ledger) -> list[Entry]:
    """Chain five events in two POSTs, every copied column filled."""
    events = [
        make_event(
            data={"classes": ["pii", "phi"], "purpose": "care"},
            trace={"trace_id": f"{n:032x}"},
        )
        for n in range(SIZE)
    ]
    post(ledger, events[:3])
    return chain(ledger, events[3:])


@pytest.fixture(params=[2, 5000], ids=["chunks of two", "one chunk"])
def _chunk(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Read in chunks that end amid the five, and in one that holds them all."""
    monkeypatch.setattr("audit.verify.CHUNK", request.param)


def verifychain(ledger: Ledger, *arguments: str) -> tuple[int, dict[str, Any]]:
    """Run the command and return its exit code and what it printed."""
    out = StringIO()
    with pytest.raises(SystemExit) as ended:
        call_command("verifychain", "--json", "--ledger", ledger.name, *arguments, stdout=out)
    said: dict[str, Any] = json.loads(out.getvalue())
    assert isinstance(ended.value.code, int)
    return ended.value.code, said


def assert_tampered(ledger: Ledger, *, seq: int, field: str) -> dict[str, Any]:
    """Demand that the command finds the ledger tampered with, first at this seq and field."""
    code, said = verifychain(ledger)
    assert (code, said["result"]) == (1, "tampered")
    assert (said["first"]["seq"], said["first"]["field"]) == (seq, field)
    assert said["first"]["expected"] != said["first"]["found"]
    assert said["broken"] >= 1
    return said


# --- Intact ---------------------------------------------------------------------------------------


def test_an_untouched_ledger_is_intact_and_says_what_that_does_not_prove(
    ledger: Ledger, five: list[Entry]
) -> None:
    code, said = verifychain(ledger)

    assert (code, said["result"], said["checked"], said["broken"]) == (0, "intact", SIZE, 0)
    assert (said["from_seq"], said["to_seq"], said["first"]) == (0, SIZE, None)
    assert said["note"] == NO_CHECKPOINT


@pytest.mark.usefixtures("_chunk")
def test_every_kind_of_entry_verifies(ledger: Ledger) -> None:
    backfill = Sender(via="api", scope="events", scopes=EVENTS.scopes, key="k", backfill=True)
    person = Sender(via="admin", scope="governance", scopes=GOVERNANCE.scopes, user="Alice")
    post(ledger, [make_event(occurred_at="0001-01-01T00:00:00Z")], sender=backfill)
    post(ledger, [make_event(occurred_at="9999-12-31T23:59:59.999999Z")], sender=person)
    post(
        ledger, [make_event(run=None), make_event(run={"mode": "chat"}), make_event(severity="low")]
    )
    post(ledger, [make_event(data={"classes": []}), make_event(data={"subject_ids": ["carol"]})])
    post(
        ledger,
        [
            make_event(personal={"name": "Carol"}, data={"subject_ids": ["carol"]}),
            make_event(agent={"id": "☃ \" \\ \u2028", "environment": "dev"}, details={"n": 1e-7}),
        ],
    )  # fmt: skip

    append_pending(ledger.id)

    report = verify(ledger)
    assert (report.result, report.checked, report.first) == ("intact", 9, None)


def test_an_empty_ledger_is_not_proven(ledger: Ledger) -> None:
    code, said = verifychain(ledger)

    assert (code, said["result"], said["checked"]) == (3, "not_proven", 0)
    assert said["note"] == "nothing was checked"


def test_verifying_while_the_ledger_grows_raises_no_false_alarm(
    ledger: Ledger, five: list[Entry]
) -> None:
    failures: list[BaseException] = []

    def grow() -> None:
        try:
            for _ in range(25):
                chain(ledger, [make_event(), make_event()])
        except BaseException as error:  # told to the test, which fails with it
            failures.append(error)
        finally:
            connections.close_all()

    thread = threading.Thread(target=grow)
    thread.start()
    results = {verify(ledger).result}
    while thread.is_alive():
        results.add(verify(ledger).result)
    thread.join()

    assert not failures, failures
    assert results == {"intact"}
    assert verify(ledger).checked == SIZE + 50


# --- A record -------------------------------------------------------------------------------------


@pytest.mark.usefixtures("_chunk")
@pytest.mark.parametrize("seq", range(SIZE))
def test_one_byte_of_one_record_changed(
    ledger: Ledger, five: list[Entry], superuser: Connection, seq: int
) -> None:
    forged = bytes(five[seq].record).replace(b'"search"', b'"Search"', 1)
    with tampering(superuser):
        _set(superuser, ledger, seq, record=forged)

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
            _set(superuser, ledger, 2, record=bytes(forged))
        first = verify(ledger).first
        if first is None or (first.seq, first.field) != (2, "hash"):
            missed.append(position)

    assert missed == []


@pytest.mark.usefixtures("_chunk")
@pytest.mark.parametrize("seq", range(SIZE))
def test_a_record_and_its_hash_changed_together(
    ledger: Ledger, five: list[Entry], superuser: Connection, seq: int
) -> None:
    forged = bytes(five[seq].record).replace(b'"search"', b'"Search"', 1)
    with tampering(superuser):
        _set(superuser, ledger, seq, record=forged, hash=leaf_hash(forged))

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
        _set(superuser, ledger, 2, record=forged, hash=leaf_hash(forged))

    assert_tampered(ledger, seq=2, field=field)


# --- A column -------------------------------------------------------------------------------------

COLUMNS: list[tuple[str, str, str]] = [
    # column, what it becomes, the field that is named
    ("seq", "1000", "seq"),
    ("received_at", "received_at + interval '1 microsecond'", "received_at"),
    ("occurred_at", "occurred_at - interval '1 microsecond'", "occurred_at"),
    ("is_backfill", "NOT is_backfill", "is_backfill"),
    ("event_id", "gen_random_uuid()", "event_id"),
    ("hash", "sha256(hash)", "hash"),
    ("agent_id", "'mallory'", "agent_id"),
    ("actor_id", "'mallory'", "actor_id"),
    ("category", "'llm_call'", "category"),
    ("action", "'tool.Invoke'", "action"),
    ("outcome", "'failure'", "outcome"),
    ("severity", "'low'", "severity"),
    ("environment", "'dev'", "environment"),
    ("run_id", "'run-2'", "run_id"),
    ("run_id", "NULL", "run_id"),
    ("trace_id", "NULL", "trace_id"),
    ("trace_id", "upper(trace_id) || ' '", "trace_id"),
    ("key_id", "NULL", "key_id"),
    ("key_id", "'testkey2'", "key_id"),
    ("data_classes", "NULL", "data_classes"),
    ("data_classes", "'{}'", "data_classes"),
    ("data_classes", "'{phi,pii}'", "data_classes"),
    ("ledger_id", "-1", "seq"),
    ("record", "record || '\\x20'", "hash"),
]


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


@pytest.mark.usefixtures("_chunk")
@pytest.mark.parametrize("seq", range(SIZE))
def test_a_row_deleted(ledger: Ledger, five: list[Entry], superuser: Connection, seq: int) -> None:
    with tampering(superuser):
        superuser.execute(
            "DELETE FROM audit_entry WHERE ledger_id = %s AND seq = %s", (ledger.id, seq)
        )

    said = assert_tampered(ledger, seq=seq, field="seq")

    assert said["first"]["found"] == "no entry"
    assert said["checked"] == SIZE - 1


@pytest.mark.usefixtures("_chunk")
def test_all_rows_deleted(ledger: Ledger, five: list[Entry], superuser: Connection) -> None:
    with tampering(superuser):
        superuser.execute("DELETE FROM audit_entry WHERE ledger_id = %s", (ledger.id,))

    said = assert_tampered(ledger, seq=0, field="seq")

    assert (said["checked"], said["broken"]) == (0, SIZE)


@pytest.mark.usefixtures("_chunk")
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
            _set(superuser, ledger, here, record=bytes(five[there].record), hash=five[there].hash)

    assert_tampered(ledger, seq=left, field="seq")


def test_a_row_added_beyond_the_head(
    ledger: Ledger, five: list[Entry], superuser: Connection
) -> None:
    with tampering(superuser):
        _copy_row(superuser, ledger, 4, seq="5")

    assert_tampered(ledger, seq=5, field="seq")


@pytest.mark.usefixtures("_chunk")
@pytest.mark.parametrize("shift", ["1 microsecond", "-1 microsecond"])
@pytest.mark.parametrize("seq", [0, 2, 4])
def test_a_second_row_added_under_a_taken_seq(
    ledger: Ledger, five: list[Entry], superuser: Connection, seq: int, shift: str
) -> None:
    with tampering(superuser):
        _copy_row(superuser, ledger, seq, received_at=f"received_at + interval '{shift}'")

    # The earlier of the two is read first: the forged one is the stranger, or differs itself.
    assert_tampered(ledger, seq=seq, field="seq" if shift[0] != "-" else "received_at")


def test_a_forged_entry_with_all_links_but_no_event_key(
    ledger: Ledger, five: list[Entry], superuser: Connection
) -> None:
    with tampering(superuser):
        _forge_last(superuser, ledger, five[-1])

    assert_tampered(ledger, seq=SIZE, field="event key")


def test_a_perfect_forgery_by_a_superuser_is_what_the_note_warns_of(
    ledger: Ledger, five: list[Entry], superuser: Connection
) -> None:
    with tampering(superuser):
        event_id = _forge_last(superuser, ledger, five[-1])
        superuser.execute(
            "INSERT INTO audit_eventkey (ledger_id, event_id, seq, digest) VALUES (%s, %s, %s, %s)",
            (ledger.id, event_id, SIZE, bytes(32)),
        )

    report = verify(ledger)

    assert (report.result, report.note) == ("intact", NO_CHECKPOINT)


# --- Event keys and the head ----------------------------------------------------------------------


@pytest.mark.usefixtures("_chunk")
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


# --- Ranges and the command -----------------------------------------------------------------------


@pytest.mark.usefixtures("_chunk")
@pytest.mark.parametrize(("start", "end"), [(0, 1), (1, 3), (2, 5), (4, 5), (0, 5), (3, 99)])
def test_a_range_checks_what_it_covers_and_no_more(
    ledger: Ledger, five: list[Entry], superuser: Connection, start: int, end: int
) -> None:
    covered = range(start, min(end, SIZE))
    report = verify(ledger, from_seq=start, to_seq=end)
    assert (report.result, report.checked, report.to_seq) == ("intact", len(covered), covered.stop)
    with tampering(superuser):
        _set(superuser, ledger, 2, record=b"{}")

    report = verify(ledger, from_seq=start, to_seq=end)

    assert report.result == ("tampered" if 2 in covered else "intact")
    assert report.checked == len(covered)


def test_a_range_that_begins_behind_a_deleted_entry_is_not_intact(
    ledger: Ledger, five: list[Entry], superuser: Connection
) -> None:
    with tampering(superuser):
        superuser.execute("DELETE FROM audit_entry WHERE ledger_id = %s AND seq = 1", (ledger.id,))

    report = verify(ledger, from_seq=2, to_seq=4)

    assert report.first is not None
    assert (report.first.seq, report.first.field) == (2, "prev")


@pytest.mark.parametrize(("start", "end"), [(5, None), (6, None), (1000, 2000), (3, 3), (4, 2)])
def test_a_range_without_entries_is_not_proven_and_accuses_nobody(
    ledger: Ledger, five: list[Entry], start: int, end: int | None
) -> None:
    report = verify(ledger, from_seq=start, to_seq=end)

    assert (report.result, report.checked, report.first) == ("not_proven", 0, None)


def test_progress_ends_at_the_total_and_what_it_raises_ends_the_run(
    ledger: Ledger, five: list[Entry], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("audit.verify.CHUNK", 2)
    seen: list[Progress] = []
    verify(ledger, on_progress=seen.append)
    assert [(each.checked, each.total) for each in seen] == [(2, SIZE), (4, SIZE), (SIZE, SIZE)]

    def stop(progress: Progress) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        verify(ledger, on_progress=stop)


def test_one_ledger_says_nothing_of_another(
    ledger: Ledger, five: list[Entry], superuser: Connection
) -> None:
    other = open_ledger(f"t.{uuid.uuid4().hex[:16]}")
    chain(other, [make_event()])
    with tampering(superuser):
        _set(superuser, ledger, 0, record=b"{}")

    assert verify(other).result == "intact"
    assert verify(ledger).result == "tampered"


@pytest.mark.parametrize(
    "arguments", [("--ledger", "no-such-ledger"), ("--from", "-1"), ("--to", "-5")]
)
def test_bad_usage_is_told_with_exit_2(ledger: Ledger, arguments: tuple[str, ...]) -> None:
    with pytest.raises(CommandError) as refused:
        call_command("verifychain", "--ledger", ledger.name, *arguments)

    assert refused.value.returncode == 2


def test_the_command_itself_exits_1_when_tampered_and_2_for_a_ledger_unknown(
    ledger: Ledger, five: list[Entry], superuser: Connection
) -> None:
    with tampering(superuser):
        _set(superuser, ledger, 2, agent_id="mallory")

    code, out = _run(ledger.name)

    assert (code, out["first"]["seq"], out["first"]["field"]) == (1, 2, "agent_id")
    # As the worker, whose role is enough to say so in the ledger too.
    kept = Inbox.objects.filter(ledger=ledger).order_by("id").last()
    assert kept is not None
    assert json.loads(bytes(kept.events))["action"] == "audit.chain_broken"
    # The way of manage.py, without a process of its own.
    with pytest.raises(SystemExit) as ended:
        Command().run_from_argv(["manage.py", "verifychain", "--ledger", "no-such-ledger"])
    assert ended.value.code == 2


def test_the_sentence_for_people_names_ledger_seq_and_field(
    ledger: Ledger, five: list[Entry], superuser: Connection
) -> None:
    with tampering(superuser):
        _set(superuser, ledger, 3, outcome="denied")
    out = StringIO()

    with pytest.raises(SystemExit):
        call_command("verifychain", "--ledger", ledger.name, stdout=out)

    said = out.getvalue()
    assert f"{ledger.name}: TAMPERED at seq 3, field outcome" in said
    assert "expected success, found denied" in said


# --- Changes --------------------------------------------------------------------------------------


def _run(ledger_name: str) -> tuple[int, dict[str, Any]]:
    """Run the command as a process of its own, under the role it takes by itself."""
    environment = {k: v for k, v in os.environ.items() if k != "OBS_DATABASE_ROLE"}
    done = subprocess.run(
        [sys.executable, "manage.py", "verifychain", "--json", "--ledger", ledger_name],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return done.returncode, json.loads(done.stdout) if done.stdout else {}


def _set(superuser: Connection, ledger: Ledger, seq: int, **columns: Any) -> None:
    for name, value in columns.items():
        stored = bytes.fromhex(value) if name == "hash" and isinstance(value, str) else value
        changed = superuser.execute(
            f"UPDATE audit_entry SET {name} = %s WHERE ledger_id = %s AND seq = %s",
            (stored, ledger.id, seq),
        )
        assert changed.rowcount == 1


def _copy_row(superuser: Connection, ledger: Ledger, source_seq: int, **changes: str) -> None:
    """Insert a copy of a row; `changes` are SQL for the columns that differ."""
    names = [column for column in dict.fromkeys(c for c, _, _ in COLUMNS)]  # noqa: C416
    values = ", ".join(changes.get(name, name) for name in names)
    made = superuser.execute(
        f"INSERT INTO audit_entry ({', '.join(names)}) SELECT {values} FROM audit_entry "
        "WHERE ledger_id = %s AND seq = %s",
        (ledger.id, source_seq),
    )
    assert made.rowcount == 1


def _forge_last(superuser: Connection, ledger: Ledger, last: Entry) -> uuid.UUID:
    """Add an entry with right hash, links and columns, and move the head to it."""
    event_id = uuid.uuid4()
    said = last.parsed()
    said["event"]["id"], said["seq"], said["prev"] = str(event_id), last.seq + 1, last.hash
    record = json.dumps(said, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    leaf = sha256(b"\x00" + record).digest()
    _copy_row(superuser, ledger, last.seq, seq=str(last.seq + 1), event_id=f"'{event_id}'")
    _set(superuser, ledger, last.seq + 1, record=record, hash=leaf)
    superuser.execute(
        "UPDATE audit_head SET size = %s, hash = %s WHERE ledger_id = %s",
        (last.seq + 2, leaf, ledger.id),
    )
    return event_id


def test_the_forger_of_these_tests_knows_the_format(ledger: Ledger, five: list[Entry]) -> None:
    for each in five:
        written = json.dumps(each.parsed(), sort_keys=True, separators=(",", ":"))
        assert written.encode() == bytes(each.record)
    assert entries(ledger)[0].parsed()["prev"] == GENESIS.hex()
