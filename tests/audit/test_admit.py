"""Admission: a key keeps to its rate and quota, and nothing is taken in while we are unwell."""

from __future__ import annotations

import uuid
from collections import namedtuple
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as chance
from hypothesis import strategies as st

from audit.admit import Bucket, NotNow, admit_events, admit_request, forget_limits
from audit.append import append_pending
from audit.auth import KeyGrant
from audit.database import raw_cursor
from audit.models import Ledger
from audit.receive import Sender
from tests.conftest import EVENTS, make_event, post


@pytest.fixture(autouse=True)
def _fresh() -> Iterator[None]:
    """Start as a new process would, and leave nothing behind for the next test."""
    forget_limits()
    yield
    forget_limits()


@pytest.fixture
def grant(ledger: Ledger) -> KeyGrant:
    return KeyGrant(
        key_id=uuid.uuid4().hex[:8],
        ledger_id=ledger.id,
        ledger_name=ledger.name,
        scopes=frozenset({"events:write"}),
        events_per_second=1_000_000,
        events_per_day=None,
        expires_at=None,
        is_read_only=False,
    )


def refusal(call: Any, *arguments: Any) -> NotNow:
    with pytest.raises(NotNow) as told:
        call(*arguments)
    assert told.value.retry_after >= 1
    return told.value


# --- The bucket -----------------------------------------------------------------------------------

requests = st.lists(
    st.tuples(st.floats(0, 10), st.integers(1, 5000)), min_size=1, max_size=60
)  # fmt: skip
rates = st.floats(0.5, 100_000)


@chance(deadline=None)
@given(rate=rates, asked=requests)
def test_never_more_than_the_burst_the_rate_and_one_request_get_through(
    rate: float, asked: list[tuple[float, int]]
) -> None:
    bucket, now, taken, largest = Bucket(rate, now=0.0), 0.0, 0, 0
    for pause, count in asked:
        now += pause
        if bucket.take(count, now=now) == 0.0:
            taken += count
            largest = max(largest, count)

    most = bucket.capacity + rate * now + max(0.0, largest - bucket.capacity)
    assert taken <= most * (1 + 1e-9) + 1e-6


@chance(deadline=None)
@given(rate=rates, asked=requests)
def test_who_waits_as_long_as_told_gets_through(
    rate: float, asked: list[tuple[float, int]]
) -> None:
    bucket, now = Bucket(rate, now=0.0), 0.0
    for pause, count in asked:
        now += pause
        wait = bucket.take(count, now=now)
        if wait:
            now += wait * (1 + 1e-9) + 1e-6
            assert bucket.take(count, now=now) == 0.0


@chance(deadline=None)
@given(rate=rates, count=st.integers(1, 10**6))
def test_a_refused_request_takes_nothing(rate: float, count: int) -> None:
    bucket = Bucket(rate, now=0.0)
    bucket.take(10**6, now=0.0)  # whatever was there is spent
    before = bucket.tokens

    assert bucket.take(count, now=0.0) > 0.0
    assert bucket.tokens == before


@chance(deadline=None)
@given(rate=rates)
def test_a_request_larger_than_the_bucket_passes_once_and_is_paid_off(rate: float) -> None:
    bucket = Bucket(rate, now=0.0)
    count = int(bucket.capacity * 3) + 1

    assert bucket.take(count, now=0.0) == 0.0
    wait = bucket.take(1, now=0.0)
    assert wait == pytest.approx((min(1, bucket.capacity) + count - bucket.capacity) / rate)


@chance(deadline=None)
@given(rate=rates, idle=st.floats(0, 10**6))
def test_an_idle_bucket_never_holds_more_than_two_seconds_worth(rate: float, idle: float) -> None:
    bucket = Bucket(rate, now=0.0)
    bucket.take(1, now=idle)

    assert bucket.tokens <= bucket.capacity == rate * 2.0


@chance(deadline=None)
@given(seconds=st.floats(0, 10_000))
def test_nobody_is_told_to_come_back_too_early(seconds: float) -> None:
    told = NotNow(status=429, code="rate", message="", retry_after=seconds).retry_after

    assert isinstance(told, int)
    assert max(1.0, seconds) <= told <= seconds * 1.5 + 1


# --- Rates ----------------------------------------------------------------------------------------


def test_a_key_over_its_rate_of_events_is_told_so_and_others_are_not(grant: KeyGrant) -> None:
    slow = replace(grant, events_per_second=10)
    other = replace(slow, key_id="another1")
    admit_events(slow, 20)  # two seconds' worth at once

    told = refusal(admit_events, slow, 10)

    assert (told.status, told.code) == (429, "rate")
    admit_events(other, 20)


def test_a_key_over_its_rate_of_requests_is_told_so(grant: KeyGrant, settings: Any) -> None:
    settings.RATE_REQUESTS = 1
    admit_request(grant)
    admit_request(grant)

    told = refusal(admit_request, grant)

    assert (told.status, told.code) == (429, "rate")


