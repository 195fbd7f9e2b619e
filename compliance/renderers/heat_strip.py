"""Draw what each check found day by day: a row a check, a cell a day, a week or more. Pure.

A cell says the worst of its days. Failures are dark with a cross, passes pale, waived failures
hatched, open items a ring, days on which nothing was to be judged a dash, days before the ledger's
first entry empty. Checks stand in the result's order; where there are more than a page holds, the
worst stand and the words say how many are left out (the table behind has them all).

Strips: report_content.CheckText. Shapes: svg.py.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

from compliance.renderers.blocks import Chart, Column, Table
from compliance.renderers.svg import (
    SMALL,
    WIDTH,
    box,
    cross,
    drawing,
    hatch,
    path,
    ring,
    short,
    stroke,
    words,
)
from compliance.renderers.written import many
from compliance.report_content import ReportContent

MOST_ROWS: Final = 138
"""Rows that a page holds, in three columns."""
_COLUMNS: Final = ((30, 1), (44, 2))  # up to so many rows; more stand in three
_ROW: Final = 14.0
_HEAD: Final = 20.0
_LABEL: Final = 58.0
_LONG_LABEL: Final = 82.0  # where controls tell uses of one check apart
_CHECK: Final = 41.0  # where these begin
_FINE: Final = 8.6  # size of these controls
_COUNT: Final = 34.0
_GAP: Final = 14.0
_NARROWEST: Final = 3.2  # of a cell
_WORST_FIRST: Final = "fowp.-"
UNSEEN: Final = "-"
_BUCKETS: Final = ((1, "day"), (7, "week"), (28, "four weeks"), (91, "quarter of 91 days"))
_MONTHS: Final = (
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
)  # fmt: skip
_WORDS: Final = (
    ("p", "passes only"),
    ("f", "a failure"),
    ("w", "waived failures only"),
    ("o", "open, none decided"),
    (".", "nothing to judge"),
    (UNSEEN, "not observed"),
)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Row:
    check: str
    strip: str
    failed: int
    control: str = ""
    """The first control that it serves, where the check has several rows."""


def control_strip(content: ReportContent) -> Chart | None:
    """Return the heat strip of the period's checks; None when there is no check or no day."""
    rows = _rows(content)
    if not rows:
        return None
    drawn = _worst(rows)
    columns = _columns(drawn)
    label = _LONG_LABEL if any(one.control for one in drawn) else _LABEL
    room = (WIDTH - _GAP * (len(columns) - 1)) / len(columns)
    days, bucket = _bucket(max(len(one.strip) for one in rows), room - label - _COUNT)
    height = _HEAD + _ROW * max(len(one) for one in columns)
    first = date.fromisoformat(content.cover.start)
    parts = [
        part
        for at, column in enumerate(columns)
        for part in _column(
            column, x=at * (room + _GAP), room=room, label=label, days=days, first=first
        )
    ]
    text = _told(rows, drawn, bucket)
    legend = _legend(height + 20, has_unseen=any(UNSEEN in one.strip for one in drawn))
    return Chart(
        title=f"Each check over the period, a cell a {bucket}",
        svg=drawing([*parts, *legend], height=height + 28, told=text),
        text=text,
        table=_table(rows),
    )


def _rows(content: ReportContent) -> list[_Row]:
    failed = {one["lens"]: one["f"] for one in content.result["checks"]}
    uses = Counter(one.check for one in content.checks if one.strip)
    serves: dict[str, str] = {}
    for control in content.result["controls"]:
        for leg in control["legs"]:
            serves.setdefault(leg["lens"], control["id"])
    return [
        _Row(
            check=one.check,
            strip=one.strip,
            failed=failed.get(one.lens, 0),
            control=serves.get(one.lens, "") if uses[one.check] > 1 else "",
        )
        for one in content.checks
        if one.strip
    ]


def _worst(rows: Sequence[_Row]) -> list[_Row]:
    """Return rows that fit, in their order; of too many those with failures, then the first."""
    if len(rows) <= MOST_ROWS:
        return list(rows)
    by_need = sorted(range(len(rows)), key=lambda at: ("f" not in rows[at].strip, at))
    return [rows[at] for at in sorted(by_need[:MOST_ROWS])]


