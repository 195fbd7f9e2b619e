"""What is said at the end of a run of the lines that ran."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.covered import main


def part(folder: Path, name: str, **modules: tuple[list[int], list[int]]) -> None:
    files = {
        f"audit/{module}.py": {"executed_lines": ran, "missing_lines": missed}
        for module, (ran, missed) in modules.items()
    }
    (folder / f"{name}.coverage.json").write_text(json.dumps({"files": files}))


def test_a_line_counts_as_run_when_any_part_ran_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    part(tmp_path, "one", seal=([1, 2], [3]), send=([], [*range(1, 38)]))
    part(tmp_path, "two", seal=([1], [2, 3]), send=([*range(1, 37)], [37]))

    assert main(tmp_path) == 0
    assert capsys.readouterr().out.splitlines() == [
        "lines that ran: 95.0 % of 40; least 95 %",
        "       1 of 3 not run  audit/seal.py",
        "       1 of 37 not run  audit/send.py",
    ]


def test_too_few_lines_end_with_1(tmp_path: Path) -> None:
    part(tmp_path, "one", seal=([1], [2]))

    assert main(tmp_path) == 1


def test_a_folder_without_files_says_where_they_come_from(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="make check"):
        main(tmp_path)
