from __future__ import annotations

import json
from collections import Counter
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from audit.agents import PLATFORM
from metrics import rules
from metrics.families import BY_NAME, folded
from metrics.fold import FoldState, Increments, Known, Names, Seen, fold
from metrics.increments import Cell, Exemplar, Gauge
from metrics.known import Custom, Price
from metrics.states import GAUGES
from tests.metrics.entries import FED, HOUR, MINUTE, NOON, SECOND, registered, seen, stream
from tests.metrics.made import GUARDS, OVERFLOW, REFUSED, counted, folded_of, refused
from tests.metrics.reference import COUNTERS, MEASURES, Reference

# --- The property that matters -------------------------------------------------------------------


def pieces(entries: list[Seen], cuts: list[int]) -> list[list[Seen]]:
    edges = sorted({0, len(entries), *(cut % (len(entries) + 1) for cut in cuts)})
    return [entries[start:end] for start, end in pairwise(edges)]


@settings(deadline=None, max_examples=30)
@given(
    seed=st.integers(0, 2**32),
    length=st.integers(0, 250),
    cuts=st.lists(st.integers(0, 250), max_size=8),
    bomb=st.booleans(),
)
@example(seed=1, length=1_500, cuts=[3, 700, 1_100], bomb=True)
def test_a_stream_cut_anywhere_gives_the_same_sums_and_the_same_state(
    seed: int, length: int, cuts: list[int], bomb: bool
) -> None:
    entries = stream(seed, length, bomb=bomb)
    whole, names = FoldState(), Names()
    expected = fold(entries, whole, names=names)

    state: Any = None
    learned: list[tuple[str, str]] = []
    made = Increments()
    for piece in pieces(entries, cuts):
        kept = FoldState.from_json(json.loads(json.dumps(state)))
        lists = Names(learned=learned)
        made.add(fold(piece, kept, names=lists))
        state = kept.as_json()
        learned += lists.fresh()

    assert made == expected
    assert FoldState.from_json(state).as_json() == whole.as_json()
    assert sorted(learned) == names.learned()


@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 2**32), length=st.integers(0, 200), bomb=st.booleans())
@example(seed=2, length=2_000, bomb=False)
@example(seed=3, length=2_000, bomb=True)
def test_fold_agrees_with_a_reference_written_from_the_table(
    seed: int, length: int, bomb: bool
) -> None:
    entries = stream(seed, length, bomb=bomb)
    reference = Reference().read(entries)

    made = fold(entries, FoldState(), names=Names())

    known = {name for name, *_ in COUNTERS} | {name for name, *_ in MEASURES}
    known.add("obs_ingest_lag_seconds")
    assert sums(made.totals, known) == +reference.totals
    minutes = Counter[Any]()
    for minute, cell in made.minutes.items():
        minutes.update({(minute, key): total for key, total in sums(cell, known).items()})
    assert minutes == +reference.minutes
    for key, values in reference.observed.items():
        family, row = BY_NAME[key[0]], made.totals.histograms[key]
        edges = [round(edge * family.scale) for edge in family.edges]
        at_most = [sum(value <= edge for value in values) for edge in edges]
        assert [sum(row[: place + 1]) for place in range(len(edges))] == at_most
        assert sum(row[:-1]) == len(values)
    overflow = {labels[0]: number for labels, number in counted(made, OVERFLOW).items()}
    for label in (known | set(reference.lists)) & (reference.overflow.keys() | overflow.keys()):
        assert overflow.get(label) == reference.overflow.get(label), label


def sums(cell: Cell, known: set[str]) -> Counter[Any]:
    totals = Counter({key: number for key, number in cell.counts.items() if key[0] in known})
    totals.update({key: row[-1] for key, row in cell.histograms.items() if key[0] in known})
    return +totals


@settings(deadline=None, max_examples=20)
@given(seed=st.integers(0, 2**32), length=st.integers(0, 200), bomb=st.booleans())
@example(seed=4, length=2_000, bomb=True)
def test_no_counter_falls_and_no_cap_is_passed(seed: int, length: int, bomb: bool) -> None:
    made = fold(stream(seed, length, bomb=bomb), FoldState(), names=Names())

    passed = ("obs_events_total", "obs_events_backfilled_total")
    assert sum(sum(counted(made, name).values()) for name in passed) == length, "none is lost"
    cells = [made.totals, *made.minutes.values()]
    assert all(number >= 0 for cell in cells for number in cell.counts.values())
    assert all(part >= 0 for cell in cells for row in cell.histograms.values() for part in row)
    series = Counter(
        name for name, _ in {*made.totals.counts, *made.totals.histograms, *made.gauges}
    )
    assert {name for name, number in series.items() if number > BY_NAME[name].cap} == set()


