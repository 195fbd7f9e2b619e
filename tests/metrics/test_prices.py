"""Prices: reading them, all or nothing, what they do to costs, and which models lack one."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from audit.database import rows
from audit.models import Ledger
from audit.project import catch_up, rebuild
from metrics import prices
from metrics.acting import ChangeRefused
from metrics.models import Price
from metrics.rollup import Rollups
from tests.conftest import chain, make_event
from tests.metrics.deciding import newest_change

pytestmark = pytest.mark.usefixtures("undecided")

HEAD = "provider,model,starts_at,input,output,cache_read,reasoning\n"
LINE = {
    "provider": "Acme",
    "model": "M 1",
    "starts_at": "2026-01-01",
    "input": "2.5",
    "output": "10",
}


def enter(*lines: str) -> int:
    return prices.enter(prices.read_csv(HEAD + "\n".join(lines)), by="alice")


def asked(model: str = "m1", **usage: float) -> Any:
    return make_event(
        occurred_at=datetime.now(UTC).isoformat(),
        category="llm_call",
        action="llm.call",
        model={"provider": "acme", "name": model},
        usage={"input_tokens": 1_000_000, "output_tokens": 0} | usage,
    )


def cost(ledger: Ledger) -> Decimal:
    found = rows(
        "SELECT coalesce(sum(n), 0) FROM metrics_total "
        "WHERE ledger_id = %s AND family = 'obs_llm_cost_usd_total'",
        (ledger.id,),
    )
    return Decimal(found[0][0]) / 1_000_000_000


def fold(ledger: Ledger, *events: Any) -> None:
    chain(ledger, events)
    catch_up(ledger.id, Rollups())


def test_a_price_is_kept_as_labels_say_its_model_and_is_an_entry() -> None:
    assert prices.enter([prices.read_price(LINE)], by="alice") == 1

    price = Price.objects.get()
    assert (price.provider, price.model) == ("acme", "m_1")
    assert price.starts_at == datetime(2026, 1, 1, tzinfo=UTC)
    event = newest_change()
    assert event["target"] == {"type": "model_price", "id": "acme/m_1"}
    assert event["details"] == {
        "change": "entered",
        "starts_at": "2026-01-01T00:00:00+00:00",
        "usd_per_million": {"input": "2.5", "output": "10", "cache_read": "0", "reasoning": "0"},
    }


@pytest.mark.parametrize(
    ("column", "value", "said"),
    [
        ("provider", " ", "is needed"),
        ("model", "", "is needed"),
        ("starts_at", "yesterday", "is a day such as"),
        ("starts_at", "0001-01-01", "is a day such as"),
        ("input", "", "is US dollars"),
        ("input", "-1", "is 0 or more"),
        ("output", "nan", "is at most 1,000,000"),
        ("output", "1e9", "is at most 1,000,000"),
        ("output", "0.0000001", "at most 6 places"),
        ("cache_read", "cheap", "is US dollars"),
    ],
)
def test_a_price_that_is_wrong_is_refused_by_its_column(column: str, value: str, said: str) -> None:
    with pytest.raises(ChangeRefused) as refused:
        prices.read_price(LINE | {column: value})

    assert list(refused.value.errors) == [column]
    assert said in refused.value.errors[column]


def test_what_input_holds_already_is_a_negative_price() -> None:
    price = prices.read_price(LINE | {"cache_read": "-1.25"})

    assert price.dollars == (Decimal("2.5"), Decimal(10), Decimal("-1.25"), Decimal(0))


def test_of_a_csv_with_one_wrong_line_nothing_is_taken_and_each_problem_has_its_place() -> None:
    with pytest.raises(ChangeRefused) as refused:
        enter("acme,m1,2026-01-01,1,2,,", "acme,m2,soon,1,x,,", "acme,m1,2026-01-01,3,4,,", "a,b")

    assert refused.value.problems == (
        "line 3, column starts_at: it is a day such as 2026-03-01 or a time such as "
        "2026-03-01T12:00Z",
        "line 3, column output: it is US dollars per million tokens, such as 2.50",
        "line 4, column starts_at: acme/m1 has a price from this moment in line 2 already",
        "line 5: it has 2 columns, not 7",
    )
    assert not Price.objects.exists()


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("provider,model,starts_at,input\n", "line 1: the column output is missing"),
        (HEAD.replace("input", "inputs"), "line 1: inputs is no column; they are"),
        (HEAD.replace("cache_read", "output"), "line 1: the column output comes twice"),
        (HEAD + '"acme,m1', "line 2: unexpected end of data"),
    ],
)
def test_a_csv_of_other_columns_says_which(text: str, problem: str) -> None:
    with pytest.raises(ChangeRefused) as refused:
        prices.read_csv(text)

    assert any(each.startswith(problem) for each in refused.value.problems)


@pytest.mark.parametrize("text", ["", "\n \n", "a\0b"])
def test_an_empty_csv_says_what_it_should_hold(text: str) -> None:
    with pytest.raises(ChangeRefused) as refused:
        prices.read_csv(text)

    assert list(refused.value.errors) == ["csv"]


def test_too_many_lines_are_refused_at_once() -> None:
    lines = "\n".join(f"acme,m{n},2026-01-01,1,2,," for n in range(prices.MOST_LINES + 1))

    with pytest.raises(ChangeRefused, match="upload at most 500 at once"):
        prices.read_csv(HEAD + lines)


def test_a_download_is_taken_again_and_changes_nothing() -> None:
    enter("acme,m1,2026-01-01,2.5,10,-1.25,0.000001", "acme,m1,2026-06-01T12:00Z,2,8,,")

    text = prices.as_csv()

    assert prices.enter(prices.read_csv("\ufeff" + text), by="bob") == 0
    assert text.splitlines()[1:] == [
        "acme,m1,2026-06-01T12:00:00Z,2,8,0,0",
        "acme,m1,2026-01-01T00:00:00Z,2.5,10,-1.25,0.000001",
    ]


def test_a_price_of_the_same_moment_replaces_the_one_before() -> None:
    enter("acme,m1,2026-01-01,2.5,10,,")
    enter("acme,m1,2026-01-01,3,10,,")

    event = newest_change()
    assert event["details"]["before"]["input"] == "2.5"
    assert [price.input for price in prices.standing()] == [Decimal(3)]
    assert Price.objects.filter(removed_by="alice").count() == 1


def test_a_request_without_a_cost_is_counted_at_the_price_of_its_moment(ledger: Ledger) -> None:
    enter("acme,m1,2026-01-01,2.5,10,,", "acme,m1,2199-01-01,99,99,,")
    fold(ledger, asked(), asked(cost_usd=0.75))

    assert cost(ledger) == Decimal("3.25")


def test_what_was_counted_keeps_its_cost_until_a_rebuild(ledger: Ledger) -> None:
    enter("acme,m1,2026-01-01,2.5,10,,")
    fold(ledger, asked())
    enter("acme,m1,2026-01-01,4,10,,")
    assert cost(ledger) == Decimal("2.5")

    rebuild(ledger, Rollups())
    assert cost(ledger) == Decimal(4)

    prices.remove(prices.standing()[0], by="alice")
    rebuild(ledger, Rollups())
    assert cost(ledger) == 0


def test_removing_is_an_entry_and_happens_once() -> None:
    enter("acme,m1,2026-01-01,2.5,10,,")
    price = Price.objects.get()
    prices.remove(price, by="bob")

    assert newest_change()["details"]["change"] == "removed"
    with pytest.raises(ChangeRefused, match="removed before"):
        prices.remove(price, by="bob")


def test_models_without_a_price_are_told_the_most_asked_first(ledger: Ledger) -> None:
    before = prices.without_cost()
    enter("acme,known-model,2026-01-01,1,1,,", "acme,later-model,2199-01-01,1,1,,")
    fold(
        ledger,
        asked("known-model"),
        asked("later-model"),
        *(asked("rare-model") for _ in range(3)),
    )

    found = [each.model for each in prices.unpriced(datetime.now(UTC))]
    assert "known-model" not in found
    assert found.index("rare-model") < found.index("later-model")
    assert prices.without_cost() == before + 4
