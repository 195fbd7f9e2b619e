"""What a process counts of itself as series: whole numbers, and never more than a family's cap."""

from __future__ import annotations

from metrics.families import BY_NAME, FAMILIES
from metrics.increments import Cell
from metrics.own_series import Places, Sums, add_count, closed_labels, overflow, room_of

REJECTED = "obs_ingest_rejected_total"
LAG = "obs_ingest_lag_seconds"


def test_observations_fall_into_their_buckets_and_add_up_in_whole_numbers() -> None:
    sums = Sums()

    sums.add([(LAG, ("chained", "main"), 10, 0.005), (LAG, ("chained", "main"), 1, 1e6)])

    row = sums.totals.histograms[LAG, ("chained", "main")]
    assert row[0] == 10  # an edge belongs to its bucket
    assert row[-2] == 1  # beyond all edges
    assert row[-1] == 10 * 5_000 + 1_000_000_000_000


def test_what_a_clock_that_was_set_back_says_is_no_time_at_all() -> None:
    sums = Sums()

    sums.add([(LAG, ("chained", "main"), 1, -3.0)])

    row = sums.totals.histograms[LAG, ("chained", "main")]
    assert (row[0], row[-1]) == (1, 0)


def test_beyond_the_cap_ledgers_fold_and_reasons_stay() -> None:
    cell = Cell()
    for number in range(100):
        add_count(cell, (REJECTED, ("auth", f"ledger{number:03}")), 1)
        add_count(cell, (REJECTED, ("size", f"ledger{number:03}")), 2)

    placed, folded = Places().placed(cell)

    assert len(placed.counts) <= BY_NAME[REJECTED].cap
    by_reason = {"auth": 0, "size": 0}
    for (_, (reason, _)), number in placed.counts.items():
        by_reason[reason] += number
    assert by_reason == {"auth": 100, "size": 200}
    assert sum(overflow(folded).counts.values()) == 200 - room_of(BY_NAME[REJECTED])


def test_what_has_a_row_keeps_its_place_whoever_asks() -> None:
    rows = [(REJECTED, f"auth ledger{number}") for number in range(room_of(BY_NAME[REJECTED]))]
    cell = Cell(counts={(REJECTED, ("auth", "ledger3")): 1, (REJECTED, ("auth", "new")): 1})

    placed, _ = Places(rows).placed(cell)

    assert placed.counts == {(REJECTED, ("auth", "ledger3")): 1, (REJECTED, ("auth", "_other")): 1}


def test_values_of_others_are_normalised_before_they_take_a_place() -> None:
    placed, _ = Places().placed(Cell(counts={(REJECTED, ("auth", "Große Bücher")): 1}))

    assert list(placed.counts) == [(REJECTED, ("auth", "gro_e_b_cher"))]


def test_every_label_that_is_ours_fits_its_familys_cap() -> None:
    for family in FAMILIES:
        if "process" in family.sources:
            assert room_of(family) >= 0, family.name
            rows = 1
            for values in closed_labels(family).values():
                rows *= len(values)
            assert rows <= family.cap, family.name
