"""A person walks from the list of traces to a proof and back, and a long trace stays usable."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from tests.browser.chromium import chromium_path
from tests.browser.traced import LONG, Traced, keep_traces

pytestmark = pytest.mark.skipif(chromium_path() is None, reason="no Chromium on this machine")

ATTACK = "<img src=x onerror=window.ran=1>"
LIST = "/admin/tracing/trace/"


@pytest.fixture(scope="module")
def traced(installation: dict[str, Any]) -> Traced:
    return keep_traces(installation, installation["data"], attack=ATTACK)


@pytest.fixture
def page(chromium: Browser, enter: Callable[..., None], traced: Traced) -> Iterator[Page]:
    context = chromium.new_context(viewport={"width": 1440, "height": 900})
    opened = context.new_page()
    complaints: list[str] = []
    opened.on("pageerror", lambda error: complaints.append(f"script error: {error}"))
    opened.on(
        "console",
        lambda said: complaints.append(f"console: {said.text}") if said.type == "error" else None,
    )
    enter(opened, LIST)
    yield opened
    assert opened.evaluate("window.ran") is None
    context.close()
    assert not complaints, complaints


def at(page: Page, installation: dict[str, Any], trace_id: str, more: str = "") -> None:
    page.goto(f"{installation['url']}{LIST}{installation['ledger']}/{trace_id}/{more}")
    page.locator("[data-fall-box] [data-row]").first.wait_for()


def names(page: Page) -> list[str]:
    return page.locator("[data-fall-box] .obs-fall-text").all_inner_texts()


def test_from_the_list_to_a_proof_and_back(
    page: Page, installation: dict[str, Any], traced: Traced
) -> None:
    page.locator(f"#traces a[data-open][href*='{traced.run}']").click()
    page.get_by_role("row", name="execute_tool claims.lookup").last.click()
    detail = page.locator("[data-fall-detail]")
    expect(detail).to_contain_text("the claims store did not answer within 300 ms")
    detail.get_by_role("link", name="#").first.click()
    expect(page.locator("#proof")).to_be_visible()

    page.locator("#trace").click()

    expect(page).to_have_url(f"{installation['url']}{LIST}{installation['ledger']}/{traced.run}/")
    page.get_by_role("link", name="Entries", exact=True).last.click()
    expect(page.locator("#entries tbody tr[data-row]")).to_have_count(2)


def test_ten_thousand_spans_scroll_fold_and_filter(
    page: Page, installation: dict[str, Any], traced: Traced
) -> None:
    at(page, installation, traced.long)
    box = page.locator("[data-fall-box]")

    assert box.get_attribute("aria-rowcount") == str(LONG)
    assert page.locator("[data-fall-box] [data-row]").count() < 100
    box.focus()
    page.keyboard.press("End")
    last = page.locator(f"#fall-{LONG - 1}")
    expect(last).to_be_in_viewport()
    assert page.locator("[data-fall-box] [data-row]").count() < 100
    page.locator("#fall-only").select_option("error")
    expect(box).to_have_attribute("aria-rowcount", "19")  # nine, the nine above them, the root
    page.locator("#fall-only").select_option("all")
    page.get_by_role("button", name="Fold all").click()
    expect(box).to_have_attribute("aria-rowcount", "1")
    page.get_by_role("button", name="Unfold all").click()
    expect(box).to_have_attribute("aria-rowcount", str(LONG))


def test_keys_move_fold_open_and_zoom(
    page: Page, installation: dict[str, Any], traced: Traced
) -> None:
    at(page, installation, traced.run)
    box = page.locator("[data-fall-box]")
    box.focus()

    page.keyboard.press("ArrowDown")
    assert box.get_attribute("aria-activedescendant") == "fall-1"
    page.keyboard.press("Enter")
    expect(page.locator("[data-fall-detail] h2")).to_have_text("chat example-large")
    assert page.url.endswith(f"#span={traced.spans[1].span_id}")
    box.focus()
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowLeft")
    expect(box).to_have_attribute("aria-rowcount", "1")
    page.keyboard.press("ArrowRight")
    expect(box).to_have_attribute("aria-rowcount", "8")
    page.keyboard.press("+")
    expect(page.locator("[data-fall-ruler]")).to_contain_text("+")
    page.keyboard.press("0")
    expect(page.locator("[data-fall-ruler] span").first).to_have_text("0 ns")


def test_an_address_names_a_span(page: Page, installation: dict[str, Any], traced: Traced) -> None:
    wanted = traced.spans[-1].span_id

    at(page, installation, traced.run, f"#span={wanted}")

    expect(page.locator("[data-fall-detail] [data-span]")).to_have_attribute("data-span", wanted)
    expect(page.locator("[aria-selected=true]")).to_have_count(1)


def test_what_a_sender_names_a_span_never_runs(
    page: Page, installation: dict[str, Any], traced: Traced
) -> None:
    at(page, installation, traced.odd)

    assert ATTACK in names(page)
    page.get_by_role("row", name=ATTACK).first.click()
    expect(page.locator("[data-fall-detail] h2")).to_have_text(ATTACK)
    expect(page.get_by_text("orphan", exact=True).last).to_be_visible()


def test_a_conversation_is_read_with_a_reason(
    page: Page, installation: dict[str, Any], traced: Traced
) -> None:
    at(page, installation, traced.run)
    page.get_by_role("link", name="Conversation").click()
    page.fill("#reason", "complaint 81")
    page.get_by_role("button", name="Read it").click()

    expect(page.locator("#talk")).to_contain_text("The flood of May is covered")
    page.locator("#talk .obs-said-tool a").first.click()
    expect(page.locator("[data-fall-detail] h2")).to_contain_text("execute_tool claims.lookup")


def test_catching_what_is_slow_is_started_and_ended(
    page: Page, installation: dict[str, Any]
) -> None:
    page.goto(f"{installation['url']}/admin/tracing/profile/")
    page.select_option("#sort", "task")
    page.get_by_role("button", name="Start").click()
    expect(page.locator("#captures li")).to_contain_text("tasks slower than 500 ms")

    page.get_by_role("button", name="End it").click()

    expect(page.locator("#captures")).to_contain_text("Nothing is caught")


@pytest.mark.parametrize("show", ["waterfall", "shapes", "logs"])
def test_a_trace_fits_a_phone_and_everybody_can_use_it(
    page: Page, installation: dict[str, Any], traced: Traced, show: str
) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(f"{installation['url']}{LIST}{installation['ledger']}/{traced.looping}/?show={show}")
    page.wait_for_load_state("networkidle")

    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    found = Axe().run(page).response["violations"]
    assert [each["id"] for each in found if each["impact"] in {"serious", "critical"}] == []


def test_without_scripts_the_rows_stand_as_a_list(
    chromium: Browser, page: Page, installation: dict[str, Any], traced: Traced
) -> None:
    context = chromium.new_context(java_script_enabled=False)
    context.add_cookies(page.context.cookies())  # type: ignore[arg-type]  # playwright gives what it takes
    plain = context.new_page()

    plain.goto(f"{installation['url']}{LIST}{installation['ledger']}/{traced.long}/")
    plain.get_by_role("link", name="Rows after").click()

    assert plain.locator("[data-fall-plain] li").count() == 200
    assert "201 to 400" in plain.locator("nav.obs-pager").inner_text()
    context.close()
