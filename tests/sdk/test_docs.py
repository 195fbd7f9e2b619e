"""What docs/sdk.md shows works by copy and paste, and tells of every public call."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from obsagent import Observability
from obsagent import __all__ as exported
from obsagent.acts import Acts
from obsagent.cli import _parser

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "sdk.md").read_text()
EXAMPLES = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


@pytest.mark.parametrize("number", range(len(EXAMPLES)))
def test_each_example_runs_and_sends(
    number: int, installation: dict[str, Any], tmp_path: Path
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", EXAMPLES[number]],
        env={
            "PYTHONPATH": str(ROOT / "sdk"),
            "OBSAGENT_ENDPOINT": installation["url"],
            "OBSAGENT_KEY": installation["key"],
            "OBSAGENT_SPOOL": str(tmp_path),
        },
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    kept = [
        json.loads(line)
        for file in tmp_path.glob("receipts/*.jsonl")
        for line in file.read_text().splitlines()
    ]
    assert len(kept) >= 2
    assert not list(tmp_path.glob("rejected/*"))


def test_every_example_is_python() -> None:
    shown = re.findall(r"```python(?: no-run)?\n(.*?)```", PAGE, re.DOTALL)

    assert len(shown) == len(EXAMPLES) + 2
    for each in shown:
        ast.parse(each)


def test_every_public_call_is_told_of() -> None:
    calls = {name for name in vars(Observability) if not name.startswith("_")}
    calls |= {name for name in vars(Acts) if not name.startswith("_")}
    told_by_family = {name for name in calls if name.startswith("query_audit")}
    untold = {name for name in calls - told_by_family if not re.search(rf"\b{name}\b", PAGE)}

    assert untold == set()


def test_every_command_is_told_of() -> None:
    commands = next(action for action in _parser()._actions if action.choices)
    assert commands.choices is not None

    assert {name for name in commands.choices if f"`obsagent {name}" not in PAGE} == set()


def test_everything_exported_is_there() -> None:
    import obsagent

    for name in exported:
        assert getattr(obsagent, name) is not None
    assert set(exported) <= set(dir(obsagent))
    with pytest.raises(AttributeError):
        _ = obsagent.nothing_such
