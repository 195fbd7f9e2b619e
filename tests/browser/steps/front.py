"""Steps at the door and on the front page: a log-in that is refused, the keyboard, a pause."""

from __future__ import annotations

import uuid

from playwright.sync_api import Page


def locked_out(page: Page, url: str) -> None:
    """Fail to log in under a name that nobody has, until no more log-ins are looked at."""
    refused = page.get_by_text("Too many log-ins failed")
    page.goto(f"{url}/admin/login/")
    while not refused.count():
        page.fill("#id_username", "nobody-of-this-name")
        page.fill("#id_password", "wrong")
        page.click("#login-form button[type=submit]")
        page.wait_for_load_state()


def refused_log_in(page: Page, url: str) -> None:
    page.goto(f"{url}/admin/login/")
    page.fill("#id_username", f"nobody-{uuid.uuid4().hex[:8]}")
    page.fill("#id_password", "wrong")
    page.click("#login-form button[type=submit]")
    page.wait_for_load_state()


def paused(page: Page, url: str) -> None:
    page.goto(f"{url}/admin/")
    page.get_by_role("button", name="Pause").click()
    page.get_by_role("button", name="Go on").wait_for()


def show_keys(page: Page, url: str) -> None:
    page.goto(f"{url}/admin/")
    page.keyboard.press("?")
    page.locator("#obs-keys").wait_for()
