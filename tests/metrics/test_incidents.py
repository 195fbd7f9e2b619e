"""Incidents are opened once and lived through by people; each act is a step and an entry."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings
from django.db import connection, transaction

from audit import measures
from audit.append import append_pending
from audit.models import Entry, Ledger
from metrics.acting import ChangeRefused
from metrics.incidents import acts, entries, opening
from metrics.incidents.firing import firing
from metrics.incidents.timeline import timeline
from metrics.models import Incident
from metrics.platform_families import ALERTS_FIRING
from tests.conftest import chain, make_event
from tests.metrics.incident_making import START, events_of, forget_incidents, opened

pytestmark = pytest.mark.usefixtures("no_incidents")


@pytest.fixture
def no_incidents(database: None) -> Iterator[None]:
    forget_incidents()
    yield
    forget_incidents()


def steps(incident: Incident) -> list[tuple[str, str, str]]:
    return [(each.act, each.who, each.words) for each in timeline(incident.id)]


# --- Opening and ending --------------------------------------------------------------------------


def test_opening_leaves_a_step_and_an_entry_in_the_ledger_that_the_label_names(
    ledger: Ledger,
) -> None:
    incident = opened(ledger)

    (event,) = events_of(ledger)
    assert steps(incident) == [("opened", "", "More than one error in ten seconds")]
    assert incident.ledger_id == ledger.id
    assert event["action"] == "incident.detected"
    assert event["case"] == {"id": f"incident-{incident.id}", "alert_id": incident.fingerprint}
    assert (event["severity"], event["actor"]["type"]) == ("high", "system")


def test_without_a_ledger_of_ours_the_entry_is_in_the_platforms_own() -> None:
    incident = opened(severity="warning", labels={"ledger": "of nobody", "agent": "bob"})

    own = Ledger.objects.get(name=settings.LEDGER)
    event = events_of(own)[-1]
    assert incident.ledger_id is None
    assert incident.labels == {"ledger": "of nobody", "agent": "bob"}
    assert event["case"]["id"] == entries.case_id(incident)
    assert event["severity"] == "low"


def test_a_ledger_that_takes_no_entries_leaves_them_to_the_platforms_own(ledger: Ledger) -> None:
    incident = opened(ledger)
    incident.ledger = ledger
    ledger.is_read_only = True

    assert entries.ledger_of(incident).name == settings.LEDGER


def test_each_alert_is_counted_once_and_what_a_person_opens_is_none() -> None:
    measures.gather(on=True)
    try:
        first = opened()
        opened(fingerprint=first.fingerprint)
        opened(source="alertmanager", name="Disk Full", severity="warning")
        opened(source="person", name="SomebodySaw")
        counted = [each for each in measures.drain() if each[0] == "obs_alerts_total"]
    finally:
        measures.gather(on=False)

    assert counted == [
        ("obs_alerts_total", ("HighErrorRate", "critical"), 1, None),
        ("obs_alerts_total", ("Disk Full", "warning"), 1, None),
    ]


def test_an_alert_that_is_rolled_back_is_not_counted() -> None:
    measures.gather(on=True)
    try:
        with suppress(ZeroDivisionError), transaction.atomic():
            opened()
            _ = 1 // 0
        assert [each for each in measures.drain() if each[0] == "obs_alerts_total"] == []
    finally:
        measures.gather(on=False)


def test_an_alert_fires_until_its_end_even_when_somebody_resolved_its_incident() -> None:
    one, other = opened(), opened()
    opened(source="alertmanager", name="Disk Full", severity="warning")
    opened(source="anomaly", name="SlowTool", severity="warning")
    acts.acknowledge(one.id, by="ann")
    acts.resolve(one.id, by="ann", cause="a full disk")
    told = {
        ("obs_alerts_firing", ("higherrorrate", "critical")): 2.0,
        ("obs_alerts_firing", ("disk_full", "warning")): 1.0,
    }
    assert firing() == told

    opening.end_incident(
        fingerprint=other.fingerprint, started_at=START, ended_at=START + timedelta(minutes=5)
    )
    assert firing()["obs_alerts_firing", ("higherrorrate", "critical")] == 1.0


def test_more_names_of_alerts_than_the_cap_are_told_together() -> None:
    for number in range(ALERTS_FIRING.cap + 5):
        opened(name=f"Alert{number:02}", severity="warning")

    told = firing()

    assert len(told) <= ALERTS_FIRING.cap
    assert sum(told.values()) == ALERTS_FIRING.cap + 5
    assert told["obs_alerts_firing", ("_other", "warning")] == 7.0


def test_the_same_alert_opens_one_incident_and_a_later_start_another() -> None:
    first = opened(fingerprint="f1")

    assert opened(fingerprint="f1").id == first.id
    assert opened(fingerprint="f1", summary="told otherwise").summary == first.summary
    assert opened(fingerprint="f1", started_at=START + timedelta(hours=1)).id != first.id
    assert len(steps(first)) == 1


def test_of_threads_that_tell_of_one_alert_at_once_one_opens_it(ledger: Ledger) -> None:
    ready, found = threading.Barrier(4), []

    def tell() -> None:
        try:
            ready.wait(timeout=30)
            found.append(opened(ledger, fingerprint="at once").id)
        finally:
            connection.close()

    threads = [threading.Thread(target=tell) for _ in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join(timeout=60)

    assert len(found) == 4
    assert len(set(found)) == 1
    assert [each["action"] for each in events_of(ledger)] == ["incident.detected"]


def test_an_end_is_noted_once_and_resolves_nothing(ledger: Ledger) -> None:
    incident = opened(ledger)
    which: dict[str, Any] = {"fingerprint": incident.fingerprint, "started_at": START}

    assert opening.end_once(**which, ended_at=START + timedelta(minutes=9))
    assert not opening.end_once(**which, ended_at=START + timedelta(minutes=99))

    incident.refresh_from_db()
    assert incident.ended_at == START + timedelta(minutes=9)
    assert incident.word() == "open"
    assert [each[0] for each in steps(incident)] == ["opened", "ended"]
    assert [each["action"] for each in events_of(ledger)][-1] == "incident.ended"


def test_an_end_before_the_start_is_the_start() -> None:
    incident = opened()

    opening.end_incident(
        fingerprint=incident.fingerprint, started_at=START, ended_at=START - timedelta(days=1)
    )

    incident.refresh_from_db()
    assert incident.ended_at == START


def test_the_end_of_what_was_never_opened_is_passed_over() -> None:
    assert not opening.end_once(fingerprint="none", started_at=START, ended_at=START)


def test_nothing_of_an_opening_is_kept_without_its_entry(
    database: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settings, "LEDGER", "none of this name")

    with pytest.raises(Ledger.DoesNotExist):
        opened(fingerprint="lost")

    assert not Incident.objects.filter(fingerprint="lost").exists()


# --- What people do ------------------------------------------------------------------------------


def test_each_act_is_a_step_and_an_entry_of_its_person(ledger: Ledger) -> None:
    (linked,) = chain(ledger, [make_event()])
    incident = opened(ledger)

    acts.acknowledge(incident.id, by="Alice")
    acts.note(incident.id, words="It began with version 2", by="Alice")
    acts.link(incident.id, ledger=ledger.name, seq="#0", by="Alice")
    acts.resolve(incident.id, cause="a full disk", by="Bob")
    acts.review(incident.id, words="Watch disks", by="Charlie")
    acts.reopen(incident.id, reason="It is full again", by="Bob")

    incident.refresh_from_db()
    assert incident.word() == "acknowledged"
    assert steps(incident)[1:] == [
        ("acknowledged", "Alice", ""),
        ("noted", "Alice", "It began with version 2"),
        ("linked", "Alice", ""),
        ("resolved", "Bob", "a full disk"),
        ("reviewed", "Charlie", "Watch disks"),
        ("reopened", "Bob", "It is full again"),
    ]
    found = events_of(ledger)[1:]
    assert [(each["action"], each["actor"]["id"]) for each in found] == [
        ("incident.triaged", "Alice"),
        ("incident.noted", "Alice"),
        ("incident.linked", "Alice"),
        ("incident.resolved", "Bob"),
        ("incident.reviewed", "Charlie"),
        ("incident.reopened", "Bob"),
    ]
    assert all(each["actor"]["type"] == "human" for each in found)
    assert {each["case"]["id"] for each in found} == {entries.case_id(incident)}
    assert found[2]["case"]["subject_event"] == str(linked.event_id)
    assert found[2]["details"]["hash"] == linked.hash
    assert found[3]["case"]["root_cause"] == "a full disk"
    (step,) = [each for each in timeline(incident.id) if each.act == "linked"]
    assert (step.ledger, step.seq) == (ledger.name, 0)


def test_who_resolves_first_has_acknowledged_too(ledger: Ledger) -> None:
    incident = opened(ledger)

    acts.resolve(incident.id, cause="a typing error", by="Bob")

    incident.refresh_from_db()
    assert (incident.acknowledged_by, incident.resolved_by) == ("Bob", "Bob")
    assert [each["action"] for each in events_of(ledger)] == [
        "incident.detected",
        "incident.triaged",
        "incident.resolved",
    ]


@pytest.mark.parametrize(
    ("act", "said", "field"),
    [
        (acts.resolve, {"cause": " "}, "cause"),
        (acts.resolve, {"cause": "x" * 501}, "cause"),
        (acts.note, {"words": "a\0b"}, "words"),
        (acts.reopen, {"reason": "it was not resolved"}, "incident"),
        (acts.review, {"words": "too early"}, "incident"),
        (acts.link, {"ledger": "none", "seq": "0"}, "ledger"),
        (acts.link, {"ledger": settings.LEDGER, "seq": "first"}, "seq"),
        (acts.link, {"ledger": settings.LEDGER, "seq": "999999999999"}, "seq"),
    ],
)
def test_an_act_that_cannot_be_is_refused_and_leaves_nothing(
    ledger: Ledger, act: Any, said: dict[str, str], field: str
) -> None:
    incident = opened(ledger)

    with pytest.raises(ChangeRefused) as refused:
        act(incident.id, by="Alice", **said)

    assert list(refused.value.errors) == [field]
    assert len(steps(incident)) == 1
    assert len(events_of(ledger)) == 1


def test_nothing_is_acknowledged_or_resolved_twice() -> None:
    incident = opened()
    acts.acknowledge(incident.id, by="Alice")
    with pytest.raises(ChangeRefused, match="acknowledged already"):
        acts.acknowledge(incident.id, by="Bob")
    acts.resolve(incident.id, cause="x", by="Alice")
    with pytest.raises(ChangeRefused, match="resolved already"):
        acts.resolve(incident.id, cause="y", by="Bob")

    incident.refresh_from_db()
    assert (incident.acknowledged_by, incident.resolved_by) == ("Alice", "Alice")


def test_of_two_who_resolve_at_once_one_does(ledger: Ledger) -> None:
    incident = opened(ledger)
    ready, refused = threading.Barrier(2), []

    def resolve(who: str) -> None:
        try:
            ready.wait(timeout=30)
            acts.resolve(incident.id, cause="the same", by=who)
        except ChangeRefused:
            refused.append(who)
        finally:
            connection.close()

    threads = [threading.Thread(target=resolve, args=(who,)) for who in ("Alice", "Bob")]
    for each in threads:
        each.start()
    for each in threads:
        each.join(timeout=60)

    assert len(refused) == 1
    assert [each[0] for each in steps(incident)].count("resolved") == 1


def test_a_person_opens_one_by_hand(ledger: Ledger) -> None:
    number = acts.open_by_person(
        title="Customers call", severity="warning", ledger=ledger.name, summary="Slow", by="Alice"
    )

    incident = Incident.objects.get(id=number)
    (event,) = events_of(ledger)
    assert (incident.source, incident.opened_by, incident.severity) == (
        "person",
        "Alice",
        "warning",
    )
    assert event["actor"] == {"type": "human", "id": "Alice"}


def test_what_a_person_opens_names_each_wrong_field() -> None:
    with pytest.raises(ChangeRefused) as refused:
        acts.open_by_person(title="", severity="bad", ledger="none", summary="", by="Alice")

    assert set(refused.value.errors) == {"title", "severity", "ledger", "summary"}
    assert not Incident.objects.exists()


def test_entries_about_incidents_say_what_is_expected_of_them(ledger: Ledger) -> None:
    incident = opened(ledger)
    acts.resolve(incident.id, cause=f"cause {uuid.uuid4()}", by="Bob")
    append_pending(ledger.id)

    for entry in Entry.objects.filter(ledger=ledger):
        assert entry.parsed()["event"]["case"]["id"] == entries.case_id(incident)
