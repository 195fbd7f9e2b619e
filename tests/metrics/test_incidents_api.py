"""An Alertmanager posts what it knows; repeats change nothing, and what is wrong is named."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.conf import settings
from django.test import Client

from audit.ledgers import open_ledger
from audit.models import Ledger
from metrics.api import MOST_ALERTS, MOST_LABELS, MOST_VALUE
from metrics.incidents import acts
from metrics.models import Incident
from tests.metrics.incident_making import events_of, forget_incidents, opened

KeyOf = Callable[..., str]


@pytest.fixture(autouse=True)
def no_incidents(database: None) -> Iterator[None]:
    forget_incidents()
    yield
    forget_incidents()


@pytest.fixture
def own(database: None) -> Ledger:
    return open_ledger(settings.LEDGER)


def alert(**said: Any) -> dict[str, Any]:
    return {
        "status": "firing",
        "labels": {"alertname": "QueueBacklog", "severity": "critical"},
        "annotations": {
            "summary": "Events wait",
            "description": "Nobody chains.",
            "runbook_url": "docs/runbooks/QueueBacklog.md",
        },
        "startsAt": "2026-11-20T10:00:00.123456789Z",
        "endsAt": "0001-01-01T00:00:00Z",
        "generatorURL": "http://prometheus/graph",
        "fingerprint": "c1a2b3",
    } | said


def body(*alerts: dict[str, Any], **said: Any) -> dict[str, Any]:
    """Return what version 4 of the webhook posts."""
    return {
        "receiver": "incidents",
        "status": "firing",
        "alerts": list(alerts),
        "groupLabels": {"alertname": "QueueBacklog"},
        "commonLabels": {},
        "commonAnnotations": {},
        "externalURL": "http://alertmanager",
        "version": "4",
        "groupKey": '{}:{alertname="QueueBacklog"}',
        "truncatedAlerts": 0,
    } | said


def send(key: str, what: object) -> tuple[int, dict[str, Any]]:
    text = what if isinstance(what, str | bytes) else json.dumps(what)
    answer = Client().post(
        "/api/v1/alerts",
        text,
        content_type="application/json",
        headers={"Authorization": f"Bearer {key}"},
    )
    return answer.status_code, json.loads(answer.content)


def read(key: str, path: str) -> tuple[int, dict[str, Any]]:
    answer = Client().get(f"/api/v1/{path}", headers={"Authorization": f"Bearer {key}"})
    return answer.status_code, json.loads(answer.content)


def taken(**counts: int) -> dict[str, int]:
    return {"opened": 0, "known": 0, "ended": 0, "passed": 0} | counts


# --- Posting -------------------------------------------------------------------------------------


def test_an_alert_becomes_an_incident_and_its_repeats_change_nothing(
    own: Ledger, api_key: KeyOf
) -> None:
    key = api_key(own, "alerts:write")

    assert send(key, body(alert())) == (200, taken(opened=1))
    assert send(key, body(alert(annotations={"summary": "otherwise"}))) == (200, taken(known=1))

    incident = Incident.objects.get()
    assert (incident.source, incident.name, incident.severity) == (
        "alertmanager",
        "QueueBacklog",
        "critical",
    )
    assert (incident.summary, incident.description) == ("Events wait", "Nobody chains.")
    assert incident.runbook == "docs/runbooks/QueueBacklog.md"
    assert incident.started_at.isoformat() == "2026-11-20T10:00:00.123456+00:00"
    event = events_of(own)[-1]
    assert event["details"]["key"] == key.split("_")[2]
    assert event["case"]["alert_id"] == "c1a2b3"


def test_a_resolved_alert_ends_its_incident_once_and_opens_none(
    own: Ledger, api_key: KeyOf
) -> None:
    key = api_key(own, "alerts:write")
    done = {"status": "resolved", "endsAt": "2026-11-20T10:30:00Z"}
    send(key, body(alert()))

    assert send(key, body(alert(**done), status="resolved")) == (200, taken(ended=1))
    assert send(key, body(alert(**done), status="resolved")) == (200, taken(passed=1))
    assert send(key, body(alert(fingerprint="none", **done))) == (200, taken(passed=1))

    incident = Incident.objects.get()
    assert incident.ended_at is not None
    assert incident.ended_at.isoformat() == "2026-11-20T10:30:00+00:00"
    assert incident.word() == "open"


def test_an_alert_that_fires_anew_is_another_incident(own: Ledger, api_key: KeyOf) -> None:
    key = api_key(own, "alerts:write")
    send(key, body(alert()))

    both = body(alert(), alert(startsAt="2026-11-20T12:00:00+01:00"))
    assert send(key, both) == (200, taken(opened=1, known=1))


def test_what_an_alert_lacks_is_made_up_for(own: Ledger, api_key: KeyOf) -> None:
    key = api_key(own, "alerts:write")
    bare = {name: value for name, value in alert(labels={}).items() if name != "annotations"}

    assert send(key, body(bare))[0] == 200

    incident = Incident.objects.get()
    assert (incident.name, incident.summary, incident.severity) == ("alert", "alert", "warning")


def test_a_key_of_another_ledger_speaks_of_that_ledger_alone(
    ledger: Ledger, api_key: KeyOf
) -> None:
    key = api_key(ledger, "alerts:write")
    of_own = {"alertname": "A", "ledger": settings.LEDGER}

    status, said = send(key, body(alert(), alert(labels=of_own, fingerprint="other")))
    assert (status, said["code"]) == (403, "wrong-ledger")
    assert not Incident.objects.exists()

    assert send(key, body(alert())) == (200, taken(opened=1))
    assert Incident.objects.get().ledger_id == ledger.id


def test_the_platforms_own_key_speaks_of_every_ledger(
    own: Ledger, ledger: Ledger, api_key: KeyOf
) -> None:
    labels = {"alertname": "A", "ledger": ledger.name}

    assert send(api_key(own, "alerts:write"), body(alert(labels=labels)))[0] == 200

    assert Incident.objects.get().ledger_id == ledger.id
    assert [each["action"] for each in events_of(ledger)] == ["incident.detected"]


@pytest.mark.parametrize("scope", ["entries:read", "events:write", "governance:write"])
def test_only_its_scope_delivers_alerts(own: Ledger, api_key: KeyOf, scope: str) -> None:
    status, said = send(api_key(own, scope), body(alert()))

    assert (status, said["code"]) == (403, "scope-missing")
    assert not Incident.objects.exists()


def test_without_a_key_nothing_is_taken(own: Ledger) -> None:
    answer = Client().post("/api/v1/alerts", body(alert()), content_type="application/json")

    assert answer.status_code == 401


@pytest.mark.parametrize(
    ("wrong", "name"),
    [
        (body(), "alerts"),
        (body(*[alert()] * (MOST_ALERTS + 1)), "alerts"),
        (body(alert(), version="5"), "version"),
        (body(alert(status="pending")), "status"),
        (body(alert(startsAt="yesterday")), "startsAt"),
        (body(alert(startsAt="2026-11-20T10:00:00")), "startsAt"),
        (body(alert(startsAt="0001-01-01T00:00:00Z")), "startsAt"),
        (body(alert(endsAt="never")), "endsAt"),
        (body(alert(fingerprint="")), "fingerprint"),
        (body(alert(fingerprint="a\0b")), "fingerprint"),
        (body(alert(fingerprint=None)), "fingerprint"),
        (body(alert(labels={"alertname": "x" * (MOST_VALUE + 1)})), "alertname"),
        (body(alert(labels={"alertname": 7})), "alertname"),
        (body(alert(labels={f"l{n}": "" for n in range(MOST_LABELS + 1)})), "labels"),
        (body(alert(annotations={"summary": "\ud800"})), "summary"),
        ({"version": "4"}, "alerts"),
    ],
)
def test_a_body_that_is_wrong_is_refused_whole_and_the_field_named(
    own: Ledger, api_key: KeyOf, wrong: dict[str, Any], name: str
) -> None:
    status, said = send(api_key(own, "alerts:write"), wrong)

    assert (status, said["code"]) == (400, "parameter")
    assert name in {each["name"] for each in said["errors"]}
    assert not Incident.objects.exists()


@pytest.mark.parametrize("text", ["", "{", "[]", '"x"', b"\xff"])
def test_what_is_no_json_object_is_refused(own: Ledger, api_key: KeyOf, text: str) -> None:
    assert send(api_key(own, "alerts:write"), text)[0] == 400


def test_a_body_that_is_too_long_is_refused(own: Ledger, api_key: KeyOf) -> None:
    assert settings.DATA_UPLOAD_MAX_MEMORY_SIZE is not None
    long = json.dumps(body(alert()) | {"more": "x" * settings.DATA_UPLOAD_MAX_MEMORY_SIZE})

    assert send(api_key(own, "alerts:write"), long)[0] == 400
    assert not Incident.objects.exists()


# --- Reading -------------------------------------------------------------------------------------


def test_incidents_are_read_newest_first_a_page_at_a_time(own: Ledger, api_key: KeyOf) -> None:
    key = api_key(own, "entries:read")
    made = [opened() for _ in range(5)]

    first = read(key, "incidents?limit=3")[1]
    second = read(key, f"incidents?limit=3&after={first['next']}")[1]

    assert [each["id"] for each in first["items"] + second["items"]] == [
        each.id for each in reversed(made)
    ]
    assert second["next"] is None


def test_incidents_are_asked_for_by_state_and_severity(own: Ledger, api_key: KeyOf) -> None:
    key = api_key(own, "entries:read")
    mine, done, mild = opened(), opened(), opened(severity="warning")
    acts.acknowledge(mine.id, by="Alice")
    acts.resolve(done.id, cause="x", by="Alice")

    def ids(query: str) -> list[int]:
        return [each["id"] for each in read(key, f"incidents?{query}")[1]["items"]]

    assert ids("state=open") == [mild.id]
    assert ids("state=acknowledged") == [mine.id]
    assert ids("state=resolved") == [done.id]
    assert ids("severity=critical") == [done.id, mine.id]
    assert read(key, "incidents?colour=red")[0] == 400
    assert read(key, "incidents?state=lost")[0] == 400


def test_one_incident_is_read_with_its_timeline(own: Ledger, api_key: KeyOf) -> None:
    incident = opened()
    acts.acknowledge(incident.id, by="Alice")

    status, said = read(api_key(own, "entries:read"), f"incidents/{incident.id}")

    assert status == 200
    assert (said["state"], said["acknowledged_by"]) == ("acknowledged", "Alice")
    assert [(each["act"], each["who"]) for each in said["timeline"]] == [
        ("opened", ""),
        ("acknowledged", "Alice"),
    ]


def test_a_key_reads_the_incidents_of_its_own_ledger(
    own: Ledger, ledger: Ledger, api_key: KeyOf
) -> None:
    of_all, of_one = opened(), opened(ledger)
    key, own_key = api_key(ledger, "entries:read"), api_key(own, "entries:read")

    assert [each["id"] for each in read(key, "incidents")[1]["items"]] == [of_one.id]
    assert read(key, f"incidents/{of_all.id}")[0] == 404
    assert [each["id"] for each in read(own_key, "incidents")[1]["items"]] == [of_all.id]
    assert read(own_key, f"incidents/{of_one.id}")[0] == 404
