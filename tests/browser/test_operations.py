"""Charts draw, their tables say the same, keys reach them, and nothing is wider than a phone.

The fleet's few live entries are enough; what has none says what would bring it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from tests.browser.calling import call
from tests.browser.chromium import chromium_path
from tests.conftest import make_event

pytestmark = pytest.mark.skipif(chromium_path() is None, reason="no Chromium on this machine")

AT = "/admin/operations"
PAGES = ("agents", "tools", "models", "errors", "resources", "platform", "security", "people")
ATTACK = "<img src=x onerror=window.ran=1>"
PIXELS = """canvas => {
    const {data} = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
    return data.some((each) => each !== 0);
}"""
# Of each series of a line chart: its name, its values, and how large the dot of each is drawn.
LINES = """() => [...document.querySelectorAll("[data-chart]")]
    .filter((one) => one.drawn.config.type === "line")
    .flatMap((one) => one.drawn.data.datasets.map((each, index) => [
        each.label,
        each.data,
        one.drawn.getDatasetMeta(index).data.map((point) => point.options.radius),
    ]))"""
_SECONDS = 60


@pytest.fixture(scope="module")
def worked(installation: dict[str, Any]) -> None:
    """Let an agent with a hostile name work, until minute history knows it."""
    now = datetime.now(UTC).isoformat()
    agent = {"id": "op-1", "name": ATTACK}
    acts: list[dict[str, Any]] = [
        {"category": "agent_lifecycle", "action": "agent.registered"},
        *({"category": "action", "action": "run.completed", "outcome": outcome,
           "duration_ms": 900} for outcome in ("success", "success", "failure")),
        *({"category": "tool_call", "action": "tool.invoke", "tool": {"name": ATTACK},
           "duration_ms": 30, "error": {"type": ATTACK}, "outcome": outcome}
          for outcome in ("success", "failure")),
    ]  # fmt: skip
    events = [make_event(**{"agent": agent, "occurred_at": now} | act) for act in acts]
    url, key = installation["url"], installation["governance_key"]
    status, answer = call(f"{url}/api/v1/events?wait=chained", method="POST", key=key, body=events)
    assert status in {200, 202}, answer


@pytest.fixture
def page(chromium: Browser, enter: Callable[..., None], worked: None) -> Iterator[Page]:
    context = chromium.new_context(viewport={"width": 1440, "height": 900})
    opened = context.new_page()
    complaints: list[str] = []
    opened.on("pageerror", lambda error: complaints.append(f"script error: {error}"))
    opened.on(
        "console",
        lambda said: complaints.append(f"console: {said.text}") if said.type == "error" else None,
    )
    enter(opened, f"{AT}/agents/?last=1h")
    ends = time.monotonic() + _SECONDS
    while opened.locator("#agents a[data-open]").count() == 0 and time.monotonic() < ends:
        opened.reload()
    yield opened
    context.close()
    assert not complaints, complaints


@pytest.mark.parametrize("name", PAGES)
def test_each_chart_of_a_page_draws_and_none_is_wider_than_a_phone(page: Page, name: str) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(page.url.split("/admin/")[0] + f"{AT}/{name}/?last=1h")
    canvases = page.locator("[data-chart] canvas").all()

    assert all(canvas.evaluate(PIXELS) for canvas in canvases)
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    empty = page.locator(".obs-chart-card .obs-chart-none").all_inner_texts()
    assert all("Nothing in this range" in text for text in empty)
    assert len(canvases) + len(empty) == page.locator(".obs-chart-card").count()


def test_a_value_without_neighbours_is_a_dot(page: Page) -> None:
    page.goto(page.url.split("/admin/")[0] + f"{AT}/agents/?last=24h")
    lines = page.evaluate(LINES)

    alone = [
        (name, radius)
        for name, values, radii in lines
        for at, radius in enumerate(radii)
        if values[at] is not None and not [one for one in neighbours(values, at) if one is not None]
    ]
    assert alone, "an installation that has just begun has values in one step"
    assert all(radius > 0 for _, radius in alone), alone
    assert any(0 in radii for _, _, radii in lines)


def neighbours(values: list[float | None], at: int) -> list[float | None]:
    return [values[each] for each in (at - 1, at + 1) if 0 <= each < len(values)]


def test_the_table_behind_a_chart_says_what_the_server_says(page: Page) -> None:
    page.locator("#runs [data-chart-table] summary").focus()
    page.keyboard.press("Enter")
    page.locator("#runs [data-chart-place] tbody tr").first.wait_for()
    drawn = by_time(page.locator("#runs [data-chart-place] tbody tr").all_inner_texts())
    page.locator("#runs [data-chart-table] p a").click()
    on_its_page = by_time(page.locator("#figures tbody tr").all_inner_texts()[1:])

    assert len(drawn) == 60
    newest = sorted(drawn)[-1]  # it was not over when it was drawn
    over = {at: values for at, values in drawn.items() if at in on_its_page and at != newest}
    assert len(over) > 50
    assert over == {at: on_its_page[at] for at in over}
    assert any(value != "0/min" for values in drawn.values() for value in values)


def by_time(lines: list[str]) -> dict[str, list[str]]:
    """Return the cells of each row by its first."""
    cells = [[each.strip() for each in line.split("\t")] for line in lines]
    return {at: values for at, *values in cells}


def test_a_row_leads_to_its_entries(page: Page) -> None:
    page.locator("#runs [data-chart-table] summary").click()
    page.locator("#runs [data-chart-place] tbody a").first.click()
    page.locator("#entries").wait_for()

    assert "action=run.completed" in page.url
    assert "from=" in page.url
    assert page.locator("#entries tr[data-row]").count() >= 1


def test_names_that_attack_are_drawn_as_text(page: Page) -> None:
    for name in ("agents", "tools", "errors"):
        page.goto(page.url.split("/admin/")[0] + f"{AT}/{name}/?last=1h")
        for summary in page.locator("[data-chart-table] summary").all():
            summary.click()
        assert page.evaluate("window.ran") is None
        assert page.locator("#content img").count() == 0


def test_dark_and_utc_draw_anew(page: Page) -> None:
    page.evaluate("document.documentElement.classList.add('dark')")
    page.locator("[data-zone-switch]").first.click()

    assert page.locator("#runs canvas").evaluate(PIXELS)
