"""What a report says: one content of the tallies, of the entries and of a bundle, byte for byte."""

from __future__ import annotations

import stat
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from audit.exportfile import path_of
from audit.models import Ledger
from audit.prune import work_through_plans
from audit.receive import receive_own
from compliance.in_force import UnknownFramework
from compliance.models import Snapshot
from compliance.report_build import CONTENT, Built, build_from_bundle, build_report, with_samples
from compliance.report_content import LISTED, content_bytes, parse_content
from compliance.report_draft import NothingToReport
from compliance.scratch import BundleRefused
from tests.audit.exporting import made
from tests.audit.retaining import agreed, make_ready, proposed, seed
from tests.compliance.report_ledgers import (
    BY,
    Period,
    a_busy_ledger,
    a_fleet,
    an_own_framework,
    calls,
    last_days,
    of_bundle,
    of_entries,
    of_tallies,
    settled,
    the_sessions,
)
from tests.conftest import EVENTS, post
from tests.sizes import size

FRAMEWORKS = ("soc2", "hipaa", "gdpr")
HISTORY = replace(EVENTS, backfill=True)


def say_one_thing(
    ledger: Ledger, folder: Path, period: Period, frameworks: Sequence[str]
) -> dict[str, Built]:
    """Build each framework's report in all three ways, the later two when the ledger has grown."""
    built = {name: of_tallies(ledger, name, folder / f"{name}-t", period) for name in frameworks}
    bundle = path_of(made(settled(ledger)))
    for name, from_tallies in built.items():
        assert from_tallies.snapshot is not None
        others = [
            of_entries(ledger, name, folder / f"{name}-e", period, from_tallies.snapshot),
            of_bundle(bundle, name, folder / f"{name}-b", period),
        ]
        for other in others:
            assert from_tallies.content == other.content
            assert from_tallies.raw == other.raw
            assert from_tallies.items.read_bytes() == other.items.read_bytes()
    return built


def test_the_demo_fleet_gives_one_content_from_tallies_entries_and_a_bundle(
    ledger: Ledger, tmp_path: Path
) -> None:
    built = say_one_thing(a_fleet(ledger), tmp_path, last_days(30), FRAMEWORKS)

    soc2 = built["soc2"].content
    assert {"TOOL-01", "MON-03", "CHG-01"} <= {each.check for each in soc2.exceptions}
    assert any(not agent.is_registered for agent in soc2.scope.agents)
    assert {vendor.state for vendor in soc2.scope.vendors} >= {"reviewed", "ended", "seen only"}
    assert soc2.changes.total > 0
    assert built["gdpr"].content.law.tables
    assert built["hipaa"].content.law.tables


def test_the_recorded_sessions_give_one_content_from_tallies_entries_and_a_bundle(
    ledger: Ledger, tmp_path: Path
) -> None:
    # What the other frameworks say in each way, the fleet shows; here are many items.
    frameworks = FRAMEWORKS[: size(1, 3)]

    built = say_one_thing(the_sessions(ledger), tmp_path, last_days(90), frameworks)

    failing = {each.check: each for each in built["soc2"].content.exceptions}
    assert failing["TOOL-01"].total == 250
    assert len(failing["TOOL-01"].listed) == LISTED


def test_the_parts_of_a_report_agree_with_its_result(ledger: Ledger, tmp_path: Path) -> None:
    built = of_tallies(a_busy_ledger(ledger), "soc2", tmp_path / "r", last_days())

    content = built.content
    rows = built.items.read_bytes().decode("utf-8-sig").splitlines()[1:]
    (annex,) = content.annexes
    assert sum(day.entries for day in content.population.days) == content.result["entries"]
    assert sum(one.entries for one in content.population.agents) == content.result["entries"]
    assert sum(one.entries for one in content.population.actions) == content.result["entries"]
    assert [each.lens for each in content.checks] == [
        one["lens"] for one in content.result["checks"]
    ]
    assert {len(each.strip) for each in content.checks} == {30}
    assert content.pending.total == sum(one["pending"] for one in content.result["checks"])
    failed = sum(each.total for each in content.exceptions)
    assert annex.rows == len(rows) == failed + content.pending.kept
    assert annex.sha256 == sha256(built.items.read_bytes()).hexdigest()
    assert parse_content(built.raw) == content
    assert content.cover.snapshot_digest == content.result["digest"]


