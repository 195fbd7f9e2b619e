"""Walk through the desk with a real browser: log in, entries, entry, check.

The installation is a whole one; it takes real events through the API. Skips, and says so, on a
machine without Chromium.
"""

from __future__ import annotations

import base64
import json
import urllib.request
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Dialog, Page, expect

from tests.browser.chromium import browser, chromium_path, log_in
from tests.conftest import make_event

pytestmark = pytest.mark.skipif(chromium_path() is None, reason="no Chromium on this machine")

SAID = "naïve 😀 日本 \u2028 <script>alert(1)</script> \u202eevil"


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with browser() as started:
        yield started


@pytest.fixture(scope="module")
def agent(installation: dict[str, Any]) -> str:
    """Post three events of one agent and return its id once they are chained."""
    name = f"desk-{uuid.uuid4().hex[:8]}"
    events = [make_event(agent={"id": name}, details={"said": SAID}) for _ in range(3)]
    request = urllib.request.Request(  # noqa: S310 - the address of our own installation
        f"{installation['url']}/api/v1/events?wait=chained",
        data=json.dumps(events).encode(),
        headers={
            "Authorization": f"Bearer {installation['key']}",
            "Content-Type": "application/json",
        },
    )
    with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
        assert answer.status == 200
    return name


@pytest.fixture
def page(chromium: Browser, installation: dict[str, Any]) -> Iterator[Page]:
    context = chromium.new_context(timezone_id="Asia/Tokyo")
    opened = context.new_page()
    complaints: list[str] = []
    opened.on("pageerror", lambda error: complaints.append(str(error)))

    def refuse(dialog: Dialog) -> None:
        complaints.append(f"a dialog opened: {dialog.message}")
        dialog.dismiss()

    opened.on("dialog", refuse)
    log_in(opened, installation["url"], installation["user"], installation["password"])
    yield opened
    context.close()
    assert complaints == []


def open_first(page: Page, url: str, agent: str) -> None:
    page.goto(f"{url}/admin/audit/entry/?agent={agent}")
    page.locator("#entries tbody a.obs-number").first.click()
    page.locator("#check").wait_for()


def test_an_auditor_checks_an_entry_in_the_browser(
    page: Page, installation: dict[str, Any], agent: str
) -> None:
    page.get_by_role("link", name="Entries", exact=True).click()
    expect(page.locator("#entries")).to_contain_text(agent)
    open_first(page, installation["url"], agent)

    page.get_by_role("button", name="Check this entry").click()

    for step in ("hash", "seq", "ledger", "prev"):
        expect(page.locator(f"[data-step={step}]")).to_contain_text(f"{step}: matches")


def test_one_changed_byte_differs(page: Page, installation: dict[str, Any], agent: str) -> None:
    open_first(page, installation["url"], agent)
    section = page.locator("#check")
    record = bytearray(base64.b64decode(section.get_attribute("data-record") or ""))
    record[record.index(b"search")] ^= 1
    section.evaluate(
        "(element, bytes) => { element.dataset.record = bytes }", base64.b64encode(record).decode()
    )

    page.get_by_role("button", name="Check this entry").click()

    expect(page.locator("[data-step=hash]")).to_contain_text("hash: differs")
    expect(page.locator("[data-step=seq]")).to_contain_text("seq: matches")


def test_a_wrong_link_to_the_entry_before_differs(
    page: Page, installation: dict[str, Any], agent: str
) -> None:
    open_first(page, installation["url"], agent)
    page.locator("#check").evaluate("element => { element.dataset.prev = 'f'.repeat(64) }")

    page.get_by_role("button", name="Check this entry").click()

    expect(page.locator("[data-step=hash]")).to_contain_text("hash: matches")
    expect(page.locator("[data-step=prev]")).to_contain_text("prev: differs")


def test_without_cryptography_the_page_says_so(
    page: Page, installation: dict[str, Any], agent: str
) -> None:
    open_first(page, installation["url"], agent)
    page.evaluate("Object.defineProperty(crypto, 'subtle', { value: undefined })")

    page.get_by_role("button", name="Check this entry").click()

    expect(page.locator("#check-result")).to_contain_text("browsers offer no cryptography")


def test_k_and_j_walk_the_chain(page: Page, installation: dict[str, Any], agent: str) -> None:
    open_first(page, installation["url"], agent)
    here = page.url
    older = page.locator("a[rel=prev]").get_attribute("href") or ""

    page.keyboard.press("k")
    page.wait_for_url(f"**{older}")
    page.keyboard.press("j")

    page.wait_for_url(here)


def test_keys_typed_into_a_field_walk_nowhere(page: Page, installation: dict[str, Any]) -> None:
    page.goto(f"{installation['url']}/admin/audit/entry/")

    page.keyboard.press("/")
    page.keyboard.type("jjk")

    assert page.locator("#obs-go").input_value() == "jjk"


def test_times_are_in_the_viewers_zone_with_utc_on_hover(
    page: Page, installation: dict[str, Any], agent: str
) -> None:
    page.goto(f"{installation['url']}/admin/audit/entry/?agent={agent}")

    shown = page.locator("#entries time").first
    expect(shown).to_contain_text("19:00:00")  # 10:00 UTC in Tokyo
    assert shown.get_attribute("title") == "2026-10-01T10:00:00.000000Z (UTC)"
    expect(page.locator("[data-zone]")).to_have_text("Asia/Tokyo")
