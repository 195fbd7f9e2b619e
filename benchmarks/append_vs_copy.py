"""Measure chaining alone against a bare COPY of the same rows, side by side in one run.

The COPY goes into tables made like the entries and event keys, with every index and constraint, in
one statement a table: the least that Postgres can do with these rows. Rounds alternate, so both
grow together and share the machine alike. Targets: 20,000 entries/s, half of the COPY.
"""

from __future__ import annotations

import time

import psycopg

from benchmarks import sample, seed
from benchmarks.figures import Findings, arguments, report, say
from benchmarks.ground import database

ROUND = 25_000
TWINS = (("audit_entry", "bench_entry"), ("audit_eventkey", "bench_eventkey"))


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--events", type=int, default=200_000, help="entries (default 200,000)")
    options = parser.parse_args()
    report(options, lambda: measure(options.events))


def measure(events: int) -> Findings:
    """Chain a round, then copy the rows it made, until there are enough."""
    found = Findings(question="How much slower is chaining than a bare COPY?")
    templates = sample.as_stored()
    with database() as address, psycopg.connect(address, autocommit=True) as connection:
        from audit.append import append_pending
        from audit.ledgers import open_ledger

        ledger = open_ledger("bench")
        for table, twin in TWINS:
            connection.execute(f"CREATE TABLE {twin} (LIKE {table} INCLUDING ALL)")
        chaining = cpu = copying = 0.0
        for done in range(0, events, ROUND):
            say(f"{done:,} of {events:,}")
            posts = sample.posts(templates, events=ROUND, batch=100)
            seed.put(connection, ledger.id, posts)
            began, spent = time.perf_counter(), time.process_time()
            made = append_pending(ledger.id)
            chaining += time.perf_counter() - began
            cpu += time.process_time() - spent
            assert made == ROUND, made
            copying += _copy(connection, ledger.id, done, done + ROUND)
        total = -(-events // ROUND) * ROUND
    found.add("chained", total / chaining, "entries/s", at_least=20_000)
    found.add("bare COPY of the same rows", total / copying, "entries/s")
    found.add("chaining as a share of COPY", copying / chaining, "", at_least=0.5)
    found.add("CPU of the appending process", cpu / total * 1e6, "µs/entry")
    return found


def _copy(connection: psycopg.Connection, ledger_id: int, start: int, stop: int) -> float:
    """Copy the rows of these seqs into the twins; return the seconds that going in took."""
    seconds = 0.0
    for table, twin in TWINS:
        rows = f"SELECT * FROM {table} WHERE ledger_id = %s AND seq >= %s AND seq < %s ORDER BY seq"
        with psycopg.ClientCursor(connection) as cursor:
            out = f"COPY ({rows}) TO STDOUT (FORMAT BINARY)"
            with cursor.copy(out, (ledger_id, start, stop)) as copy:
                blocks = [bytes(block) for block in copy]
            began = time.perf_counter()
            with cursor.copy(f"COPY {twin} FROM STDIN (FORMAT BINARY)") as copy:
                for block in blocks:
                    copy.write(block)
            seconds += time.perf_counter() - began
            assert cursor.rowcount == stop - start, cursor.rowcount
    return seconds


if __name__ == "__main__":
    main()
