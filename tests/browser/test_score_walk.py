"""From a score down to the proof of one entry, by links alone, as an auditor walks it.

Everything is real: events are posted through the API, the worker tallies them and seals a posture,
and the browser follows what the pages offer. Skips, and says so, on a machine without Chromium.
"""

from __future__ import annotations

import re
import subprocess
import sys
import uuid
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.calling import call
from tests.browser.chromium import chromium_path
from tests.browser.test_desk import page
from tests.conftest import make_event
from tests.installation import clean_environment

__all__ = ["page"]  # fixtures, which pytest finds by their names here

pytestmark = pytest.mark.skipif(chromium_path() is None, reason="no Chromium on this machine")

WAIT = 120_000
"""ms for the worker to tally what came; nothing is timed, a test that waits longer has failed."""


@pytest.fixture
def late_agent(installation: dict[str, Any]) -> str:
    """Post events weeks after they happened, which LOG-04 fails, and return their agent."""
    name = f"late-{uuid.uuid4().hex[:8]}"
    events = [make_event(agent={"id": name, "environment": "prod"}) for _ in range(40)]
    status, answer = call(
        f"{installation['url']}/api/v1/events?wait=chained",
        method="POST",
        key=installation["key"],
        body=events,
    )
    assert status == 200, answer
    return name


def open_framework(page: Page, url: str, agent: str) -> None:
    """Go to the scores by the map and narrow SOC 2 to the agent by the page's own form."""
    page.goto(f"{url}/admin/")
    page.locator("#nav-sidebar").get_by_role("link", name="Scores", exact=True).click()
    page.locator("#content a[href*='/compliance/score/soc2/']").first.click()
    page.locator("#obs-filter > summary").click()
    page.get_by_label("Agent").fill(agent)
    page.get_by_role("button", name="Compute").click()
    expect(page.locator("#not-sealed")).to_be_visible()
    expect(page.locator(".obs-chips")).to_contain_text(agent)


def test_from_a_score_to_the_proof_of_an_entry(
    page: Page, installation: dict[str, Any], late_agent: str
) -> None:
    url = installation["url"]
    expect_tallied(page, url, late_agent)

    open_framework(page, url, late_agent)
    for number in ("Evidenced", "Tested", "Coverage", "Cap"):
        expect(page.locator("#numbers .obs-score")).to_contain_text(number)
    page.locator("#matrix").get_by_role("link", name="CC2.1", exact=True).click()
    expect(page.locator(".obs-sentence")).to_contain_text("CC2.1")
    page.locator("#legs").get_by_role("link", name="LOG-04", exact=True).click()
    expect(page.locator(".obs-sentence")).to_contain_text("40 of 40 items failed")
    page.locator("#failing a[data-open]").first.click()
    expect(page.locator("#read")).to_contain_text("ingest.delay_seconds")
    page.get_by_role("link", name=re.compile("^Entry #|receipt_long")).first.click()

    expect(page.get_by_role("heading", name="Place in the chain")).to_be_visible()
    expect(page.locator("#content")).to_contain_text(late_agent)
    page.get_by_role("button", name="Check this entry").click()
    expect(page.locator("[data-step=hash]")).to_contain_text("hash: matches")
    expect(page.locator("#proof")).to_be_visible()


@pytest.fixture(scope="module")
def posture(installation: dict[str, Any]) -> None:
    """Have the worker of the installation seal today's postures, as beat does each night."""
    asked = [sys.executable, "-m", "celery", "-A", "obsplatform", "call", "compliance.posture"]
    environment = clean_environment(OBS_DATA=str(installation["data"]))
    subprocess.run(asked, env=environment, check=True, timeout=60, capture_output=True)


def test_a_sealed_posture_leads_to_its_entry(
    page: Page, installation: dict[str, Any], posture: None
) -> None:
    url = installation["url"]
    expect_posture(page, url)

    page.goto(f"{url}/admin/compliance/score/soc2/")
    page.get_by_role("link", name="Sealed", exact=True).click()
    digest = page.locator("code.obs-long").first.inner_text()
    page.locator(".obs-fields a[href*='/admin/audit/entry/']").first.click()

    expect(page.locator("#content")).to_contain_text("audit.snapshot_sealed")
    expect(page.locator("#content")).to_contain_text(digest)


def test_the_states_of_the_matrix_narrow_it(
    page: Page, installation: dict[str, Any], posture: None
) -> None:
    url = installation["url"]
    expect_posture(page, url)
    page.goto(f"{url}/admin/compliance/score/soc2/")
    all_of_them = page.locator("#matrix tr[data-row]").count()

    state = page.get_by_role("navigation", name="Controls by state").get_by_role("link").first
    state.click()

    expect(page.locator(".obs-chips")).to_contain_text("state")
    assert 0 < page.locator("#matrix tr[data-row]").count() < all_of_them


def expect_tallied(page: Page, url: str, agent: str) -> None:
    """Reload the check of the agent until the worker has tallied its events."""
    address = f"{url}/admin/compliance/score/soc2/check/LOG-04/?control=CC2.1&agent={agent}"
    _reload_until(page, address, ".obs-sentence", "40 of 40 items failed")


def expect_posture(page: Page, url: str) -> None:
    """Reload the score until the worker has sealed the first posture."""
    _reload_until(page, f"{url}/admin/compliance/score/soc2/", "#numbers", "Sealed")


def _reload_until(page: Page, address: str, place: str, said: str) -> None:
    """Open the address again and again, WAIT at most, until the place says it."""
    page.goto(address)
    found = page.locator(place, has_text=said)
    for _ in range(WAIT // 2_000):
        if found.count():
            return
        page.wait_for_timeout(2_000)
        page.goto(address)
    expect(found).to_be_visible()
