"""Budgets: periods, the straight line, whom they cover, late entries, and what a change leaves."""

from __future__ import annotations

import uuid
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pytest_django import Settings

from audit.agents import AgentRegistry
from audit.models import Ledger
from audit.project import catch_up
from metrics import budgets
from metrics.acting import ChangeRefused
from metrics.budgets import Draft
from metrics.models import Budget
from metrics.rollup import Rollups
from metrics.spending import Period, Spending, bounds, cents, reckon
from tests.conftest import GOVERNANCE, chain, make_event
from tests.metrics.deciding import newest_change

DOLLAR = 1_000_000_000
WEDNESDAY = date(2026, 11, 18)


# --- Reckoning -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("period", "today", "first", "last"),
    [
        ("day", WEDNESDAY, WEDNESDAY, WEDNESDAY),
        ("week", WEDNESDAY, date(2026, 11, 16), date(2026, 11, 22)),
        ("week", date(2026, 11, 16), date(2026, 11, 16), date(2026, 11, 22)),
        ("week", date(2027, 1, 1), date(2026, 12, 28), date(2027, 1, 3)),
        ("month", WEDNESDAY, date(2026, 11, 1), date(2026, 11, 30)),
        ("month", date(2026, 12, 31), date(2026, 12, 1), date(2026, 12, 31)),
        ("month", date(2028, 2, 29), date(2028, 2, 1), date(2028, 2, 29)),
    ],
)
def test_a_period_has_its_bounds(period: Period, today: date, first: date, last: date) -> None:
    assert bounds(period, today) == (first, last)


@given(st.dates(date(1970, 1, 1), date(2199, 12, 31)), st.sampled_from(["day", "week", "month"]))
def test_every_day_is_in_its_period_and_periods_touch(today: date, period: Period) -> None:
    first, last = bounds(period, today)

    assert first <= today <= last
    assert bounds(period, last + timedelta(days=1))[0] == last + timedelta(days=1)
    assert bounds(period, first) == (first, last)


def test_the_forecast_is_a_straight_line_from_the_beginning() -> None:
    spent = {date(2026, 11, 1): 20 * DOLLAR, date(2026, 11, 10): 10 * DOLLAR}
    spent[date(2026, 10, 31)] = 999 * DOLLAR

    found = reckon("month", Decimal(100), spent, datetime(2026, 11, 16, tzinfo=UTC))

    assert (found.used, found.left, found.forecast) == (Decimal(30), Decimal(70), Decimal(60))
    assert (found.percent, found.word) == (30, "within")
    assert [day for day, _ in found.days] == [
        date(2026, 11, 1) + timedelta(days=n) for n in range(16)
    ]
    assert sum(usd for _, usd in found.days) == found.used


@pytest.mark.parametrize(
    ("used", "word"), [(0, "within"), (49, "within"), (51, "heading_over"), (101, "over")]
)
def test_a_budget_has_a_word_for_how_it_stands(used: int, word: str) -> None:
    noon = datetime(2026, 11, 18, 12, tzinfo=UTC)

    assert reckon("day", Decimal(100), {WEDNESDAY: used * DOLLAR}, noon).word == word


def test_all_of_it_is_a_hundred_percent_and_not_before() -> None:
    noon = datetime(2026, 11, 18, 12, tzinfo=UTC)
    found = reckon("day", Decimal(100), {WEDNESDAY: 100 * DOLLAR - 1}, noon)

    assert found.percent == 99


@pytest.mark.parametrize(
    ("usd", "said"),
    [("1234.5", "$1,234.50"), ("0", "$0.00"), ("-2", "-$2.00"), ("0.0042", "$0.0042")],
)
def test_money_is_said_as_people_read_it(usd: str, said: str) -> None:
    assert cents(Decimal(usd)) == said


# --- Rows ----------------------------------------------------------------------------------------


def draft(**fields: str) -> Draft:
    return Draft(**{"name": "board", "covers": "all", "period": "month", "usd": "100"} | fields)


def make(**fields: str) -> Budget:
    return budgets.make(draft(**fields), by="alice")


def stands(budget: Budget, now: datetime | None = None) -> Spending:
    return budgets.spendings([budget], now or datetime.now(UTC))[budget.id]


def register(agent: str, name: str, owner: str) -> Any:
    return make_event(
        occurred_at=datetime.now(UTC).isoformat(),
        category="agent_lifecycle",
        action="agent.registered",
        agent={"id": agent, "name": name, "owner": owner},
    )


def spent(agent: str, usd: float, *, at: datetime | None = None, model: str = "m1") -> Any:
    return make_event(
        occurred_at=(at or datetime.now(UTC)).isoformat(),
        category="llm_call",
        action="llm.call",
        agent={"id": agent},
        model={"provider": "acme", "name": model},
        usage={"input_tokens": 1, "output_tokens": 1, "cost_usd": usd},
    )


def fold(ledger: Ledger, *events: Any) -> None:
    chain(ledger, events, sender=GOVERNANCE)
    catch_up(ledger.id, AgentRegistry())
    catch_up(ledger.id, Rollups())


@pytest.fixture
def two_teams(ledger: Ledger, undecided: None) -> Ledger:
    fold(
        ledger,
        register("a-1", "Alice", "support"),
        register("b-1", "Bob", "support"),
        register("c-1", "Carol", "research"),
        spent("a-1", 1),
        spent("b-1", 2, model="m2"),
        spent("c-1", 4),
        spent("stranger", 8),
    )
    return ledger


