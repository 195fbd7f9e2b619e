"""Measure what a page under Operations costs over a month of minute history of many agents.

Rows are made (history.py); each page is asked by a person's session through Django's own client, so
template and middleware count and the network does not. Target: p95 at most 300 ms at each range.
Processor time is given beside: on a busy machine it moves less.
"""

from __future__ import annotations

import gc
import statistics
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import psutil  # type: ignore[import-untyped]  # ships no types
import psycopg

from benchmarks.figures import Findings, arguments, percentile, report, say
from benchmarks.ground import database
from benchmarks.history import fill

if TYPE_CHECKING:  # Django's models are read only once it is set up
    from django.test import Client

MOST_MS = 300
WARM = 2
PAGES = ("agents", "agents/one", "agents/compare", "tools", "models", "errors", "resources",
         "platform")  # fmt: skip
RANGES = ("1h", "6h", "24h", "7d", "30d")


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--agents", type=int, default=20, help="agents (default 20)")
    parser.add_argument("--days", type=int, default=30, help="days of history (default 30)")
    parser.add_argument("--share", type=float, default=0.25, help="minutes with a row (0.25)")
    parser.add_argument("--times", type=int, default=20, help="requests a page (default 20)")
    options = parser.parse_args()
    report(options, lambda: measure(options.agents, options.days, options.share, options.times))


def measure(agents: int, days: int, share: float, times: int) -> Findings:
    """Ask every page at every range."""
    found = Findings(
        question=f"What does a page under Operations cost with {days} days of {agents} agents?"
    )
    with (
        database(shared_buffers="512MB", max_wal_size="4GB") as address,
        psycopg.connect(address, autocommit=True) as connection,
    ):
        from django.conf import settings

        from audit.ledgers import open_ledger
        from benchmarks.pages import _somebody
        from metrics.spans import add_up

        ledger = open_ledger(settings.LEDGER)
        began = time.monotonic()
        written = fill(
            connection, ledger.id, agents=agents, days=days, share=share, now=datetime.now(UTC)
        )
        say(f"{written:,} rows of history in {time.monotonic() - began:.0f} s")
        connection.execute("VACUUM ANALYZE metrics_minute, metrics_processminute, metrics_total")
        connection.execute("VACUUM ANALYZE metrics_gaugeminute")
        found.add("rows of minute history", written, "")
        began, quarters = time.monotonic(), 0
        while made := add_up(datetime.now(UTC)):
            quarters += made
        say(f"{quarters:,} quarters of an hour added up in {time.monotonic() - began:.0f} s")
        found.add("adding up a quarter", (time.monotonic() - began) * 1000 / quarters, "ms")
        connection.execute("VACUUM ANALYZE metrics_span, metrics_spandone")
        client = _somebody()
        _settle(client)
        for name in PAGES:
            for span in RANGES:
                taken, cpu = _ask(client, _address(name, span), times)
                found.add(f"{name} {span}, p95", percentile(taken, 0.95), "ms", at_most=MOST_MS)
                found.add(f"{name} {span}, CPU", statistics.median(cpu), "ms")
                say(
                    f"{name} {span}: p50 {percentile(taken, 0.5):.0f} ms, "
                    f"p95 {percentile(taken, 0.95):.0f} ms, CPU {statistics.median(cpu):.0f} ms"
                )
    return found


def _settle(client: Client) -> None:
    """Let a page load what it needs, then leave all that to stay out of collections of cycles.

    So does the server (obsplatform/wsgi.py): a collection of everything is no page's own.
    """
    assert client.get(_address(PAGES[0], RANGES[0])).status_code == 200
    gc.collect()
    gc.freeze()


def _address(name: str, span: str) -> str:
    who = {"agents/one": "&agent=agent-03", "agents/compare": "&a=agent-03&b=agent-04"}
    return f"/admin/operations/{name}/?last={span}{who.get(name, '')}"


def _ask(client: Client, address: str, times: int) -> tuple[list[float], list[float]]:
    """Return the milliseconds of each request, and those of processors: ours and Postgres'."""
    for _ in range(WARM):
        assert client.get(address).status_code == 200, address
    taken, cpu = [], []
    for _ in range(times):
        began, worked = time.perf_counter(), _worked()
        client.get(address)
        taken.append((time.perf_counter() - began) * 1000)
        cpu.append(_worked() - worked)
    return taken, cpu


def _worked() -> float:
    """Return the milliseconds of processor time of this process and of its Postgres backend."""
    from audit.database import raw_connection

    backend = psutil.Process(raw_connection().info.backend_pid).cpu_times()
    return (time.process_time() + float(backend.user + backend.system)) * 1000


if __name__ == "__main__":
    main()
