"""docs/ledger-format.md is enough to verify a ledger, and each table and column is documented."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
from typing import Any

import pytest

from audit.ledger.columns import Columns
from audit.ledger.record import link
from audit.parse import parse_event
from tests import documents
from tests.conftest import make_event
from tests.documents import DOCS, ROOT

FORMAT = DOCS / "ledger-format.md"
ARCHITECTURE = DOCS / "architecture.md"


def shown_entries() -> list[tuple[str, str]]:
    records = documents.fences(FORMAT, "record")
    hashes = documents.fences(FORMAT, "hash")
    assert len(records) == len(hashes) > 1
    return [(r.strip(), h.strip()) for r, h in zip(records, hashes, strict=True)]


def test_the_entries_shown_hash_and_link_as_they_say() -> None:
    prev = "0" * 64
    for seq, (record, digest) in enumerate(shown_entries()):
        assert digest == hashlib.sha256(b"\0" + record.encode()).hexdigest()
        assert (json.loads(record)["seq"], json.loads(record)["prev"]) == (seq, prev)
        prev = digest


def test_the_entries_shown_are_what_the_code_writes() -> None:
    parsed = [json.loads(record) for record, _ in shown_entries()]
    pieces = [
        (
            parse_event(json.dumps(each["event"]).encode(), default_id=None).canonical,
            each["received_at"],
            json.dumps(each["source"], separators=(",", ":"), sort_keys=True).encode(),
        )
        for each in parsed
    ]

    written = link(pieces, ledger="main", size=0, head=bytes(32))

    assert [(r.decode(), h.hex()) for _, r, h in written] == shown_entries()


def run_verifier(lines: list[dict[str, Any]]) -> subprocess.CompletedProcess[str]:
    (program,) = documents.fences(FORMAT, "python")
    return subprocess.run(
        [sys.executable, "-I", "-c", program, "main"],
        input="".join(json.dumps(line) + "\n" for line in lines),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def streamed_lines() -> list[dict[str, Any]]:
    """Return a ledger of twenty entries as the API streams it."""
    events = [
        (
            parse_event(json.dumps(make_event()).encode(), default_id=None).canonical,
            at,
            b'{"via":1}',
        )
        for at in ["2026-11-20T22:06:54.533696Z"] * 20
    ]
    return [
        {"seq": seq, "hash": digest.hex(), "record": record.decode()}
        for seq, record, digest in link(events, ledger="main", size=0, head=bytes(32))
    ]


def test_the_verifier_shown_accepts_a_ledger() -> None:
    lines = streamed_lines()

    done = run_verifier(lines)

    assert done.returncode == 0, done.stderr
    assert done.stdout == f"20 entries hold together; head {lines[-1]['hash']}\n"


@pytest.mark.parametrize("change", ["a byte", "a hash", "a seq", "a gap", "a swap", "twice"])
def test_the_verifier_shown_refuses_a_changed_ledger(change: str) -> None:
    lines = streamed_lines()
    match change:
        case "a byte":
            lines[7]["record"] = lines[7]["record"].replace("search", "saerch")
        case "a hash":
            lines[7]["hash"] = "0" * 64
        case "a seq":
            lines[7]["seq"] = 8
        case "a gap":
            del lines[7]
        case "a swap":
            lines[7], lines[8] = lines[8], lines[7]
        case "twice":
            lines.insert(8, lines[7])

    done = run_verifier(lines)

    assert done.returncode == 1
    assert "tampered at seq" in done.stderr


def test_the_verifier_shown_proves_nothing_of_nothing() -> None:
    assert "not proven" in run_verifier([]).stderr


def test_every_copied_column_is_documented_and_no_other() -> None:
    beside = {"seq", "received_at", "is_backfill", "key_id"}

    documented = {row.first() for row in documents.table(FORMAT, "column", "copied from")}

    assert documented == {*Columns._fields, *beside}


def test_every_table_is_documented_and_no_other() -> None:
    files = [
        each
        for app in ("audit", "compliance", "metrics", "tracing")
        for each in (ROOT / app / "sql").glob("*.sql")
    ]
    sql = "".join(each.read_text() for each in files)
    table = r"^CREATE (?:UNLOGGED )?TABLE ((?:audit|compliance|metrics|tracing)_\w+)"
    made = set(re.findall(table, sql, re.M))

    documented = {
        name
        for row in documents.table(ARCHITECTURE, "table", "holds", "changes")
        for name in documents.spans(row.cells[0])
    }

    assert documented == made
