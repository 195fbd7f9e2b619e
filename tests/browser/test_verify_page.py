"""Verify in a real browser: ask, watch it go, read the result; an auditor may only look.

The installation is a whole one, so a Celery worker does the run. Skips, and says so, on a machine
without Chromium.
"""

from __future__ import annotations

import json
import re
import signal
import urllib.error
import urllib.request
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest
from playwright.sync_api import Page, expect

from audit.verify import CHUNK
from tests.browser.chromium import chromium_path
from tests.browser.conftest import Workers
from tests.browser.test_desk import agent, page
from tests.conftest import make_event

__all__ = ["agent", "page"]  # fixtures, which pytest finds by their names here

pytestmark = pytest.mark.skipif(chromium_path() is None, reason="no Chromium on this machine")


def test_a_ledger_is_verified_from_its_page_to_the_result(
    page: Page, installation: dict[str, Any], agent: str
) -> None:
    page.get_by_role("link", name="Ledgers", exact=True).click()
    page.get_by_role("link", name=installation["ledger"], exact=True).first.click()

    page.get_by_role("button", name="Verify").click()

    expect(page.locator(".obs-sentence")).to_contain_text("Intact", timeout=30_000)
    expect(page.get_by_role("heading", name="The run")).to_be_visible()
    page.get_by_role("link", name="Entries about such results").click()
    expect(page.locator("#entries")).to_contain_text("audit.chain_verified")


def test_an_agent_is_reached_from_the_registry_and_leads_to_its_entries(
    page: Page, installation: dict[str, Any], agent: str
) -> None:
    page.goto(f"{installation['url']}/admin/audit/agent/")
    page.get_by_role("link", name=agent).first.click()

    page.locator(".obs-fields a", has_text=re.compile(r"^\s*3\s*$")).first.click()

    expect(page.locator("#entries")).to_contain_text(agent)


def send(installation: dict[str, Any], event: dict[str, Any]) -> None:
    """Post one event and wait until it is chained, or hear that its id is taken."""
    request = urllib.request.Request(
        f"{installation['url']}/api/v1/events?wait=chained",
        data=json.dumps(event).encode(),
        headers={
            "Authorization": f"Bearer {installation['key']}",
            "Content-Type": "application/json",
        },
    )
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            assert answer.status == 200
    except urllib.error.HTTPError as refusal:
        if refusal.code != 409:
            raise


def test_progress_is_followed_without_reload_told_aloud_and_cancelled(
    page: Page, installation: dict[str, Any], agent: str, worker: psycopg.Connection[Any]
) -> None:
    """A run is over in a moment here, so the test is the worker of one and takes its time.

    Real workers in the middle of a real run: the tests that resume one.
    """
    begun = worker.execute(
        """
        INSERT INTO audit_verification
            (ledger_id, kind, from_seq, to_seq, started_at, attempt, attempt_at, seen_at)
        SELECT id, 'manual', 0, 1000, now(), 1, now() - interval '10 s', now()
        FROM audit_ledger WHERE name = %s
        RETURNING id
        """,
        (installation["ledger"],),
    ).fetchone()
    assert begun is not None
    page.goto(f"{installation['url']}/admin/audit/verification/{begun[0]}/change/")
    expect(page.locator(".obs-sentence")).to_contain_text("Checking")
    page.evaluate("window.isTheSamePage = true")

    worker.execute(
        "UPDATE audit_verification SET checked = 450, next_seq = 450, "
        "seen_at = attempt_at + interval '10 s' WHERE id = %s",
        begun,
    )

    expect(page.locator("#run-percent")).to_have_text("45 %", timeout=10_000)
    expect(page.locator("#run-bar")).to_have_attribute("value", "45")
    expect(page.locator("#run-rate")).to_have_text("45 a second, 13 s left")
    expect(page.locator("#run-said")).to_have_text("40 % of the run is done.")
    assert page.locator("#run-said").get_attribute("aria-live") == "polite"
    assert page.evaluate("window.isTheSamePage")

    page.get_by_role("button", name="Cancel the run").click()

    expect(page.locator(".obs-sentence")).to_contain_text("Cancelled by")
    expect(page.get_by_role("button", name="Resume the run")).to_be_visible()


