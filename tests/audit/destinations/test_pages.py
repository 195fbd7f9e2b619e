"""What people see of destinations, what they may do there, and that no secret is ever shown."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from pytest_django import Settings

from audit import destination as destinations
from audit.append import append_pending
from audit.database import rows
from audit.figures import destination_figures
from audit.models import Destination, Ledger
from obsplatform.readiness import failing_destinations
from tests.audit.desk import get, make_client
from tests.audit.destinations.receiving import (
    LOOPBACK,
    SECRET,
    Endpoint,
    deliver,
    destination,
    endpoint,
    let_time_pass,
)
from tests.audit.pruning import old_entries
from tests.conftest import chain, entries, make_event

pytestmark = pytest.mark.usefixtures("alone_as_module")

LIST = "/admin/audit/destination/"


@pytest.fixture(autouse=True)
def loopback(settings: Settings) -> None:
    settings.OUTBOUND_RULES = LOOPBACK


@pytest.fixture
def receiver() -> Iterator[Endpoint]:
    with endpoint() as told:
        yield told


@pytest.fixture
def administrator(database: None) -> Client:
    return make_client("administrator")


@pytest.fixture
def auditor(database: None) -> Client:
    return make_client("auditor")


def at(row: Destination, act: str = "change") -> str:
    return reverse(f"admin:audit_destination_{act}", args=[row.id])


def made(client: Client, ledger: Ledger, **typed: Any) -> tuple[int, str]:
    """Send the form of a webhook; return the status and the page."""
    answer = client.post(
        f"{LIST}new/?ledger={ledger.name}&kind={typed.pop('kind', 'webhook')}",
        {"name": "siem", "secret": SECRET, "start": "all"} | typed,
        follow=True,
    )
    return answer.status_code, answer.content.decode()


def test_a_person_makes_one_and_it_gets_what_is_there(
    administrator: Client, ledger: Ledger, receiver: Endpoint
) -> None:
    chain(ledger, [make_event()])

    status, page = made(administrator, ledger, address=receiver.url)

    assert status == 200
    assert "siem is made" in page
    assert SECRET not in page
    row = Destination.objects.select_related("ledger").get(ledger=ledger, name="siem")
    deliver(row)
    assert receiver.seqs()[0] == 0


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ({"name": "No"}, "Name has 1 to 63 small letters"),
        (
            {"address": "http://10.0.0.1/"},
            "Address may not be reached: 10.0.0.1 is 10.0.0.1, which is not public",
        ),
        ({"secret": "short"}, "Secret has fewer than 16 characters"),
        ({"option-ca": "nothing"}, "Certificate authority is no certificate in PEM"),
        ({"start": "then"}, "start</strong> is one of now, all"),
    ],
)
def test_what_is_wrong_stands_at_its_field_and_the_secret_is_not_given_back(
    administrator: Client, ledger: Ledger, typed: dict[str, str], said: str
) -> None:
    status, page = made(administrator, ledger, **{"address": "http://127.0.0.1:1/"} | typed)

    assert status == 400
    assert said in re.sub(r"</?bdi[^>]*>", "", page)
    assert SECRET not in page
    assert not Destination.objects.filter(ledger=ledger).exists()


def test_every_kind_has_its_form(administrator: Client, ledger: Ledger) -> None:
    kinds = get(administrator, f"{LIST}new/?ledger={ledger.name}")
    for kind in ("http", "webhook", "ocsf", "syslog", "file", "objectstore"):
        assert f"kind={kind}" in kinds
        form = get(administrator, f"{LIST}new/?ledger={ledger.name}&kind={kind}")
        assert 'name="address"' in form
        assert ('name="secret"' in form) is (kind not in {"syslog", "file"})


def test_the_list_tells_state_and_what_each_lacks(
    auditor: Client, ledger: Ledger, receiver: Endpoint
) -> None:
    row = destination(ledger, receiver.url, name="siem")
    chain(ledger, [make_event() for _ in range(3)])
    receiver.status, receiver.answer = 500, b"no room"
    deliver(row)

    page = get(auditor, f"{LIST}?ledger={ledger.name}")

    assert "siem" in page
    assert ">4</span> entries" in page
    assert "failing" in page
    assert "it answered 500: no room" in page
    assert "Make destination" not in page


def test_an_auditor_sees_a_destination_and_changes_nothing(
    auditor: Client, ledger: Ledger, receiver: Endpoint
) -> None:
    row = destination(ledger, receiver.url, kind="http", name="siem")

    page = get(auditor, at(row))

    assert "kept encrypted, never shown" in page
    assert SECRET not in page
    assert receiver.url in page
    assert 'action="/admin/audit/destination/' not in page
    for act in ("pause", "resume", "replay", "test", "remove", "edit"):
        assert auditor.post(at(row, act)).status_code == 403


def test_a_test_shows_what_came_back(
    administrator: Client, ledger: Ledger, receiver: Endpoint
) -> None:
    row = destination(ledger, receiver.url)
    receiver.answer = b"got it"
    assert "200 got it" in administrator.post(at(row, "test")).content.decode()

    receiver.status, receiver.answer = 403, b"<b>who</b> are you"
    page = administrator.post(at(row, "test")).content.decode()

    assert "The test line was not taken" in page
    assert "403: &lt;b&gt;who&lt;/b&gt; are you" in page


def test_acts_of_the_page_are_entries_of_the_person(
    administrator: Client, ledger: Ledger, receiver: Endpoint
) -> None:
    row = destination(ledger, receiver.url, name="siem")
    append_pending(ledger.id)
    deliver(row)
    administrator.post(at(row, "pause"))
    administrator.post(at(row, "resume"))
    administrator.post(at(row, "replay"), {"from": "0"})
    administrator.post(at(row, "edit"), {"address": receiver.url, "option-sealed_only": "true"})
    administrator.post(at(row, "remove"), {"confirm": "other"})
    administrator.post(at(row, "remove"), {"confirm": "siem"})

    append_pending(ledger.id)
    said = [each.parsed()["event"] for each in entries(ledger)][1:]
    assert [each["details"]["change"] for each in said] == [
        *("paused", "resumed", "replayed", "changed", "removed"),
    ]
    assert all(each["actor"]["id"].startswith("administrator-") for each in said)
    assert said[3]["details"]["after"]["options"]["sealed_only"] is True
    assert get(administrator, f"{LIST}?ledger={ledger.name}&show=removed").count("siem") > 0


@pytest.mark.parametrize("typed", ["99", "tomorrow", "", "2200-01-01T00:00:00Z"])
def test_a_replay_from_nowhere_says_why(
    administrator: Client, ledger: Ledger, receiver: Endpoint, typed: str
) -> None:
    row = destination(ledger, receiver.url)
    append_pending(ledger.id)
    deliver(row)

    page = administrator.post(at(row, "replay"), {"from": typed}, follow=True).content.decode()

    assert "Nothing is sent again: the beginning is" in page
    row.refresh_from_db()
    assert row.next_seq == 1


def test_gaps_are_shown_with_their_count(auditor: Client, ledger: Ledger) -> None:
    row = destination(ledger, "http://127.0.0.1:1/")
    gap = {"from": 0, "to": 256, "at": "2026-11-21T03:05:00+00:00"}
    Destination.objects.filter(id=row.id).update(gaps=[gap], next_seq=256)

    page = get(auditor, at(row))

    assert "#255" in page
    assert ">256<" in page


def test_what_the_other_side_says_is_shown_as_text(
    auditor: Client, ledger: Ledger, receiver: Endpoint
) -> None:
    row = destination(ledger, receiver.url)
    append_pending(ledger.id)
    receiver.status, receiver.answer = 500, "<script>alert(1)</script>\u202e".encode()
    deliver(row)

    for address in (at(row), f"{LIST}?ledger={ledger.name}"):
        page = get(auditor, address)
        assert "<script>alert" not in page
        assert "⟨U+202E⟩" in page


# --- Figures -------------------------------------------------------------------------------------


def figures(row: Destination) -> tuple[int, float | None]:
    (found,) = [
        each
        for each in destination_figures()
        if each.destination == f"{row.ledger.name}/{row.name}"
    ]
    return found.lag_entries, found.ok


def test_figures_tell_lag_and_state(ledger: Ledger, receiver: Endpoint) -> None:
    row = destination(ledger, receiver.url)
    chain(ledger, [make_event() for _ in range(2)])
    assert figures(row) == (3, 1.0)

    receiver.status = 500
    deliver(row)
    assert figures(row) == (3, 0.5)

    let_time_pass(row, seconds=86_401)
    deliver(row)
    assert figures(row) == (3, 0.0)

    receiver.status = 200
    destinations.resume(row, by="alice")
    deliver(row)
    assert figures(row) == (0, 1.0)
    destinations.pause(row, by="alice")
    assert figures(row) == (0, None)


def told(row: Destination) -> list[str]:
    return [said for said in failing_destinations() if row.ledger.name in said]


def test_ready_tells_of_one_to_which_nobody_sends(ledger: Ledger, receiver: Endpoint) -> None:
    old_entries(ledger, [make_event()], days=1)
    row = destination(ledger, receiver.url)
    assert told(row) == [], "it was made just now"

    rows(
        "UPDATE audit_destination SET made_at = made_at - interval '2 minutes' WHERE id = %s "
        "RETURNING id",
        (row.id,),
    )
    assert "does `deliver` run?" in told(row)[0]

    deliver(row)
    assert told(row) == []


def test_ready_tells_of_one_that_fails_for_long_or_is_dead(
    ledger: Ledger, receiver: Endpoint
) -> None:
    row = destination(ledger, receiver.url)
    receiver.status, receiver.answer = 500, b"no room"
    append_pending(ledger.id)
    deliver(row)
    assert told(row) == []

    let_time_pass(row, seconds=100)
    assert "no room" in told(row)[0]

    let_time_pass(row, seconds=86_400)
    deliver(row)
    assert "is dead" in told(row)[0]

    receiver.status = 200
    destinations.resume(row, by="alice")
    deliver(row)
    assert told(row) == []
