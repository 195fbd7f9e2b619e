"""One ledger, three ways to its result: tallies, entries, bundle. And the command and the tasks."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from audit.append import append_pending
from audit.exportfile import path_of
from audit.models import Ledger
from audit.project import catch_up_all
from audit.receive import receive_own
from audit.seal import seal
from compliance import in_force, posture
from compliance.evaluate import evaluate_bundle, evaluate_framework, latest_posture
from compliance.in_force import UnknownFramework, catalogue_in_force, catalogue_problems
from compliance.models import Snapshot
from compliance.result import FrameworkResult
from tests.audit.exporting import made
from tests.audit.exporting import sealed as signed
from tests.conftest import GOVERNANCE, chain, make_event

TODAY = datetime.now(UTC).date()
PERIOD: dict[str, Any] = {
    "start": TODAY - timedelta(days=29),
    "end": TODAY + timedelta(days=1),
}


def moment(minutes: float) -> str:
    return (datetime.now(UTC) - timedelta(minutes=minutes)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


@pytest.fixture
def busy(ledger: Ledger) -> Ledger:
    """Return a ledger with an approved and an unapproved call, verified, sealed and tallied."""
    approval = {"approval_id": "ok-1", "requested_by": "alice-agent", "expires_at": moment(-60)}
    pay = {"name": "pay", "risk": "high", "arguments_hash": "a" * 64}
    approved = make_event(
        occurred_at=moment(9),
        category="decision",
        action="approval.granted",
        actor={"type": "human", "id": "carol"},
        decision=approval,
        tool=pay,
        target={"type": "tool", "id": "pay"},
        run=None,
    )
    calls = [
        make_event(occurred_at=moment(8 - n), tool=pay, decision=approval | {"approval_id": name})
        for n, name in enumerate(("ok-1", "never-given"))
    ]
    receive_own(ledger, "audit.chain_verified", integrity={"from_seq": 0, "to_seq": 0})
    chain(ledger, [approved], sender=GOVERNANCE)
    chain(ledger, calls)
    signed(ledger, events=20)
    append_pending(ledger.id)  # the key's announcement
    seal(ledger)
    catch_up_all(ledger.id)
    return ledger


def evaluated(ledger: Ledger, framework: str = "soc2", **fields: Any) -> FrameworkResult:
    return evaluate_framework(ledger, framework, **PERIOD | fields)


def test_tallies_entries_and_a_bundle_give_one_digest(busy: Ledger) -> None:
    path = path_of(made(busy))

    from_tallies = evaluated(busy)
    from_entries = evaluated(busy, from_scratch=True)
    from_bundle = evaluate_bundle(path, "soc2", **PERIOD)

    assert from_tallies == from_entries == from_bundle
    assert from_tallies.entries > 0


def test_the_call_that_nobody_approved_fails_and_is_named(busy: Ledger) -> None:
    told: dict[str, Any] = {}

    result = evaluated(busy, on_items=told.__setitem__)

    legs = [leg for each in result.controls for leg in each.legs if leg.id == "TOOL-01"]
    assert {(leg.state, leg.n, leg.f) for leg in legs} == {("fail", 2, 1)}
    (item,) = told[legs[0].lens]
    assert item.seq == 3


def test_a_changed_byte_of_the_catalogue_changes_the_digest(
    busy: Ledger, settings: Any, tmp_path: Path
) -> None:
    before = evaluated(busy, from_scratch=True)
    (tmp_path / "own.yaml").write_text(OWN_FRAMEWORK)
    settings.CATALOGUE_DIR = str(tmp_path)
    with_own = evaluated(busy, from_scratch=True)
    (tmp_path / "own.yaml").write_text(OWN_FRAMEWORK + "# one more byte\n")
    changed = evaluated(busy, from_scratch=True)

    assert len({before.digest, with_own.digest, changed.digest}) == 3
    assert before.numbers == with_own.numbers == changed.numbers


OWN_FRAMEWORK = """\
schema: obs-framework/1
id: house
name: House rules
authority: us
version: 1.0.0
controls:
  - {id: H1, area: H, title: Approvals, mode: automated, checks: [TOOL-01], weight: critical}
