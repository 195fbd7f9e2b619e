"""Measure what the SDK costs an agent: each call, a loop of half a second, and what is off.

Starts a whole installation and runs `benchmarks/sdk_agent.py` against it, in a process of its own.
With `--peer-python`, the interpreter of an environment that has kailash-kaizen, `peer_kaizen.py` of
the folder that OBS_PEERS names runs right after, for the same calls.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.figures import CannotMeasure, Findings, arguments, report
from benchmarks.ground import ROOT, installation

_SECONDS = 600
_PEER = "peer_kaizen.py"


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--loops", type=int, default=40, help="pairs of loops (default 40)")
    parser.add_argument("--calls", type=int, default=4_000, help="of each kind (default 4,000)")
    parser.add_argument(
        "--peer-python", type=Path, help="interpreter of an environment with kailash-kaizen"
    )
    options = parser.parse_args()
    report(options, lambda: measure(options))


def measure(options: argparse.Namespace) -> Findings:
    """Run the agent, and the peer when there is one."""
    found = Findings(question="What does the SDK cost an agent?")
    with installation() as running:
        ours = _agent(running.url, running.key, options)
    strict = ours["event_strict_p95_us"] / ours["write_fdatasync_p95_us"]
    span = ours["span_p50_us"] / ours["span_otel_p50_us"]
    found.add("a loop of 500 ms, more by", ours["loop_overhead_percent"], "%", at_most=0.4)
    found.add("the calls of a loop", ours["loop_calls_ms"], "ms")
    found.add("the calls as a share of the loop", ours["loop_calls_percent"], "%", at_most=0.4)
    found.add("CPU of the process, senders too", ours["loop_cpu_percent"], "% of a core")
    found.add("event, buffered, p95", ours["event_buffered_p95_us"] / 1e3, "ms", at_most=0.15)
    found.add("event, buffered, p50", ours["event_buffered_p50_us"] / 1e3, "ms")
    found.add("tool as a context manager, p95", ours["tool_context_p95_us"] / 1e3, "ms")
    found.add("event, strict, p95", ours["event_strict_p95_us"] / 1e3, "ms")
    found.add("a bare write and fdatasync, p95", ours["write_fdatasync_p95_us"] / 1e3, "ms")
    found.add("strict as a multiple of it, p95", strict, "times", at_most=1.5)
    found.add("counter, p95", ours["metric_counter_p95_us"], "µs", at_most=3)
    found.add("histogram, p95", ours["metric_histogram_p95_us"], "µs", at_most=3)
    found.add("line of log, p95", ours["log_p95_us"], "µs", at_most=15)
    found.add("span, p50", ours["span_p50_us"], "µs")
    found.add("span as a multiple of OpenTelemetry's, p50", span, "times", at_most=1.3)
    found.add("off: event, p95", ours["off_event_us"] * 1e3, "ns", at_most=250)
    found.add("off: metric, p95", ours["off_metric_us"] * 1e3, "ns", at_most=250)
    found.add("off: context manager, p95", ours["off_context_us"] * 1e3, "ns", at_most=500)
    found.add("events recorded", ours["recorded"], "events")
    found.add("events left unsent", ours["left_unsent"], "", at_most=0)
    if options.peer_python is not None:
        _add_peer(found, options.peer_python, options.calls)
    return found


def _agent(url: str, key: str, options: argparse.Namespace) -> dict[str, float]:
    more = ["--loops", str(options.loops), "--calls", str(options.calls)]
    ended = subprocess.run(
        [sys.executable, "-m", "benchmarks.sdk_agent", url, key, *more],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT / "sdk")},
        capture_output=True,
        text=True,
        timeout=_SECONDS,
    )
    if ended.returncode != 0:
        raise AssertionError(f"the agent failed:\n{ended.stderr[-4000:]}")
    said: dict[str, float] = json.loads(ended.stdout)
    return said


def _add_peer(found: Findings, python: Path, calls: int) -> None:
    script = Path(os.environ.get("OBS_PEERS", "")) / _PEER
    if not script.is_file():
        raise CannotMeasure(f"OBS_PEERS names no folder that holds {_PEER}")
    with tempfile.TemporaryDirectory(prefix="obs-peer-") as work:
        answer = Path(work) / "out.json"
        subprocess.run(
            [python, script, "--n", str(calls), "--json", answer, "--dir", work],
            capture_output=True,
            timeout=_SECONDS,
        )
        if not answer.exists():
            raise CannotMeasure(f"{_PEER} gave no figures")
        theirs: dict[str, Any] = json.loads(answer.read_text())
    appended = theirs["audit_append_serial"]["p95_ms"]
    found.add("Kaizen: audit append, no flush, p95", appended, "ms")
    for name, said in (
        ("counter", "metrics_counter_us"),
        ("histogram", "metrics_histogram_us"),
        ("line of log", "logging_info_us"),
        ("span", "tracing_span_us"),
    ):
        if said in theirs:
            found.add(f"Kaizen: {name}, mean", theirs[said], "µs")


if __name__ == "__main__":
    main()
