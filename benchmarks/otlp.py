"""Measure how fast spans come in over OTLP beside a peer's, until all of them can be queried.

The same requests of the same sender (`peer_otlp_ingest.py` in the folder that OBS_PEERS names) go
to Phoenix and to this platform, each alone on the machine. Theirs count when its database holds
them; ours when the spans are stored and every event is chained. Phoenix lives in an environment
that is made here in a temporary folder, or in the one that `--peer-python` names.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg

from benchmarks.figures import CannotMeasure, Findings, arguments, report
from benchmarks.ground import Installation, clean_environment, installation
from benchmarks.watch import Watch

SCRIPT = "peer_otlp_ingest.py"
_PEER = "arize-phoenix"
_REST_SECONDS = 10  # what processes do at their start is over by then, ours and theirs
_MAKE_SECONDS = 900
_START_SECONDS = 180
_SECONDS = 900


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--spans", type=int, default=20_000, help="spans each (default 20,000)")
    parser.add_argument("--batch", type=int, default=500, help="spans of a request (default 500)")
    parser.add_argument(
        "--peer-python", type=Path, help=f"interpreter of an environment with {_PEER}"
    )
    parser.add_argument("--ours-only", action="store_true", help="leave the peer out")
    options = parser.parse_args()
    report(options, lambda: measure(options))


def measure(options: argparse.Namespace) -> Findings:
    """Run ours, then the peer."""
    script = _script()
    found = Findings(question="How fast do spans come in beside Phoenix?")
    ours = _ours(script, options)
    found.add("ours: stored, and every event chained", ours["per_s"], "spans a second")
    found.add("ours: a request of them, median", ours["post_p50_ms"], "ms")
    found.add("ours: a request of them, p95", ours["post_p95_ms"], "ms")
    found.add("ours: answered", ours["accept_spans_per_s"], "spans a second")
    for name, seconds in sorted(ours["cpu"].items()):
        found.add(f"ours: CPU of {name} until then", seconds / options.spans * 1e6, "µs/span")
    if options.ours_only:
        return found
    with tempfile.TemporaryDirectory(prefix="obs-peer-") as work:
        python = options.peer_python or _environment(Path(work))
        theirs = _phoenix(script, python, Path(work), options)
    found.add("Phoenix: stored, not chained", theirs["stored_spans_per_s"], "spans a second")
    found.add("ours as a multiple of theirs", ours["per_s"] / theirs["stored_spans_per_s"], "times")
    return found


def _script() -> Path:
    folder = os.environ.get("OBS_PEERS", "")
    script = Path(folder) / SCRIPT
    if not folder or not script.exists():
        raise CannotMeasure(f"OBS_PEERS names no folder that holds {SCRIPT}")
    return script


def _send(
    script: Path, url: str, options: argparse.Namespace, work: Path, *more: str
) -> dict[str, Any]:
    """Let the peer's own sender send, and return what it says of it."""
    answer = work / "sent.json"
    counts = ("-n", str(options.spans), "-b", str(options.batch), "-c", "4")
    ended = subprocess.run(
        [sys.executable, script, "--url", url, *counts, "--json", answer, *more],
        capture_output=True,
        text=True,
        timeout=_SECONDS,
    )
    if ended.returncode != 0:
        raise CannotMeasure(f"{SCRIPT} ended with {ended.returncode}: {ended.stderr[-500:]}")
    said: dict[str, Any] = json.loads(answer.read_text())
    if said["errors"]:
        raise CannotMeasure(f"{url} answered {said['errors']}")
    return said


# --- Ours ----------------------------------------------------------------------------------------


def _ours(script: Path, options: argparse.Namespace) -> dict[str, Any]:
    with installation() as ours, tempfile.TemporaryDirectory(prefix="obs-otlp-") as work:
        header = ("--header", f"Authorization: Bearer {ours.key}", "--gzip")
        warm = argparse.Namespace(spans=options.batch * 4, batch=options.batch)
        _send(script, ours.url, warm, Path(work), *header)
        _wait(ours, spans=warm.spans, entries=warm.spans)
        time.sleep(_REST_SECONDS)
        before = _entries(ours)
        with Watch(ours) as watch:
            said = _send(script, ours.url, options, Path(work), *header)
            sent = time.perf_counter()
            _wait(ours, spans=warm.spans + options.spans, entries=before + options.spans)
            # What the sender took to end is in it: the figure is a little too low.
            seconds = said["accept_s"] + (time.perf_counter() - sent)
    # The supervisor is counted with its children, which are all the others.
    cpu = {name: spent for name, spent in watch.cpu.items() if name != "supervisor"}
    return said | {"per_s": options.spans / seconds, "cpu": cpu}


