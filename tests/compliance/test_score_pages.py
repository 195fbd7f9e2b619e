"""The pages of scores: drawn from sealed results alone, down to the entry, and for readers."""

from __future__ import annotations

import csv
import html
import io
import re
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from audit.append import append_pending
from audit.csv_lines import unsafe
from audit.models import Ledger
from audit.project import catch_up_all
from compliance.kinds.base import DAY_US
from compliance.models import Snapshot
from compliance.posture import posture_days, seal_postures
from compliance.result import FrameworkResult, as_json, day_of, digest_of, from_json
from compliance.scoring import control_score, control_state
from compliance.snapshot import seal_snapshot
from tests.audit.desk import auditor, get, link, main_ledger, make_client
from tests.compliance.results import a_result, some_controls
from tests.conftest import chain, make_event

__all__ = ["auditor", "main_ledger"]  # fixtures, which pytest finds by their names here

SCORE = "/admin/compliance/score/"
SNAPSHOTS = "/admin/compliance/snapshot/"
HOSTILE = '=cmd|"/c calc"!A1'
UNBOUNDED = re.compile(r"OFFSET|COUNT\(\*\)(?! FROM \(\s*SELECT FROM [^()]* LIMIT \d+\s*\))")
"""Rows that are skipped, or counted without an end."""
NEVER_SAID = ("compliant", "certified", "assured", "attested")


def seal(ledger: Ledger, *, kind: Any = "posture", **fields: Any) -> Snapshot:
    """Seal a result made by hand, over the days of today's posture."""
    start, end = posture_days(timezone.now().date())
    given = {"ledger": ledger.name, "start": day_of(start), "end": day_of(end)} | fields
    sealed = seal_snapshot(ledger, a_result(**given), kind=kind)
    append_pending(ledger.id)
    return sealed


def seal_over(ledger: Ledger, **fields: Any) -> Snapshot:
    """Seal a result over days that are over: sealed again, it restates."""
    start, end = (day_of(day) for day in posture_days(timezone.now().date() - timedelta(days=2)))
    return seal(ledger, start=start, end=end, as_of=end * DAY_US, **fields)


def mended(result: FrameworkResult) -> Any:
    """Return the controls of a result with the failing critical leg mended."""
    found = []
    for each in result.controls:
        if each.id == "CC6.3":
            legs = tuple(replace(leg, state="pass", f=0) for leg in each.legs)
            each = replace(each, legs=legs, state=control_state(legs), score=control_score(legs))
        found.append(each)
    return tuple(found)


@pytest.fixture
def late(ledger: Ledger) -> Ledger:
    """Return a ledger whose 60 events came weeks late, with today's postures sealed."""
    agents = [f"agent-{n}" for n in range(3)]
    chain(
        ledger,
        [make_event(agent={"id": agents[n % 3]}) for n in range(59)]
        + [make_event(agent={"id": HOSTILE})],
    )
    catch_up_all(ledger.id)
    seal_postures(ledger)
    append_pending(ledger.id)
    return ledger


def check_address(ledger: Ledger, **more: str) -> str:
    query = "&".join(
        [f"ledger={ledger.name}", "control=CC2.1"] + [f"{k}={v}" for k, v in more.items()]
    )
    return f"{SCORE}soc2/check/LOG-04/?{query}"


# --- The front page and the list -----------------------------------------------------------------


def test_a_card_says_the_four_numbers_what_caps_and_what_changed(
    auditor: Client, ledger: Ledger
) -> None:
    today = timezone.now().date()
    start, end = (day_of(day) for day in posture_days(today - timedelta(days=1)))
    chain(ledger, [make_event()])
    seal(ledger, start=start, end=end)
    newest = seal(ledger, controls=mended(a_result()))

    page = get(auditor, f"/admin/?ledger={ledger.name}")

    card = page[page.index('id="scores"') :]
    for number in (newest.evidenced, newest.tested, newest.coverage):
        assert f'obs-score-number">{number}' in card
    assert "Capped at 49" not in card
    assert f"Capped at {newest.cap}" in card
    assert ">CC6.3 TOOL-01</a>" in card
    assert f"{SCORE}soc2/?ledger={ledger.name}" in html.unescape(card)
    assert card.count("obs-trend-point") == 2


