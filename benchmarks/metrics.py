"""Measure what metrics cost: the projection, one operation, one line of log, and all together.

First on a bare Postgres, what the projection takes beside append: projection_cpu.py. Then single
costs, absolute: a count, an observation, a line of log, an append of one event. Last a whole
installation: ingest with metrics and without, turn by turn through the switch; the addresses that
probes ask; and an agent's loop of half a second with ten counts, fifty lines of log and three
audited acts, beside the same loop without.
"""

from __future__ import annotations

import http.client
import logging
import os
import statistics
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final
from urllib.parse import urlsplit

import psycopg

from benchmarks import sample, seed
from benchmarks.figures import Findings, arguments, percentile, report, say
from benchmarks.ground import Installation, database, installation
from benchmarks.projection_cpu import measure_projections
from benchmarks.sender import Sender, post_all
from benchmarks.watch import Watch

BATCH: Final = 100
CONNECTIONS: Final = 4
OPERATIONS: Final = 100_000
THREADS: Final = 5
LINES: Final = 5_000
APPENDS: Final = 300
PROBES: Final = 300
LOOPS: Final = 20
LOOP_SECONDS: Final = 0.5
COUNTS_A_LOOP, LINES_A_LOOP, ACTS_A_LOOP = 10, 50, 3
WORKER_SECONDS: Final = 5
SWITCHED_SECONDS: Final = 6  # a process looks at a switch at most every five
TURNS: Final = ("without", "with")
HEALTH: Final = ("/health", "/ready", "/status")

_SWITCH: Final = """
INSERT INTO metrics_switch (name, value, changed_by)
VALUES ('metrics', %s, 'benchmark')
ON CONFLICT (name) DO UPDATE
SET value = excluded.value, changed_at = clock_timestamp()
"""

# A projection that is switched off reads nothing, and holds nobody up.
_BEHIND: Final = """
SELECT coalesce(max(h.size - p.next_seq), 0)
FROM audit_head AS h
JOIN audit_projection AS p ON p.ledger_id = h.ledger_id
WHERE p.name <> 'metrics'
    OR NOT EXISTS (SELECT 1 FROM metrics_switch WHERE name = 'metrics' AND value = 'off')
"""


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--events", type=int, default=20_000, help="entries (default 20,000)")
    parser.add_argument(
        "--posted", type=int, default=40_000, help="events a turn of ingest (default 40,000)"
    )
    parser.add_argument("--turns", type=int, default=2, help="turns with and without (default 2)")
    parser.add_argument(
        "--projection", action="store_true", help="measure the projection beside append alone"
    )
    options = parser.parse_args()
    if options.projection:
        report(options, lambda: measure_projection(options.events))
    report(options, lambda: measure(options.events, options.posted, options.turns))


def measure_projection(events: int) -> Findings:
    """Measure the projection beside append alone."""
    found = Findings(question="What does the projection of metrics cost?")
    with database() as address, psycopg.connect(address, autocommit=True) as connection:
        measure_projections(found, connection, events)
    return found


def measure(events: int, posted: int, turns: int) -> Findings:
    """Measure all of it, the single costs first."""
    found = Findings(question="What do metrics cost?")
    with database() as address, psycopg.connect(address, autocommit=True) as connection:
        measure_projections(found, connection, events)
        _measure_operations(found)
        _measure_lines(found)
        _measure_append(found, connection)
    with installation() as running, psycopg.connect(running.database_url, autocommit=True) as look:
        time.sleep(WORKER_SECONDS)
        _measure_ingest(found, running, look, posted, turns)
        _measure_probes(found, running)
        _measure_loop(found, running)
    return found


# --- Single costs --------------------------------------------------------------------------------


