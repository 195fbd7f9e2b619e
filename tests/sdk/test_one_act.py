"""All parts of an agent's observability on, against a whole installation: one act, one entry."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import psycopg
import pytest
from obsagent import Observability
from obsagent.event import new_id

from tests.installation import ROOT

_SECONDS = 60
_PREPARE = """
from audit.auth import make_key
from audit.models import Ledger
from metrics.custom import Draft, allow
for name, kind, labels in (("letters.sent", "counter", "tone"), ("letters.took", "histogram", "")):
    allow(Draft(name=name + "-{0}", kind=kind, labels=labels, help="Letters."), by="grace")
ledger = Ledger.objects.get(name="{1}")
print(make_key(ledger=ledger, name="agent", scopes=["events:write"], created_by="grace")[1])
"""


@pytest.fixture
def mark() -> str:
    """Return what tells this run from others."""
    return new_id()[-8:]


@pytest.fixture
def key(installation: dict[str, Any], mark: str) -> str:
    """Return a key that may write events and nothing else; an administrator allows two measures."""
    prepare = _PREPARE.format(mark, installation["ledger"])
    ended = subprocess.run(
        [sys.executable, "manage.py", "shell", "-v", "0", "-c", prepare],
        cwd=ROOT,
        env=installation["environment"],
        capture_output=True,
        text=True,
        timeout=_SECONDS,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout.split()[-1]


@pytest.fixture
def obs(
    installation: dict[str, Any], key: str, mark: str, tmp_path: Path
) -> Iterator[Observability]:
    """Return an observability with all four parts on, by a key that may only write."""
    with (tmp_path / "log").open("w") as log:
        made = Observability(
            f"claims-{mark}",
            endpoint=installation["url"],
            key=key,
            spool=tmp_path / "spool",
            log_stream=log,
        )
        yield made
        made.shutdown_now()


def eventually(look: Callable[[], Any]) -> Any:
    """Wait until something is there, and return it."""
    ends = time.monotonic() + _SECONDS
    while not (found := look()):
        assert time.monotonic() < ends, "it did not come to pass"
        time.sleep(0.2)
    return found


def rows(installation: dict[str, Any], query: str, *values: Any) -> list[tuple[Any, ...]]:
    with psycopg.connect(installation["database_url"]) as connection:
        return connection.execute(query, values).fetchall()


def test_a_run_gives_entries_spans_lines_and_measures_once_each(
    installation: dict[str, Any], obs: Observability, mark: str
) -> None:
    assert len(obs.get_enabled_components()) == 4
    logger = obs.get_logger("agent")
    assert logger is not None

    with obs.acts.run(mode="chat"):
        with obs.acts.tool("send-letter", arguments={"to": 7}, risk="medium") as call:
            logger.info("letter goes out")
            call.result({"sent": True})
        obs.record_metric_now(f"letters.sent-{mark}", 2, labels={"tone": "kind"})
        obs.record_metric_now(f"letters.took-{mark}", 0.25, "histogram")
        obs.record_metric_now(f"nobody.allowed-{mark}", 1)
    assert obs.flush()
    obs.record_metric_now(f"letters.sent-{mark}", 3, labels={"tone": "kind"})
    assert obs.flush()
    assert not obs.client.spool.has_unsent()
    assert list(obs.client.spool.receipts.rejected()) == []

    entries = eventually(
        lambda: len(found := rows(installation, _ENTRIES, f"claims-{mark}")) >= 6 and found
    )
    events = [record["event"] for (record,) in entries]
    told = sorted(event["action"] for event in events)
    assert told == ["metric.recorded"] * 3 + ["run.completed", "run.started", "tool.invoke"]
    acts = {event["action"]: event for event in events if event["action"] != "metric.recorded"}
    (trace_id,) = {event["trace"]["trace_id"] for event in acts.values()}

    spans = rows(installation, _SPANS, trace_id)
    assert spans == [
        (f"invoke_agent claims-{mark}", acts["run.completed"]["id"]),
        ("execute_tool send-letter", acts["tool.invoke"]["id"]),
    ]
    assert rows(installation, _TRACE, trace_id) == [(2,)]
    span_id = acts["tool.invoke"]["trace"]["span_id"]
    assert rows(installation, _LINES, trace_id) == [("letter goes out", span_id)]
    eventually(lambda: measured(installation["url"], "obs_custom_metric_total", mark) == 5)
    eventually(lambda: measured(installation["url"], "obs_custom_metric_seconds_sum", mark) == 0.25)


def test_an_export_whose_answer_was_lost_counts_once(
    installation: dict[str, Any], obs: Observability, mark: str
) -> None:
    """The same bytes reach the platform twice, as they do when the first answer does not arrive."""
    obs.record_metric_now(f"letters.sent-{mark}", 2, labels={"tone": "kind"})
    outlet = obs._outlet
    assert outlet is not None
    assert outlet._points is not None
    export = outlet._points.since(resource=outlet._resource, now=time.time_ns())
    assert export is not None
    outlet._send_export(outlet._points, export)
    outlet._send_export(outlet._points, export)
    obs.event("run.started")
    assert obs.flush()

    # What is received later is chained later: with the run's entry all that came before is there.
    query = f"claims-{mark}"
    found = eventually(lambda: len(got := rows(installation, _ENTRIES, query)) >= 2 and got)
    assert sorted(record["event"]["action"] for (record,) in found) == [
        "metric.recorded",
        "run.started",
    ]


_ENTRIES = "SELECT convert_from(record, 'UTF8')::jsonb FROM audit_entry WHERE agent_id = %s"
_SPANS = "SELECT name, event_id::text FROM tracing_span WHERE trace_id = %s ORDER BY started_at"
_TRACE = "SELECT spans FROM tracing_trace WHERE trace_id = %s"
_LINES = "SELECT message, span_id FROM tracing_line WHERE trace_id = %s"


def measured(url: str, family: str, mark: str) -> float | None:
    """Return what the platform shows of a measure; None while it shows nothing."""
    with urlopen(f"{url}/metrics", timeout=20) as answer:
        lines = answer.read().decode().splitlines()
    found = [line for line in lines if line.startswith(f"{family}{{") and mark in line]
    return float(found[0].rpartition(" ")[2]) if found else None