def test_the_files_are_for_their_owner_alone_and_nothing_else_stays(
    ledger: Ledger, tmp_path: Path
) -> None:
    of_tallies(a_busy_ledger(ledger), "soc2", tmp_path / "r", last_days())

    found = {each.name: stat.S_IMODE(each.stat().st_mode) for each in (tmp_path / "r").iterdir()}
    assert found == {"content.json": 0o600, "items.csv": 0o600}


def test_an_unapproved_call_is_listed_with_its_entry(ledger: Ledger, tmp_path: Path) -> None:
    built = of_tallies(a_busy_ledger(ledger), "soc2", tmp_path / "r", last_days())

    (found,) = [each for each in built.content.exceptions if each.check == "TOOL-01"]
    (deviation,) = found.listed
    assert (deviation.action, deviation.agent) == ("tool.invoke", "alice-agent")
    assert deviation.entry_id
    assert found.controls == ("CC6.3",)


def test_what_people_decided_stands_in_the_report(ledger: Ledger, tmp_path: Path) -> None:
    a_busy_ledger(ledger)
    today, soon = TODAY.isoformat(), (TODAY + timedelta(days=20)).isoformat()
    first = of_tallies(ledger, "soc2", tmp_path / "a", last_days()).content
    (failing,) = [each for each in first.exceptions if each.check == "TOOL-01"]
    item = failing.listed[0].item
    about = {"framework": "soc2", "control": "CC6.3", "check": "TOOL-01"}
    receive_own(
        ledger, "audit.finding_opened", by="bob",
        details=about | {
            "finding": "f-1", "item": item, "title": "No approval", "owner": "carol",
            "due": (TODAY - timedelta(days=3)).isoformat(), "note": "the queue was down",
        },
    )  # fmt: skip
    receive_own(
        ledger, "audit.waiver_approved", by="bob",
        details=about | {
            "act": "approved", "waiver": "w-1", "items": [item], "reason": "moved", "risk": "low",
            "compensating": "watched", "asked_by": "alice", "from": today, "expires_on": soon,
        },
    )  # fmt: skip
    receive_own(
        ledger, "audit.waiver_approved", by="bob",
        details=about | {
            "act": "approved", "waiver": "w-alone", "items": [], "reason": "mine",
            "asked_by": "bob", "from": today, "expires_on": soon,
        },
    )  # fmt: skip
    receive_own(
        ledger, "audit.attestation_signed", by="bob",
        details={
            "act": "signed", "statement": "s-1", "framework": "soc2", "control": "CC1.1",
            "text": "We do", "role": "CISO", "prepared_by": "alice", "file_name": "",
            "file_sha256": "", "effective_from": "2026-01-01", "effective_to": soon,
            "expires_on": soon, "reasoning": False,
        },
    )  # fmt: skip

    built = of_tallies(settled(ledger), "soc2", tmp_path / "b", last_days())

    content = built.content
    (finding,) = content.findings
    assert (finding.finding, finding.severity, finding.is_overdue) == ("f-1", "critical", True)
    assert finding.response == "the queue was down"
    assert [waiver.waiver for waiver in content.waivers] == ["w-1"]
    assert [(one.statement, one.signed_by, one.counts) for one in content.statements] == [
        ("s-1", "bob", True)
    ]
    assert dict(content.owners) == {"CC1.1": "bob", "CC6.3": "carol"}
    (waived,) = [each for each in content.exceptions if each.check == "TOOL-01"]
    assert (waived.total, waived.waived) == (1, 1)
    assert (waived.listed[0].waiver, waived.listed[0].finding) == ("w-1", "f-1")
    assert '"waived"' in built.items.read_text()
    (text,) = [each for each in content.checks if each.lens == waived.lens]
    assert text.strip.endswith("w")