def _measure_operations(found: Findings) -> None:
    """Count and observe: switched off, switched on, by five threads, and written to rows."""
    from audit import measures
    from metrics.flushing import Flusher

    flusher = Flusher("command")

    def count(number: int) -> None:
        for _ in range(number):
            measures.count("obs_auth_attempts_total", "api_key", "success")

    def observe(number: int) -> None:
        for _ in range(number):
            measures.observe("obs_health_check_duration_seconds", "database", value=0.003)

    flusher.switch(on=False)
    found.add("a count, switched off", _each(count, OPERATIONS) * 1e6, "µs")
    flusher.switch(on=True)
    flusher.flush()
    found.add("a count", _each(count, OPERATIONS) * 1e6, "µs", at_most=1_000)
    found.add("an observation", _each(observe, OPERATIONS) * 1e6, "µs", at_most=1_000)
    began = time.process_time()
    assert flusher.flush(), "the database is there"
    written = (time.process_time() - began) / 2 / OPERATIONS
    found.add("writing them to rows, an operation", written * 1e6, "µs")
    tracemalloc.start()
    count(OPERATIONS)
    observe(OPERATIONS)
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    found.add(f"memory of {2 * OPERATIONS:,} that wait", held / 2**20, "MB", at_most=50)
    flusher.flush()
    began = time.perf_counter()
    threads = [threading.Thread(target=count, args=[OPERATIONS // THREADS]) for _ in range(THREADS)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    took = (time.perf_counter() - began) / OPERATIONS
    found.add(f"a count by one of {THREADS} threads", took * 1e6, "µs", at_most=1_000)
    flusher.switch(on=False)


def _each(act: Callable[[int], None], number: int) -> float:
    """Return seconds of CPU that one of so many takes."""
    began = time.process_time()
    act(number)
    return (time.process_time() - began) / number


def _measure_lines(found: Findings) -> None:
    """Write lines of log as servers do, masked and as JSON, into nothing."""
    import structlog

    from tracing.logs import follow

    log = structlog.get_logger("benchmarks.metrics")

    def write(number: int) -> None:
        for place in range(number):
            log.info("chained", ledger="bench", entries=place, duplicates=0, request_ids=["a-b-c"])

    with _into_nothing():
        follow({"log_level": "INFO", "logging": "on"})
        write(LINES // 10)
        found.add("a line of log", _each(write, LINES) * 1e6, "µs")
        follow({"log_level": "INFO", "logging": "off"})
        found.add("a line of log, logging off", _each(write, LINES) * 1e6, "µs")


@contextmanager
def _into_nothing() -> Iterator[None]:
    """Send every line of log into nothing meanwhile."""
    handlers = [
        each for each in logging.getLogger().handlers if isinstance(each, logging.StreamHandler)
    ]
    assert handlers, "lines of log have a way out"
    with open(os.devnull, "w") as nothing:  # noqa: PTH123 - it is no path of ours
        before = [each.setStream(nothing) for each in handlers]
        try:
            yield
        finally:
            for each, stream in zip(handlers, before, strict=True):
                each.setStream(stream)


def _measure_append(found: Findings, connection: psycopg.Connection) -> None:
    """Append events one by one, each durable and chained before the next."""
    from audit.append import append_pending
    from audit.ledgers import open_ledger

    ledger = open_ledger("one.by.one")
    took = []
    for one in sample.live_posts(APPENDS, batch=1):
        seed.put(connection, ledger.id, [one])
        began = time.perf_counter()
        assert append_pending(ledger.id) == 1
        took.append(time.perf_counter() - began)
    found.add("an append of one event, p50", percentile(took, 0.5) * 1e3, "ms")
    found.add("an append of one event, p95", percentile(took, 0.95) * 1e3, "ms", at_most=10)


# --- A whole installation ------------------------------------------------------------------------


def _measure_ingest(
    found: Findings, running: Installation, look: psycopg.Connection, events: int, turns: int
) -> None:
    """Post to it with metrics and without, turn by turn, and compare rates and CPU."""
    rates: dict[str, list[float]] = {which: [] for which in TURNS}
    cpu: dict[str, list[dict[str, float]]] = {which: [] for which in TURNS}
    _post(running, look, events // 4)
    for turn in range(2 * turns):
        which = TURNS[turn % 2]
        _switch(look, on=which == "with")
        with Watch(running) as watch:
            rates[which].append(_post(running, look, events))
            time.sleep(0.3)  # one more look for the watch
        cpu[which].append({name: seconds / events * 1e6 for name, seconds in watch.cpu.items()})
        say(f"{which} metrics: {rates[which][-1]:,.0f} events/s, "
            f"{sum(cpu[which][-1].values()):.0f} µs of CPU an event")  # fmt: skip
    _switch(look, on=True)
    rate = {which: statistics.median(rates[which]) for which in TURNS}
    whole = {which: statistics.median(sum(one.values()) for one in cpu[which]) for which in TURNS}
    for which in TURNS:
        found.add(f"posted, chained and projected, {which} metrics", rate[which], "events/s")
        found.add(f"CPU of all processes, {which} metrics", whole[which], "µs/event")
        for name in ("web", "worker", "append", "postgres"):
            spent = statistics.median(one.get(name, 0.0) for one in cpu[which])
            found.add(f"CPU of {name}, {which} metrics", spent, "µs/event")
    found.add(
        "ingest with metrics as a share of ingest without", rate["with"] / rate["without"], ""
    )
    found.add(
        "total overhead of metrics: CPU with against without",
        (whole["with"] / whole["without"] - 1) * 100,
        "%",
        at_most=5,
    )


def _post(running: Installation, look: psycopg.Connection, events: int) -> float:
    """Post and wait until all is chained and read by all that is on; return events a second."""
    wanted = seed.size_of(look, "main") + events
    bodies = [b"\n".join(lines) for lines in sample.live_batches(events, batch=BATCH)]
    began = time.perf_counter()
    post_all(running.url, running.key, bodies, connections=CONNECTIONS)
    seed.wait_until(
        lambda: seed.size_of(look, "main") >= wanted and _behind(look) == 0,
        seconds=600,
        what="a chain and projections that have read all",
    )
    return events / (time.perf_counter() - began)


def _behind(look: psycopg.Connection) -> int:
    """Return how far the slowest is behind; one that is switched off does not count."""
    found = look.execute(_BEHIND).fetchone()
    assert found is not None, "an aggregate has a row"
    return int(found[0])


def _switch(look: psycopg.Connection, *, on: bool) -> None:
    """Switch metrics, and wait until every process knows and what was missed is caught up."""
    look.execute(_SWITCH, ["on" if on else "off"])
    time.sleep(SWITCHED_SECONDS)
    seed.wait_until(lambda: _behind(look) == 0, seconds=600, what="projections that have read all")


def _measure_probes(found: Findings, running: Installation) -> None:
    """Ask each address of health again and again over one connection."""
    where = urlsplit(running.url)
    connection = http.client.HTTPConnection(where.hostname or "", where.port, timeout=30)
    for path in HEALTH:
        took = []
        for _ in range(PROBES):
            began = time.perf_counter()
            connection.request("GET", path)
            answer = connection.getresponse()
            answer.read()
            took.append(time.perf_counter() - began)
            assert answer.status == http.HTTPStatus.OK, f"{path}: {answer.status}"
        found.add(f"{path}, p50", percentile(took, 0.5) * 1e3, "ms")
        found.add(f"{path}, p95", percentile(took, 0.95) * 1e3, "ms", at_most=10)
    connection.close()


def _measure_loop(found: Findings, running: Installation) -> None:
    """Run an agent's loop that sleeps for half a second, in turns with all of this and without."""
    import structlog

    from audit import measures
    from tracing.logs import follow

    log = structlog.get_logger("benchmarks.metrics")
    bodies = [one for (one,) in sample.live_batches(LOOPS * ACTS_A_LOOP, batch=1)]
    took: dict[str, list[float]] = {which: [] for which in TURNS}
    busy: dict[str, list[float]] = {which: [] for which in TURNS}
    measures.gather(True)
    with _into_nothing(), Sender(running.url, running.key) as sender:
        follow({"log_level": "INFO", "logging": "on"})

        def observe() -> None:
            for _ in range(COUNTS_A_LOOP):
                measures.count("obs_auth_attempts_total", "api_key", "success")
            for place in range(LINES_A_LOOP):
                log.info("stepped", agent="alice", step=place)
            for _ in range(ACTS_A_LOOP):
                sender.post(bodies.pop())

        for which in TURNS * LOOPS:
            began, worked = time.perf_counter(), time.process_time()
            time.sleep(LOOP_SECONDS)
            if which == "with":
                observe()
            took[which].append(time.perf_counter() - began)
            busy[which].append(time.process_time() - worked)
    measures.gather(False)
    plain, observed = (statistics.median(took[which]) for which in TURNS)
    found.add("a loop of 500 ms, without", plain * 1e3, "ms")
    found.add("a loop of 500 ms, observed", observed * 1e3, "ms")
    found.add("observing as a share of the loop", (observed / plain - 1) * 100, "%", at_most=5)
    spent = statistics.median(busy["with"]) - statistics.median(busy["without"])
    found.add("CPU of the agent for observing a loop", spent * 1e3, "ms")


if __name__ == "__main__":
    main()