@pytest.mark.parametrize(
    ("covers", "value", "used"),
    [
        ("all", "", 15),
        ("agent", "Alice", 1),
        ("agent", "nobody", 0),
        ("team", "support", 3),
        ("team", "research", 4),
        ("model", "Acme/M1", 13),
        ("model", "acme/m2", 2),
    ],
)
def test_a_budget_counts_what_it_covers(
    two_teams: Ledger, covers: str, value: str, used: int
) -> None:
    budget = make(covers=covers, value=value, ledger=two_teams.name)

    assert stands(budget).used == used


def test_agents_have_budgets_also_where_labels_do_not_tell_them_apart(
    ledger: Ledger, undecided: None, settings: Settings
) -> None:
    settings.METRICS_AGENT_LABEL = "off"
    fold(ledger, register("a-1", "Alice", "support"), spent("a-1", 3), spent("x", 1))

    assert stands(make(covers="agent", value="alice", ledger=ledger.name)).used == 3
    assert stands(make(name="t", covers="team", value="support", ledger=ledger.name)).used == 3


def test_a_budget_of_all_ledgers_adds_them_up(ledger: Ledger, undecided: None) -> None:
    model = f"m-{uuid.uuid4().hex[:12]}"
    fold(ledger, spent("a", 2, model=model))

    assert stands(make(covers="model", value=f"acme/{model}")).used == 2


def test_entries_that_come_late_count_on_their_own_day(ledger: Ledger, undecided: None) -> None:
    now = datetime.now(UTC)
    first = now.replace(day=1, hour=0, minute=0, second=1)
    fold(
        ledger, spent("a", 5, at=first), spent("a", 1), spent("a", 7, at=first - timedelta(days=1))
    )
    budget = make(ledger=ledger.name)

    days = dict(stands(budget).days)
    assert days[first.date()] >= 5
    assert stands(budget).used == 6
    assert stands(budget, first - timedelta(hours=1)).used == 7


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"name": "Board room"}, "name"),
        ({"covers": "everyone"}, "covers"),
        ({"covers": "agent"}, "value"),
        ({"covers": "all", "value": "alice"}, "value"),
        ({"covers": "model", "value": "gpt-4o"}, "value"),
        ({"covers": "team", "value": "a\0b"}, "value"),
        ({"ledger": "nowhere"}, "ledger"),
        ({"period": "year"}, "period"),
        ({"usd": ""}, "usd"),
        ({"usd": "0"}, "usd"),
        ({"usd": "-5"}, "usd"),
        ({"usd": "1.001"}, "usd"),
        ({"usd": "inf"}, "usd"),
        ({"usd": "1e12"}, "usd"),
    ],
)
def test_a_draft_that_is_wrong_is_refused_by_its_field(
    undecided: None, fields: dict[str, str], field: str
) -> None:
    with pytest.raises(ChangeRefused) as refused:
        make(**fields)

    assert list(refused.value.errors) == [field]
    assert not Budget.objects.exists()


def test_each_act_is_an_entry_with_what_was_and_what_is(undecided: None) -> None:
    budget = make()
    assert newest_change()["details"] == {
        "change": "made",
        "covers": "all",
        "value": "",
        "ledger": "",
        "period": "month",
        "usd": "100.00",
    }

    budgets.change(budget, draft(usd="$1,250.50", period="week"), by="bob")
    event = newest_change()
    assert event["target"] == {"type": "budget", "id": "board"}
    assert event["details"]["before"]["usd"] == "100.00"
    assert event["details"]["after"]["usd"] == "1250.50"
    assert (budget.period, budget.changed_by) == ("week", "bob")

    budgets.end(budget, by="carol")
    assert newest_change()["details"]["change"] == "ended"
    assert newest_change()["actor"]["id"] == "carol"


def test_a_name_is_free_again_once_its_budget_has_ended(undecided: None) -> None:
    budget = make()
    with pytest.raises(ChangeRefused, match="is taken"):
        make(usd="5")

    budgets.end(budget, by="alice")
    assert make(usd="5").usd == 5
    with pytest.raises(ChangeRefused, match="ended before"):
        budgets.change(budget, draft(usd="7"), by="alice")
    with pytest.raises(ChangeRefused, match="ended before"):
        budgets.end(budget, by="alice")


def test_a_change_of_nothing_leaves_no_entry(undecided: None) -> None:
    budget = make()

    with pytest.raises(ChangeRefused, match="nothing was changed"):
        budgets.change(budget, draft(), by="alice")


def test_metrics_tell_amount_and_used_share_of_what_stands(two_teams: Ledger) -> None:
    make(ledger=two_teams.name, usd="30")
    budgets.end(make(name="gone"), by="alice")

    assert budgets.budget_facts() == {
        ("obs_llm_budget_usd", ("board",)): 30.0,
        ("obs_llm_budget_used_ratio", ("board",)): 0.5,
    }


def test_metrics_tell_no_more_budgets_than_their_families_have_room_for(undecided: None) -> None:
    for number in range(budgets.EXPOSED + 2):
        make(name=f"b{number}")

    facts = budgets.budget_facts()
    assert len(facts) == 2 * budgets.EXPOSED
    assert ("obs_llm_budget_usd", ("b0",)) in facts
