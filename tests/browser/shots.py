"""Photograph every page of a running installation and fail on what no page may have.

`python -m tests.browser.shots [FOLDER] [--ready READY.json]` visits each page of PAGES at two
widths, in light and dark. It exits 1 and lists what it found when a page logs an error to the
console, asks for anything outside its origin, scrolls sideways, or has a serious accessibility
finding. The pictures are for people to look at.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, ConsoleMessage, Locator, Page, Request

from tests.browser.chromium import browser, log_in
from tests.browser.traced import keep_traces

WIDTHS = {1440: 900, 390: 844}
THEMES = ("light", "dark")
SERIOUS = {"serious", "critical"}


@dataclass(frozen=True, kw_only=True)
class View:
    """One page to photograph."""

    name: str
    path: str = ""
    act: Callable[[Page, str], None] | None = None
    """What to do instead of opening the path."""
    is_public: bool = False
    status: int = 200
    """The answer it must give; a browser logs that of its own page, which is then no fault."""
    debug: bool | None = None
    """Shown only with OBS_DEBUG (True) or only without (False); else left out, and that is said."""
    on_paper: bool = False
    """Print it as a PDF too."""


def _locked_out(page: Page, url: str) -> None:
    """Fail to log in under a name that nobody has, until no more log-ins are looked at."""
    refused = page.get_by_text("Too many log-ins failed")
    page.goto(f"{url}/admin/login/")
    while not refused.count():
        page.fill("#id_username", "nobody-of-this-name")
        page.fill("#id_password", "wrong")
        page.click("#login-form button[type=submit]")
        page.wait_for_load_state()


def _refused_log_in(page: Page, url: str) -> None:
    page.goto(f"{url}/admin/login/")
    page.fill("#id_username", f"nobody-{uuid.uuid4().hex[:8]}")
    page.fill("#id_password", "wrong")
    page.click("#login-form button[type=submit]")
    page.wait_for_load_state()


def _open_entry(page: Page, url: str) -> None:
    page.goto(f"{url}/admin/audit/entry/")
    page.locator("#entries tbody a.obs-number").first.click()
    page.locator("#check").wait_for()


def _check_entry(page: Page, url: str) -> None:
    _open_entry(page, url)
    page.click("#check-button")
    page.locator("[data-step=hash]").wait_for()


def _export(page: Page, url: str) -> None:
    page.goto(f"{url}/admin/audit/export/new/")
    page.fill("#reason", "a sample for the external auditor")
    page.get_by_role("button", name="Export these entries").click()
    page.locator("#verify").wait_for()


def _second_page(page: Page, url: str) -> None:
    page.goto(f"{url}/admin/audit/entry/")
    older = page.locator("a[rel=next]")
    if older.count():
        older.click()
        page.locator("a[rel=prev]").wait_for()


def _refused_key(page: Page, url: str) -> None:
    page.goto(f"{url}/admin/audit/agentkey/add/")
    page.fill("#id_expires_on", "2020-01-01")
    page.click("form.obs-form button.obs-button-main")
    page.locator(".obs-error").first.wait_for()


def _make_key(page: Page, url: str) -> None:
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


def _revoke_key(page: Page, url: str) -> None:
    _live_keys(page, url).locator("a").first.click()
    page.locator("a.obs-button-bad").click()
    page.locator("form.obs-actions").wait_for()


def _revoked_key(page: Page, url: str) -> None:
    _revoke_key(page, url)
    page.locator("form.obs-actions button").click()
    page.wait_for_url("**/change/")


def _leave_no_key(page: Page, url: str) -> None:
    """Revoke what `_make_key` made, also when the pictures ended early."""
    while _live_keys(page, url).count():
        _revoked_key(page, url)


def _expand_row(page: Page, url: str) -> None:
    page.goto(f"{url}/admin/audit/entry/")
    page.locator("tr[data-row] summary").first.click()
    page.locator("tr.obs-more").first.wait_for()


def _open_filter(page: Page, url: str) -> None:
    page.goto(f"{url}/admin/audit/entry/")
    page.keyboard.press("f")
    page.locator("#obs-filter-form").wait_for()


def _paused(page: Page, url: str) -> None:
    page.goto(f"{url}/admin/")
    page.get_by_role("button", name="Pause").click()
    page.get_by_role("button", name="Go on").wait_for()


def _propose_purge(page: Page, url: str) -> None:
    """Have a worker look what could be pruned, or open the purge that is open already."""
    page.goto(f"{url}/admin/audit/purgeplan/")
    if page.locator("#prune_reason").count():
        page.fill("#prune_reason", "shots: how far could it be pruned")
        page.get_by_role("button", name="Look what could be pruned").click()
    else:
        page.locator("#prune a").first.click()
    page.locator("h2", has_text="The purge").wait_for()
    page.locator("#run").wait_for(state="detached")


def _leave_no_purge(page: Page, url: str) -> None:
    """Withdraw what `_propose_purge` left open, and nobody else's."""
    page.goto(f"{url}/admin/audit/purgeplan/?show=purges")
    is_open = page.locator(".obs-badge", has_text="awaits approval")
    of_ours = page.locator("#purges tbody tr", has_text="shots:").filter(has=is_open)
    if of_ours.count():
        of_ours.locator("a").first.click()
        page.get_by_role("button", name="Withdraw it").click()
        page.get_by_text("It is withdrawn").wait_for()


