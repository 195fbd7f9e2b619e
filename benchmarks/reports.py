"""Measure how long a report takes and how much memory: its content with every item, and its PDF.

Targets of 1,000,000 entries with 10,000 deviations: PDF within 60 s and 500 MB, content included;
items.csv is written while it is read, so its memory does not grow with it.
Runs as a person runs it: `manage.py writereport`, first the content and its items, then the PDF of
the same result, then both again, which must give the same SHA-256.

    python -m benchmarks.reports --events 1000000 --deviations 10000
"""

from __future__ import annotations

import itertools
import json
import sys
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg

from benchmarks import ordinary, seed
from benchmarks.bundle import Ended, run_command
from benchmarks.figures import Findings, arguments, report, say
from benchmarks.ground import database

LEDGER = "bench"
MOST_SECONDS = 60
MOST_MEGABYTES = 500
TARGET_ENTRIES = 1_000_000
_CHUNK = 50_000


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
    seed.put(connection, ledger_id, ordinary.registered(), source=seed.GOVERNED)
    append_pending(ledger_id)
    call = ordinary.event(
        "tool.invoke",
        "tool_call",
        target={"type": "tool", "id": "pay"},
        tool={"name": "pay", "risk": "high", "arguments_hash": "a" * 64},
    )
    numbers = itertools.count(2)
    for start in range(0, events, _CHUNK):
        count = min(_CHUNK, events - start)
        bad = deviations * (start + count) // events - deviations * start // events
        for told, some in ((ordinary.WORK, count - bad), (call, bad)):
            posts = ordinary.posts(told, itertools.islice(numbers, some))
            seed.put(connection, ledger_id, posts)
        while append_pending(ledger_id):
            pass


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