def _wait(ours: Installation, *, spans: int, entries: int) -> None:
    """Wait until so many spans are stored and so many of their events chained."""
    ends = time.monotonic() + _SECONDS
    with psycopg.connect(ours.database_url, autocommit=True) as connection:
        # To count entries takes from the cores that make them: not before there can be enough.
        while _size(connection) < entries or _entries(ours, connection) < entries:
            if time.monotonic() > ends:
                raise CannotMeasure(f"not all were chained within {_SECONDS} s")
            time.sleep(0.02)
        row = connection.execute("SELECT sum(spans) FROM tracing_trace").fetchone()
        assert row is not None
        assert row[0] == spans, f"{row[0]} spans are stored, not {spans}"


def _size(connection: psycopg.Connection[Any]) -> int:
    """Return how many entries there are of anything: one row to read."""
    row = connection.execute("SELECT coalesce(sum(size), 0) FROM audit_head").fetchone()
    assert row is not None
    return int(row[0])


def _entries(ours: Installation, connection: psycopg.Connection[Any] | None = None) -> int:
    """Return how many entries there are of spans."""
    if connection is None:
        with psycopg.connect(ours.database_url, autocommit=True) as made:
            return _entries(ours, made)
    row = connection.execute(
        "SELECT count(*) FROM audit_entry WHERE action IN "
        "('run.completed', 'llm.call', 'tool.invoke')"
    ).fetchone()
    assert row is not None
    number: int = row[0]
    return number


# --- Phoenix -------------------------------------------------------------------------------------


def _environment(work: Path) -> Path:
    """Make an environment with the peer, and return its interpreter."""
    python = work / "venv" / "bin" / "python"
    for command in (
        (sys.executable, "-m", "uv", "venv", "-q", str(work / "venv")),
        (sys.executable, "-m", "uv", "pip", "install", "-q", "--python", str(python), _PEER),
    ):
        try:
            made = subprocess.run(command, capture_output=True, text=True, timeout=_MAKE_SECONDS)
        except subprocess.TimeoutExpired:
            raise CannotMeasure(f"{_PEER} could not be installed in {_MAKE_SECONDS} s") from None
        if made.returncode != 0:
            raise CannotMeasure(
                f"{_PEER} cannot be installed here, offline or not: {made.stderr[-300:]}; name an "
                "environment that has it with --peer-python, or measure with --ours-only"
            )
    return python


def _phoenix(script: Path, python: Path, work: Path, options: argparse.Namespace) -> dict[str, Any]:
    with _running_phoenix(python, work) as url:
        time.sleep(_REST_SECONDS)
        return _send(
            script,
            url,
            options,
            work,
            "--gzip",
            "--db",
            str(work / "phoenix.db"),
            "--timeout",
            "800",
        )


@contextmanager
def _running_phoenix(python: Path, work: Path) -> Iterator[str]:
    port, grpc_port = _free_port(), _free_port()
    environment = clean_environment(
        PHOENIX_WORKING_DIR=str(work),
        PHOENIX_PORT=str(port),
        PHOENIX_GRPC_PORT=str(grpc_port),
        PHOENIX_HOST="127.0.0.1",
        PHOENIX_TELEMETRY_ENABLED="false",
    )
    log = work / "phoenix.log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [python.parent / "phoenix", "serve"], env=environment, stdout=out, stderr=out
        )
    url = f"http://127.0.0.1:{port}"
    try:
        _wait_for(url, process, log)
        yield url
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=60)


def _wait_for(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    ends = time.monotonic() + _START_SECONDS
    while time.monotonic() < ends and process.poll() is None:
        try:
            with urllib.request.urlopen(f"{url}/healthz", timeout=2):  # noqa: S310  # our own
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.5)
    raise CannotMeasure(f"Phoenix did not come up: {log.read_text()[-500:]}")


def _free_port() -> int:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        port: int = held.getsockname()[1]
        return port


if __name__ == "__main__":
    main()