def _refused_hold(page: Page, url: str) -> None:
    page.goto(f"{url}/admin/audit/hold/new/")
    page.check("#kind-subject")
    page.fill("#value", f"nobody-{uuid.uuid4().hex[:8]}")
    page.fill("#matter", "shots")
    page.fill("#reason", "shots")
    page.get_by_role("button", name="Apply the hold").click()
    page.locator(".obs-error").first.wait_for()


def _apply_hold(page: Page, url: str) -> None:
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


def _release_hold(page: Page, url: str) -> None:
    _standing_holds(page, url).locator("a[data-open]").first.click()
    page.fill("#release_reason", "shots: settled")
    page.fill("#release_confirm", page.locator("label[for=release_confirm] strong").inner_text())
    page.get_by_role("button", name="Release the hold").click()
    page.get_by_text("It is released").wait_for()


def _leave_no_hold(page: Page, url: str) -> None:
    """Release what `_apply_hold` applied, also when the pictures ended early."""
    while _standing_holds(page, url).count():
        _release_hold(page, url)


def _show_keys(page: Page, url: str) -> None:
    page.goto(f"{url}/admin/")
    page.keyboard.press("?")
    page.locator("#obs-keys").wait_for()


def _verify(page: Page, url: str) -> None:
    page.goto(f"{url}/admin/audit/ledger/")
    page.locator("#ledgers tbody a").first.click()
    page.locator("#verify form button").click()
    page.locator("h2", has_text="The run").wait_for()
    page.locator("#run").wait_for(state="detached")


def _open_first(address: str, table: str) -> Callable[[Page, str], None]:
    """Return what opens the first row of a list; an empty list stays in the picture."""

    def act(page: Page, url: str) -> None:
        page.goto(f"{url}{address}")
        rows = page.locator(f"{table} tbody a[data-open]")
        if rows.count():
            rows.first.click()
            page.locator(".obs-fields").first.wait_for()

    return act


def _open_report(page: Page, url: str) -> None:
    page.goto(f"{url}/admin/compliance/report/")
    rows = page.locator("#reports tbody a[href*='/change/']")
    if rows.count():
        rows.first.click()
        page.locator("h1").first.wait_for()


def _compare_reports(page: Page, url: str) -> None:
    """Compare the two newest reports of a framework; fewer of them leave the list."""
    page.goto(f"{url}/admin/compliance/report/?framework=soc2")
    links = page.locator("#reports tbody a[href*='/change/']")
    found = [str(links.nth(at).get_attribute("href")) for at in range(min(links.count(), 6))]
    numbers = list(dict.fromkeys(each.split("/change/")[0].rpartition("/")[2] for each in found))
    if len(numbers) > 1:
        page.goto(f"{url}/admin/compliance/report/compare/?a={numbers[1]}&b={numbers[0]}")


def _refused_destination(page: Page, url: str) -> None:
    page.goto(f"{url}/admin/audit/destination/new/?kind=webhook")
    page.fill("#name", "siem")
    page.fill("#address", "http://10.0.0.1/")
    page.fill("#secret", "short")
    page.get_by_role("button", name="Make the destination").click()
    page.locator(".obs-error").first.wait_for()


def _tested_destination(page: Page, url: str) -> None:
    """Make a destination that is a folder, unless one is there, and send a test line."""
    page.goto(f"{url}/admin/audit/destination/")
    if page.locator("#destinations tbody a[data-open]").count() == 0:
        page.goto(f"{url}/admin/audit/destination/new/?kind=file")
        page.fill("#name", "shots")
        page.fill("#address", "shots")
        page.check("#start-all")
        page.get_by_role("button", name="Make the destination").click()
    else:
        page.locator("#destinations tbody a[data-open]").first.click()
    page.get_by_role("button", name="Send a test line").click()
    page.locator("#answer").wait_for()


def _find_subject(page: Page, url: str) -> str:
    """Look up a customer of the demo who was not erased yet, and return the id."""
    for number in range(1, 421):
        subject = f"cust-{number:04d}"
        page.goto(f"{url}/admin/audit/erasure/")
        page.fill("#subject", subject)
        page.get_by_role("button", name="Look up").click()
        page.wait_for_load_state()
        if page.locator("h2", has_text="What is known").count():
            return subject
    raise AssertionError("no customer of the demo has a key; load it with manage.py demo")


def _found_subject(page: Page, url: str) -> None:
    _find_subject(page, url)


def _nobody_found(page: Page, url: str) -> None:
    page.goto(f"{url}/admin/audit/erasure/")
    page.fill("#subject", "nobody-of-this-id")
    page.get_by_role("button", name="Look up").click()
    page.get_by_text("Nobody of this id").wait_for()


def _ready_erasure(page: Page, url: str) -> str:
    """Have counted what erasing a customer would make unreadable; return the id."""
    subject = _find_subject(page, url)
    if page.locator("#case").count():
        page.fill("#case", "DSR-shots")
        page.fill("#reason", "asked by letter")
        page.get_by_role("button", name="Count what would go").click()
    else:
        page.locator(".obs-card a", has_text="Erasure").first.click()
    page.locator("#confirm").wait_for()
    return subject


def _erasure_to_confirm(page: Page, url: str) -> None:
    _ready_erasure(page, url)


def _unconfirmed_erasure(page: Page, url: str) -> None:
    _ready_erasure(page, url)
    page.fill("#subject", "another id")
    page.get_by_role("button", name="Erase", exact=True).click()
    page.get_by_text("Nothing was confirmed").wait_for()


