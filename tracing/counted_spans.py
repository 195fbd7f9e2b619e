"""Count spans that came in, or that the platform made itself, and those that were lost on the way.

`source` is `otlp` for what agents send and `own` for the platform's own. The numbers are gathered
as everything that a process counts of itself (audit.measures), and cost nothing while nobody does.
"""

from __future__ import annotations

from audit import measures


def count(source: str, spans: int, dropped: int = 0) -> None:
    """Add spans that were taken, and apart from them those that were not kept."""
    if spans:
        measures.count("obs_spans_total", source, n=spans)
    if dropped:
        measures.count("obs_spans_dropped_total", source, n=dropped)
