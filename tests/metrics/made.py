"""Fold a few entries and look at what they add."""

from __future__ import annotations

from typing import Any, Final

from metrics.fold import FoldState, Increments, Names, Seen, fold

REFUSED: Final = "obs_metrics_refused_total"
OVERFLOW: Final = "obs_metrics_label_overflow_total"
GUARDS: Final = {
    REFUSED,
    OVERFLOW,
    "obs_events_backfilled_total",
    "obs_custom_metric_refused_total",
}


def folded_of(*entries: Seen, state: FoldState | None = None, **rest: Any) -> Increments:
    names = rest.pop("names", None) or Names()
    return fold(entries, FoldState() if state is None else state, names=names, **rest)


def counted(made: Increments, family: str) -> dict[tuple[str, ...], int]:
    return {labels: number for (name, labels), number in made.totals.counts.items()
            if name == family}  # fmt: skip


def refused(made: Increments) -> dict[tuple[str, ...], int]:
    return counted(made, REFUSED)
