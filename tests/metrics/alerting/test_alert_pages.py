"""The desk's pages of alert rules: who sees and does what, and what is one click away."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from django.conf import settings
from django.test import Client
from django.urls import reverse

from audit.append import append_pending
from audit.models import Ledger
from metrics.admin.runbooks import FOLDER, blocks, names, read_runbook
from metrics.alert_rules import RULES
from metrics.alerting.evaluate import evaluate
from metrics.alerting.in_force import standing_of
from metrics.models import AlertRule
from tests.metrics.alerting.fed import MINUTE, Fed, forget_minutes, write_minutes
from tests.metrics.deciding import client, page, said

LIST = "/admin/metrics/alertrule/"
ERRORS = f"{LIST}HighErrorRate/change/"
SHIPPED = {rule.name: rule for rule in RULES}


@pytest.fixture(autouse=True)
def _empty(database: None) -> Iterator[None]:
    forget_minutes()
    yield
    forget_minutes()


@pytest.fixture
def administrator() -> Client:
    return client("administrator")


@pytest.fixture
def auditor() -> Client:
    return client("auditor")


def typed(**different: str) -> dict[str, str]:
    return {
        "name": "BillingErrors",
        "group": "agents",
        "family": "obs_agent_errors_total",
        "function": "increase",
        "comparison": ">",
        "threshold": "3",
        "window": "5m",
        "lasts": "2m",
        "match": "",
        "by": "agent",
        "of": "",
        "quantile": "0.95",
        "aggregate": "max",
        "severity": "warning",
        "summary": "{value} errors of {agent}",
        "description": "It fails.",
        "runbook": "HighErrorRate",
        "reason": "a test",
    } | different


def write_backlog(minutes: int = 30) -> datetime:
    """Let requests wait in the ledger main for as many minutes, up to now; return now."""
    now = datetime.now(UTC).replace(second=0, microsecond=0)
    waits = Fed(
        name="obs_ingest_inbox_age_seconds",
        labels={"ledger": "main"},
        minutes=[0.0] * 10 + [120.0] * minutes,
    )
    write_minutes(now - (len(waits.minutes) - 1) * MINUTE, [waits])
    return now


def fire_backlog() -> None:
    now = write_backlog()
    rule = SHIPPED["QueueBacklog"]
    evaluate(now - 3 * MINUTE, [rule])
    evaluate(now, [rule])


# --- Who sees and does what -----------------------------------------------------------------------


@pytest.mark.parametrize("group", ["auditor", "compliance officer", "administrator"])
def test_these_groups_see_the_rules(group: str) -> None:
    who = client(group)

    for address in (LIST, ERRORS, f"{LIST}runbook/HighErrorRate/"):
        assert who.get(address).status_code == 200, address
    assert f'href="{LIST}"' in who.get(LIST).content.decode()


@pytest.mark.parametrize("group", ["auditor", "compliance officer"])
def test_only_administrators_change_rules(group: str) -> None:
    who = client(group)

    for address in (
        f"{LIST}new/",
        f"{LIST}HighErrorRate/edit/",
        f"{LIST}HighErrorRate/switch/",
        f"{LIST}HighErrorRate/back/",
    ):
        assert who.post(address, typed()).status_code == 403, address
    shown = who.get(ERRORS).content.decode()
    assert "/edit/" not in shown
    assert "HighErrorRate/switch/" not in shown


@pytest.mark.parametrize(
    "address",
    ["NoSuchRule/change/", "NoSuchRule/edit/", "runbook/NoSuchPage/", "runbook/index/"],
)
def test_what_is_not_there_is_not_found(administrator: Client, address: str) -> None:
    assert administrator.get(f"{LIST}{address}").status_code == 404


# --- The list -------------------------------------------------------------------------------------


def test_the_list_has_every_rule_in_words(auditor: Client) -> None:
    text = page(auditor, LIST)

    assert "Nothing fires now; 35 of 36 rules are evaluated here" in text
    for rule in RULES:
        assert rule.name in text
    assert "the rate of obs_agent_errors_total over 5m is more than 0.1 a second" in text
    assert "Prometheus alone" in text


def test_what_fires_stands_first(auditor: Client) -> None:
    fire_backlog()

    text = page(auditor, LIST)
    assert "1 alert fires now" in text
    assert "QueueBacklog" in page(auditor, f"{LIST}?show=now").split("Fires when")[1]
    assert "HighErrorRate" not in page(auditor, f"{LIST}?show=now")


def test_tabs_show_what_they_say(administrator: Client) -> None:
    administrator.post(f"{LIST}HighErrorRate/switch/", {"value": "off", "reason": "noise"})
    administrator.post(f"{LIST}new/", typed() | {"keep": "1"})

    off, changed = (
        page(administrator, f"{LIST}?show=off"),
        page(administrator, f"{LIST}?show=changed"),
    )
    assert "HighErrorRate" in off
    assert "SlowAgentExecution" not in off
    assert "HighErrorRate" in changed
    assert "BillingErrors" in changed
    assert "All is quiet" in page(administrator, f"{LIST}?show=now")


def test_where_prometheus_evaluates_the_page_says_so(
    auditor: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    fire_backlog()
    monkeypatch.setattr(settings, "ALERTS_EVALUATE", False)

    text = page(auditor, LIST)
    assert "Nothing fires now; 0 of 36 rules are evaluated here" in text
    assert "not evaluated here" in text


# --- A rule ---------------------------------------------------------------------------------------


def test_a_rule_is_shown_in_both_languages_with_its_day(auditor: Client) -> None:
    fire_backlog()

    answer = auditor.get(f"{LIST}QueueBacklog/change/")
    text = said(answer.content)
    assert "Fires when the greatest of obs_ingest_inbox_age_seconds is more than 60 s" in text
    assert "max by (ledger) (obs_ingest_inbox_age_seconds) > 60" in text
    assert "FROM stood" in text
    assert "It would have fired 1 time in the last 24 hours" in text
    assert "<svg" in answer.content.decode()
    assert "The same as a table" in text
    assert f'href="{LIST}runbook/QueueBacklog/"' in answer.content.decode()


def test_a_rule_without_figures_says_so(auditor: Client) -> None:
    assert "Nothing was found in the last day" in page(auditor, ERRORS)


def test_prometheus_own_rule_says_whose_it_is(auditor: Client) -> None:
    assert "nobody else can evaluate" in page(auditor, f"{LIST}TargetDown/change/")


def test_a_rule_that_cannot_be_read_is_shown_with_the_way_out(administrator: Client) -> None:
    AlertRule.objects.create(name="Mine", rule={"name": "Mine"}, changed_by="a")

    assert "It cannot be read" in page(administrator, f"{LIST}Mine/change/")
    assert page(administrator, f"{LIST}Mine/edit/")
    administrator.post(f"{LIST}Mine/back/", {"reason": "gone"})
    assert standing_of("Mine") is None


# --- Changing -------------------------------------------------------------------------------------


def test_trying_says_what_would_have_fired_and_changes_nothing(administrator: Client) -> None:
    write_backlog()
    draft = typed(
        family="obs_ingest_inbox_age_seconds", function="value", by="ledger", threshold="100",
        summary="{value} in {ledger}",
    )  # fmt: skip

    answer = administrator.post(f"{LIST}new/", draft | {"try": "1"})

    assert "It would have fired 1 time in the last 24 hours" in said(answer.content)
    assert 'value="obs_ingest_inbox_age_seconds"' in answer.content.decode()
    assert not AlertRule.objects.exists()


def test_a_rule_is_made(administrator: Client) -> None:
    answer = administrator.post(f"{LIST}new/", typed() | {"keep": "1"}, follow=True)

    assert "BillingErrors is made, and counts from the next look on" in said(answer.content)
    made = standing_of("BillingErrors")
    assert made is not None
    assert made.origin == "own"


def test_what_is_wrong_stands_beside_its_field(administrator: Client) -> None:
    answer = administrator.post(
        f"{LIST}new/", typed(threshold="much", by="colour", window="0s") | {"keep": "1"}
    )

    text = said(answer.content)
    assert answer.status_code == 400
    assert "Threshold is a number, such as 0.1 or 1000000." in text
    assert "One alert for each obs_agent_errors_total has no label colour." in text
    assert "Window a window is at least a second, in whole seconds." in text
    assert not AlertRule.objects.exists()


def test_a_change_keeps_the_name_and_asks_why(administrator: Client) -> None:
    draft = typed(name="Other", threshold="7")
    refused = administrator.post(f"{LIST}HighErrorRate/edit/", draft | {"reason": "", "keep": "1"})
    assert "Why is needed" in said(refused.content)

    administrator.post(f"{LIST}HighErrorRate/edit/", draft | {"keep": "1"})

    found = standing_of("HighErrorRate")
    assert found is not None
    assert found.rule is not None
    assert (found.rule.name, found.rule.threshold) == ("HighErrorRate", 7)
    own = Ledger.objects.get(name=settings.LEDGER)
    append_pending(own.id)
    text = page(administrator, ERRORS)
    assert "Put it back as shipped" in text
    assert "threshold: 0.1 → 7" in text
    assert "Nobody has changed it" in page(administrator, f"{LIST}SlowAgentExecution/change/")


def test_another_rule_begins_like_one(administrator: Client) -> None:
    form = administrator.get(f"{LIST}new/?like=HighErrorRate").content.decode()

    assert 'value="obs_agent_errors_total"' in form
    assert 'name="name" value=""' in form


def test_switching_without_a_reason_changes_nothing(administrator: Client) -> None:
    answer = administrator.post(
        f"{LIST}HighErrorRate/switch/", {"value": "off", "reason": ""}, follow=True
    )

    assert "Nothing was changed" in said(answer.content)
    assert not AlertRule.objects.exists()


# --- Runbooks -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", names())
def test_every_runbook_is_shown_whole(auditor: Client, name: str) -> None:
    shown = page(auditor, reverse("admin:metrics_runbook", args=[name]))

    lines = (FOLDER / f"{name}.md").read_text().splitlines()
    text = " ".join(each for each in lines if not each.startswith("```"))
    for word in (
        text.replace("`", " ").replace("[", " ").replace("](", " (").replace("*", " ").split()
    ):
        if word.isalpha():
            assert word in shown, word


def test_a_runbook_uses_no_more_of_markdown_than_is_read() -> None:
    for name in names():
        for block in read_runbook(name) or []:
            for line in block.lines:
                plain = "".join(piece.text for piece in line if not piece.is_code)
                assert "|" not in plain
                assert not plain.startswith(("#", ">", "- ", "1."))
                assert "*" not in plain


def test_what_stands_in_a_runbook_is_text(tmp_path: object) -> None:
    (block,) = blocks("# T\n\n<b>bold</b> `a` [x](HighErrorRate.md) [y](https://e.com)\n")

    assert [(piece.text, piece.is_code, piece.runbook) for piece in block.lines[0]] == [
        ("<b>bold</b> ", False, ""),
        ("a", True, ""),
        (" ", False, ""),
        ("x", False, "HighErrorRate"),
        (" ", False, ""),
        ("y", False, ""),
    ]