def _erased_subject(page: Page, url: str) -> None:
    subject = _ready_erasure(page, url)
    page.fill("#subject", subject)
    page.get_by_role("button", name="Erase", exact=True).click()
    page.get_by_text("Certificate, PDF").wait_for()


def _entries_of_a_subject(page: Page, url: str) -> None:
    _find_subject(page, url)
    page.locator(".obs-fields a.obs-number").click()
    page.locator("#entries").wait_for()


def _open_score(page: Page, url: str) -> None:
    """Open the framework that most is known of."""
    page.goto(f"{url}/admin/compliance/score/soc2/")
    page.locator("#matrix").wait_for()


def _unfold_area(page: Page, url: str) -> None:
    """Show the controls of one area; a wide screen shows all of them anyway."""
    _open_score(page, url)
    fold = page.locator(".obs-area-fold").first
    if fold.is_visible():
        fold.check()


def _open_control(page: Page, url: str) -> None:
    """Open a control with a failing leg, the first there is."""
    page.goto(f"{url}/admin/compliance/score/soc2/?state=fail")
    fold = page.locator(".obs-area-fold").first
    if fold.is_visible():
        fold.check()
    page.locator("#matrix a[data-open]").first.click()
    page.locator("#legs").wait_for()


def _open_check(page: Page, url: str) -> None:
    _open_control(page, url)
    failing = page.locator("#legs tbody tr").filter(has=page.locator("a[href$='#items']"))
    failing.locator("a[data-open]").first.click()
    page.locator("#items").wait_for()


def _open_item(page: Page, url: str) -> None:
    _open_check(page, url)
    page.locator("#failing a[data-open]").first.click()
    page.locator("#read").wait_for()


def _own_period(page: Page, url: str) -> None:
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


def _refused_waiver(page: Page, url: str) -> None:
    _fill_waiver(page, url, reason="")


def _ask_waiver(page: Page, url: str) -> None:
    _fill_waiver(page, url, reason="the reviewer is ill")
    page.locator("#approve").wait_for()


def _make_schedule(page: Page, url: str) -> None:
    """Fill the form of a schedule, two recipients, with runs over a change of the clock."""
    page.goto(f"{url}/admin/compliance/schedule/new/")
    page.fill("#name", f"board {uuid.uuid4().hex[:6]}")
    page.fill("#zone", "Europe/Berlin")
    page.fill("#recipient-0-address", "auditor@example.com")
    page.get_by_role("button", name="More recipients").click()
    page.get_by_role("button", name="Check the next runs").click()
    page.locator("#runs").wait_for()


def _refused_schedule(page: Page, url: str) -> None:
    page.goto(f"{url}/admin/compliance/schedule/new/")
    page.fill("#name", "never")
    page.select_option("#preset", "own")
    page.fill("#cron", "0 6 31 2 *")
    page.get_by_role("button", name="Make the schedule").click()
    page.locator(".obs-error").first.wait_for()


def _made_schedule(page: Page, url: str) -> None:
    _make_schedule(page, url)
    page.get_by_role("button", name="Make the schedule").click()
    page.locator("#next").wait_for()


def _save(page: Page) -> None:
    page.click("form.obs-form button.obs-button-main")
    page.wait_for_load_state()


def _enter_prices(page: Page, url: str) -> None:
    """Enter prices of models that nobody sells; the second time they stand already."""
    page.goto(f"{url}/admin/metrics/price/csv/")
    head = "provider,model,starts_at,input,output,cache_read,reasoning"
    page.fill("#csv", f"{head}\nshots,m-1,2026-01-01,2.5,10,-1.25,\nshots,m-1,2199-01-01,2,8,,")
    _save(page)


def _refused_prices(page: Page, url: str) -> None:
    page.goto(f"{url}/admin/metrics/price/csv/")
    page.fill("#csv", "provider,model,starts_at,input,output\nshots,m-1,soon,cheap,10\nshots,m-2")
    _save(page)


def _allow_metric(page: Page, url: str) -> None:
    """Allow a measure unless it is allowed, and open its page."""
    page.goto(f"{url}/admin/metrics/custommetric/")
    made = page.locator("#rows a[data-open]", has_text="shots_taken")
    if made.count():
        made.first.click()
        page.locator(".obs-fields").first.wait_for()
        return
    page.goto(f"{url}/admin/metrics/custommetric/new/")
    page.fill("#name", "shots_taken")
    page.fill("#labels", "width, theme")
    page.fill("#help", "Pictures that were taken of pages.")
    _save(page)


def _refused_metric(page: Page, url: str) -> None:
    page.goto(f"{url}/admin/metrics/custommetric/new/")
    page.fill("#name", "Shots Taken")
    page.fill("#labels", "width, user_id")
    _save(page)


def _make_receivers(page: Page, url: str) -> None:
    """Make two receivers unless they stand: one to mail to, one whose secret is not there."""
    for name, kind, target, secret in (
        ("on-call", "email", "on-call@example.com", ""),
        ("team-chat", "slack", "", "chat"),
    ):
        page.goto(f"{url}/admin/metrics/receiver/")
        if not page.get_by_role("link", name=name, exact=True).count():
            page.goto(f"{url}/admin/metrics/receiver/new/")
            page.fill("#name", name)
            page.select_option("#kind", kind)
            page.fill("#target", target)
            page.fill("#secret", secret)
            page.click("form.obs-form button.obs-button-main")
            page.wait_for_url("**/change/")
    page.goto(f"{url}/admin/metrics/receiver/")


