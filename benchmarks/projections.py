"""Measure whether every projection keeps up while events come in.

Starts a whole installation, posts batches at an even pace a little above the target, and looks how
far the slowest projection is behind the head. Target: 6,000 events/s posted, chained and projected.
"""

from __future__ import annotations

import threading
import time

import psycopg

from benchmarks import sample, seed
from benchmarks.figures import Findings, arguments, percentile, report
from benchmarks.ground import installation
from benchmarks.sender import post_all

BATCH = 100
CONNECTIONS = 4
WARM = 10_000
_LOOK = 0.1

BEHIND = """
SELECT coalesce(max(h.size - coalesce(p.next_seq, 0)), 0)
FROM audit_head AS h
LEFT JOIN audit_projection AS p ON p.ledger_id = h.ledger_id
"""


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--seconds", type=int, default=20, help="how long (default 20)")
    parser.add_argument("--rate", type=int, default=6_500, help="events a second (default 6,500)")
    options = parser.parse_args()
    report(options, lambda: measure(options.seconds, options.rate))


def measure(seconds: int, rate: int) -> Findings:
    """Post at an even pace and watch the cursors."""
    found = Findings(question="Do all projections keep up with ingest?")
    templates = sample.as_sent()
    events = seconds * rate // BATCH * BATCH
    with installation() as running, psycopg.connect(running.database_url, autocommit=True) as look:
        warm = (b"\n".join(each) for each in sample.batches(templates, events=WARM, batch=BATCH))
        post_all(running.url, running.key, warm, connections=CONNECTIONS)
        before = _settled(look, 0, WARM)
        lags: list[int] = []
        over = threading.Event()
        watcher = threading.Thread(target=_watch, args=(running.database_url, lags, over))
        watcher.start()
        try:
            began = time.perf_counter()
            bodies = map(b"\n".join, sample.batches(templates, events=events, batch=BATCH))
            post_all(
                running.url,
                running.key,
                bodies,
                connections=CONNECTIONS,
                per_second=rate / BATCH,
            )
            at_the_end = behind(look)
            _settled(look, before, events)
            took = time.perf_counter() - began
        finally:
            over.set()
            watcher.join()
    found.add("posted, chained and projected", events / took, "events/s", at_least=6_000)
    found.add("behind, p50", percentile(lags, 0.5) / rate * 1000, "ms of events")
    found.add("behind, p95", percentile(lags, 0.95) / rate * 1000, "ms of events")
    found.add("behind at the last POST", at_the_end, "entries")
    return found


def behind(look: psycopg.Connection) -> int:
    """Return how many entries the slowest projection has not read."""
    found = look.execute(BEHIND).fetchone()
    assert found is not None, "an aggregate has a row"
    return int(found[0])


def _settled(look: psycopg.Connection, before: int, events: int) -> int:
    """Wait until so many more are chained and read; return the ledger's size."""
    seed.wait_until(
        lambda: seed.size_of(look, "main") >= before + events and behind(look) == 0,
        seconds=300,
        what="a chain and projections that have read all",
    )
    return seed.size_of(look, "main")


def _watch(address: str, lags: list[int], over: threading.Event) -> None:
    with psycopg.connect(address, autocommit=True) as look:
        while not over.wait(_LOOK):
            lags.append(behind(look))


if __name__ == "__main__":
    main()
