"""What Prometheus can rely on: names, buckets, meanings, who may scrape."""

from __future__ import annotations

import json
import math
import shutil
import socket
import subprocess
import threading
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, make_server

import psycopg
import pytest
from django.core.wsgi import get_wsgi_application
from django.db import OperationalError, close_old_connections, connection, connections, transaction
from django.test import Client
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector
from pytest_django import Settings

from audit import appendstats, figures
from audit.models import Ledger, Verification
from metrics import collected
from tests.conftest import chain, make_event, post, render_metrics_anew

STRANGER: dict[str, Any] = {"REMOTE_ADDR": "203.0.113.9"}
FAMILIES = {
    "obs_audit_append_duration_seconds": "histogram",
    "obs_audit_append_batch_seconds": "histogram",
    "obs_audit_append_failures": "counter",  # the text form adds _total
    "obs_audit_chain_verified": "gauge",
    "obs_audit_chain_verified_timestamp_seconds": "gauge",
    "obs_audit_chain_broken_entries": "gauge",
    "obs_store_rows": "gauge",
    "obs_store_bytes": "gauge",
    "obs_ingest_inbox_events": "gauge",
    "obs_ingest_inbox_age_seconds": "gauge",
    "obs_audit_quarantine_open": "gauge",
    "obs_metrics_collector_up": "gauge",
}


@pytest.fixture(autouse=True)
def _database(database: None) -> None:
    """Open the database for every test here."""


def scrape(**extra: Any) -> str:
    """Return a page that is rendered now."""
    render_metrics_anew()
    response = Client().get("/metrics", **extra)
    assert response.status_code == 200
    return response.content.decode()


def value(name: str, **labels: str) -> float:
    """Return one sample of a fresh scrape."""
    found = [
        sample.value
        for family in text_string_to_metric_families(scrape())
        for sample in family.samples
        if sample.name == name and labels.items() <= sample.labels.items()
    ]
    assert len(found) == 1, (name, labels, found)
    return found[0]


def finding(ledger: Ledger, *, result: str, from_seq: int, to_seq: int, **fields: Any) -> None:
    """Write the row of a verification that ended now."""
    now = datetime.now(UTC)
    with connection.cursor() as cursor:
        columns: dict[str, Any] = {
            "ledger_id": ledger.id,
            "kind": "new",
            "state": "done",
            "from_seq": from_seq,
            "to_seq": to_seq,
            "started_at": now,
            "finished_at": now,
            "result": result,
        } | fields
        cursor.execute(
            f"INSERT INTO audit_verification ({', '.join(columns)}) "
            f"VALUES ({', '.join(['%s'] * len(columns))})",
            list(columns.values()),
        )
    assert Verification.objects.filter(ledger=ledger).exists()


def test_every_family_is_there_under_its_name_and_type(ledger: Ledger) -> None:
    found = {family.name: family.type for family in text_string_to_metric_families(scrape())}

    assert found.items() >= FAMILIES.items()
    assert "django_http_requests_before_middlewares" in found


def test_page_passes_promtool(ledger: Ledger) -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not installed")

    found = subprocess.run(
        [promtool, "check", "metrics"], input=scrape(), capture_output=True, text=True, check=False
    )

    assert (found.returncode, found.stdout + found.stderr) == (0, "")


def test_openmetrics_is_given_where_it_is_asked_for() -> None:
    response = Client().get("/metrics", HTTP_ACCEPT="application/openmetrics-text; version=1.0.0")

    assert response["Content-Type"].startswith("application/openmetrics-text")
    assert response.content.endswith(b"# EOF\n")


def test_append_counts_each_entry_and_each_transaction(ledger: Ledger) -> None:
    entries = value("obs_audit_append_duration_seconds_count")
    transactions = value("obs_audit_append_batch_seconds_count")

    chain(ledger, [make_event() for _ in range(7)])

    assert value("obs_audit_append_duration_seconds_count") == entries + 7
    assert value("obs_audit_append_batch_seconds_count") == transactions + 1


def test_buckets_are_cumulative_and_have_the_edges_that_alerts_need(ledger: Ledger) -> None:
    chain(ledger, [make_event()])

    for name, edges in (
        ("obs_audit_append_duration_seconds", appendstats.ENTRY_EDGES),
        ("obs_audit_append_batch_seconds", appendstats.TRANSACTION_EDGES),
    ):
        family = next(f for f in text_string_to_metric_families(scrape()) if f.name == name)
        buckets = [s for s in family.samples if s.name.endswith("_bucket")]

        assert [float(s.labels["le"]) for s in buckets] == [*edges, math.inf]
        assert [s.value for s in buckets] == sorted(s.value for s in buckets)
        assert 0.01 in edges


def test_append_that_is_rolled_back_is_not_counted(ledger: Ledger) -> None:
    before = figures.append_counts()

    with transaction.atomic(), connection.cursor() as cursor:
        appendstats.record_append(cursor, ledger_id=ledger.id, entries=3, seconds=0.1)
        transaction.set_rollback(True)

    assert figures.append_counts() == before