def _tried_receiver(page: Page, url: str) -> None:
    _make_receivers(page, url)
    page.get_by_role("link", name="team-chat", exact=True).click()
    page.get_by_role("button", name="Send a trial").click()
    page.get_by_text("A trial is on its way").wait_for()


def _refused_receiver(page: Page, url: str) -> None:
    page.goto(f"{url}/admin/metrics/receiver/new/")
    page.fill("#name", "Not A Name")
    page.select_option("#kind", "webhook")
    page.fill("#target", "http://169.254.169.254/")
    page.click("form.obs-form button.obs-button-main")
    page.locator(".obs-error").first.wait_for()


def _open_incident(page: Page, url: str) -> None:
    """Open an incident by hand, of which the receivers hear."""
    _make_receivers(page, url)
    page.goto(f"{url}/admin/metrics/incident/new/")
    page.fill("#title", "Customers wait for answers")
    page.select_option("#severity", "critical")
    page.select_option("#ledger", "main")
    page.fill("#summary", "The claims desk says that answers take minutes since ten o'clock.")
    page.click("form.obs-form button.obs-button-main")
    page.locator("#timeline").wait_for()


def _looked_after_incident(page: Page, url: str) -> None:
    _open_incident(page, url)
    page.get_by_role("button", name="I look after it").click()
    page.get_by_text("It is yours").wait_for()
    page.fill("#words", "It began with version 2 of the adjudicator.")
    page.get_by_role("button", name="Write it down").click()
    page.get_by_text("It is noted").wait_for()
    page.fill("#seq", "0")
    page.get_by_role("button", name="Link the entry").click()
    page.locator("#linked").wait_for()


def _resolved_incident(page: Page, url: str) -> None:
    _looked_after_incident(page, url)
    page.fill("#cause", "a full disk on the search index")
    page.get_by_role("button", name="Resolve it").click()
    page.get_by_text("It is resolved").wait_for()


def _open_agent_at_work(page: Page, url: str) -> None:
    """Open the agent that did most; an installation without one stays at the list."""
    page.goto(f"{url}/admin/operations/agents/")
    agents = page.locator("#agents a[data-open]")
    if agents.count():
        agents.first.click()
        page.locator(".obs-tiles").wait_for()


def _compare_agents(page: Page, url: str) -> None:
    page.goto(f"{url}/admin/operations/agents/compare/")
    known = page.locator("#obs-o-b option")
    if known.count() > 1:
        page.select_option("#obs-o-b", index=1)
        page.get_by_role("button", name="Compare").click()
        page.locator("#beside").wait_for()


def _open_chart_table(page: Page, url: str) -> None:
    page.goto(f"{url}/admin/operations/tools/")
    for table in page.locator("[data-chart-table] summary").all()[:2]:
        table.click()


def _try_a_rule(page: Page, url: str) -> None:
    """Type a rule that the demo would have fired, and try it."""
    page.goto(f"{url}/admin/metrics/alertrule/new/?like=FailedDeniedActionsHigh")
    page.fill("#name", "ManyErrors")
    page.fill("#threshold", "0.01")
    page.click("button[name=try]")
    page.wait_for_load_state()


def _mistype_a_rule(page: Page, url: str) -> None:
    """Send a rule in which much is wrong."""
    page.goto(f"{url}/admin/metrics/alertrule/new/")
    page.fill("#name", "small")
    page.fill("#threshold", "much")
    page.fill("#by", "colour")
    page.click("button[name=keep]")
    page.wait_for_load_state()


def _set_objective(page: Page, url: str) -> None:
    """Promise that runs go well, unless that stands, and open it."""
    page.goto(f"{url}/admin/metrics/objective/")
    if page.locator("#rows a[data-open]", has_text="shots-runs").count() == 0:
        page.goto(f"{url}/admin/metrics/objective/new/")
        page.fill("#name", "shots-runs")
        page.select_option("#indicator", "runs")
        page.get_by_role("button", name="Set it").click()
    else:
        page.locator("#rows a[data-open]", has_text="shots-runs").click()
    page.locator("#burns").wait_for()


def _set_budgets(page: Page, url: str) -> None:
    """Set two budgets unless they stand, and open the one that is used up."""
    for name, usd in (("shots/all", "10000"), ("shots/small", "0.50")):
        page.goto(f"{url}/admin/metrics/budget/")
        if not page.locator("#rows a[data-open]", has_text=name).count():
            page.goto(f"{url}/admin/metrics/budget/new/")
            page.fill("#name", name)
            page.fill("#usd", usd)
            _save(page)
    page.goto(f"{url}/admin/metrics/budget/")
    page.locator("#rows a[data-open]", has_text="shots/small").first.click()
    page.locator(".obs-fields").first.wait_for()


def _refused_switch(page: Page, url: str) -> None:
    page.goto(f"{url}/admin/metrics/switch/")
    page.locator("#detail summary").click()
    page.locator("#detail button").click()
    page.locator("#detail .obs-error").wait_for()


def _at_trace(which: str, show: str = "") -> Callable[[Page, str], None]:
    """Return what opens a trace that was kept for the pictures: failed, looping, long or odd."""

    def act(page: Page, url: str) -> None:
        page.goto(f"{url}/admin/tracing/trace/?{_TRACES[which]}")
        page.locator("#traces a[data-open]").first.click()
        if show:
            page.get_by_role("navigation", name="Ways").get_by_role("link", name=show).click()
        else:
            page.locator("[data-fall-box] [data-row]").first.wait_for()

    return act


