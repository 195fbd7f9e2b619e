"""Measure what spans and log lines cost, and what ingest loses to tracing at 1 % and at 100 %.

One by one, in this process: a span that is made, one that is not kept, a call without anything set
up, cleaning and encoding a span, a line of log with and without its file, a POST of 100 events by
what the web's process takes, with the thread that sends. Then whole installations
in turns, without tracing, with 1 % and with 100 % of traces sent to a receiver on this machine that
throws them away; it takes its share of the cores.
"""

from __future__ import annotations

import io
import logging
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import islice
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

import psycopg

from benchmarks import sample, seed
from benchmarks.figures import Findings, arguments, report, say
from benchmarks.ground import ROOT, database, installation
from benchmarks.sender import post_all
from benchmarks.watch import Watch

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan
    from opentelemetry.sdk.trace.export import SpanExportResult

BATCH = 100
CONNECTIONS = 4
TIMES = 5_000
POSTS = 60
REPEATS = 7
RATIOS = {"off": None, "1 %": "0.01", "100 %": "1"}

# Takes what it is sent and says yes; prints its port first.
SINK = """
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
class Sink(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()
    def log_message(self, *_):
        pass
server = ThreadingHTTPServer(("127.0.0.1", 0), Sink)
print(server.server_address[1], flush=True)
server.serve_forever()
"""


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--events", type=int, default=100_000, help="events a turn")
    parser.add_argument("--turns", type=int, default=3, help="installations of each kind")
    options = parser.parse_args()
    report(options, lambda: measure(options.events, options.turns))


def measure(events: int, turns: int) -> Findings:
    """Measure one by one, then in whole installations."""
    found = Findings(question="What do spans and log lines cost?")
    with database(), tempfile.TemporaryDirectory() as folder:
        _measure_lines(found, Path(folder))
        _measure_spans(found)
        with _sink() as address:
            _measure_posts(found, address)
    if turns:
        _measure_ingest(found, events, turns)
    return found


# --- One by one ----------------------------------------------------------------------------------


def _cpu(do: Callable[[], object], times: int = TIMES) -> float:
    """Return the processor time of one, in microseconds: the least of some repeats."""
    took = []
    for _ in range(REPEATS):
        began = time.process_time()
        for _ in range(times):
            do()
        took.append((time.process_time() - began) / times)
    return min(took) * 1e6


def _measure_lines(found: Findings, folder: Path) -> None:
    import structlog

    from tracing import logs
    from tracing.counted_lines import CountedLines
    from tracing.log_files import LogFiles

    root = logging.getLogger()
    files = LogFiles(folder / "logs", keep_days=1, most_bytes=10**9, error_file="error.log")
    for name, kept in (("to its stream", None), ("to its stream and its file", files)):
        made = logs.configure("INFO", "json")["formatters"]["line"]
        handler = CountedLines(io.StringIO(), files=kept)
        handler.setFormatter(
            made["()"](foreign_pre_chain=made["foreign_pre_chain"], processors=made["processors"])
        )
        root.handlers[:] = [handler]
        log = structlog.get_logger("benchmark")
        write = partial(log.warning, "chained", ledger="main", entries=3, size=17)
        found.add(f"CPU of a log line {name}", _cpu(write), "µs")


def _measure_spans(found: Findings) -> None:
    from audit import spans

    found.add("CPU of a span where nothing is set up", _cpu(lambda: _span(spans._tracer)), "µs")

    from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
    from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

    from audit.redact import Redactor
    from tracing import otel, sampling
    from tracing.logs import LOG_PATTERNS

    class Encode(SpanExporter):
        def export(self, made: Sequence[ReadableSpan]) -> SpanExportResult:
            encode_spans(made).SerializeToString()
            return SpanExportResult.SUCCESS

    clean = otel.Clean([Encode()], Redactor(extra_patterns=LOG_PATTERNS))
    provider = otel.Provider(sampler=otel.Switched(), shutdown_on_exit=False)
    kept: list[Any] = []
    provider.add_span_processor(_keeper(kept))
    tracer = provider.get_tracer("benchmark")
    found.add("CPU of a span that is made", _cpu(lambda: _span(tracer)), "µs", at_most=1000)
    made = kept[:TIMES]
    kept.clear()
    found.add(
        "CPU of cleaning and encoding a span",
        _cpu(lambda: clean.export(made), times=1) / len(made),
        "µs",
    )
    sampling.follow({"tracing": "on", "sampling": "0"})
    found.add("CPU of a span that is not kept", _cpu(lambda: _span(tracer)), "µs")
    sampling.follow({"tracing": "on", "sampling": "1"})


def _span(tracer: Any) -> None:
    attributes = {"obs.projection": "metrics", "obs.entries": 3}
    with tracer.start_as_current_span("audit.project", attributes=attributes):
        pass