def test_edges_belong_to_the_bucket_below_them() -> None:
    assert appendstats.edge_of(0.01, appendstats.ENTRY_EDGES) == 0.01
    assert appendstats.edge_of(0.010001, appendstats.ENTRY_EDGES) == 0.025
    assert appendstats.edge_of(60.0, appendstats.ENTRY_EDGES) == math.inf


def test_failure_adds_one_under_its_reason_and_every_reason_shows() -> None:
    before = {
        reason: value("obs_audit_append_failures_total", reason=reason)
        for reason in appendstats.REASONS
    }

    with transaction.atomic(), connection.cursor() as cursor:
        appendstats.record_failure(cursor, reason="partition")

    for reason, count in before.items():
        expected = count + (reason == "partition")
        assert value("obs_audit_append_failures_total", reason=reason) == expected


@pytest.mark.parametrize(
    ("statement", "reason"),
    [
        ("SELECT 1/0", "data"),
        ("INSERT INTO audit_ledger (name, origin, created_at) VALUES ('No', '', now())", "data"),
        (
            "INSERT INTO audit_entry VALUES (0, '1999-01-01', now(), 1, false, gen_random_uuid(), "
            "sha256(''), '', '', '', '', '', '', '', NULL, NULL, NULL, NULL, '')",
            "partition",
        ),
        ("SELECT pg_terminate_backend(pg_backend_pid())", "connection"),
        ("SELECT * FROM audit_nowhere", "other"),
    ],
)
def test_error_of_postgres_is_told_by_its_reason(statement: str, reason: str) -> None:
    with psycopg.connect(**connection.get_connection_params()) as opened:
        with pytest.raises(psycopg.Error) as caught:
            opened.execute(statement)
        opened.rollback() if not opened.closed else None

    assert appendstats.reason_of(caught.value) == reason


def test_ledger_that_nobody_verified_is_not_proven(ledger: Ledger) -> None:
    assert value("obs_audit_chain_verified", ledger=ledger.name) == 0.5
    assert value("obs_audit_chain_verified_timestamp_seconds", ledger=ledger.name) == 0


def test_intact_run_shows_with_its_time(ledger: Ledger) -> None:
    finding(ledger, result="intact", from_seq=0, to_seq=10)

    assert value("obs_audit_chain_verified", ledger=ledger.name) == 1
    at = value("obs_audit_chain_verified_timestamp_seconds", ledger=ledger.name)
    assert abs(at - time.time()) < 60


def test_tampering_stands_until_its_whole_range_is_found_intact(ledger: Ledger) -> None:
    finding(ledger, result="tampered", from_seq=0, to_seq=10, bad_seq=4, broken=2)
    assert value("obs_audit_chain_verified", ledger=ledger.name) == 0

    finding(ledger, result="intact", from_seq=0, to_seq=9)
    assert value("obs_audit_chain_verified", ledger=ledger.name) == 0
    assert value("obs_audit_chain_broken_entries", ledger=ledger.name) == 2

    finding(ledger, result="intact", from_seq=0, to_seq=10)
    assert value("obs_audit_chain_verified", ledger=ledger.name) == 1
    assert value("obs_audit_chain_broken_entries", ledger=ledger.name) == 0


def test_what_waits_and_what_is_in_quarantine_is_counted(ledger: Ledger) -> None:
    first = make_event()
    chain(ledger, [first])
    post(ledger, [make_event(), make_event()])
    post(ledger, [first | {"action": "tool.invoke", "tool": {"name": "other"}}])

    assert value("obs_ingest_inbox_events", ledger=ledger.name) >= 2
    assert value("obs_ingest_inbox_age_seconds", ledger=ledger.name) > 0

    chain(ledger, [])

    assert value("obs_ingest_inbox_events", ledger=ledger.name) == 0
    assert value("obs_ingest_inbox_age_seconds", ledger=ledger.name) == 0
    assert value("obs_audit_quarantine_open", ledger=ledger.name) == 1


def test_backlog_beyond_the_limit_is_estimated_from_the_ids() -> None:
    assert figures.estimate_waiting(500, first_id=1, last_counted_id=100, last_id=1000) == 5000
    assert figures.estimate_waiting(500, first_id=7, last_counted_id=106, last_id=106) == 500


def test_partitions_are_summed_under_their_table(ledger: Ledger) -> None:
    chain(ledger, [make_event()])

    stores = {size.table: size for size in figures.table_sizes()}

    assert stores["audit_entry"].size_bytes > 0
    assert not [name for name in stores if name.startswith("audit_entry_")]


def test_key_sees_its_own_ledger_alone(ledger: Ledger, api_key: Callable[..., str]) -> None:
    token = api_key(ledger, "entries:read")

    page = scrape(HTTP_AUTHORIZATION=f"Bearer {token}", **STRANGER)

    labelled = {
        sample.labels["ledger"]
        for family in text_string_to_metric_families(page)
        for sample in family.samples
        if "ledger" in sample.labels
    }
    assert labelled == {ledger.name}


