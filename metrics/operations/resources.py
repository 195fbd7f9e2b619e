"""Resources: what the machine, the store and agents take, and what observing costs. D5. Pure."""

from __future__ import annotations

from typing import Final

from metrics import agent_families as f
from metrics import platform_families as p
from metrics.operations.chart import (
    USED,
    Chart,
    Figure,
    Page,
    gauge,
    gauge_share,
    per,
    rate,
)

_LEDGERS: Final = "audit_ledger_changelist"
_SWITCHES: Final = "metrics_switch_changelist"
_ALL: Final = {"component": ("total",)}
_ENTRIES: Final = {"table": ("audit_entry",)}

PAGE: Final = Page(
    slug="resources",
    title="Resources",
    says="What is used of the machine, how the store grows, what observing costs.",
    sentence="The processors are {0} busy; {1} of the memory and {2} of the disks are used.",
    filters=("agent",),
    figures=(
        Figure(title="Processors busy", unit="ratio", query=gauge(p.HOST_CPU, how="max"),
               says="Of the machine of beat or append.", good=(0.7, 0.9)),
        Figure(title="Memory used", unit="ratio", query=gauge_share(p.HOST_MEMORY, USED),
               says="Of that machine.", good=(0.8, 0.9)),
        Figure(title="Disk used", unit="ratio", query=gauge_share(p.HOST_DISK, USED),
               says="Of all file systems there.", good=(0.8, 0.9)),
        Figure(title="Store", unit="bytes", query=gauge(p.STORE_BYTES),
               says="All tables with indexes."),
    ),
    charts=(
        Chart(slug="cpu", title="Processors of the machine", unit="ratio",
              says="How busy they are.", queries=(gauge(p.HOST_CPU, how="max", name="busy"),)),
        Chart(slug="roles", title="Processors by role", unit="cores", is_stacked=True,
              says="How many processors each role of the platform keeps busy.",
              queries=(rate(p.PROCESS_CPU, "role", seconds=1),)),
        Chart(slug="memory", title="Memory", unit="bytes", is_stacked=True,
              says="How the machine's memory is used.", queries=(gauge(p.HOST_MEMORY, "state"),)),
        Chart(slug="disk", title="Disk", unit="bytes",
              says="How much of each file system is used and free.",
              queries=(gauge(p.HOST_DISK, "mount state"),)),
        Chart(slug="store", title="Store growth", unit="bytes", page=_LEDGERS,
              says="How the largest tables grow.", queries=(gauge(p.STORE_BYTES, "table"),)),
        Chart(slug="entries", title="Entries", unit="count", page=_LEDGERS,
              says="How many entries there are, as Postgres estimates.",
              queries=(gauge(p.STORE_ROWS, where=_ENTRIES, name="entries"),)),
        Chart(slug="each", title="Processor time for each event", unit="seconds",
              says="What one chained event takes of all processes.",
              queries=(per(p.PROCESS_CPU, f.EVENTS, name="an event"),)),
        Chart(slug="overhead", title="What observing costs", unit="ratio", page=_SWITCHES,
              says="Which share of busy time observing takes, by part.",
              queries=(gauge(p.OVERHEAD_RATIO, "component", how="max"),)),
        Chart(slug="agents-cpu", title="Processors by agent", unit="cores",
              says="How many processors agents say they keep busy.",
              action="system.resource_sampled", queries=(gauge(p.AGENT_CPU, "agent"),)),
        Chart(slug="agents-memory", title="Memory by agent", unit="bytes",
              says="How much memory agents' processes say they hold.",
              action="system.resource_sampled", queries=(gauge(p.AGENT_PROCESS_MEMORY, "agent"),)),
        Chart(slug="memories", title="What agents remember", unit="bytes", action="memory.",
              says="How large the memories of agents are.",
              queries=(gauge(f.AGENT_MEMORY_BYTES, "agent"),)),
    ),
)  # fmt: skip
