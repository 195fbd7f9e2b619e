"""Steps on reports, scores, waivers and schedules."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta

from playwright.sync_api import Page


def open_report(page: Page, url: str) -> None:
    page.goto(f"{url}/admin/compliance/report/")
    rows = page.locator("#reports tbody a[href*='/change/']")
    if rows.count():
        rows.first.click()
        page.locator("h1").first.wait_for()


def compare_reports(page: Page, url: str) -> None:
    """Compare the two newest reports of a framework; fewer of them leave the list."""
    page.goto(f"{url}/admin/compliance/report/?framework=soc2")
    links = page.locator("#reports tbody a[href*='/change/']")
    found = [str(links.nth(at).get_attribute("href")) for at in range(min(links.count(), 6))]
    numbers = list(dict.fromkeys(each.split("/change/")[0].rpartition("/")[2] for each in found))
    if len(numbers) > 1:
        page.goto(f"{url}/admin/compliance/report/compare/?a={numbers[1]}&b={numbers[0]}")


def open_score(page: Page, url: str) -> None:
    """Open the framework that most is known of."""
    page.goto(f"{url}/admin/compliance/score/soc2/")
    page.locator("#matrix").wait_for()


def unfold_area(page: Page, url: str) -> None:
    """Show the controls of one area; a wide screen shows all of them anyway."""
    open_score(page, url)
    fold = page.locator(".obs-area-fold").first
    if fold.is_visible():
        fold.check()


def open_control(page: Page, url: str) -> None:
    """Open a control with a failing leg, the first there is."""
    page.goto(f"{url}/admin/compliance/score/soc2/?state=fail")
    fold = page.locator(".obs-area-fold").first
    if fold.is_visible():
        fold.check()
    page.locator("#matrix a[data-open]").first.click()
    page.locator("#legs").wait_for()


def open_check(page: Page, url: str) -> None:
    open_control(page, url)
    failing = page.locator("#legs tbody tr").filter(has=page.locator("a[href$='#items']"))
    failing.locator("a[data-open]").first.click()
    page.locator("#items").wait_for()


def open_item(page: Page, url: str) -> None:
    open_check(page, url)
    page.locator("#failing a[data-open]").first.click()
    page.locator("#read").wait_for()


def own_period(page: Page, url: str) -> None:
    page.goto(f"{url}/admin/compliance/score/soc2/")
    page.locator("#obs-filter > summary").click()
    page.select_option("#obs-environment", "staging")
    page.get_by_role("button", name="Compute").click()
    page.locator("#not-sealed").wait_for()


def _fill_waiver(page: Page, url: str, *, reason: str) -> None:
    """Fill in a waiver of a leg that the shipped framework has, and send it."""
    page.goto(f"{url}/admin/compliance/decision/new/waiver/")
    page.select_option("#framework", "hipaa")
    page.fill("#control", "164.308(a)(1)(ii)(D)")
    page.fill("#check", "LOG-10")
    page.fill("#reason", reason)
    page.fill("#risk", "a failure is seen late")
    page.fill("#compensating", "alerts are read daily")
    page.fill("#expires_on", (datetime.now(UTC) + timedelta(days=30)).date().isoformat())
    page.click("form.obs-form button.obs-button-main")
    page.wait_for_load_state()


def refused_waiver(page: Page, url: str) -> None:
    _fill_waiver(page, url, reason="")


def ask_waiver(page: Page, url: str) -> None:
    _fill_waiver(page, url, reason="the reviewer is ill")
    page.locator("#approve").wait_for()


def make_schedule(page: Page, url: str) -> None:
    """Fill the form of a schedule, two recipients, with runs over a change of the clock."""
    page.goto(f"{url}/admin/compliance/schedule/new/")
    page.fill("#name", f"board {uuid.uuid4().hex[:6]}")
    page.fill("#zone", "Europe/Berlin")
    page.fill("#recipient-0-address", "auditor@example.com")
    page.get_by_role("button", name="More recipients").click()
    page.get_by_role("button", name="Check the next runs").click()
    page.locator("#runs").wait_for()


def refused_schedule(page: Page, url: str) -> None:
    page.goto(f"{url}/admin/compliance/schedule/new/")
    page.fill("#name", "never")
    page.select_option("#preset", "own")
    page.fill("#cron", "0 6 31 2 *")
    page.get_by_role("button", name="Make the schedule").click()
    page.locator(".obs-error").first.wait_for()


def made_schedule(page: Page, url: str) -> None:
    make_schedule(page, url)
    page.get_by_role("button", name="Make the schedule").click()
    page.locator("#next").wait_for()
