"""Steps on API keys: made, refused, revoked, and none left behind."""

from __future__ import annotations

from playwright.sync_api import Locator, Page


def refused_key(page: Page, url: str) -> None:
    page.goto(f"{url}/admin/audit/agentkey/add/")
    page.fill("#id_expires_on", "2020-01-01")
    page.click("form.obs-form button.obs-button-main")
    page.locator(".obs-error").first.wait_for()


def make_key(page: Page, url: str) -> None:
    page.goto(f"{url}/admin/audit/agentkey/add/")
    page.fill("#id_name", "shots")
    page.click("form.obs-form button.obs-button-main")
    page.locator(".obs-card-good").wait_for()
    page.evaluate(
        """() => {
            const secret = document.querySelector(".obs-card-good pre").textContent;
            for (const pre of document.querySelectorAll(".obs-card-good pre")) {
                const masked = secret.slice(0, 17) + "_" + "•".repeat(50);
                pre.textContent = pre.textContent.replaceAll(secret, masked);
            }
        }"""
    )


def _live_keys(page: Page, url: str) -> Locator:
    page.goto(f"{url}/admin/audit/agentkey/")
    is_live = page.locator(".obs-badge", has_text="live")
    return page.locator("tbody tr", has_text="shots").filter(has=is_live)


def revoke_key(page: Page, url: str) -> None:
    _live_keys(page, url).locator("a").first.click()
    page.locator("a.obs-button-bad").click()
    page.locator("form.obs-actions").wait_for()


def revoked_key(page: Page, url: str) -> None:
    revoke_key(page, url)
    page.locator("form.obs-actions button").click()
    page.wait_for_url("**/change/")


def leave_no_key(page: Page, url: str) -> None:
    """Revoke what `make_key` made, also when the pictures ended early."""
    while _live_keys(page, url).count():
        revoked_key(page, url)