def test_a_rate_is_divided_among_the_web_processes(grant: KeyGrant, settings: Any) -> None:
    settings.WEB_WORKERS = 4
    slow = replace(grant, events_per_second=40)
    admit_events(slow, 20)

    assert refusal(admit_events, slow, 1).code == "rate"


def test_a_changed_rate_counts_from_the_next_request(grant: KeyGrant) -> None:
    admit_events(replace(grant, events_per_second=1), 2)
    refusal(admit_events, replace(grant, events_per_second=1), 2)

    admit_events(replace(grant, events_per_second=100), 200)


# --- The quota of a day ---------------------------------------------------------------------------


def test_a_key_over_its_quota_of_the_day_waits_an_hour_at_most(
    grant: KeyGrant, ledger: Ledger
) -> None:
    sender = Sender(via="api", scope="events", scopes=EVENTS.scopes, key=grant.key_id)
    post(ledger, [make_event() for _ in range(7)], sender=sender)
    append_pending(ledger.id)
    limited = replace(grant, events_per_day=10)
    admit_events(limited, 3)

    told = refusal(admit_events, limited, 4)

    assert (told.status, told.code) == (429, "quota")
    assert told.retry_after <= 3600 * 1.5 + 1
    admit_events(replace(grant, events_per_day=11), 4)
    admit_events(grant, 10**6)  # a key without a quota


def test_duplicates_and_yesterdays_events_use_up_no_quota(grant: KeyGrant, ledger: Ledger) -> None:
    sender = Sender(via="api", scope="events", scopes=EVENTS.scopes, key=grant.key_id)
    event = make_event()
    for _ in range(3):
        post(ledger, [event, event], sender=sender)
    append_pending(ledger.id)
    with raw_cursor() as cursor:
        cursor.execute(
            "INSERT INTO audit_keyusage (ledger_id, key_id, day, events) VALUES (%s, %s, %s, 900)",
            (ledger.id, grant.key_id, datetime.now(UTC).date() - timedelta(days=1)),
        )

    admit_events(replace(grant, events_per_day=10), 9)

    assert "has sent 1." in refusal(admit_events, replace(grant, events_per_day=10), 10).message


# --- Our own health -------------------------------------------------------------------------------

Usage = namedtuple("Usage", "total used free")


def test_nothing_is_taken_in_with_less_than_a_tenth_of_the_disk_free(
    grant: KeyGrant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("audit.admit.shutil.disk_usage", lambda _path: Usage(1000, 901, 99))
    told = refusal(admit_request, grant)
    assert (told.status, told.code) == (503, "disk-full")

    forget_limits()
    monkeypatch.setattr("audit.admit.shutil.disk_usage", lambda _path: Usage(1000, 900, 100))
    admit_request(grant)


def wait_in_inbox(ledger: Ledger, *, count: int, age: timedelta) -> None:
    with raw_cursor() as cursor:
        cursor.execute(
            "INSERT INTO audit_inbox (ledger_id, received_at, count, event_ids, digests, source, "
            "events) VALUES (%s, %s, %s, ARRAY[gen_random_uuid()], sha256(''), '', '')",
            (ledger.id, datetime.now(UTC) - age, count),
        )


@pytest.mark.parametrize(
    ("count", "seconds", "is_refused"),
    [(11, 61, True), (10, 61, False), (11, 10, False), (10, 10, False)],
)
def test_an_inbox_is_full_only_when_it_is_both_old_and_over_its_limit(
    grant: KeyGrant,
    ledger: Ledger,
    settings: Any,
    count: int,
    seconds: int,
    is_refused: bool,
) -> None:
    settings.INBOX_LIMIT = 10
    wait_in_inbox(ledger, count=count, age=timedelta(seconds=seconds))

    if is_refused:
        told = refusal(admit_request, grant)
        assert (told.status, told.code) == (503, "inbox-full")
    else:
        admit_request(grant)


def test_one_ledgers_full_inbox_stops_no_other_ledger(
    grant: KeyGrant, ledger: Ledger, settings: Any
) -> None:
    settings.INBOX_LIMIT = 1
    wait_in_inbox(ledger, count=2, age=timedelta(minutes=2))
    refusal(admit_request, grant)

    admit_request(replace(grant, ledger_id=-1, key_id="another1"))


def test_a_read_only_ledger_takes_nothing(grant: KeyGrant) -> None:
    told = refusal(admit_request, replace(grant, is_read_only=True))

    assert (told.status, told.code) == (503, "ledger-read-only")


def test_limits_need_no_redis(grant: KeyGrant, settings: Any) -> None:
    settings.REDIS_URL = settings.CELERY_BROKER_URL = "redis://127.0.0.1:1/0"  # nobody listens
    slow = replace(grant, events_per_second=10)

    admit_request(slow)
    admit_events(slow, 20)

    assert refusal(admit_events, slow, 20).code == "rate"
