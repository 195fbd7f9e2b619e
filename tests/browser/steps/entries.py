"""Steps on entries and their ledger: opened, filtered, checked, verified."""

from __future__ import annotations

from playwright.sync_api import Page


def open_entry(page: Page, url: str) -> None:
    page.goto(f"{url}/admin/audit/entry/")
    page.locator("#entries tbody a.obs-number").first.click()
    page.locator("#check").wait_for()


def check_entry(page: Page, url: str) -> None:
    open_entry(page, url)
    page.click("#check-button")
    page.locator("[data-step=hash]").wait_for()


def second_page(page: Page, url: str) -> None:
    page.goto(f"{url}/admin/audit/entry/")
    older = page.locator("a[rel=next]")
    if older.count():
        older.click()
        page.locator("a[rel=prev]").wait_for()


def expand_row(page: Page, url: str) -> None:
    page.goto(f"{url}/admin/audit/entry/")
    page.locator("tr[data-row] summary").first.click()
    page.locator("tr.obs-more").first.wait_for()


def open_filter(page: Page, url: str) -> None:
    page.goto(f"{url}/admin/audit/entry/")
    page.keyboard.press("f")
    page.locator("#obs-filter-form").wait_for()


def verify(page: Page, url: str) -> None:
    page.goto(f"{url}/admin/audit/ledger/")
    page.locator("#ledgers tbody a").first.click()
    page.locator("#verify form button").click()
    page.locator("h2", has_text="The run").wait_for()
    page.locator("#run").wait_for(state="detached")
