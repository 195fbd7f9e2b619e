"""Who guesses passwords is slowed down, the owner of the account elsewhere is not."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from audit.models import Ledger
from obsplatform.log_in_limit import (
    MOST_OF_ACCOUNT,
    MOST_OF_ADDRESS,
    WINDOW,
    count_attempt,
    forget_attempts,
)
from obsplatform.models import LogInAttempts
from tests.obsplatform.test_people_acts import LOGIN, PASSWORD, acts, alice, events_about, main

__all__ = ["alice", "main"]  # fixtures, which pytest finds by their names here

HERE, ELSEWHERE = "192.0.2.7", "198.51.100.9"


@pytest.fixture(autouse=True)
def nothing_counted(database: None, settings: Settings) -> Iterator[None]:
    """Begin and end without attempts: every test of the session comes from one address.

    What is counted does not depend on how a password is hashed, so here it is hashed cheaply.
    """
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    LogInAttempts.objects.all().delete()
    yield
    LogInAttempts.objects.all().delete()


def try_to_enter(account: str, password: str, *, address: str = HERE) -> tuple[bool, str]:
    """Send the form; return whether it let the person in, and the page."""
    answer = Client(REMOTE_ADDR=address).post(LOGIN, {"username": account, "password": password})
    return answer.status_code == 302, answer.content.decode()


def fail(account: str, *, times: int = MOST_OF_ACCOUNT) -> None:
    for _ in range(times):
        is_in, page = try_to_enter(account, "wrong-horse")
        assert not is_in
        assert "Too many" not in page


def test_after_some_failures_even_the_right_password_waits(alice: User) -> None:
    fail(alice.username)

    is_in, page = try_to_enter(alice.username, PASSWORD)

    assert not is_in
    assert "Too many log-ins failed from here, so this one was not looked at." in page
    assert "Try again in 15 minutes." in page
    assert "an administrator sets a new one under People" in page


def test_the_owner_enters_from_elsewhere_all_the_same(alice: User) -> None:
    fail(alice.username)

    assert try_to_enter(alice.username, PASSWORD, address=ELSEWHERE)[0]
    assert not try_to_enter(alice.username, PASSWORD)[0]


def test_a_log_in_takes_back_the_failures_before_it(alice: User) -> None:
    for _ in range(3):
        fail(alice.username, times=MOST_OF_ACCOUNT - 1)
        assert try_to_enter(alice.username, PASSWORD)[0]


def test_the_lockout_is_one_entry_that_names_the_account(main: Ledger, alice: User) -> None:
    fail(alice.username)
    for _ in range(3):
        try_to_enter(alice.username, "wrong-horse")

    found = acts(main, alice.username)

    assert found == [("auth.login", "failure")] * MOST_OF_ACCOUNT + [("auth.lockout", "denied")]
    locked = events_about(main, alice.username)[-1]
    assert locked["target"] == {"type": "account", "id": alice.username}


def test_what_was_typed_for_a_name_is_kept_nowhere(main: Ledger) -> None:
    typed = f"my-password-{uuid.uuid4().hex}"

    fail(typed)

    assert events_about(main, typed) == []
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM obsplatform_loginattempts WHERE who LIKE %s", [typed])
        assert cursor.fetchone() == (0,)


# --- The count itself -----------------------------------------------------------------------------

NOW = datetime(2026, 11, 1, 12, 0, tzinfo=timezone.get_default_timezone())


def waits(account: str, address: str, *, now: datetime = NOW, times: int = 1) -> list[bool]:
    return [count_attempt(account, address, now=now).wait is not None for _ in range(times)]


def test_the_wait_ends_with_the_window() -> None:
    assert waits("a", HERE, times=MOST_OF_ACCOUNT + 1)[-2:] == [False, True]

    later = NOW + WINDOW - timedelta(seconds=1)
    still = count_attempt("a", HERE, now=later)

    assert still.wait == timedelta(seconds=1)
    assert waits("a", HERE, now=NOW + WINDOW) == [False]


def test_an_address_that_tries_many_accounts_waits_too() -> None:
    tried = [waits(f"account-{n}", HERE)[0] for n in range(MOST_OF_ADDRESS + 20)]

    assert tried == [False] * MOST_OF_ADDRESS + [True] * 20
    assert waits("account-0", ELSEWHERE) == [False]
    assert LogInAttempts.objects.count() <= MOST_OF_ADDRESS + 3, "rows of one address are bounded"


def test_many_people_who_log_in_from_one_office_are_never_refused() -> None:
    for n in range(3 * MOST_OF_ADDRESS):
        attempt = count_attempt(f"person-{n}", HERE, now=NOW)
        assert attempt.wait is None
        forget_attempts(attempt)


@pytest.mark.parametrize(
    ("one", "other", "is_same"),
    [
        ("2001:db8:1:2::1", "2001:db8:1:2:ffff::9", True),
        ("2001:db8:1:2::1", "2001:db8:1:3::1", False),
        ("::ffff:192.0.2.7", "192.0.2.7", True),
        ("192.0.2.7", "192.0.2.8", False),
        ("", "", True),
        ("unix:", "192.0.2.7", False),
    ],
)
def test_an_address_is_what_a_guesser_cannot_change(one: str, other: str, is_same: bool) -> None:
    waits("a", one, times=MOST_OF_ACCOUNT)

    assert waits("a", other) == [is_same]


def test_attempts_at_once_are_each_counted() -> None:
    found: list[bool] = []

    def attempt() -> None:
        try:
            found.extend(waits("a", HERE))
        finally:
            connection.close()

    threads = [threading.Thread(target=attempt) for _ in range(3 * MOST_OF_ACCOUNT)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()

    assert sorted(found) == [False] * MOST_OF_ACCOUNT + [True] * 2 * MOST_OF_ACCOUNT


def test_what_is_older_than_the_window_is_removed() -> None:
    waits("a", HERE)

    waits("b", ELSEWHERE, now=NOW + WINDOW)

    assert LogInAttempts.objects.count() == 2


def test_a_refused_log_in_says_why_and_asks_to_correct_nothing(alice: User) -> None:
    _, refused = try_to_enter(alice.username, "wrong")
    _, empty = try_to_enter(alice.username, "")

    assert "Please correct" not in refused + empty
    assert "see what is said at the fields below" not in refused
    assert "see what is said at the fields below" in empty