def _measure_posts(found: Findings, address: str) -> None:
    """Measure POSTs before anything is set up, and then with shares of traces, in turns."""
    from django.conf import settings

    from audit.auth import make_key
    from audit.ledgers import open_ledger
    from tracing import otel, sampling

    _, key = make_key(
        ledger=open_ledger("main"), name="bench", scopes=("events:write",), created_by="bench"
    )
    bodies = (
        b"\n".join(each)
        for each in sample.batches(sample.as_sent(), events=POSTS * 16 * BATCH, batch=BATCH)
    )

    def least(times: int) -> float:
        return min(_post_here(key, list(islice(bodies, POSTS))) for _ in range(times))

    least(1)  # plans and caches
    found.add("CPU of a POST of 100 events, tracing off", least(3), "µs")
    settings.OTLP_ENDPOINT = address
    otel.set_up("web")
    shares = {"on, none kept": "0", "1 %": "0.01", "100 %": "1"}
    took = dict.fromkeys(shares, float("inf"))
    for name, ratio in [*shares.items()] * 3:
        sampling.follow({"tracing": "on", "sampling": ratio})
        took[name] = min(took[name], least(1))
    for name, each in took.items():
        found.add(f"CPU of a POST of 100 events, tracing {name}", each, "µs")
    otel.send_the_rest()


def _post_here(key: str, bodies: Sequence[bytes]) -> float:
    """Return the processor time of a POST, in microseconds, all threads of this process."""
    from django.test import Client

    client = Client()  # loads the middleware anew
    headers = {"Authorization": f"Bearer {key}"}
    took = 0.0
    for number, body in enumerate(bodies):
        began = time.process_time()
        answer = client.post(
            "/api/v1/events", data=body, content_type="application/x-ndjson", headers=headers
        )
        assert answer.status_code == 202, answer.content
        if number:  # the first one loads
            took += time.process_time() - began
    return took / (len(bodies) - 1) * 1e6


def _keeper(kept: list[Any]) -> Any:
    from opentelemetry.sdk.trace import SpanProcessor

    class Keep(SpanProcessor):
        def on_end(self, span: ReadableSpan) -> None:
            kept.append(span)

    return Keep()


# --- Whole installations -------------------------------------------------------------------------


def _measure_ingest(found: Findings, events: int, turns: int) -> None:
    templates = sample.as_sent()
    rates: dict[str, list[float]] = {name: [] for name in RATIOS}
    cpu: dict[str, list[float]] = {name: [] for name in RATIOS}
    with _sink() as address:
        for turn in range(turns):
            for name, ratio in RATIOS.items():
                say(f"turn {turn + 1} of {turns}: tracing {name}")
                rate, spent = _ingest(events, templates, _variables(address, ratio))
                rates[name].append(rate)
                cpu[name].append(spent)
    for name in RATIOS:
        found.add(f"posted and chained, tracing {name}", median(rates[name]), "events/s")
        found.add(f"CPU of our processes, tracing {name}", median(cpu[name]), "µs/event")
    for name in ("1 %", "100 %"):
        share = median(rates[name]) / median(rates["off"])
        found.add(f"the rate with tracing {name} as a share of that without", share, "")


def _variables(address: str, ratio: str | None) -> dict[str, str]:
    if ratio is None:
        return {}
    return {"OTEL_EXPORTER_OTLP_ENDPOINT": address, "OBS_TRACING_SAMPLE_RATIO": ratio}


def _ingest(
    events: int, templates: list[sample.Template], variables: dict[str, str]
) -> tuple[float, float]:
    """Return events a second from POST to chained, and microseconds of CPU an event."""
    more: dict[str, Any] = dict(variables)
    with (
        installation(**more) as running,
        psycopg.connect(running.database_url, autocommit=True) as look,
    ):
        _post(running.url, running.key, templates, events // 5, look)
        with Watch(running) as watch:
            began = time.perf_counter()
            _post(running.url, running.key, templates, events, look)
            seconds = time.perf_counter() - began
    ours = sum(watch.cpu[name] for name in ("web", "worker", "append"))
    return events / seconds, ours / events * 1e6


def _post(
    url: str, key: str, templates: list[sample.Template], events: int, look: psycopg.Connection
) -> None:
    bodies = map(b"\n".join, sample.batches(templates, events=events, batch=BATCH))
    post_all(url, key, bodies, connections=CONNECTIONS)
    seed.wait_until(lambda: _is_empty(look), seconds=600, what="an empty inbox")


def _is_empty(look: psycopg.Connection) -> bool:
    return look.execute("SELECT NOT EXISTS (SELECT FROM audit_inbox)").fetchone() == (True,)


@contextmanager
def _sink() -> Iterator[str]:
    with subprocess.Popen(
        [sys.executable, "-c", SINK], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None, "it has a pipe"
        try:
            yield f"http://127.0.0.1:{process.stdout.readline().strip()}"
        finally:
            process.terminate()


if __name__ == "__main__":
    main()
