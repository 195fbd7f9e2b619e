"""Measure how long an event waits until it is chained, and until it is sealed, at half load.

Starts a whole installation, posts batches at an even pace, and reads for each POST when the ledger
had grown past its last event, and when a checkpoint covered it. Targets: 95 of 100 chained within
300 ms of `received_at`, and sealed within 2 s.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
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
    found = Findings(
        question="How long until a received event is chained and sealed, at half load?"
    )
    templates = sample.as_sent()
    with installation() as running:
        with psycopg.connect(running.database_url, autocommit=True) as look:
            warmed = seed.size_of(look, "main") + WARM
            warm = map(b"\n".join, sample.batches(templates, events=WARM, batch=BATCH))
            post_all(running.url, running.key, warm, connections=CONNECTIONS)
            seed.wait_until(
                lambda: _sealed(look) >= warmed, seconds=120, what="a warm-up that is sealed"
            )
        bodies = [
            b"\n".join(each)
            for each in sample.batches(templates, events=seconds * rate, batch=BATCH)
        ]
        time.sleep(1)
        waits, seals = _watch(running, bodies, rate)
    found.add("received to chained, p50", percentile(waits, 0.5) * 1000, "ms")
    found.add("received to chained, p95", percentile(waits, 0.95) * 1000, "ms", at_most=300)
    found.add("received to chained, p99", percentile(waits, 0.99) * 1000, "ms")
    found.add("received to sealed, p50", percentile(seals, 0.5) * 1000, "ms")
    found.add("received to sealed, p95", percentile(seals, 0.95) * 1000, "ms", at_most=2000)
    found.add("received to sealed, p99", percentile(seals, 0.99) * 1000, "ms")
    found.add("load", rate, "events/s")
    return found


def _watch(
    running: Installation, bodies: list[bytes], rate: int
) -> tuple[list[float], list[float]]:
    """Post; return for each event how long it waited to be chained, and to be sealed."""
    errors: list[BaseException] = []
    posted = threading.Thread(
        target=_noting(
            errors,
            lambda: post_all(
                running.url,
                running.key,
                bodies,
                connections=CONNECTIONS,
                per_second=rate / BATCH,
            ),
        )
    )
    seals: list[float] = []
    with psycopg.connect(running.database_url, autocommit=True) as look:
        before = seed.size_of(look, "main")
    wanted = before + len(bodies) * BATCH
    ends = time.monotonic() + len(bodies) * BATCH / rate + 60

    def see(size_of: Callable[[psycopg.Connection], int]) -> list[float]:
        return _see(running, size_of, before, wanted, lambda: bool(errors), ends)

    sealing = threading.Thread(target=_noting(errors, lambda: seals.extend(see(_sealed))))
    posted.start()
    sealing.start()
    waits = see(lambda look: seed.size_of(look, "main"))
    posted.join()
    sealing.join()
    if errors:
        raise errors[0]
    return waits, seals


def _noting(errors: list[BaseException], act: Callable[[], object]) -> Callable[[], None]:
    def run() -> None:
        try:
            act()
        except BaseException as error:
            errors.append(error)

    return run


def _see(
    running: Installation,
    size_of: Callable[[psycopg.Connection], int],
    seen: int,
    wanted: int,
    is_over: Callable[[], bool],
    ends: float,
) -> list[float]:
    """Return for each event how long it waited until this size was past it; a look every 10 ms."""
    waits: list[float] = []
    with psycopg.connect(running.database_url, autocommit=True) as look:
        found = look.execute("SELECT id FROM audit_ledger WHERE name = 'main'").fetchone()
        assert found is not None, "an installation has its ledger"
        while seen < wanted and not is_over() and time.monotonic() < ends:
            size = size_of(look)
            if size > seen:
                for now, received_at, count in look.execute(_NEW, (found[0], seen, size)):
                    waits += [_seconds(now, received_at)] * count
                seen = size
            time.sleep(_LOOK)
    assert is_over() or seen >= wanted, f"only {seen:,} of {wanted:,} entries came so far in time"
    return waits


def _sealed(look: psycopg.Connection) -> int:
    found = look.execute(
        """
        SELECT coalesce(max(c.size), 0)
        FROM audit_checkpoint AS c
        JOIN audit_ledger AS l ON l.id = c.ledger_id
        WHERE l.name = 'main'
        """
    ).fetchone()
    assert found is not None, "an aggregate has a row"
    return int(found[0])


def _seconds(later: datetime, earlier: datetime) -> float:
    return (later - earlier).total_seconds()


if __name__ == "__main__":
    main()
