"""What a schedule may be, what is refused with its field, and that every change is an entry."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pytest_django import Settings

from audit.models import Ledger
from audit.outbound import Rules
from compliance.acting import ActRefused
from compliance.models import Schedule
from compliance.schedule import (
    MOST_RECIPIENTS,
    change_schedule,
    make_schedule,
    pause_schedule,
    remove_schedule,
    resume_schedule,
)
from compliance.schedule_secrets import kept, open_secret
from tests.audit.destinations.receiving import LOOPBACK
from tests.compliance.scheduling import ALICE, SECRET, recipient, scheduled, told, wanted

HOOK = "http://127.0.0.1:9/reports"


@pytest.fixture(autouse=True)
def loopback(settings: Settings) -> None:
    settings.OUTBOUND_RULES = LOOPBACK


def changes(ledger: Ledger) -> list[dict[str, Any]]:
    """Return the details of the entries about changes, oldest first."""
    found = told(ledger, "audit.config_changed")
    return [json.loads(bytes(each.record))["event"]["details"] for each in found]


def test_each_act_is_an_entry_with_before_and_after(ledger: Ledger) -> None:
    schedule = make_schedule(ledger, wanted(name="monthly"), by=ALICE)
    change_schedule(schedule, wanted(name="monthly", formats=("csv",)), by=ALICE)
    pause_schedule(schedule, by=ALICE)
    resume_schedule(schedule, by=ALICE)
    remove_schedule(schedule, by=ALICE)

    said = changes(ledger)
    assert [each["change"] for each in said] == ["made", "changed", "paused", "resumed", "removed"]
    assert {each["schedule"] for each in said} == {"monthly"}
    assert said[1]["before"]["formats"] == ["pdf", "json"]
    assert said[1]["after"]["formats"] == ["csv"]
    schedule.refresh_from_db()
    assert (schedule.is_on, schedule.removed_by, schedule.secrets) == (False, "alice", None)


@pytest.mark.parametrize(
    ("fields", "field", "said"),
    [
        ({"name": " "}, "name", "give it a name"),
        ({"name": "a\nb"}, "name", "one line"),
        ({"name": "x" * 81}, "name", "at most 80"),
        ({"framework": "soc9"}, "framework", "choose one of"),
        ({"environment": "moon"}, "environment", "choose one of"),
        ({"period": "ever"}, "period", "choose one of"),
        ({"formats": ()}, "formats", "at least one"),
        ({"formats": ("docx",)}, "formats", "there is no format 'docx'"),
        ({"cron": "0 6 31 2 *"}, "cron", "never runs: no month of it has such a day"),
        ({"cron": "monthly"}, "cron", "give five fields"),
        ({"zone": "Berlin"}, "zone", "such as Europe/Berlin"),
    ],
)
def test_what_is_wrong_is_refused_with_its_field_and_leaves_nothing(
    ledger: Ledger, fields: dict[str, Any], field: str, said: str
) -> None:
    with pytest.raises(ActRefused, match=said) as refused:
        make_schedule(ledger, wanted(**fields), by=ALICE)

    assert refused.value.field == field
    assert not Schedule.objects.filter(ledger=ledger).exists()
    assert changes(ledger) == []


@pytest.mark.parametrize(
    ("kind", "address", "options", "secret", "part", "said"),
    [
        ("fax", "+49 30 1", {}, "", "kind", "choose one of email"),
        ("email", "nobody", {}, "", "address", "is no mailbox"),
        ("webhook", "ftp://example.com/", {}, SECRET, "address", "only http and https"),
        ("webhook", "http://10.0.0.1/", {}, SECRET, "address", "which is not public"),
        ("webhook", HOOK, {}, None, "secret", "it is needed"),
        ("webhook", HOOK, {}, "short", "secret", "at least 16 characters"),
        ("objectstore", HOOK, {}, SECRET, "key_id", "Access key ID is needed"),
        ("objectstore", HOOK + "?x=1", {"key_id": "k"}, SECRET, "address", "without a query"),
        ("objectstore", HOOK, {"key_id": "k", "prefix": "/x"}, SECRET, "prefix", "ends in a slash"),
        ("objectstore", HOOK, {"key_id": "k", "lock": "YES"}, SECRET, "lock", "choose one of"),
        ("objectstore", HOOK, {"key_id": "k", "lock_days": 0}, SECRET, "lock_days", "from 1 to"),
    ],
)
def test_a_recipient_is_refused_with_its_row_and_part(
    ledger: Ledger,
    kind: str,
    address: str,
    options: dict[str, Any],
    secret: str | None,
    part: str,
    said: str,
) -> None:
    first = recipient("email", "auditor@example.org")
    second = recipient(kind, address, row=1, secret=secret, **options)

    with pytest.raises(ActRefused, match=said) as refused:
        make_schedule(ledger, wanted(recipients=(first, second)), by=ALICE)

    assert refused.value.field == f"recipient-1-{part}"


def test_an_address_is_there_once_and_no_more_than_twenty(ledger: Ledger) -> None:
    twice = (recipient("email", "a@example.org"), recipient("email", "a@example.org", row=1))
    with pytest.raises(ActRefused, match="there twice") as refused:
        make_schedule(ledger, wanted(recipients=twice), by=ALICE)
    assert refused.value.field == "recipient-1-address"

    many = tuple(
        recipient("email", f"a{row}@example.org", row=row) for row in range(MOST_RECIPIENTS + 1)
    )
    with pytest.raises(ActRefused, match="at most 20"):
        make_schedule(ledger, wanted(recipients=many), by=ALICE)


def test_a_secret_stays_while_its_address_stays_and_is_asked_for_again_otherwise(
    ledger: Ledger,
) -> None:
    schedule = scheduled(ledger, name="hook", recipients=(recipient("webhook", HOOK),))

    same = recipient("webhook", HOOK, secret=None)
    changed = change_schedule(
        schedule, wanted(name="hook", formats=("zip",), recipients=(same,)), by=ALICE
    )
    assert open_secret(changed, "webhook", HOOK) == SECRET

    moved = recipient("webhook", HOOK + "/mine", secret=None)
    with pytest.raises(ActRefused, match="a new address never gets") as refused:
        change_schedule(schedule, wanted(name="hook", recipients=(moved,)), by=ALICE)
    assert refused.value.field == "recipient-0-secret"


def test_a_secret_is_bound_to_its_schedule(ledger: Ledger) -> None:
    one = scheduled(ledger, recipients=(recipient("webhook", HOOK),))
    other = scheduled(ledger)

    Schedule.objects.filter(ledger=ledger, id=other.id).update(secrets=one.secrets)
    other = Schedule.objects.select_related("ledger").get(ledger=ledger, id=other.id)

    assert kept(other)
    with pytest.raises(Exception, match="does not open"):
        open_secret(other, "webhook", HOOK)


def test_a_name_is_taken_once_and_free_when_removed(ledger: Ledger) -> None:
    first = make_schedule(ledger, wanted(name="monthly"), by=ALICE)
    with pytest.raises(ActRefused, match="has this name") as refused:
        make_schedule(ledger, wanted(name="monthly"), by=ALICE)
    assert refused.value.field == "name"

    remove_schedule(first, by=ALICE)

    assert make_schedule(ledger, wanted(name="monthly"), by=ALICE).id != first.id


def test_an_act_that_changes_nothing_is_refused(ledger: Ledger) -> None:
    schedule = make_schedule(ledger, wanted(name="monthly"), by=ALICE)

    with pytest.raises(ActRefused, match="how it is already"):
        change_schedule(schedule, wanted(name="monthly"), by=ALICE)
    with pytest.raises(ActRefused, match="going already"):
        resume_schedule(schedule, by=ALICE)
    pause_schedule(schedule, by=ALICE)
    with pytest.raises(ActRefused, match="paused already"):
        pause_schedule(schedule, by=ALICE)
    remove_schedule(schedule, by=ALICE)
    with pytest.raises(ActRefused, match="was removed"):
        resume_schedule(schedule, by=ALICE)


def test_an_inner_address_needs_leave(ledger: Ledger, settings: Settings) -> None:
    settings.OUTBOUND_RULES = Rules()

    with pytest.raises(ActRefused, match="OBS_OUTBOUND_ALLOW"):
        make_schedule(ledger, wanted(recipients=(recipient("webhook", HOOK),)), by=ALICE)
