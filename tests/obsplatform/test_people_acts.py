"""Log-ins and changes of people leave entries, and an act whose entry fails does not happen."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth.models import Group, User
from django.test import Client
from django.test.utils import override_settings

from audit.append import append_pending
from audit.ledgers import open_ledger
from audit.models import Entry, Ledger
from tests.audit.desk import make_client

PASSWORD = "correct-horse-battery"
LOGIN = "/admin/login/"


@pytest.fixture(autouse=True)
def main(database: None) -> Ledger:
    return open_ledger(settings.LEDGER)


@pytest.fixture(autouse=True)
def _hashed_cheaply() -> Iterator[None]:
    """What is written of a log-in does not depend on how a password is hashed."""
    with override_settings(PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"]):
        yield


@pytest.fixture
def alice() -> User:
    name = f"alice-{uuid.uuid4().hex[:8]}"
    user = User.objects.create_user(name, password=PASSWORD, is_staff=True)
    user.groups.add(Group.objects.get(name="auditor"))
    return user


@pytest.fixture
def administrator(main: Ledger) -> Client:
    return make_client("administrator")


def events_about(main: Ledger, name: str) -> list[dict[str, Any]]:
    """Return the events that name the account as actor or target, oldest first."""
    append_pending(main.id)
    found = Entry.objects.filter(ledger=main).order_by("-seq")[:50]
    events = [entry.parsed()["event"] for entry in found]
    named = [each for each in events if name in (each["actor"]["id"], each["target"]["id"])]
    return named[::-1]


def acts(main: Ledger, name: str) -> list[tuple[str, str]]:
    return [(each["action"], each["outcome"]) for each in events_about(main, name)]


def test_logging_in_and_out_are_entries(main: Ledger, alice: User) -> None:
    client = Client()

    client.post(LOGIN, {"username": alice.username, "password": PASSWORD})
    client.post("/admin/logout/")

    came, went = events_about(main, alice.username)
    assert (came["action"], went["action"]) == ("auth.login", "auth.logout")
    assert came["actor"] == {"type": "human", "id": alice.username, "roles": ["auditor"]}
    assert came["auth"] == {"method": "password", "mfa": False, "privileged": False}


def test_a_wrong_password_is_an_entry_without_it(main: Ledger, alice: User) -> None:
    Client().post(LOGIN, {"username": alice.username, "password": "wrong-horse"})

    (event,) = events_about(main, alice.username)
    assert (event["action"], event["outcome"]) == ("auth.login", "failure")
    assert event["actor"]["type"] == "unauthenticated"
    assert event["auth"]["failure_reason"] == "wrong password"
    assert "wrong-horse" not in str(event)


@pytest.mark.parametrize("typed", ["my-password-by-mistake", "nul\0", "a" * 200, "\ud800"])
def test_an_unknown_name_is_not_repeated(main: Ledger, typed: str) -> None:
    name = typed.encode("utf-8", "replace").decode()
    answer = Client().post(LOGIN, {"username": name, "password": "x"})

    assert answer.status_code == 200
    last = events_about(main, "unknown")
    assert all(name not in str(event) for event in last)


def test_a_person_who_may_not_enter_is_denied(main: Ledger, alice: User) -> None:
    User.objects.filter(pk=alice.pk).update(is_staff=False)

    Client().post(LOGIN, {"username": alice.username, "password": PASSWORD})

    assert acts(main, alice.username) == [("auth.login", "denied")]


def test_a_log_in_whose_entry_fails_does_not_happen(alice: User) -> None:
    client = Client(raise_request_exception=False)

    with override_settings(LEDGER="nowhere"):
        answer = client.post(LOGIN, {"username": alice.username, "password": PASSWORD})

    assert answer.status_code == 500
    assert client.get("/admin/").status_code == 302


def test_making_changing_and_disabling_a_person_are_entries(
    main: Ledger, administrator: Client
) -> None:
    name = f"bob-{uuid.uuid4().hex[:8]}"
    auditor, administrators = (
        Group.objects.get(name=each).pk for each in ("auditor", "administrator")
    )
    made = {"username": name, "usable_password": "true", "is_staff": "on", "groups": [auditor]}
    made |= {"password1": PASSWORD, "password2": PASSWORD}

    administrator.post("/admin/auth/user/add/", made)
    page = f"/admin/auth/user/{User.objects.get(username=name).pk}/change/"
    administrator.post(
        page, {"username": name, "is_staff": "on", "is_active": "on", "groups": [administrators]}
    )
    administrator.post(page, {"username": name, "is_staff": "on", "groups": [administrators]})

    told = [
        (each["action"], each.get("details", {}).get("role")) for each in events_about(main, name)
    ]
    assert told == [
        ("identity.account_created", None),
        ("identity.role_granted", "auditor"),
        ("identity.role_granted", "staff"),
        ("identity.role_granted", "administrator"),
        ("identity.role_revoked", "auditor"),
        ("identity.account_disabled", None),
    ]


def test_setting_a_password_for_another_is_an_entry(
    main: Ledger, administrator: Client, alice: User
) -> None:
    new = {"password1": "staple-battery-1", "password2": "staple-battery-1"}

    administrator.post(f"/admin/auth/user/{alice.pk}/password/", new | {"usable_password": "true"})

    alice.refresh_from_db()
    assert alice.check_password("staple-battery-1")
    assert acts(main, alice.username) == [("audit.config_changed", "success")]


def test_what_a_role_may_do_is_told_when_it_changes(main: Ledger, administrator: Client) -> None:
    name = f"readers-{uuid.uuid4().hex[:8]}"
    role = Group.objects.create(name=name)
    view = Group.objects.get(name="auditor").permissions.get(codename="view_entry")

    page = f"/admin/auth/group/{role.pk}/change/"
    administrator.post(page, {"name": name, "permissions": [view.pk]})
    administrator.post(page, {"name": name})

    granted, withdrawn = events_about(main, name)
    assert granted["action"] == "identity.permission_granted"
    assert granted["details"] == {"permissions": ["audit.view_entry"]}
    assert withdrawn["details"] == {"permissions_withdrawn": ["audit.view_entry"]}


def test_a_change_whose_entry_fails_does_not_happen(administrator: Client, alice: User) -> None:
    administrator.raise_request_exception = False

    with override_settings(LEDGER="nowhere"):
        answer = administrator.post(
            f"/admin/auth/user/{alice.pk}/change/", {"username": alice.username, "is_staff": "on"}
        )

    alice.refresh_from_db()
    assert answer.status_code == 500
    assert alice.is_active


def test_times_of_people_are_written_as_everywhere_on_the_desk(
    administrator: Client, alice: User
) -> None:
    Client().post(LOGIN, {"username": alice.username, "password": PASSWORD})

    for address in (f"?q={alice.username}", f"{alice.id}/change/"):
        page = administrator.get(f"/admin/auth/user/{address}").content.decode()

        alice.refresh_from_db()
        assert alice.last_login is not None
        assert f'datetime="{alice.last_login:%Y-%m-%dT%H:%M:%S.%f}Z"' in page
