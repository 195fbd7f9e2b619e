"""Steps on prices, metrics, receivers, incidents, agents, rules, objectives and budgets."""

from __future__ import annotations

from playwright.sync_api import Page


def _save(page: Page) -> None:
    page.click("form.obs-form button.obs-button-main")
    page.wait_for_load_state()


def enter_prices(page: Page, url: str) -> None:
    """Enter prices of models that nobody sells; the second time they stand already."""
    page.goto(f"{url}/admin/metrics/price/csv/")
    head = "provider,model,starts_at,input,output,cache_read,reasoning"
    page.fill("#csv", f"{head}\nshots,m-1,2026-01-01,2.5,10,-1.25,\nshots,m-1,2199-01-01,2,8,,")
    _save(page)


def refused_prices(page: Page, url: str) -> None:
    page.goto(f"{url}/admin/metrics/price/csv/")
    page.fill("#csv", "provider,model,starts_at,input,output\nshots,m-1,soon,cheap,10\nshots,m-2")
    _save(page)


def allow_metric(page: Page, url: str) -> None:
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


def refused_metric(page: Page, url: str) -> None:
    page.goto(f"{url}/admin/metrics/custommetric/new/")
    page.fill("#name", "Shots Taken")
    page.fill("#labels", "width, user_id")
    _save(page)


def make_receivers(page: Page, url: str) -> None:
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


def tried_receiver(page: Page, url: str) -> None:
    make_receivers(page, url)
    page.get_by_role("link", name="team-chat", exact=True).click()
    page.get_by_role("button", name="Send a trial").click()
    page.get_by_text("A trial is on its way").wait_for()


def refused_receiver(page: Page, url: str) -> None:
    page.goto(f"{url}/admin/metrics/receiver/new/")
    page.fill("#name", "Not A Name")
    page.select_option("#kind", "webhook")
    page.fill("#target", "http://169.254.169.254/")
    page.click("form.obs-form button.obs-button-main")
    page.locator(".obs-error").first.wait_for()


def open_incident(page: Page, url: str) -> None:
    """Open an incident by hand, of which the receivers hear."""
    make_receivers(page, url)
    page.goto(f"{url}/admin/metrics/incident/new/")
    page.fill("#title", "Customers wait for answers")
    page.select_option("#severity", "critical")
    page.select_option("#ledger", "main")
    page.fill("#summary", "The claims desk says that answers take minutes since ten o'clock.")
    page.click("form.obs-form button.obs-button-main")
    page.locator("#timeline").wait_for()


def looked_after_incident(page: Page, url: str) -> None:
    open_incident(page, url)
    page.get_by_role("button", name="I look after it").click()
    page.get_by_text("It is yours").wait_for()
    page.fill("#words", "It began with version 2 of the adjudicator.")
    page.get_by_role("button", name="Write it down").click()
    page.get_by_text("It is noted").wait_for()
    page.fill("#seq", "0")
    page.get_by_role("button", name="Link the entry").click()
    page.locator("#linked").wait_for()


def resolved_incident(page: Page, url: str) -> None:
    looked_after_incident(page, url)
    page.fill("#cause", "a full disk on the search index")
    page.get_by_role("button", name="Resolve it").click()
    page.get_by_text("It is resolved").wait_for()


def open_agent_at_work(page: Page, url: str) -> None:
    """Open the agent that did most; an installation without one stays at the list."""
    page.goto(f"{url}/admin/operations/agents/")
    agents = page.locator("#agents a[data-open]")
    if agents.count():
        agents.first.click()
        page.locator(".obs-tiles").wait_for()


def compare_agents(page: Page, url: str) -> None:
    page.goto(f"{url}/admin/operations/agents/compare/")
    known = page.locator("#obs-o-b option")
    if known.count() > 1:
        page.select_option("#obs-o-b", index=1)
        page.get_by_role("button", name="Compare").click()
        page.locator("#beside").wait_for()


def open_chart_table(page: Page, url: str) -> None:
    page.goto(f"{url}/admin/operations/tools/")
    for table in page.locator("[data-chart-table] summary").all()[:2]:
        table.click()


def try_a_rule(page: Page, url: str) -> None:
    """Type a rule that the demo would have fired, and try it."""
    page.goto(f"{url}/admin/metrics/alertrule/new/?like=FailedDeniedActionsHigh")
    page.fill("#name", "ManyErrors")
    page.fill("#threshold", "0.01")
    page.click("button[name=try]")
    page.wait_for_load_state()


def mistype_a_rule(page: Page, url: str) -> None:
    """Send a rule in which much is wrong."""
    page.goto(f"{url}/admin/metrics/alertrule/new/")
    page.fill("#name", "small")
    page.fill("#threshold", "much")
    page.fill("#by", "colour")
    page.click("button[name=keep]")
    page.wait_for_load_state()


def set_objective(page: Page, url: str) -> None:
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


def set_budgets(page: Page, url: str) -> None:
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


def refused_switch(page: Page, url: str) -> None:
    page.goto(f"{url}/admin/metrics/switch/")
    page.locator("#detail summary").click()
    page.locator("#detail button").click()
    page.locator("#detail .obs-error").wait_for()
