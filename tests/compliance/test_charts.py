"""Charts: the drawings of a report, their words and their figures."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from xml.etree import ElementTree

import pytest
import typst

from compliance.renderers.blocks import Chart
from compliance.renderers.charts import (
    MOST_BARS,
    clocks,
    control_strip,
    deviations_by_check,
    population_by_day,
    score_trend,
)
from compliance.renderers.heat_strip import MOST_ROWS, worst_of
from compliance.renderers.svg import COLOURS, WIDTH, hatch, num
from compliance.report_content import CheckText, Exceptions, ReportContent, TrendPoint
from tests.compliance.report_samples import HOSTILE, small_content, without_anything

Draw = Callable[[ReportContent], Chart | None]
ALL: tuple[Draw, ...] = (
    score_trend,
    control_strip,
    deviations_by_check,
    population_by_day,
    clocks,
)
SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(params=ALL, ids=lambda draw: draw.__name__)
def draw(request: pytest.FixtureRequest) -> Draw:
    return request.param  # type: ignore[no-any-return]  # pytest says Any


def drawn(draw: Draw, content: ReportContent) -> tuple[Chart, ElementTree.Element]:
    """Return a chart that must be there, and its drawing as a tree."""
    chart = draw(content)
    assert chart is not None
    return chart, ElementTree.fromstring(chart.svg)  # noqa: S314  # of our own making


def test_a_chart_is_one_drawing_with_words_and_figures(draw: Draw) -> None:
    chart, root = drawn(draw, small_content("gdpr"))

    assert root.tag == f"{SVG}svg"
    assert root.attrib["aria-label"] == chart.text
    assert chart.title
    assert chart.table is not None
    assert chart.table.rows
    assert all(len(row) == len(chart.table.columns) for row in chart.table.rows)


def test_a_chart_has_no_style_script_or_address_and_no_id(draw: Draw) -> None:
    _, root = drawn(draw, small_content("gdpr"))

    assert {each.tag.removeprefix(SVG) for each in root.iter()} <= {"svg", "path", "text"}
    names = {name for each in root.iter() for name in each.attrib}
    assert not names & {"id", "style", "href", "onload"}


def test_what_was_typed_is_only_ever_text(draw: Draw) -> None:
    content = small_content("gdpr")
    hostile = replace(
        content,
        checks=tuple(replace(one, check=HOSTILE) for one in content.checks),
        exceptions=tuple(replace(one, check=HOSTILE) for one in content.exceptions),
        population=replace(
            content.population,
            agent_days=tuple((HOSTILE, counts) for _, counts in content.population.agent_days),
        ),
        law=replace(
            content.law, clocks=tuple(replace(one, case=HOSTILE) for one in content.law.clocks)
        ),
    )

    chart, root = drawn(draw, hostile)

    assert {each.tag.removeprefix(SVG) for each in root.iter()} <= {"svg", "path", "text"}
    assert "\u202e" not in chart.svg
    assert "\x07" not in chart.svg


def test_the_typesetter_draws_every_chart() -> None:
    content = small_content("gdpr")
    given = [
        {"svg": chart.svg, "alt": chart.text}
        for draw in ALL
        if (chart := draw(content)) is not None
    ]

    pdf = typst.compile(
        b'#set document(title: "c")\n#set text(font: "Libertinus Serif", fallback: false)\n'
        b'#for c in json(bytes(sys.inputs.c)) [#image(bytes(c.svg), format: "svg", alt: c.alt)]',
        sys_inputs={"c": json.dumps(given)},
        ignore_system_fonts=True,
        pdf_standards=["a-2a", "ua-1"],
    )

    assert len(given) == len(ALL)
    assert pdf is not None


def test_nothing_to_draw_gives_no_chart() -> None:
    empty = without_anything("gdpr")

    assert [draw(empty) for draw in ALL if draw is not control_strip] == [None] * 4
    assert control_strip(replace(empty, checks=())) is None


def test_paints_stay_apart_in_grey() -> None:
    """The states of a cell are told by shape as well; lightness alone parts the filled ones."""

    def lightness(paint: str) -> float:
        red, green, blue = (int(paint[at : at + 2], 16) / 255 for at in (1, 3, 5))
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    filled = sorted(
        lightness(COLOURS[each]) for each in ("fail", "accent", "pale", "pass", "ground")
    )

    gaps = [after - before for before, after in pairwise(filled)]
    assert min(gaps) > 0.1


# --- Score ----------------------------------------------------------------------------------------


def point(day: str, evidenced: str | None, cap: int = 100) -> TrendPoint:
    return TrendPoint(day=day, evidenced=evidenced, tested=evidenced, coverage=evidenced, cap=cap)


def test_the_score_s_line_breaks_where_no_score_was_issued() -> None:
    points = (
        point("2026-10-01", "40.0"),
        point("2026-10-02", "41.0"),
        point("2026-10-03", None),
        point("2026-10-04", "50.0"),
        point("2026-10-05", "51.0"),
    )

    chart, root = drawn(score_trend, replace(small_content(), trend=points))

    line = next(each for each in root.iter(f"{SVG}path") if each.get("stroke-width") == "2.4")
    assert line.attrib["d"].count("M") == 2
    assert chart.table is not None
    assert "no score" in chart.table.rows[2]


def test_a_single_posture_is_drawn_as_a_point() -> None:
    _, root = drawn(score_trend, replace(small_content(), trend=(point("2026-10-01", "40.0"),)))

    assert any("a2.5" in each.attrib["d"] for each in root.iter(f"{SVG}path"))


def test_words_about_the_cap_stay_inside_of_the_drawing() -> None:
    content = small_content()
    alone = replace(content, trend=(replace(content.trend[-1], cap=49),))

    _, root = drawn(score_trend, alone)

    (said,) = [each for each in root.iter(f"{SVG}text") if each.text == "capped at 49"]
    assert said.get("text-anchor") is None
    assert float(said.attrib["x"]) >= 0


def test_what_caps_the_score_is_drawn_and_said() -> None:
    points = (point("2026-10-01", "40.0", 49), point("2026-10-09", "49.0", 49))

    _, root = drawn(score_trend, replace(small_content(), trend=points))

    assert "capped at 49" in [each.text for each in root.iter(f"{SVG}text")]


# --- Checks by day --------------------------------------------------------------------------------


def checks(count: int, strip: str) -> tuple[CheckText, ...]:
    first = small_content().checks[0]
    return tuple(
        replace(first, check=f"T-{at:03}", lens=f"{at:032x}", strip=strip) for at in range(count)
    )


@pytest.mark.parametrize(
    ("letters", "expected"),
    [("pp", "p"), ("pfw", "f"), ("wpo", "o"), (".p", "p"), ("-.", "."), ("--", "-"), ("", "-")],
)
def test_a_cell_says_the_worst_of_its_days(letters: str, expected: str) -> None:
    assert worst_of(letters) == expected


@pytest.mark.parametrize(
    ("count", "days", "cell"),
    [(9, 30, "a day"), (9, 90, "a day"), (96, 30, "a day"), (96, 92, "a week"), (9, 365, "a week")],
)
def test_cells_get_longer_with_the_period(count: int, days: int, cell: str) -> None:
    chart, _ = drawn(control_strip, replace(small_content(), checks=checks(count, "p" * days)))

    assert chart.title.endswith(f"a cell {cell}")


def test_more_checks_than_a_page_holds_are_said_and_stand_in_the_table() -> None:
    content = replace(
        small_content(), checks=(*checks(200, "p" * 30), replace(small_content().checks[0]))
    )

    chart, root = drawn(control_strip, content)

    height = float(root.attrib["viewBox"].split()[3])
    said = [each.text for each in root.iter(f"{SVG}text")]
    assert height <= WIDTH * 1.5
    assert f"{201 - MOST_ROWS} more, without room here" in chart.text
    assert content.checks[-1].check in said  # it has a failure, and so stays
    assert chart.table is not None
    assert len(chart.table.rows) == 201


# --- Deviations, population, clocks ---------------------------------------------------------------


def test_bars_are_of_the_most_and_the_rest_are_counted_below() -> None:
    many = tuple(
        Exceptions(check=f"T-{at:02}", lens="0", controls=(), total=at + 1, waived=1, listed=())
        for at in range(MOST_BARS + 5)
    )

    chart, root = drawn(deviations_by_check, replace(small_content(), exceptions=many))

    said = [each.text for each in root.iter(f"{SVG}text")]
    assert said.index("5 more") == len(said) - 2  # below all bars, and without one
    assert said[-1] == "together 10 failing, 5 waived"
    assert "0 failing, 1 waived" not in said
    assert chart.table is not None
    assert len(chart.table.rows) == MOST_BARS + 5


def test_two_uses_of_a_check_are_told_apart_in_charts_too() -> None:
    content = small_content()
    check, given = content.checks[0], content.exceptions[0]
    legs = [leg for control in content.result["controls"] for leg in control["legs"]]
    other = next(leg["lens"] for leg in legs if leg["lens"] not in ("", check.lens))
    uses = replace(
        content,
        checks=(check, replace(check, lens=other)),
        exceptions=(
            replace(given, controls=("CC6.3",)),
            replace(given, controls=("CC9.9", "P1.1")),
        ),
    )

    _, bars = drawn(deviations_by_check, uses)
    _, rows = drawn(control_strip, uses)

    said = [each.text for each in bars.iter(f"{SVG}text")]
    assert {f"{given.check} CC6.3", f"{given.check} CC9.9, P1.1"} <= set(said)
    serves = {
        leg["lens"]: control["id"]
        for control in reversed(content.result["controls"])
        for leg in control["legs"]
    }
    said = [each.text for each in rows.iter(f"{SVG}text")]
    assert {serves[check.lens], serves[other]} <= set(said)


def test_days_that_nobody_observed_are_in_the_legend_where_there_are_any() -> None:
    def legend(strip: str) -> list[str | None]:
        given = replace(small_content(), checks=checks(2, strip))
        return [each.text for each in drawn(control_strip, given)[1].iter(f"{SVG}text")]

    assert "empty: not observed" in legend("--pf")
    assert "empty: not observed" not in legend("pppf")


def test_the_population_s_figures_are_those_of_the_content() -> None:
    content = small_content()

    chart, _ = drawn(population_by_day, content)

    assert chart.table is not None
    entries = [int(row[1].replace(",", "")) for row in chart.table.rows]
    assert entries == [one.entries for one in content.population.days]
    assert f"{sum(entries):,} entries over 30 days" in chart.text


def test_a_clock_says_whether_it_is_late_and_whether_it_runs() -> None:
    content = small_content("gdpr")

    chart, root = drawn(clocks, content)

    late = sum(one.is_late for one in content.law.clocks)
    said = " ".join(each.text or "" for each in root.iter(f"{SVG}text"))
    assert f"{late} late" in chart.text
    assert "late, running" in said
    assert "in time" in said


# --- Shapes ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "expected"),
    [(12, "12"), (12.34, "12.3"), (0.05, "0.1"), (-1.25, "-1.3"), (-0.01, "0"), (1 / 3, "0.3")],
)
def test_a_length_has_one_decimal_at_most(value: float, expected: str) -> None:
    assert num(value) == expected


def test_hatching_stays_inside_its_rectangle() -> None:
    for piece in hatch(10, 20, 30, 8).split("M")[1:]:
        for at in piece.split("L"):
            x, y = map(float, at.split())
            assert 10 <= x <= 40
            assert 20 <= y <= 28
