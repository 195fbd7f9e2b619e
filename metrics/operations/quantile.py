"""Read a quantile off the buckets of a histogram, as Prometheus does. Pure.

Linear inside a bucket; the first bucket begins at 0; what lies beyond the last edge is that edge,
since nobody knows how far beyond it lies.
"""

from __future__ import annotations

from collections.abc import Sequence


def quantile(q: float, counts: Sequence[float], edges: Sequence[float]) -> float | None:
    """Return the value below which the share `q` of what was observed lies; None of nothing.

    `counts` are not cumulative, infinity the last, one more than `edges`; the unit is the edges'.
    """
    total = sum(counts)
    if total <= 0:
        return None
    rank, below = q * total, 0.0
    for place, edge in enumerate(edges):
        inside = counts[place]
        if below + inside >= rank and inside > 0:
            low = edges[place - 1] if place else 0.0
            return low + (edge - low) * (rank - below) / inside
        below += inside
    return edges[-1]
