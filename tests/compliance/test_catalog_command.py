"""`manage.py catalog` judges, lists and shows, without a database."""

from __future__ import annotations

import json
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.test import override_settings

from compliance.catalogue import load_catalogue
from compliance.wording import in_words
from tests.compliance.test_catalogue import CHECK


def run(*words: str) -> str:
    out = StringIO()
    call_command("catalog", *words, stdout=out)
    return out.getvalue()


def test_what_is_shipped_is_sound() -> None:
    assert run("check").startswith("sound: 96 checks, 5 frameworks, SHA-256 ")
    assert json.loads(run("check", "--json"))["digest"] == load_catalogue().digest


def test_a_sound_folder_is_counted_with_ours(tmp_path: Path) -> None:
    (tmp_path / "own.yaml").write_text(CHECK)

    assert run("check", str(tmp_path)).startswith("sound: 97 checks")


def test_a_broken_folder_is_a_line_a_problem_and_an_error(tmp_path: Path) -> None:
    (tmp_path / "own.yaml").write_text(CHECK.replace("severity: high", "severity: hgh"))
    out = StringIO()

    with pytest.raises(CommandError) as failed:
        call_command("catalog", "check", str(tmp_path), stdout=out)

    assert failed.value.returncode == 1
    assert str(failed.value) == "1 problem"
    assert out.getvalue() == (
        f'{tmp_path.name}/own.yaml:8: OWN-01: severity: "hgh" is none of critical, high, medium, '
        "low\n"
    )


def test_the_folder_of_the_installation_is_read_too(tmp_path: Path) -> None:
    (tmp_path / "own.yaml").write_text(CHECK)

    with override_settings(CATALOGUE_DIR=str(tmp_path)):
        assert "OWN-01" in run("list")


def test_the_list_has_frameworks_and_checks_with_counts() -> None:
    lines = run("list").splitlines()
    found = json.loads(run("list", "--json"))

    assert any(line.startswith("soc2") and " 61 controls" in line for line in lines)
    assert any(line.startswith("TOOL-01") for line in lines)
    assert len(found["checks"]) == 96
    assert {one["id"] for one in found["frameworks"]} == set(load_catalogue().frameworks)


def test_a_check_is_shown_in_words_with_whose_limits_and_as_data() -> None:
    shown = run("show", "BRE-01")
    data = json.loads(run("show", "BRE-01", "--json"))

    assert "within 72 hours of case.aware_at" in shown
    assert "within = PT72H: Regulation (EU) 2016/679 Art. 33(1)" in shown
    assert "max_records = 50: our policy" in run("show", "PHI-02")
    assert data["definition"]["kind"] == "followup"
    assert data["words"] in shown


def test_an_unknown_check_names_those_near() -> None:
    with pytest.raises(CommandError, match="there is no check TOOL-09; there are TOOL-01, TOOL-02"):
        run("show", "TOOL-09")


@pytest.mark.parametrize("words", [("show",), ("list", "TOOL-01")])
def test_wrong_use_is_told_apart_from_a_broken_catalogue(words: tuple[str, ...]) -> None:
    with pytest.raises(CommandError) as failed:
        run(*words)

    assert failed.value.returncode == 2


def test_every_check_can_be_said_in_words() -> None:
    catalogue = load_catalogue()

    for check in catalogue.checks.values():
        for words in (in_words(check), in_words(check, catalogue)):
            assert words.endswith(".")
            assert "$" not in words
            assert "@" not in words
            assert "  " not in words


def test_words_name_what_is_looked_at_what_passes_and_what_is_borne() -> None:
    checks = load_catalogue().checks

    assert in_words(checks["OPS-04"]) == (
        "Each entry where action is system.queue_reported passes when system.max_lag_seconds is at "
        "most 60. A share of failures of at most 0.01 is borne, over all and by agent."
    )
    assert in_words(checks["MON-02"]) == (
        "Each day passes when an entry where action is monitor.rules_evaluated and outcome is "
        "success lies in the 1 day up to its end."
    )