_TRACES = {
    "failed": "status=error&name=claims",
    "looping": "longer=3s&name=claims",
    "long": "agent=indexer",
    "odd": "name=odd",
}


def _chosen_span(page: Page, url: str) -> None:
    _at_trace("failed")(page, url)
    page.get_by_role("row", name="execute_tool claims.lookup").last.click()
    page.locator("[data-fall-detail] .obs-fields").first.wait_for()


def _span_page(page: Page, url: str) -> None:
    _chosen_span(page, url)
    page.get_by_role("link", name="Its own page").click()
    page.locator(".obs-span-page").wait_for()


def _read_conversation(page: Page, url: str) -> None:
    _at_trace("failed", "Conversation")(page, url)
    if page.locator("#reason").count():
        page.fill("#reason", "shots: what the chat view looks like")
        page.get_by_role("button", name="Read it").click()
    page.locator("#talk").wait_for()


def _session(page: Page, url: str) -> None:
    _at_trace("failed")(page, url)
    page.get_by_role("link", name="Its session").click()
    page.locator("#session").wait_for()


def _opened_line(page: Page, url: str) -> None:
    page.goto(f"{url}/admin/tracing/line/?level=error&level=warning")
    page.locator("tr[data-row] summary").first.click()


def _open_profile(sort: str) -> Callable[[Page, str], None]:
    """Return what opens the newest profile of a sort."""

    def act(page: Page, url: str) -> None:
        page.goto(f"{url}/admin/tracing/profile/?sort={sort}")
        page.locator("#profiles a[data-open]").first.click()
        page.locator(".obs-sentence").wait_for()

    return act


def _refused_capture(page: Page, url: str) -> None:
    page.goto(f"{url}/admin/tracing/profile/")
    page.fill("#slower", "soon")
    page.get_by_role("button", name="Start").click()
    page.locator(".obs-error").wait_for()