def test_who_reports_a_finished_period_again_gets_the_same_bytes(
    ledger: Ledger, tmp_path: Path
) -> None:
    period = over()
    first = of_tallies(with_history(ledger), "soc2", tmp_path / "a", period)
    receive_own(ledger, "audit.log_viewed", target={"type": "subject_key", "id": "k"})
    again = of_tallies(settled(ledger), "soc2", tmp_path / "b", period)

    assert first.snapshot is not None
    assert again.snapshot is not None
    assert first.snapshot.id == again.snapshot.id
    assert first.raw == again.raw


def test_a_late_entry_changes_a_report_only_by_a_restatement(
    ledger: Ledger, tmp_path: Path
) -> None:
    period = over()
    first = of_tallies(with_history(ledger), "soc2", tmp_path / "a", period)
    assert first.snapshot is not None
    late = calls("never-given", at=datetime.combine(period.start, time(12), UTC))
    post(ledger, late, sender=HISTORY)
    second = of_tallies(settled(ledger), "soc2", tmp_path / "b", period)
    old = of_entries(ledger, "soc2", tmp_path / "c", period, first.snapshot)

    assert second.content.cover.restates == first.content.cover.snapshot
    assert second.content.result["entries"] == first.content.result["entries"] + 1
    assert old.raw == first.raw


def test_stored_content_is_taken_as_it_is(ledger: Ledger, tmp_path: Path) -> None:
    period = last_days()
    first = of_tallies(a_busy_ledger(ledger), "soc2", tmp_path / "a", period)
    assert first.snapshot is not None
    asked: list[Snapshot] = []

    def stored(snapshot: Snapshot) -> Path:
        asked.append(snapshot)
        return tmp_path / "a"

    (tmp_path / "b").mkdir()
    again = build_report(
        ledger,
        "soc2",
        **period.days,
        environment="prod",
        by=BY,
        folder=tmp_path / "b",
        snapshot=first.snapshot,
        stored=stored,
    )

    assert asked == [first.snapshot]
    assert again.raw == first.raw == (tmp_path / "b" / CONTENT).read_bytes()
    assert again.items.read_bytes() == first.items.read_bytes()


def test_samples_that_were_drawn_since_are_put_into_the_content(
    ledger: Ledger, tmp_path: Path
) -> None:
    built = of_tallies(a_busy_ledger(ledger), "soc2", tmp_path / "r", last_days())
    cover = built.content.cover
    drawn = {
        "act": "drawn", "sample": "s-1", "snapshot": cover.snapshot, "framework": "soc2",
        "control": "CC6.1", "check": "TOOL-01", "lens": "l", "number": "4711", "seed": "ab",
        "population": 2, "rule": "all", "items": [[3, "3", "alice-agent"]],
    }  # fmt: skip
    other = drawn | {"sample": "s-2", "snapshot": "another"}
    for said in (drawn, other):
        receive_own(ledger, "audit.sample_drawn", by=BY, details=said)
    settled(ledger)

    (sample,) = with_samples(built.content, ledger).samples

    assert (sample.sample, sample.drawn_by, sample.concluded_by) == ("s-1", BY, "")
    assert sample.items[0].entry_hash
    before = content_bytes(built.content)
    assert before == built.raw


def test_a_bundle_without_a_sealed_result_gives_a_report_of_all_its_entries(
    ledger: Ledger, tmp_path: Path
) -> None:
    bundle = path_of(made(a_busy_ledger(ledger)))

    built = of_bundle(bundle, "soc2", tmp_path / "r", last_days())

    assert built.snapshot is None
    assert (built.content.cover.snapshot, built.content.cover.restates) == ("", "")
    assert built.content.cover.issued_at == built.content.cover.as_of


