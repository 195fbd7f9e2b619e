"""An agent asks before it acts, a person answers at the desk, and the agent goes on or does not.

A real browser and the SDK at either end of a whole installation. Skips, and says so, on a machine
without Chromium.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from obsagent.acts import Acts
from obsagent.approvals import Approval, Approvals
from obsagent.client import Client
from obsagent.errors import ApprovalDenied
from obsagent.event import new_id
from playwright.sync_api import Browser, Page, expect

from tests.browser.chromium import chromium_path

pytestmark = pytest.mark.skipif(chromium_path() is None, reason="no Chromium on this machine")

_SECONDS = 60


@pytest.fixture
def page(chromium: Browser) -> Iterator[Page]:
    context = chromium.new_context()
    yield context.new_page()
    context.close()


@pytest.fixture
def payer(installation: dict[str, Any], tmp_path: Path) -> Iterator[Client]:
    """Return the client of an agent that pays; it may ask and read answers."""
    with Client(
        installation["url"], installation["key"], agent=f"payer-{new_id()[-8:]}", spool=tmp_path
    ) as client:
        yield client


def ask(payer: Client, eur: int) -> Approval:
    """Ask for a payment, and return once the platform has the request."""
    asked = Approvals(payer).request("pay", {"eur": eur}, summary=f"Pay {eur} EUR to Bob")
    assert payer.flush(_SECONDS)
    return asked


def open_request(page: Page, enter: Callable[..., None], summary: str) -> None:
    """Open the page of a request, which is listed a moment after it was chained."""
    listed = "/admin/compliance/approvalrequest/"
    enter(page, listed)
    row = page.locator("#rows tr", has_text=summary).locator("a[data-open]").first
    ends = time.monotonic() + _SECONDS
    while not row.count():
        assert time.monotonic() < ends, f"{summary!r} is not listed"
        time.sleep(0.5)
        page.reload()
    row.click()
    page.locator("#grant").wait_for()


def answer(page: Page, word: str, reason: str) -> None:
    page.fill(f"#{word.lower()} [name=reason]", reason)
    page.get_by_role("button", name=word, exact=True).click()


def test_an_agent_goes_on_when_a_person_grants_and_not_when_one_denies(
    page: Page, enter: Callable[..., None], installation: dict[str, Any], payer: Client
) -> None:
    granted, denied = ask(payer, 5), ask(payer, 500)

    open_request(page, enter, "Pay 5 EUR to Bob")
    expect(page.locator(".obs-fields")).to_contain_text(granted.arguments_hash[:8])
    answer(page, "Grant", "Bob's invoice is here")
    expect(page.locator(".obs-page")).to_contain_text("granted")
    open_request(page, enter, "Pay 500 EUR to Bob")
    answer(page, "Deny", "No invoice of that sum")
    expect(page.locator(".obs-page")).to_contain_text("denied")

    approval = granted.wait(_SECONDS)
    with Acts(payer).tool("pay", arguments={"eur": 5}, approval=approval, risk="high") as call:
        call.result("paid")
    assert payer.flush(_SECONDS)
    assert approval.entry is not None
    said = approval.entry["record"]["event"]
    assert (said["actor"]["id"], said["reason"]) == (installation["user"], "Bob's invoice is here")
    with pytest.raises(ApprovalDenied, match="No invoice of that sum"):
        denied.wait(_SECONDS)
