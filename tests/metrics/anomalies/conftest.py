"""Minute history of our own making: four weeks of an ordinary series, and whatever comes then."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.conf import settings
from django.db import transaction
from pytest_django.plugin import DjangoDbBlocker

from audit.database import raw_connection, rows
from audit.ledgers import open_ledger
from audit.models import Ledger
from metrics.anomalies import finding
from metrics.models import Anomaly
from metrics.remedies import looking

NOW = datetime(2026, 11, 20, 12, 3, tzinfo=UTC)
"""A Friday noon."""
START = NOW - timedelta(days=28)
BURST = NOW.replace(hour=10, minute=0, second=0)
RUNS = "obs_agent_executions_total"

_MINUTES = """
INSERT INTO metrics_minute (ledger_id, family, labels, minute, n)
SELECT %s, %s, %s, n.minute, n.n
FROM unnest(%s::timestamptz[], %s::numeric[]) AS n(minute, n)
"""
_GAUGES = """
INSERT INTO metrics_gaugeminute (family, labels, minute, value)
SELECT %s, %s, n.minute, n.value
FROM unnest(%s::timestamptz[], %s::float8[]) AS n(minute, value)
"""
_WORK = """
INSERT INTO metrics_agentwork (ledger_id, quarter, agent, what, n)
SELECT %s, n.quarter, %s, %s, n.n
FROM unnest(%s::timestamptz[], %s::numeric[]) AS n(quarter, n)
"""


@pytest.fixture(autouse=True)
def _fresh() -> Iterator[None]:
    """Learn anew in each test, as a new process would."""
    finding.forget()
    yield
    finding.forget()


@pytest.fixture(scope="package")
def _days(django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """Make the days of the history once: the guard of the ledger looks at each of 350 commands."""
    with django_db_blocker.unblock():
        make_days()
    yield
    with django_db_blocker.unblock():
        rows("SELECT metrics_drop_days(%s)", (datetime.now(UTC).date() - timedelta(days=1),))


def make_days() -> None:
    """Make the partitions of the days that a history covers, those that are missing."""
    rows("SELECT metrics_make_days(%s, %s)", ((NOW - timedelta(days=35)).date(), NOW.date()))


class History:
    """Writes minutes, gauges and work of agents, as the projection and the timer would."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        make_days()

    def _write(self, statement: str, *values: object) -> None:
        raw_connection().execute(statement, values)

    def count(
        self, family: str, labels: str, number: Callable[[datetime], float],
        *, start: datetime, end: datetime = NOW,
    ) -> None:  # fmt: skip
        """Write one row in each quarter of an hour."""
        at = quarters(start, end)
        self._write(_MINUTES, self.ledger.id, family, labels, at, [number(each) for each in at])

    def gauge(
        self, family: str, labels: str, value: Callable[[datetime], float], *, hours: float
    ) -> None:
        """Write one row in each fifth minute of the last hours."""
        start = NOW.replace(second=0) - timedelta(hours=hours)
        at = [start + timedelta(minutes=5 * place) for place in range(int(hours * 12))]
        self._write(_GAUGES, family, labels, at, [value(each) for each in at])

    def work(
        self, agent: str, what: str, number: Callable[[datetime], float],
        *, start: datetime, end: datetime = NOW,
    ) -> None:  # fmt: skip
        """Write what an agent did in each quarter of an hour."""
        at = quarters(start, end)
        self._write(_WORK, self.ledger.id, agent, what, at, [number(each) for each in at])


def quarters(start: datetime, end: datetime) -> list[datetime]:
    """Return the quarters of an hour from one moment to another."""
    first = start.replace(minute=0, second=0, microsecond=0)
    number = int((end - first) / timedelta(minutes=15))
    return [first + timedelta(minutes=15 * place) for place in range(number)]


TABLES = (
    "metrics_remedy", "metrics_anomaly", "metrics_notification", "metrics_incidentact",
    "metrics_incident", "metrics_agentwork", "metrics_gaugeminute", "metrics_minute",
    "metrics_processminute",
)  # fmt: skip


def empty() -> None:
    """Take away all minute history, and what was found in it."""
    for table in TABLES:
        raw_connection().execute(f"DELETE FROM {table}")


@pytest.fixture
def past(_days: None, ledger: Ledger) -> Iterator[History]:
    """Return the writer of minute history, of which there is none yet."""
    empty()
    yield History(ledger)
    empty()


def failing(past: History, number: int) -> None:
    """Let alice's runs fail from BURST on."""
    past.count(RUNS, "alice success prod", lambda at: 30, start=START)
    past.count(RUNS, "alice error prod", lambda at: number if at >= BURST else 0, start=START)


@pytest.fixture(scope="module")
def found(_days: None, django_db_blocker: DjangoDbBlocker) -> dict[str, Any]:
    """Return the columns of the row that is found of alice's failing runs: looked for once."""
    with django_db_blocker.unblock(), transaction.atomic():
        open_ledger(settings.LEDGER)
        empty()
        failing(History(open_ledger(f"t.{uuid.uuid4().hex[:16]}")), 60)
        looking.look(NOW)
        row = Anomaly.objects.get(measure="agent_failures")
        transaction.set_rollback(True)
    return {name: value for name, value in vars(row).items() if name not in ("_state", "id")}


@pytest.fixture
def row(past: History, found: dict[str, Any]) -> Anomaly:
    """Return that row again, without its history: for what is decided of it."""
    return Anomaly.objects.create(**found)