def test_who_may_scrape(ledger: Ledger, api_key: Callable[..., str], settings: Settings) -> None:
    settings.METRICS_TOKEN = "a-token-of-decent-length"

    def asked(**extra: Any) -> int:
        return Client().get("/metrics", **extra).status_code

    def bearer(token: str) -> dict[str, Any]:
        return {"HTTP_AUTHORIZATION": f"Bearer {token}", **STRANGER}

    assert asked() == 200
    assert asked(REMOTE_ADDR="::1") == 200
    assert asked(**STRANGER) == 401
    assert asked(HTTP_X_FORWARDED_FOR="127.0.0.1") == 401
    assert asked(HTTP_FORWARDED="for=127.0.0.1") == 401
    assert asked(**bearer("a-token-of-decent-length")) == 200
    assert asked(**bearer("a-token-of-decent-lengtH")) == 401
    assert asked(**bearer(api_key(ledger, "entries:read"))) == 200
    assert asked(**bearer(api_key(ledger, "events:write"))) == 403


def test_empty_token_lets_nobody_in(settings: Settings) -> None:
    settings.METRICS_TOKEN = ""

    assert Client().get("/metrics", HTTP_AUTHORIZATION="Bearer ", **STRANGER).status_code == 401


class Away(Collector):
    """A collector whose database is away."""

    def collect(self) -> Iterator[Any]:
        raise OperationalError("nobody listens")
        yield


def test_collector_that_cannot_read_leaves_the_others_and_shows(settings: Settings) -> None:
    away = f"{__name__}.Away"
    others = settings.METRICS_COLLECTORS
    settings.METRICS_COLLECTORS = [away, *others]
    collected.collectors.cache_clear()

    try:
        up = {
            sample.labels["collector"]: sample.value
            for family in text_string_to_metric_families(scrape())
            for sample in family.samples
            if sample.name == "obs_metrics_collector_up"
        }
    finally:
        collected.collectors.cache_clear()

    assert up == {away: 0} | dict.fromkeys(others, 1)


def test_methods_that_a_client_makes_up_share_one_label() -> None:
    for number in range(5):
        Client().generic(f"ALICE{number}", "/health")

    page = scrape()

    assert "ALICE" not in page
    assert 'method="<invalid method>"' in page


# --- A real Prometheus ---------------------------------------------------------------------------


class Silent(WSGIRequestHandler):
    def log_message(self, *_: Any) -> None:
        """Say nothing: the request log does."""


@pytest.fixture
def address(database: None) -> Iterator[str]:
    """Serve the platform on a free port of loopback for one test."""
    application = get_wsgi_application()

    def serve(environ: dict[str, Any], start_response: Any) -> Any:
        try:
            return application(environ, start_response)
        finally:
            connections.close_all()

    with make_server("127.0.0.1", 0, serve, handler_class=Silent) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield f"127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()
    close_old_connections()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def query(prometheus: str, expression: str) -> list[dict[str, Any]]:
    url = f"http://{prometheus}/api/v1/query?query={urllib.parse.quote(expression)}"
    with urllib.request.urlopen(url, timeout=30) as answer:
        body = json.load(answer)
    found: list[dict[str, Any]] = body["data"]["result"]
    return found


def test_real_prometheus_scrapes_and_answers(ledger: Ledger, address: str, tmp_path: Path) -> None:
    program = shutil.which("prometheus")
    if program is None:
        pytest.skip("prometheus is not installed")
    chain(ledger, [make_event()])
    listen = f"127.0.0.1:{free_port()}"
    configuration = tmp_path / "prometheus.yml"
    configuration.write_text(
        "global: {scrape_interval: 1s}\n"
        f"scrape_configs: [{{job_name: obs, static_configs: [{{targets: ['{address}']}}]}}]\n"
    )
    expression = f'obs_audit_chain_verified{{ledger="{ledger.name}"}}'

    with (tmp_path / "log").open("w") as output:
        process = subprocess.Popen(
            [
                program,
                f"--config.file={configuration}",
                f"--storage.tsdb.path={tmp_path / 'tsdb'}",
                f"--web.listen-address={listen}",
            ],
            stdout=output,
            stderr=output,
        )
    try:
        until = time.monotonic() + 30
        found: list[dict[str, Any]] = []
        while not found and time.monotonic() < until:
            time.sleep(0.2)
            try:
                found = query(listen, expression)
            except OSError:
                assert process.poll() is None, (tmp_path / "log").read_text()
        buckets = query(listen, "count(obs_audit_append_duration_seconds_bucket)")
    finally:
        process.terminate()
        process.wait(timeout=60)

    assert [result["value"][1] for result in found] == ["0.5"], (tmp_path / "log").read_text()
    assert buckets[0]["value"][1] == str(len(appendstats.ENTRY_EDGES) + 1)
