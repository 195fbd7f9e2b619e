"""One page for all processes, served also while the database is away or slow; who sees which."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.db import connection
from django.test import Client
from pytest_django import Settings

from audit.database import raw_connection
from audit.models import Ledger
from metrics import page_copy
from metrics.platform_families import COMPONENT_ENABLED, SNAPSHOT_AGE
from tests.conftest import render_metrics_anew
from tests.metrics.scraping import (
    OPENMETRICS,
    STRANGER,
    of_page_itself,
    rendered,
    sample_of,
    samples_of,
    served,
)

ROOT = Path(__file__).resolve().parents[2]
AGE = "obs_metrics_snapshot_age_seconds"
SECONDS = "obs_metrics_scrape_seconds"
SCRAPE = """
import django
django.setup()
from django.test import Client
answer = Client(SERVER_NAME="localhost").get("/metrics?scope=platform")
assert answer.status_code == 200, answer.content
print(answer.content.decode(), end="")
"""


@pytest.fixture(autouse=True)
def data(database: None, settings: Settings, tmp_path: Path) -> Path:
    """Keep copies in a folder of the test's own, and begin without a page."""
    settings.DATA = tmp_path
    render_metrics_anew()
    return tmp_path


@pytest.fixture
def another() -> Iterator[psycopg.Connection[Any]]:
    """Return a connection of another process' kind."""
    with psycopg.connect(**connection.get_connection_params()) as opened:
        yield opened


def grow_older(seconds: float) -> None:
    """Let every page have been rendered so much earlier."""
    raw_connection().execute(
        "UPDATE metrics_page SET made_at = made_at - make_interval(secs => %s)", (seconds,)
    )


def count(number: int) -> None:
    raw_connection().execute(
        "INSERT INTO metrics_process AS p (family, labels, n)"
        " VALUES ('obs_auth_attempts_total', 'key success', %s)"
        " ON CONFLICT (family, labels) DO UPDATE SET n = p.n + excluded.n",
        (number,),
    )


def attempts(page: str) -> float:
    return sample_of(page, "obs_auth_attempts_total", method="key", outcome="success")


# --- One page ------------------------------------------------------------------------------------


def test_a_page_stands_for_five_seconds_and_is_then_rendered_anew() -> None:
    count(1)
    first = served()
    count(1)

    assert of_page_itself(served()) == of_page_itself(first)
    grow_older(4)
    assert attempts(served()) == attempts(first)
    grow_older(1)
    assert attempts(served()) == attempts(first) + 1


def test_two_processes_serve_one_text() -> None:
    first = served()
    count(1)
    grow_older(-3600)  # so that it is not due, however long the other takes to start

    other = subprocess.run(
        [sys.executable, "-c", SCRAPE], cwd=ROOT, capture_output=True, text=True, check=True,
        env=environment(),
    ).stdout  # fmt: skip

    assert of_page_itself(other[other.index("# HELP") :]) == of_page_itself(first)


def environment() -> dict[str, str]:
    return os.environ | {"DJANGO_SETTINGS_MODULE": "obsplatform.settings"}


def test_both_formats_show_one_state() -> None:
    count(1)
    text = served()
    count(1)

    openmetrics = served(HTTP_ACCEPT=OPENMETRICS)

    assert attempts(openmetrics) == attempts(text)
    assert openmetrics.endswith("# EOF\n")


def test_the_age_grows_with_the_page() -> None:
    fresh = served()
    grow_older(2)

    assert sample_of(fresh, AGE) < 2
    assert sample_of(served(), AGE) >= 2
    assert sample_of(fresh, SECONDS) > 0


def test_while_one_renders_others_serve_what_stands(another: psycopg.Connection[Any]) -> None:
    first = served()
    grow_older(60)
    count(1)
    hold_lock(another)

    page = served()

    assert attempts_or_none(page) == attempts_or_none(first)
    assert sample_of(page, AGE) >= 60


def test_the_first_page_of_all_is_waited_for(another: psycopg.Connection[Any]) -> None:
    hold_lock(another)
    release = threading.Timer(0.3, another.rollback)
    release.start()

    page = served()

    release.join()
    assert sample_of(page, AGE) < 5


def hold_lock(another: psycopg.Connection[Any]) -> None:
    another.execute("SELECT pg_advisory_xact_lock(hashtext('metrics.page'), hashtext(''))")


