"""Whatever an agent sends stands on every page as text: nothing of it runs, loads or hides.

A corpus of attacks goes through the API into every free field of an event; then each page that
shows it is opened. A dialog, a script error, a console error, a report of the content security
policy, an element or an attribute made of it, or a request elsewhere fails.
"""

from __future__ import annotations

import json
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote, urlsplit

import msgspec
import pytest
from playwright.sync_api import Browser, Dialog, Page

from tests.audit.building import fields_of, full_event, place
from tests.browser.chromium import chromium_path
from tests.sizes import size

pytestmark = pytest.mark.skipif(chromium_path() is None, reason="no Chromium on this machine")

CORPUS = (
    "<script>window.ran=1;alert(1)</script>",
    '"><img src=x onerror="window.ran=1;alert(2)">',
    "'><svg/onload=window.ran=1>",
    "</script><script>window.ran=1</script>",
    "</textarea></title></style><iframe srcdoc='<script>parent.ran=1</script>'>",
    "javascript:window.ran=1",
    '" onmouseover="window.ran=1" autofocus onfocus="window.ran=1" x="',
    "{{ 7*7 }}{% debug %}${window.ran=1}",
    '<a href="javascript:window.ran=1">click</a>',
    '<div x-data x-init="window.ran=1" x-text="window.ran=1"></div>',
    '<div hx-get="/admin/logout/" hx-trigger="load"></div>',
    '<base href="https://evil.invalid/"><link rel=stylesheet href=https://evil.invalid/x.css>',
    '<meta http-equiv=refresh content="0;url=https://evil.invalid">',
    "\u202e<b>gnp.exe\u2066\u200b",
    '<!--<img src="--><img src=x onerror=window.ran=1>',
    "&lt;script&gt;window.ran=1&lt;/script&gt;",
    "`-window.ran=1-`';window.ran=1//",
    "<math><mtext></p><style><img src onerror=window.ran=1></style>",
)
WATCH = """
document.addEventListener("securitypolicyviolation", (event) => {
    window.violations = window.violations || [];
    window.violations.push(`${event.violatedDirective} ${event.sample}`);
});
"""
# A drawing of our own says what it shows; one of the corpus says nothing.
FOUND = """() => ({
    ran: window.ran === 1,
    violations: window.violations || [],
    elements: [...document.querySelectorAll(
        "#content script, #content iframe, #content base, #content meta, #content link,"
        + " #content img, #content math, #content svg:not([aria-label]), #content b,"
        + " #content [onerror], #content [onload], #content [onfocus], #content [onmouseover],"
        + " #content [hx-get], #content [x-init], #content [href^='javascript:' i]"
    )].map((one) => one.outerHTML.slice(0, 200)),
    hidden: /[\\u202e\\u2066\\u200b]/.test(document.getElementById("content").innerText),
})"""


def hostile_events() -> list[dict[str, Any]]:
    """Return events whose every free string holds an attack; each attack meets each field."""
    free = [
        path
        for path, kind in fields_of()
        if isinstance(kind, msgspec.inspect.StrType)
        and kind.pattern is None
        and not path[-1].endswith(("_at", "_until"))
        and path[0] not in {"integrity", "action", "schema_version", "personal"}
        and path[-1] != "trace_id"
    ]
    events = []
    for turn in range(len(CORPUS)):
        event = full_event()
        for number, path in enumerate(free):
            event = place(event, path, CORPUS[(turn + number) % len(CORPUS)][:200])
        attack = CORPUS[turn]
        event |= {
            "id": str(uuid.uuid4()),
            "category": "tool_call",
            "action": "tool.invoke",
            "outcome": "denied",
            "labels": {attack: attack},
            "details": {attack: [attack, {attack: attack}], "long": attack * 50},
        }
        event["agent"]["id"] = f"{attack} {uuid.uuid4().hex[:8]}"[:200]
        event["run"]["id"] = attack
        event.pop("personal", None)
        event["data"].pop("subject_ids", None)
        events.append(event)
    return events


