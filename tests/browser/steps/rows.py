"""Steps on any list: its first row, opened."""

from __future__ import annotations

from collections.abc import Callable

from playwright.sync_api import Page


def open_first(address: str, table: str) -> Callable[[Page, str], None]:
    """Return what opens the first row of a list; an empty list stays in the picture."""

    def act(page: Page, url: str) -> None:
        page.goto(f"{url}{address}")
        rows = page.locator(f"{table} tbody a[data-open]")
        if rows.count():
            rows.first.click()
            page.locator(".obs-fields").first.wait_for()

    return act