def test_before_the_first_posture_the_page_says_when_it_comes_and_the_command(
    auditor: Client, ledger: Ledger
) -> None:
    chain(ledger, [make_event()])

    for address in ("/admin/", SCORE, f"{SCORE}soc2/", f"{SCORE}soc2/control/CC2.1/"):
        page = html.unescape(get(auditor, f"{address}?ledger={ledger.name}"))
        assert "No posture yet" in page
        assert "manage.py evaluate soc2 --from" in page


def test_whoever_may_not_see_results_sees_no_card(ledger: Ledger) -> None:
    seal(ledger)
    nobody = make_client("nobody")

    assert "obs-score" not in get(nobody, f"/admin/?ledger={ledger.name}")
    assert nobody.get(SCORE).status_code == 403


# --- A framework ---------------------------------------------------------------------------------


def test_the_matrix_shows_every_control_and_every_leg_of_the_sealed_result(
    auditor: Client, ledger: Ledger
) -> None:
    sealed = seal(ledger)

    page = get(auditor, f"{SCORE}soc2/?ledger={ledger.name}")

    assert re.findall(r'data-open href="[^"]+">([^<]+)<', page) == [
        each.id for each in some_controls()
    ]
    for control in some_controls():
        for leg in control.legs:
            assert f"{leg.id}</span><span" in page
    assert str(sealed.id) in page
    assert "not sealed" not in page.partition('id="numbers"')[2].partition("</section>")[0]


def test_states_and_areas_narrow_the_matrix_and_stand_in_the_address(
    auditor: Client, ledger: Ledger
) -> None:
    seal(ledger)

    page = get(auditor, f"{SCORE}soc2/?ledger={ledger.name}&state=fail&state=waived")

    shown = re.findall(r'data-open href="[^"]+">([^<]+)<', page)
    assert shown == ["CC2.1", "CC6.3", "CC7.2"]
    assert "3 of 9 controls" in page
    assert "Remove the filter state waived" in page
    assert 'aria-current="true"' in page


def test_an_older_result_keeps_its_address(auditor: Client, ledger: Ledger) -> None:
    old = seal_over(ledger)
    new = seal_over(ledger, controls=mended(a_result()))
    assert new.restates == old.id

    page = get(auditor, f"{SCORE}soc2/?ledger={ledger.name}&snapshot={old.id}")

    assert f'obs-score-number">{old.evidenced}<' in page
    assert f"{SNAPSHOTS}{old.id}/change/" in page
    assert f"snapshot={old.id}" in page.partition('id="matrix"')[2]


@pytest.mark.parametrize(
    "query", ["from=yesterday", "colour=red", "snapshot=x", "from=2026-10-02&to=2026-10-01"]
)
def test_an_address_that_cannot_be_read_shows_nothing(
    auditor: Client, ledger: Ledger, query: str
) -> None:
    chain(ledger, [make_event()])
    seal(ledger)

    page = get(auditor, f"{SCORE}soc2/?ledger={ledger.name}&{query}")

    assert 'role="alert"' in page
    assert 'id="matrix"' not in page


def test_an_agent_is_computed_now_and_the_page_says_it_is_not_sealed(
    auditor: Client, late: Ledger
) -> None:
    page = get(auditor, f"{SCORE}soc2/?ledger={late.name}&agent=agent-1")

    assert "Computed now, not sealed" in page
    assert "Remove the filter agent agent-1" in page
    assert "agent=agent-1" in page.partition('id="matrix"')[2]
    assert Snapshot.objects.filter(ledger=late, framework="soc2").count() == 1


