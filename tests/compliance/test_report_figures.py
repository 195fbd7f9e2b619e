"""Every figure that a report prints is the one that the API gives for the same snapshot.

The demo fleet is chained for real, the report is made of it, and each number of the document is
compared with /api/v1/snapshots/{id} and /api/v1/checks/{check}/items. The words of that report are
looked through as well: it is the one with real titles, rules and reasons in it.
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.test import Client
from pytest_django.plugin import DjangoDbBlocker

from audit.append import append_pending
from audit.auth import make_key
from audit.ledgers import open_ledger
from audit.models import Ledger
from audit.project import catch_up_all
from audit.receive import Sender, receive_own
from compliance.renderers import written
from compliance.renderers.blocks import Document, Facts, Table
from compliance.renderers.document import document_of, executive_of
from compliance.report_build import build_report
from compliance.report_content import Exceptions, ReportContent
from obsplatform.fleet.deliver import deliveries
from obsplatform.fleet.history import history
from obsplatform.fleet.live import live
from obsplatform.fleet.teller import Event
from tests.compliance.test_legal_words import claims, printed, typed_in
from tests.conftest import post

FRAMEWORKS = ("soc2", "hipaa", "gdpr")
PERIOD_DAYS = 30
FLEET = "t.figures"
PAGE = 500


@dataclass(frozen=True, kw_only=True)
class Made:
    """A report, and whoever asks the API about its snapshot."""

    content: ReportContent
    document: Document
    items: Path
    token: str

    def read(self, address: str, **asked: Any) -> dict[str, Any]:
        """Return the JSON of an address under /api/v1/ that answers 200."""
        headers = {"Authorization": f"Bearer {self.token}"}
        answer = Client().get(f"/api/v1/{address}", asked, headers=headers)
        assert answer.status_code == 200, answer.content
        found: dict[str, Any] = answer.json()
        return found

    def snapshot(self) -> dict[str, Any]:
        """Return the sealed result as the API gives it."""
        found: dict[str, Any] = self.read(f"snapshots/{self.content.cover.snapshot}")
        return found

    def found(self, check: str, control: str, state: str) -> list[dict[str, Any]]:
        """Return all items of a check in one state, as a control uses it."""
        cover = self.content.cover
        asked: dict[str, Any] = {
            "framework": cover.framework,
            "control": control,
            "from": cover.start,
            "to": cover.end,
            "environment": cover.environment,
            "state": state,
            "limit": PAGE,
        }
        items: list[dict[str, Any]] = []
        while True:
            page = self.read(f"checks/{check}/items", **asked)
            items += page["items"]
            if page["next"] is None:
                return items
            asked["after"] = page["next"]

    def table(self, title: str) -> Table:
        """Return the one table of this title."""
        (found,) = [one for one in self.tables() if one.title == title]
        return found

    def tables(self) -> Iterator[Table]:
        """Yield the tables of the report."""
        for section in self.document.sections:
            for block in section.blocks:
                if isinstance(block, Table):
                    yield block

    def facts(self, section: str) -> dict[str, str]:
        """Return the named values of a section."""
        (found,) = [one for one in self.document.sections if one.id == section]
        return {
            fact.name: fact.value
            for block in found.blocks
            if isinstance(block, Facts)
            for fact in block.facts
        }


@pytest.fixture(scope="module")
def fleet(django_db_blocker: DjangoDbBlocker) -> Iterator[Ledger]:
    """Return a ledger with the demo fleet on it, chained and tallied."""
    with django_db_blocker.unblock():
        open_ledger(settings.LEDGER)
        ledger = open_ledger(f"{FLEET}.{datetime.now(UTC):%H%M%S%f}")
        now = datetime.now(UTC) - timedelta(minutes=10)
        _deliver(ledger, history(now=now, events=0), backfill=True)
        _deliver(ledger, live(now=now), backfill=False)
        receive_own(ledger, "audit.chain_verified", integrity={"from_seq": 0, "to_seq": 1})
        receive_own(ledger, "system.queue_reported", system={"queue_depth": 0})
        append_pending(ledger.id)
        while catch_up_all(ledger.id):  # one call is a turn of two seconds
            pass
        yield ledger


@pytest.fixture(scope="module", params=FRAMEWORKS)
def made(
    request: pytest.FixtureRequest, fleet: Ledger, tmp_path_factory: pytest.TempPathFactory
) -> Made:
    end = datetime.now(UTC).date() + timedelta(days=1)
    folder = tmp_path_factory.mktemp(request.param)
    built = build_report(
        fleet,
        request.param,
        start=end - timedelta(days=PERIOD_DAYS),
        end=end,
        environment="prod",
        by="eve",
        folder=folder,
    )
    _, token = make_key(ledger=fleet, name="test", scopes=("entries:read",), created_by="tests")
    return Made(
        content=built.content,
        document=document_of(built.content),
        items=built.items,
        token=token,
    )


@pytest.fixture(autouse=True)
def _database(database: None) -> None:
    """Open the database for every test here."""


def test_the_result_is_the_sealed_one_as_the_api_gives_it(made: Made) -> None:
    sealed = made.snapshot()

    assert sealed["result"] == made.content.result
    assert sealed["digest"] == made.content.cover.snapshot_digest
    assert made.facts("appendix")["Digest of the result"] == sealed["digest"]
    assert made.facts("integrity")["Hash of the head"] == sealed["head_hash"]
    assert made.facts("integrity")["Head: last entry read"] == f"{sealed['head_seq']:,}"


def test_the_four_numbers_are_the_api_s(made: Made) -> None:
    sealed = made.snapshot()
    assert sealed["evidenced"] is not None, sealed["result"]["numbers"]["reason"]

    shown = tuple(figure.value for figure in made.document.figures)

    assert shown == (
        written.score(sealed["evidenced"]),
        written.score(sealed["tested"]),
        written.score(sealed["coverage"]),
        str(sealed["cap"]),
    )
    assert executive_of(made.content).figures == made.document.figures
    caps = [(row[0], row[1], row[2], int(row[4])) for row in made.table("What caps the score").rows]
    assert caps == [
        (one["control"], one["leg"], one["state"], one["cap"])
        for one in sealed["result"]["numbers"]["capped_by"]
    ]


def test_the_days_of_a_check_show_a_failure_where_its_result_counts_one(made: Made) -> None:
    counted = {one["lens"]: one for one in made.content.result["checks"]}

    shown = {one.lens: "f" in one.strip or "w" in one.strip for one in made.content.checks}

    assert {counted[lens]["f"] > 0 for lens in shown} == {True, False}
    assert shown == {lens: counted[lens]["f"] > 0 for lens in shown}


def test_entries_and_backfilled_ones_are_the_api_s(made: Made) -> None:
    result = made.snapshot()["result"]

    facts = made.facts("population")

    assert facts["Entries of the period"] == f"{result['entries']:,}"
    assert facts["Backfilled"] == f"{result['backfilled']:,}"
    days = made.content.population.days
    assert sum(one.entries for one in days) == result["entries"]
    assert sum(one.backfilled for one in days) == result["backfilled"]
    assert len(days) == PERIOD_DAYS


def test_every_control_is_in_the_matrix_with_the_api_s_state_and_score(made: Made) -> None:
    controls = made.snapshot()["result"]["controls"]

    rows = made.table("All controls").rows

    assert [(row[0], row[1], row[5], row[6]) for row in rows] == [
        (one["id"], one["title"], one["state"], one["score"] or written.NONE) for one in controls
    ]
    states = {row[0]: (row[1], row[2]) for row in made.table("States of controls and legs").rows}
    legs = Counter(leg["state"] for one in controls for leg in one["legs"])
    kept = Counter(one["state"] for one in controls)
    assert states == {state: (f"{kept[state]:,}", f"{legs[state]:,}") for state in states}


def test_every_leg_is_a_row_of_the_tests_with_the_api_s_counts(made: Made) -> None:
    controls = made.snapshot()["result"]["controls"]

    rows = [
        row
        for one in made.tables()
        if one.title.startswith("Tests and results")
        for row in one.rows
    ]

    legs = [(one["id"], leg) for one in controls for leg in one["legs"]]
    assert len(rows) == len(legs)
    for row, (control, leg) in zip(rows, legs, strict=True):
        assert row[0] == control
        if row[4] == written.NONE:
            assert leg["id"] == "statement" or leg["state"] == "not_applicable"
        else:
            assert row[4:7] == (f"{leg['n']:,}", f"{leg['n']:,}", f"{leg['f']:,}")
        if leg["state"] == "fail" and leg["n"]:
            assert f"{leg['f']:,} of {leg['n']:,}" in row[7]


def test_every_deviation_is_an_item_of_the_api(made: Made) -> None:
    assert made.content.exceptions
    for one in made.content.exceptions:
        found = made.found(one.check, one.controls[0], "fail")

        assert one.total == len(found), one.check
        assert [each.item for each in one.listed] == [
            each["item"] for each in found[: len(one.listed)]
        ]
        shown = made.table(f"Failing items of {_name(made, one)}")
        assert [row[0] for row in shown.rows] == [
            written.NONE if each["seq"] is None else f"{each['seq']:,}"
            for each in found[: len(one.listed)]
        ]


def test_every_pending_item_is_one_of_the_api(made: Made) -> None:
    listed = made.content.pending.listed
    controls = {
        leg["lens"]: leg["control"]
        for one in made.content.result["controls"]
        for leg in one["legs"]
    }

    for lens in {one.lens for one in listed} & controls.keys():
        mine = {(one.item, one.due) for one in listed if one.lens == lens}
        check = next(one.check for one in listed if one.lens == lens)
        found = made.found(check, controls[lens], "pending")
        assert mine <= {(each["item"], each["due"] or "") for each in found}


def test_the_annex_holds_every_failing_and_every_pending_item(made: Made) -> None:
    rows = list(csv.DictReader(made.items.open(encoding="utf-8-sig", newline="")))

    (annex,) = [one for one in made.content.annexes if one.name == "items.csv"]
    assert annex.rows == len(rows)
    kept = {(row["check"], row["item"].lstrip("'"), row["state"]) for row in rows}
    for one in made.content.exceptions:
        for each in one.listed:
            assert {(one.check, each.item, state) for state in ("fail", "waived")} & kept, each


def test_the_report_of_the_fleet_claims_nothing(made: Made) -> None:
    typed = typed_in(made.content)

    assert [text for text in printed(made.content) if claims(text, typed=typed)] == []


def _name(made: Made, one: Exceptions) -> str:
    """Return what the report calls a use of a check: by its controls where there are several."""
    if sum(each.check == one.check for each in made.content.exceptions) == 1:
        return one.check
    return f"{one.check} for {', '.join(one.controls)}"


def _deliver(ledger: Ledger, events: list[Event], *, backfill: bool) -> None:
    for delivery in deliveries(events):
        scope = "governance" if delivery.needs_governance else "events"
        scopes = {"events:write", "governance:write", "ops:write", "server"}
        sender = Sender(
            via="api",
            scope=scope,
            scopes=frozenset(scopes),
            key=f"key-{scope}",
            backfill=backfill,
        )
        receipts = post(ledger, delivery.events, sender=sender)
        assert {each.status for each in receipts} == {"received"}
