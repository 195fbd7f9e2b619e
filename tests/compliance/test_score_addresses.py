"""What a stranger may type into the address of a page of compliance: never an error of ours."""

from __future__ import annotations

import html
import re
import uuid
from collections import Counter, deque
from functools import cache
from urllib.parse import urljoin

import pytest
from django.contrib.auth.models import Group, User
from django.test import Client

from audit.append import append_pending
from audit.ledgers import open_ledger
from audit.models import Ledger
from audit.project import catch_up_all
from compliance.posture import seal_postures
from tests.audit.desk import auditor, main_ledger
from tests.compliance.people.crawled import people_rows
from tests.conftest import chain, make_event

__all__ = ["auditor", "main_ledger"]  # fixtures, which pytest finds by their names here

SCORE = "/admin/compliance/score/"
LONG = "x" * 1_000
"""Of 17 names at once: an address of 17 kB."""
PLACES = {
    "list": SCORE,
    "framework": f"{SCORE}soc2/",
    "control": f"{SCORE}soc2/control/CC2.1/",
    "check": f"{SCORE}soc2/check/LOG-04/?control=CC2.1",
    "items": f"{SCORE}soc2/check/LOG-04/items.csv?control=CC2.1",
    "item": f"{SCORE}soc2/check/LOG-04/item/?control=CC2.1&item=0",
    "snapshots": "/admin/compliance/snapshot/",
    "statements": "/admin/compliance/statement/",
    "decisions": "/admin/compliance/decision/",
    "waivers": "/admin/compliance/decision/waivers/",
    "ending": "/admin/compliance/decision/ending/",
    "nil returns": "/admin/compliance/nilreturn/",
    "reviews": "/admin/compliance/review/",
    "findings": "/admin/compliance/finding/",
    "catalogue": "/admin/compliance/uploadedframework/",
    "limits": "/admin/compliance/uploadedframework/limits/",
}
WORDS = ("x", "-1", "%00", "%F0%9F%92%A5", "%FF%FE", "2026-99-99", LONG)
NAMES = (
    "ledger", "snapshot", "agent", "environment", "from", "to", "state", "area", "control", "show",
    "after", "before", "item", "older", "framework", "form", "colour",
)  # fmt: skip
NOT_READ = r"<strong>(\w+)</strong>: is no filter of this (?:page|list)"
PERIODS: tuple[str, ...] = (
    "from=2026-10-02&to=2026-10-01",
    "from=2026-10-01&to=2026-10-01",
    "from=0001-01-01&to=9999-12-31",
    "to=0001-01-01",
    "from=9999-12-31",
    "from=9999-12-01&to=9999-12-31",
    "from=1969-12-01&to=1970-01-02",
)


@pytest.fixture
def watched(database: None) -> Ledger:
    """Return a ledger whose events fail LOG-04, with today's postures and a row of each kind.

    All tests here share it: they ask and change nothing.
    """
    return _watched()


@cache
def _watched() -> Ledger:
    ledger = open_ledger(f"t.{uuid.uuid4().hex[:16]}")
    chain(ledger, [make_event(agent={"id": f"agent-{n % 2}"}) for n in range(30)])
    people_rows(ledger)
    append_pending(ledger.id)
    catch_up_all(ledger.id)
    seal_postures(ledger)
    append_pending(ledger.id)
    return ledger


def asked(place: str, query: str, ledger: Ledger) -> str:
    own = "" if query.startswith("ledger=") else f"ledger={ledger.name}&"
    return f"{place}{'&' if '?' in place else '?'}{own}{query}"


@pytest.mark.parametrize("place", PLACES.values(), ids=PLACES)
def test_whatever_is_typed_is_shown_refused_in_words_or_not_found(
    auditor: Client, watched: Ledger, place: str
) -> None:
    every, *others = ("&".join(f"{name}={word}" for name in NAMES) for word in WORDS)
    answer = auditor.get(asked(place, every, watched))
    assert answer.status_code in {200, 302, 400, 404}
    # What a page does not read it refuses by its name, whatever is typed: seen once, it is enough.
    unread = set(re.findall(NOT_READ, answer.content.decode()))
    one_at_a_time = (f"{name}=%00" for name in NAMES if name not in unread)
    periods = () if unread >= {"from", "to"} else PERIODS
    for query in (*one_at_a_time, *others, *periods):
        answer = auditor.get(asked(place, query, watched))

        assert answer.status_code in {200, 302, 400, 404}, query[:80]


@pytest.mark.parametrize(
    "query",
    [
        "from=yesterday",
        "to=2026-13-01",
        "from=2026-10-02&to=2026-10-01",
        "from=0001-01-01&to=9999-12-31",
        "agent=nobody-of-this-name",
        "agent=%00",
        "environment=production",
        "snapshot=01a1fdaf-fc9e-7baf-bb4b-7ac2ed51cce8",
        "colour=red",
        f"colour={LONG}",
    ],
)
def test_an_address_that_cannot_be_read_says_which_part(
    auditor: Client, watched: Ledger, query: str
) -> None:
    for name in ("framework", "control", "check", "item"):
        page = auditor.get(asked(PLACES[name], query, watched)).content.decode()

        note = page.partition('role="alert"')[2].partition("</div>")[0]
        wrong = query.rpartition("&")[2].partition("=")[0]
        named = re.findall(r"<strong>([^<]+)</strong>: [^<]+", note)
        assert wrong in named or "from" in named, (name, query[:80])