def attempts_or_none(page: str) -> float | None:
    found = samples_of(page, "obs_auth_attempts_total", method="key", outcome="success")
    return next(iter(found.values()), None)


# --- The database is away or slow ----------------------------------------------------------------


@pytest.fixture
def nobody_listens(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], None]]:
    """Return what points new connections at a port where nobody listens."""
    with monkeypatch.context() as patch:

        def away() -> None:
            connection.close()
            patch.setitem(connection.settings_dict, "HOST", "127.0.0.1")
            patch.setitem(connection.settings_dict, "PORT", "1")

        yield away
        connection.close()


def test_away_database_leaves_the_copy_with_its_age(
    nobody_listens: Callable[[], None], data: Path
) -> None:
    count(1)
    first, openmetrics = served(), served(HTTP_ACCEPT=OPENMETRICS)
    for path in (data / "metrics").iterdir():
        made_earlier(path, seconds=90)
    nobody_listens()

    page = served()

    assert of_page_itself(page) == of_page_itself(first)
    assert sample_of(page, AGE) >= 90
    assert of_page_itself(served(HTTP_ACCEPT=OPENMETRICS)) == of_page_itself(openmetrics)


def made_earlier(path: Path, *, seconds: float) -> None:
    first, _, body = path.read_text().partition("\n")
    said = json.loads(first)
    path.write_text(f"{json.dumps(said | {'made_at': said['made_at'] - seconds})}\n{body}")


@pytest.mark.parametrize("path", ["/metrics", "/metrics?scope=platform"])
def test_without_a_copy_it_is_503_and_says_why(
    nobody_listens: Callable[[], None], path: str
) -> None:
    nobody_listens()

    response = Client().get(path)

    assert response.status_code == 503
    assert response["Content-Type"].startswith("text/plain")
    assert b"the database does not answer, and this machine has kept no copy" in response.content


def test_the_processes_own_numbers_need_no_database(nobody_listens: Callable[[], None]) -> None:
    nobody_listens()

    assert "django_http_requests_before_middlewares_total" in served("/metrics?scope=process")


def test_a_key_that_cannot_be_looked_up_is_503(nobody_listens: Callable[[], None]) -> None:
    nobody_listens()
    token = f"obs_live_{'a' * 8}_{'b' * 43}"

    response = Client().get("/metrics", HTTP_AUTHORIZATION=f"Bearer {token}", **STRANGER)

    assert response.status_code in {401, 503}
    assert b"obs_" not in response.content.replace(b"obs_live_", b"")


def test_a_statement_that_hangs_is_given_up_and_the_page_before_served(
    another: psycopg.Connection[Any], data: Path
) -> None:
    first = served()
    grow_older(60)
    shutil.rmtree(data / "metrics")  # as on a machine that has served none: the row is newer
    count(1)
    another.execute("LOCK TABLE metrics_total IN ACCESS EXCLUSIVE MODE")

    page = served()

    assert attempts_or_none(page) == attempts_or_none(first)
    assert sample_of(page, AGE) >= 60


def test_a_row_that_cannot_be_read_leaves_the_copy(another: psycopg.Connection[Any]) -> None:
    first = served()
    another.execute("LOCK TABLE metrics_page IN ACCESS EXCLUSIVE MODE")

    assert of_page_itself(served()) == of_page_itself(first)


def test_a_collector_that_hangs_leaves_the_other_families(
    another: psycopg.Connection[Any],
) -> None:
    count(1)
    another.execute("LOCK TABLE audit_head IN ACCESS EXCLUSIVE MODE")

    page = served()

    assert sample_of(page, "obs_metrics_collector_up",
                     collector="audit.collectors.AuditCollector") == 0  # fmt: skip
    assert attempts(page) > 0
    assert samples_of(page, "obs_audit_chain_verified") == {}


def test_the_copy_is_its_owners_alone_and_as_old_as_the_page(data: Path) -> None:
    served()

    copy = data / "metrics" / "platform.text"
    assert copy.stat().st_mode & 0o777 == 0o600
    kept = page_copy.read("", "text")
    assert kept is not None
    assert copy.stat().st_mtime == pytest.approx(kept.made_at, rel=0, abs=1e-5)  # no file is finer
    assert sorted(path.name for path in copy.parent.iterdir()) == ["platform.text"]


