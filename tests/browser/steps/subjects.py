"""Steps on data subjects: found, their entries, an erasure up to its end."""

from __future__ import annotations

from playwright.sync_api import Page


def _find_subject(page: Page, url: str) -> str:
    """Look up a customer of the demo who was not erased yet, and return the id."""
    for number in range(1, 421):
        subject = f"cust-{number:04d}"
        page.goto(f"{url}/admin/audit/erasure/")
        page.fill("#subject", subject)
        page.get_by_role("button", name="Look up").click()
        page.wait_for_load_state()
        if page.locator("h2", has_text="What is known").count():
            return subject
    raise AssertionError("no customer of the demo has a key; load it with manage.py demo")


def found_subject(page: Page, url: str) -> None:
    _find_subject(page, url)


def nobody_found(page: Page, url: str) -> None:
    page.goto(f"{url}/admin/audit/erasure/")
    page.fill("#subject", "nobody-of-this-id")
    page.get_by_role("button", name="Look up").click()
    page.get_by_text("Nobody of this id").wait_for()


def _ready_erasure(page: Page, url: str) -> str:
    """Have counted what erasing a customer would make unreadable; return the id."""
    subject = _find_subject(page, url)
    if page.locator("#case").count():
        page.fill("#case", "DSR-shots")
        page.fill("#reason", "asked by letter")
        page.get_by_role("button", name="Count what would go").click()
    else:
        page.locator(".obs-card a", has_text="Erasure").first.click()
    page.locator("#confirm").wait_for()
    return subject


def erasure_to_confirm(page: Page, url: str) -> None:
    _ready_erasure(page, url)


def unconfirmed_erasure(page: Page, url: str) -> None:
    _ready_erasure(page, url)
    page.fill("#subject", "another id")
    page.get_by_role("button", name="Erase", exact=True).click()
    page.get_by_text("Nothing was confirmed").wait_for()


def erased_subject(page: Page, url: str) -> None:
    subject = _ready_erasure(page, url)
    page.fill("#subject", subject)
    page.get_by_role("button", name="Erase", exact=True).click()
    page.get_by_text("Certificate, PDF").wait_for()


def entries_of_a_subject(page: Page, url: str) -> None:
    _find_subject(page, url)
    page.locator(".obs-fields a.obs-number").click()
    page.locator("#entries").wait_for()
