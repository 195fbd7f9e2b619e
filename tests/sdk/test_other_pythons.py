"""The SDK keeps its own shelves, and runs on the Pythons that it names."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
_SECONDS = 240


def test_imports_of_the_sdk_go_down_its_shelves_and_never_to_the_platform() -> None:
    done = subprocess.run(
        [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"],
        cwd=ROOT / "sdk",
        env={**os.environ, "PYTHONPATH": "."},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert " 0 broken" in done.stdout


def test_the_core_holds_on_python_3_9_of_another_make() -> None:
    """PyPy 3.9, as Debian has it: the oldest Python, without reference counts."""
    pypy = shutil.which("pypy3")
    if pypy is None:
        pytest.skip("needs pypy3: apt-get install pypy3")

    done = subprocess.run(
        [pypy, "-m", "unittest", "discover", "-t", ".", "-s", "tests/sdk/core"],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": "sdk", "OBS_FAULT_ROUNDS": "2"},
        capture_output=True,
        text=True,
        timeout=_SECONDS,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert "OK" in done.stderr
