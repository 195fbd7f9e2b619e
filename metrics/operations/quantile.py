"""Read a quantile off the buckets of a histogram, as Prometheus does. Pure.

Linear inside a bucket; the first bucket begins at 0; what lies beyond the last edge is that edge,
since nobody knows how far beyond it lies.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from itertools import accumulate


def quantile(q: float, counts: Sequence[float], edges: Sequence[float]) -> float | None:
    """Return the value below which the share `q` of what was observed lies; None of nothing.

    `counts` are not cumulative, infinity the last, one more than `edges`; the unit is the edges'.
    """
    return quantile_risen(q, list(accumulate(counts)), edges)


def quantile_risen(q: float, risen: Sequence[float], edges: Sequence[float]) -> float | None:
    """Return the same of cumulative counts, for who asks for several shares of them."""
    total = risen[-1]
    if total <= 0:
        return None
    rank = q * total
    # The first bucket that holds something and reaches the rank.
    place = bisect_left(risen, rank) if rank > 0 else bisect_right(risen, 0)
    if place >= len(edges):
        return edges[-1]
    low, below = (edges[place - 1], risen[place - 1]) if place else (0.0, 0.0)
    return low + (edges[place] - low) * (rank - below) / (risen[place] - below)
