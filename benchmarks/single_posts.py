"""Measure how many POSTs a second are answered when each holds one event, and how long each takes.

Starts a whole installation; eight keep-alive connections post as fast as they are answered. The
client runs on the same machine. Targets: 1,500 a second, 95 of 100 within 15 ms.
"""

from __future__ import annotations

from benchmarks import sample
from benchmarks.figures import Findings, arguments, percentile, report
from benchmarks.ground import installation
from benchmarks.sender import post_all
from benchmarks.watch import Watch

WARM = 1_000


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--events", type=int, default=20_000, help="POSTs (default 20,000)")
    parser.add_argument("--connections", type=int, default=8, help="at once (default 8)")
    options = parser.parse_args()
    report(options, lambda: measure(options.events, options.connections))


def measure(events: int, connections: int) -> Findings:
    """Post one event at a time."""
    found = Findings(question="How many POSTs of one event a second are answered?")
    templates = sample.as_sent()
    with installation() as running:
        for count in (WARM, events):
            bodies = [one for (one,) in sample.batches(templates, events=count, batch=1)]
            with Watch(running) as watch:
                sent = post_all(running.url, running.key, bodies, connections=connections)
    found.add("POSTs of one event", events / sent.seconds, "a second", at_least=1_500)
    found.add("answered, p50", percentile(sent.latencies, 0.5) * 1000, "ms")
    found.add("answered, p95", percentile(sent.latencies, 0.95) * 1000, "ms", at_most=15)
    found.add("answered, p99", percentile(sent.latencies, 0.99) * 1000, "ms")
    for name, seconds in sorted(watch.cpu.items()):
        found.add(f"CPU of {name}", seconds / events * 1e6, "µs/POST")
    return found


if __name__ == "__main__":
    main()
