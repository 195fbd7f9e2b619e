"""Measure how fast a ledger is verified, and how fast hashes alone are checked in SQL.

Targets: 100,000 entries/s a core of the verifying process, 60,000/s in all on two cores with
Postgres, 300,000 rows/s for hashes alone in SQL.
"""

from __future__ import annotations

import time

import psycopg

from benchmarks import sample, seed
from benchmarks.figures import Findings, arguments, report, say
from benchmarks.ground import database

HASHES = """
SELECT count(*), count(*) FILTER (WHERE sha256('\\x00'::bytea || record) = hash)
FROM audit_entry
WHERE ledger_id = %s
"""


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--events", type=int, default=200_000, help="entries (default 200,000)")
    options = parser.parse_args()
    report(options, lambda: measure(options.events))


def measure(events: int) -> Findings:
    """Fill a ledger, then verify it whole."""
    found = Findings(question="How fast is a ledger verified?")
    templates = sample.as_stored()
    with database() as address, psycopg.connect(address, autocommit=True) as connection:
        from audit.append import append_pending
        from audit.ledgers import open_ledger
        from audit.verify import verify

        ledger = open_ledger("bench")
        say(f"filling {events:,} entries")
        for _ in range(0, events, 50_000):
            seed.put(
                connection,
                ledger.id,
                sample.posts(templates, events=min(50_000, events), batch=100),
            )
            append_pending(ledger.id)
        connection.execute("VACUUM ANALYZE audit_entry, audit_eventkey")
        for _ in range(2):  # the second pass has everything in memory and plans settled
            wall, cpu = time.perf_counter(), time.process_time()
            result = verify(ledger)
            wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
            assert result.result == "intact", result
        found.add("verified", result.checked / wall, "entries/s", at_least=60_000)
        found.add(
            "verified, a core of the process", result.checked / cpu, "entries/s", at_least=100_000
        )
        connection.execute("SET max_parallel_workers_per_gather = 0")
        began = time.perf_counter()
        row = connection.execute(HASHES, (ledger.id,)).fetchone()
        assert row == (result.checked, result.checked), row
        found.add(
            "hashes alone, in SQL, one core",
            result.checked / (time.perf_counter() - began),
            "rows/s",
            at_least=300_000,
        )
    return found


if __name__ == "__main__":
    main()
