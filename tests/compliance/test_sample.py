"""A sample follows from head, number, control and check alone: it can be drawn again by anyone."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from compliance.kinds.base import DAY_US
from compliance.language.reading import EntryView
from compliance.sample import (
    LARGEST,
    MOST_STRATA,
    NO_ENTRY,
    Draw,
    Drawable,
    Drawn,
    NotANumber,
    draw,
    rank_of,
    read_number,
    seed_of,
    size_of,
)
from compliance.sample_population import Asking, Within, looks_back, population_of, words
from tests.compliance.building import day, entry, lens, shipped, us

HEAD = sha256(b"head").hexdigest()
DOCS = Path(__file__).parents[2] / "docs" / "sampling.md"


def seed(number: str = "4711", control: str = "CC6.1", check: str = "TOOL-04") -> bytes:
    return seed_of(head_hash=HEAD, number=number, control=control, check=check)


def a_drawable(item: str, stratum: str) -> Drawable:
    return Drawable(item=item, stratum=stratum, seq=0, entry_id="", entry_hash="", occurred_at="")


def drawn(items: Iterable[tuple[str, str]], by: bytes | None = None) -> Drawn:
    """Return what is drawn of `(item, stratum)`s."""
    under_way = Draw(by or seed())
    for item, stratum in items:
        under_way.offer(item, stratum, partial(a_drawable, item, stratum))
    return under_way.drawn()


def names(found: Drawn) -> list[str]:
    return [one.item for one in found.items]


def of_one(size: int) -> list[tuple[str, str]]:
    return [(str(seq), "a") for seq in range(size)]


# --- Rule, seed, number ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("population", "size"),
    [(0, 0), (1, 1), (10, 10), (11, 10), (50, 10), (51, 25), (250, 25), (251, 40), (10**6, 40)],
)
def test_the_rule_says_how_many_are_drawn(population: int, size: int) -> None:
    assert size_of(population) == size


def test_the_rule_says_in_words_why_so_many() -> None:
    assert drawn([]).rule == "The population is empty: nothing to draw."
    assert drawn(of_one(7)).rule == "All of 7: so few are looked at whole."
    assert drawn(of_one(51)).rule == "25 of 51: the rule for 51 to 250."
    assert drawn(of_one(300)).rule == "40 of 300: the rule for more than 250."


def test_a_population_smaller_than_the_rule_is_drawn_whole() -> None:
    found = drawn(of_one(7))

    assert sorted(names(found)) == [str(seq) for seq in range(7)]


def test_the_seed_is_that_of_a_known_case() -> None:
    # Computed with openssl: printf '4711\0CC6.1\0TOOL-04' | openssl dgst -sha256 -mac HMAC …
    assert seed().hex() == "f2b890f37af4542a46b633ebf72f71ab3fa2720202d1a0e970df2259c08fee68"


def test_another_number_head_control_or_check_draws_another_sample() -> None:
    items = of_one(2_000)
    other_head = seed_of(head_hash="0" * 64, number="4711", control="CC6.1", check="TOOL-04")
    seeds = [
        seed(), seed("4712"), seed("04711"), seed(control="CC6.2"), seed(check="TOOL-05"),
        other_head,
    ]  # fmt: skip

    samples = [tuple(names(drawn(items, by=one))) for one in seeds]

    assert len(set(samples)) == len(samples)


def test_what_is_joined_in_the_seed_cannot_be_shifted() -> None:
    assert seed("1", "2A", "B") != seed("12", "A", "B") != seed("1", "2", "AB")


@pytest.mark.parametrize("typed", ["", " ", "12a", "-1", "1.5", "1" * 41, "٣", "1 2"])
def test_what_is_no_number_is_refused(typed: str) -> None:
    with pytest.raises(NotANumber, match="1 to 40 digits"):
        read_number(typed)


def test_zeros_in_front_of_a_number_count() -> None:
    assert read_number(" 007 ") == "007"


# --- The draw -------------------------------------------------------------------------------------


def test_the_lowest_ranks_are_drawn_in_their_order() -> None:
    items = of_one(3_000)

    found = drawn(items)

    ranked = sorted((rank_of(seed(), item), item) for item, _ in items)
    assert names(found) == [item for _, item in ranked[:LARGEST]]


def test_the_order_in_which_items_come_changes_nothing() -> None:
    items = [(str(seq), f"agent-{seq % 9}") for seq in range(1_000)]

    assert drawn(items) == drawn(reversed(items))


def test_each_agent_that_the_rule_left_out_gets_its_lowest_item() -> None:
    items = [*of_one(5_000), *((f"b{seq}", "b") for seq in range(3)), ("c", "c")]

    found = drawn(items)

    added = found.items[LARGEST:]
    assert {one.stratum for one in found.items} == {"a", "b", "c"}
    lowest_of_b = min((rank_of(seed(), f"b{seq}"), f"b{seq}") for seq in range(3))[1]
    assert {one.item for one in added} == {lowest_of_b, "c"} - set(names(found)[:LARGEST])
    assert found.rule.endswith("more, so that each of 3 agents is there.")


def test_no_more_agents_are_added_than_an_entry_has_room_for_and_it_is_said() -> None:
    items = [(str(seq), f"agent-{seq}") for seq in range(1_000)]

    found = drawn(items)

    assert len(found.items) == LARGEST + MOST_STRATA
    left = 1_000 - LARGEST - MOST_STRATA
    assert f"{left:,} agents are not there" in found.rule


def test_every_item_is_drawn_as_often_as_every_other() -> None:
    # Chi-square of 400 draws of 40 from 400 items: 399 degrees of freedom, variance below 2 * 399.
    items = of_one(400)
    times = dict.fromkeys((item for item, _ in items), 0)
    for number in range(400):
        for item in names(drawn(items, by=seed(str(number)))):
            times[item] += 1

    chi_square = sum((count - 40) ** 2 / 40 for count in times.values())

    assert 230 < chi_square < 540  # five standard deviations either way; the seeds are fixed


def test_memory_holds_only_what_may_be_drawn() -> None:
    kept: list[str] = []

    def about(item: str) -> Drawable:
        kept.append(item)
        return a_drawable(item, "a")

    under_way = Draw(seed())
    for seq in range(50_000):
        under_way.offer(str(seq), "a", partial(about, str(seq)))

    # Of n items some 40 * ln(n / 40) are ever the lowest so far.
    assert len(kept) < 600
    assert under_way.drawn().population == 50_000


# --- Populations ----------------------------------------------------------------------------------

OCTOBER = Within(
    start=day("2026-10-01"),
    end=day("2026-11-01"),
    observed_from=day("2026-10-01"),
    as_of=day("2026-11-01") * DAY_US,
    environment="prod",
)
EACH: dict[str, Any] = {
    "kind": "each",
    "population": {"all": [["action", "eq", "tool.invoke"]]},
    "pass_when": {"all": []},
}


def sampled(
    definition: dict[str, Any], entries: Iterable[EntryView], within: Within = OCTOBER
) -> Drawn:
    return draw(seed(), population_of(lens(definition), within), entries)


def test_the_population_is_what_the_check_looks_at_in_the_period_and_environment() -> None:
    at = "2026-10-04T10:00:00Z"
    entries = [
        entry(0, "tool.invoke", at=at),
        entry(1, "tool.invoke", at=at, environment=None),
        entry(2, "tool.invoke", at=at, environment="staging"),
        entry(3, "tool.invoke", at="2026-09-30T23:59:59.999999Z"),
        entry(4, "tool.invoke", at="2026-11-01T00:00:00Z"),
        entry(5, "run.completed", at=at),
    ]

    found = sampled(EACH, entries)

    assert sorted(names(found)) == ["0", "1"]
    assert found.population == 2


def test_all_environments_are_one_when_the_result_was_of_all() -> None:
    everywhere = Within(
        start=OCTOBER.start, end=OCTOBER.end, observed_from=OCTOBER.observed_from,
        as_of=OCTOBER.as_of, environment=None,
    )  # fmt: skip
    entries = [entry(0, "tool.invoke", at="2026-10-04", environment="staging")]

    assert names(sampled(EACH, entries, everywhere)) == ["0"]


def test_a_check_that_goes_by_arrival_takes_the_day_of_arrival_and_all_environments() -> None:
    entries = [
        entry(0, "tool.invoke", at="2026-09-30", received="2026-10-02", environment="test"),
        entry(1, "tool.invoke", at="2026-10-30", received="2026-11-02"),
    ]

    assert names(sampled(EACH | {"clock": "received_at"}, entries)) == ["0"]


def test_an_item_names_the_entry_to_look_at() -> None:
    one = entry(3, "tool.invoke", at="2026-10-04T10:00:00Z", agent="alice")

    (item,) = sampled(EACH, [one]).items

    assert (item.seq, item.item, item.stratum) == (3, "3", "alice")
    assert item.entry_hash == one.read("entry_hash")
    assert item.occurred_at == "2026-10-04T10:00:00.000000Z"


def test_a_gap_takes_only_entries_that_have_what_is_measured() -> None:
    definition = {
        "kind": "gap",
        "population": {"all": []},
        "key": ["agent.id"],
        "measure": "client_seq",
        "max_gap": 1,
    }
    entries = [
        entry(0, "tool.invoke", {"client_seq": 1}, at="2026-10-04"),
        entry(1, "tool.invoke", at="2026-10-04"),
    ]

    assert names(sampled(definition, entries)) == ["0"]


CADENCE: dict[str, Any] = {
    "kind": "cadence",
    "match": {"all": [["action", "eq", "audit.chain_verified"]]},
    "every": "PT24H",
}


def test_the_items_of_a_cadence_are_days_with_the_match_that_each_can_rest_on() -> None:
    within = Within(
        start=day("2026-10-01"), end=day("2026-10-11"), observed_from=day("2026-10-03"),
        as_of=us("2026-10-06T12:00:00Z"), environment="prod",
    )  # fmt: skip
    entries = [
        entry(0, "audit.chain_verified", at="2026-10-03T10:00:00Z"),
        entry(1, "audit.chain_verified", at="2026-10-03T20:00:00Z"),
        entry(2, "audit.chain_verified", at="2026-10-06T09:00:00Z"),
    ]

    found = sampled(CADENCE, entries, within)

    assert {one.item: one.seq for one in found.items} == {
        "2026-10-03": 1,
        "2026-10-04": NO_ENTRY,
        "2026-10-05": NO_ENTRY,
        "2026-10-06": 2,
    }


def test_a_cadence_looks_back_as_far_as_its_window_reaches() -> None:
    assert looks_back(lens(CADENCE)) == 1
    assert looks_back(lens(CADENCE | {"every": "P90D"})) == 90
    assert looks_back(lens(EACH)) == 0


def test_the_items_of_a_rate_are_its_large_buckets_with_their_newest_entry() -> None:
    definition = {
        "kind": "rate",
        "population": {"all": [["action", "eq", "tool.invoke"]]},
        "numerator": {"all": [["outcome", "eq", "error"]]},
        "key": ["agent.id"],
        "threshold": "0.1",
        "min_denominator": 2,
    }
    entries = [
        entry(0, "tool.invoke", at="2026-10-04T10:00:00Z", agent="alice"),
        entry(1, "tool.invoke", at="2026-10-04T11:00:00Z", agent="alice"),
        entry(2, "tool.invoke", at="2026-10-04T11:00:00Z", agent="bob"),
    ]

    (item,) = sampled(definition, entries).items

    assert (item.item, item.stratum, item.seq) == ("2026-10-04/alice", "alice", 1)


@pytest.mark.parametrize("check", sorted(shipped().checks))
def test_every_shipped_check_has_a_population_that_can_be_drawn_and_said(check: str) -> None:
    of = lens(check)
    entries = [entry(n, "tool.invoke", at="2026-10-04T10:00:00Z") for n in range(3)]

    found = draw(seed(), population_of(of, OCTOBER), entries)

    assert len(found.items) <= found.population
    assert words(of).endswith(".")


def test_entries_that_no_item_can_come_of_are_told_by_their_action() -> None:
    asking = Asking(lens(EACH))

    assert asking.may_care("tool.invoke", "tool_call")
    assert not asking.may_care("run.completed", "run")


# --- By hand --------------------------------------------------------------------------------------


def test_the_ten_lines_of_the_documentation_draw_the_same_sample() -> None:
    (code,) = re.findall(r"```python\n(.*?)```", DOCS.read_text(), re.DOTALL)
    items = [str(seq) for seq in range(300)]
    given = {"head_hash": HEAD, "number": "4711", "control": "CC6.1", "check": "TOOL-04"}
    told: dict[str, Any] = {"items": items, **given}

    exec(compile(ast.parse(code), str(DOCS), "exec"), told)  # noqa: S102  # our own page

    assert told["sample"] == names(drawn(of_one(300)))