def begin_run(page: Page, installation: dict[str, Any], workers: Workers) -> int:
    """Ask for a verification by its button and return its number; no worker reads yet."""
    page.goto(f"{installation['url']}/admin/audit/ledger/{installation['ledger']}/change/")
    workers.let_none_read()
    page.get_by_role("button", name="Verify").click()
    page.wait_for_url("**/admin/audit/verification/*/change/")
    return int(urlsplit(page.url).path.split("/")[-3])


def expect_the_rest_is_checked(page: Page, size: int) -> None:
    """Follow a resumed run to its result: the whole ledger, in two attempts."""
    expect(page.locator(".obs-sentence")).to_contain_text("Intact", timeout=60_000)
    facts = page.locator(".obs-fields")
    expect(facts.get_by_text("by hand")).to_be_visible()
    expect(facts.locator("div", has=page.get_by_text("Attempts", exact=True))).to_contain_text("2")
    checked = facts.locator("div", has=page.get_by_text("Checked", exact=True)).inner_text()
    assert int(re.sub(r"\D", "", checked)) >= size


def test_a_run_cancelled_in_the_middle_is_resumed_and_ends_with_its_result(
    page: Page, installation: dict[str, Any], long_ledger: str, workers: Workers
) -> None:
    run_id = begin_run(page, installation, workers)
    workers.stop_in_the_middle(run_id)
    expect(page.locator("#run-percent")).to_have_text(re.compile(r"[1-9]\d? %"))

    page.get_by_role("button", name="Cancel the run").click()
    expect(page.locator(".obs-sentence")).to_contain_text("Cancelled by")
    expect(page.get_by_text(f"It was about to check #{CHUNK:,} of")).to_be_visible()
    workers.go_on()
    page.get_by_role("button", name="Resume the run").click()

    expect_the_rest_is_checked(page, CHUNK)


def test_a_run_whose_worker_was_killed_is_resumed_and_ends_with_its_result(
    page: Page,
    installation: dict[str, Any],
    long_ledger: str,
    workers: Workers,
    worker: psycopg.Connection[Any],
) -> None:
    """That it has been silent for long is written into its row, so that no test waits for it."""
    run_id = begin_run(page, installation, workers)
    workers.stop_in_the_middle(run_id, by=signal.SIGKILL)
    worker.execute(
        "UPDATE audit_verification SET seen_at = now() - interval '31 s' WHERE id = %s", (run_id,)
    )
    expect(page.locator(".obs-sentence")).to_contain_text("Stalled", timeout=10_000)

    page.get_by_role("button", name="Resume the run").click()

    expect_the_rest_is_checked(page, CHUNK)


def test_what_is_in_quarantine_is_compared_and_resolved_with_a_note(
    page: Page, installation: dict[str, Any]
) -> None:
    first = make_event(details={"amount": 10})
    send(installation, first)
    send(installation, first | {"details": {"amount": "<b>99</b>"}})
    page.goto(f"{installation['url']}/admin/audit/quarantine/")
    page.locator("tr", has_text=str(first["id"])).get_by_role("link").first.click()
    expect(page.get_by_role("region", name="Differences")).to_contain_text("<b>99</b>")

    page.get_by_label("Note").fill("The client counted its ids by hand.")
    page.get_by_role("button", name="Resolve").click()

    expect(page.get_by_text("It is resolved; this is an entry in the ledger.")).to_be_visible()
    expect(page.locator(".obs-fields").first).to_contain_text("resolved")
    expect(page.get_by_label("Note")).to_have_count(0)
