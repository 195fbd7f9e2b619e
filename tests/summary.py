"""Say at the end of a run which tests were slowest and which were skipped, from pytest's own files.

`python -m tests.summary FOLDER` reads each JUnit file there, one a part of the suite. It judges
nothing: whether tests passed is what the parts themselves end with.
"""

from __future__ import annotations

import sys
import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

MOST = 15


@dataclass(frozen=True, kw_only=True, slots=True)
class Ran:
    """One test as it ran."""

    name: str
    seconds: float
    skipped: str
    """Why it was, or nothing."""


def main(folder: Path) -> None:
    """Print the summary of a folder of JUnit files."""
    files = sorted(folder.glob("*.xml"))
    if not files:
        raise SystemExit(f"no JUnit file in {folder}: run `make test`, which writes them")
    for line in summary([ran for file in files for ran in read(file)]):
        sys.stdout.write(f"{line}\n")


def read(file: Path) -> Iterator[Ran]:
    """Yield the tests of a JUnit file that pytest has written here."""
    for case in ET.parse(file).iter("testcase"):  # noqa: S314  (pytest's own, of this run)
        skipped = case.find("skipped")
        yield Ran(
            name=f"{case.get('classname', '').replace('.', '/')}.py::{case.get('name')}",
            seconds=float(case.get("time", "0")),
            skipped="" if skipped is None else skipped.get("message") or "no reason given",
        )


def summary(all_of: Iterable[Ran]) -> Iterator[str]:
    """Yield the slowest tests, and each reason for which some were skipped."""
    tests = sorted(all_of, key=lambda ran: -ran.seconds)
    yield f"slowest of {len(tests):,} tests"
    for ran in tests[:MOST]:
        yield f"{ran.seconds:8.1f} s  {ran.name}"
    reasons = Counter(ran.skipped for ran in tests if ran.skipped)
    yield f"skipped: {reasons.total():,}" if reasons else "skipped: none"
    for reason, times in reasons.most_common():
        yield f"{times:8,}    {reason}"


if __name__ == "__main__":
    main(Path(sys.argv[1]))
