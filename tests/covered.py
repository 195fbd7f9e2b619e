"""Say at the end of a run which share of the platform's lines ran, from slipcover's own files.

`python -m tests.covered FOLDER` reads each `*.coverage.json` there, one a part of the suite, and
ends with 1 below 95 %. Counted is what runs in pytest's own processes: lines that only a process
started by a test runs, such as a worker's loop, count as not run. Migrations are left out: each is
run once, by whoever makes the database.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from pathlib import Path

LEAST = 95.0
"""Per cent of lines."""
MOST = 15


def main(folder: Path) -> int:
    """Print the share of lines that ran, and where most did not; return the exit code."""
    files = sorted(folder.glob("*.coverage.json"))
    if not files:
        raise SystemExit(f"no coverage in {folder}: run `make check`, which writes it")
    lines, missed = read(files)
    total = sum(lines.values())
    share = (total - sum(missed.values())) / total * 100
    sys.stdout.write(f"lines that ran: {share:.1f} % of {total:,}; least {LEAST:.0f} %\n")
    for name in sorted(missed, key=lambda each: (-missed[each], each))[:MOST]:
        sys.stdout.write(f"{missed[name]:8,} of {lines[name]:,} not run  {name}\n")
    return 0 if share >= LEAST else 1


def read(files: Iterable[Path]) -> tuple[dict[str, int], dict[str, int]]:
    """Return the lines of each module, and how many of them no part ran."""
    ran: dict[str, set[int]] = {}
    there: dict[str, set[int]] = {}
    for file in files:
        for name, found in json.loads(file.read_text())["files"].items():
            executed = set(found["executed_lines"])
            ran.setdefault(name, set()).update(executed)
            there.setdefault(name, set()).update(executed, found["missing_lines"])
    missed = {name: len(there[name] - ran[name]) for name in there}
    return (
        {name: len(lines) for name, lines in there.items()},
        {name: number for name, number in missed.items() if number},
    )


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
