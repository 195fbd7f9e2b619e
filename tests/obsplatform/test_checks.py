"""The checks of /ready that look at store, processes and files; the others: test_health.py."""

from __future__ import annotations

import stat
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from django.db import connection, transaction
from django.utils import timezone
from django_celery_beat.models import IntervalSchedule, PeriodicTask
from pytest_django import Settings

from audit.database import raw_connection
from audit.models import Ledger
from audit.project import catch_up
from audit.runs import verify_new
from metrics.models import Price
from metrics.rollup import Rollups
from obsplatform import health_facts, process_checks, readiness, store_checks
from obsplatform.file_checks import check_files
from obsplatform.finding import Finding, told
from obsplatform.process_checks import check_beat, check_worker
from obsplatform.readiness import CheckResult
from obsplatform.store_checks import check_chain, check_prices, check_queries, check_store
from tests.conftest import chain, make_event


@pytest.fixture(autouse=True)
def _undone(database: None) -> Iterator[None]:
    """Undo what each test writes: checks look at the whole installation."""
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


def execute(statement: str, *parameters: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)


# --- The store -----------------------------------------------------------------------------------


def test_a_page_that_is_read_quickly_is_ok_and_one_that_is_not_degraded(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    chain(ledger, [make_event()])
    monkeypatch.setattr(store_checks, "SLOW_PAGE_SECONDS", 30.0)
    assert check_queries().status == "ok"
    monkeypatch.setattr(store_checks, "SLOW_PAGE_SECONDS", 0.0)

    assert check_queries().status == "degraded"


def test_a_store_that_takes_events_is_ok(ledger: Ledger) -> None:
    execute("UPDATE audit_ledger SET is_read_only = false")

    finding = check_store()

    assert finding == Finding(
        status="ok", detail="the inbox takes events and obs_worker appends them"
    )


def test_a_ledger_that_takes_no_events_is_degraded_and_named(ledger: Ledger) -> None:
    execute("UPDATE audit_ledger SET is_read_only = (id = %s)", ledger.id)

    finding = check_store()

    assert (finding.status, ledger.name in finding.detail) == ("degraded", True)


def test_a_server_that_takes_no_writes_is_critical() -> None:
    execute("SET LOCAL default_transaction_read_only = on")

    assert check_store().status == "critical"


def test_a_role_that_may_not_append_is_critical_and_named(settings: Settings) -> None:
    urls = settings.DATABASE_URLS
    settings.DATABASE_URLS = urls | {"worker": "postgresql://obs_read@127.0.0.1/obsplatform"}
    assert check_store() == Finding(status="critical", detail="obs_read may not append entries")

    settings.DATABASE_URLS = urls | {"worker": "postgresql://nobody-here@127.0.0.1/obsplatform"}

    assert "no role nobody-here" in check_store().detail


def test_a_ledger_that_was_verified_lately_is_ok_and_one_that_was_not_degraded(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    execute("UPDATE audit_ledger SET succeeded_by = 'another' WHERE id <> %s", ledger.id)
    assert check_chain().status == "ok"  # empty
    chain(ledger, [make_event()])
    verify_new(ledger)
    assert check_chain().status == "ok"

    monkeypatch.setattr(store_checks, "VERIFIED_DEGRADED_SECONDS", -60)

    finding = check_chain()
    assert finding.status == "degraded"
    assert f"{ledger.name} was not verified" in finding.detail


def test_a_ledger_that_was_never_verified_is_as_old_as_its_oldest_entry(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    execute("UPDATE audit_ledger SET succeeded_by = 'another' WHERE id <> %s", ledger.id)
    chain(ledger, [make_event()])
    assert check_chain().status == "ok"

    monkeypatch.setattr(store_checks, "VERIFIED_DEGRADED_SECONDS", -60)

    assert check_chain().status == "degraded"


def test_a_tampered_ledger_is_told_first(ledger: Ledger) -> None:
    chain(ledger, [make_event()])
    execute(
        """
        INSERT INTO audit_verification (ledger_id, kind, state, from_seq, to_seq, checked,
            started_at, finished_at, result, broken, bad_seq)
        VALUES (%s, 'manual', 'done', 0, 1, 1, now(), now(), 'tampered', 1, 0)
        """,
        ledger.id,
    )

    finding = check_chain()

    assert finding.status == "degraded"
    assert finding.detail.startswith(f"{ledger.name} is tampered")


# --- Prices --------------------------------------------------------------------------------------


def a_call(model: str, **usage: Any) -> dict[str, Any]:
    return make_event(
        occurred_at=datetime.now(UTC).isoformat(),
        category="llm_call",
        action="llm.call",
        model={"provider": "Acme", "name": model},
        usage={"input_tokens": 10, "output_tokens": 2, **usage},
    )


def test_a_model_without_a_price_degrades_until_it_has_one(ledger: Ledger) -> None:
    execute("DELETE FROM metrics_name")
    execute("DELETE FROM metrics_minute")
    assert check_prices().status == "ok"
    chain(ledger, [a_call("M-1"), a_call("M-1")])
    catch_up(ledger.id, Rollups())

    finding = check_prices()
    assert (finding.status, finding.detail) == (
        "degraded",
        "2 requests of a day have no cost; no price for acme/m-1",
    )

    Price.objects.create(
        provider="acme", model="M-1", starts_at=timezone.now(), input=1, output=1, entered_by="a"
    )
    assert check_prices().status == "ok"


def test_a_model_that_says_its_own_cost_needs_no_price(ledger: Ledger) -> None:
    execute("DELETE FROM metrics_name")
    execute("DELETE FROM metrics_minute")
    chain(ledger, [a_call("m-2", cost_usd=0.25)])
    catch_up(ledger.id, Rollups())

    assert check_prices().status == "ok"


# --- Processes -----------------------------------------------------------------------------------


def test_a_worker_is_as_fresh_as_the_last_task_it_did() -> None:
    execute("DELETE FROM metrics_fact")
    assert "ever" in check_worker().detail
    execute(
        """
        INSERT INTO metrics_fact (family, labels, value, source)
        VALUES ('obs_metrics_collector_up', 'x', 0, 'x')
        """
    )
    assert check_worker().status == "ok"

    execute("UPDATE metrics_fact SET at = clock_timestamp() - interval '5 minutes'")

    finding = check_worker()
    assert finding.status == "degraded"
    assert "300 s ago" in finding.detail


def test_beat_is_as_fresh_as_the_last_task_it_rang_for(monkeypatch: pytest.MonkeyPatch) -> None:
    PeriodicTask.objects.all().delete()
    assert check_beat().status == "degraded"
    each = IntervalSchedule.objects.create(every=10, period=IntervalSchedule.SECONDS)
    PeriodicTask.objects.create(
        name=uuid.uuid4().hex, task="x", interval=each, last_run_at=timezone.now()
    )
    assert check_beat().status == "ok"

    monkeypatch.setattr(process_checks, "BEAT_DEGRADED_SECONDS", -1)

    assert check_beat().status == "degraded"


# --- Files ---------------------------------------------------------------------------------------


@pytest.fixture
def folders(settings: Settings, tmp_path: Path) -> Path:
    settings.DATA = tmp_path
    settings.EXPORT_DIR = tmp_path / "exports"
    settings.REPORT_DIR = tmp_path / "reports"
    settings.KEY_DIR = tmp_path / "keys"
    settings.TOMBSTONES = settings.KEY_DIR / "tombstones"
    settings.DATABASE_ROLE = "worker"
    return tmp_path


def test_folders_that_are_there_or_can_be_made_are_ok(folders: Path) -> None:
    (folders / "keys").mkdir(mode=0o700)

    assert check_files().status == "ok"


@pytest.mark.parametrize("role", ["web", "worker"])
def test_a_folder_that_cannot_be_used_is_degraded_and_named(
    folders: Path, settings: Settings, role: str
) -> None:
    settings.DATABASE_ROLE = role
    (folders / "exports").write_text("no folder")

    finding = check_files()

    assert (finding.status, "OBS_EXPORT_DIR" in finding.detail) == ("degraded", True)


def test_a_folder_below_a_file_can_never_be_made(folders: Path, settings: Settings) -> None:
    (folders / "file").touch()
    settings.REPORT_DIR = folders / "file" / "reports"

    assert "OBS_REPORT_DIR" in check_files().detail


def test_keys_that_others_can_reach_are_degraded(folders: Path) -> None:
    (folders / "keys").mkdir()
    (folders / "keys").chmod(0o755)
    assert stat.S_IMODE((folders / "keys").stat().st_mode) == 0o755

    assert "OBS_KEY_DIR" in check_files().detail


def test_an_installation_without_its_folder_is_critical(folders: Path, settings: Settings) -> None:
    settings.DATA = folders / "gone"
    assert check_files().status == "critical"

    (folders / "gone").touch()

    assert check_files().status == "critical"


# --- All together --------------------------------------------------------------------------------


def test_what_is_never_critical_does_not_end_traffic_when_it_cannot_tell() -> None:
    def hangs() -> Finding:
        raw_connection().execute("SET LOCAL statement_timeout = 50; SELECT pg_sleep(9)")
        raise AssertionError("it gave no answer")

    assert readiness._in_time("prices", hangs)().status == "degraded"
    assert readiness._in_time("store", hangs)().status == "critical"


def test_only_so_many_problems_are_spelled_out() -> None:
    found = told([f"problem {number}" for number in range(5)], fine="")

    assert found.detail == "problem 0; problem 1; problem 2; and 2 more"


def test_the_score_weighs_what_can_be_critical_more(monkeypatch: pytest.MonkeyPatch) -> None:
    def result(name: str, status: Any) -> CheckResult:
        return CheckResult(name=name, status=status, detail="", duration_ms=0)

    results = [result("store", "critical"), result("redis", "degraded"), result("seal", "ok")]
    monkeypatch.setattr(health_facts, "run_checks", lambda: results)

    facts = health_facts.health_facts()

    assert facts == {
        ("obs_health_status", ("store",)): 0.0,
        ("obs_health_status", ("redis",)): 0.5,
        ("obs_health_status", ("seal",)): 1.0,
        ("obs_health_score_ratio", ()): (3 * 0 + 0.5 + 1) / 5,
    }
