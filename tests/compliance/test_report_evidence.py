"""Entries of a report: tables and bundle answer alike, and nothing past the head is seen."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from audit.exportfile import path_of
from audit.models import Ledger
from audit.receive import receive_own
from compliance import report_entries
from compliance.report_bundle import BundleEvidence
from compliance.report_entries import LedgerEvidence
from compliance.report_evidence import Evidence, Seen, SeenEvent
from compliance.result import day_of
from compliance.scratch import check_bundle
from tests.audit.exporting import made
from tests.compliance.building import day
from tests.compliance.report_ledgers import a_busy_ledger, calls, loaded, settled
from tests.conftest import EVENTS, GOVERNANCE, make_event

TODAY = day_of(datetime.now(UTC).date())
ACTIONS = ("tool.invoke", "approval.granted", "audit.key_announced")
EVERYTHING = (TODAY - 400, TODAY + 1)


@contextmanager
def both(ledger: Ledger, head: int) -> Iterator[tuple[Evidence, Evidence]]:
    """Give the evidence of the ledger's tables and of its bundle, up to one head."""
    path = path_of(made(ledger))
    with path.open("rb") as file:
        manifest = check_bundle(file)
    of_bundle = BundleEvidence(path, manifest, head_seq=head)
    try:
        yield LedgerEvidence(ledger, head_seq=head), of_bundle
    finally:
        of_bundle.close()


def test_tables_and_bundle_give_the_same_records(ledger: Ledger) -> None:
    a_busy_ledger(ledger)
    with both(ledger, 100) as (tables, bundle):
        found = list(tables.records(ACTIONS))
        assert found == list(bundle.records(ACTIONS))
        assert [record.action for record in found] == [
            "approval.granted", "tool.invoke", "tool.invoke", "audit.key_announced",
        ]  # fmt: skip
        seqs = [record.seq for record in found]
        assert seqs == sorted(seqs)
        assert tables.by_seq(seqs) == bundle.by_seq(seqs) == {one.seq: one for one in found}
        assert tables.named(seqs) == bundle.named(seqs)
        assert (tables.origin, tables.first_seq) == (bundle.origin, bundle.first_seq)


def test_nothing_past_the_head_is_seen_unless_it_is_asked_for(ledger: Ledger) -> None:
    a_busy_ledger(ledger)
    with both(ledger, 2) as (tables, bundle):
        for evidence in (tables, bundle):
            assert [one.seq for one in evidence.records(ACTIONS)] == [1, 2]
            assert [one.seq for one in evidence.records(ACTIONS, to_seq=3)] == [1, 2, 3]
            assert list(evidence.records(ACTIONS, to_seq=2**62))[-1].seq > 3
            assert sorted(evidence.by_seq([1, 2, 3, 9_999])) == [1, 2]
            assert sorted(evidence.named([1, 2, 3, 9_999])) == [1, 2]
            assert evidence.counted(*EVERYTHING).entries == 3


