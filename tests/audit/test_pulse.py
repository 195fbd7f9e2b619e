"""The platform's own reports: each hour what waits, each day what is kept, in every ledger."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from audit import pulse
from audit.append import append_pending
from audit.models import Ledger
from audit.pulse import report_queue, report_retention
from audit.receive import receive_own
from audit.retain import set_policy
from audit.seal import seal
from audit.signer import make_key
from audit.tasks import report_state
from tests.audit.pruning import old_entries
from tests.conftest import GOVERNANCE, chain, entries, make_event, post

pytestmark = pytest.mark.usefixtures("alone_as_module")


def told(ledger: Ledger) -> list[dict[str, Any]]:
    """Chain what waits and return the platform's reports, oldest first."""
    append_pending(ledger.id)
    events = [each.parsed()["event"] for each in entries(ledger)]
    return [each for each in events if each["action"] in {pulse.QUEUE, pulse.RETENTION}]


@pytest.fixture
def begun(ledger: Ledger) -> Ledger:
    """Return a ledger of one entry."""
    chain(ledger, [make_event()])
    return ledger


def test_every_ledger_that_has_begun_is_reported_on(begun: Ledger) -> None:
    report_state()

    queue, retention = told(begun)
    assert (queue["action"], retention["action"]) == (pulse.QUEUE, pulse.RETENTION)
    assert queue["system"]["queue_depth"] == 0
    assert retention["integrity"] == {"retention_days": 365, "oldest_seq": 0}
    assert {each["agent"]["id"] for each in (queue, retention)} == {"platform"}


def test_a_ledger_without_entries_has_not_begun(ledger: Ledger) -> None:
    assert not report_queue(ledger)
    assert not report_retention(ledger)

    assert told(ledger) == []


def test_a_report_is_not_due_twice_in_its_time(begun: Ledger) -> None:
    assert report_queue(begun)
    assert not report_queue(begun), "it still waits in the inbox"
    append_pending(begun.id)
    assert not report_queue(begun), "it is chained"

    assert len(told(begun)) == 1


def test_a_report_is_due_when_the_last_one_is_old(
    begun: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert report_queue(begun)
    assert report_retention(begun)
    append_pending(begun.id)
    monkeypatch.setattr(pulse, "HOUR", 0)

    assert report_queue(begun)
    assert not report_retention(begun)

    assert len(told(begun)) == 3


def test_a_report_of_an_agent_is_none_of_the_platforms(ledger: Ledger) -> None:
    forged = make_event(category="system", action=pulse.QUEUE, system={"max_lag_seconds": 0})
    chain(ledger, [forged], sender=GOVERNANCE)

    assert report_queue(ledger)


def test_the_queue_is_as_deep_and_as_late_as_what_waits(begun: Ledger) -> None:
    post(begun, [make_event(), make_event()])
    receive_own(begun, "audit.report_downloaded")

    assert report_queue(begun)

    (queue,) = told(begun)
    assert queue["system"]["queue_depth"] == 3
    assert 0 <= queue["system"]["max_lag_seconds"] < 60


def test_what_was_late_in_the_past_hour_is_told_when_nothing_waits_any_more(
    begun: Ledger, settings: Any, tmp_path: Path
) -> None:
    settings.SIGNING_DIR = tmp_path
    make_key(begun.name, origin=begun.origin)
    seal(begun)
    append_pending(begun.id)  # the entry that announces the key
    seal(begun)
    old_entries(begun, [make_event()], days=2)
    seal(begun)

    assert report_queue(begun)

    (queue,) = told(begun)
    two_days = timedelta(days=2).total_seconds()
    assert queue["system"]["max_lag_seconds"] == pytest.approx(two_days, abs=300)


def test_retention_is_told_with_longer_policies(begun: Ledger) -> None:
    set_policy(begun, kind="ledger", name="", days=400, by="alice")
    set_policy(begun, kind="category", name="tool_call", days=500, by="alice")

    assert report_retention(begun)

    (retention,) = told(begun)
    assert retention["integrity"]["retention_days"] == 400
    assert retention["details"] == {
        "categories": {"tool_call": 500},
        "data_classes": {"phi": 2192},
    }


def test_a_read_only_ledger_takes_no_report(begun: Ledger) -> None:
    begun.is_read_only = True
    begun.read_only_reason = f"a test at {datetime.now(UTC)}"
    begun.save()

    assert not report_queue(begun)
