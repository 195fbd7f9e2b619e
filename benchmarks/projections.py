"""Measure whether every projection keeps up while events come in.

Starts a whole installation, posts batches at an even pace, and looks how far the slowest projection
is behind the head. Targets: 6,000 events/s posted, chained and projected; at 5,000/s the slowest,
which is that of the checks, at most 5 s behind. Three kinds of events, since what a check costs
depends on what fails: the demo fleet, which asks people and registers what it uses, is ordinary
work; the recorded sessions fail four or five checks with every event, and each failure is a row;
one task over and over fails one, for its agent is not registered, and is looked at by few.
"""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial

import psycopg

from benchmarks import fleet, ordinary, sample, seed
from benchmarks.figures import Findings, arguments, percentile, report
from benchmarks.ground import Installation, installation
from benchmarks.sender import post_all, post_streams
from benchmarks.watch import Watch

BATCH = 100
CONNECTIONS = 4
WARM = 10_000
RATES = (5_000, 6_500)
_LOOK = 0.1
_LOOK_AGAIN = 0.3  # one more look for the watch

BEHIND = """
SELECT coalesce(max(h.size - coalesce(p.next_seq, 0)), 0)
FROM audit_head AS h
LEFT JOIN audit_projection AS p ON p.ledger_id = h.ledger_id
"""


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--seconds", type=int, default=20, help="how long each (default 20)")
    options = parser.parse_args()
    report(options, lambda: measure(options.seconds))


def measure(seconds: int) -> Findings:
    """Post at two even paces, one after the other, and watch the cursors."""
    found = Findings(question="Do all projections keep up with ingest?")
    numbers = itertools.count(1)
    with installation() as running, psycopg.connect(running.database_url, autocommit=True) as look:
        warm = map(b"\n".join, sample.live_batches(WARM, batch=BATCH))
        post_all(running.url, running.key, warm, connections=CONNECTIONS)
        size = _settled(look, 0, WARM)
        for rate in RATES:
            events = seconds * rate // BATCH * BATCH
            plain = ordinary.batches(ordinary.WORK, itertools.islice(numbers, events))
            for what, load in (
                ("demo fleet", _fleet),
                ("recorded sessions", partial(_alike, sample.live_batches(events, batch=BATCH))),
                ("one task over and over", partial(_alike, plain)),
            ):
                post = load(running, events, rate)
                at = f"{what} at {rate:,}/s"
                size = _measure_at(found, running, look, at, rate, events, post, size)
    return found


def _alike(
    batches: Iterator[list[bytes]], running: Installation, _events: int, rate: int
) -> Callable[[], object]:
    """Return what posts these, all by one key."""
    # Made beforehand, since the sender shares the machine.
    bodies = [b"\n".join(lines) for lines in batches]
    return lambda: post_all(
        running.url, running.key, bodies, connections=CONNECTIONS, per_second=rate / BATCH
    )


def _fleet(running: Installation, events: int, rate: int) -> Callable[[], object]:
    """Return what posts the demo fleet's events, by the two keys that it uses."""
    keys = {False: running.key, True: running.governance_key}
    streams = fleet.streams(events, connections=CONNECTIONS)
    return lambda: post_streams(running.url, keys, streams, per_second=rate)


def _measure_at(
    found: Findings,
    running: Installation,
    look: psycopg.Connection,
    at: str,
    rate: int,
    events: int,
    post: Callable[[], object],
    before: int,
) -> int:
    """Post at this rate, and return the ledger's size after it."""
    lags: list[int] = []
    over = threading.Event()
    watcher = threading.Thread(target=_watch, args=(running.database_url, lags, over))
    watcher.start()
    try:
        with Watch(running) as watch:
            began = time.perf_counter()
            post()
            at_the_end = behind(look)
            size = _settled(look, before, events)
            took = time.perf_counter() - began
            time.sleep(_LOOK_AGAIN)
    finally:
        over.set()
        watcher.join()
    least = 6_000 if rate > 6_000 else None
    most = 5_000 if rate == RATES[0] else None
    found.add(f"posted, chained and projected {at}", events / took, "events/s", at_least=least)
    found.add(f"behind {at}, p50", percentile(lags, 0.5) / rate * 1000, "ms of events")
    found.add(
        f"behind {at}, p95", percentile(lags, 0.95) / rate * 1000, "ms of events", at_most=most
    )
    found.add(f"behind at the last POST {at}", at_the_end, "entries")
    for name, seconds in sorted(watch.cpu.items()):
        found.add(f"CPU of {name}, {at}", seconds / events * 1e6, "µs/event")
    return size


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
