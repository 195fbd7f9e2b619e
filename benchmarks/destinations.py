"""Measure whether ingest notices that entries are sent on, side by side in turns.

Starts a whole installation and posts the same number of events again and again: a turn without
destinations, a turn with three (signed webhook, OCSF over HTTP, files), and so on. The receiver of
the first two is a process of its own on this machine, so it takes its share of the cores too.
Targets are for an offered rate (`--per-second`): it is chained all the same, and a POST takes no
longer than half as long again at the 95th percentile. As fast as it goes, the default, tells how
the cores are shared: everything runs on one machine, and delivering has the lower priority.
"""

from __future__ import annotations

import contextlib
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import psycopg

from benchmarks import sample, seed
from benchmarks.figures import Findings, arguments, percentile, report, say
from benchmarks.ground import ROOT, Installation, clean_environment, installation
from benchmarks.sender import post_all
from benchmarks.watch import Watch

BATCH = 100
CONNECTIONS = 4
WARM = 20_000
SECRET = "0123456789abcdef of a benchmark".replace(" ", "-")
_SERVE = "--serve"
_OF = {"hook": "webhook", "lake": "ocsf", "files": "file"}


def main() -> None:
    if sys.argv[1:] == [_SERVE]:
        _serve()
        return
    parser = arguments(__doc__)
    parser.add_argument("--events", type=int, default=100_000, help="events a turn")
    parser.add_argument("--turns", type=int, default=3, help="turns with, and as many without")
    parser.add_argument("--per-second", type=int, default=0, help="events offered a second")
    options = parser.parse_args()
    report(
        options,
        lambda: measure(options.events, turns=options.turns, per_second=options.per_second),
    )


def measure(events: int, *, turns: int, per_second: int = 0) -> Findings:
    """Post in turns, with destinations and without, and compare."""
    found = Findings(question="Does ingest notice that entries are sent on?")
    templates = sample.as_sent()
    with (
        installation(OBS_OUTBOUND_ALLOW="127.0.0.0/8") as running,
        receiver() as address,
        psycopg.connect(running.database_url, autocommit=True) as look,
    ):
        for name, kind in _OF.items():
            _add(running, name, kind, address)
        _set_all(running, "pause")
        _post(running, look, templates, WARM, per_second)
        slow: dict[str, list[float]] = {"without": [], "with": []}
        rates: dict[str, list[float]] = {"without": [], "with": []}
        behind, caught_up, cpu = 0, 0.0, dict[str, dict[str, float]]()
        for turn in range(2 * turns):
            which = ("without", "with")[turn % 2]
            if which == "with":
                _skip_to_head(running, look)
                _set_all(running, "resume")
            with Watch(running) as watch:
                rate, slowest = _post(running, look, templates, events, per_second)
                behind = max(behind, _lag(look) if which == "with" else 0)
                began = time.perf_counter()
                if which == "with":
                    seed.wait_until(lambda: _lag(look) == 0, seconds=600, what="every delivery")
                    caught_up = max(caught_up, time.perf_counter() - began)
                    _set_all(running, "pause")
            cpu[which] = watch.cpu
            rates[which].append(rate)
            slow[which].append(slowest)
            say(f"{which} destinations: {rate:,.0f} events/s, p95 {slowest * 1000:.1f} ms a POST")
    without, with_them = (statistics.median(rates[which]) for which in ("without", "with"))
    found.add("posted and chained, without destinations", without, "events/s")
    found.add("posted and chained, with three", with_them, "events/s")
    least = 0.95 if per_second else None
    found.add("with as a share of without", with_them / without, "", at_least=least)
    quick, slower = (statistics.median(slow[which]) for which in ("without", "with"))
    found.add("p95 of a POST, without", quick * 1000, "ms")
    found.add("p95 of a POST, with three", slower * 1000, "ms")
    most = 1.5 if per_second else None
    found.add("p95 of a POST, with as a multiple of without", slower / quick, "", at_most=most)
    found.add("entries behind when the last is chained, at most", behind, "entries")
    found.add("then all is delivered after, at most", caught_up, "s")
    for name in ("web", "worker", "append", "postgres", "deliver"):
        for which in ("without", "with"):
            spent = cpu[which].get(name, 0.0) / events * 1e6
            found.add(f"CPU of {name}, {which}", spent, "µs/event")
    return found


def _post(
    running: Installation,
    look: psycopg.Connection,
    templates: list[sample.Template],
    events: int,
    per_second: int,
) -> tuple[float, float]:
    """Post and wait until all is chained; return events a second, and the p95 of a POST in s."""
    began = time.perf_counter()
    bodies = map(b"\n".join, sample.batches(templates, events=events, batch=BATCH))
    sent = post_all(
        running.url,
        running.key,
        bodies,
        connections=CONNECTIONS,
        per_second=per_second / BATCH,
    )
    seed.wait_until(lambda: _waiting(look) == 0, seconds=600, what="an empty inbox")
    return events / (time.perf_counter() - began), percentile(sent.latencies, 0.95)


def _waiting(look: psycopg.Connection) -> int:
    return _number(look, "SELECT coalesce(sum(count), 0) FROM audit_inbox")


def _lag(look: psycopg.Connection) -> int:
    return _number(
        look,
        "SELECT max(h.size - d.next_seq) FROM audit_destination AS d "
        "JOIN audit_head AS h ON h.ledger_id = d.ledger_id",
    )


def _number(look: psycopg.Connection, statement: str) -> int:
    found = look.execute(statement).fetchone()
    assert found is not None, "an aggregate has a row"
    return int(found[0])


# --- Destinations --------------------------------------------------------------------------------


def _manage(running: Installation, *arguments: str, given: str = "") -> None:
    subprocess.run(
        [sys.executable, "manage.py", "destination", *arguments],
        cwd=ROOT,
        env=clean_environment(
            OBS_DATA=str(running.data), OBS_OUTBOUND_ALLOW="127.0.0.0/8", OBS_LOG_LEVEL="ERROR"
        ),
        input=given.encode(),
        check=True,
        stdout=subprocess.DEVNULL,
    )


def _add(running: Installation, name: str, kind: str, address: str) -> None:
    where = ("--kind", kind, "--address", "bench" if kind == "file" else address)
    secret = () if kind == "file" else ("--secret-stdin",)
    _manage(running, "add", name, *where, *secret, given=f"{SECRET}\n")


def _set_all(running: Installation, act: str) -> None:
    for name in _OF:
        _manage(running, act, name)


def _skip_to_head(running: Installation, look: psycopg.Connection) -> None:
    """Begin at the head: what came in a turn without destinations is none of the next turn's."""
    with psycopg.connect(running.worker_url, autocommit=True) as worker:
        worker.execute(
            "UPDATE audit_destination AS d SET next_seq = h.size, batch_to = NULL "
            "FROM audit_head AS h WHERE h.ledger_id = d.ledger_id"
        )


@contextlib.contextmanager
def receiver() -> Iterator[str]:
    """Run a web server that takes everything, as a process of its own; yield its address."""
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.destinations", _SERVE], cwd=ROOT, stdout=subprocess.PIPE
    )
    assert process.stdout is not None, "it was asked for"
    try:
        yield str(json.loads(process.stdout.readline()))
    finally:
        process.terminate()
        process.wait(timeout=20)


class _TakesAll(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


def _serve() -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), _TakesAll) as server:
        print(json.dumps(f"http://127.0.0.1:{server.server_address[1]}/"), flush=True)
        server.serve_forever()


if __name__ == "__main__":
    main()
