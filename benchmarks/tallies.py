"""Measure what checks cost: from scratch, as a projection, and a year read from the tallies.

Side by side with a bare read of the same entries, since that is what none of them can be under.
Targets: from scratch 20,000 entries/s a core for all checks together; the projection 5,000 entries
a second; a year over 10,000,000 entries evaluated in 2 s.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from functools import partial
from typing import Any

import psycopg

from benchmarks import fleet, ordinary, sample, seed
from benchmarks.figures import Findings, arguments, report, say
from benchmarks.ground import database

YEAR = 365
AGENTS = 20
ENTRIES_A_YEAR = 10_000_000
FRAMEWORKS = ("soc2", "gdpr", "hipaa")
END = date(2026, 10, 1)

_READ = """
SELECT seq, record
FROM audit_entry
WHERE ledger_id = %s
  AND seq >= %s
  AND seq < %s
"""
# A year of days of every lens and agent, each with its share of the entries.
_YEAR = """
INSERT INTO compliance_tally (ledger_id, lens_id, day, environment, agent_id, passed, failed,
    opened, closed, latest, decided_sum, open_sum)
SELECT %(into)s, l.lens_id, d::date, 'prod', 'agent-' || a, %(share)s, 1, 1, 1,
    CASE WHEN l.kind = 'cadence' THEN extract(epoch FROM d)::bigint * 1000000 + 1 END,
    2::numeric ^ 200 + a, 2::numeric ^ 100 + a
FROM compliance_lens AS l,
     generate_series(1, %(agents)s) AS a,
     generate_series(%(start)s::timestamp, %(end)s::timestamp - interval '1 day', '1 day') AS d
WHERE l.ledger_id = %(of)s
"""
_LENSES = """
INSERT INTO compliance_lens
SELECT %(into)s, lens_id, check_id, kind, definition, 0
FROM compliance_lens
WHERE ledger_id = %(of)s
"""
_CLOCK = """
INSERT INTO compliance_clock (ledger_id, clock, born, next_seq, head_hash)
SELECT %(into)s, extract(epoch FROM %(end)s::timestamp)::bigint * 1000000,
    extract(epoch FROM %(start)s::timestamp)::bigint * 1000000, %(entries)s, head_hash
FROM compliance_clock
WHERE ledger_id = %(of)s
"""


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--events", type=int, default=50_000, help="entries (default 50,000)")
    options = parser.parse_args()
    report(options, lambda: measure(options.events))


def measure(events: int) -> Findings:
    """Fill a ledger, let every check see it in both ways, then evaluate a year."""
    found = Findings(question="What do all checks cost?")
    with database() as address, psycopg.connect(address, autocommit=True) as connection:
        from audit.append import append_pending
        from audit.ledgers import open_ledger
        from audit.project import catch_up
        from compliance.in_force import catalogue_in_force
        from compliance.scratch import from_ledger
        from compliance.tally import Tallies

        ledger = open_ledger("bench")
        say(f"filling {events:,} entries")
        seed.put(connection, ledger.id, sample.live_posts(events, batch=100))
        while append_pending(ledger.id):
            pass
        connection.execute("VACUUM ANALYZE audit_entry")

        with _timed(found, "read and nothing else", events):
            assert _read(ledger.id, events) == events
        catalogue = catalogue_in_force()
        with _timed(found, "from scratch, all checks", events, at_least=20_000):
            memory = from_ledger(ledger, catalogue)
        assert memory.head_seq == events - 1, memory.head_seq
        found.add(
            "items that failed", sum(map(_failed, memory.books.values())) / events, "an entry"
        )
        found.add("lenses", len(memory.lenses), "")
        tallies = Tallies()
        with _timed(found, "projected, all checks", events, wall_at_least=5_000):
            while catch_up(ledger.id, tallies):
                pass
        plain = _plain_ledger(connection, events)
        with _timed(found, "from scratch, one task over and over", events):
            memory = from_ledger(plain, catalogue)
        assert not any(map(_failed, memory.books.values())), "each check passes"
        _measure_fleet(found, connection, events)
        _measure_year(found, connection, ledger.id)
    return found


def _measure_fleet(found: Findings, connection: psycopg.Connection, events: int) -> None:
    """Let every check see the demo fleet's work, which passes nearly all of them."""
    from audit.append import append_pending
    from audit.ledgers import open_ledger
    from audit.project import catch_up
    from compliance.in_force import catalogue_in_force
    from compliance.scratch import from_ledger
    from compliance.tally import Tallies

    ledger = open_ledger("fleet")
    say(f"filling {events:,} entries of the demo fleet")
    seed.receive_fleet(ledger.id, ledger.name, fleet.in_order(events))
    while append_pending(ledger.id):
        pass
    connection.execute("VACUUM ANALYZE audit_entry")
    with _timed(found, "from scratch, demo fleet", events, at_least=20_000):
        memory = from_ledger(ledger, catalogue_in_force())
    failed = sum(map(_failed, memory.books.values()))
    found.add("items that failed, demo fleet", failed / events, "an entry")
    tallies = Tallies()
    with _timed(found, "projected, demo fleet", events, wall_at_least=5_000):
        while catch_up(ledger.id, tallies):
            pass


