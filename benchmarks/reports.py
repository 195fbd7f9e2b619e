"""Measure how long a report takes and how much memory: its content with every item, and its PDF.

Targets of 1,000,000 entries with 10,000 deviations: PDF within 60 s and 500 MB, content included;
items.csv is written while it is read, so its memory does not grow with it.
Runs as a person runs it: `manage.py writereport`, first the content and its items, then the PDF of
the same result, then both again, which must give the same SHA-256.

    OBS_SAMPLES=<folder> python -m benchmarks.reports --events 1000000 --deviations 10000
"""

from __future__ import annotations

import itertools
import json
import sys
import tempfile
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from uuid import UUID

import psycopg

from audit.ledger.record import format_time
from audit.parse import parse_event
from benchmarks import sample, seed
from benchmarks.bundle import Ended, run_command
from benchmarks.figures import Findings, arguments, report, say
from benchmarks.ground import database

LEDGER = "bench"
AGENT = "bench-agent"
MOST_SECONDS = 60
MOST_MEGABYTES = 500
TARGET_ENTRIES = 1_000_000
_CHUNK = 50_000
_BATCH = 100


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--events", type=int, default=100_000, help="entries (default 100,000)")
    parser.add_argument(
        "--deviations", type=int, default=1_000, help="calls that nobody approved (default 1,000)"
    )
    options = parser.parse_args()
    report(options, lambda: measure(options.events, options.deviations))


def measure(events: int, deviations: int) -> Findings:
    """Fill a ledger, count it, and make its report in two steps, twice."""
    found = Findings(
        question=f"How fast is a report of {events:,} entries with {deviations:,} deviations made?"
    )
    with database() as address, psycopg.connect(address, autocommit=True) as connection:
        from audit.ledgers import open_ledger
        from audit.project import catch_up
        from compliance.tally import Tallies

        ledger = open_ledger(LEDGER)
        _fill(connection, ledger.id, events, deviations)
        say("counting")
        tallies = Tallies()
        while catch_up(ledger.id, tallies):
            pass
        connection.execute("VACUUM ANALYZE audit_entry")
        with tempfile.TemporaryDirectory(prefix="obs-bench-") as folder:
            _measure(found, Path(folder), events)
    return found


def _fill(connection: psycopg.Connection, ledger_id: int, events: int, deviations: int) -> None:
    """Put in an agent that is registered, its ordinary work, and calls that nobody approved."""
    from audit.append import append_pending

    say(f"filling {events:,} entries")
    owner = {"actor": {"type": "human", "id": "olga"}, "target": {"type": "agent", "id": AGENT}}
    registered = _event("agent.registered", "agent_lifecycle", **owner)
    first = _posts(registered, [1])
    seed.put(connection, ledger_id, first, source=seed.GOVERNED)
    append_pending(ledger_id)
    work = _event("task.completed", "action", target={"type": "task", "id": "bench"})
    call = _event(
        "tool.invoke",
        "tool_call",
        target={"type": "tool", "id": "pay"},
        tool={"name": "pay", "risk": "high", "arguments_hash": "a" * 64},
    )
    numbers = itertools.count(2)
    for start in range(0, events, _CHUNK):
        count = min(_CHUNK, events - start)
        bad = deviations * (start + count) // events - deviations * start // events
        seed.put(connection, ledger_id, _posts(work, itertools.islice(numbers, count - bad)))
        seed.put(connection, ledger_id, _posts(call, itertools.islice(numbers, bad)))
        while append_pending(ledger_id):
            pass


def _event(action: str, category: str, **blocks: object) -> bytes:
    """Return an event of the agent as the inbox holds it, its id, number and time to be put in."""
    event = {
        "id": "00000000-0000-4000-8000-000000000000",
        "client_seq": 0,
        "occurred_at": "2026-01-01T00:00:00.000000Z",
        "category": category,
        "action": action,
        "outcome": "success",
        "agent": {
            "id": AGENT,
            "name": "Bench",
            "version": "1.0",
            "instance_id": "bench-1",
            "owner": "olga",
        },
        "actor": {"type": "agent", "id": AGENT},
        "run": {"id": "bench-run"},
    }
    return parse_event(json.dumps(event | blocks).encode(), default_id=None).canonical


def _posts(template: bytes, numbers: Iterable[int]) -> Iterator[sample.Post]:
    """Yield inbox rows of this event, one for each number of the instance, as sent now."""
    reading = iter(numbers)
    while some := list(itertools.islice(reading, _BATCH)):
        now = format_time(datetime.now(UTC)).encode()
        ids = sample.fresh_ids(len(some))
        lines = [
            template.replace(b"00000000-0000-4000-8000-000000000000", each)
            .replace(b'"client_seq":0', b'"client_seq":%d' % number)
            .replace(b"2026-01-01T00:00:00.000000Z", now)
            for each, number in zip(ids, some, strict=True)
        ]
        yield sample.Post(
            event_ids=[UUID(each.decode()) for each in ids],
            digests=b"".join(sha256(line).digest() for line in lines),
            events=b"\n".join(lines),
        )


def _measure(found: Findings, folder: Path, events: int) -> None:
    # What takes time beyond the target is reading more entries than it is for.
    allowed = MOST_SECONDS * max(events / TARGET_ENTRIES, 1.0)
    say("making the content")
    content = _make(folder / "content", "json,csv")
    said = json.loads(content.stdout)
    items = next(each for each in said["files"] if each["format"] == "csv")
    found.add("content and items: made", content.seconds, "s", at_most=allowed)
    found.add("content and items: memory", content.megabytes, "MB", at_most=MOST_MEGABYTES)
    with Path(items["file"]).open("rb") as lines:
        found.add("items.csv: rows", sum(1 for _ in lines) - 1, "items")
    found.add("items.csv: size", items["bytes"] / 1e6, "MB")
    say("making the PDF")
    printed = _make(folder / "pdf", "pdf")
    found.add("PDF of it: made", printed.seconds, "s", at_most=allowed)
    found.add("PDF of it: memory", printed.megabytes, "MB", at_most=MOST_MEGABYTES)
    say("making both again")
    again = _make(folder / "again", "pdf,json,csv")
    sums = {
        each["format"]: each["sha256"]
        for one in (content, printed)
        for each in json.loads(one.stdout)["files"]
    }
    repeated = {each["format"]: each["sha256"] for each in json.loads(again.stdout)["files"]}
    found.add(
        "SHA-256 that differ the second time",
        sum(sums[name] != repeated[name] for name in sums),
        "files",
        at_most=0,
    )


def _make(out: Path, formats: str) -> Ended:
    today = datetime.now(UTC).date()
    period = ("--from", str(today - timedelta(days=29)), "--to", str(today + timedelta(days=1)))
    options = ("--ledger", LEDGER, "--format", formats, "--out", str(out), "--json")
    command = [sys.executable, "manage.py", "writereport", "soc2", *period, *options]
    return run_command([*command, "--reason", "benchmark"])


if __name__ == "__main__":
    main()
