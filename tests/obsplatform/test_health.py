"""What those who watch an installation can rely on: /health, /ready, /status and the checks."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.contrib.auth.models import User
from django.db import connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext
from pytest_django import Settings

from audit import figures
from audit.models import Ledger
from audit.receive import Incoming, receive
from obsplatform import env, readiness, system_checks
from obsplatform.health import shared_status
from obsplatform.pulse import NoPulse, Pulse, ask, pulse
from obsplatform.store_checks import check_store
from tests.conftest import EVENTS, chain, make_event

STRANGER: dict[str, Any] = {"REMOTE_ADDR": "203.0.113.9"}


@pytest.fixture(autouse=True)
def _database(database: None) -> None:
    """Open the database for every test here, which shares no answer with the one before."""
    readiness.shared_checks.forget()
    shared_status.cache_clear()


@pytest.fixture
def nobody_listens(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Point new connections at a port where nobody listens, for one test."""
    pulse.close()
    connection.close()
    with monkeypatch.context() as patch:
        patch.setitem(connection.settings_dict, "HOST", "127.0.0.1")
        patch.setitem(connection.settings_dict, "PORT", "1")
        yield
    pulse.close()
    connection.close()


@pytest.fixture
def as_web(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let Django connect as the web role, as it does where /ready is asked."""
    if "OBS_TEST_SUPERUSER_URL" not in os.environ:
        pytest.skip("needs roles of their own: unset DATABASE_URL")
    web = env.database(os.environ["DATABASE_URL"], variable="DATABASE_URL")
    connection.close()
    with monkeypatch.context() as patch:
        for name in ("USER", "PASSWORD"):
            patch.setitem(connection.settings_dict, name, web[name])
        yield
        connection.close()


# --- /health -----------------------------------------------------------------------------------


def test_health_is_ok_while_postgres_answers(client: Client) -> None:
    response = client.get("/health", **STRANGER)

    assert response.status_code == 200
    assert response.json() == {"status": "ok", "database": "answers"}


def test_health_looks_at_no_session_even_when_the_client_has_one(client: Client) -> None:
    alice = User.objects.create_user(f"alice-{datetime.now(UTC).timestamp()}")
    client.force_login(alice)

    with CaptureQueriesContext(connection) as queries:
        response = client.get("/health")

    assert response.status_code == 200
    assert list(queries) == []


def test_health_is_503_and_tells_strangers_nothing_when_postgres_is_away(
    client: Client, nobody_listens: None
) -> None:
    response = client.get("/health", **STRANGER)

    assert response.status_code == 503
    assert response.json() == {"status": "critical", "database": "does not answer"}


def test_health_needs_no_redis(client: Client, settings: Settings) -> None:
    settings.REDIS_URL = "redis://127.0.0.1:1/0"

    assert client.get("/health").status_code == 200


def test_health_answers_many_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    # Eight threads on a machine that is busy with more than this may well wait for half a second.
    monkeypatch.setattr(pulse, "feel", partial(pulse.feel, within=60.0))
    codes: list[int] = []

    def ask_often() -> None:
        client = Client()
        codes.extend(client.get("/health").status_code for _ in range(25))

    threads = [threading.Thread(target=ask_often) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert codes == [200] * 200


def test_a_crowd_shares_the_answer_of_one_question(monkeypatch: pytest.MonkeyPatch) -> None:
    heart = Pulse()
    all_are_here = threading.Barrier(20)
    questions: list[float] = []

    def ask_slowly(opened: psycopg.Connection[Any], *, within: float) -> None:
        questions.append(within)
        time.sleep(0.1)
        ask(opened, within=within)

    def come(_: int) -> None:
        all_are_here.wait(30)
        heart.feel()

    monkeypatch.setattr("obsplatform.pulse.ask", ask_slowly)
    with ThreadPoolExecutor(20) as crowd:
        list(crowd.map(come, range(20)))

    # The first asks alone; who came while it waited shares the second; a straggler may add one.
    assert len(questions) <= 4

    heart.close()


def test_who_waits_for_a_question_that_is_never_answered_is_told_in_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    heart = Pulse()
    heart.feel()
    is_asking, may_end = threading.Event(), threading.Event()

    def stand_still(opened: psycopg.Connection[Any], *, within: float) -> None:
        is_asking.set()
        may_end.wait(30)

    monkeypatch.setattr("obsplatform.pulse.ask", stand_still)
    first = threading.Thread(target=heart.feel)
    first.start()
    is_asking.wait(30)

    with pytest.raises(NoPulse, match="still unanswered"):
        heart.feel(within=0.05)

    may_end.set()
    first.join()
    heart.close()


def test_connection_that_was_cut_is_replaced_without_a_false_alarm(
    as_role: Callable[[str], psycopg.Connection[Any]],
) -> None:
    heart = Pulse()
    heart.feel()
    assert heart._connection is not None
    as_role("superuser").execute(
        "SELECT pg_terminate_backend(%s, 5000)", [heart._connection.info.backend_pid]
    )

    heart.feel()

    heart.close()


def test_server_process_that_stands_still_holds_nobody_longer_than_told() -> None:
    opened = psycopg.connect(**connection.get_connection_params())
    process = opened.info.backend_pid
    if opened.info.host not in {
        "",
        "127.0.0.1",
        "::1",
        "localhost",
    } and not opened.info.host.startswith("/"):
        pytest.skip("needs a Postgres on this machine: its process is stopped with a signal")

    os.kill(process, signal.SIGSTOP)
    try:
        with pytest.raises(NoPulse, match="no answer"):
            ask(opened, within=0.2)
    finally:
        os.kill(process, signal.SIGCONT)
        opened.close()


# --- /ready ------------------------------------------------------------------------------------


def test_ready_names_every_check_to_strangers_but_no_detail(client: Client) -> None:
    checks = client.get("/ready", **STRANGER).json()["checks"]

    expected = ["database", *readiness.DATABASE_CHECKS, *readiness.OTHER_CHECKS]
    assert [check["name"] for check in checks] == expected
    assert all(set(check) == {"name", "status", "duration_ms"} for check in checks)


def test_ready_gives_details_on_loopback_and_to_a_key(
    client: Client, ledger: Ledger, api_key: Callable[..., str]
) -> None:
    key = {"HTTP_AUTHORIZATION": f"Bearer {api_key(ledger, 'entries:read')}"}

    ways: list[dict[str, Any]] = [{}, {**STRANGER, **key}]
    for way in ways:
        assert all("detail" in check for check in client.get("/ready", **way).json()["checks"])


def test_ready_gives_no_details_to_what_a_proxy_on_loopback_forwards(client: Client) -> None:
    checks = client.get("/ready", HTTP_X_FORWARDED_FOR="127.0.0.1").json()["checks"]

    assert not any("detail" in check for check in checks)


@pytest.mark.usefixtures("as_web")
def test_ready_is_200_while_only_redis_is_away(
    client: Client, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    # Other tests leave events waiting, and whose disk is full may still run this one.
    monkeypatch.setattr(readiness, "LAG_CRITICAL_SECONDS", 1e9)
    monkeypatch.setattr(readiness, "DISK_LEAST_FREE", 0.0)

    response = client.get("/ready")

    assert "critical" not in {check["status"] for check in response.json()["checks"]}
    redis = next(check for check in response.json()["checks"] if check["name"] == "redis")
    assert redis["status"] == "degraded"
    assert response.status_code == 200


def test_ready_is_503_when_postgres_is_away_and_asks_it_only_once(
    client: Client, nobody_listens: None
) -> None:
    response = client.get("/ready")

    statuses = {check["name"]: check["status"] for check in response.json()["checks"]}
    assert response.status_code == 503
    assert {statuses[name] for name in readiness.DATABASE_CHECKS} == {"critical"}


def test_settings_that_lose_what_was_acknowledged_are_critical() -> None:
    for value, expected in (("off", "critical"), ("local", "critical"), ("remote_write", "ok")):
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(f"SET LOCAL synchronous_commit = {value}")

            finding = readiness.check_durability()

        assert finding.status == expected, value


def test_setting_stored_for_another_role_is_found_too(
    as_role: Callable[[str], psycopg.Connection[Any]],
) -> None:
    superuser = as_role("superuser")
    superuser.execute("ALTER ROLE obs_read SET synchronous_commit = off")
    try:
        finding = readiness.check_durability()
    finally:
        superuser.execute("ALTER ROLE obs_read RESET synchronous_commit")

    assert finding.status == "critical"
    assert "obs_read" in finding.detail


def test_migration_that_was_not_applied_is_critical_and_named() -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("DELETE FROM django_migrations WHERE app = 'audit' AND name LIKE '0001%'")

        finding = readiness.check_migrations()

        transaction.set_rollback(True)
    assert finding.status == "critical"
    assert "audit.0001_ledger" in finding.detail
    assert readiness.check_migrations().status == "ok"


def test_month_without_partition_is_degraded_ahead_and_ok_within_three(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert readiness.check_months().status == "ok"

    monkeypatch.setattr(readiness, "MONTHS_AHEAD", 40)

    finding = readiness.check_months()
    assert finding.status == "degraded"
    assert finding.detail.startswith("no partition for 20")


def test_role_that_could_write_entries_is_degraded() -> None:
    finding = readiness.check_roles()  # tests run as the owner

    assert finding.status == "degraded"
    assert "may write entries" in finding.detail


@pytest.mark.usefixtures("as_web")
def test_web_role_passes_and_a_role_without_address_is_named(settings: Settings) -> None:
    settings.HAS_ADDRESS_OF_ITS_OWN = True
    assert readiness.check_roles().status == "ok"

    settings.HAS_ADDRESS_OF_ITS_OWN = False

    assert readiness.check_roles().status == "degraded"
    assert f"no address of its own for: {settings.DATABASE_ROLE}" in readiness.check_roles().detail


@pytest.mark.usefixtures("as_web")
def test_a_web_process_that_knows_its_own_address_alone_still_sees_who_appends(
    settings: Settings,
) -> None:
    settings.DATABASE_URLS = settings.DATABASE_URLS | {"worker": "", "owner": ""}

    finding = check_store()

    assert finding.status != "critical"
    assert "may not append" not in finding.detail


@pytest.mark.usefixtures("as_web")
def test_event_trigger_that_is_off_is_degraded(
    as_role: Callable[[str], psycopg.Connection[Any]],
) -> None:
    superuser = as_role("superuser")
    assert readiness.check_guard().status == "ok"

    superuser.execute("ALTER EVENT TRIGGER obs_guard_after DISABLE")
    try:
        finding = readiness.check_guard()
    finally:
        superuser.execute("ALTER EVENT TRIGGER obs_guard_after ENABLE ALWAYS")

    assert finding.status == "degraded"
    assert "obs_guard_after" in finding.detail


def test_requests_that_wait_degrade_and_then_turn_critical(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    receive(
        [Incoming(raw=json.dumps(make_event()).encode())],
        ledger_id=ledger.id,
        ledger_name=ledger.name,
        sender=EVENTS,
        received_at=datetime.now(UTC) - timedelta(seconds=90),
        request_id="waits",
    )

    assert readiness.check_append().status == "critical"
    monkeypatch.setattr(readiness, "LAG_CRITICAL_SECONDS", 1e9)
    assert readiness.check_append().status == "degraded"

    chain(ledger, [])
    (mine,) = [one for one in figures.ledger_figures() if one.ledger == ledger.name]
    assert mine.inbox_age_seconds == 0


def test_full_disk_is_critical(monkeypatch: pytest.MonkeyPatch) -> None:
    assert 0 < readiness.free_share(Path("/nowhere/at/all")) <= 1

    monkeypatch.setattr(readiness, "DISK_LEAST_FREE", 1.1)

    assert readiness.check_disk().status == "critical"


@pytest.mark.parametrize("role", ["web", "worker"])
def test_each_role_may_run_every_check(
    role: str, settings: Settings, as_role: Callable[[str], psycopg.Connection[Any]]
) -> None:
    as_role(role).close()  # skips where there are no roles
    variable = {"web": "DATABASE_URL", "worker": "DATABASE_WORKER_URL"}[role]
    theirs = env.database(os.environ[variable], variable=variable)
    settings.DATABASE_ROLE = role
    mine = {name: connection.settings_dict[name] for name in ("USER", "PASSWORD")}
    connection.close()
    connection.settings_dict |= {name: theirs[name] for name in mine}
    try:
        cannot_tell = [
            (each.name, each.detail)
            for each in readiness.run_checks()
            if "cannot tell" in each.detail or "may write entries" in each.detail
        ]
    finally:
        connection.close()
        connection.settings_dict |= mine

    assert cannot_tell == []


# --- /status -----------------------------------------------------------------------------------


def test_status_gives_the_figures_of_each_ledger(client: Client, ledger: Ledger) -> None:
    chain(ledger, [make_event(), make_event()])

    body = client.get("/status").json()

    (mine,) = [one for one in body["ledgers"] if one["ledger"] == ledger.name]
    assert (mine["entries"], mine["inbox_events"], mine["verified"]) == (2, 0, "not proven")
    assert body["version"]
    assert body["uptime_seconds"] >= 0
    assert body["database"]["role"]
    assert {store["table"] for store in body["stores"]} >= {"audit_entry", "audit_inbox"}


def test_status_shows_a_key_its_own_ledger_alone(
    client: Client, ledger: Ledger, api_key: Callable[..., str]
) -> None:
    token = api_key(ledger, "entries:read")

    body = client.get("/status", HTTP_AUTHORIZATION=f"Bearer {token}", **STRANGER).json()

    assert [one["ledger"] for one in body["ledgers"]] == [ledger.name]
    assert "stores" not in body


def test_status_refuses_strangers_and_keys_without_the_scope(
    client: Client, ledger: Ledger, api_key: Callable[..., str]
) -> None:
    token = api_key(ledger, "events:write")

    without = client.get("/status", **STRANGER)
    narrow = client.get("/status", HTTP_AUTHORIZATION=f"Bearer {token}", **STRANGER)

    assert (without.status_code, without["WWW-Authenticate"]) == (401, "Bearer")
    assert (narrow.status_code, narrow.json()["code"]) == (403, "scope-missing")


# --- manage.py check ---------------------------------------------------------------------------


def test_key_that_others_can_read_stops_the_start(settings: Settings, tmp_path: Path) -> None:
    settings.KEY_DIR = tmp_path / "keys"
    settings.KEY_DIR.mkdir(mode=0o700)
    key = settings.KEY_DIR / "pepper"
    key.touch(mode=0o600)
    assert system_checks.check_key_folder(None) == []

    key.chmod(0o640)

    assert [error.id for error in system_checks.check_key_folder(None)] == ["obsplatform.E001"]


def test_tracebacks_and_short_tokens_stop_the_start(settings: Settings) -> None:
    settings.DEBUG = settings.HTTPS = True
    settings.METRICS_TOKEN = "short"
    settings.WEB_WORKERS = 2

    assert [found.id for found in system_checks.check_debug(None)] == ["obsplatform.E002"]
    assert [found.id for found in system_checks.check_metrics_token(None)] == ["obsplatform.E003"]
    assert [found.id for found in system_checks.check_process_metrics(None)] == ["obsplatform.W001"]
