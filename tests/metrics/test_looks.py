"""Plans give what rules give: the same sums, labels, refusals and exemplars, in any batches."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from metrics.agent_families import AGENT_EXECUTION_SECONDS, TASK_RECOVERY_SECONDS
from metrics.columns import Columns
from metrics.fold import FoldState, Increments, Names, Seen, fold
from metrics.folding import EDGES
from metrics.known import Known, Price
from metrics.labels import AgentLabel
from metrics.ledger_families import INGEST_LAG
from metrics.looks import fold_records
from metrics.plans import LAG, Observed, Plan
from metrics.platform_families import REFUSED
from metrics.shapes import SHAPES
from metrics.states import GAUGES, MOST_OPEN
from tests.metrics.entries import NOON, SECOND, record, registered, seen, stream
from tests.metrics.made import counted

USD = 1_000_000_000
MISSING = {(AGENT_EXECUTION_SECONDS.name, "missing"): MOST_OPEN}
KNOWN = Known(prices={("openai", "a"): [Price(from_us=0, input=2_000_000, output=6_000_000_000)]})


def by_rules(entries: list[Seen], state: FoldState, names: Names) -> Increments:
    return fold(entries, state, names=names, known=KNOWN)


def by_plans(entries: list[Seen], state: FoldState, names: Names) -> Increments:
    return fold_records([record(each) for each in entries], state, names=names, known=KNOWN)


@pytest.mark.parametrize("bomb", [False, True])
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("batch", [1, 7, 3_000])
def test_a_stream_folds_to_the_same_by_plans_and_by_rules(
    seed: int, bomb: bool, batch: int
) -> None:
    entries = stream(seed, 500, bomb=bomb)
    one, other = FoldState(), FoldState()
    mine, theirs = Names(max_agents=2), Names(max_agents=2)
    for start in range(0, len(entries), batch):
        part = entries[start : start + batch]
        expected = by_rules(part, one, theirs)
        found = by_plans(part, other, mine)
        assert found.totals == expected.totals
        assert found.minutes == expected.minutes
        assert found == expected
    assert mine.learned() == theirs.learned()
    assert other == one


@pytest.mark.parametrize("seed", range(2))
def test_a_price_that_comes_later_counts_from_then_on(seed: int) -> None:
    first, second = stream(seed, 500), stream(seed + 100, 500)
    one, other, mine, theirs = FoldState(), FoldState(), Names(), Names()
    for part, known in ((first, Known()), (second, KNOWN), (first, Known())):
        expected = fold(part, one, names=theirs, known=known)
        found = fold_records([record(each) for each in part], other, names=mine, known=known)
        assert found == expected


@pytest.mark.parametrize("agent_label", ["name", "off"])
def test_each_agent_pays_for_its_own_requests_whatever_its_label_says(
    agent_label: AgentLabel,
) -> None:
    def paid(agent: str, usd: float) -> Seen:
        model = {"provider": "openai", "name": "a"}
        return seen("llm.call", agent=agent, model=model, usage={"cost_usd": usd})

    entries = [
        *(registered(agent, agent) for agent in ("alice", "bob")),
        *(paid(agent, usd) for usd in (1, 2) for agent in ("alice", "bob")),
        paid("alice", 4),
    ]

    found = by_plans(entries, FoldState(), Names(agent_label=agent_label))

    assert found == by_rules(entries, FoldState(), Names(agent_label=agent_label))
    assert {key[1]: nano for key, nano in found.spend.items()} == {"alice": 7 * USD, "bob": 3 * USD}


def test_a_batch_may_begin_with_a_request_that_costs() -> None:
    names, state = Names(), FoldState()
    entry = seen("llm.call", model={"provider": "openai", "name": "a"}, usage={"cost_usd": 1})

    for _ in range(2):
        assert list(by_plans([entry], state, names).spend.values()) == [USD]


def test_a_value_of_an_unexpected_type_goes_the_way_of_the_rules() -> None:
    odd = stream(3, 400)
    for entry in odd:
        if "tool" in entry.event:
            entry.event["tool"]["result_bytes"] = True
    names = Names()

    found = by_plans(odd, FoldState(), names)

    assert found == by_rules(odd, FoldState(), Names())
    assert found.entries == 400


def test_only_what_no_plan_can_say_goes_the_long_way() -> None:
    assert {action for action, shape in SHAPES.items() if shape is None} == {
        b"agent.registered", b"api.called", b"metric.recorded",
    }  # fmt: skip


def test_what_is_opened_beyond_the_bound_is_refused_the_same() -> None:
    runs = [seen("run.started", seq=n, run={"id": f"r-{n}"}) for n in range(MOST_OPEN + 3)]
    ends = [seen("run.completed", seq=n, run={"id": f"r-{n}"}) for n in range(MOST_OPEN)]
    one, other = FoldState(), FoldState()

    found = by_plans([*runs, *ends], one, Names())

    assert found == by_rules([*runs, *ends], other, Names())
    assert one == other
    assert len(one.opened["run"]) == 3
    assert counted(found, REFUSED.name) == {(GAUGES["run"].name, "full"): 3, **MISSING}


def test_a_failure_that_stands_is_ended_by_the_next_success_and_by_no_other() -> None:
    def task(seq: int, action: str, agent: str) -> Seen:
        run = {"mode": "chat", "task_id": f"t-{seq}"}
        return seen(action, seq=seq, at=NOON + seq * SECOND, agent=agent, run=run, duration_ms=9)

    ends = ("task.completed", "task.failed", "task.completed", "task.failed", "task.completed")
    entries = [
        task(2 * n + k, action, agent)
        for n, action in enumerate(ends)
        for k, agent in enumerate(("alice", "bob"))
    ]
    one, other = FoldState(), FoldState()

    found = by_plans(entries, one, Names())

    assert found == by_rules(entries, other, Names())
    assert one == other
    ((*_, taken),) = [
        row for (family, _), row in found.totals.histograms.items()
        if family == TASK_RECOVERY_SECONDS.name
    ]  # fmt: skip
    assert taken == 4 * 2 * SECOND


def test_a_gauge_says_what_the_newest_entry_says_whatever_it_looks_like() -> None:
    def sample(seq: int, outcome: str, used: int | None) -> Seen:
        said = {} if used is None else {"memory_bytes": used}
        return seen("system.resource_sampled", seq=seq, outcome=outcome, resource=said)

    outcomes = ("success", "unknown", "success", "unknown", "success")
    entries = [sample(n, each, n or None) for n, each in enumerate(outcomes)]

    for batch in (entries, entries[:4], [*entries[:4], sample(4, "success", -1)]):
        found = by_plans(batch, FoldState(), Names())

        assert found == by_rules(batch, FoldState(), Names())
        assert [gauge.value for gauge in found.gauges.values()] == [4 if batch is entries else 3]


def test_plans_are_bounded_however_many_looks_come() -> None:
    names = Names()
    for seed in range(8):
        by_plans(stream(seed, 2_000, bomb=True), FoldState(), names)
    assert 0 < len(names.plans) <= 5_000


def test_rows_are_ordered_by_their_entry_and_nothing_behind_it_is_compared() -> None:
    # Lags of all looks of a minute are one column. Of two rows of one entry the trace may stand in
    # one alone, and text has no order beside None.
    minute = datetime(2026, 10, 4, 10, tzinfo=UTC)
    lag = Observed(LAG, 1, EDGES[INGEST_LAG.name], (INGEST_LAG.name, ("received_to_chained",)))
    traced: tuple[object, ...] = (minute, "4bf92f3577b34da6a3ce929d0e0e4736")
    groups = []
    for said in (traced, (minute, None)):
        plan = Plan()
        plan.observed.append(lag)
        groups.append((plan, [(7, timedelta(seconds=1), said)]))
    columns = Columns(FoldState(), names=Names(), known=KNOWN)

    columns.add_minute(minute, groups, is_late=False)

    (row,) = columns.increments().totals.histograms.values()
    assert sum(row[:-1]) == 2