def test_a_form_leaves_its_blanks_out_of_the_address(auditor: Client, ledger: Ledger) -> None:
    answer = auditor.get(f"{SCORE}soc2/?form=1&ledger={ledger.name}&agent=&from=2026-10-01&to=")

    assert answer.status_code == 302
    assert answer.headers["Location"] == f"{SCORE}soc2/?ledger={ledger.name}&from=2026-10-01"


# --- A control -----------------------------------------------------------------------------------


def test_a_control_says_what_mending_a_leg_would_give(auditor: Client, ledger: Ledger) -> None:
    sealed = seal(ledger)
    better = as_json(a_result(controls=mended(a_result())))

    page = get(auditor, f"{SCORE}soc2/control/CC6.3/?ledger={ledger.name}")

    gives = page.partition('id="what-if"')[2].partition("</section>")[0]
    assert f">{sealed.evidenced}<" in gives
    assert f">{better['numbers']['evidenced']}<" in gives
    assert "its only leg fails" in page


def test_a_control_draws_a_day_for_each_day_with_words_beside_the_colour(
    auditor: Client, late: Ledger
) -> None:
    page = get(auditor, f"{SCORE}soc2/control/CC2.1/?ledger={late.name}")

    strip = page.partition('aria-label="LOG-04, day by day"')[2].partition("</ol>")[0]
    today = timezone.now().date().isoformat()
    assert strip.count("<li") == 30
    assert f"{today}: 60 of 60 failed" in strip
    assert '<span aria-hidden="true">F</span>' in strip


def test_a_control_that_the_result_does_not_have_is_not_found(
    auditor: Client, ledger: Ledger
) -> None:
    seal(ledger)

    answer = auditor.get(f"{SCORE}soc2/control/CC99.9/?ledger={ledger.name}")

    assert answer.status_code == 404


# --- A check and its items -----------------------------------------------------------------------


def test_failing_items_are_listed_each_once_in_both_directions(
    auditor: Client, late: Ledger
) -> None:
    def items(page: str) -> list[str]:
        return re.findall(r'data-open href="[^"]+">([^<]+)<', page)

    page = get(auditor, check_address(late))
    down = items(page)
    while older := link(page, "next"):
        page = get(auditor, older)
        down += items(page)
    up = items(page)
    while newer := link(page, "prev"):
        page = get(auditor, newer)
        up = items(page) + up

    assert sorted(down, key=int) == [str(n) for n in range(60)]
    assert up == down


def test_a_check_says_what_it_asks_its_figures_and_its_limits(
    auditor: Client, late: Ledger
) -> None:
    page = get(auditor, check_address(late))

    assert "60 of 60 items failed" in page
    assert "Definition as data" in page
    assert "As a table" in page
    assert "ingest.delay_seconds" in page


def test_the_csv_holds_every_item_and_no_formula(auditor: Client, late: Ledger) -> None:
    address = check_address(late).replace("/LOG-04/?", "/LOG-04/items.csv?")
    text = auditor.get(address).getvalue().decode("utf-8-sig")

    rows = list(csv.DictReader(io.StringIO(text)))
    assert sorted(int(row["seq"]) for row in rows) == list(range(60))
    agent = next(row["agent"] for row in rows if row["seq"] == "59")
    assert agent == f"'{HOSTILE}"
    assert unsafe(agent) == HOSTILE


def test_an_item_leads_to_its_entry_and_shows_what_was_read(auditor: Client, late: Ledger) -> None:
    address = check_address(late).replace("/LOG-04/?", "/LOG-04/item/?")

    page = get(auditor, f"{address}&item=7")

    entry = chain(late, [])[7]
    assert f"/admin/audit/entry/{entry.hash}/change/" in page
    assert "ingest.delay_seconds" in page
    assert auditor.get(f"{address}&item=700").status_code == 404


def test_a_place_that_is_none_is_said(auditor: Client, late: Ledger) -> None:
    page = get(auditor, check_address(late, after="x"))

    assert "<strong>after</strong>" in page


# --- Sealed results ------------------------------------------------------------------------------