"""


def test_a_framework_of_ones_own_is_in_force_from_its_folder(
    busy: Ledger, settings: Any, tmp_path: Path
) -> None:
    (tmp_path / "own.yaml").write_text(OWN_FRAMEWORK)
    settings.CATALOGUE_DIR = str(tmp_path)

    result = evaluated(busy, "house", from_scratch=True)

    assert result.controls[0].state == "fail"


def test_while_the_folder_is_not_sound_the_last_good_catalogue_stays(
    database: None, settings: Any, tmp_path: Path
) -> None:
    own = tmp_path / "own.yaml"
    own.write_text(OWN_FRAMEWORK)
    settings.CATALOGUE_DIR = str(tmp_path)
    good = catalogue_in_force()
    own.write_text(OWN_FRAMEWORK.replace("TOOL-01", "TOOL-99"))

    assert catalogue_in_force() is good
    assert any("TOOL-99" in problem for problem in catalogue_problems())

    in_force._in_force = None  # as a process that starts only now
    assert set(catalogue_in_force().frameworks) >= {"soc2", "gdpr", "hipaa"}
    assert "house" not in catalogue_in_force().frameworks
    own.write_text(OWN_FRAMEWORK)
    assert catalogue_problems() == ()
    assert "house" in catalogue_in_force().frameworks


def test_an_unknown_framework_is_named_with_those_there_are(busy: Ledger) -> None:
    with pytest.raises(UnknownFramework, match=r"soc3.*soc2"):
        evaluated(busy, "soc3")


class TestPostures:
    def test_a_young_ledger_has_its_postures_with_the_first_call(self, busy: Ledger) -> None:
        assert latest_posture(busy, "soc2") is None

        sealed = posture.seal_due_postures(busy)

        assert {each.framework for each in sealed} == set(catalogue_in_force().frameworks)
        newest = latest_posture(busy, "soc2")
        assert newest is not None
        assert (newest.start_day, newest.end_day) == (PERIOD["start"], PERIOD["end"])

    def test_nothing_is_sealed_again_within_the_hour(self, busy: Ledger) -> None:
        posture.seal_due_postures(busy)
        chain(busy, [make_event()])
        catch_up_all(busy.id)

        assert posture.seal_due_postures(busy) == []

    def test_after_an_hour_they_are_sealed_again_when_entries_came(
        self, busy: Ledger, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        first = posture.seal_due_postures(busy)
        catch_up_all(busy.id)
        monkeypatch.setattr(posture, "AGE", timedelta(0))
        chain(busy, [])  # what was sealed is chained, and is no news
        quiet = posture.seal_due_postures(busy)
        chain(busy, [make_event()])
        catch_up_all(busy.id)
        again = posture.seal_due_postures(busy)

        assert quiet == []
        assert {each.framework for each in again} == {each.framework for each in first}

    def test_a_ledger_that_is_older_than_a_day_has_one_a_day(
        self, busy: Ledger, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        posture.seal_due_postures(busy)
        catch_up_all(busy.id)
        monkeypatch.setattr(posture, "AGE", timedelta(0))
        monkeypatch.setattr(posture, "YOUNG", timedelta(0))
        chain(busy, [make_event()])

        assert posture.seal_due_postures(busy) == []

    def test_a_ledger_without_entries_has_none(self, ledger: Ledger) -> None:
        assert posture.seal_postures(ledger) == []

    def test_a_period_is_sealed_on_request(self, busy: Ledger) -> None:
        start, end = (PERIOD[name].isoformat() for name in ("start", "end"))

        snapshot = posture.seal_period(busy, "soc2", start=start, end=end, by="alice")

        assert (snapshot.kind, snapshot.made_by) == ("period", "alice")


class TestCommand:
    def run(self, *arguments: str) -> tuple[str, int]:
        out = StringIO()
        code = 0
        try:
            call_command("evaluate", *arguments, stdout=out)
        except SystemExit as end:
            code = int(end.code or 0)
        return out.getvalue(), code

    def asked(self, ledger: Ledger, *more: str) -> list[str]:
        start, end = (PERIOD[name].isoformat() for name in ("start", "end"))
        return ["soc2", "--from", start, "--to", end, "--ledger", ledger.name, *more]

    def test_it_prints_numbers_controls_failures_and_the_digest(self, busy: Ledger) -> None:
        out, _ = self.run(*self.asked(busy))

        result = evaluated(busy)
        assert f"digest {result.digest}" in out
        assert "CC6.3 / TOOL-01: critical fail: 1 of 2 failed" in out
        assert "entry 3:" in out
        assert all(control.id in out for control in result.controls)

    def test_json_is_the_whole_result_and_the_same_from_scratch(self, busy: Ledger) -> None:
        out, _ = self.run(*self.asked(busy, "--json"))
        scratch, _ = self.run(*self.asked(busy, "--json", "--from-scratch"))

        assert out == scratch
        assert json.loads(out)["digest"] == evaluated(busy).digest

    def test_a_bundle_needs_no_ledger(self, busy: Ledger) -> None:
        path = path_of(made(busy))
        start, end = (PERIOD[name].isoformat() for name in ("start", "end"))

        out, _ = self.run("soc2", "--from", start, "--to", end, "--bundle", str(path), "--json")

        assert json.loads(out)["ledger"] == busy.name

    def test_sealing_keeps_a_snapshot(self, busy: Ledger) -> None:
        out, _ = self.run(*self.asked(busy, "--seal"))

        snapshot = Snapshot.objects.get(ledger=busy)
        assert f"sealed as snapshot {snapshot.id}" in out

    def test_without_a_score_it_ends_with_3(self, ledger: Ledger) -> None:
        chain(ledger, [make_event(occurred_at=moment(1))])
        catch_up_all(ledger.id)

        out, code = self.run(*self.asked(ledger))

        assert code == 3
        assert "NO SCORE" in out

    @pytest.mark.parametrize(
        ("arguments", "said"),
        [
            (["soc3", "--from", "2026-10-01", "--to", "2026-11-01"], "there is no framework"),
            (["soc2", "--from", "October", "--to", "2026-11-01"], "--from October: a date"),
            (["soc2", "--from", "2026-11-01", "--to", "2026-11-01"], "at least one day"),
            (["soc2", "--from", "2026-10-01", "--to", "2026-11-01", "--ledger", "x"], "no ledger"),
            (
                ["soc2", "--from", "2026-10-01", "--to", "2026-11-01", "--agent", "a", "--seal"],
                "--seal seals what a whole ledger says",
            ),
        ],
    )
    def test_what_cannot_be_asked_is_refused_in_one_line(
        self, database: None, arguments: list[str], said: str
    ) -> None:
        with pytest.raises(CommandError, match=said) as refused:
            call_command("evaluate", *arguments)

        assert refused.value.returncode == 2

    def test_a_broken_bundle_is_refused(self, database: None, tmp_path: Path) -> None:
        broken = tmp_path / "bundle.zip"
        broken.write_bytes(b"no bundle")

        with pytest.raises(CommandError) as refused:
            call_command(
                *("evaluate", "soc2", "--from", "2026-10-01", "--to", "2026-11-01"),
                *("--bundle", str(broken)),
            )

        assert refused.value.returncode == 1
