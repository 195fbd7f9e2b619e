"""The agent that `benchmarks.sdk` measures: a process of its own with the SDK and nothing of ours.

Prints one JSON object of figures. Each call is timed by itself; what is compared (a bare write and
fdatasync, OpenTelemetry's own span) is timed in turns with ours, so that a busy moment hits both.
Needs `sdk` on PYTHONPATH.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from obsagent import Observability
from obsagent.acts import Acts
from obsagent.client import Client

LOOP_SECONDS = 0.5
METRICS, LOGS, SPANS, AUDITS = 10, 50, 5, 3
REST_SECONDS = 10
"""Before calls are timed: the platform, here on the same cores, works off what it has."""
_ROUND = 200
_RECORD = b"x" * 700  # as long as an event of ours on disk

TOOL: dict[str, Any] = {
    "target": {"type": "tool", "id": "search"},
    "tool": {"name": "search", "kind": "function", "risk": "low", "side_effect": False},
    "details": {"query": "open claims of the week", "rows": 12},
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url")
    parser.add_argument("key")
    parser.add_argument("--loops", type=int, default=40)
    parser.add_argument("--calls", type=int, default=4_000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="obs-sdk-") as folder:
        found = measure(options, Path(folder))
    json.dump(found, sys.stdout)


def measure(options: argparse.Namespace, folder: Path) -> dict[str, float]:
    """Measure every call, then the loop."""
    devnull = Path(os.devnull).open("w")  # noqa: SIM115 - for the life of the process
    obs = Observability(
        "bench", endpoint=options.url, key=options.key, spool=folder / "spool", log_stream=devnull
    )
    # What was recorded is sent before the rest is timed: that is an agent's day, not its rush.
    _rest(obs)
    found = events_buffered(obs, options.calls)
    _rest(obs)
    found |= events_strict(options, folder)
    _rest(obs)
    found |= {
        **metrics_and_logs(obs, options.calls),
        **spans(obs, options.calls),
        **off(options.calls),
    }
    _rest(obs)
    found |= loops(obs, options.loops)
    stats = obs.client.stats()
    found["recorded"], found["received"] = stats["recorded"], stats["received"]
    obs.flush(60)
    found["left_unsent"] = float(obs.client.spool.has_unsent())
    obs.shutdown_now()
    return found


def _rest(obs: Observability) -> None:
    obs.flush(120)
    time.sleep(REST_SECONDS)


def events_buffered(obs: Observability, calls: int) -> dict[str, float]:
    """Time `event` in buffered mode, and a tool as a context manager with its result."""
    acts: Acts = obs.acts

    def tool() -> None:
        with acts.tool("search", arguments={"query": "open claims"}, risk="low") as call:
            call.result({"rows": 12})

    return {
        **quantiles("event_buffered", timed(lambda: obs.event("tool.invoke", **TOOL), calls)),
        **quantiles("tool_context", timed(tool, calls // 4)),
    }


def events_strict(options: argparse.Namespace, folder: Path) -> dict[str, float]:
    """Time `event` in strict mode in turns with a bare write and fdatasync of as many bytes."""
    client = Client(
        options.url, options.key, agent="strict", mode="strict", spool=folder / "strict"
    )
    client.event("tool.invoke", **TOOL)
    bare = os.open(folder / "bare", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    def write() -> None:
        os.write(bare, _RECORD)
        os.fdatasync(bare)

    def record() -> None:
        client.event("tool.invoke", **TOOL)

    ours: list[float] = []
    theirs: list[float] = []
    for call in (write, record):
        timed(call, 40)
    for _ in range(400):  # one each in turn: a disk's busy moment lasts longer than a call
        theirs.append(once(write))
        ours.append(once(record))
    client.close(20)
    os.close(bare)
    return {**quantiles("event_strict", ours), **quantiles("write_fdatasync", theirs)}


def metrics_and_logs(obs: Observability, calls: int) -> dict[str, float]:
    """Time a metric with two labels and a line of log with two fields."""
    labels = {"provider": "acme", "model": "gpt-x"}
    logger = obs.get_logger("bench")
    assert logger is not None
    return {
        **quantiles(
            "metric_counter",
            in_rounds(lambda: obs.record_metric_now("asked_total", 1.0, labels=labels), calls * 50),
        ),
        **quantiles(
            "metric_histogram",
            in_rounds(lambda: obs.record_metric_now("took", 0.2, "histogram", labels), calls * 50),
        ),
        **quantiles(
            "log", timed(lambda: logger.info("tool done", tool_name="x", took_ms=1.2), calls * 2)
        ),
    }


def spans(obs: Observability, calls: int) -> dict[str, float]:
    """Time a span of ours in turns with one of OpenTelemetry's SDK, exported alike."""
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    exporter = OTLPSpanExporter(endpoint=f"{obs._endpoint}/v1/traces")
    provider = TracerProvider()
    provider.add_span_processor(BatchSpanProcessor(exporter))
    tracer = provider.get_tracer("bench")

    def theirs() -> None:
        with tracer.start_as_current_span("work", attributes={"step": "one", "n": 3}):
            pass

    def ours() -> None:
        with obs.span("work", step="one", n=3):
            pass

    took: dict[str, list[float]] = {"span": [], "span_otel": []}
    for _ in range(max(1, calls // _ROUND)):
        took["span_otel"] += timed(theirs, _ROUND // 4)
        took["span"] += timed(ours, _ROUND // 4)
    return {**quantiles("span", took["span"]), **quantiles("span_otel", took["span_otel"])}


def off(calls: int) -> dict[str, float]:
    """Time the calls of an observability whose parts are all off."""
    obs = Observability("off", False, False, False, False)
    logger = obs.get_logger("x")
    assert logger is None

    def span() -> None:
        with obs.span("x"):
            pass

    def empty() -> None:
        """Cost what calling a function costs, which is no part of ours."""

    bare = statistics.median(in_rounds(empty, calls * 50))
    return {
        "off_event_us": _less(in_rounds(lambda: obs.event("x"), calls * 50), bare),
        "off_metric_us": _less(
            in_rounds(lambda: obs.record_metric_now("x", 1.0), calls * 50), bare
        ),
        "off_context_us": _less(in_rounds(span, calls * 50), bare),
    }


def _less(took: list[float], bare: float) -> float:
    return (percentile(took, 0.95) - bare) * 1e6


def loops(obs: Observability, count: int) -> dict[str, float]:
    """Time an agent's loop with and without, in turns: all but its half second is overhead."""
    logger = obs.get_logger("loop")
    assert logger is not None
    labels = {"phase": "act"}

    def observed() -> None:
        for _ in range(METRICS):
            obs.record_metric_now("loops_total", 1.0, labels=labels)
        for _ in range(LOGS):
            logger.info("step done", step="x", took_ms=1.2)
        for _ in range(SPANS):
            with obs.span("step", step="x"):
                pass
        for _ in range(AUDITS):
            obs.event("tool.invoke", **TOOL)

    def nothing() -> None:
        """Do what an agent without observability does besides its work."""

    took: dict[str, list[float]] = {"with": [], "without": []}
    calls: list[float] = []
    cpu = time.process_time()
    for _ in range(count):
        for name, work in (("without", nothing), ("with", observed)):
            started = time.perf_counter()
            time.sleep(LOOP_SECONDS / 2)
            inner = time.perf_counter()
            work()
            if name == "with":
                calls.append(time.perf_counter() - inner)
            time.sleep(LOOP_SECONDS / 2)
            took[name].append(time.perf_counter() - started)
    cpu = time.process_time() - cpu
    without = statistics.median(took["without"])
    return {
        "loop_without_ms": without * 1e3,
        "loop_overhead_ms": (statistics.median(took["with"]) - without) * 1e3,
        "loop_overhead_percent": (statistics.median(took["with"]) / without - 1) * 100,
        "loop_calls_ms": statistics.median(calls) * 1e3,
        "loop_calls_percent": statistics.median(calls) / LOOP_SECONDS * 100,
        "loop_cpu_percent": cpu / (2 * count * LOOP_SECONDS) * 100,
    }


def timed(call: Callable[[], object], times: int) -> list[float]:
    """Return the seconds that each of so many calls took, after a tenth as many to warm up."""
    for _ in range(max(1, times // 10)):
        call()
    gc.collect()
    return [once(call) for _ in range(times)]


def once(call: Callable[[], object]) -> float:
    """Return the seconds that a call takes."""
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


def in_rounds(call: Callable[[], object], times: int) -> list[float]:
    """Return the seconds a call took in each of some rounds: for calls that a clock costs more.

    So many that they last tenths of a second: within less, one busy moment is more than a
    twentieth.
    """
    for _ in range(_ROUND):
        call()
    gc.collect()
    took = []
    for _ in range(max(20, times // _ROUND)):
        started = time.perf_counter()
        for _ in range(_ROUND):
            call()
        took.append((time.perf_counter() - started) / _ROUND)
    return took


def percentile(took: list[float], share: float) -> float:
    """Return the value below which this share lies."""
    ordered = sorted(took)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def quantiles(name: str, took: list[float]) -> dict[str, float]:
    """Return p50 and p95 of a call in microseconds."""
    return {
        f"{name}_p50_us": percentile(took, 0.5) * 1e6,
        f"{name}_p95_us": percentile(took, 0.95) * 1e6,
    }


if __name__ == "__main__":
    main()
