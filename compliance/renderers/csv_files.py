"""Write the lists of a report as CSV for people who open them in a spreadsheet.

Three files, each with one line of column names: items.csv (every failing, waived and pending item,
written while they are read, since there may be a hundred thousand), controls.csv (one row a leg)
and population.csv (entries a day, an agent, an action). The rules of a cell, against formulas and
for every reader, are those of the ledger's own CSV: RFC 4180, every cell in quotes, UTF-8 behind a
byte order mark, lines that end in CR LF. A number that does not exist is an empty cell.

Never evaluates anything: items come from report_build.py, the rest from the content.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from operator import attrgetter
from typing import Any, BinaryIO, Final, Literal

from compliance.gather import BOM, quoted_line
from compliance.report_content import ReportContent


@dataclass(frozen=True, kw_only=True, slots=True)
class ItemRow:
    """One row of items.csv; the names of its fields are the columns, in this order."""

    report_id: str
    framework: str
    control: str
    check: str
    check_version: str
    item: str
    entry_id: str
    """Empty: about no single entry."""
    seq: int
    """-1: about no single entry; an empty cell."""
    occurred_at: str
    agent: str
    state: Literal["fail", "waived", "pending"]
    reason: str
    payload_hash: str
    """The entry's hash, 64 hex."""
    due: str
    """Of a pending item: when it will be decided at the latest."""


ITEM_COLUMNS: Final = tuple(each.name for each in fields(ItemRow))
# dataclasses.astuple copies all that is below it, and costs ten times as much.
_cells_of: Final = attrgetter(*ITEM_COLUMNS)
CONTROL_COLUMNS: Final = (
    "report_id", "framework", "control", "title", "area", "mode", "weight", "specification",
    "state", "score", "owner", "leg", "leg_severity", "leg_state", "n", "f", "waived", "pending",
    "reason", "act_seq", "lens", "counts",
)  # fmt: skip
POPULATION_COLUMNS: Final = ("report_id", "about", "day", "name", "entries", "backfilled")


def write_items(out: BinaryIO, rows: Iterable[ItemRow]) -> int:
    """Write items.csv, its head first, and return how many rows it has; memory stays flat."""
    out.write(BOM + quoted_line(ITEM_COLUMNS))
    count = 0
    for row in rows:
        out.write(quoted_line(_item_cells(row)))
        count += 1
    return count


def controls_csv(content: ReportContent) -> bytes:
    """Return every control with every leg, one row a leg; a control without legs has one row."""
    return _file(CONTROL_COLUMNS, _control_rows(content))


def population_csv(content: ReportContent) -> bytes:
    """Return where the figures come from: entries by day, by agent, by agent and day, by action."""
    return _file(POPULATION_COLUMNS, _population_rows(content))


def _item_cells(row: ItemRow) -> list[str]:
    return ["" if value == -1 else str(value) for value in _cells_of(row)]


def _control_rows(content: ReportContent) -> Iterator[list[str]]:
    owners = dict(content.owners)
    for control in content.result["controls"]:
        about = [
            content.cover.report_id,
            content.cover.framework,
            *(control[name] for name in ("id", "title", "area", "mode", "weight", "spec", "state")),
            control["score"] or "",
            owners.get(control["id"], ""),
        ]
        for leg in control["legs"] or (None,):
            yield [*about, *_leg_cells(leg)]


def _leg_cells(leg: Mapping[str, Any] | None) -> list[str]:
    if leg is None:
        return [""] * (len(CONTROL_COLUMNS) - CONTROL_COLUMNS.index("leg"))
    counts = (leg[name] for name in ("n", "f", "waived", "pending"))
    return [
        *(leg[name] for name in ("id", "severity", "state")),
        *map(str, counts),
        leg["reason"],
        "" if leg["act_seq"] is None else str(leg["act_seq"]),
        leg["lens"],
        "no, shown beside a signed reasoning" if leg["shown_only"] else "yes",
    ]


def _population_rows(content: ReportContent) -> Iterator[list[str]]:
    named, population = content.cover.report_id, content.population
    for day in population.days:
        yield [named, "day", day.day, "", str(day.entries), str(day.backfilled)]
    for agent in population.agents:
        yield [named, "agent", "", agent.value, str(agent.entries), ""]
    days = [day.day for day in population.days]
    for name, counts in population.agent_days:
        for day_text, entries in zip(days, counts, strict=True):
            yield [named, "agent and day", day_text, name, str(entries), ""]
    for action in population.actions:
        yield [named, "action", "", action.value, str(action.entries), ""]


def _file(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> bytes:
    return b"".join([BOM, quoted_line(columns), *map(quoted_line, rows)])
