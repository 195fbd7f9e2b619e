"""What is said at the end of a run of all tests."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.summary import main

TESTS = """
import time

import pytest


def test_quick():
    pass


def test_slow():
    time.sleep(0.2)


@pytest.mark.parametrize("part", ["one", "two"])
def test_left_out(part):
    pytest.skip("the moon is not full")
"""


def test_the_slowest_come_first_and_each_reason_for_skipping_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "test_made.py").write_text(TESTS)
    subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-c", "/dev/null", "--rootdir", str(tmp_path),
         "-p", "no:django", "-p", "no:schemathesis", "--junitxml", str(tmp_path / "made.xml"),
         str(tmp_path)],
        check=True, capture_output=True, timeout=120,
    )  # fmt: skip

    main(tmp_path)

    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "slowest of 4 tests"
    assert lines[1].endswith("s  test_made.py::test_slow")
    assert float(lines[1].split()[0]) >= 0.2
    assert lines[-2:] == ["skipped: 2", "       2    the moon is not full"]


def test_a_folder_without_files_says_where_they_come_from(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="make test"):
        main(tmp_path)
