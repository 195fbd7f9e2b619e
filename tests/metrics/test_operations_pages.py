"""The pages under Operations: figures as SQL says them, links, filters, names that attack."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.test import Client

from audit.agents import AgentRegistry
from audit.database import raw_connection, rows
from audit.models import Entry, Ledger
from audit.project import catch_up
from metrics.admin.operations.pages import PAGES
from metrics.models import Objective
from metrics.rollup import Rollups
from tests.conftest import GOVERNANCE, chain, make_event
from tests.metrics.deciding import client, newest_change, page, said

pytestmark = pytest.mark.usefixtures("undecided")

AT = "/admin/operations/"
LEVELS = "/admin/metrics/objective/"
ATTACK = "<img src=x onerror=alert(1)>"


@pytest.fixture
def auditor(database: None) -> Client:
    return client("auditor")


@pytest.fixture
def administrator(database: None) -> Iterator[Client]:
    yield client("administrator")
    Objective.objects.all().delete()


@pytest.fixture
def fleet(ledger: Ledger) -> Ledger:
    """Alice runs three times, once in vain; Bob once, in version 2; both call tools and models."""
    acts: list[dict[str, Any]] = [
        registered("alice"),
        registered("bob"),
        *(ended("alice", outcome) for outcome in ("success", "success", "failure")),
        ended("bob", "success", version="2"),
        *(called("alice", outcome) for outcome in ("success", "denied")),
        asked("alice"),
        {"category": "communication", "action": "feedback.received", "agent": {"id": "alice"},
         "feedback": {"kind": "stars", "score": 0.75}},
    ]  # fmt: skip
    now = datetime.now(UTC).isoformat()
    chain(ledger, [make_event(**{"occurred_at": now} | act) for act in acts], sender=GOVERNANCE)
    catch_up(ledger.id, Rollups())
    return ledger


def registered(name: str) -> dict[str, Any]:
    return {"category": "agent_lifecycle", "action": "agent.registered",
            "agent": {"id": name, "name": name}}  # fmt: skip


def ended(name: str, outcome: str, version: str = "1") -> dict[str, Any]:
    agent = {"id": name, "version": version}
    said: dict[str, Any] = {"category": "action", "action": "run.completed", "outcome": outcome,
                            "agent": agent, "duration_ms": 1_500}  # fmt: skip
    return said | ({"error": {"type": "Timeout"}} if outcome == "failure" else {})


def called(name: str, outcome: str) -> dict[str, Any]:
    return {"category": "tool_call", "action": "tool.invoke", "outcome": outcome,
            "agent": {"id": name}, "tool": {"name": "crm"}, "duration_ms": 40}  # fmt: skip


def asked(name: str) -> dict[str, Any]:
    return {"category": "llm_call", "action": "llm.call", "agent": {"id": name},
            "model": {"provider": "acme", "name": "m1"}, "usage": {"cost_usd": 0.5}}  # fmt: skip


def charts(answer: bytes) -> dict[str, dict[str, Any]]:
    found = re.findall(r'data-chart="([^"]*)"', answer.decode())
    read = [json.loads(html.unescape(each)) for each in found]
    return {each["title"]: each for each in read}


def of(ledger: Ledger, name: str, **query: str) -> str:
    asked = "&".join(f"{key}={value}" for key, value in {"ledger": ledger.name, **query}.items())
    return f"{AT}{name}/?{asked}"


@pytest.mark.parametrize("slug", [each.slug for each in PAGES])
@pytest.mark.parametrize("span", ["1h", "30d"])
def test_every_page_answers_at_every_range(auditor: Client, slug: str, span: str) -> None:
    answer = auditor.get(f"{AT}{slug}/?last={span}")

    assert answer.status_code == 200
    assert f'href="{AT}{slug}/"' in answer.content.decode()


@pytest.mark.parametrize("slug", [each.slug for each in PAGES])
def test_every_chart_has_a_page_with_all_of_its_figures(auditor: Client, slug: str) -> None:
    found = next(each for each in PAGES if each.slug == slug)
    for chart in found.charts:
        assert chart.title in page(auditor, f"{AT}{slug}/?chart={chart.slug}&last=1h")
    page(auditor, f"{AT}{slug}/?chart=nothing", status=404)


def test_figures_are_what_the_entries_say(auditor: Client, fleet: Ledger) -> None:
    text = page(auditor, of(fleet, "agents", last="1h"))

    assert "4 runs ended, 75 % of them well" in text
    assert re.search(r"alice 3 66.7 % \S+ s none \d+", text)


def test_a_charts_figures_are_what_sql_says(auditor: Client, fleet: Ledger) -> None:
    drawn = charts(auditor.get(of(fleet, "agents", last="1h")).content)["Runs by how they ended"]
    in_sql: dict[str, float] = dict(rows(
        "SELECT split_part(labels, ' ', 2), sum(n)::float8 FROM metrics_minute"
        " WHERE ledger_id = %s AND family = 'obs_agent_executions_total' GROUP BY 1",
        (fleet.id,),
    ))  # fmt: skip

    assert in_sql == {"success": 3.0, "error": 1.0}
    for one in drawn["series"]:
        done = [value * 1 for value in one["values"]]
        now = datetime.now(UTC).timestamp()
        seconds = [min(max(now - drawn["start"] - 60 * place, 1), 60) for place in range(60)]
        counted = sum(value * gone / 60 for value, gone in zip(done, seconds, strict=True))
        assert counted == pytest.approx(in_sql[one["name"]], rel=0.2)


def test_two_clicks_lead_to_the_entries(auditor: Client, fleet: Ledger) -> None:
    drawn = charts(auditor.get(of(fleet, "agents", last="1h")).content)["Success by agent"]
    (alice,) = [one for one in drawn["series"] if one["name"] == "alice"]
    query = parse_qs(alice["query"])

    assert query == {"ledger": [fleet.name], "action": ["run.completed"], "agent": ["alice"]}
    start = datetime.fromtimestamp(drawn["start"], UTC)
    end = start + timedelta(hours=1)
    listed = auditor.get(
        f"{drawn['entries']}?{alice['query']}&from={start:%Y-%m-%dT%H:%M:%SZ}"
        f"&to={end:%Y-%m-%dT%H:%M:%SZ}"
    )
    assert listed.content.decode().count("<tr data-row") == 3


def test_every_link_of_a_figure_is_a_filter_that_the_list_reads(
    auditor: Client, fleet: Ledger
) -> None:
    linked: dict[str, tuple[str, ...]] = {}
    for each in PAGES:
        answer = auditor.get(of(fleet, each.slug, last="1h")).content.decode()
        for address in re.findall(r'href="(/admin/audit/entry/\?[^"]*)"', answer):
            linked.setdefault(html.unescape(address), (each.slug,))
        for drawn in charts(answer.encode()).values():
            for one in drawn["series"]:
                if drawn["entries"]:
                    where = (each.slug, drawn["title"], one["name"])
                    linked.setdefault(f"{drawn['entries']}?{one['query']}", where)

    for address, found_at in linked.items():
        shown = said(auditor.get(address).content)
        assert "Nothing is shown" not in shown, (found_at, address)


def test_an_address_that_cannot_be_read_shows_nothing(auditor: Client) -> None:
    text = page(auditor, f"{AT}agents/?last=1y&colour=red&ledger=nobody")

    assert "last : is one of 1h, 6h, 24h, 7d, 30d" in text
    assert "colour : is no filter of this page" in text
    assert "ledger : is no ledger here" in text
    assert "Nothing is shown" in text
    for wrong in (
        "from=x",
        "to=2026-01-01T00:00:00Z",
        "from=2026-01-02T00:00:00Z&to=2026-01-01T00:00:00Z",
    ):
        assert "Nothing is shown" in page(auditor, f"{AT}tools/?{wrong}")


def test_a_sent_form_leaves_its_blanks_out_of_the_address(auditor: Client) -> None:
    answer = auditor.get(f"{AT}tools/?form=1&last=24h&tool=&from=2026-11-01T00:00:00Z&to=")

    assert answer.status_code == 302
    assert parse_qs(urlsplit(answer["Location"]).query) == {"from": ["2026-11-01T00:00:00Z"]}


def test_one_agent_has_its_tools_models_cost_and_versions(auditor: Client, fleet: Ledger) -> None:
    catch_up(fleet.id, AgentRegistry())
    text = page(auditor, of(fleet, "agents/one", agent="alice", last="1h"))

    assert "3 of its runs ended, 66.7 % of them well" in text
    assert re.search(r"crm 2 1 under 0.1 s", text)
    assert "acme/m1 1 0" in text
    assert "$0.50" in text
    assert "before and since" in text


def test_two_agents_stand_beside_each_other(auditor: Client, fleet: Ledger) -> None:
    text = page(auditor, of(fleet, "agents/compare", a="alice", b="bob", last="1h"))

    assert re.search(r"Runs that ended 3 1", text)
    assert re.search(r"Runs that went well 66.7 % 100 %", text)


def test_an_agent_stands_beside_itself_before_a_moment(auditor: Client, fleet: Ledger) -> None:
    at = (datetime.now(UTC) - timedelta(minutes=10)).strftime("%Y-%m-%dT%H:%M:%SZ")
    text = page(auditor, of(fleet, "agents/compare", a="alice", b="alice", at=at))

    assert re.search(r"Runs that ended 3 0", text)
    assert "beside as long before" in text
    assert "Nothing is shown" in page(auditor, of(fleet, "agents/compare", a="x", b="y", at="no"))


def test_a_name_that_attacks_is_text(auditor: Client, fleet: Ledger) -> None:
    for address in (
        of(fleet, "agents/one", agent=ATTACK),
        of(fleet, "agents", agent=ATTACK),
        of(fleet, "agents/compare", a=ATTACK, b=ATTACK),
        of(fleet, "tools", tool=ATTACK),
    ):
        assert b"<img src=x" not in auditor.get(address).content


def test_security_lists_acts_on_keys_and_roles_with_their_entries(
    auditor: Client, ledger: Ledger
) -> None:
    now = datetime.now(UTC).isoformat()
    act = {"category": "identity", "action": "identity.role_granted", "occurred_at": now}
    chain(ledger, [make_event(**act)], sender=GOVERNANCE)
    entry = Entry.objects.get(ledger=ledger, action="identity.role_granted")
    answer = auditor.get(of(ledger, "security", last="1h"))

    assert f"/admin/audit/entry/{entry.hash}/change/" in answer.content.decode()


def test_people_said_what_entries_say(auditor: Client, fleet: Ledger) -> None:
    text = page(auditor, of(fleet, "people", last="1h"))

    assert "1 of 1 scores were a half or more, 0.75 on average" in text
    assert "alice stars 1 0.75" in text


def test_nothing_is_recommended_without_figures(auditor: Client, fleet: Ledger) -> None:
    assert "Nothing in this range asks for a change" in page(auditor, of(fleet, "advice"))


# --- Service levels -------------------------------------------------------------------------------


def promise(**fields: str) -> dict[str, str]:
    return {"name": "runs-go-well", "indicator": "runs", "target": "90", "days": "7"} | fields


def test_an_objective_says_what_was_kept_and_what_is_left(
    administrator: Client, fleet: Ledger
) -> None:
    raw_connection().execute("DELETE FROM metrics_minute WHERE ledger_id <> %s", (fleet.id,))
    text = said(administrator.post(f"{LEVELS}new/", promise(), follow=True).content)

    assert "runs-go-well is set; this is an entry" in text
    assert "75 % was good in 7 days and 90 % is promised: more was bad than may be" in text
    assert "Budget left -150 %" in text
    assert re.search(r"1h 2.5 2.5 14.4", text)
    assert newest_change()["target"] == {"type": "objective", "id": "runs-go-well"}
    assert "over" in page(administrator, LEVELS)


def test_an_objective_is_changed_and_removed_each_with_an_entry(administrator: Client) -> None:
    administrator.post(f"{LEVELS}new/", promise())
    text = said(
        administrator.post(
            f"{LEVELS}runs-go-well/edit/", promise(target="99.5"), follow=True
        ).content
    )
    assert "99.5 %" in text
    assert newest_change()["details"]["change"] == "changed"

    administrator.post(f"{LEVELS}runs-go-well/remove/", follow=True)
    assert newest_change()["details"]["change"] == "removed"
    assert "Nothing is promised yet" in page(administrator, LEVELS)


@pytest.mark.parametrize(
    ("field", "value", "told"),
    [
        ("name", "Big Name", "Name has small letters"),
        ("indicator", "luck", "About is one of api"),
        ("target", "100", "Must be good is a percentage"),
        ("target", "nan", "Must be good is a percentage"),
        ("target", "99.99999", "Must be good is a percentage"),
        ("days", "0", "Over days is a whole number"),
        ("days", "91", "Over days is a whole number"),
    ],
)
def test_an_objective_that_is_wrong_names_its_field(
    administrator: Client, field: str, value: str, told: str
) -> None:
    answer = administrator.post(f"{LEVELS}new/", promise(**{field: value}))

    assert answer.status_code == 400
    assert told in said(answer.content)
    assert not Objective.objects.exists()


def test_an_objective_of_a_taken_name_is_refused(administrator: Client) -> None:
    administrator.post(f"{LEVELS}new/", promise())
    answer = administrator.post(f"{LEVELS}new/", promise())

    assert "Name is taken" in said(answer.content)


@pytest.mark.parametrize("indicator", ["api", "ingest", "runs", "tools", "models"])
def test_every_indicator_can_be_promised(administrator: Client, indicator: str) -> None:
    text = said(
        administrator.post(f"{LEVELS}new/", promise(indicator=indicator), follow=True).content
    )
    assert "How fast the budget goes" in text


def test_an_auditor_promises_nothing(auditor: Client) -> None:
    assert auditor.post(f"{LEVELS}new/", promise()).status_code == 403
    assert "/new/" not in auditor.get(LEVELS).content.decode()
