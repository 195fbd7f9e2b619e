"""`manage.py alertrules` gives what Prometheus reads."""

from __future__ import annotations

from io import StringIO
from pathlib import Path

import pytest
import yaml
from django.core.management import CommandError, call_command

from metrics.alert_file import alert_file, alert_object
from metrics.alert_rules import RULES


def test_the_command_prints_the_file() -> None:
    out = StringIO()

    call_command("alertrules", stdout=out)

    assert out.getvalue() == alert_file(RULES)


def test_runbooks_may_stand_elsewhere(tmp_path: Path) -> None:
    file = tmp_path / "rules.yml"

    call_command("alertrules", out=file, runbooks="https://wiki.example.com/r/")

    alerts = [
        each for group in yaml.safe_load(file.read_text())["groups"] for each in group["rules"]
    ]
    assert {each["annotations"]["runbook_url"] for each in alerts} == {
        f"https://wiki.example.com/r/{rule.runbook}.md" for rule in RULES
    }


def test_a_file_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="cannot write"):
        call_command("alertrules", out=tmp_path / "no" / "such")


def test_for_kubernetes_it_is_an_object_with_the_same_groups() -> None:
    out = StringIO()

    call_command("alertrules", kubernetes=True, stdout=out)

    found = yaml.safe_load(out.getvalue())
    assert out.getvalue() == alert_object(RULES)
    assert found["kind"] == "PrometheusRule"
    assert found["spec"] == yaml.safe_load(alert_file(RULES))
