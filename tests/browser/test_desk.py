"""Walk through the desk with a real browser: log in, entries, entry, check.

The installation is a whole one; it takes real events through the API. Skips, and says so, on a
machine without Chromium.
"""

from __future__ import annotations

import base64
import json
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Browser, Dialog, Page, expect

from tests.browser.chromium import chromium_path
from tests.conftest import make_event

pytestmark = pytest.mark.skipif(chromium_path() is None, reason="no Chromium on this machine")

SAID = "naïve 😀 日本 \u2028 <script>alert(1)</script> \u202eevil"


@pytest.fixture(scope="module")
def agent(installation: dict[str, Any]) -> str:
    """Post three events of one agent and return its id once they are chained."""
    name = f"desk-{uuid.uuid4().hex[:8]}"
    post_event(installation, name, count=3)
    return name


def post_event(installation: dict[str, Any], name: str, *, count: int = 1) -> None:
    """Post events of an agent and return once they are chained."""
    events = [make_event(agent={"id": name}, details={"said": SAID}) for _ in range(count)]
    request = urllib.request.Request(
        f"{installation['url']}/api/v1/events?wait=chained",
        data=json.dumps(events).encode(),
        headers={
            "Authorization": f"Bearer {installation['key']}",
            "Content-Type": "application/json",
        },
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        assert answer.status == 200


@pytest.fixture
def page(chromium: Browser, enter: Callable[..., None]) -> Iterator[Page]:
    context = chromium.new_context(timezone_id="Asia/Tokyo")
    opened = context.new_page()
    complaints: list[str] = []
    opened.on("pageerror", lambda error: complaints.append(str(error)))

    def refuse(dialog: Dialog) -> None:
        complaints.append(f"a dialog opened: {dialog.message}")
        dialog.dismiss()

    opened.on("dialog", refuse)
    enter(opened)
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
    expect(page.locator("#entries [data-zone]")).to_have_text("Asia/Tokyo")


def test_the_zone_is_switched_and_remembered(
    page: Page, installation: dict[str, Any], agent: str
) -> None:
    page.goto(f"{installation['url']}/admin/audit/entry/?agent={agent}")

    page.keyboard.press("u")
    expect(page.locator("#entries time").first).to_contain_text("10:00:00")
    page.reload()

    expect(page.locator("#entries time").first).to_contain_text("10:00:00")
    expect(page.locator("#entries [data-zone]")).to_have_text("UTC")
    assert page.context.cookies() == [
        one for one in page.context.cookies() if one["name"] in {"sessionid", "csrftoken"}
    ]


def test_times_are_typed_in_the_viewers_zone_and_sent_with_their_offset(
    page: Page, installation: dict[str, Any], agent: str
) -> None:
    page.goto(f"{installation['url']}/admin/audit/entry/?agent={agent}")

    page.keyboard.press("f")
    page.keyboard.type("2026-10-01 18:59")
    page.get_by_label("Until, not included").fill("2026-10-01 19:01:00")
    page.get_by_role("button", name="Show entries").click()

    page.wait_for_url("**from=**")
    asked = parse_qs(urlsplit(page.url).query)
    assert asked == {
        "ledger": [installation["ledger"]],
        "agent": [agent],
        "from": ["2026-10-01T18:59:00+09:00"],
        "to": ["2026-10-01T19:01:00+09:00"],
    }
    expect(page.locator("tr[data-row]")).to_have_count(3)
    expect(page.locator("#obs-f-from")).to_have_value("2026-10-01 18:59:00")


def test_a_time_that_cannot_be_read_shows_nothing(
    page: Page, installation: dict[str, Any], agent: str
) -> None:
    page.goto(f"{installation['url']}/admin/audit/entry/?agent={agent}")

    page.keyboard.press("f")
    page.keyboard.type("2026-02-31")
    page.keyboard.press("Enter")

    expect(page.locator("#obs-f-from-error")).to_be_visible()
    expect(page.locator("tr[data-row]")).to_have_count(0)


def test_rows_are_walked_expanded_and_opened_by_keys(
    page: Page, installation: dict[str, Any], agent: str
) -> None:
    page.goto(f"{installation['url']}/admin/audit/entry/?agent={agent}")
    second = page.locator("tr[data-row]").nth(1)
    href = second.locator("[data-open]").get_attribute("href")

    for key in ("j", "j", "j", "k", "e"):
        page.keyboard.press(key)
    expect(page.locator("tr.obs-more").nth(1)).to_contain_text("Entries of its run")
    page.keyboard.press("Enter")

    page.wait_for_url(f"**{href}")


def test_the_keys_are_listed(page: Page, installation: dict[str, Any]) -> None:
    page.keyboard.press("?")

    expect(page.get_by_role("dialog", name="Keys")).to_contain_text("Expand the row")
    page.keyboard.press("Escape")
    expect(page.locator("#obs-keys")).to_be_hidden()


def test_the_front_page_refreshes_itself_and_can_be_paused(
    page: Page, installation: dict[str, Any]
) -> None:
    page.goto(f"{installation['url']}/admin/")
    name = f"live-{uuid.uuid4().hex[:8]}"
    post_event(installation, name)
    expect(page.locator("[data-live-part=activity]")).to_contain_text(name, timeout=30_000)

    page.get_by_role("button", name="Pause").click()

    expect(page.locator("[data-live-said]")).to_contain_text("Paused")


def test_without_scripts_the_desk_can_be_read_and_filtered(
    chromium: Browser, installation: dict[str, Any], agent: str, page: Page
) -> None:
    plain = chromium.new_context(
        java_script_enabled=False, storage_state=page.context.storage_state()
    )
    still = plain.new_page()
    still.goto(f"{installation['url']}/admin/audit/entry/")
    still.locator("#obs-filter > summary").click()
    still.locator("input[name=agent]").first.fill(agent)
    still.get_by_role("button", name="Show entries").click()

    expect(still.locator("tr[data-row]")).to_have_count(3)
    still.locator("tr[data-row] summary").first.click()
    expect(still.locator("tr.obs-more").first).to_contain_text("The agent")
    plain.close()