PAGES = [
    View(name="login", path="/admin/login/", is_public=True),
    View(name="login-refused", act=_refused_log_in, is_public=True),
    View(name="login-locked", act=_locked_out, is_public=True),
    View(name="index", path="/admin/", on_paper=True),
    View(name="index-paused", act=_paused),
    View(name="index-unknown", path="/admin/?ledger=nowhere"),
    View(name="keys-of-the-keyboard", act=_show_keys),
    View(name="pieces", path="/admin/pieces/", debug=True),
    View(name="entries", path="/admin/audit/entry/", on_paper=True),
    View(name="entries-expanded", act=_expand_row),
    View(name="entries-filter", act=_open_filter),
    View(name="entries-older", act=_second_page),
    View(
        name="entries-filtered",
        path="/admin/audit/entry/?outcome=success&outcome=denied&agent=claims-adjudicator",
    ),
    View(name="entries-nothing", path="/admin/audit/entry/?agent=nobody-of-this-name"),
    View(name="entries-bad-filter", path="/admin/audit/entry/?from=yesterday&colour=red"),
    View(name="entry", act=_open_entry, on_paper=True),
    View(name="entry-checked", act=_check_entry),
    View(name="entry-first", path="/admin/audit/entry/{ledger}/0/"),
    View(name="traces", path="/admin/tracing/trace/", on_paper=True),
    View(name="traces-filtered", path="/admin/tracing/trace/?status=error&longer=1s"),
    View(name="traces-nothing", path="/admin/tracing/trace/?agent=nobody-of-this-name"),
    View(name="traces-bad", path="/admin/tracing/trace/?longer=fast&colour=red"),
    View(name="trace", act=_at_trace("failed"), on_paper=True),
    View(name="trace-span", act=_chosen_span),
    View(name="trace-long", act=_at_trace("long")),
    View(name="trace-odd", act=_at_trace("odd")),
    View(name="trace-ask", act=_at_trace("looping", "Conversation")),
    View(name="trace-conversation", act=_read_conversation, on_paper=True),
    View(name="trace-shapes", act=_at_trace("looping", "Shapes")),
    View(name="trace-logs", act=_at_trace("failed", "Logs")),
    View(name="trace-entries", act=_at_trace("failed", "Entries")),
    View(name="span", act=_span_page),
    View(name="session", act=_session, on_paper=True),
    View(name="logs", path="/admin/tracing/line/", on_paper=True),
    View(name="logs-opened", act=_opened_line),
    View(name="logs-nothing", path="/admin/tracing/line/?text=nothing-says-this"),
    View(name="logs-own", path="/admin/tracing/line/?show=own"),
    View(name="profiles", path="/admin/tracing/profile/", on_paper=True),
    View(name="capture-refused", act=_refused_capture, status=400),
    View(name="profile", act=_open_profile("request")),
    View(name="profile-query", act=_open_profile("query")),
    View(name="ledgers", path="/admin/audit/ledger/", on_paper=True),
    View(name="ledger", path="/admin/audit/ledger/{ledger}/change/", on_paper=True),
    View(name="verification", act=_verify, on_paper=True),
    View(name="verifications", path="/admin/audit/verification/"),
    View(name="verifications-all", path="/admin/audit/verification/?show=all"),
    View(name="verifications-findings", path="/admin/audit/verification/?show=findings"),
    View(name="verifications-bad", path="/admin/audit/verification/?show=some&colour=red"),
    View(name="agents", path="/admin/audit/agent/", on_paper=True),
    View(name="agents-no-ledger", path="/admin/audit/agent/?ledger=nowhere"),
    View(name="agent", act=_open_first("/admin/audit/agent/", "#agents"), on_paper=True),
    View(name="bundle-new", path="/admin/audit/export/new/?ledger={ledger}&outcome=denied"),
    View(name="bundle", act=_export, on_paper=True),
    View(name="bundles", path="/admin/audit/export/"),
    View(name="bundles-unfinished", path="/admin/audit/export/?show=going"),
    View(name="bundles-bad", path="/admin/audit/export/?show=some&colour=red"),
    View(name="quarantine", path="/admin/audit/quarantine/", on_paper=True),
    View(name="quarantine-settled", path="/admin/audit/quarantine/?show=settled"),
    View(
        name="quarantined",
        act=_open_first("/admin/audit/quarantine/?show=all", "#quarantine"),
        on_paper=True,
    ),
    View(name="destination-kinds", path="/admin/audit/destination/new/"),
    View(name="destination-make", path="/admin/audit/destination/new/?kind=objectstore"),
    View(name="destination-refused", act=_refused_destination, status=400),
    View(name="destination-tested", act=_tested_destination),
    View(
        name="destination",
        act=_open_first("/admin/audit/destination/", "#destinations"),
        on_paper=True,
    ),
    View(name="destinations", path="/admin/audit/destination/", on_paper=True),
    View(name="destinations-removed", path="/admin/audit/destination/?show=removed"),
    View(name="destinations-bad", path="/admin/audit/destination/?show=some&colour=red"),
    View(name="subject", act=_found_subject),
    View(name="subject-nobody", act=_nobody_found),
    View(name="subject-entries", act=_entries_of_a_subject),
    View(name="erasure-ready", act=_erasure_to_confirm, on_paper=True),
    View(name="erasure-unconfirmed", act=_unconfirmed_erasure, status=409),
    View(name="erasure", act=_erased_subject, on_paper=True),
    View(name="subjects", path="/admin/audit/erasure/", on_paper=True),
    View(name="subjects-open", path="/admin/audit/erasure/?show=open"),
    View(name="subjects-bad", path="/admin/audit/erasure/?show=some&colour=red"),
    View(name="switches", path="/admin/metrics/switch/", on_paper=True),
    View(name="switch-refused", act=_refused_switch, status=409),
    View(name="custom-metrics-empty", path="/admin/metrics/custommetric/?show=ended"),
    View(name="custom-metric-refused", act=_refused_metric, status=400),
    View(name="custom-metric", act=_allow_metric),
    View(name="custom-metrics", path="/admin/metrics/custommetric/", on_paper=True),
    View(name="prices-refused", act=_refused_prices, status=400),
    View(name="prices", act=_enter_prices, on_paper=True),
    View(name="price-new", path="/admin/metrics/price/new/"),
    View(name="price", act=_open_first("/admin/metrics/price/", "#rows")),
    View(name="incidents-empty", path="/admin/metrics/incident/?show=resolved&severity=warning"),
    View(name="incidents-bad", path="/admin/metrics/incident/?show=some&colour=red"),
    View(name="receivers-empty", path="/admin/metrics/receiver/?show=ended"),
    View(name="receivers", act=_make_receivers, on_paper=True),
    View(name="receiver-new", path="/admin/metrics/receiver/new/"),
    View(name="receiver-refused", act=_refused_receiver, status=400),
    View(name="receiver-tried", act=_tried_receiver),
    View(name="incident-open", act=_open_incident),
    View(name="incident-looked-after", act=_looked_after_incident, on_paper=True),
    View(name="incident-resolved", act=_resolved_incident),
    View(name="incident-new", path="/admin/metrics/incident/new/"),
    View(name="incidents", path="/admin/metrics/incident/", on_paper=True),
    View(name="incidents-resolved", path="/admin/metrics/incident/?show=resolved"),
    View(name="operations-agents", path="/admin/operations/agents/", on_paper=True),
    View(name="operations-agents-week", path="/admin/operations/agents/?last=7d"),
    View(name="operations-agents-bad", path="/admin/operations/agents/?last=1y&colour=red"),
    View(name="operations-agent", act=_open_agent_at_work),
    View(name="operations-compare", act=_compare_agents),
    View(name="operations-tools", path="/admin/operations/tools/"),
    View(name="operations-chart", act=_open_chart_table),
    View(name="operations-models", path="/admin/operations/models/"),
    View(name="operations-errors", path="/admin/operations/errors/"),
    View(name="operations-resources", path="/admin/operations/resources/"),
    View(name="operations-platform", path="/admin/operations/platform/"),
    View(name="alert-rules", path="/admin/metrics/alertrule/", on_paper=True),
    View(name="alert-rules-off", path="/admin/metrics/alertrule/?show=off"),
    View(name="alert-rules-bad", path="/admin/metrics/alertrule/?show=some"),
    View(
        name="alert-rule",
        path="/admin/metrics/alertrule/FailedDeniedActionsHigh/change/",
        on_paper=True,
    ),
    View(name="alert-rule-gauge", path="/admin/metrics/alertrule/ResourceExhaustionCPU/change/"),
    View(name="alert-rule-elsewhere", path="/admin/metrics/alertrule/TargetDown/change/"),
    View(name="alert-rule-new", path="/admin/metrics/alertrule/new/"),
    View(name="alert-rule-tried", act=_try_a_rule),
    View(name="alert-rule-wrong", act=_mistype_a_rule, status=400),
    View(name="runbook", path="/admin/metrics/alertrule/runbook/AuditChainBroken/"),
    View(name="operations-security", path="/admin/operations/security/?ledger=_all"),
    View(name="operations-people", path="/admin/operations/people/"),
    View(name="operations-advice", path="/admin/operations/advice/"),
    View(name="objective-new", path="/admin/metrics/objective/new/"),
    View(name="objective", act=_set_objective, on_paper=True),
    View(name="objectives", path="/admin/metrics/objective/", on_paper=True),
    View(name="anomalies", path="/admin/metrics/anomaly/", on_paper=True),
    View(name="anomalies-judged", path="/admin/metrics/anomaly/?show=judged"),
    View(name="budget-new", path="/admin/metrics/budget/new/"),
    View(name="budget", act=_set_budgets, on_paper=True),
    View(name="budgets", path="/admin/metrics/budget/", on_paper=True),
    View(name="budgets-bad", path="/admin/metrics/budget/?show=some&colour=red"),
    View(name="scores", path="/admin/compliance/score/", on_paper=True),
    View(name="score", act=_open_score, on_paper=True),
    View(name="score-failing", path="/admin/compliance/score/soc2/?state=fail&state=no_data"),
    View(name="score-unfolded", act=_unfold_area),
    View(name="score-computed", act=_own_period),
    View(name="score-bad", path="/admin/compliance/score/soc2/?from=yesterday&colour=red"),
    View(name="control", act=_open_control, on_paper=True),
    View(name="check", act=_open_check, on_paper=True),
    View(name="item", act=_open_item, on_paper=True),
    View(name="reports", path="/admin/compliance/report/", on_paper=True),
    View(name="report", act=_open_report, on_paper=True),
    View(name="report-compare", act=_compare_reports),
    View(name="report-ask", path="/admin/compliance/report/new/"),
    View(name="report-bad", path="/admin/compliance/report/?show=some&colour=red"),
    View(name="snapshots", path="/admin/compliance/snapshot/", on_paper=True),
    View(
        name="snapshot",
        act=_open_first("/admin/compliance/snapshot/", "#snapshots"),
        on_paper=True,
    ),
    View(name="samples", path="/admin/compliance/sample/?show=all"),
    View(name="sample", act=_open_first("/admin/compliance/sample/?show=all", "#rows")),
    View(name="statements", path="/admin/compliance/statement/?show=all", on_paper=True),
    View(name="statement-prepare", path="/admin/compliance/statement/new/"),
    View(name="approvals", path="/admin/compliance/decision/"),
    View(name="decisions", path="/admin/compliance/decision/?show=all", on_paper=True),
    View(name="waivers", path="/admin/compliance/decision/waivers/?show=all"),
    View(name="waiver-ask", path="/admin/compliance/decision/new/waiver/"),
    View(name="waiver-refused", act=_refused_waiver, status=400),
    View(name="waiver-asked", act=_ask_waiver),
    View(name="scope-ask", path="/admin/compliance/decision/new/scope/"),
    View(name="ending", path="/admin/compliance/decision/ending/"),
    View(name="nil-returns", path="/admin/compliance/nilreturn/"),
    View(name="nil-return-sign", path="/admin/compliance/nilreturn/new/"),
    View(name="schedule-check", act=_make_schedule),
    View(name="schedule-refused", act=_refused_schedule, status=400),
    View(name="schedule-made", act=_made_schedule),
    View(name="schedules", path="/admin/compliance/schedule/", on_paper=True),
    View(name="agent-approvals", path="/admin/compliance/approvalrequest/"),
    View(name="reviews", path="/admin/compliance/review/"),
    View(name="review-record", path="/admin/compliance/review/new/"),
    View(name="findings", path="/admin/compliance/finding/?show=all", on_paper=True),
    View(name="finding-open", path="/admin/compliance/finding/new/?framework=soc2&check=LOG-10"),
    View(name="catalogue", path="/admin/compliance/uploadedframework/", on_paper=True),
    View(name="limits", path="/admin/compliance/uploadedframework/limits/"),
    View(
        name="limit-set",
        path="/admin/compliance/uploadedframework/limits/set/"
        "?what=parameter&name=every&check=LOG-10",
    ),
    View(name="key-make", path="/admin/audit/agentkey/add/"),
    View(name="key-refused", act=_refused_key),
    View(name="key-made", act=_make_key),
    View(name="key-revoke", act=_revoke_key),
    View(name="key-revoked", act=_revoked_key),
    View(name="keys", path="/admin/audit/agentkey/"),
    View(name="hold-new", path="/admin/audit/hold/new/"),
    View(name="hold-refused", act=_refused_hold, status=400),
    View(name="hold", act=_apply_hold, on_paper=True),
    View(name="holds", path="/admin/audit/hold/"),
    View(name="retention", path="/admin/audit/purgeplan/", on_paper=True),
    View(name="hold-released", act=_release_hold),
    View(name="holds-released", path="/admin/audit/hold/?show=released"),
    View(name="purge", act=_propose_purge, on_paper=True),
    View(name="purges", path="/admin/audit/purgeplan/?show=purges"),
    View(name="retention-bad", path="/admin/audit/purgeplan/?show=some&colour=red"),
    View(name="people", path="/admin/auth/user/"),
    View(name="person-add", path="/admin/auth/user/add/"),
    View(name="roles", path="/admin/auth/group/"),
    View(name="password", path="/admin/password_change/"),
    View(name="not-found", path="/admin/audit/entry/{ledger}/999999999/", status=404, debug=False),
]


