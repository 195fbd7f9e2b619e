"""Measure what the projection of metrics takes beside append, for the same entries.

CPU of the process and of its backend, on a bare Postgres: alone, and as its part of a worker that
lets all projections read. Target: at most 20 % of append's. Asked by metrics.py.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import psycopg
from psycopg import sql

from benchmarks import fleet, sample, seed
from benchmarks.figures import Findings, say

WARM: Final = 4_000
PROJECTED: Final = 3  # turns with all projections
BATCH: Final = 100


def measure_projections(found: Findings, connection: psycopg.Connection, events: int) -> None:
    """Measure both kinds of entries, so many of each."""
    # A first round fills what a process and its backend keep: plans of statements, names.
    _measure_projection(Findings(question=""), connection, "warm up", WARM)
    _measure_projection(found, connection, "recorded sessions", events)
    _measure_projection(found, connection, "demo fleet", events)


@dataclass(kw_only=True, slots=True)
class Cpu:
    """Seconds of CPU: of this process, and of the backend that works for it."""

    own: float = 0.0
    backend: float = 0.0

    @property
    def both(self) -> float:
        """Return the two together."""
        return self.own + self.backend


@contextmanager
def _spent() -> Iterator[Cpu]:
    """Measure what is done inside; the figures stand when the block has ended."""
    from audit.database import rows

    ((pid,),) = rows("SELECT pg_backend_pid()")
    spent = Cpu()
    own, backend = time.process_time(), _busy(pid)
    yield spent
    spent.own, spent.backend = time.process_time() - own, _busy(pid) - backend


def _busy(pid: int) -> float:
    # The scheduler's own account: that of psutil counts in hundredths of a second.
    ran, _, _ = Path(f"/proc/{pid}/schedstat").read_text().split()
    return int(ran) / 1e9


def _measure_projection(
    found: Findings, connection: psycopg.Connection, kind: str, events: int
) -> None:
    """Append entries and let projections read them, and set the one beside the other.

    That of metrics alone, which reads the entries for itself; then all together, which read them
    once, and what metrics take of that.
    """
    from django.db import connections

    from audit.append import append_once, append_pending
    from audit.ledgers import open_ledger

    ledger = open_ledger(kind.replace(" ", "."))
    say(f"{events:,} entries: {kind}")
    if kind == "demo fleet":
        seed.receive_fleet(ledger.id, ledger.name, fleet.in_order(events))
    else:
        seed.put(connection, ledger.id, sample.live_posts(events, batch=BATCH))
    # A plan made for tables that were empty or unknown would be charged to append, so it begins
    # when a few are chained and counted, as autovacuum has done by then.
    begun = append_once(ledger.id, batch=BATCH)
    assert begun is not None, "what was put there waits"
    connection.execute("ANALYZE audit_inbox, audit_eventkey, audit_entry")
    connections.close_all()  # plans that were kept go with their connections
    with _spent() as appending:
        while append_pending(ledger.id):
            pass
    for_all = events / (events - begun.entries)
    appending.own, appending.backend = appending.own * for_all, appending.backend * for_all
    connection.execute("VACUUM ANALYZE audit_entry")
    _add_costs(found, f"append of {kind}", appending, events)
    alone = _project(connection, ledger.id, ["metrics"])
    _add_costs(found, f"projection of {kind}", alone, events)
    found.add(
        f"projection of {kind} as a share of append",
        alone.both / appending.both * 100,
        "% of CPU",
        at_most=20,
    )
    added = _added(connection, ledger.id)
    _add_costs(found, f"metrics among all projections, {kind}", added, events)
    found.add(
        f"metrics among all projections, {kind}, as a share of append",
        added.both / appending.both * 100,
        "% of CPU",
        at_most=20,
    )


def _add_costs(found: Findings, name: str, spent: Cpu, events: int) -> None:
    found.add(f"{name}: CPU of the process", spent.own / events * 1e6, "µs/entry")
    found.add(f"{name}: CPU of its backend", spent.backend / events * 1e6, "µs/entry")


def _added(connection: psycopg.Connection, ledger_id: int) -> Cpu:
    """Return what metrics take where all project: the middle one of some turns.

    Measured around its own code and its own statements, in one run with the others: the difference
    of two runs, with it and without, is smaller than what they differ by themselves. The entries
    are fetched for all at once, so that is no part of it; nor is the commit of each batch.
    """
    from audit.project import projections

    turns = [
        _project(connection, ledger_id, list(projections()), of="metrics") for _ in range(PROJECTED)
    ]
    return sorted(turns, key=lambda cpu: cpu.both)[PROJECTED // 2]


def _project(
    connection: psycopg.Connection, ledger_id: int, names: Sequence[str], *, of: str | None = None
) -> Cpu:
    """Let these project all from the first entry on, as a worker does; return what that took.

    `of`: what this one of them took.
    """
    from django.conf import settings
    from django.test import override_settings
    from django.utils.module_loading import import_string

    from audit.project import catch_up_all, projections

    known = projections()
    for each in known.values():
        for table in each.tables:
            connection.execute(
                sql.SQL("DELETE FROM {} WHERE ledger_id = %s").format(sql.Identifier(table)),
                [ledger_id],
            )
            connection.execute(sql.SQL("VACUUM ANALYZE {}").format(sql.Identifier(table)))
    connection.execute("DELETE FROM audit_projection WHERE ledger_id = %s", [ledger_id])
    kept = [path for path in settings.PROJECTIONS if import_string(path).name in names]
    projections.cache_clear()  # what they remember is of rows that are gone
    try:
        with override_settings(PROJECTIONS=kept):
            batches = _measured(projections()[of]) if of is not None else []
            with _spent() as spent:
                while catch_up_all(ledger_id):
                    pass
    finally:
        projections.cache_clear()
    if of is None:
        return spent
    return Cpu(own=sum(one.own for one in batches), backend=sum(one.backend for one in batches))


def _measured(projection: Any) -> list[Cpu]:
    """Have a projection measured with each batch; return where that is written down."""
    batches: list[Cpu] = []
    apply = projection.apply

    def measured(*batch: Any) -> None:
        with _spent() as spent:
            apply(*batch)
        batches.append(spent)

    projection.apply = measured
    return batches
