"""Steps on purges and holds: proposed, applied, refused, and none left behind."""

from __future__ import annotations

import uuid

from playwright.sync_api import Locator, Page


def propose_purge(page: Page, url: str) -> None:
    """Have a worker look what could be pruned, or open the purge that is open already."""
    page.goto(f"{url}/admin/audit/purgeplan/")
    if page.locator("#prune_reason").count():
        page.fill("#prune_reason", "shots: how far could it be pruned")
        page.get_by_role("button", name="Look what could be pruned").click()
    else:
        page.locator("#prune a").first.click()
    page.locator("h2", has_text="The purge").wait_for()
    page.locator("#run").wait_for(state="detached")


def leave_no_purge(page: Page, url: str) -> None:
    """Withdraw what `propose_purge` left open, and nobody else's."""
    page.goto(f"{url}/admin/audit/purgeplan/?show=purges")
    is_open = page.locator(".obs-badge", has_text="awaits approval")
    of_ours = page.locator("#purges tbody tr", has_text="shots:").filter(has=is_open)
    if of_ours.count():
        of_ours.locator("a").first.click()
        page.get_by_role("button", name="Withdraw it").click()
        page.get_by_text("It is withdrawn").wait_for()


def refused_hold(page: Page, url: str) -> None:
    page.goto(f"{url}/admin/audit/hold/new/")
    page.check("#kind-subject")
    page.fill("#value", f"nobody-{uuid.uuid4().hex[:8]}")
    page.fill("#matter", "shots")
    page.fill("#reason", "shots")
    page.get_by_role("button", name="Apply the hold").click()
    page.locator(".obs-error").first.wait_for()


def apply_hold(page: Page, url: str) -> None:
    page.goto(f"{url}/admin/audit/hold/new/")
    page.check("#kind-agent")
    page.fill("#value", "claims-adjudicator")
    page.fill("#matter", f"shots {uuid.uuid4().hex[:8]}")
    page.fill("#reason", "shots: counsel asked to keep what this agent did")
    page.get_by_role("button", name="Apply the hold").click()
    page.locator("#release").wait_for()


def _standing_holds(page: Page, url: str) -> Locator:
    page.goto(f"{url}/admin/audit/hold/")
    return page.locator("#holds tbody tr", has_text="shots:")


def release_hold(page: Page, url: str) -> None:
    _standing_holds(page, url).locator("a[data-open]").first.click()
    page.fill("#release_reason", "shots: settled")
    page.fill("#release_confirm", page.locator("label[for=release_confirm] strong").inner_text())
    page.get_by_role("button", name="Release the hold").click()
    page.get_by_text("It is released").wait_for()


def leave_no_hold(page: Page, url: str) -> None:
    """Release what `apply_hold` applied, also when the pictures ended early."""
    while _standing_holds(page, url).count():
        release_hold(page, url)