def test_a_framework_of_ones_own_is_reported_without_a_law(
    ledger: Ledger, settings: Any, tmp_path: Path
) -> None:
    settings.CATALOGUE_DIR = str(an_own_framework(tmp_path / "catalogue"))
    built = build_own(a_busy_ledger(ledger), tmp_path / "r")

    assert built.content.cover.family == "other"
    assert not built.content.law.tables


def build_own(ledger: Ledger, folder: Path) -> Built:
    """Build a report of the framework `house` from the entries, since the tallies know it not."""
    folder.parent.mkdir(exist_ok=True)
    return of_bundle(path_of(made(ledger)), "house", folder, last_days())


TODAY = datetime.now(UTC).date()


@pytest.mark.parametrize(
    ("period", "why"),
    [
        (Period(start=TODAY, end=TODAY), "has no day"),
        (Period(start=TODAY, end=TODAY - timedelta(days=1)), "has no day"),
        (
            Period(start=TODAY + timedelta(days=2), end=TODAY + timedelta(days=9)),
            "begins after the last entry",
        ),
    ],
)
def test_a_period_without_a_day_is_refused_and_nothing_is_sealed(
    ledger: Ledger, tmp_path: Path, period: Period, why: str
) -> None:
    a_busy_ledger(ledger)

    with pytest.raises(NothingToReport, match=why):
        of_tallies(ledger, "soc2", tmp_path / "r", period)

    assert not Snapshot.objects.filter(ledger=ledger).exists()
    assert not list((tmp_path / "r").iterdir())


def test_a_ledger_without_entries_has_nothing_to_report(ledger: Ledger, tmp_path: Path) -> None:
    with pytest.raises(NothingToReport, match="no entries yet"):
        of_tallies(ledger, "soc2", tmp_path / "r", last_days())


def test_a_framework_that_nobody_knows_is_refused(ledger: Ledger, tmp_path: Path) -> None:
    with pytest.raises(UnknownFramework):
        of_tallies(ledger, "soc9", tmp_path / "r", last_days())


def test_a_broken_bundle_is_refused(ledger: Ledger, tmp_path: Path) -> None:
    whole = path_of(made(a_busy_ledger(ledger))).read_bytes()
    broken = tmp_path / "broken.zip"
    at = whole.index(b'"tool.invoke"')
    broken.write_bytes(whole[:at] + b'"tool.invokf"' + whole[at + 13 :])

    with pytest.raises(BundleRefused):
        build_from_bundle(broken, "soc2", **last_days().days, environment="prod", folder=tmp_path)


def test_after_a_purge_a_report_says_so_and_is_the_same_from_what_is_left(
    ledger: Ledger, settings: Any, tmp_path: Path
) -> None:
    settings.EXPORT_DIR = str(tmp_path / "exports")
    settings.SIGNING_DIR = str(tmp_path / "signing")
    seed(ledger, 700)
    make_ready(ledger)
    plan = proposed(ledger)
    agreed(plan)
    work_through_plans(ledger.id)
    settled(ledger)
    period = Period(start=TODAY - timedelta(days=500), end=TODAY + timedelta(days=1))

    built = of_tallies(ledger, "soc2", tmp_path / "a", period)
    assert built.snapshot is not None
    again = of_entries(settled(ledger), "soc2", tmp_path / "b", period, built.snapshot)

    integrity = built.content.integrity
    assert integrity.first_seq == 512
    assert [to_seq for to_seq, _ in integrity.purged] == [511]
    assert sum(day.entries for day in built.content.population.days) == integrity.entries
    assert again.raw == built.raw


def over() -> Period:
    """Return a period that is over: ten days that ended yesterday."""
    return Period(start=TODAY - timedelta(days=10), end=TODAY)


def with_history(ledger: Ledger) -> Ledger:
    """Return a busy ledger with history on days that are over."""
    past = datetime.combine(TODAY - timedelta(days=3), time(9), UTC)
    post(ledger, calls("ok-1", "never-given", at=past), sender=HISTORY)
    return a_busy_ledger(ledger)
