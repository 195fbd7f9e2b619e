"""The desk's pages of metrics: what each group sees and may do, and what is one click away."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from pytest_django import Settings

from audit.models import Ledger
from audit.parse import parse_event
from audit.project import catch_up
from metrics import switches
from metrics.models import Budget, CustomMetric, Price, Switch
from metrics.rollup import Rollups
from tests.conftest import chain, make_event
from tests.metrics.deciding import client, page, said

pytestmark = pytest.mark.usefixtures("undecided")

ADMIN = "/admin/metrics/"
SWITCHES, CUSTOM = f"{ADMIN}switch/", f"{ADMIN}custommetric/"
PRICES, BUDGETS = f"{ADMIN}price/", f"{ADMIN}budget/"
CSV = "provider,model,starts_at,input,output\nacme,m1,2026-01-01,2.5,10\nacme,m2,2026-01-01,1,2\n"


@pytest.fixture
def administrator(database: None) -> Client:
    return client("administrator")


@pytest.fixture
def auditor(database: None) -> Client:
    return client("auditor")


def fold(ledger: Ledger, *events: dict[str, Any]) -> None:
    now = datetime.now(UTC).isoformat()
    chain(ledger, [make_event(**{"occurred_at": now} | each) for each in events])
    catch_up(ledger.id, Rollups())


def metric(**fields: str) -> dict[str, str]:
    return {"name": "jokes_told", "kind": "gauge", "labels": "mood", "help": "Jokes."} | fields


def price(**fields: str) -> dict[str, str]:
    return {
        "provider": "acme",
        "model": "m1",
        "starts_at": "2026-01-01",
        "input": "2.5",
        "output": "10",
    } | fields


def budget(**fields: str) -> dict[str, str]:
    return {
        "name": "board",
        "covers": "all",
        "value": "",
        "ledger": "",
        "period": "month",
        "usd": "250",
    } | fields


# --- Who sees and does what ----------------------------------------------------------------------


@pytest.mark.parametrize("group", ["auditor", "compliance officer", "administrator"])
def test_these_groups_see_all_four_pages_in_the_sidebar(database: None, group: str) -> None:
    who = client(group)
    for address in (SWITCHES, CUSTOM, PRICES, BUDGETS):
        shown = who.get(address)
        assert shown.status_code == 200
        for each in (SWITCHES, CUSTOM, PRICES, BUDGETS):
            assert f'href="{each}"' in shown.content.decode()


def test_who_is_in_no_group_sees_none_of_them(database: None) -> None:
    who = client()
    for address in (SWITCHES, CUSTOM, PRICES, BUDGETS):
        assert who.get(address).status_code == 403


@pytest.mark.parametrize("group", ["auditor", "compliance officer"])
def test_only_administrators_change_anything(
    database: None, administrator: Client, group: str
) -> None:
    administrator.post(f"{CUSTOM}new/", metric())
    administrator.post(f"{PRICES}new/", price())
    administrator.post(f"{BUDGETS}new/", budget())
    made = [CustomMetric.objects.get(), Price.objects.get(), Budget.objects.get()]
    who = client(group)

    for address in (
        f"{SWITCHES}metrics/switch/",
        f"{CUSTOM}new/",
        f"{CUSTOM}{made[0].pk}/end/",
        f"{PRICES}new/",
        f"{PRICES}csv/",
        f"{PRICES}{made[1].pk}/remove/",
        f"{BUDGETS}new/",
        f"{BUDGETS}{made[2].pk}/edit/",
        f"{BUDGETS}{made[2].pk}/end/",
    ):
        assert who.post(address, {"value": "off", "reason": "x"}).status_code == 403, address
    for address in (SWITCHES, CUSTOM, PRICES, BUDGETS):
        shown = who.get(address).content.decode()
        assert "/new/" not in shown
        assert "/switch/" not in re.sub(r'href="[^"]*"', "", shown)


@pytest.mark.parametrize(
    "address",
    [
        f"{SWITCHES}nothing/change/",
        f"{CUSTOM}999999999/change/",
        f"{PRICES}x/change/",
        f"{BUDGETS}999999999/change/",
    ],
)
def test_what_is_not_there_is_not_found(auditor: Client, address: str) -> None:
    assert auditor.get(address).status_code == 404


@pytest.mark.parametrize("address", [CUSTOM, PRICES, BUDGETS])
def test_an_address_that_cannot_be_read_says_so_and_lists_nothing(
    auditor: Client, address: str
) -> None:
    text = page(auditor, f"{address}?show=some&colour=red&after=x")

    assert "colour : is no filter of this list" in text
    assert "Nothing is shown" in text


# --- Switches ------------------------------------------------------------------------------------


def test_a_switch_is_switched_with_a_reason(administrator: Client) -> None:
    answer = administrator.post(
        f"{SWITCHES}detail/switch/", {"value": "full", "reason": "a look"}, follow=True
    )

    text = said(answer.content)
    assert "Detail of metrics: full. Every process follows within 5 s" in text
    assert "Switched" in text
    assert Switch.objects.get().value == "full"


def test_a_switch_without_a_reason_is_refused_beside_its_field(administrator: Client) -> None:
    answer = administrator.post(f"{SWITCHES}metrics/switch/", {"value": "off", "reason": ""})

    assert answer.status_code == 409
    assert "Why is needed; the entry carries it." in said(answer.content)
    assert switches.metrics_on()


def test_the_page_says_what_the_environment_decides(
    administrator: Client, settings: Settings
) -> None:
    settings.SWITCHES = settings.SWITCHES | {"logging": ("off", True)}

    text = page(administrator, SWITCHES)
    assert "Set by OBS_LOGGING_ENABLED ; change it there." in text
    assert "No figure yet" in text
    answer = administrator.post(f"{SWITCHES}logging/switch/", {"value": "on", "reason": "x"})
    assert answer.status_code == 409


# --- Custom metrics ------------------------------------------------------------------------------


def test_an_empty_list_shows_an_event_that_is_accepted(auditor: Client) -> None:
    shown = auditor.get(CUSTOM)
    command = said(shown.content)

    assert "No measure of agents' own is counted yet" in command
    event = command[command.index("-d '{") + 4 :].split("}'")[0] + "}"
    assert parse_event(event.encode(), default_id=None).action == "metric.recorded"


def test_a_refused_measure_is_allowed_in_one_click(ledger: Ledger, administrator: Client) -> None:
    measure = {"name": "puns_told", "type": "gauge", "value": 1, "labels": {"mood": "dry"}}
    sent = {"category": "system", "action": "metric.recorded", "measure": measure}
    fold(ledger, sent, sent)

    assert re.search(r"puns_told 2 \S+", page(administrator, CUSTOM))
    form = administrator.get(f"{CUSTOM}new/?name=puns_told").content.decode()
    assert 'value="puns_told"' in form
    assert 'value="mood"' in form
    assert '<option value="gauge" selected>' in form

    text = said(administrator.post(f"{CUSTOM}new/", metric(name="puns_told"), follow=True).content)
    assert "puns_told counts from now on" in text
    fold(ledger, sent)
    assert "all gauges take" in page(
        administrator, f"{CUSTOM}{CustomMetric.objects.get().id}/change/"
    )


def test_what_was_typed_stays_when_something_is_wrong(administrator: Client) -> None:
    answer = administrator.post(f"{CUSTOM}new/", metric(labels="mood, user_id"))

    assert answer.status_code == 400
    assert "Labels must not be user_id" in said(answer.content)
    assert 'value="mood, user_id"' in answer.content.decode()


def test_an_ended_metric_stands_under_ended(administrator: Client) -> None:
    administrator.post(f"{CUSTOM}new/", metric())
    made = CustomMetric.objects.get()
    text = said(administrator.post(f"{CUSTOM}{made.id}/end/", follow=True).content)

    assert "jokes_told is refused from now on" in text
    assert "jokes_told" in page(administrator, f"{CUSTOM}?show=ended")
    again = said(administrator.post(f"{CUSTOM}{made.id}/end/", follow=True).content)
    assert "Nothing was changed" in again


# --- Prices --------------------------------------------------------------------------------------


def test_prices_come_as_a_file_or_pasted(administrator: Client) -> None:
    file = SimpleUploadedFile("prices.csv", CSV.encode())
    text = said(administrator.post(f"{PRICES}csv/", {"file": file}, follow=True).content)
    assert "2 prices are new or changed" in text

    text = said(administrator.post(f"{PRICES}csv/", {"csv": CSV}, follow=True).content)
    assert "stood there already" in text


@pytest.mark.parametrize(
    ("sent", "told"),
    [
        ({"csv": CSV + "acme,m3,soon,1,2\n"}, "line 4, column starts_at: it is a day such as"),
        ({"csv": ""}, "CSV, pasted here is empty; its first line is provider,model,"),
        ({"file": SimpleUploadedFile("x.csv", b"\xff\xfe")}, "File is no UTF-8 at byte 0"),
    ],
)
def test_an_upload_that_is_wrong_says_where(
    administrator: Client, sent: dict[str, Any], told: str
) -> None:
    answer = administrator.post(f"{PRICES}csv/", sent)

    assert answer.status_code == 400
    assert told in said(answer.content)
    assert not Price.objects.exists()


def test_a_model_without_a_price_gets_one_in_one_click(
    ledger: Ledger, administrator: Client
) -> None:
    asked = {"category": "llm_call", "action": "llm.call", "usage": {"input_tokens": 5}}
    fold(ledger, asked | {"model": {"provider": "acme", "name": "m1"}})

    text = page(administrator, PRICES)
    assert "acme/m1" in text
    assert "had no cost so far" in text
    form = administrator.get(f"{PRICES}new/?provider=acme&model=m1").content.decode()
    assert 'value="acme"' in form
    assert 'value="m1"' in form

    text = said(administrator.post(f"{PRICES}new/", price(), follow=True).content)
    assert "The price of acme/m1 is entered" in text
    assert "in force" in text


def test_a_price_is_downloaded_and_removed(administrator: Client, auditor: Client) -> None:
    administrator.post(f"{PRICES}new/", price())
    download = auditor.get(f"{PRICES}prices.csv")
    assert download["Content-Type"] == "text/csv; charset=utf-8"
    assert b"acme,m1,2026-01-01T00:00:00Z,2.5,10,0,0" in download.content

    made = Price.objects.get()
    assert "Input" not in page(administrator, f"{PRICES}{made.id}/change/")
    text = said(administrator.post(f"{PRICES}{made.id}/remove/", follow=True).content)
    assert "The price of acme/m1 is removed" in text
    assert "acme/m1" in page(administrator, f"{PRICES}?show=removed")


def test_the_page_says_that_a_rebuild_follows_the_table(auditor: Client) -> None:
    text = page(auditor, PRICES)

    assert "What was counted before keeps its cost" in text
    assert "manage.py rebuild metrics" in text


# --- Budgets -------------------------------------------------------------------------------------


def test_a_budget_is_set_and_says_how_it_stands(ledger: Ledger, administrator: Client) -> None:
    asked = {"category": "llm_call", "action": "llm.call", "usage": {"cost_usd": 300}}
    fold(ledger, asked | {"model": {"provider": "acme", "name": "m1"}})

    answer = administrator.post(f"{BUDGETS}new/", budget(ledger=ledger.name), follow=True)
    text = said(answer.content)
    assert "board is set; this is an entry" in text
    assert "$300.00 of $250.00 are used, $50.00 more than may be" in text
    listed = page(administrator, BUDGETS)
    assert "none, $50.00 over" in listed
    assert "120 %" in listed


def test_a_budget_that_is_wrong_names_its_fields(administrator: Client) -> None:
    answer = administrator.post(f"{BUDGETS}new/", budget(covers="model", value="gpt", usd="-1"))

    assert answer.status_code == 400
    text = said(answer.content)
    assert "Which one is provider and model with a slash between" in text
    assert "Amount is more than 0" in text


def test_a_budget_is_changed_and_ended(administrator: Client) -> None:
    administrator.post(f"{BUDGETS}new/", budget())
    made = Budget.objects.get()
    assert 'value="250.00"' in administrator.get(f"{BUDGETS}{made.id}/edit/").content.decode()

    administrator.post(f"{BUDGETS}{made.id}/edit/", budget(usd="99.5", period="week"))
    made.refresh_from_db()
    assert (str(made.usd), made.period) == ("99.50", "week")

    text = said(administrator.post(f"{BUDGETS}{made.id}/end/", follow=True).content)
    assert "board is ended" in text
    assert administrator.get(f"{BUDGETS}{made.id}/edit/").status_code == 404
    assert "board" in page(administrator, f"{BUDGETS}?show=ended")


def test_budgets_say_that_nothing_is_counted_while_metrics_are_off(auditor: Client) -> None:
    switches.switch("metrics", "off", reason="a test", by="alice")

    assert "Metrics are switched off" in page(auditor, BUDGETS)
