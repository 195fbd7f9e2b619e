"""Steps on traces, log lines and profiles."""

from __future__ import annotations

from collections.abc import Callable

from playwright.sync_api import Page


def at_trace(which: str, show: str = "") -> Callable[[Page, str], None]:
    """Return what opens a trace that was kept for the pictures: failed, looping, long or odd."""

    def act(page: Page, url: str) -> None:
        page.goto(f"{url}/admin/tracing/trace/?{_TRACES[which]}")
        page.locator("#traces a[data-open]").first.click()
        if show:
            page.get_by_role("navigation", name="Ways").get_by_role("link", name=show).click()
        else:
            page.locator("[data-fall-box] [data-row]").first.wait_for()

    return act


_TRACES = {
    "failed": "status=error&name=claims",
    "looping": "longer=3s&name=claims",
    "long": "agent=indexer",
    "odd": "name=odd",
}


def chosen_span(page: Page, url: str) -> None:
    at_trace("failed")(page, url)
    page.get_by_role("row", name="execute_tool claims.lookup").last.click()
    page.locator("[data-fall-detail] .obs-fields").first.wait_for()


def span_page(page: Page, url: str) -> None:
    chosen_span(page, url)
    page.get_by_role("link", name="Its own page").click()
    page.locator(".obs-span-page").wait_for()


def read_conversation(page: Page, url: str) -> None:
    at_trace("failed", "Conversation")(page, url)
    if page.locator("#reason").count():
        page.fill("#reason", "shots: what the chat view looks like")
        page.get_by_role("button", name="Read it").click()
    page.locator("#talk").wait_for()


def session(page: Page, url: str) -> None:
    at_trace("failed")(page, url)
    page.get_by_role("link", name="Its session").click()
    page.locator("#session").wait_for()


def opened_line(page: Page, url: str) -> None:
    page.goto(f"{url}/admin/tracing/line/?level=error&level=warning")
    page.locator("tr[data-row] summary").first.click()


def open_profile(sort: str) -> Callable[[Page, str], None]:
    """Return what opens the newest profile of a sort."""

    def act(page: Page, url: str) -> None:
        page.goto(f"{url}/admin/tracing/profile/?sort={sort}")
        page.locator("#profiles a[data-open]").first.click()
        page.locator(".obs-sentence").wait_for()

    return act


def refused_capture(page: Page, url: str) -> None:
    page.goto(f"{url}/admin/tracing/profile/")
    page.fill("#slower", "soon")
    page.get_by_role("button", name="Start").click()
    page.locator(".obs-error").wait_for()
