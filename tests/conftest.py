"""What tests share: a ledger of their own, events, chaining for real, keys, other roles.

Tables are append-only, so nothing is flushed: each test works in a fresh ledger and commits. What
goes through every ledger there is would go through those of all tests before: it works `alone`.
"""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest
from django.conf import settings
from django.db import connection
from hypothesis import settings as hypothesis_settings
from pytest_django.plugin import DjangoDbBlocker

from audit.append import append_pending, forget_months
from audit.auth import make_key
from audit.ledgers import open_ledger
from audit.models import Entry, Ledger
from audit.receive import Incoming, Receipt, Sender, receive
from obsplatform import urls
from tests.audit.tampering import Connection, guards
from tests.installation import running
from tests.parsing import one_at_a_time
from tests.servers import empty_database

# How long an example takes says how busy the machine is; pytest's own limit bounds each test.
hypothesis_settings.register_profile("untimed", deadline=None)
hypothesis_settings.load_profile("untimed")

one_at_a_time()

assert urls.urlpatterns  # with them the pages of the admin are there, which tests ask by name

EVENTS = Sender(via="api", scope="events", scopes=frozenset({"events:write"}), key="testkey1")
GOVERNANCE = Sender(
    via="api",
    scope="governance",
    scopes=frozenset({"events:write", "governance:write", "ops:write", "server"}),
    key="testkey2",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the modules that share an installation last: it is at work for as long as it runs."""
    sharing = {each.path for each in items if "installation" in getattr(each, "fixturenames", ())}
    items.sort(key=lambda each: each.path in sharing)


@pytest.fixture(scope="session")
def django_db_setup() -> None:
    """Leave the database as tests.servers migrated it."""


@pytest.fixture(scope="session")
def installation() -> Iterator[dict[str, Any]]:
    """Return ready.json of a whole installation that all tests of the session share."""
    with running() as ready:
        yield ready


@pytest.fixture
def database(django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """Open the database for a test that commits; the platform's own ledger is there."""
    with django_db_blocker.unblock():
        open_ledger(settings.LEDGER)
        yield


@pytest.fixture
def alone(django_db_blocker: DjangoDbBlocker, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Give the test a database without ledgers of others, for what goes through all there are.

    Name it before every other fixture: what they write would be in the shared one.
    """
    with django_db_blocker.unblock(), _moved_to_an_empty_database(monkeypatch):
        yield


@pytest.fixture(scope="module")
def alone_as_module(django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """Give the tests of a module a database of theirs, which they share.

    Pages and metrics list every ledger there is: thousands, late in a session of all tests.
    """
    with pytest.MonkeyPatch.context() as patch, ExitStack() as database:
        with django_db_blocker.unblock():
            database.enter_context(_moved_to_an_empty_database(patch))
        yield


@contextmanager
def _moved_to_an_empty_database(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with empty_database() as addresses:
        for variable, address in addresses.items():
            monkeypatch.setenv(variable, address)
        name = urlsplit(addresses["DATABASE_URL"]).path[1:] if addresses else ""
        shared = connection.settings_dict["NAME"]
        connection.close()
        connection.settings_dict["NAME"] = name or shared
        forget_months()
        try:
            open_ledger(settings.LEDGER)
            yield
        finally:
            connection.close()
            connection.settings_dict["NAME"] = shared
            forget_months()


@pytest.fixture
def ledger(database: None) -> Ledger:
    """Return a ledger that nothing else uses."""
    return open_ledger(f"t.{uuid.uuid4().hex[:16]}")


def make_event(**fields: Any) -> dict[str, Any]:
    """Return a valid event; `fields` replace or, with None, remove members."""
    event: dict[str, Any] = {
        "id": str(uuid.uuid4()),
        "occurred_at": "2026-10-01T10:00:00.000000Z",
        "category": "tool_call",
        "action": "tool.invoke",
        "outcome": "success",
        "agent": {"id": "alice-agent", "name": "Alice", "version": "1.0"},
        "actor": {"type": "agent", "id": "alice-agent"},
        "target": {"type": "tool", "id": "search"},
        "tool": {"name": "search"},
        "run": {"id": "run-1"},
    } | fields
    return {name: value for name, value in event.items() if value is not None}


def post(ledger: Ledger, events: Sequence[Any], *, sender: Sender = EVENTS) -> list[Receipt]:
    """Receive events as one POST; an event may be a dict or raw bytes."""
    return receive(
        [Incoming(raw=e if isinstance(e, bytes) else json.dumps(e).encode()) for e in events],
        ledger_id=ledger.id,
        ledger_name=ledger.name,
        sender=sender,
        received_at=datetime.now(UTC),
        request_id="test",
    )


def chain(ledger: Ledger, events: Sequence[Any], *, sender: Sender = EVENTS) -> list[Entry]:
    """Receive and append events for real and return the ledger's entries, oldest first."""
    receipts = post(ledger, events, sender=sender)
    bad = [each for each in receipts if each.status == "rejected"]
    assert not bad, bad
    append_pending(ledger.id)
    return entries(ledger)


def entries(ledger: Ledger) -> list[Entry]:
    """Return the ledger's entries, oldest first."""
    return list(Entry.objects.filter(ledger=ledger).order_by("seq"))


@pytest.fixture
def api_key(database: None) -> Callable[..., str]:
    """Return a maker of API keys: `api_key(ledger, "events:write")`."""

    def make(ledger: Ledger, *scopes: str, **options: Any) -> str:
        _, token = make_key(
            ledger=ledger, name="test", scopes=scopes, created_by="tests", **options
        )
        return token

    return make


def render_metrics_anew() -> None:
    """Let the next scrape render: a page that was rendered stands for five seconds."""
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM metrics_page")


@pytest.fixture
def as_role() -> Iterator[Callable[[str], psycopg.Connection[Any]]]:
    """Return a maker of connections as `superuser`, `owner`, `web`, `worker`, `read`
    or `grafana`."""
    variables = {
        "superuser": "OBS_TEST_SUPERUSER_URL",
        "read": "OBS_TEST_READ_URL",
        "grafana": "OBS_TEST_GRAFANA_URL",
        "web": "DATABASE_URL",
        "worker": "DATABASE_WORKER_URL",
        "owner": "DATABASE_OWNER_URL",
    }
    opened: list[psycopg.Connection[Any]] = []

    def connect(role: str) -> psycopg.Connection[Any]:
        url = os.environ.get(variables[role])
        if url is None:
            pytest.skip(f"needs the role {role}: set {variables[role]}, or unset DATABASE_URL")
        connection = psycopg.connect(url, autocommit=True)
        opened.append(connection)
        return connection

    yield connect
    for each in opened:
        each.close()


@pytest.fixture
def superuser(as_role: Callable[[str], psycopg.Connection[Any]]) -> Iterator[Connection]:
    """Connect as superuser; afterwards every guard stands as it stood before."""
    connection = as_role("superuser")
    before = guards(connection)
    yield connection
    assert before == guards(connection), "a test left a guard of the ledger open"
