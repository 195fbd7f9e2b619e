"""`manage.py demo` against a whole installation: it is loaded once, found again, and links work."""

from __future__ import annotations

import http.client
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest
from django.core.management import CommandError, call_command

from obsplatform.fleet.planted import PLANTED
from tests.installation import ROOT, running

# The stories alone: enough to find every plant, quick to load.
STORIES = ("--events", "0")


@dataclass(frozen=True, kw_only=True)
class Loaded:
    """An installation with the fleet in it, and what the command said."""

    ready: dict[str, Any]
    said: dict[str, Any]

    def get(self, path: str) -> tuple[int, bytes]:
        address = urlsplit(self.ready["url"])
        assert address.hostname is not None
        connection = http.client.HTTPConnection(address.hostname, address.port, timeout=30)
        try:
            bearer = {"Authorization": f"Bearer {self.ready['key']}"}
            connection.request("GET", path, headers=bearer)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def entries(self, look: str) -> list[dict[str, Any]]:
        status, body = self.get(f"/api/v1/entries?limit=500&{look}")
        assert status == 200, body
        found: list[dict[str, Any]] = json.loads(body)["items"]
        return found


def demo(*options: str, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "manage.py", "demo", *options],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )


@pytest.fixture(scope="module")
def loaded() -> Iterator[Loaded]:
    with running(port=18350) as ready:
        first = demo(*STORIES, "--json", "--live", "8", environment=ready["environment"])
        assert first.returncode == 0, first.stderr
        yield Loaded(ready=ready, said=json.loads(first.stdout))


def test_everything_is_received_and_only_the_planted_id_is_in_conflict(loaded: Loaded) -> None:
    past, recent = loaded.said["history"], loaded.said["live"]

    assert past["rejected"] == recent["rejected"] == 0
    assert past["conflict"] == 1
    assert past["received"] > 4_000
    assert recent["received"] > 500


def test_tasks_are_traces_and_lines_and_none_is_an_entry_twice(loaded: Loaded) -> None:
    traced = loaded.said["traced"]
    traces = [each for each in got(loaded, "/api/v1/traces?limit=500") if each["agent_id"]]
    lines = got(loaded, "/api/v1/lines?limit=500")
    (loop,) = [each for each in traces if each["agent_id"] == "market-lens" and each["errors"] == 3]

    assert len(traces) == traced["traces"] > 20
    assert sum(each["spans"] for each in traces) == traced["spans"]
    assert sum(each["events"] for each in traces) == traced["spans"], "each names its entry"
    assert len(lines) == traced["lines"]
    assert sum(each["cost_usd"] for each in traces) > 0
    spans = got(loaded, f"/api/v1/traces/{loop['trace_id']}")
    for span in spans:
        status, _ = loaded.get(f"/api/v1/events/{span['event_id']}")
        assert status == 200
    for trace in traces:  # an event that a span tells of has the trace as its run
        assert loaded.entries(f"run={trace['trace_id']}") == []


def got(loaded: Loaded, path: str) -> list[dict[str, Any]]:
    status, body = loaded.get(path)
    assert status == 200, body
    found: list[dict[str, Any]] = json.loads(body)["items"]
    return found


def test_every_plant_is_found_on_its_day_through_the_api(loaded: Loaded) -> None:
    today = datetime.fromisoformat(loaded.said["now"]).date()
    for plant in PLANTED:
        times = [each["record"]["event"]["occurred_at"] for each in loaded.entries(plant.look)]
        days = {(today - date.fromisoformat(each[:10])).days for each in times}

        # The live part is told from its own moment, which may lie beyond midnight.
        expected = {0, -1} if plant.days_ago == 0 else {plant.days_ago}
        assert days & expected, plant.what


def test_what_to_look_at_first_are_addresses_of_this_installation(loaded: Loaded) -> None:
    looks = loaded.said["look"]

    assert 5 <= len(looks) <= 12
    for look in looks:
        address = urlsplit(look["url"])
        assert look["url"].startswith(loaded.ready["url"])
        status, _ = loaded.get(f"{address.path}?{address.query}")
        assert status == 302, "a page of the admin sends a stranger to its log-in"


def test_the_curl_line_works_as_it_stands(loaded: Loaded) -> None:
    answer = subprocess.run(
        ["/bin/sh", "-c", loaded.said["curl"]], capture_output=True, timeout=60, check=True
    )

    assert len(json.loads(answer.stdout)["items"]) == 5


def test_secrets_are_not_in_the_ledger(loaded: Loaded) -> None:
    (call,) = loaded.entries("action=tool.invoke&run=run-debug-0107")

    assert json.dumps(call).count("***REDACTED***") == 4
    assert "s3cr3t" not in json.dumps(call)


def test_names_of_customers_are_stored_encrypted(loaded: Loaded) -> None:
    events = [each["record"]["event"] for each in loaded.entries("action=data.create")]
    sealed = [each["personal"] for each in events if "personal" in each]

    assert sealed
    assert all(set(each) == {"alg", "ciphertext", "key_id", "nonce"} for each in sealed)


@pytest.fixture(scope="module")
def again(loaded: Loaded) -> str:
    """Run it a second time, for a person, and return what it says."""
    run = demo(*STORIES, environment=loaded.ready["environment"])
    assert run.returncode == 0, run.stderr
    return run.stdout


def test_a_second_run_makes_duplicates_and_no_second_fleet(loaded: Loaded, again: str) -> None:
    first, *_ = again.splitlines()
    told = {
        name: int(count.replace(",", "")) for count, name in re.findall(r"(\d[\d,]*) (\w+)", first)
    }
    past = loaded.said["history"]

    # Of another moment each would be another event.
    assert told["duplicate"] >= past["received"] + past["duplicate"]
    assert told["conflict"] == 1
    assert 400 < told["received"] < past["received"], "what is received is the present alone"


def test_a_person_is_told_what_to_look_at_first(loaded: Loaded, again: str) -> None:
    assert "What to look at first:" in again
    assert f"{loaded.ready['url']}/admin/audit/entry/?" in again
    assert loaded.ready["key"] in again


def test_the_contradiction_waits_in_quarantine_once(loaded: Loaded) -> None:
    with psycopg.connect(loaded.ready["database_url"]) as connection:
        found = connection.execute("SELECT reason FROM audit_quarantine").fetchall()

    assert found == [("conflict",)]


def test_without_an_installation_it_says_what_to_give() -> None:
    with pytest.raises(CommandError) as refused:
        call_command("demo")

    assert refused.value.returncode == 2
    assert "give --url, --key, --governance-key, or start an installation" in str(refused.value)


def test_too_few_days_are_refused() -> None:
    with pytest.raises(CommandError, match="--days is at least 30") as refused:
        call_command("demo", days=7)

    assert refused.value.returncode == 2