def test_records_are_found_across_batches(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    many = calls(*("ok-1",) * 30, at=datetime.now(UTC) - timedelta(hours=1))
    loaded(ledger, [(many, EVENTS)])
    evidence = LedgerEvidence(ledger, head_seq=29)
    whole = list(evidence.records(["tool.invoke"]))
    monkeypatch.setattr(report_entries, "WINDOW", 7)
    monkeypatch.setattr(report_entries, "NAMED", 3)
    pieces = list(evidence.records(["tool.invoke"]))

    assert len(whole) == 29
    assert pieces == whole


def test_tables_and_bundle_count_and_see_the_same(ledger: Ledger) -> None:
    registered = make_event(
        category="case",
        action="tool.registered",
        occurred_at="2026-01-05T08:00:00Z",
        tool={"name": "pay", "risk": "critical", "side_effect": True},
        actor={"type": "human", "id": "carol"},
        target={"type": "tool", "id": "pay"},
        run=None,
    )
    told = calls("ok-1", "never-given", at=datetime.now(UTC) - timedelta(hours=30))
    told[0]["model"] = {"provider": "aurora", "name": "pro"}
    told[1]["agent"] |= {"environment": "staging", "version": "2.0", "name": "Alice"}
    told[1]["data"] = {
        "classes": ["pii", "financial"], "recipient": "nordbank",
        "recipient_role": "processor", "external": True,
    }  # fmt: skip
    loaded(ledger, [([registered], GOVERNANCE), (told, EVENTS)])
    receive_own(ledger, "audit.log_viewed", target={"type": "subject_key", "id": "k"})
    settled(ledger)
    period = (TODAY - 3, TODAY + 1)
    with both(ledger, 100) as (tables, bundle):
        counts, same = tables.counted(*period), bundle.counted(*period)
        assert counts == same
        assert counts.late == 2
        assert counts.environments["staging"] == 1
        seen, again = (each.look_through(*period) for each in (tables, bundle))
        for name in ("agents", "models", "tools", "data_classes", "vendors", "claims"):
            assert getattr(seen, name) == getattr(again, name), name
        assert seen.claims == {("pay", "tool.risk", "high", "critical"): 2}
        assert seen.models == {"aurora / pro": 1}
        assert set(seen.vendors) == {"nordbank"}
        assert seen.agents["alice-agent"].versions >= {"2.0"}


def test_what_a_tool_claims_counts_against_the_register_of_its_time() -> None:
    first = day("2026-10-01")
    seen = Seen(first, first + 30)

    def event(action: str, at: str, **tool: object) -> SeenEvent:
        return SeenEvent(
            action=action,
            agent={"id": "a"},
            category="tool_call",
            occurred_at=at,
            outcome="success",
            tool={"name": "pay"} | tool,
        )

    seen.see(event("tool.invoke", "2026-10-01T00:00:00.000000Z", risk="low"))
    seen.see(event("tool.registered", "2026-10-02T00:00:00.000000Z", risk="high"))
    seen.see(event("tool.invoke", "2026-10-03T00:00:00.000000Z", risk="low"))
    seen.see(event("tool.removed", "2026-10-04T00:00:00.000000Z"))
    seen.see(event("tool.invoke", "2026-10-05T00:00:00.000000Z", risk="low"))
    seen.see(event("tool.invoke", "2026-11-05T00:00:00.000000Z", risk="low"))

    assert seen.tools == {"pay": 3}
    assert seen.claims == {("pay", "tool.risk", "low", "high"): 1}


def test_a_vendor_is_who_works_for_us() -> None:
    first = day("2026-10-01")
    seen = Seen(first, first + 30, no_vendors=["individual"])
    given: dict[str, Any] = {
        "action": "data.disclose",
        "agent": {"id": "a"},
        "category": "data_access",
    }
    for recipient, role, external in (
        ("the member", "individual", True),
        ("acme", "processor", True),
        ("unsaid", None, None),
        ("inside", "processor", False),
    ):
        data = {"recipient": recipient, "recipient_role": role, "external": external}
        seen.see(
            SeenEvent(
                **given,
                occurred_at="2026-10-03T00:00:00.000000Z",
                outcome="success",
                data={name: value for name, value in data.items() if value is not None},
                transfer={"to_country": "IE"},
            )
        )

    assert set(seen.vendors) == {"acme", "unsaid"}
    assert seen.vendors["acme"].countries == {"IE"}


def test_the_bundle_is_read_while_single_entries_are_looked_at(
    ledger: Ledger,
) -> None:
    a_busy_ledger(ledger)
    with both(ledger, 100) as (_, bundle):
        seqs = [seq for record in bundle.records(ACTIONS) for seq in bundle.by_seq([record.seq, 0])]
    assert seqs == [0, 1, 0, 2, 0, 3, 0, 4]