@dataclass
class Findings:
    """What was wrong with one page at one width in one theme."""

    view: View
    problems: list[str] = field(default_factory=list)


def photograph(
    chromium: Browser,
    ready: dict[str, Any],
    folder: Path,
    *,
    width: int,
    theme: str,
    only: set[str],
) -> tuple[int, list[str]]:
    """Visit every page once; return how many were photographed, and the problems by page."""
    context = chromium.new_context(
        viewport={"width": width, "height": WIDTHS[width]},
        color_scheme="dark" if theme == "dark" else "light",
        reduced_motion="reduce",
        timezone_id="Europe/Berlin",
        locale="en-GB",
    )
    context.add_init_script(f"localStorage.setItem('_x_adminTheme', JSON.stringify('{theme}'))")
    page = context.new_page()
    wanted = [view for view in PAGES if not only or view.name in only]
    findings = Findings(view=PAGES[0])
    _watch(page, ready["url"], findings)
    taken, problems = 0, list[str]()
    logged_in = False
    try:
        for view in wanted:
            findings.view, findings.problems = view, []
            if not view.is_public and not logged_in:
                log_in(page, ready["url"], ready["user"], ready["password"])
                logged_in = True
            if view.debug not in {None, _has_debug(page, ready["url"])}:
                said = f"{view.name} left out: start with OBS_DEBUG={int(bool(view.debug))}"
                print(said, file=sys.stderr)  # noqa: T201
                continue
            findings.problems += _visit(page, view, ready)
            page.screenshot(path=folder / f"{view.name}-{width}-{theme}.png", full_page=True)
            taken += 1
            if view.on_paper and (width, theme) == (1440, "light"):
                page.pdf(path=folder / f"{view.name}.pdf", format="A4", print_background=True)
            problems += [f"{view.name} {width} {theme}: {each}" for each in findings.problems]
    finally:
        if logged_in:
            _leave_no_key(page, ready["url"])
            _leave_no_hold(page, ready["url"])
            _leave_no_purge(page, ready["url"])
        context.close()
    return taken, problems


