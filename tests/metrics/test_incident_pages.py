"""The pages of incidents and receivers: who sees and does what, and what they say."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings as platform
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from audit.models import Ledger
from audit.outbound import Rules
from metrics.incidents import acts, opening
from metrics.models import Incident, Receiver
from metrics.notifying.deliver import deliver_waiting
from tests.conftest import chain, make_event
from tests.metrics.deciding import client, page, said
from tests.metrics.incident_making import events_of, forget_incidents, opened

LIST, RECEIVERS = "/admin/metrics/incident/", "/admin/metrics/receiver/"
ACTS = ("acknowledge", "resolve", "reopen", "review", "note", "link")


@pytest.fixture(autouse=True)
def nothing_open(database: None, settings: Settings, tmp_path: Path) -> Iterator[None]:
    settings.SECRETS_DIR = tmp_path
    forget_incidents()
    yield
    forget_incidents()


@pytest.fixture
def administrator(database: None) -> Client:
    return client("administrator")


@pytest.fixture
def auditor(database: None) -> Client:
    return client("auditor")


def address(incident: Incident, act: str = "change") -> str:
    return f"{LIST}{incident.id}/{act}/"


def do(who: Client, incident: Incident, act: str, **typed: str) -> str:
    return said(who.post(address(incident, act), typed, follow=True).content)


def mail(**typed: str) -> dict[str, str]:
    return {
        "name": "on-call",
        "kind": "email",
        "severity": "warning",
        "target": "alice@example.com",
        "secret": "",
    } | typed


# --- Who sees and does what ----------------------------------------------------------------------


@pytest.mark.parametrize("group", ["auditor", "compliance officer", "administrator"])
def test_these_groups_see_both_pages_in_the_sidebar(group: str) -> None:
    who = client(group)
    for each in (LIST, RECEIVERS):
        shown = who.get(each).content.decode()
        assert f'href="{LIST}"' in shown
        assert f'href="{RECEIVERS}"' in shown


def test_who_is_in_no_group_sees_neither() -> None:
    who, incident = client(), opened()
    for each in (LIST, RECEIVERS, address(incident)):
        assert who.get(each).status_code == 403


@pytest.mark.parametrize("group", ["auditor", "compliance officer"])
def test_only_administrators_act(administrator: Client, group: str) -> None:
    who, incident = client(group), opened()
    administrator.post(f"{RECEIVERS}new/", mail())
    receiver = Receiver.objects.get()

    for each in ACTS:
        assert who.post(address(incident, each), {"words": "x"}).status_code == 403, each
    for each in (
        f"{LIST}new/",
        f"{RECEIVERS}new/",
        f"{RECEIVERS}{receiver.id}/try/",
        f"{RECEIVERS}{receiver.id}/end/",
    ):
        assert who.post(each, mail()).status_code == 403, each
    assert "I look after it" not in page(who, address(incident))
    incident.refresh_from_db()
    assert incident.word() == "open"


@pytest.mark.parametrize("act", ACTS)
def test_an_act_is_a_post(administrator: Client, act: str) -> None:
    assert administrator.get(address(opened(), act)).status_code == 405


@pytest.mark.parametrize(
    "where", [f"{LIST}999999999/change/", f"{LIST}x/change/", f"{RECEIVERS}999999999/change/"]
)
def test_what_is_not_there_is_not_found(auditor: Client, where: str) -> None:
    assert auditor.get(where).status_code == 404


# --- The list ------------------------------------------------------------------------------------


def test_an_empty_list_says_what_would_be_here(auditor: Client) -> None:
    assert "an Alertmanager that posts to /api/v1/alerts" in page(auditor, LIST)
    assert "None was resolved yet" in page(auditor, f"{LIST}?show=resolved")
    assert "Nobody is looking after one" in page(auditor, f"{LIST}?show=acknowledged")


def test_the_list_says_how_many_wait_and_shows_one_state(auditor: Client) -> None:
    opened(summary="the first of them")
    mine = opened(severity="warning", summary="the second of them")
    acts.acknowledge(mine.id, by="Alice")

    text = page(auditor, LIST)
    assert "1 is open and nobody looks after it; 1 is critical. 1 is being looked after." in text
    assert "the first of them" in text
    assert "the second of them" not in text
    text = page(auditor, f"{LIST}?show=acknowledged")
    assert "the second of them" in text
    assert "Alice" in text


def test_the_filters_are_the_address_and_chips(auditor: Client, ledger: Ledger) -> None:
    opened(ledger, summary="of the ledger")
    opened(summary="of no ledger", severity="warning")

    shown = auditor.get(f"{LIST}?show=open&ledger={ledger.name}&severity=critical")
    text = said(shown.content)
    assert "of the ledger" in text
    assert "of no ledger" not in text
    assert f'href="{LIST}?show=open&amp;severity=critical"' in shown.content.decode()
    assert "No incident fits these filters" in page(
        auditor, f"{LIST}?show=open&ledger={ledger.name}&severity=warning"
    )


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ("colour=red", "colour : is no filter of this list"),
        ("show=lost", "show : is one of open"),
        ("severity=bad", "severity : is one of"),
        ("ledger=none", "ledger : is none that this installation has"),
        ("after=x", "after : is a number"),
    ],
)
def test_an_address_that_cannot_be_read_lists_nothing(
    auditor: Client, query: str, told: str
) -> None:
    opened(summary="not to be shown")

    text = page(auditor, f"{LIST}?{query}")
    assert told in text
    assert "not to be shown" not in text


def test_the_list_turns_pages_without_counting(auditor: Client) -> None:
    made = [opened() for _ in range(27)]

    first = auditor.get(f"{LIST}?severity=critical").content.decode()
    assert f"{made[1].id:,}</a>" not in first
    older = f"{LIST}?show=open&amp;severity=critical&amp;after={made[2].id}"
    assert older in first
    second = page(auditor, older.replace("&amp;", "&"))
    assert f" {made[1].id:,} " in second
    assert f" {made[2].id:,} " not in second


# --- One incident --------------------------------------------------------------------------------


def test_the_page_says_what_happened_and_shows_the_runbook(auditor: Client) -> None:
    incident = opened(
        labels={"agent": "bob"}, description="Look at tools.", runbook="HighErrorRate"
    )

    text = page(auditor, address(incident))
    for each in (
        "nobody looks after it. What raised it still holds.",
        "agent bob",
        "Look at tools.",
        "The runbook # HighErrorRate",
        "Nobody: when it opened, no receiver was for its severity.",
        f"incident-{incident.id}",
    ):
        assert each in text


@pytest.mark.parametrize(
    ("runbook", "is_link", "is_shown"),
    [
        ("https://wiki.example.com/QueueBacklog", True, True),
        ("https://wiki.example.com/unknown", True, False),
        ("docs/runbooks/QueueBacklog.md", False, True),
        ("../../etc/passwd", False, False),
        ("javascript:alert(1)", False, False),
    ],
)
def test_a_runbook_is_a_link_only_when_it_is_one(
    auditor: Client, runbook: str, is_link: bool, is_shown: bool
) -> None:
    shown = auditor.get(address(opened(runbook=runbook))).content.decode()

    assert (f'href="{runbook}"' in shown) == is_link
    assert ('id="runbook"' in shown) == is_shown


def test_what_others_wrote_is_escaped(auditor: Client) -> None:
    incident = opened(summary="<script>alert(1)</script>", labels={"<b>": "<i>"})

    for where in (LIST, address(incident)):
        shown = auditor.get(where).content.decode()
        assert "<script>alert(1)" not in shown
        assert "<b>" not in shown


def test_an_incident_is_lived_through_on_its_page(administrator: Client, ledger: Ledger) -> None:
    chain(ledger, [make_event()])
    incident = opened(ledger)

    assert "It is yours; this is an entry." in do(administrator, incident, "acknowledge")
    assert "Nothing was changed" in do(administrator, incident, "acknowledge")
    assert "It began at noon" in do(administrator, incident, "note", words="It began at noon")
    text = do(administrator, incident, "link", ledger=ledger.name, seq="0")
    assert f"{ledger.name} #0" in text
    assert "Nothing was changed: cause is needed" in do(administrator, incident, "resolve")
    assert "what was learnt is not said yet" in do(
        administrator, incident, "resolve", cause="a full disk"
    )
    assert "what was learnt is not said yet" not in do(
        administrator, incident, "review", words="watch disks"
    )
    assert "looks after it since" in do(administrator, incident, "reopen", reason="again")
    assert [each["action"] for each in events_of(ledger)] == [
        "incident.detected",
        "incident.triaged",
        "incident.noted",
        "incident.linked",
        "incident.resolved",
        "incident.reviewed",
        "incident.reopened",
    ]


def test_one_is_opened_by_hand(administrator: Client) -> None:
    typed = {"title": "Customers call", "severity": "critical", "ledger": "", "summary": "Slow"}

    text = said(administrator.post(f"{LIST}new/", typed, follow=True).content)
    assert "It is open; this is an entry" in text
    assert "Raised by a person" in text
    refused = administrator.post(f"{LIST}new/", typed | {"title": ""})
    assert refused.status_code == 400
    assert "Title has 1 to" in said(refused.content)


# --- Receivers -----------------------------------------------------------------------------------


def test_an_empty_list_of_receivers_names_the_folder(auditor: Client, tmp_path: Path) -> None:
    text = page(auditor, RECEIVERS)

    assert "Nobody is told of incidents yet" in text
    assert str(tmp_path) in text


def test_a_receiver_is_made_tried_and_ended(administrator: Client) -> None:
    text = said(administrator.post(f"{RECEIVERS}new/", mail(), follow=True).content)
    assert "on-call is told from now on; this is an entry." in text
    made = Receiver.objects.get()

    text = said(administrator.post(f"{RECEIVERS}{made.id}/try/", follow=True).content)
    assert "A trial is on its way" in text
    assert "a trial schedule waiting" in text
    deliver_waiting(timezone.now())
    assert "a trial mark_email_read sent" in page(administrator, f"{RECEIVERS}{made.id}/change/")

    text = said(administrator.post(f"{RECEIVERS}{made.id}/end/", follow=True).content)
    assert "on-call is told nothing more" in text
    assert "on-call" in page(administrator, f"{RECEIVERS}?show=ended")
    text = said(administrator.post(f"{RECEIVERS}{made.id}/try/", follow=True).content)
    assert "Nothing is sent" in text


def test_what_is_wrong_with_a_receiver_stands_beside_its_field(administrator: Client) -> None:
    answer = administrator.post(f"{RECEIVERS}new/", mail(target="nobody"))

    assert answer.status_code == 400
    assert "Address is no mailbox: nobody." in said(answer.content)
    assert 'value="nobody"' in answer.content.decode()


def test_a_page_says_whether_a_secret_can_be_read_and_never_what_it_is(
    administrator: Client, settings: Settings, tmp_path: Path
) -> None:
    settings.OUTBOUND_RULES = Rules()
    typed = mail(kind="slack", target="", secret="chat")
    administrator.post(f"{RECEIVERS}new/", typed)
    where = f"{RECEIVERS}{Receiver.objects.get().id}/change/"
    assert "It cannot be told: there is no file chat" in page(administrator, where)

    (tmp_path / "chat").write_text("https://hooks.slack.com/services/T0/B0/verysecret\n")

    for each in (where, RECEIVERS, f"{RECEIVERS}new/"):
        text = page(administrator, each)
        assert "verysecret" not in text
    assert "can be read" in page(administrator, where)


def test_an_incident_says_who_was_told_and_what_failed(
    administrator: Client, settings: Settings
) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 9
    administrator.post(f"{RECEIVERS}new/", mail())
    incident = opened()
    deliver_waiting(timezone.now())

    text = page(administrator, address(incident))
    assert "on-call its opening sync_problem failing 1" in text
    assert "the mail server 127.0.0.1:9 did not take the mail" in text


def test_the_front_page_says_how_many_incidents_wait(administrator: Client) -> None:
    incident = opened()
    assert "1 incident open" in page(administrator, f"/admin/?ledger={platform.LEDGER}")

    acts.acknowledge(incident.id, by="Alice")
    assert "incident open" not in page(administrator, f"/admin/?ledger={platform.LEDGER}")


def test_what_an_alertmanager_told_of_says_so(auditor: Client) -> None:
    incident = opened(source="alertmanager")
    opening.end_once(
        fingerprint=incident.fingerprint,
        started_at=incident.started_at,
        ended_at=timezone.now(),
    )

    text = page(auditor, address(incident))
    assert "Alertmanager tells its own receivers" in text
    assert "What raised it held no more" in text