@pytest.mark.parametrize(
    "address",
    [
        f"{SCORE}soc9/",
        f"{SCORE}soc2/control/CC99.9/",
        f"{SCORE}soc2/control/{LONG}/",
        f"{SCORE}soc2/check/NONE-01/",
        f"{SCORE}soc2/check/LOG-04/?control=CC1.1",
        f"{SCORE}soc2/check/LOG-04/item/?control=CC2.1&item=999999",
        f"{SCORE}soc2/check/LOG-04/item/?control=CC2.1&item=%00",
        f"{SCORE}%00/",
        "/admin/compliance/snapshot/nothing/change/",
        "/admin/compliance/snapshot/nothing/result.json",
        "/admin/compliance/snapshot/01a1fdaf-fc9e-7baf-bb4b-7ac2ed51cce8/change/",
        "/admin/compliance/decision/999999999999999999999/change/",
        "/admin/compliance/finding/x/change/",
        "/admin/compliance/statement/-1/file/",
    ],
)
def test_what_does_not_exist_is_a_page_that_says_so(
    auditor: Client, watched: Ledger, address: str
) -> None:
    answer = auditor.get(asked(address, "", watched))

    assert answer.status_code == 404
    assert "To the overview" in answer.content.decode()


def officer() -> Client:
    """Log in somebody who may do all of people's part."""
    client = Client()
    user = User.objects.create_user(f"olga-{uuid.uuid4().hex[:8]}", is_staff=True)
    user.groups.add(Group.objects.get(name="compliance officer"))
    client.force_login(user)
    return client


def test_every_link_leads_to_a_page(watched: Ledger) -> None:
    """A kind of page is opened once; all links are followed, by one who sees all of them."""
    client = officer()
    query = f"?ledger={watched.name}"
    waiting = deque(f"{place.partition('?')[0]}{query}" for place in PLACES.values())
    waiting = deque(one for one in waiting if not one.startswith((f"{SCORE}soc2/check/LOG-04/i",)))
    waiting.append(f"/admin/{query}")
    opened, kinds, broken = set[str](), Counter[str](), []
    while waiting:
        address = waiting.popleft()
        kind = kind_of(address)
        if address in opened or kinds[kind]:
            continue
        opened.add(address)
        kinds[kind] += 1
        answer = client.get(address)
        if answer.status_code >= 400:
            broken.append((answer.status_code, address))
        if answer.status_code == 200 and "html" in answer.headers["Content-Type"]:
            waiting.extend(links(answer.content.decode(), address))

    assert broken == []
    assert len(kinds) > 30


def links(page: str, at: str) -> list[str]:
    """Return the pages of the desk that a page leads to, when it is one of ours."""
    if "/admin/compliance/" not in at and not at.startswith("/admin/?"):
        return []
    found = (urljoin(at, html.unescape(one)) for one in re.findall(r'href="([^"]+)"', page))
    ours = (one.partition("#")[0] for one in found if one.startswith("/admin/"))
    return [one for one in ours if not one.startswith("/admin/logout/")]


def kind_of(address: str) -> str:
    """Return the address without what tells it from others of its kind."""
    path, _, query = address.partition("?")
    names = sorted({part.partition("=")[0] for part in query.split("&")})
    path = re.sub(r"/score/[^/]+/(control|check)/.*?/(?=$|item)", r"/score/F/\1/C/", path)
    if names != ["ledger"]:  # each framework's page is opened; what narrows it, of one of them
        path = re.sub(r"/score/[^/]+/$", "/score/F/", path)
    path = re.sub(r"[0-9a-f-]{32,}|/\d+(?=/)", "/N", path)
    return f"{path}?{'&'.join(names)}"


def test_a_control_offers_what_a_reader_may_do_about_it_filled_in(watched: Ledger) -> None:
    page = html.unescape(officer().get(asked(PLACES["control"], "", watched)).content.decode())

    waiver = re.search(r'href="(/admin/compliance/decision/new/waiver/[^"]+)"', page)
    assert waiver is not None
    form = officer().get(waiver[1]).content.decode()
    assert 'value="soc2" selected' in form
    assert 'name="control" value="CC2.1"' in form
    assert "/admin/compliance/finding/new/" in page


def test_a_reader_who_may_not_act_is_offered_nothing(auditor: Client, watched: Ledger) -> None:
    for name in ("control", "check", "item"):
        page = auditor.get(asked(PLACES[name], "", watched)).content.decode()
        assert "/new/" not in page
