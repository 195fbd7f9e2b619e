"""Steps on what leaves the platform: an export and a destination."""

from __future__ import annotations

from playwright.sync_api import Page


def export(page: Page, url: str) -> None:
    page.goto(f"{url}/admin/audit/export/new/")
    page.fill("#reason", "a sample for the external auditor")
    page.get_by_role("button", name="Export these entries").click()
    page.locator("#verify").wait_for()


def refused_destination(page: Page, url: str) -> None:
    page.goto(f"{url}/admin/audit/destination/new/?kind=webhook")
    page.fill("#name", "siem")
    page.fill("#address", "http://10.0.0.1/")
    page.fill("#secret", "short")
    page.get_by_role("button", name="Make the destination").click()
    page.locator(".obs-error").first.wait_for()


def tested_destination(page: Page, url: str) -> None:
    """Make a destination that is a folder, unless one is there, and send a test line."""
    page.goto(f"{url}/admin/audit/destination/")
    if page.locator("#destinations tbody a[data-open]").count() == 0:
        page.goto(f"{url}/admin/audit/destination/new/?kind=file")
        page.fill("#name", "shots")
        page.fill("#address", "shots")
        page.check("#start-all")
        page.get_by_role("button", name="Make the destination").click()
    else:
        page.locator("#destinations tbody a[data-open]").first.click()
    page.get_by_role("button", name="Send a test line").click()
    page.locator("#answer").wait_for()
