"""Measure ingest against another commit of this repository, side by side in one run.

Takes the other commit's code out of the history, then posts the same events to an installation of
each in turn, several rounds, so that whatever else the machine does meets both. Tells the ratio
of every round and their median. Target: not slower than before by more than a tenth.
"""

from __future__ import annotations

import io
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from zipfile import ZipFile

import psycopg

from benchmarks import sample, seed
from benchmarks.figures import Findings, arguments, report, say
from benchmarks.ground import ROOT, installation
from benchmarks.ingest import BATCH, CONNECTIONS, WARM, WORKER_SECONDS
from benchmarks.sender import post_all


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("commit", help="the commit to measure against")
    parser.add_argument(
        "--events", type=int, default=100_000, help="events a round (default 100,000)"
    )
    parser.add_argument("--rounds", type=int, default=3, help="rounds (default 3)")
    options = parser.parse_args()
    report(options, lambda: measure(options.commit, options.events, options.rounds))


def measure(commit: str, events: int, rounds: int) -> Findings:
    """Take turns, the order changing from round to round."""
    found = Findings(question=f"How fast is ingest against {commit[:12]}, side by side?")
    templates = sample.as_sent()
    ratios = []
    with _code_of(commit) as older:
        for number in range(rounds):
            order = [("here", ROOT), ("there", older)]
            rates = {
                name: _rate(code, templates, events)
                for name, code in (order if number % 2 else reversed(order))
            }
            say(f"round {number + 1}: {rates['here']:,.0f}/s here, {rates['there']:,.0f}/s there")
            found.add(f"round {number + 1}, here", rates["here"], "events/s")
            found.add(f"round {number + 1}, there", rates["there"], "events/s")
            ratios.append(rates["here"] / rates["there"])
    found.add("here as a share of there, median", statistics.median(ratios), "", at_least=0.9)
    return found


@contextmanager
def _code_of(commit: str) -> Iterator[Path]:
    archive = subprocess.run(
        ["git", "archive", "--format=zip", commit], cwd=ROOT, check=True, capture_output=True
    ).stdout
    with tempfile.TemporaryDirectory(prefix="obs-against-") as folder:
        with ZipFile(io.BytesIO(archive)) as files:
            files.extractall(folder)
        yield Path(folder)


def _rate(code: Path, templates: list[sample.Template], events: int) -> float:
    """Return events a second from the first POST until all are chained."""
    with (
        installation(code=code) as running,
        psycopg.connect(running.database_url, autocommit=True) as look,
    ):
        time.sleep(WORKER_SECONDS)
        for count in (WARM, events):
            wanted = seed.size_of(look, "main") + count
            bodies = map(b"\n".join, sample.batches(templates, events=count, batch=BATCH))
            began = time.perf_counter()
            post_all(running.url, running.key, bodies, connections=CONNECTIONS)
            seed.wait_until(
                lambda wanted=wanted: seed.size_of(look, "main") >= wanted,  # type: ignore[misc]
                seconds=600,
                what="all events chained",
            )
            taken = time.perf_counter() - began
    return events / taken


if __name__ == "__main__":
    main()
