"""D7, Performance Metrics: what observing costs, and how the work and the processes run. Pure."""

from __future__ import annotations

from typing import Final

from metrics import agent_families as agent
from metrics import platform_families as f
from metrics.boards.panels import dial, lines, row
from metrics.boards.promql import SHOWN, ahead, now, quantile, rate, share
from metrics.boards.shape import Board, falling, rising

_SWITCHES: Final = "/admin/metrics/switch/"
_USED: Final = 'state="used"'
_OPERATIONS: Final = (
    ("tools", agent.TOOL_SECONDS),
    ("models", agent.LLM_SECONDS),
    ("memory", agent.MEMORY_SECONDS),
)


def _overhead(component: str) -> tuple[str, str]:
    return now(f.OVERHEAD_RATIO, "", f'component="{component}"', how="max"), component


BOARD: Final = Board(
    number=7,
    slug="performance",
    title="Performance metrics",
    says="For whoever answers for speed: what observing costs, latency, throughput, processes.",
    rows=(
        row(
            "Observability overhead",
            dial("Overhead: metrics", "ratio", "Which share of busy time metrics take.",
                 _overhead("metrics"), limits=rising(0.01, 0.02), page=_SWITCHES),
            dial("Overhead: logging", "ratio", "Which share of busy time writing logs takes.",
                 _overhead("logging"), limits=rising(0.03, 0.05), page=_SWITCHES),
            dial("Overhead: tracing", "ratio", "Which share of busy time traces take.",
                 _overhead("tracing"), limits=rising(0.005, 0.01), page=_SWITCHES, is_quiet=True),
            dial("Overhead: audit", "ratio", "Which share of busy time appending takes.",
                 _overhead("audit"), limits=rising(0.25, 0.5), page=_SWITCHES),
            dial("Performance targets met", "score", "Which share of the targets is kept.",
                 (now(f.TARGET_MET, how="avg"), "met"), limits=falling(0.9, 1)),
            dial("Cache hit rate", "ratio", "Which share of look-ups hits.",
                 (share(agent.CACHE_REQUESTS, 'outcome="hit"', where='outcome=~"hit|miss"',
                        over=SHOWN), "hits"), limits=falling(0.5, 0.8)),
        ),
        row(
            "Work",
            lines("Operation latency", "seconds",
                  "How long half, 95 % and 99 % of tool calls, model requests and uses of memory "
                  "take.",
                  *((quantile(q, family), f"{name} p{q * 100:g}")
                    for name, family in _OPERATIONS
                    for q in (0.5, 0.95, 0.99))),
            lines("Throughput", "per_second", "How many events are chained, by category.",
                  (rate(agent.EVENTS, "category"), "{{category}}"), is_stacked=True,
                  page="/admin/audit/entry/"),
            lines("Request rate by agent", "per_second", "How many acts of each agent there are.",
                  (rate(agent.AGENT_OPERATIONS, "agent"), "{{agent}}"), page="/admin/audit/agent/"),
        ),
        row(
            "Processes",
            lines("CPU by agent", "cores", "How many processors agents say they keep busy.",
                  (now(f.AGENT_CPU, "agent"), "{{agent}}"), page="/admin/audit/agent/"),
            lines("Memory trend", "bytes", "How much memory the machine uses, and where it goes.",
                  (now(f.HOST_MEMORY, "", _USED), "used"),
                  (ahead(f.HOST_MEMORY, "", _USED, over="1h", seconds=3600), "in an hour")),
            lines("GC pause", "seconds", "How long 99 % of the pauses of Python's collector take.",
                  (quantile(0.99, f.GC_PAUSE, "generation"), "generation {{generation}}"),
                  limits=rising(0.05, 0.1)),
            lines("Context-switch rate", "per_second",
                  "How often processes give the processor up or lose it.",
                  (rate(f.CONTEXT_SWITCHES, "kind"), "{{kind}}")),
            lines("Disk I/O", "bytes_per_second", "How much is read from disks and written.",
                  (rate(f.HOST_DISK_IO, "direction"), "{{direction}}")),
            lines("Network I/O", "bytes_per_second", "How much is received and sent.",
                  (rate(f.HOST_NETWORK_IO, "direction"), "{{direction}}")),
        ),
    ),
)  # fmt: skip
