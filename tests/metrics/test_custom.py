"""Custom metrics: what may be allowed, what is counted when, and what is told of the rest."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from audit.database import rows
from audit.models import Ledger
from audit.project import catch_up
from metrics import custom
from metrics.acting import ChangeRefused
from metrics.custom import Draft
from metrics.models import CustomMetric
from metrics.rollup import Rollups
from tests.conftest import chain, make_event
from tests.metrics.deciding import newest_change

pytestmark = pytest.mark.usefixtures("undecided")


def draft(**fields: str) -> Draft:
    return Draft(
        **{
            "name": "questions_answered",
            "kind": "counter",
            "labels": "topic, model",
            "help": "Questions that were answered.",
        }
        | fields
    )


def allow(**fields: str) -> CustomMetric:
    return custom.allow(draft(**fields), by="alice")


def measured(name: str = "questions_answered", kind: str = "counter", **labels: str) -> Any:
    return make_event(
        occurred_at=datetime.now(UTC).isoformat(),
        category="system",
        action="metric.recorded",
        measure={"name": name, "type": kind, "value": 2, "labels": labels},
    )


def counted(ledger: Ledger, family: str) -> dict[str, int]:
    found = rows(
        "SELECT labels, n::bigint FROM metrics_total WHERE ledger_id = %s AND family = %s",
        (ledger.id, family),
    )
    return dict(found)


def fold(ledger: Ledger, *events: Any) -> None:
    chain(ledger, events)
    catch_up(ledger.id, Rollups())


def test_what_is_allowed_counts_from_then_on(ledger: Ledger) -> None:
    fold(ledger, measured(topic="billing"))
    allow()
    fold(ledger, measured(topic="billing"), measured(topic="billing"))

    found = counted(ledger, "obs_custom_metric_total")
    assert found == {"questions_answered billing _none": 4_000_000}
    refused = counted(ledger, "obs_custom_metric_refused_total")
    assert refused == {"questions_answered": 1}


def test_what_is_ended_is_refused_again_and_what_was_counted_stays(ledger: Ledger) -> None:
    metric = allow()
    fold(ledger, measured())
    custom.end(metric, by="alice")
    fold(ledger, measured())

    assert counted(ledger, "obs_custom_metric_total") == {
        "questions_answered _none _none": 2_000_000
    }
    assert counted(ledger, "obs_custom_metric_refused_total") == {"questions_answered": 1}
    with pytest.raises(ChangeRefused, match="ended before"):
        custom.end(metric, by="alice")


def test_each_act_is_an_entry() -> None:
    metric = allow()
    event = newest_change()
    assert event["target"] == {"type": "custom_metric", "id": "questions_answered"}
    assert event["details"] == {
        "change": "allowed",
        "type": "counter",
        "labels": ["topic", "model"],
        "help": "Questions that were answered.",
    }

    custom.end(metric, by="bob")
    event = newest_change()
    assert (event["details"]["change"], event["actor"]["id"]) == ("ended", "bob")


@pytest.mark.parametrize(
    ("fields", "field", "said"),
    [
        ({"name": ""}, "name", "is needed"),
        ({"name": "Questions Answered"}, "name", "questions_answered would do"),
        ({"name": "1st"}, "name", "begins with a small letter"),
        ({"name": "x" * 65}, "name", "at most 64"),
        ({"name": "a\0b"}, "name", "begins with"),
        ({"kind": "summary"}, "kind", "is one of counter, gauge, histogram"),
        ({"labels": "a b c d e f"}, "labels", "are at most 5; these are 6"),
        ({"labels": "topic topic"}, "labels", "name one twice"),
        ({"labels": "Topic"}, "labels", "Topic is none"),
        ({"labels": "user_id"}, "labels", "must not be user_id"),
        ({"labels": "le"}, "labels", "must not be le"),
        ({"labels": "name"}, "labels", "must not be name"),
        ({"help": " "}, "help", "is needed"),
        ({"help": "x" * 201}, "help", "at most 200"),
    ],
)
def test_a_draft_that_is_wrong_is_refused_by_its_field(
    fields: dict[str, str], field: str, said: str
) -> None:
    with pytest.raises(ChangeRefused) as refused:
        allow(**fields)

    assert list(refused.value.errors) == [field]
    assert said in refused.value.errors[field]
    assert not CustomMetric.objects.exists()


def test_a_name_is_allowed_once_at_a_time() -> None:
    allow()

    with pytest.raises(ChangeRefused, match="allowed already"):
        allow(kind="gauge")


def test_a_name_that_was_ended_may_come_back_with_another_type(ledger: Ledger) -> None:
    custom.end(allow(), by="alice")
    allow(kind="gauge", labels="region")
    fold(ledger, measured(kind="gauge", region="eu"), measured(topic="billing"))

    found = rows(
        "SELECT labels, value::bigint FROM metrics_gauge WHERE ledger_id = %s", (ledger.id,)
    )
    assert found == [("questions_answered eu", 2_000_000)]
    assert counted(ledger, "obs_custom_metric_total") == {}


def test_a_name_of_the_same_type_comes_back_with_its_labels_alone() -> None:
    custom.end(allow(), by="alice")

    with pytest.raises(ChangeRefused, match="were topic, model when this counter was allowed"):
        allow(labels="topic")
    assert allow().ended_at is None


def test_series_are_told_with_their_room(ledger: Ledger) -> None:
    allow()
    fold(ledger, measured(topic="a"), measured(topic="b"), measured(topic="b"))

    found = custom.series()["counter", "questions_answered"]
    assert (found.now, found.taken, found.cap) == (2, 2, custom.room("counter"))


def test_what_was_refused_lately_is_told_with_the_shape_it_came_in(ledger: Ledger) -> None:
    fold(ledger, measured("jokes_told", "gauge", mood="dry"), measured("jokes_told", "gauge"))

    found = {each.name: each for each in custom.refused(datetime.now(UTC))}
    assert found["jokes_told"].count == 2
    assert custom.draft_of("jokes_told").kind == "gauge"
    assert custom.draft_of("nobody_sent_this") == Draft(name="nobody_sent_this", kind="")
