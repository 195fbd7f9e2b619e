"""Senders who wish metrics ill: names without end, impossible values, clocks years off, crowds.

Whatever they send, three things hold. No family has more series than its cap, nor all together
more than was promised. Nothing is lost: an entry that finds no place is in `_other`, and the sum
over labels is the number of entries. And it is said how many there were.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any, Final

import pytest

from audit.append import append_pending
from audit.database import rows
from audit.ledgers import open_ledger
from audit.models import Ledger
from audit.project import catch_up
from metrics.agent_families import AGENT_ERRORS, LLM_REQUESTS, TOOL_CALLS
from metrics.families import BY_NAME
from metrics.family import Family
from metrics.fold import FoldState, Increments, Known, Names, Seen, fold
from metrics.increments import Cell
from metrics.labels import CAPS, Key
from metrics.looks import fold_records
from metrics.rollup import Rollups
from tests.conftest import GOVERNANCE, chain, make_event, post
from tests.metrics.entries import NOON, SECOND, record, registered, seen
from tests.metrics.made import OVERFLOW, REFUSED, counted, refused
from tests.metrics.scraping import families_of, rendered
from tests.metrics.test_rollup import counter, now
from tests.sizes import size

BUDGET: Final = 10_000
"""Series of all families together, as Prometheus counts them."""
BOMB: Final = 10_000
YEAR: Final = 365 * 86_400 * SECOND
EVENTS: Final = "obs_events_total"
LATE: Final = "obs_events_backfilled_total"


def folded(
    entries: Iterable[Seen], *, names: Names | None = None, state: FoldState | None = None
) -> Increments:
    """Fold entries as the projection does, in its batches."""
    names, state = names or Names(), state or FoldState()
    records = [record(each) for each in entries]
    made = Increments()
    for start in range(0, len(records), 2_000):
        part = records[start : start + 2_000]
        made.add(fold_records(part, state, names=names, known=Known()))
    return made


def assert_bounded(keys: Iterable[Key]) -> None:
    series = Counter(name for name, _ in keys)
    over = {name: number for name, number in series.items() if number > BY_NAME[name].cap}
    assert over == {}
    samples = sum(
        number * (len(BY_NAME[name].edges) + 3 if BY_NAME[name].kind == "histogram" else 1)
        for name, number in series.items()
    )
    assert samples <= BUDGET


def keys_of(cell: Cell) -> list[Key]:
    return [*cell.counts, *cell.histograms]


# --- Label bombs ---------------------------------------------------------------------------------


def a_tool(number: int) -> Seen:
    return seen("tool.invoke", tool={"name": f"tool-{number}"}, duration_ms=5)


def an_error(number: int) -> Seen:
    return seen("run.completed", outcome="error", error={"type": f"Error{number}"}, duration_ms=5)


def a_model(number: int) -> Seen:
    return seen(
        "llm.call",
        model={"provider": f"p{number % 7}", "name": f"model-{number}"},
        usage={"input_tokens": 1, "output_tokens": 1, "cost_usd": 0.001},
    )


@pytest.mark.parametrize(
    ("make", "family", "learned"),
    [(a_tool, TOOL_CALLS, "tool"), (an_error, AGENT_ERRORS, "error_type"),
     (a_model, LLM_REQUESTS, "model")],
)  # fmt: skip
def test_ten_thousand_names_fill_a_list_and_the_rest_is_other_and_said(
    make: Callable[[int], Seen], family: Family, learned: str
) -> None:
    names = Names()

    made = folded(map(make, range(BOMB)), names=names)

    assert_bounded(keys_of(made.totals))
    assert sum(counted(made, family.name).values()) == BOMB
    assert sum(counted(made, EVENTS).values()) == BOMB
    said = counted(made, OVERFLOW)
    assert said[learned,] == BOMB - CAPS[learned]
    # Between the family's own places and those of the list: the list knew them, the family not.
    assert said[family.name,] == CAPS[learned] - (family.cap - family.reserve)
    assert len(names.learned()) < BUDGET


def test_names_in_every_field_at_once_stay_within_the_budget_and_lose_nothing() -> None:
    def entries() -> Iterable[Seen]:
        for number in range(BOMB):
            yield (a_tool, an_error, a_model)[number % 3](number)
            yield registered(f"agent-{number}", f"name {number}")
            yield seen(
                "workflow.step_failed",
                agent=f"agent-{number}",
                environment=("prod", "staging", "test", "dev")[number % 4],
                workflow={"name": f"w{number}", "step_type": f"s{number}"},
                duration_ms=number,
            )

    made = folded(entries())

    assert_bounded(keys_of(made.totals))
    assert_bounded(made.gauges)
    assert sum(counted(made, EVENTS).values()) == 3 * BOMB
    assert sum(counted(made, "obs_audit_actions_total").values()) == 3 * BOMB
    assert sum(counted(made, "obs_agent_operations_total").values()) == 3 * BOMB
    assert counted(made, OVERFLOW)["agent",] == BOMB - CAPS["agent"]


def test_spellings_made_to_look_like_our_own_words_are_nobody_s_cover() -> None:
    cover = ["_other", "__OTHER", "_none", "\u202eother", "a b", "a\nb", 'a"} 1', "x" * 5_000]
    names = Names()

    made = folded([seen("tool.invoke", tool={"name": name}) for name in cover], names=names)

    tools = {tool for tool, _, _ in counted(made, TOOL_CALLS.name)}
    assert "_other" not in tools
    assert all(len(tool) <= 64 and not set(tool) & set(' \n"{}\\') for tool in tools)
    assert sum(counted(made, TOOL_CALLS.name).values()) == len(cover)


# --- Values --------------------------------------------------------------------------------------

IMPOSSIBLE: Final = [
    (-1, "negative"), (-1e300, "negative"), (1e300, "absurd"), (2**53 - 1, "absurd"),
    ("NaN", "absurd"), ("12", "absurd"), ([], "absurd"), ({"$gt": 0}, "absurd"), (None, "missing"),
]  # fmt: skip
NO_JSON: Final = [(math.inf, "absurd"), (-math.inf, "negative"), (math.nan, "absurd")]
"""No record holds them: only who calls the fold past all doors."""


def by_plans(entries: list[Seen]) -> Increments:
    return folded(entries)


def by_rules(entries: list[Seen]) -> Increments:
    return fold(entries, FoldState(), names=Names())


@pytest.mark.parametrize(
    ("fold_all", "value", "reason"),
    [(by_plans, *one) for one in IMPOSSIBLE]
    + [(by_rules, *one) for one in (*IMPOSSIBLE, *NO_JSON)],
)  # fmt: skip
def test_an_impossible_value_is_refused_by_each_family_and_the_entry_counts(
    fold_all: Callable[[list[Seen]], Increments], value: Any, reason: str
) -> None:
    entries = [
        seen("tool.invoke", tool={"name": "t", "result_bytes": value}, duration_ms=value),
        seen("llm.call", model={}, usage={"input_tokens": value, "cost_usd": value}),
        seen("llm.call", model={}, usage={"input_tokens": 5, "cost_usd": 0.5}, duration_ms=1),
    ]

    made = fold_all(entries)

    said = refused(made)
    assert said["obs_tool_execution_duration_seconds", reason] == 1
    assert said["obs_tool_result_size_bytes", reason] == 1
    assert said["obs_llm_tokens_total", reason] == 1
    assert said["obs_llm_cost_usd_total", reason] == 1
    assert sum(counted(made, "obs_llm_tokens_total").values()) == 5
    assert sum(counted(made, "obs_llm_cost_usd_total").values()) == 500_000_000
    assert sum(counted(made, EVENTS).values()) == len(entries)


def test_numbers_that_no_json_has_are_turned_away_at_the_door_and_count_nowhere(
    ledger: Ledger,
) -> None:
    usual = json.dumps(make_event(occurred_at=now(), duration_ms=7777))
    sent = [
        usual.replace("7777", said).encode()
        for said in ("NaN", "Infinity", "-Infinity", "1e400", "-1", '"12"')
    ]
    absurd = make_event(occurred_at=now(), duration_ms=1e300)

    receipts = post(ledger, sent)
    chain(ledger, [absurd])
    catch_up(ledger.id, Rollups())

    assert {each.status for each in receipts} == {"rejected"}
    assert sum(counter(ledger, EVENTS).values()) == 1
    assert counter(ledger, REFUSED)["obs_tool_execution_duration_seconds absurd"] == 1


# --- Clocks --------------------------------------------------------------------------------------


def test_clocks_that_are_years_off_write_no_history_to_come_and_lose_nothing() -> None:
    off = [0, YEAR, -YEAR, 30 * YEAR, -30 * YEAR, 7_000 * YEAR, SECOND, -SECOND]
    entries = [
        seen("tool.invoke", at=NOON + ahead, received=NOON, tool={"name": "t"}, duration_ms=1)
        for ahead in off
    ]

    made = folded(entries)

    late = sum(counted(made, LATE).values())
    assert late == 2
    assert sum(counted(made, EVENTS).values()) + late == len(off)
    assert refused(made)["obs_ingest_lag_seconds", "negative"] == 4
    assert max(made.minutes) == NOON // (60 * SECOND)
    assert_bounded(keys_of(made.totals))


def test_clocks_that_are_years_off_make_no_tables_and_hide_nobody(ledger: Ledger) -> None:
    days = "SELECT count(*) FROM pg_inherits WHERE inhparent = 'metrics_minute'::regclass"
    before = rows(days)[0][0]
    years = ["0001", "1970", "2001", "2400", "9999"]
    away = [make_event(occurred_at=f"{year}-06-01T00:00:00Z") for year in years]

    chain(ledger, [*away, make_event(occurred_at=now())])
    catch_up(ledger.id, Rollups())

    live, late = counter(ledger, EVENTS), counter(ledger, LATE)
    assert sum(live.values()) == 3
    assert sum(late.values()) == 3
    assert rows(days)[0][0] - before <= 1  # at most today's, were the test to cross midnight
    ahead = "SELECT count(*) FROM metrics_minute WHERE ledger_id = %s AND minute > now()"
    assert rows(ahead, (ledger.id,)) == [(0,)]


# --- Crowds --------------------------------------------------------------------------------------


def test_a_hundred_thousand_agents_fill_what_is_remembered_and_all_are_counted() -> None:
    crowd, names, state = 100_000, Names(), FoldState()

    made = Increments()
    for start in range(0, crowd, 5_000):
        some = range(start, start + 5_000)
        made.add(
            folded(
                [
                    seen("tool.invoke", agent=f"agent-{n}", tool={"name": "t"}, duration_ms=1)
                    if n % 5
                    else registered(f"agent-{n}")
                    for n in some
                ],
                names=names,
                state=state,
            )
        )

    assert_bounded(keys_of(made.totals))
    assert made.entries == crowd
    assert sum(counted(made, EVENTS).values()) == crowd
    assert sum(counted(made, "obs_agent_operations_total").values()) == crowd
    assert sum(counted(made, TOOL_CALLS.name).values()) == crowd * 4 // 5
    assert counted(made, OVERFLOW)["agent",] == crowd // 5 - CAPS["agent"]
    assert len(json.dumps(state.as_json())) < 50_000
    assert len(names.learned()) < 1_000


CROWD: Final = size(2_500, 5_000)
"""More than all the names that may be learned, so that learning without end would show."""


def test_thousands_of_agents_with_names_for_all_stay_within_the_page(alone: None) -> None:
    ledger = open_ledger("crowded")
    for start in range(0, CROWD, 500):
        some = range(start, start + 500)
        post(ledger, [a_registration(number) for number in some], sender=GOVERNANCE)
        post(ledger, [a_failure(number) for number in some])
        append_pending(ledger.id)
        catch_up(ledger.id, Rollups())

    said, overflow = counter(ledger, EVENTS), counter(ledger, OVERFLOW)
    assert sum(said.values()) == 2 * CROWD
    assert sum(counter(ledger, "obs_tool_calls_total").values()) == CROWD
    assert sum(counter(ledger, "obs_tool_errors_total").values()) == CROWD
    assert overflow["agent"] == CROWD - CAPS["agent"]
    assert overflow["tool"] == CROWD - CAPS["tool"]
    assert overflow["error_type"] == CROWD - CAPS["error_type"]
    stored = rows("SELECT family, labels FROM metrics_total")
    assert_bounded((family, (labels,)) for family, labels in stored)
    ((learned,),) = rows("SELECT count(*) FROM metrics_name")
    assert learned < 2_000
    samples = [sample for family in families_of(rendered()).values() for sample in family.samples]
    assert len(samples) <= BUDGET


def a_registration(number: int) -> dict[str, Any]:
    return make_event(
        occurred_at=now(),
        action="agent.registered",
        category="agent_lifecycle",
        agent={"id": f"agent-{number}", "name": f"Agent {number}"},
    )


def a_failure(number: int) -> dict[str, Any]:
    return make_event(
        occurred_at=now(),
        outcome="error",
        duration_ms=number,
        agent={"id": f"agent-{number}"},
        tool={"name": f"tool-{number}"},
        error={"type": f"Error{number}"},
    )