@pytest.fixture(scope="module")
def sent(installation: dict[str, Any]) -> list[dict[str, Any]]:
    """Post the hostile events and return their receipts once they are chained."""
    request = urllib.request.Request(
        f"{installation['url']}/api/v1/events?wait=chained",
        data=json.dumps(hostile_events()).encode(),
        headers={
            "Authorization": f"Bearer {installation['governance_key']}",
            "Content-Type": "application/json",
        },
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        receipts: list[dict[str, Any]] = json.loads(answer.read())["receipts"]
    assert [each["status"] for each in receipts] == ["received"] * len(CORPUS), receipts
    return receipts


@pytest.fixture
def page(
    chromium: Browser, installation: dict[str, Any], enter: Callable[..., None]
) -> Iterator[Page]:
    context = chromium.new_context()
    context.add_init_script(WATCH)
    opened = context.new_page()
    complaints: list[str] = []
    origin = urlsplit(installation["url"]).netloc

    def refuse(dialog: Dialog) -> None:
        complaints.append(f"a dialog opened: {dialog.message}")
        dialog.dismiss()

    opened.on("dialog", refuse)
    opened.on("pageerror", lambda error: complaints.append(f"script error: {error}"))
    opened.on(
        "console",
        lambda said: complaints.append(f"console: {said.text}") if said.type == "error" else None,
    )
    opened.on(
        "request",
        lambda asked: (
            complaints.append(f"asked for {asked.url}")
            if urlsplit(asked.url).scheme not in {"data", "blob"}
            and urlsplit(asked.url).netloc != origin
            else None
        ),
    )
    enter(opened)
    yield opened
    context.close()
    assert complaints == []


def assert_only_text(page: Page) -> None:
    page.evaluate("for (const one of document.querySelectorAll('details')) one.open = true")
    page.wait_for_load_state("networkidle")
    found = page.evaluate(FOUND)
    assert found == {"ran": False, "violations": [], "elements": [], "hidden": False}, page.url


def test_lists_and_front_page_show_it_as_text(
    page: Page, installation: dict[str, Any], sent: list[dict[str, Any]]
) -> None:
    for address in (
        "/admin/",
        "/admin/audit/entry/",
        "/admin/audit/entry/?outcome=denied",
        "/admin/audit/agent/",
        "/admin/audit/ledger/",
        "/admin/audit/quarantine/",
    ):
        page.goto(installation["url"] + address)
        assert_only_text(page)


def test_the_page_of_an_agent_shows_it_as_text(
    page: Page, installation: dict[str, Any], sent: list[dict[str, Any]]
) -> None:
    page.goto(f"{installation['url']}/admin/audit/agent/")
    listed = page.locator("tbody a[href*='?id=']")
    addresses = {listed.nth(place).get_attribute("href") for place in range(listed.count())}
    assert len(addresses) >= len(CORPUS)

    for address in sorted(one for one in addresses if one):
        page.goto(installation["url"] + address)
        assert_only_text(page)


def test_every_entry_page_shows_it_as_text(
    page: Page, installation: dict[str, Any], sent: list[dict[str, Any]]
) -> None:
    for receipt in sent:
        page.goto(f"{installation['url']}/admin/audit/entry/{receipt['hash']}/change/")
        page.click("#check-button")
        page.locator("[data-step=hash]").wait_for()
        assert_only_text(page)


def test_filters_show_it_as_text(
    page: Page, installation: dict[str, Any], sent: list[dict[str, Any]]
) -> None:
    # Each attack in each place is the long form; else each is in one, beside others in the others.
    step = size(4, 1)
    for first in range(0, len(CORPUS), step):
        agent, run, since, unknown = (
            quote(CORPUS[(first + place % step) % len(CORPUS)], safe="") for place in range(4)
        )
        query = f"?agent={agent}&run={run}&from={since}&{unknown}={unknown}"

        page.goto(f"{installation['url']}/admin/audit/entry/{query}")

        assert page.locator(".obs-chip").count() == 4
        assert_only_text(page)


def test_the_box_shows_it_as_text(
    page: Page, installation: dict[str, Any], sent: list[dict[str, Any]]
) -> None:
    """What the box could not find is said on the next page, of all that was asked before it."""
    entries = f"{installation['url']}/admin/audit/entry/"
    for attack in CORPUS:
        asked = quote(attack, safe="")
        page.request.get(f"{entries}go/?q={asked}", max_redirects=0).dispose()

    page.goto(entries)

    said = page.locator("#main").inner_text()
    assert said.count("No entry") == len(CORPUS)
    assert_only_text(page)


def test_live_parts_put_it_in_as_text(
    page: Page, installation: dict[str, Any], sent: list[dict[str, Any]]
) -> None:
    page.goto(f"{installation['url']}/admin/")
    with page.expect_response("**/admin/overview/**"):
        page.get_by_role("button", name="Pause").click()
        page.get_by_role("button", name="Go on").click()

    assert_only_text(page)
