"""Fold the past of the demo fleet, 20,000 events of six agents and the people around them."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from functools import cache

from metrics.families import folded
from metrics.fold import FoldState, Names, Seen, fold
from metrics.states import GAUGES
from obsplatform.fleet.history import history
from tests.metrics.made import GUARDS, OVERFLOW, counted
from tests.metrics.reference import Reference

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
NOT_TOLD = {
    "obs_custom_metric_total",  # nobody has allowed its measure here
    "obs_custom_metric_value",
    "obs_custom_metric_seconds",
}


@cache
def fleet() -> tuple[Seen, ...]:
    entries = []
    for seq, event in enumerate(history(now=NOW)):
        at = round(datetime.fromisoformat(event["occurred_at"]).timestamp() * 1e6)
        entries.append(
            Seen(seq=seq, occurred_us=at, received_us=at + 80_000, is_backfill=False,
                 ledger="main", event=event)
        )  # fmt: skip
    return tuple(entries)


def test_every_entry_of_the_fleet_is_counted_as_the_reference_counts_it() -> None:
    entries = fleet()[-4_000:]
    expected = +Reference().read(entries).totals

    made = fold(entries, FoldState(), names=Names())

    sums = Counter(made.totals.counts)
    sums.update({key: row[-1] for key, row in made.totals.histograms.items()})
    assert len(expected) > 200
    assert {key: sums[key] for key in expected} == expected
    assert sum(counted(made, "obs_events_total").values()) == len(entries)


def test_the_fleet_has_room_within_the_caps() -> None:
    made = fold(fleet(), FoldState(), names=Names())

    assert counted(made, OVERFLOW) == {}


def test_the_fleet_feeds_every_family_but_those_it_tells_nothing_of() -> None:
    made = fold(fleet(), FoldState(), names=Names())

    fed = {name for name, _ in [*made.totals.counts, *made.totals.histograms, *made.gauges]}
    pairs = {family.name for family in GAUGES.values()}
    assert {family.name for family in folded()} - fed - pairs - GUARDS == NOT_TOLD


def test_what_is_remembered_of_the_fleet_is_small() -> None:
    state = FoldState()

    fold(fleet(), state, names=Names())

    assert {"support_concierge", "treasury_pay"} <= set(state.agents.values())
    assert len(str(state.as_json())) < 10_000
