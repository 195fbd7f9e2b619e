"""Measure how long an event waits between its receipt and its place in the chain, at half load.

Starts a whole installation, posts batches at an even pace, and reads for each POST when the ledger
had grown past its last event. Target: 95 of 100 chained within 300 ms of `received_at`.
"""

from __future__ import annotations

import threading
import time
from datetime import datetime

import psycopg

from benchmarks import sample, seed
from benchmarks.figures import Findings, arguments, percentile, report
from benchmarks.ground import Installation, installation
from benchmarks.sender import post_all

BATCH = 100
CONNECTIONS = 4
WARM = 10_000
_LOOK = 0.01

_NEW = """
SELECT clock_timestamp(), received_at, count(*)
FROM audit_entry
WHERE ledger_id = %s
  AND seq >= %s
  AND seq < %s
GROUP BY received_at
"""


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--seconds", type=int, default=20, help="how long (default 20)")
    parser.add_argument(
        "--rate",
        type=int,
        default=5_000,
        help="events a second, half of the target (default 5,000)",
    )
    options = parser.parse_args()
    report(options, lambda: measure(options.seconds, options.rate))


def measure(seconds: int, rate: int) -> Findings:
    """Post at an even pace and watch the head."""
    found = Findings(question="How long until a received event is chained, at half load?")
    templates = sample.as_sent()
    with installation() as running:
        warm = (b"\n".join(each) for each in sample.batches(templates, events=WARM, batch=BATCH))
        post_all(running.url, running.key, warm, connections=CONNECTIONS)
        bodies = [
            b"\n".join(each)
            for each in sample.batches(templates, events=seconds * rate, batch=BATCH)
        ]
        with psycopg.connect(running.database_url, autocommit=True) as look:
            before = seed.size_of(look, "main")
            seed.wait_until(
                lambda: seed.size_of(look, "main") > before or before >= WARM,
                seconds=60,
                what="a chained warm-up",
            )
        time.sleep(1)
        waits = _watch(running, bodies, rate)
    found.add("received to chained, p50", percentile(waits, 0.5) * 1000, "ms")
    found.add("received to chained, p95", percentile(waits, 0.95) * 1000, "ms", at_most=300)
    found.add("received to chained, p99", percentile(waits, 0.99) * 1000, "ms")
    found.add("load", rate, "events/s")
    return found


def _watch(running: Installation, bodies: list[bytes], rate: int) -> list[float]:
    """Post, and return for each event how long it waited, seen by a look every 10 ms."""
    waits: list[float] = []
    errors: list[BaseException] = []
    with psycopg.connect(running.database_url, autocommit=True) as look:
        seen = seed.size_of(look, "main")
        wanted = seen + len(bodies) * BATCH

        def post() -> None:
            try:
                post_all(
                    running.url,
                    running.key,
                    bodies,
                    connections=CONNECTIONS,
                    per_second=rate / BATCH,
                )
            except BaseException as error:
                errors.append(error)

        poster = threading.Thread(target=post)
        poster.start()
        ends = time.monotonic() + len(bodies) * BATCH / rate + 60
        found = look.execute("SELECT id FROM audit_ledger WHERE name = 'main'").fetchone()
        assert found is not None, "an installation has its ledger"
        while seen < wanted and not errors and time.monotonic() < ends:
            size = seed.size_of(look, "main")
            if size > seen:
                for now, received_at, count in look.execute(_NEW, (found[0], seen, size)):
                    waits += [_seconds(now, received_at)] * count
                seen = size
            time.sleep(_LOOK)
        poster.join()
    if errors:
        raise errors[0]
    assert seen >= wanted, f"only {seen:,} of {wanted:,} entries were chained in time"
    return waits


def _seconds(later: datetime, earlier: datetime) -> float:
    return (later - earlier).total_seconds()


if __name__ == "__main__":
    main()