def _plain_ledger(connection: psycopg.Connection, events: int) -> Any:
    """Fill another ledger with work that passes every check."""
    from audit.append import append_pending
    from audit.ledgers import open_ledger

    ledger = open_ledger("plain")
    seed.put(connection, ledger.id, ordinary.registered(), source=seed.GOVERNED)
    append_pending(ledger.id)
    seed.put(connection, ledger.id, ordinary.posts(ordinary.WORK, range(2, events + 1)))
    while append_pending(ledger.id):
        pass
    return ledger


def _failed(book: Any) -> int:
    return sum(item.state == "fail" for item in book.items.values())


def _read(ledger_id: int, events: int) -> int:
    from audit.database import rows
    from audit.project import BATCH

    statement = (
        "SELECT seq, record FROM audit_entry WHERE ledger_id = %s AND seq >= %s AND seq < %s"
    )
    return sum(len(rows(statement, (ledger_id, at, at + BATCH))) for at in range(0, events, BATCH))


@contextmanager
def _timed(
    found: Findings,
    what: str,
    events: int,
    *,
    at_least: float | None = None,
    wall_at_least: float | None = None,
) -> Iterator[None]:
    """Add entries a second of wall clock, and of this process' own CPU."""
    wall, cpu = time.perf_counter(), time.process_time()
    yield
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    found.add(what, events / wall, "entries/s", at_least=wall_at_least)
    found.add(f"{what}, a core of the process", events / cpu, "entries/s", at_least=at_least)


def _measure_year(found: Findings, connection: psycopg.Connection, of: int) -> None:
    from audit.ledgers import open_ledger
    from compliance.evaluate import evaluate_framework

    ledger = open_ledger("year")
    start = END - timedelta(days=YEAR)
    asked: dict[str, Any] = {
        "into": ledger.id,
        "of": of,
        "agents": AGENTS,
        "share": ENTRIES_A_YEAR // YEAR // AGENTS,
        "start": start,
        "end": END,
        "entries": ENTRIES_A_YEAR,
    }
    say(f"a year of {AGENTS} agents")
    for statement in (_LENSES, _CLOCK, _YEAR):
        connection.execute(statement, asked)
    connection.execute("VACUUM ANALYZE compliance_tally, compliance_lens")
    counted = connection.execute(
        "SELECT count(*) FROM compliance_tally WHERE ledger_id = %s", (ledger.id,)
    ).fetchone()
    assert counted is not None, "an aggregate has a row"
    found.add("rows of a year", counted[0], "")
    for framework in FRAMEWORKS:
        _fastest(
            found,
            f"a year over {ENTRIES_A_YEAR:,} entries, {framework}",
            partial(evaluate_framework, ledger, framework, start=start, end=END),
        )


def _fastest(found: Findings, what: str, evaluate: Callable[[], object]) -> None:
    """Add the second of two times: a first one builds what a process keeps, such as plans."""
    for _ in range(2):
        began = time.perf_counter()
        evaluate()
        took = time.perf_counter() - began
    found.add(what, took, "s", at_most=2.0)


if __name__ == "__main__":
    main()
