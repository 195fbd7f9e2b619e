"""D5, Resource Usage: what the platform and the agents take, and what is left. Pure."""

from __future__ import annotations

from typing import Final

from metrics import agent_families as agent
from metrics import platform_families as f
from metrics.boards.panels import bars, dial, lines, number, row, table
from metrics.boards.promql import now, per, rate, slope
from metrics.boards.shape import Board, rising

_USED: Final = 'state="used"'
_FREE: Final = 'state="free"'
_MEMORY_USED: Final = f"{now(f.HOST_MEMORY, '', _USED)} / {now(f.HOST_MEMORY)}"
_DISK_USED: Final = f"{now(f.HOST_DISK, 'mount', _USED)} / {now(f.HOST_DISK, 'mount')}"
_FILLING: Final = slope(f.HOST_DISK, "mount", _FREE, over="6h")
_ROWS: Final = now(f.STORE_ROWS, "", 'table="audit_entry"')
_BYTES: Final = now(f.STORE_BYTES, "", 'table="audit_entry"')

BOARD: Final = Board(
    number=5,
    slug="resource-usage",
    title="Resource usage",
    says="For whoever plans machines: what is used, how it grows, and what observing costs.",
    hours=24,
    rows=(
        row(
            "Machine",
            dial("CPU now", "ratio", "How busy the processors are.",
                 (now(f.HOST_CPU, how="max"), "busy"), limits=rising(0.7, 0.9)),
            dial("Memory now", "ratio", "How much of the memory is used.", (_MEMORY_USED, "used"),
                 limits=rising(0.8, 0.9)),
            dial("Disk utilisation", "ratio", "How full each file system is.",
                 (_DISK_USED, "{{mount}}"), limits=rising(0.8, 0.9), width=8),
            number("Store", "bytes", "How large all tables are with their indexes.",
                   (now(f.STORE_BYTES), "bytes"), page="/admin/audit/ledger/"),
            number("Entries", "count", "How many entries there are, as Postgres estimates.",
                   (_ROWS, "entries"), page="/admin/audit/ledger/"),
        ),
        row(
            "Over time",
            lines("CPU", "cores", "How many processors each role keeps busy.",
                  (rate(f.PROCESS_CPU, "role"), "{{role}}"), is_stacked=True),
            lines("Memory", "bytes", "How the machine's memory is used.",
                  (now(f.HOST_MEMORY, "state"), "{{state}}"), is_stacked=True),
            lines("Disk", "bytes", "How much of each file system is used and free.",
                  (now(f.HOST_DISK, "mount state"), "{{mount}} {{state}}")),
        ),
        row(
            "Store",
            lines("Store growth", "bytes", "How the largest tables grow.",
                  (f"topk(8, {now(f.STORE_BYTES, 'table')})", "{{table}}"), is_stacked=True),
            bars("Growth in a day", "bytes",
                 "How much larger each table will be in a day at the pace of six hours.",
                 (f"topk(8, 86400 * {slope(f.STORE_BYTES, 'table', over='6h')})", "{{table}}")),
            number("Bytes for an entry", "bytes", "What one entry takes with its indexes.",
                   (f"{_BYTES} / ({_ROWS} > 0)", "bytes"), width=8),
        ),
        row(
            "Efficiency",
            lines("Processor time for each event", "seconds",
                  "How much processor time the platform takes for one event.",
                  (per(f.PROCESS_CPU, agent.EVENTS), "an event")),
            lines("Full in", "seconds",
                  "How long a file system lasts at the pace of six hours; empty while none fills.",
                  (f"{now(f.HOST_DISK, 'mount', _FREE)} / -({_FILLING} < 0)", "{{mount}}"),
                  is_quiet=True),
            lines("Observability overhead", "ratio",
                  "Which share of busy time observing takes, by component.",
                  (now(f.OVERHEAD_RATIO, "component", how="max"), "{{component}}"),
                  limits=rising(0.02, 0.05), page="/admin/metrics/switch/"),
        ),
        row(
            "Agents",
            lines("CPU by agent", "cores", "How many processors agents say they keep busy.",
                  (now(f.AGENT_CPU, "agent"), "{{agent}}")),
            lines("Memory by agent", "bytes", "How much memory agents' processes say they hold.",
                  (now(f.AGENT_PROCESS_MEMORY, "agent"), "{{agent}}")),
            table("Memories of agents", "bytes", "How large what agents remember is.",
                  (now(agent.AGENT_MEMORY_BYTES, "agent memory_type"), "{{agent}} {{memory_type}}"),
                  width=8, page="/admin/audit/entry/?action=memory."),
        ),
    ),
)  # fmt: skip