def test_a_folder_that_cannot_be_written_is_said_and_the_page_served(
    data: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (data / "metrics").write_text("a file where the folder should be")

    assert sample_of(served(), AGE) < 5
    assert "metrics.copy_not_kept" in caplog.text
    assert page_copy.read("no-such-ledger", "text") is None


# --- Scopes, switch, who may ask -----------------------------------------------------------------


def test_scopes_part_the_installation_from_the_process() -> None:
    platform, process, both = (served(f"/metrics{scope}")
                               for scope in ("?scope=platform", "?scope=process", ""))  # fmt: skip

    def names(page: str) -> set[str]:
        return {line.split(" ")[2] for line in page.splitlines() if line.startswith("# TYPE")}

    assert {name[:4] for name in names(platform)} == {"obs_"}
    assert not [name for name in names(process) if name.startswith("obs_")]
    assert names(both) == names(platform) | names(process)


def test_an_unknown_scope_is_refused_with_the_two_there_are() -> None:
    response = Client().get("/metrics?scope=everything")

    assert response.status_code == 400
    assert response.content == b"Unknown scope: platform or process.\n"


def test_a_key_may_not_see_what_a_process_counts(
    ledger: Ledger, api_key: Callable[..., str]
) -> None:
    bearer = {"HTTP_AUTHORIZATION": f"Bearer {api_key(ledger, 'entries:read')}", **STRANGER}

    response = Client().get("/metrics?scope=process", **bearer)

    assert response.status_code == 403
    assert response.json()["code"] == "scope-missing"


def test_a_keys_page_and_that_of_all_are_kept_apart(
    ledger: Ledger, api_key: Callable[..., str], data: Path
) -> None:
    everything = served()
    bearer = {"HTTP_AUTHORIZATION": f"Bearer {api_key(ledger, 'entries:read')}", **STRANGER}

    of_ledger = served("/metrics", **bearer)

    assert of_page_itself(served()) == of_page_itself(everything)
    assert of_page_itself(served("/metrics", **bearer)) == of_page_itself(of_ledger)
    assert {path.name for path in (data / "metrics").iterdir()} == {
        "platform.text",
        f"ledger-{ledger.name}.text",
    }


def test_switched_off_it_says_only_that(settings: Settings) -> None:
    raw_connection().execute(
        "INSERT INTO metrics_fact VALUES ('obs_component_enabled', 'metrics', 0)"
        " ON CONFLICT (family, labels) DO UPDATE SET value = 0"
    )
    settings.SWITCHES = settings.SWITCHES | {"metrics": ("off", True)}

    page = rendered("/metrics")

    found = {line.split(" ")[2] for line in page.splitlines() if line.startswith("# TYPE")}
    assert found == {COMPONENT_ENABLED.name, SNAPSHOT_AGE.name}
    assert sample_of(page, "obs_component_enabled", component="metrics") == 0


@pytest.mark.parametrize(
    ("address", "status"),
    [
        ("10.1.2.3", 200),
        ("::ffff:10.1.2.3", 200),
        ("10.1.3.3", 401),
        ("::ffff:10.1.3.3", 401),
        ("127.0.0.1", 200),
        ("::ffff:127.0.0.1", 200),
        ("", 401),
        ("unix:", 401),
    ],
)
def test_networks_on_the_list_may_scrape(settings: Settings, address: str, status: int) -> None:
    settings.METRICS_ALLOW = (ip_network("10.1.2.0/24"),)

    def asked(**extra: Any) -> int:
        return Client().get("/metrics", REMOTE_ADDR=address, **extra).status_code

    assert asked() == status
    assert asked(HTTP_X_FORWARDED_FOR="10.1.2.3") == 401


@pytest.mark.parametrize("address", ["/metrics", "/metrics?scope=platform"])
def test_the_page_passes_promtool(ledger: Ledger, settings: Settings, address: str) -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not installed")
    settings.SWITCHES = settings.SWITCHES | {"detail": ("full", True)}
    count(1)

    found = subprocess.run(
        [promtool, "check", "metrics"], input=served(address), capture_output=True, text=True,
        check=False,
    )  # fmt: skip

    assert (found.returncode, found.stdout + found.stderr) == (0, "")
