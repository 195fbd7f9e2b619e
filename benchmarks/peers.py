"""Measure our append beside a peer's, of the same count, in the same run.

Runs `peer_kaizen.py` from the folder that OBS_PEERS names, with the interpreter of an environment
that has kailash-kaizen (`--peer-python`). What its file lacks and ours has: a chain, indexes, and
a flush to the disk before an append counts as done.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

import psycopg

from benchmarks import sample, seed
from benchmarks.figures import CannotMeasure, Findings, arguments, report
from benchmarks.ground import database

SCRIPT = "peer_kaizen.py"
_SECONDS = 600


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--events", type=int, default=5_000, help="appends each (default 5,000)")
    parser.add_argument(
        "--peer-python", type=Path, help="interpreter of an environment with kailash-kaizen"
    )
    options = parser.parse_args()
    report(options, lambda: measure(options))


def measure(options: argparse.Namespace) -> Findings:
    """Run the peer, then ours."""
    found = Findings(question="How fast is our append beside Kaizen's?")
    theirs = _peer(options.events, options.peer_python)
    ours = _ours(options.events)
    appended = theirs["audit_append_serial"]["per_s"]
    found.add("Kaizen: appends, no flush, chain or index", appended, "a second")
    found.add(
        "a line written, flushed and synced, for scale",
        theirs["reference_write_flush_fsync"]["per_s"],
        "a second",
    )
    found.add("ours: chained, indexed, durable", ours, "a second")
    found.add("ours as a multiple of theirs", ours / appended, "times")
    return found


def _peer(events: int, python: Path | None) -> dict[str, Any]:
    folder = os.environ.get("OBS_PEERS", "")
    script = Path(folder) / SCRIPT
    if not folder or not script.exists():
        raise CannotMeasure(f"OBS_PEERS names no folder that holds {SCRIPT}")
    if python is None:
        raise CannotMeasure("--peer-python names no interpreter that has kailash-kaizen")
    with tempfile.TemporaryDirectory(prefix="obs-peer-") as work:
        answer = Path(work) / "out.json"
        ended = subprocess.run(
            [python, script, "--n", str(events), "--json", answer, "--dir", work],
            capture_output=True,
            text=True,
            timeout=_SECONDS,
        )
        # It leaves by os._exit, so what it wrote tells more than its exit code.
        if not answer.exists():
            raise CannotMeasure(f"{SCRIPT} ended with {ended.returncode}: {ended.stderr[-500:]}")
        said: dict[str, Any] = json.loads(answer.read_text())
        return said


def _ours(events: int) -> float:
    templates = sample.as_stored()
    with database() as address, psycopg.connect(address, autocommit=True) as connection:
        from audit.append import append_pending
        from audit.ledgers import open_ledger

        ledger = open_ledger("bench")
        for _ in range(2):  # the first round warms connection, plans and pages
            seed.put(connection, ledger.id, sample.posts(templates, events=events, batch=100))
            began = time.perf_counter()
            made = append_pending(ledger.id)
            seconds = time.perf_counter() - began
            assert made == events, made
    return events / seconds


if __name__ == "__main__":
    main()
