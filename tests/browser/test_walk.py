"""One person's walk through the desk, from log-in to a proof; then what an auditor may not do.

Everything is real: the installation, its worker, the browser. What each role is answered at each
address stands in tests/audit/crawl_table.py; here it is asked by the session of a browser. Skips,
and says so, on a machine without Chromium.
"""

from __future__ import annotations

import re
import secrets
import uuid
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest
from django.contrib import admin
from django.urls import reverse
from django.urls.converters import IntConverter, UUIDConverter
from playwright.sync_api import Browser, Page, expect

from tests.audit.crawl_table import EXPECTED, WHO
from tests.audit.crawled import patterns
from tests.browser.calling import call
from tests.browser.chromium import chromium_path, log_in
from tests.browser.conftest import Workers
from tests.browser.test_desk import page, post_event

__all__ = ["page"]  # fixtures, which pytest finds by their names here

pytestmark = pytest.mark.skipif(chromium_path() is None, reason="no Chromium on this machine")

OWN_ACTS = {"/admin/logout/", "/admin/password_change/"}
"""Where every person may post: both concern nobody else."""
LOOKED_AT = (
    "/admin/",
    "/admin/audit/entry/",
    "/admin/audit/ledger/",
    "/admin/audit/agent/",
    "/admin/audit/verification/?show=all",
    "/admin/audit/quarantine/?show=all",
)
_POST_EACH = """async ([addresses, token]) => {
    const found = {};
    for (const [name, address] of Object.entries(addresses)) {
        const sent = { method: "POST", redirect: "manual", headers: { "X-CSRFToken": token } };
        found[name] = (await fetch(address, sent)).status;
    }
    return found;
}"""
_ALL_THERE_IS = """
SELECT (SELECT count(*) FROM auth_user), (SELECT count(*) FROM auth_group),
    (SELECT count(*) FROM auth_user_groups), (SELECT count(*) FROM auth_group_permissions),
    (SELECT count(*) FROM audit_agentkey WHERE revoked_at IS NULL),
    (SELECT count(*) FROM audit_verification WHERE kind = 'manual'),
    (SELECT count(*) FROM audit_verification WHERE state IN ('cancelled', 'queued')),
    (SELECT count(*) FROM audit_quarantine WHERE state = 'open')
"""


def test_from_log_in_to_a_proof_and_then_as_an_auditor_who_changes_nothing(
    chromium: Browser,
    page: Page,
    installation: dict[str, Any],
    long_ledger: str,
    workers: Workers,
    worker: psycopg.Connection[Any],
) -> None:
    agent = f"walk-{uuid.uuid4().hex[:8]}"
    post_event(installation, agent, count=3)
    page.context.clear_cookies()

    log_in(page, installation["url"], installation["user"], installation["password"])
    filter_by(page, agent)
    entry_address = open_the_middle_row(page)
    walk_to_the_neighbours(page)
    run_address = verify_with_progress(page, long_ledger, workers)
    reader_key = make_reader_key(page, installation)
    name, password = make_auditor(page, installation)
    shown = {"entry": entry_address, "verification": run_address}
    before = worker.execute(_ALL_THERE_IS).fetchone()

    context = chromium.new_context()
    auditor = context.new_page()
    log_in(auditor, installation["url"], name, password)
    expect_no_act_on(auditor, installation, long_ledger, list(shown.values()))
    expect_refusals(auditor, addresses(long_ledger, shown, key_id=reader_key[9:17]))
    expect_refused_by_the_api(installation, reader_key)
    context.close()

    assert worker.execute(_ALL_THERE_IS).fetchone() == before


def filter_by(page: Page, agent: str) -> None:
    """Go to the entries by the map, and narrow them by the page's own form."""
    page.get_by_role("link", name="Entries", exact=True).click()
    page.locator("#obs-filter > summary").click()
    page.get_by_role("combobox", name="Agent").first.fill(agent)
    page.get_by_role("button", name="Show entries").last.click()
    expect(page.locator("#entries tr[data-row]")).to_have_count(3)
    expect(page.locator(".obs-chips")).to_contain_text(agent)


def open_the_middle_row(page: Page) -> str:
    """Expand a row, and follow it to the entry's page; return the address."""
    page.locator("#entries tr[data-row] summary").nth(1).click()
    more = page.locator("#entries tr.obs-more").nth(1)
    expect(more).to_contain_text("Occurred")
    more.get_by_role("link", name="This entry").click()
    expect(page.get_by_role("heading", name="Place in the chain")).to_be_visible()
    return urlsplit(page.url).path


def walk_to_the_neighbours(page: Page) -> None:
    """Go to the entry before and back to this one, by the page's links."""
    here = page.url
    page.locator("a[rel=prev]").click()
    page.wait_for_url(lambda address: address != here)
    page.locator("a[rel=next]").click()
    page.wait_for_url(here)


def verify_with_progress(page: Page, ledger: str, workers: Workers) -> str:
    """Start a verification by its button, see it in the middle, and read its result."""
    page.get_by_role("link", name="Ledgers", exact=True).click()
    page.get_by_role("link", name=ledger, exact=True).first.click()
    workers.let_none_read()
    page.get_by_role("button", name="Verify").click()
    page.wait_for_url("**/admin/audit/verification/*/change/")
    address = urlsplit(page.url).path

    workers.stop_in_the_middle(int(address.split("/")[-3]))
    expect(page.locator("#run-percent")).to_have_text(re.compile(r"[1-9]\d? %"))
    workers.go_on()

    expect(page.locator(".obs-sentence")).to_contain_text("Intact", timeout=60_000)
    expect(page.locator(".obs-fields .obs-badge").first).to_contain_text("intact")
    return address


