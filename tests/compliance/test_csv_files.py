"""The lists of a report open in any spreadsheet, run nothing there, and say all that there is."""

from __future__ import annotations

import csv
import tracemalloc
from collections.abc import Iterator
from dataclasses import replace
from io import BytesIO, StringIO
from typing import Any

import pytest

from audit.csv_lines import BOM, unsafe
from compliance.renderers.csv_files import (
    CONTROL_COLUMNS,
    ITEM_COLUMNS,
    POPULATION_COLUMNS,
    ItemRow,
    controls_csv,
    population_csv,
    write_items,
)
from tests.compliance.report_samples import HOSTILE, small_content, without_anything


def a_row(**fields: Any) -> ItemRow:
    """Return a row of a failing call."""
    given: dict[str, Any] = {
        "report_id": "a" * 32,
        "framework": "soc2",
        "control": "CC6.3",
        "check": "TOOL-01",
        "check_version": "1.0.0",
        "item": "500",
        "entry_id": "0192e4d0-2222-7abc-8def-000000000001",
        "seq": 500,
        "occurred_at": "2026-11-05T09:00:00.000000Z",
        "agent": "agt_support",
        "state": "fail",
        "reason": "no approval before it",
        "payload_hash": "b" * 64,
        "due": "",
    }
    return ItemRow(**given | fields)


def written(*rows: ItemRow) -> bytes:
    """Return items.csv with these rows."""
    out = BytesIO()
    assert write_items(out, rows) == len(rows)
    return out.getvalue()


def read(raw: bytes) -> list[dict[str, str]]:
    """Return the rows as a spreadsheet reads them, by column."""
    assert raw.startswith(BOM)
    text = raw.decode("utf-8-sig")
    assert text.endswith("\r\n")
    return list(csv.DictReader(StringIO(text, newline="")))


def test_every_item_is_one_row_under_the_names_of_its_fields() -> None:
    (row,) = read(written(a_row()))

    assert tuple(row) == ITEM_COLUMNS
    assert row["seq"] == "500"
    assert row["payload_hash"] == "b" * 64


def test_without_items_there_is_the_head_alone() -> None:
    raw = written()

    assert read(raw) == []
    assert raw.count(b"\r\n") == 1


@pytest.mark.parametrize(
    "text",
    [HOSTILE, "=1+1", "+1", "-1", "@x", "\t=1", "\r\n=1", "'=1", "\u200b=1", "\uff1d1", 'a"b,c\nd'],
)
def test_no_cell_is_a_formula_and_its_text_comes_back(text: str) -> None:
    (row,) = read(written(a_row(reason=text, agent=text, item=text)))

    for name in ("reason", "agent", "item"):
        assert unsafe(row[name]) == text
        assert not row[name].lstrip("\u200b \t\r\n").startswith(("=", "+", "-", "@", "\uff1d"))


def test_an_item_about_no_single_entry_has_an_empty_seq_and_no_negative_one() -> None:
    (row,) = read(written(a_row(seq=-1, entry_id="", payload_hash="")))

    assert (row["seq"], row["entry_id"], row["payload_hash"]) == ("", "", "")


def test_memory_stays_flat_however_many_items_there_are() -> None:
    class Counting(BytesIO):
        count = 0

        def write(self, data: Any) -> int:
            Counting.count += len(data)
            return len(data)

    def many() -> Iterator[ItemRow]:
        for at in range(10_000):
            yield a_row(item=str(at))

    tracemalloc.start()
    try:
        assert write_items(Counting(), many()) == 10_000
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert Counting.count > 2_000_000
    assert most < 1_000_000


def test_every_leg_of_every_control_is_one_row() -> None:
    content = small_content()

    rows = read(controls_csv(content))

    assert tuple(rows[0]) == CONTROL_COLUMNS
    wanted = [
        (control["id"], leg["id"], leg["state"], str(leg["n"]), str(leg["f"]))
        for control in content.result["controls"]
        for leg in control["legs"]
    ]
    assert [(r["control"], r["leg"], r["leg_state"], r["n"], r["f"]) for r in rows] == wanted
    assert {r["owner"] for r in rows if r["control"] == "CC1.1"} == {"ana@example.org"}


def test_a_control_without_a_leg_has_a_row_all_the_same() -> None:
    content = small_content()
    bare = {**content.result["controls"][0], "id": "CC9.9", "legs": [], "score": None}
    content = replace(content, result={**content.result, "controls": [bare]})

    (row,) = read(controls_csv(content))

    assert (row["control"], row["leg"], row["score"], row["counts"]) == ("CC9.9", "", "", "")


def test_the_population_adds_up_in_each_way_it_is_told() -> None:
    content = small_content()

    rows = read(population_csv(content))

    assert tuple(rows[0]) == POPULATION_COLUMNS
    sums = {
        about: sum(int(r["entries"]) for r in rows if r["about"] == about)
        for about in ("day", "agent and day")
    }
    assert sums["day"] == sums["agent and day"]
    assert len([r for r in rows if r["about"] == "day"]) == len(content.population.days)
    assert [unsafe(r["name"]) for r in rows if r["about"] == "agent"] == [
        each.value for each in content.population.agents
    ]


def test_the_same_content_gives_the_same_bytes() -> None:
    for make in (controls_csv, population_csv):
        assert make(small_content()) == make(small_content())


def test_a_period_in_which_nothing_happened_has_its_days_and_no_more() -> None:
    rows = read(population_csv(without_anything()))

    assert {(r["about"], r["entries"]) for r in rows} == {("day", "0")}