def _columns(rows: list[_Row]) -> list[list[_Row]]:
    number = next((columns for most, columns in _COLUMNS if len(rows) <= most), 3)
    long = -(-len(rows) // number)
    return [rows[at : at + long] for at in range(0, len(rows), long)]


def _bucket(days: int, room: float) -> tuple[int, str]:
    """Return how many days a cell has, and its word, so that cells can be told apart."""
    for size, word in _BUCKETS:
        if room / -(-days // size) >= _NARROWEST:
            return size, word
    return _BUCKETS[-1]


def _column(
    rows: Sequence[_Row], *, x: float, room: float, label: float, days: int, first: date
) -> list[str]:
    left, width = x + label, room - label - _COUNT
    cells = -(-max(len(one.strip) for one in rows) // days)
    step = min(width / cells, 22.0)
    marks = _no_marks()
    parts = _scale(left, step, cells=cells, days=days, first=first)
    for at, row in enumerate(rows):
        y = _HEAD + at * _ROW
        parts.append(words(x, y + 10.2, short(row.check, _LABEL - 6), size=SMALL))
        if row.control:
            control = short(row.control, label - _CHECK - 4, size=_FINE)
            parts.append(words(x + _CHECK, y + 10.2, control, fill="quiet", size=_FINE))
        for cell in range(cells):
            found = row.strip[cell * days : (cell + 1) * days]
            _mark(marks, worst_of(found), left + cell * step, y + 1, step - 1, _ROW - 2)
        if row.failed:
            end = left + cells * step + 6
            parts.append(words(end, y + 10.2, f"{row.failed:,}", fill="fail", size=SMALL))
    return [*parts, *_painted(marks)]


def worst_of(letters: str) -> str:
    """Return the letter of a cell: the worst of its days; `-` of none."""
    return next((each for each in _WORST_FIRST if each in letters), "-")


def _mark(
    marks: dict[str, list[str]], letter: str, x: float, y: float, width: float, height: float
) -> None:
    middle = (x + width / 2, y + height / 2)
    radius = min(width, height) / 2 - 1.2
    if letter == "p":
        marks["p"].append(box(x, y, width, height))
    elif letter == "f":
        marks["f"].append(box(x, y, width, height))
        marks["x"].append(cross(*middle, radius * 0.75))
    elif letter == "w":
        marks["w"].append(box(x + 0.4, y + 0.4, width - 0.8, height - 0.8))
        marks["h"].append(hatch(x, y, width, height, step=3.5))
    elif letter == "o":
        marks["o"].append(box(x + 0.4, y + 0.4, width - 0.8, height - 0.8))
        marks["r"].append(ring(*middle, radius * 0.8))
    elif letter == ".":
        marks["."].append(stroke([(middle[0] - 1.2, middle[1]), (middle[0] + 1.2, middle[1])]))


def _no_marks() -> dict[str, list[str]]:
    return {each: [] for each in ("p", "f", "x", "w", "h", "o", "r", ".")}


def _painted(marks: dict[str, list[str]]) -> list[str]:
    return [
        path(marks["p"], fill="pass"),
        path(marks["f"], fill="fail"),
        path(marks["x"], line="ground", width=1.2),
        path(marks["w"], line="wait", width=0.8),
        path(marks["h"], line="wait", width=0.8),
        path(marks["o"], line="line", width=0.8),
        path(marks["r"], line="quiet", width=1.2),
        path(marks["."], line="quiet", width=0.8),
    ]


def _scale(left: float, step: float, *, cells: int, days: int, first: date) -> list[str]:
    """Return the days over the cells: about one word each 60 units."""
    each = max(-(-60 // int(step * 10) * 10), 1) if step < 6 else max(int(60 / step), 1)
    parts = []
    for cell in range(0, cells, each):
        on = first + timedelta(days=cell * days)
        x = left + cell * step
        parts.append(words(x, 11, _short_day(on), fill="quiet", size=9.5))
        parts.append(path([stroke([(x + 0.5, 14), (x + 0.5, _HEAD - 1)])], line="line"))
    return parts


def _short_day(on: date) -> str:
    """Return a day of a scale: 4 Oct; the first of a year as its number."""
    return str(on.year) if (on.month, on.day) == (1, 1) else f"{on.day} {_MONTHS[on.month - 1]}"


def _legend(y: float, *, has_unseen: bool) -> list[str]:
    parts, x = [], 0.0
    for letter, word in _WORDS[:-1]:
        marks: dict[str, list[str]] = {
            each: [] for each in ("p", "f", "x", "w", "h", "o", "r", ".")
        }
        _mark(marks, letter, x, y - 10, 12, 12)
        parts += _painted(marks)
        parts.append(words(x + 17, y, word, fill="quiet", size=SMALL))
        x += 17 + len(word) * 5.2 + 22
    if has_unseen:
        parts.append(words(x, y, f"empty: {_WORDS[-1][1]}", fill="quiet", size=SMALL))
    return parts


def _told(rows: Sequence[_Row], drawn: Sequence[_Row], bucket: str) -> str:
    failing = sum("f" in one.strip for one in rows)
    kind = "what was found that day" if bucket == "day" else "the worst of its days"
    told = (
        f"{many(len(rows), 'row')}, one for each check and use of it; a cell a {bucket} says "
        f"{kind}, a number the failing items. {_failing_words(failing)}."
    )
    left_out = len(rows) - len(drawn)
    return told + (f" {left_out:,} more, without room here, stand in the table." * bool(left_out))


def _failing_words(failing: int) -> str:
    if not failing:
        return "No row has a failure"
    return f"{many(failing, 'row')} {'has' if failing == 1 else 'have'} a failure"


def _table(rows: Sequence[_Row]) -> Table:
    letters = [letter for letter, _ in _WORDS]
    counted = [(one, Counter(one.strip)) for one in rows]
    return Table(
        title="Days of each check, by what was found",
        columns=(
            Column(title="Check", share=2, look="code"),
            *(Column(title=word.capitalize(), look="number") for _, word in _WORDS),
            Column(title="Failing items", look="number"),
        ),
        rows=tuple(
            (
                f"{one.check} {one.control}".strip(),
                *(f"{count[each]:,}" for each in letters),
                f"{one.failed:,}",
            )
            for one, count in counted
        ),
    )