def make_reader_key(page: Page, installation: dict[str, Any]) -> str:
    """Make a key by its page that may read and nothing else; return its secret."""
    page.get_by_role("link", name="API keys", exact=True).click()
    page.goto(f"{installation['url']}/admin/audit/agentkey/add/")
    page.get_by_label("Name").fill("walk, reads")
    page.get_by_label("events:write").uncheck()
    page.get_by_label("entries:read").check()
    page.get_by_role("button", name="Make the key").click()
    return page.locator(".obs-card-good pre").first.inner_text().strip()


def make_auditor(page: Page, installation: dict[str, Any]) -> tuple[str, str]:
    """Make an account of an auditor by its page; return name and password."""
    name, password = f"auditor-{uuid.uuid4().hex[:8]}", secrets.token_urlsafe(12)
    page.goto(f"{installation['url']}/admin/auth/user/add/")
    page.fill("#id_username", name)
    page.fill("#id_password1", password)
    page.fill("#id_password2", password)
    page.check("#id_is_staff")
    page.locator("#id_groups").select_option(label="auditor")
    page.locator("button[name=_save], input[name=_save]").first.click()
    page.wait_for_url("**/admin/auth/user/**/change/")
    return name, password


def expect_no_act_on(
    page: Page, installation: dict[str, Any], ledger: str, more: list[str]
) -> None:
    """Read the pages: none has a form that posts, nor a link to one, but for the person's own."""
    for address in (*LOOKED_AT, *more, f"/admin/audit/ledger/{ledger}/change/"):
        answer = page.goto(installation["url"] + address)
        assert answer is not None
        assert answer.status == 200, address
        posts = page.locator("form[method=post i]").evaluate_all(
            "forms => forms.map((form) => new URL(form.action).pathname)"
        )
        links = page.locator("a[href]").evaluate_all(
            "links => links.map((link) => new URL(link.href).pathname)"
        )
        acts = re.compile(r"/(add|delete|revoke|verify|cancel|resume|resolve|replay)/$")
        assert set(posts) <= OWN_ACTS, address
        assert [link for link in links if acts.search(link)] == [], address


def addresses(ledger: str, shown: dict[str, str], *, key_id: str) -> dict[str, str]:
    """Return every address of the admin by name, those of the person's own session left out.

    Where an address names a thing, it is one that exists as far as the walk has seen one.
    """
    things: dict[str, object] = {"ledger": ledger, "key_id": key_id}
    ids = {name: address.split("/")[-3] for name, address in shown.items()}
    ids |= {"ledger": ledger, "agentkey": key_id, "agent": ledger}
    found = {}
    for pattern in patterns(admin.site.urls[0]):
        if pattern.name is None or pattern.name == "logout":
            continue
        model = pattern.name.split("_")[1] if "_" in pattern.name else ""
        wanted: dict[str, object] = dict.fromkeys(pattern.pattern.regex.groupindex, "1")
        for argument, converter in pattern.pattern.converters.items():
            if isinstance(converter, UUIDConverter):
                wanted[argument] = uuid.UUID(int=1)
            elif isinstance(converter, IntConverter):
                wanted[argument] = 1
            else:
                wanted[argument] = "1"
        wanted |= {name: value for name, value in things.items() if name in wanted}
        if "object_id" in wanted and model in ids:
            wanted["object_id"] = ids[model]
        if "app_label" in wanted:
            wanted["app_label"] = "audit"
        found[pattern.name] = reverse(f"admin:{pattern.name}", kwargs=wanted)
    return found


def expect_refusals(page: Page, asked: dict[str, str]) -> None:
    """Post to every address from the page of a person who is logged in, with the page's token.

    Where a page takes no POST from anyone it answers 405, which also shows that the token is good.
    """
    token = page.locator("input[name=csrfmiddlewaretoken]").first.input_value()
    answered = page.evaluate(_POST_EACH, [asked, token])

    column = WHO.index("auditor")
    wanted = {name: int(EXPECTED[name][column].split()[1]) for name in asked}
    # Who owns a thing, and what was typed, is asked after whether there is one, and the walk has
    # not made one of each.
    refused = {name for name in asked if wanted[name] in {400, 403} and answered[name] == 404}
    assert answered == wanted | dict.fromkeys(refused, 404)
    assert 405 in answered.values()


def expect_refused_by_the_api(installation: dict[str, Any], key: str) -> None:
    """Send each changing method to each address of the API's own document, with a reader's key."""
    url = installation["url"]
    _, document = call(f"{url}/api/v1/openapi.json")
    values = {"ledger": installation["ledger"], "seq": "0", "hash": "0" * 64}
    for template in document["paths"]:
        address = re.sub(
            r"{(\w+)}", lambda name: values.get(name[1], str(uuid.UUID(int=1))), template
        )
        for method in ("POST", "PUT", "PATCH", "DELETE"):
            status, problem = call(f"{url}{address}", method=method, key=key, body=[{}])
            # 400: a reader may order an export or a report, but not this one; 404: no such thing.
            is_ordered = "/exports" in address or "/reports" in address
            wanted = {400, 403, 404, 405} if is_ordered else {403, 405}
            assert status in wanted, f"{method} {address}: {status} {problem}"
    status, _ = call(f"{url}/api/v1/entries?limit=1", key=key)
    assert status == 200, "the key must be one that is accepted"
