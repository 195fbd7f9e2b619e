"""What rows say, as /metrics shows it: sums, units, custom metrics, whose ledger it is."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from audit.actions import ACTIONS
from audit.database import raw_connection, rows
from audit.models import Ledger
from audit.project import catch_up
from metrics import expose, series
from metrics.families import BY_NAME, FAMILIES, folded
from metrics.rollup import Rollups
from tests.conftest import chain, make_event
from tests.metrics.scraping import (
    OPENMETRICS,
    STRANGER,
    families_of,
    rendered,
    sample_of,
    samples_of,
)


@pytest.fixture(autouse=True)
def _only_these_rows(database: None) -> None:
    """Begin without a row: others count in the same database, and sums are over all ledgers."""
    for table in (*Rollups.tables, "metrics_process", "metrics_fact", "metrics_custommetric"):
        raw_connection().execute(f"DELETE FROM {table}")


def total(ledger: Ledger, family: str, labels: str, n: int = 0, **histogram: Any) -> None:
    raw_connection().execute(
        "INSERT INTO metrics_total (ledger_id, family, labels, n, buckets, total)"
        " VALUES (%s, %s, %s, %s, %s, %s)",
        (ledger.id, family, labels, n, histogram.get("buckets"), histogram.get("total", 0)),
    )


def process(family: str, labels: str, n: int = 0, **histogram: Any) -> None:
    raw_connection().execute(
        "INSERT INTO metrics_process (family, labels, n, buckets, total)"
        " VALUES (%s, %s, %s, %s, %s)",
        (family, labels, n, histogram.get("buckets"), histogram.get("total", 0)),
    )


def fact(family: str, labels: str, value: float) -> None:
    raw_connection().execute(
        "INSERT INTO metrics_fact (family, labels, value) VALUES (%s, %s, %s)",
        (family, labels, value),
    )


def custom(name: str, kind: str, *labels: str) -> None:
    raw_connection().execute(
        "INSERT INTO metrics_custommetric (name, kind, labels, allowed_by) VALUES (%s, %s, %s, '')",
        (name, kind, list(labels)),
    )


@pytest.fixture
def other(ledger: Ledger) -> Ledger:
    """Return a second ledger."""
    from audit.ledgers import open_ledger

    return open_ledger(f"t.{uuid.uuid4().hex[:16]}")


def now() -> str:
    return datetime.now(UTC).isoformat()


def test_counters_are_what_the_rows_say(ledger: Ledger) -> None:
    chain(ledger, [make_event(occurred_at=now(), duration_ms=40) for _ in range(7)])
    chain(ledger, [make_event(occurred_at=now(), outcome="denied") for _ in range(2)])
    catch_up(ledger.id, Rollups())

    page = rendered()

    counted = {}
    for name, labels, number in rows(
        "SELECT family, labels, n FROM metrics_total WHERE buckets IS NULL"
    ):
        family = BY_NAME[name]
        values = labels.split(" ") if labels else []
        key = (name, tuple(sorted(zip(family.labels, values, strict=True))))
        counted[key] = int(number) / family.scale
    assert counted[
        "obs_tool_calls_total",
        (("environment", "prod"), ("status", "denied"), ("tool", "search")),
    ] == 2  # fmt: skip
    shown = {
        (name, labels): value
        for name in {name for name, _ in counted}
        if BY_NAME[name].detail != "full"
        for labels, value in samples_of(page, name).items()
    }
    assert shown == {key: n for key, n in counted.items() if BY_NAME[key[0]].detail != "full"}
    assert sample_of(page, "obs_tool_execution_duration_seconds_count", tool="search") == 7
    assert sample_of(page, "obs_tool_execution_duration_seconds_sum", tool="search") == 0.28


def test_ledgers_are_added_up_in_whole_numbers(ledger: Ledger, other: Ledger) -> None:
    huge = 3 * 10**18 + 1  # three thousand million dollars and a nano-dollar
    for each, number in ((ledger, huge), (other, 2 * huge)):
        total(each, "obs_llm_cost_usd_total", "acme m1 prod", number)
        total(each, "obs_llm_request_duration_seconds", "acme m1", buckets=[1] * 11, total=100_000)

    page = rendered()

    assert sample_of(page, "obs_llm_cost_usd_total") == 3 * huge / 10**9
    assert sample_of(page, "obs_llm_request_duration_seconds_bucket", le="+Inf") == 22
    assert sample_of(page, "obs_llm_request_duration_seconds_bucket", le="0.1") == 2
    assert sample_of(page, "obs_llm_request_duration_seconds_sum") == 0.2


def test_families_with_the_label_keep_their_ledgers_apart(ledger: Ledger, other: Ledger) -> None:
    for each, number in ((ledger, 3), (other, 4)):
        total(each, "obs_events_total", f"tool_call success prod {each.name}", number)

    page = rendered()

    assert sample_of(page, "obs_events_total", ledger=ledger.name) == 3
    assert sample_of(page, "obs_events_total", ledger=other.name) == 4


def test_what_processes_count_is_added_to_what_entries_say(ledger: Ledger) -> None:
    total(ledger, "obs_cache_requests_total", "notes hit", 5)
    process("obs_cache_requests_total", "notes hit", 2)
    process("obs_process_cpu_seconds_total", "web", 1_500_000)
    fact("obs_agents_active", "", 3.0)

    page = rendered()

    assert sample_of(page, "obs_cache_requests_total") == 7
    assert sample_of(page, "obs_process_cpu_seconds_total", role="web") == 1.5
    assert sample_of(page, "obs_agents_active") == 3


def test_what_processes_had_no_place_for_is_said_beside_what_entries_had_none_for(
    ledger: Ledger, caplog: pytest.LogCaptureFixture
) -> None:
    total(ledger, "obs_metrics_label_overflow_total", "agent", 2)
    process("obs_metrics_label_overflow_total", "obs_celery_tasks_total", 3)

    page = rendered()

    assert sample_of(page, "obs_metrics_label_overflow_total", label="agent") == 2
    assert sample_of(page, "obs_metrics_label_overflow_total", label="obs_celery_tasks_total") == 3
    assert "metrics.rows_not_shown" not in caplog.text


def test_requests_are_shown_by_each_process_and_not_from_rows(database: None) -> None:
    process("obs_http_requests_total", "GET metrics 2xx 200", 5)

    assert samples_of(rendered(), "obs_http_requests_total") == {}


def test_what_is_open_shows_and_falls_to_zero_when_it_ends(ledger: Ledger) -> None:
    def act(action: str) -> dict[str, Any]:
        return make_event(
            occurred_at=now(), action=action, category=ACTIONS[action], tool=None, target=None,
            run={"id": "r1", "task_id": "t1", "mode": "chat"},
        )  # fmt: skip

    chain(ledger, [act("task.started")])
    catch_up(ledger.id, Rollups())
    assert sample_of(rendered(), "obs_tasks_active", mode="chat") == 1

    chain(ledger, [act("task.completed")])
    catch_up(ledger.id, Rollups())
    assert sample_of(rendered(), "obs_tasks_active", mode="chat") == 0


def test_custom_metrics_have_their_own_labels(ledger: Ledger) -> None:
    custom("tickets", "counter", "topic", "team")
    custom("depth", "gauge")
    total(ledger, "obs_custom_metric_total", "tickets billing red", 4_500_000)
    total(ledger, "obs_custom_metric_total", "_other", 1_000_000)
    total(ledger, "obs_custom_metric_seconds", "waited", buckets=[1] * 12, total=36_000_000)
    raw_connection().execute(
        "INSERT INTO metrics_gauge VALUES (%s, 'obs_custom_metric_value', 'depth', 2500000, now())",
        (ledger.id,),
    )

    page = rendered()

    assert samples_of(page, "obs_custom_metric_total") == {
        (("name", "tickets"), ("team", "red"), ("topic", "billing")): 4.5,
        (("name", "_other"),): 1.0,
    }
    assert samples_of(page, "obs_custom_metric_value") == {(("name", "depth"),): 2.5}
    assert sample_of(page, "obs_custom_metric_seconds_sum", name="waited") == 36


def test_exemplars_tell_the_newest_trace_of_each_bucket(ledger: Ledger) -> None:
    traces = [f"{number:032x}" for number in (1, 2, 3)]
    for trace, duration in zip(traces, (40, 45, 700), strict=True):
        chain(ledger, [make_event(occurred_at=now(), duration_ms=duration,
                                  trace={"trace_id": trace})])  # fmt: skip
    catch_up(ledger.id, Rollups())

    page = rendered(HTTP_ACCEPT=OPENMETRICS)

    buckets = {
        sample.labels["le"]: sample
        for sample in families_of(page)["obs_tool_execution_duration_seconds"].samples
        if sample.name.endswith("_bucket")
    }
    found = {le: one.exemplar for le, one in buckets.items() if one.exemplar}
    assert {le: one.labels["trace_id"] for le, one in found.items()} == {
        "0.05": traces[1],
        "1.0": traces[2],
    }
    assert {le: one.value for le, one in found.items()} == {"0.05": 0.045, "1.0": 0.7}
    moments = [float(str(one.timestamp)) for one in found.values()]
    assert all(abs(at - datetime.now(UTC).timestamp()) < 600 for at in moments)


def test_every_family_is_exposed_also_where_nothing_feeds_it_yet(settings: Any) -> None:
    settings.SWITCHES = settings.SWITCHES | {"detail": ("full", True)}

    for page in (rendered(), rendered(HTTP_ACCEPT=OPENMETRICS)):
        found = {
            (f"{name}_total" if family.type == "counter" else name): (
                family.type,
                family.documentation,
            )
            for name, family in families_of(page).items()
        }
        assert found == {family.name: (family.kind, family.help) for family in FAMILIES}


@pytest.mark.parametrize(
    ("level", "hidden"),
    [("minimal", {"standard", "full"}), ("standard", {"full"}), ("full", set())],
)
def test_the_level_says_which_families_are_shown(
    settings: Any, level: str, hidden: set[str]
) -> None:
    settings.SWITCHES = settings.SWITCHES | {"detail": (level, True)}

    shown = {
        line.split(" ")[2] for line in rendered().splitlines() if line.startswith("# TYPE ")
    } | {"obs_metrics_scrape_seconds"}

    assert shown == {each.name for each in FAMILIES if each.detail not in hidden} | {
        "obs_metrics_scrape_seconds"
    }


def test_series_are_counted_by_family(ledger: Ledger, other: Ledger) -> None:
    total(ledger, "obs_agent_loops_total", "success", 1)
    total(other, "obs_agent_loops_total", "success", 1)
    total(other, "obs_agent_loops_total", "error", 1)

    page = rendered()

    assert sample_of(page, "obs_metrics_series", family="obs_agent_loops_total") == 2
    assert len(samples_of(page, "obs_metrics_series")) == len(folded())


def test_a_row_that_fits_no_family_is_left_out_and_said(
    ledger: Ledger, caplog: pytest.LogCaptureFixture
) -> None:
    total(ledger, "obs_agent_loops_total", "one too many", 1)
    total(ledger, "obs_from_tomorrow_total", "", 1)
    total(ledger, "obs_agent_loop_duration_seconds", "act", buckets=[1], total=1)
    total(ledger, "obs_agent_loops_total", "success", 1)

    found = series.read_series(expose.families_of(detail="full"))

    assert found.numbers["obs_agent_loops_total"] == {(("status", "success"),): 1}
    assert "obs_agent_loop_duration_seconds" not in found.distributions
    said = caplog.text
    assert "metrics.rows_not_shown" in said
    assert "obs_from_tomorrow_total" in said


def test_a_key_sees_what_was_counted_of_its_ledger_alone(
    ledger: Ledger, other: Ledger, api_key: Callable[..., str]
) -> None:
    mine, theirs = 424_242, 535_353
    for each, number in ((ledger, mine), (other, theirs)):
        total(each, "obs_tool_calls_total", "search success prod", number)
        total(each, "obs_events_total", f"tool_call success prod {each.name}", number)
        total(each, "obs_tool_execution_duration_seconds", "search", buckets=[number] * 10, total=1)
        process("obs_ingest_rejected_total", f"size {each.name}", number)
        fact("obs_projection_lag_entries", f"metrics {each.name}", number)
    total(other, "obs_tool_calls_total", "secret-tool success prod", theirs)
    process("obs_auth_attempts_total", "key success", theirs)
    fact("obs_agents_active", "", theirs)

    page = rendered(
        "/metrics", HTTP_AUTHORIZATION=f"Bearer {api_key(ledger, 'entries:read')}", **STRANGER
    )

    assert sample_of(page, "obs_tool_calls_total") == mine
    assert sample_of(page, "obs_ingest_rejected_total") == mine
    assert sample_of(page, "obs_projection_lag_entries") == mine
    assert not [name for name in (other.name, "secret-tool") if name in page]
    values = {sample.value for family in families_of(page).values() for sample in family.samples}
    assert mine in values
    assert not values & {theirs, mine + theirs, 10 * theirs, 10 * (mine + theirs)}
    assert "django_http" not in page
    assert "obs_store_bytes" not in page
