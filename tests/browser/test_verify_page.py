"""Verify in a real browser: ask, watch it go, read the result; an auditor may only look.

The installation is a whole one, so a Celery worker does the run. Skips, and says so, on a machine
without Chromium.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.chromium import chromium_path
from tests.browser.test_desk import agent, chromium, page

__all__ = ["agent", "chromium", "page"]  # fixtures, which pytest finds by their names here

pytestmark = pytest.mark.skipif(chromium_path() is None, reason="no Chromium on this machine")


def ask(page: Page, installation: dict[str, Any]) -> None:
    page.goto(f"{installation['url']}/admin/audit/ledger/{installation['ledger']}/change/")
    page.get_by_role("button", name="Verify").click()
    page.wait_for_url(re.compile(r"/admin/audit/verification/\d+/change/"))


def test_a_ledger_is_verified_from_its_page_to_the_result(
    page: Page, installation: dict[str, Any], agent: str
) -> None:
    page.get_by_role("link", name="Ledgers", exact=True).click()
    page.get_by_role("link", name=installation["ledger"], exact=True).first.click()

    page.get_by_role("button", name="Verify").click()

    expect(page.locator(".obs-sentence")).to_contain_text("Intact", timeout=30_000)
    expect(page.get_by_role("heading", name="The run")).to_be_visible()
    page.get_by_role("link", name="Entries about such results").click()
    expect(page.locator("#entries")).to_contain_text("audit.chain_verified")


def test_an_agent_is_reached_from_the_registry_and_leads_to_its_entries(
    page: Page, installation: dict[str, Any], agent: str
) -> None:
    page.goto(f"{installation['url']}/admin/audit/agent/")
    page.get_by_role("link", name=agent).first.click()

    page.locator(".obs-fields a", has_text="3").first.click()

    expect(page.locator("#entries")).to_contain_text(agent)


def test_progress_is_followed_without_reload_and_told_aloud(
    page: Page, installation: dict[str, Any], agent: str
) -> None:
    """The run is over in a moment here, so its page is given the numbers of a long one."""
    answers: Iterator[dict[str, Any]] = iter(
        [
            {"word": "queued", "checked": 0, "total": None, "percent": None, "rate": 0},
            {"word": "queued", "checked": 450, "total": 1000, "percent": 45, "rate": 100},
        ]
    )
    last: dict[str, Any] = {}

    def answer(route: Any) -> None:
        last.update(next(answers, last))
        route.fulfill(json={"left": 5.5, "broken": 0} | last)

    page.route("**/progress/", answer)
    ask_while_it_waits(page, installation)

    expect(page.locator("#run-percent")).to_have_text("45 %", timeout=10_000)
    expect(page.locator("#run-bar")).to_have_attribute("value", "45")
    expect(page.locator("#run-rate")).to_have_text("100 a second, 6 s left")
    expect(page.locator("#run-said")).to_have_text("40 % of the run is done.")
    assert page.locator("#run-said").get_attribute("aria-live") == "polite"


def ask_while_it_waits(page: Page, installation: dict[str, Any]) -> None:
    """Open the page of a run as it was while the run waited."""
    ask(page, installation)
    expect(page.locator(".obs-sentence")).to_be_visible()