def test_a_hundred_thousand_agents_stay_within_the_caps_and_none_is_lost() -> None:
    names, state, agents = Names(), FoldState(), 100_000
    entries = [registered(f"agent-{number}") for number in range(agents)]
    runs = [seen("run.completed", agent=f"agent-{number}") for number in range(0, agents, 10)]

    made = fold([*entries, *runs], state, names=names)

    ended = counted(made, "obs_agent_executions_total")
    assert sum(ended.values()) == len(runs)
    assert len(ended) <= BY_NAME["obs_agent_executions_total"].cap
    assert len(state.agents) == 200
    assert counted(made, OVERFLOW)["agent",] == agents - 200
    assert len(json.dumps(state.as_json())) < 20_000


# --- Late entries --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("late", "is_late"),
    [({"is_backfill": True}, True), ({"received": NOON + HOUR + 1}, True),
     ({"received": NOON + HOUR}, False)],
)  # fmt: skip
def test_history_and_what_is_over_an_hour_old_feeds_minute_history_alone(
    late: dict[str, Any], is_late: bool
) -> None:
    made = folded_of(seen("tool.invoke", tool={"name": "search"}, **late))

    key = ("obs_tool_calls_total", ("search", "success", "prod"))
    assert made.minutes[NOON // MINUTE].counts[key] == 1
    assert (key not in made.totals.counts) == is_late
    assert counted(made, "obs_events_backfilled_total") == (
        {("tool_call", "main"): 1} if is_late else {}
    )
    if is_late:
        assert {name for name, _ in made.totals.counts} <= GUARDS
        assert made.totals.histograms == {}


def test_late_entries_give_no_exemplar_and_set_no_gauge_but_count_for_budgets() -> None:
    made = folded_of(
        seen("llm.call", is_backfill=True, duration_ms=5, trace={"trace_id": "a" * 32},
             model={"provider": "openai", "name": "a"}, usage={"cost_usd": 2}),
        seen("system.resource_sampled", is_backfill=True, resource={"cpu_ratio": 1}),
    )  # fmt: skip

    assert (made.exemplars, made.gauges) == ({}, {})
    assert made.spend == {(NOON // MINUTE // 1440, "_other", "openai", "a"): 2 * 10**9}


def test_what_an_agent_did_is_told_by_the_quarter_of_an_hour_of_the_act() -> None:
    made = folded_of(
        seen("llm.call", is_backfill=True, model={"provider": "openai", "name": "a"},
             usage={"input_tokens": 30, "output_tokens": 12, "cost_usd": 2}),
        seen("tool.invoke", outcome="failure", tool={"name": "search"}),
        seen("data.read", outcome="denied"),
        seen("data.read", agent="platform"),
    )  # fmt: skip

    quarter = NOON // MINUTE // 15
    assert made.work == {
        (quarter, "_other", what): number
        for what, number in {
            "calls": 3, "errors": 1, "denied": 1, "data": 1, "tokens": 42, "nano": 2 * 10**9,
            "tool search": 1,
        }.items()
    }  # fmt: skip


def test_a_clock_that_runs_ahead_counts_at_the_minute_of_receipt() -> None:
    made = folded_of(seen("file.read", at=NOON + 90 * HOUR, received=NOON))

    assert list(made.minutes) == [NOON // MINUTE]
    assert refused(made) == {("obs_ingest_lag_seconds", "negative"): 1}


# --- Values that are refused ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "reason"),
    [(-5, "negative"), (10**18, "absurd"), (1e300, "absurd"), (None, "missing"), ("5", "absurd")],
)
def test_an_impossible_value_is_refused_for_its_family_and_counted(said: Any, reason: str) -> None:
    fields = {} if said is None else {"duration_ms": said}

    made = folded_of(seen("run.completed", **fields))

    assert refused(made) == {("obs_agent_execution_duration_seconds", reason): 1}
    assert counted(made, "obs_agent_executions_total") == {("_other", "success", "prod"): 1}


def test_tokens_beyond_reason_are_refused_and_the_others_count() -> None:
    made = folded_of(
        seen("llm.call", duration_ms=1, model={"provider": "openai", "name": "a"},
             usage={"input_tokens": 10**15, "output_tokens": 7, "cost_usd": 0.012})
    )  # fmt: skip

    assert counted(made, "obs_llm_tokens_total") == {("openai", "a", "output"): 7}
    assert counted(made, "obs_llm_cost_usd_total") == {("openai", "a", "prod"): 12_000_000}
    assert refused(made) == {("obs_llm_tokens_total", "absurd"): 1}


# --- Agents, statuses, exemplars, gauges ---------------------------------------------------------


@pytest.mark.parametrize(
    ("agent_label", "expected"), [("name", "alice_a."), ("id", "agt-1"), ("off", "_all")]
)
def test_an_agent_is_called_as_the_setting_says(agent_label: Any, expected: str) -> None:
    made = folded_of(
        registered("agt-1", "Alice A."),
        seen("run.completed", agent="agt-1"),
        names=Names(agent_label=agent_label),
    )

    assert counted(made, "obs_agent_executions_total") == {(expected, "success", "prod"): 1}


def test_an_agent_that_nobody_registered_has_no_name_of_its_own() -> None:
    made = folded_of(seen("run.completed", agent="ephemeral-1"))

    assert counted(made, "obs_agent_executions_total") == {("_other", "success", "prod"): 1}
    assert counted(made, OVERFLOW) == {}


def test_the_platform_is_no_agent() -> None:
    assert rules.PLATFORM == PLATFORM

    made = folded_of(seen("audit.exported", agent=PLATFORM))

    assert counted(made, "obs_agent_operations_total") == {}
    assert counted(made, "obs_events_total") == {("audit", "success", "prod", "main"): 1}


@pytest.mark.parametrize(
    ("outcome", "status"),
    [("success", "success"), ("failure", "error"), ("error", "error"), ("denied", "denied"),
     ("pending", "other"), ("unknown", "other")],
)  # fmt: skip
def test_each_outcome_is_one_status(outcome: str, status: str) -> None:
    made = folded_of(seen("file.read", outcome=outcome))

    assert counted(made, "obs_file_operations_total") == {("read", status): 1}


def test_the_newest_entry_of_a_bucket_gives_its_trace() -> None:
    def run(ms: float, trace: str) -> Seen:
        return seen("plan.created", duration_ms=ms, trace={"trace_id": trace * 32})

    made = folded_of(run(50, "a"), run(100, "b"), run(100.001, "c"))

    key = ("obs_planning_duration_seconds", ())
    assert made.totals.histograms[key][:3] == [2, 1, 0]
    assert {place: newest for place, newest in made.exemplars.items() if place[0] == key} == {
        (key, 0): Exemplar("b" * 32, 100_000, NOON),
        (key, 1): Exemplar("c" * 32, 100_001, NOON),
    }


def test_a_gauge_says_what_the_newest_entry_said() -> None:
    made = folded_of(
        seen("system.resource_sampled", resource={"cpu_ratio": 0.5, "memory_bytes": 10}),
        seen("system.resource_sampled", resource={"cpu_ratio": 0.25}, at=NOON + SECOND),
    )

    assert made.gauges == {
        ("obs_agent_cpu_usage_ratio", ("_other",)): Gauge(250_000, NOON + SECOND),
        ("obs_agent_process_memory_bytes", ("_other",)): Gauge(10, NOON),
    }


# --- What people have entered --------------------------------------------------------------------


def test_cost_comes_from_the_price_of_its_day_where_the_event_says_none() -> None:
    prices = (Price(from_us=0, input=150_000_000, output=600_000_000),
              Price(from_us=NOON, input=75_000_001, output=300_000_000))  # fmt: skip
    known = Known(prices={("openai", "gpt-4o"): prices})

    def call(at: int, **model: str) -> Seen:
        return seen("llm.call", at=at, duration_ms=1, model={"provider": "OpenAI", **model},
                    usage={"input_tokens": 1_000, "output_tokens": 10})  # fmt: skip

    made = folded_of(call(NOON - 1, name="GPT-4o"), call(NOON, name="GPT-4o"),
                     call(NOON, name="other"), known=known)  # fmt: skip

    assert counted(made, "obs_llm_cost_usd_total") == {
        ("openai", "gpt-4o", "prod"): (150_000 + 6_000) + (75_000 + 3_000),
    }
    assert refused(made) == {("obs_llm_cost_usd_total", "missing"): 1}


def test_a_measure_counts_from_when_it_was_allowed_until_that_ended() -> None:
    known = Known(
        custom={
            "answers": [
                Custom(name="answers", kind="counter", from_us=NOON, until_us=NOON + HOUR),
                Custom(name="answers", kind="gauge", from_us=NOON + 2 * HOUR),
            ]
        }
    )

    def at(moment: int, kind: str = "counter") -> Seen:
        said = {"name": "answers", "type": kind, "value": 1}
        return seen("metric.recorded", at=moment, received=moment, measure=said)

    made = folded_of(
        at(NOON - 1),
        at(NOON),
        at(NOON + HOUR - 1),
        at(NOON + HOUR),
        at(NOON + 2 * HOUR),
        at(NOON + 2 * HOUR, "gauge"),
        known=known,
    )

    assert counted(made, "obs_custom_metric_total") == {("answers",): 2_000_000}
    assert counted(made, "obs_custom_metric_refused_total") == {("answers",): 3}
    assert list(made.gauges) == [("obs_custom_metric_value", ("answers",))]


def test_a_measure_counts_when_it_is_allowed_and_is_refused_by_name_when_not() -> None:
    known = Known(custom={
        "answers": [Custom(name="answers", kind="counter", labels=("topic", "model"))],
        "tickets": [Custom(name="tickets", kind="gauge")],
        "wait": [Custom(name="wait", kind="histogram")],
    })  # fmt: skip

    def measure(name: str, kind: str, value: float, **labels: str) -> Seen:
        said = {"name": name, "type": kind, "value": value}
        return seen("metric.recorded", measure=said | ({"labels": labels} if labels else {}))

    made = folded_of(
        measure("answers", "counter", 2, topic="Tax"),
        measure("answers", "counter", 0.5, topic="tax", model="a"),
        measure("answers", "counter", -1),
        measure("answers", "counter", 1, user="Alice"),
        measure("answers", "gauge", 1),
        measure("tickets", "gauge", -4),
        measure("wait", "histogram", 0.004),
        measure("Surprise!", "counter", 1),
        known=known,
    )

    assert counted(made, "obs_custom_metric_total") == {
        ("answers", "tax", "_none"): 2_000_000, ("answers", "tax", "a"): 500_000,
    }  # fmt: skip
    assert counted(made, "obs_custom_metric_refused_total") == {
        ("answers",): 2, ("surprise_",): 1,
    }  # fmt: skip
    assert refused(made) == {("obs_custom_metric_total", "negative"): 1}
    assert made.gauges["obs_custom_metric_value", ("tickets",)].value == -4_000_000
    assert made.totals.histograms["obs_custom_metric_seconds", ("wait",)][0] == 1


# --- The list and the rules ----------------------------------------------------------------------


def test_an_action_feeds_the_families_that_name_it_and_no_other() -> None:
    fed: dict[str, set[str]] = {}
    names, state = Names(), FoldState()
    for entry in stream(7, 6_000):
        made = fold([entry], state, names=names)
        for cell in made.minutes.values():
            for name, _ in [*cell.counts, *cell.histograms, *made.gauges]:
                fed.setdefault(name, set()).add(entry.event["action"])

    of_pairs = {family.name for family in GAUGES.values()} | {"obs_task_recovery_seconds"}
    of_custom = {"obs_custom_metric_total", "obs_custom_metric_value", "obs_custom_metric_seconds"}
    for family in folded():
        actions = fed.get(family.name, set())
        assert actions <= set(family.fed_by), family.name
        if family.name not in of_pairs | of_custom | {OVERFLOW, REFUSED}:
            assert set(family.fed_by) & set(FED) <= actions, family.name


def test_every_action_with_a_rule_feeds_a_family() -> None:
    fed = {action for family in folded() if len(family.fed_by) < 100 for action in family.fed_by}

    assert {*rules.RULES} - {"agent.registered"} == fed