def _has_debug(page: Page, url: str) -> bool:
    return page.request.get(f"{url}/admin/pieces/").status == 200


def _watch(page: Page, url: str, findings: Findings) -> None:
    origin = urlsplit(url).netloc

    def asked(request: Request) -> None:
        parts = urlsplit(request.url)
        if parts.scheme not in {"data", "blob"} and parts.netloc != origin:
            findings.problems.append(f"asked for {request.url}")

    def said(message: ConsoleMessage) -> None:
        is_own_status = (
            findings.view.status != 200
            and message.location.get("url") == page.url
            and f"status of {findings.view.status} " in message.text
        )
        if message.type == "error" and not is_own_status:
            findings.problems.append(f"console: {message.text}")

    page.on("request", asked)
    page.on("pageerror", lambda error: findings.problems.append(f"script error: {error}"))
    page.on("console", said)


def _visit(page: Page, view: View, ready: dict[str, Any]) -> list[str]:
    problems = []
    if view.act is not None:
        view.act(page, ready["url"])
    else:
        answer = page.goto(ready["url"] + view.path.format(ledger=ready["ledger"]))
        if answer is None or answer.status != view.status:
            problems.append(f"answered {answer.status if answer else 'nothing'}")
    page.wait_for_load_state("networkidle")
    page.evaluate("document.fonts.ready")
    overflow = page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
    if overflow > 0:
        problems.append(f"scrolls sideways by {overflow} px")
    results = Axe().run(page).response
    for violation in results["violations"]:
        if violation["impact"] in SERIOUS:
            nodes = "; ".join(node["html"][:160] for node in violation["nodes"][:3])
            problems.append(
                f"{violation['impact']} {violation['id']}: {violation['help']}: {nodes}"
            )
    return problems


def _default_ready() -> Path:
    return Path(os.environ.get("OBS_DATA") or "var") / "ready.json"


def main(arguments: list[str]) -> int:
    """Take the pictures; return 1 when anything was found."""
    parser = argparse.ArgumentParser(prog="python -m tests.browser.shots", description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, default=Path("shots"))
    parser.add_argument(
        "--ready", type=Path, default=_default_ready(), help="ready.json of the installation"
    )
    parser.add_argument(
        "--only", action="append", default=[], help="a page's name; may be repeated"
    )
    parser.add_argument("--width", type=int, choices=[*WIDTHS], help="at this width only")
    parser.add_argument("--theme", choices=[*THEMES], help="in this theme only")
    asked = parser.parse_args(arguments)
    if not asked.ready.exists():
        print(f"{asked.ready} does not exist; start one with manage.py up", file=sys.stderr)  # noqa: T201
        return 2
    ready = json.loads(asked.ready.read_text())
    asked.folder.mkdir(parents=True, exist_ok=True)
    taken, problems = 0, list[str]()
    if not (asked.ready.parent / "services.json").exists():
        print("its database is elsewhere: pages of traces show what is there", file=sys.stderr)  # noqa: T201
    else:
        keep_traces(ready, asked.ready.parent)
    with browser() as chromium:
        for width in [asked.width] if asked.width else WIDTHS:
            for theme in [asked.theme] if asked.theme else THEMES:
                count, found = photograph(
                    chromium, ready, asked.folder, width=width, theme=theme, only=set(asked.only)
                )
                taken += count
                problems += found
    for problem in problems:
        print(problem)  # noqa: T201
    print(f"{taken} pictures in {asked.folder}, {len(problems)} problems", file=sys.stderr)  # noqa: T201
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
