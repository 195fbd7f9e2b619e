"""The pages of agents: read from entries, whatever an agent calls itself, and cheap to show."""

from __future__ import annotations

import html
import re
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils.http import urlencode

from audit.admin.agents import DAYS, days
from audit.models import Agent, AgentDay, Ledger
from audit.project import catch_up_all, projections, rebuild
from tests.audit.desk import auditor, get, link, main_ledger
from tests.conftest import chain, make_event

pytestmark = pytest.mark.usefixtures("alone_as_module")

__all__ = ["auditor", "main_ledger"]  # fixtures, which pytest finds by their names here

AGENTS = "/admin/audit/agent/"


def seen(ledger: Ledger, *events: dict[str, Any]) -> None:
    chain(ledger, list(events))
    catch_up_all(ledger.id)


def page_of(client: Client, ledger: Ledger, agent_id: str) -> str:
    return get(client, f"{AGENTS}{ledger.name}/?{urlencode({'id': agent_id})}")


def test_an_agents_days_are_counted_by_when_it_happened(ledger: Ledger) -> None:
    seen(
        ledger,
        make_event(occurred_at="2026-10-01T23:59:59Z"),
        make_event(occurred_at="2026-10-02T00:00:00Z", outcome="denied"),
        make_event(occurred_at="2026-10-02T01:30:00+02:00", outcome="failure"),
        make_event(occurred_at="2026-10-02T12:00:00Z", outcome="error", error={"type": "T"}),
    )

    found = AgentDay.objects.filter(ledger=ledger).order_by("day")

    assert [(row.day, row.entries, row.failures, row.denied) for row in found] == [
        (date(2026, 10, 1), 2, 1, 0),
        (date(2026, 10, 2), 2, 1, 1),
    ]


def test_a_rebuild_makes_the_same_days(ledger: Ledger) -> None:
    seen(ledger, *[make_event(occurred_at=f"2026-10-{1 + n % 5:02}T10:00:00Z") for n in range(12)])
    before = list(AgentDay.objects.filter(ledger=ledger).order_by("day").values("day", "entries"))

    rebuild(ledger, projections()["agents"])

    after = list(AgentDay.objects.filter(ledger=ledger).order_by("day").values("day", "entries"))
    assert len(before) == 5
    assert after == before


def test_the_chart_has_a_bar_for_every_day_and_none_outside(ledger: Ledger) -> None:
    today = date(2026, 10, 31)
    times = [datetime(2026, 10, 31, tzinfo=UTC) - timedelta(days=n) for n in (0, 29, 30)]
    seen(ledger, *[make_event(occurred_at=time.isoformat()) for time in times])

    bars = days(Agent.objects.get(ledger=ledger), today=today)

    assert [bar.day for bar in bars] == [today - timedelta(days=n) for n in range(DAYS)][::-1]
    assert [bar.entries for bar in bars] == [1] + [0] * (DAYS - 2) + [1]
    assert [bar.height for bar in bars if bar.entries] == [96, 96]


def test_the_list_shows_the_most_lately_seen_first_and_each_once(
    auditor: Client, ledger: Ledger
) -> None:
    seen(ledger, *[make_event(agent={"id": f"agent-{n:02}"}) for n in range(30)])

    first = get(auditor, f"{AGENTS}?ledger={ledger.name}")
    second = get(auditor, link(first, "next") or "")

    names = re.findall(r"agent-\d\d</bdi></a></td>", first + second)
    assert [name[:8] for name in names] == [f"agent-{n:02}" for n in range(29, -1, -1)]


@pytest.mark.parametrize(
    "agent_id", ["..", "a/../b?x=1#y", "<b>&amp;", "ünï", "\u202eevil", "+ %2f"]
)
def test_every_id_has_an_address(auditor: Client, ledger: Ledger, agent_id: str) -> None:
    seen(ledger, make_event(agent={"id": agent_id, "version": "1"}))

    listed = get(auditor, f"{AGENTS}?ledger={ledger.name}")
    address = re.search(r'data-open href="([^"]+)"', listed)
    assert address is not None
    page = get(auditor, html.unescape(address[1]))

    assert f"{AGENTS}{ledger.name}/?id=" in address[1]
    assert 'aria-label="Versions"' in page
    assert "<b>" not in page
    assert "\u202e" not in page


def test_an_agents_page_leads_to_its_entries_and_first_versions(
    auditor: Client, ledger: Ledger
) -> None:
    for version in ("1.0", "1.1", "1.0"):
        seen(ledger, make_event(agent={"id": "alice-agent", "version": version}))

    page = html.unescape(page_of(auditor, ledger, "alice-agent"))

    assert f"/admin/audit/entry/?ledger={ledger.name}&agent=alice-agent" in page
    first_seqs = re.findall(
        rf"/admin/audit/entry/{ledger.name}/(\d+)/", page.split('aria-label="Versions"')[1]
    )
    assert first_seqs[:2] == ["1", "0"]


def test_who_was_never_registered_can_be_listed(auditor: Client, ledger: Ledger) -> None:
    seen(ledger, make_event(agent={"id": "stranger"}))

    page = get(auditor, f"{AGENTS}?ledger={ledger.name}&show=unregistered")

    assert "stranger" in page
    assert "not registered" in page


def test_pages_of_agents_count_nothing_big(auditor: Client, ledger: Ledger) -> None:
    seen(ledger, *[make_event(agent={"id": f"agent-{n}", "version": "1"}) for n in range(30)])

    for address in (
        f"{AGENTS}?ledger={ledger.name}",
        f"{AGENTS}{ledger.name}/?id=agent-3",
    ):
        with CaptureQueriesContext(connection) as queries:
            get(auditor, address)

        statements = [query["sql"].upper() for query in queries]
        assert not [one for one in statements if "COUNT(" in one or "OFFSET" in one]
        assert len(queries) <= 12


def test_unknown_agents_and_ledgers_say_so(auditor: Client, ledger: Ledger) -> None:
    assert auditor.get(f"{AGENTS}{ledger.name}/?id=nobody").status_code == 404
    assert auditor.get(f"{AGENTS}nowhere/?id=nobody").status_code == 404
    assert auditor.get(f"{AGENTS}{ledger.name}/?id=%00").status_code == 404
    assert "No such ledger" in get(auditor, f"{AGENTS}?ledger=nowhere")
    assert "Nothing is shown" in get(auditor, f"{AGENTS}?colour=red")
    assert "No agent yet" in get(auditor, f"{AGENTS}?ledger={ledger.name}")
