"""The pages of ledgers: what is known of each, and the one act there is."""

from __future__ import annotations

import html
from datetime import UTC, datetime

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from audit.facts import ledger_facts, months, projection_lags
from audit.models import Ledger, Verification
from audit.project import catch_up_all
from audit.runs import run_verification
from tests.audit.desk import administrator, auditor, get, main_ledger, verified
from tests.audit.holding import conflict
from tests.conftest import chain, make_event, post

pytestmark = pytest.mark.usefixtures("alone_as_module")

__all__ = ["administrator", "auditor", "main_ledger"]  # fixtures, found by their names here

LEDGERS = "/admin/audit/ledger/"
RUNS = "/admin/audit/verification/"


def page_of(client: Client, ledger: Ledger) -> str:
    return html.unescape(get(client, f"{LEDGERS}{ledger.name}/change/"))


def ask(client: Client, ledger: Ledger, **form: str) -> str:
    answer = client.post(f"{LEDGERS}{ledger.name}/verify/", form)
    assert answer.status_code == 302
    return str(answer.headers["Location"])


def test_the_page_says_what_is_known(auditor: Client, ledger: Ledger) -> None:
    conflict(ledger)
    chain(ledger, [make_event()])
    catch_up_all(ledger.id)
    post(ledger, [make_event()])
    run_verification(ledger, kind="manual", requested_by="Alice")
    newest = ledger_facts([ledger.id])[ledger.id]

    page = page_of(auditor, ledger)

    assert f"{ledger.name} was found intact up to #1 of #1" in page
    assert newest.head_hash in page
    assert "1 open" in page
    assert "Alice" in page
    assert f"{RUNS}{Verification.objects.get(ledger=ledger).id}/change/" in page


def test_facts_are_those_of_the_ledger(ledger: Ledger) -> None:
    first, last = chain(ledger, [make_event(), make_event()])
    post(ledger, [make_event()])

    facts = ledger_facts([ledger.id])[ledger.id]

    assert facts.head_hash == last.hash
    assert (facts.held, facts.held_is_exact, facts.run_id) == (0, True, None)
    assert facts.oldest_waiting_at is not None
    assert facts.lag_seconds(facts.oldest_waiting_at) == 0
    assert [one.behind for one in projection_lags(ledger.id)] == []
    month = next(one for one in months(ledger.id) if one.first_seq is not None)
    now = datetime.now(UTC)
    assert (month.first_day.year, month.first_day.month) == (now.year, now.month)
    assert (month.first_seq, month.last_seq) == (first.seq, last.seq)
    assert month.size_bytes > 0


def test_the_list_has_every_ledger_and_its_word(auditor: Client, ledger: Ledger) -> None:
    chain(ledger, [make_event()])
    verified(ledger, start=0, end=1, result="tampered", bad=(0, "hash"))

    page = get(auditor, f"{LEDGERS}?ledger={ledger.name}")  # other tests' are there too

    row = page.split(f">{ledger.name}<")[1].split("</tr>")[0]
    assert "tampered" in row


@pytest.mark.parametrize("bad_seq", [0, -3])
def test_a_broken_ledger_says_what_to_do(auditor: Client, ledger: Ledger, bad_seq: int) -> None:
    chain(ledger, [make_event()])
    verified(ledger, start=0, end=1, result="tampered", bad=(bad_seq, "hash"))

    answer = auditor.get(f"{RUNS}{Verification.objects.get(ledger=ledger).id}/change/")

    assert "Keep the database as it is" in answer.content.decode()


def test_an_auditor_sees_no_button_and_starts_nothing(auditor: Client, ledger: Ledger) -> None:
    page = page_of(auditor, ledger)
    answer = auditor.post(f"{LEDGERS}{ledger.name}/verify/")

    assert "manage.py verifychain" in page
    assert 'action="/admin/audit/ledger' not in page
    assert answer.status_code == 403
    assert not Verification.objects.filter(ledger=ledger).exists()


def test_asking_leads_to_the_runs_page(administrator: Client, ledger: Ledger) -> None:
    chain(ledger, [make_event() for _ in range(3)])

    address = ask(administrator, ledger)

    run = Verification.objects.get(ledger=ledger)
    assert address == f"{RUNS}{run.id}/change/"
    assert (run.state, run.kind, run.from_seq, run.to_seq) == ("queued", "manual", 0, -1)
    assert run.requested_by.startswith("administrator-")
    assert "Waiting for a worker" in get(administrator, address)


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ({"from_seq": "", "to_seq": ""}, (0, -1)),
        ({"from_seq": "1", "to_seq": ""}, (1, -1)),
        ({"from_seq": "#1", "to_seq": "1,000"}, (1, 1001)),
        ({"from_seq": "", "to_seq": "0"}, (0, 1)),
    ],
)
def test_a_range_is_typed_with_both_ends(
    administrator: Client, ledger: Ledger, typed: dict[str, str], expected: tuple[int, int]
) -> None:
    ask(administrator, ledger, **typed)

    run = Verification.objects.get(ledger=ledger)
    assert (run.from_seq, run.to_seq) == expected


@pytest.mark.parametrize(
    "typed",
    [{"from_seq": "x"}, {"to_seq": "-1"}, {"from_seq": "5", "to_seq": "3"}, {"to_seq": "²"}],
)
def test_a_range_that_cannot_be_read_starts_nothing_and_says_why(
    administrator: Client, ledger: Ledger, typed: dict[str, str]
) -> None:
    address = ask(administrator, ledger, **typed)

    assert address == f"{LEDGERS}{ledger.name}/change/#verify"
    assert "No verification was started" in get(administrator, address)
    assert not Verification.objects.filter(ledger=ledger).exists()


def test_asking_twice_leads_to_the_run_that_waits(administrator: Client, ledger: Ledger) -> None:
    first = ask(administrator, ledger)
    second = ask(administrator, ledger)

    assert first == second
    assert Verification.objects.filter(ledger=ledger).count() == 1


def test_pages_of_ledgers_ask_little(auditor: Client, ledger: Ledger) -> None:
    chain(ledger, [make_event()])

    for address in (LEDGERS, f"{LEDGERS}{ledger.name}/change/"):
        with CaptureQueriesContext(connection) as queries:
            get(auditor, address)

        assert len(queries) <= 12
        assert not [one for one in queries if "OFFSET" in one["sql"].upper()]


def test_an_unknown_ledger_is_a_page_that_says_so(
    auditor: Client, administrator: Client, ledger: Ledger
) -> None:
    assert auditor.get(f"{LEDGERS}nowhere/change/").status_code == 404
    assert administrator.post(f"{LEDGERS}nowhere/verify/").status_code == 404