def test_a_sealed_result_shows_its_digest_its_entry_and_how_to_rerun_it(
    auditor: Client, ledger: Ledger
) -> None:
    sealed = seal(ledger)

    page = html.unescape(get(auditor, f"{SNAPSHOTS}{sealed.id}/change/"))

    (entry,) = chain(ledger, [])
    assert sealed.digest in page
    assert f"/admin/audit/entry/{entry.hash}/change/" in page
    assert f"manage.py evaluate soc2 --from {sealed.start_day} --to {sealed.end_day}" in page
    assert "--from-scratch" in page


def test_a_restated_result_leads_to_the_later_one_and_back(auditor: Client, ledger: Ledger) -> None:
    old = seal_over(ledger)
    new = seal_over(ledger, controls=mended(a_result()))

    before = get(auditor, f"{SNAPSHOTS}{old.id}/change/")
    after = get(auditor, f"{SNAPSHOTS}{new.id}/change/")

    assert f"{SNAPSHOTS}{new.id}/change/" in before
    assert "Restated" in before
    assert f"{SNAPSHOTS}{old.id}/change/" in after
    assert "CC6.3 TOOL-01" in after


def test_the_file_of_a_sealed_result_gives_its_digest(auditor: Client, ledger: Ledger) -> None:
    sealed = seal(ledger)

    answer = auditor.get(f"{SNAPSHOTS}{sealed.id}/result.json")

    assert answer.content == bytes(sealed.result)
    assert digest_of(from_json(answer.json())) == sealed.digest


def test_sealed_results_are_listed_newest_first_and_paged(auditor: Client, ledger: Ledger) -> None:
    for n in range(27):
        seal(ledger, kind="period", entries=n)

    first = get(auditor, f"{SNAPSHOTS}?ledger={ledger.name}")
    second = get(auditor, f"{SNAPSHOTS}{link(first, 'next')}")

    shown = [re.findall(rf"{SNAPSHOTS}([0-9a-f-]+)/change/", page) for page in (first, second)]
    wanted = [str(row.id) for row in Snapshot.objects.filter(ledger=ledger).newest_first()]
    assert shown[0] + shown[1] == wanted


# --- Every page ----------------------------------------------------------------------------------


def pages(ledger: Ledger) -> list[str]:
    sealed = Snapshot.objects.filter(ledger=ledger, framework="soc2").newest_first()[0]
    item = check_address(ledger).replace("/LOG-04/?", "/LOG-04/item/?") + "&item=3"
    return [
        f"/admin/?ledger={ledger.name}",
        f"{SCORE}?ledger={ledger.name}",
        f"{SCORE}soc2/?ledger={ledger.name}",
        f"{SCORE}soc2/control/CC2.1/?ledger={ledger.name}",
        check_address(ledger),
        f"{SCORE}soc2/check/LOG-01/?ledger={ledger.name}",
        item,
        f"{SNAPSHOTS}?ledger={ledger.name}",
        f"{SNAPSHOTS}{sealed.id}/change/",
    ]


def test_no_page_counts_or_skips_rows_or_asks_often(auditor: Client, late: Ledger) -> None:
    for address in pages(late):
        with CaptureQueriesContext(connection) as queries:
            get(auditor, address)

        asked = [query["sql"].upper() for query in queries]
        assert not [one for one in asked if UNBOUNDED.search(one)], address
        assert len(queries) <= 16, (address, asked)


def test_no_page_says_more_than_was_shown(auditor: Client, late: Ledger) -> None:
    for address in pages(late):
        page = get(auditor, address).lower()
        assert not [word for word in NEVER_SAID if word in page], address


def test_what_an_agent_calls_itself_is_text(auditor: Client, ledger: Ledger) -> None:
    hostile = "<script>alert(1)</script>\u202e"
    chain(ledger, [make_event(agent={"id": hostile})])
    catch_up_all(ledger.id)
    seal_postures(ledger)

    for address in (
        check_address(ledger),
        check_address(ledger).replace("04/?", "04/item/?item=0&"),
    ):
        page = get(auditor, address)
        assert "<script>alert" not in page
        assert "\u202e" not in page
