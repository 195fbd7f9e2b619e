"""Measure how many events a second go from POST to chained, and whether that lasts.

Starts a whole installation, posts real agents' events in batches of 100 under fresh ids, and waits
until all are chained and every projection has read them. The client runs on the same machine.
Targets: 10,000 events/s; the last twentieth as fast as the first within 15 %; with projections
keeping up 6,000/s; web and worker flat, 250 MB at most each. `--large` first seeds nine million
entries by append alone: the rate there within a third.
"""

from __future__ import annotations

import time

import psycopg

from benchmarks import sample, seed
from benchmarks.figures import Findings, arguments, report, say
from benchmarks.ground import Installation, installation
from benchmarks.sender import post_all
from benchmarks.watch import Watch

BATCH = 100
CONNECTIONS = 4
WARM = 10_000
WORKER_SECONDS = 5  # the worker is the last to come up; until then the loop alone chains
_PIECE = 10_000
_WAITING_AT_MOST = 100_000
SEED = 9_000_000


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--events", type=int, default=1_000_000, help="events (default a million)")
    parser.add_argument("--large", action="store_true", help="seed nine million entries first")
    options = parser.parse_args()
    report(options, lambda: measure(options.events, seeded=SEED if options.large else 0))


def measure(events: int, *, seeded: int = 0) -> Findings:
    """Post, wait, and tell the rates, the lag and the memory."""
    found = Findings(question="How many events a second go from POST to chained?")
    templates = sample.as_sent()
    with installation() as running, psycopg.connect(running.database_url, autocommit=True) as look:
        early = _warm_up(running, look, templates)
        if seeded:
            _seed(look, seeded)
        before = seed.size_of(look, "main")
        say(f"posting {events:,} events to a ledger of {before:,}")
        with Watch(running) as watch:
            began = time.perf_counter()
            bodies = (
                b"\n".join(each) for each in sample.batches(templates, events=events, batch=BATCH)
            )
            sent = post_all(running.url, running.key, bodies, connections=CONNECTIONS)
            _until_chained(look)
            chained = time.perf_counter() - began
            behind = _behind(look)
            _until_projected(look)
            projected = time.perf_counter() - began
            time.sleep(0.3)  # one more look for the watch
    found.add("posted", events / sent.seconds, "events/s")
    found.add("posted and chained", events / chained, "events/s", at_least=10_000)
    found.add("posted, chained and projected", events / projected, "events/s", at_least=6_000)
    found.add("projection behind when the last is chained", behind, "entries")
    _tell_slices(found, watch, before, events, early if seeded else None)
    for name in ("web", "worker", "append"):
        found.add(f"memory of {name}, at most", watch.memory[name] / 2**20, "MB", at_most=250)
    for name, seconds in sorted(watch.cpu.items()):
        found.add(f"CPU of {name}", seconds / events * 1e6, "µs/event")
    return found


def _tell_slices(
    found: Findings, watch: Watch, before: int, events: int, early: float | None
) -> None:
    """Compare the last twentieth with the first, or with the rate of the ledger before seeding."""
    part = events // 20
    first = early or watch.rate(start=before + 1, stop=before + part)
    last = watch.rate(start=before + events - part, stop=before + events)
    found.add("chained, near ten thousand entries", first, "events/s")
    found.add(f"chained, near {before + events:,} entries", last, "events/s")
    found.add(
        "the last rate as a share of the first", last / first, "", at_least=0.67 if early else 0.85
    )


def _warm_up(
    running: Installation, look: psycopg.Connection, templates: list[sample.Template]
) -> float:
    """Post until the worker runs and ten thousand entries stand; return the rate after that."""
    rate = 0.0
    for count in (WARM, 5 * WARM):
        before = seed.size_of(look, "main")
        with Watch(running) as watch:
            bodies = map(b"\n".join, sample.batches(templates, events=count, batch=BATCH))
            post_all(running.url, running.key, bodies, connections=CONNECTIONS)
            _until_chained(look)
            time.sleep(0.3)
        rate = watch.rate(start=before + 1, stop=before + count)
        if count == WARM:
            time.sleep(WORKER_SECONDS)
    return rate


def _seed(look: psycopg.Connection, entries: int) -> None:
    """Put rows into the inbox for the installation's own append, never more than it can hold."""
    templates = sample.as_stored()
    found = look.execute("SELECT id FROM audit_ledger WHERE name = 'main'").fetchone()
    assert found is not None, "an installation has its ledger"
    for done in range(0, entries, _PIECE):
        if done % 1_000_000 == 0:
            say(f"seeded {done:,} of {entries:,}")
        seed.put(look, found[0], sample.posts(templates, events=_PIECE, batch=BATCH))
        seed.wait_until(
            lambda: _waiting(look) < _WAITING_AT_MOST, seconds=120, what="an inbox below its limit"
        )
    _until_chained(look)
    _until_projected(look)


def _waiting(look: psycopg.Connection) -> int:
    found = look.execute("SELECT coalesce(sum(count), 0) FROM audit_inbox").fetchone()
    assert found is not None, "a sum has a row"
    return int(found[0])


def _until_chained(look: psycopg.Connection) -> None:
    seed.wait_until(lambda: _waiting(look) == 0, seconds=600, what="an empty inbox")


def _behind(look: psycopg.Connection) -> int:
    found = look.execute(
        """
        SELECT coalesce(max(h.size - p.next_seq), max(h.size), 0)
        FROM audit_head AS h
        LEFT JOIN audit_projection AS p ON p.ledger_id = h.ledger_id
        """
    ).fetchone()
    assert found is not None, "an aggregate has a row"
    return int(found[0])


def _until_projected(look: psycopg.Connection) -> None:
    seed.wait_until(lambda: _behind(look) == 0, seconds=600, what="projections that read all")


if __name__ == "__main__":
    main()
