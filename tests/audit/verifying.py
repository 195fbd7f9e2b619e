"""What tests of verification share: five entries, who looks at them, and who changes them."""

from __future__ import annotations

import json
import uuid
from hashlib import sha256
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command

from audit.models import Entry, Ledger
from tests.audit.tampering import Connection
from tests.conftest import chain, make_event, post

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
def chunk(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
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


def set_record(superuser: Connection, ledger: Ledger, seq: int, **columns: Any) -> None:
    for name, value in columns.items():
        stored = bytes.fromhex(value) if name == "hash" and isinstance(value, str) else value
        changed = superuser.execute(
            f"UPDATE audit_entry SET {name} = %s WHERE ledger_id = %s AND seq = %s",
            (stored, ledger.id, seq),
        )
        assert changed.rowcount == 1


def copy_row(superuser: Connection, ledger: Ledger, source_seq: int, **changes: str) -> None:
    """Insert a copy of a row; `changes` are SQL for the columns that differ."""
    names = [column for column in dict.fromkeys(c for c, _, _ in COLUMNS)]  # noqa: C416
    values = ", ".join(changes.get(name, name) for name in names)
    made = superuser.execute(
        f"INSERT INTO audit_entry ({', '.join(names)}) SELECT {values} FROM audit_entry "
        "WHERE ledger_id = %s AND seq = %s",
        (ledger.id, source_seq),
    )
    assert made.rowcount == 1


def forge_last(superuser: Connection, ledger: Ledger, last: Entry) -> uuid.UUID:
    """Add an entry with right hash, links and columns, and move the head to it."""
    event_id = uuid.uuid4()
    said = last.parsed()
    said["event"]["id"], said["seq"], said["prev"] = str(event_id), last.seq + 1, last.hash
    record = json.dumps(said, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    leaf = sha256(b"\x00" + record).digest()
    copy_row(superuser, ledger, last.seq, seq=str(last.seq + 1), event_id=f"'{event_id}'")
    set_record(superuser, ledger, last.seq + 1, record=record, hash=leaf)
    superuser.execute(
        "UPDATE audit_head SET size = %s, hash = %s WHERE ledger_id = %s",
        (last.seq + 2, leaf, ledger.id),
    )
    return event_id
