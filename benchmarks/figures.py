"""What a benchmark found: figures with their targets, the machine, a table and JSON."""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import NoReturn

EXIT_NOT_PROVEN = 3
"""What a command of this project ends with when it could not look."""


class CannotMeasure(Exception):
    """Something that the benchmark needs is not here; the text says what."""


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One measured number and what was asked of it."""

    name: str
    value: float
    unit: str
    at_least: float | None = None
    at_most: float | None = None

    def holds(self) -> bool | None:
        """Whether the target is met; None when there is none."""
        if self.at_least is not None:
            return self.value >= self.at_least
        return self.value <= self.at_most if self.at_most is not None else None

    def target(self) -> str:
        """Return the target in words."""
        if self.at_least is not None:
            return f"≥ {_shown(self.at_least)}"
        return f"≤ {_shown(self.at_most)}" if self.at_most is not None else ""


@dataclass(kw_only=True)
class Findings:
    """All figures of one script."""

    question: str
    figures: list[Figure] = field(default_factory=list)

    def add(
        self,
        name: str,
        value: float,
        unit: str,
        *,
        at_least: float | None = None,
        at_most: float | None = None,
    ) -> None:
        """Keep a figure; the later one of two with one name stands."""
        self.figures = [each for each in self.figures if each.name != name]
        self.figures.append(
            Figure(name=name, value=value, unit=unit, at_least=at_least, at_most=at_most)
        )

    def table(self) -> str:
        """Return the figures as a Markdown table."""
        cells = [
            (one.name, f"{_shown(one.value)} {one.unit}", one.target(), _VERDICT[one.holds()])
            for one in self.figures
        ]
        rows = [f"| {' | '.join(each)} |" for each in cells]
        return "\n".join(["| figure | measured | target | |", "|---|---|---|---|", *rows])


_VERDICT = {True: "holds", False: "**falls short**", None: ""}


def _shown(value: float | None) -> str:
    assert value is not None, "a figure has a value"
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def median_of(runs: Sequence[Findings]) -> Findings:
    """Return the median of each figure over several runs of one script."""
    first = runs[0]
    middle = Findings(question=first.question)
    for one in first.figures:
        values = [each.value for run in runs for each in run.figures if each.name == one.name]
        middle.add(
            one.name,
            statistics.median(values),
            one.unit,
            at_least=one.at_least,
            at_most=one.at_most,
        )
    return middle


def percentile(values: Sequence[float], share: float) -> float:
    """Return the value below which this share of the values lies; `values` must not be empty."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def machine() -> dict[str, str]:
    """Return what the figures depend on, without Postgres, which says its version itself."""
    cpu = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        models = [
            line.partition(":")[2].strip()
            for line in info.read_text().splitlines()
            if line.startswith("model name")
        ]
        cpu = models[0] if models else cpu
    return {
        "CPU": cpu,
        "cores": str(len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count()),
        "memory": f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.0f} GiB",
        "system": platform.platform(terse=True),
        "Python": platform.python_version(),
        "date": datetime.now(UTC).date().isoformat(),
    }


def arguments(description: str | None) -> argparse.ArgumentParser:
    """Return a parser with what every script takes."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", action="store_true", help="print figures as JSON")
    parser.add_argument(
        "--runs", type=int, default=1, help="measure so often and print medians (default 1)"
    )
    return parser


def say(text: str) -> None:
    """Tell progress, on stderr: stdout is for figures."""
    print(text, file=sys.stderr, flush=True)


def report(options: argparse.Namespace, measure: Callable[[], Findings]) -> NoReturn:
    """Run a measurement as often as asked, print what it found, and end the process."""
    try:
        found = median_of([measure() for _ in range(max(1, options.runs))])
    except CannotMeasure as reason:
        say(f"not measured: {reason}")
        sys.exit(EXIT_NOT_PROVEN)
    if options.json:
        print(json.dumps({"machine": machine(), "runs": options.runs, **asdict(found)}, indent=1))
    else:
        print(f"{found.question}\n\n{found.table()}")
    sys.exit(0)
