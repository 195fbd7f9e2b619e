"""The API of scores: what a key with `entries:read` can learn, and what it is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from hashlib import sha256
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection
from django.test import Client

from audit.ledgers import open_ledger
from audit.models import Entry, Ledger
from audit.project import catch_up_all
from compliance import api_answers as shapes
from compliance.catalogue import load_catalogue
from compliance.evaluate import evaluate_framework
from compliance.kinds.base import DAY_US
from compliance.models import Snapshot
from compliance.posture import posture_days, seal_postures
from compliance.result import as_json, canonical
from compliance.snapshot import seal_snapshot
from tests.compliance.results import a_result
from tests.conftest import chain, make_event

ApiKey = Callable[..., str]
TODAY = datetime.now(UTC).date()


class Reader:
    """Someone with a key of scope `entries:read`."""

    def __init__(self, ledger: Ledger, token: str) -> None:
        self.ledger = ledger
        self.headers = {"Authorization": f"Bearer {token}"}

    def get(self, address: str, **asked: Any) -> Any:
        """Ask for an address under /api/v1/."""
        return Client().get(f"/api/v1/{address}", asked, headers=self.headers)

    def read(self, address: str, **asked: Any) -> dict[str, Any]:
        """Return the JSON of an address that answers 200."""
        answer = self.get(address, **asked)
        assert answer.status_code == 200, answer.content
        found: dict[str, Any] = answer.json()
        return found


@pytest.fixture
def alice(ledger: Ledger, api_key: ApiKey) -> Reader:
    return Reader(ledger, api_key(ledger, "entries:read"))


def unapproved(calls: int) -> list[dict[str, Any]]:
    """Return dangerous calls of a tool that nobody approved, one a minute, of two days ago."""
    first = datetime.now(UTC) - timedelta(days=2)
    return [
        make_event(
            occurred_at=(first + timedelta(minutes=n)).isoformat(),
            tool={"name": "wire-money", "risk": "critical", "side_effect": True},
            decision={"approval_id": f"ap-{n}", "requested_by": "alice-agent"},
        )
        for n in range(calls)
    ]


def tallied(ledger: Ledger, events: list[dict[str, Any]]) -> list[Entry]:
    """Chain events and let the tallies read them."""
    entries = chain(ledger, events)
    catch_up_all(ledger.id)
    return entries


def refused(answer: Any, status: int, code: str) -> dict[str, Any]:
    """Return the problem document of an answer, which is of this status and code."""
    assert (answer.status_code, answer["Content-Type"]) == (status, "application/problem+json")
    said: dict[str, Any] = json.loads(answer.content)
    assert said["code"] == code
    return said


# --- Scores ---------------------------------------------------------------------------------------


def test_before_the_first_posture_every_framework_is_named_without_a_number(alice: Reader) -> None:
    items = alice.read("scores")["items"]

    assert [item["framework"] for item in items] == list(load_catalogue().frameworks)
    assert {(item["evidenced"], item["snapshot"]) for item in items} == {(None, None)}
    assert {item["reason"] for item in items} == {"no posture was sealed yet"}


def test_a_score_is_that_of_the_newest_posture_and_leads_to_the_whole_of_it(alice: Reader) -> None:
    old = a_result(ledger=alice.ledger.name, head_seq=1)
    new = a_result(ledger=alice.ledger.name, head_seq=2)
    for result in (old, new):
        seal_snapshot(alice.ledger, result, kind="posture")

    (item,) = [each for each in alice.read("scores")["items"] if each["framework"] == "soc2"]

    numbers = as_json(new)["numbers"]
    assert item["digest"] == new.digest
    assert {name: item[name] for name in ("evidenced", "tested", "coverage", "band", "cap")} == {
        name: numbers[name] for name in ("evidenced", "tested", "coverage", "band", "cap")
    }
    assert item["capped_by"] == numbers["capped_by"]
    assert alice.read(f"snapshots/{item['snapshot']}")["digest"] == new.digest


def test_a_score_that_is_not_issued_says_why(alice: Reader) -> None:
    result = a_result(ledger=alice.ledger.name, assured=None)
    seal_snapshot(alice.ledger, result, kind="posture")

    (item,) = [each for each in alice.read("scores")["items"] if each["framework"] == "soc2"]

    assert item["evidenced"] is None
    assert item["reason"] == result.numbers.reason


def test_a_period_is_computed_now_and_nothing_is_sealed(alice: Reader) -> None:
    tallied(alice.ledger, unapproved(3))
    start, end = TODAY - timedelta(days=7), TODAY + timedelta(days=1)

    found = alice.read("scores/soc2", **{"from": start.isoformat(), "to": end.isoformat()})

    assert found == as_json(evaluate_framework(alice.ledger, "soc2", start=start, end=end))
    assert (found["from"], found["to"]) == (start.isoformat(), end.isoformat())
    assert not Snapshot.objects.filter(ledger=alice.ledger).exists()


def test_without_days_a_score_is_of_the_last_thirty(alice: Reader) -> None:
    start, end = posture_days(datetime.now(UTC).date())

    found = alice.read("scores/gdpr")

    assert (found["from"], found["to"]) == (start.isoformat(), end.isoformat())


def test_a_score_of_one_agent_and_environment_says_whose_it_is(alice: Reader) -> None:
    tallied(alice.ledger, unapproved(1))

    found = alice.read("scores/soc2", agent="alice-agent", environment="staging")

    assert (found["agent"], found["environment"]) == ("alice-agent", "staging")


@pytest.mark.parametrize(
    ("asked", "name"),
    [
        ({"from": "2026-10-02", "to": "2026-10-02"}, "to"),
        ({"from": "2026-10-02", "to": "2026-10-01"}, "to"),
        ({"from": "2000-01-01", "to": "2026-10-01"}, "to"),
        ({"to": "0001-01-02"}, "to"),
        ({"from": "October"}, "from"),
        ({"environment": "production"}, "environment"),
        ({"agent": ""}, "agent"),
        ({"agent": "a\0b"}, "agent"),
        ({"framework": "soc2"}, "framework"),
        ({"from": ["2026-10-01", "2026-10-02"]}, "from"),
    ],
)
def test_a_parameter_that_cannot_be_read_is_named(
    alice: Reader, asked: dict[str, Any], name: str
) -> None:
    said = refused(alice.get("scores/soc2", **asked), 400, "parameter")

    assert [error["name"] for error in said["errors"]] == [name]


def test_tallies_of_another_catalogue_say_when_to_ask_again_and_the_way_out(alice: Reader) -> None:
    tallied(alice.ledger, unapproved(1))
    with connection.cursor() as cursor:
        cursor.execute(
            "DELETE FROM compliance_lens WHERE ledger_id = %s AND check_id = 'TOOL-01'",
            [alice.ledger.id],
        )

    for address in ("scores/soc2", "checks/TOOL-01/items"):
        answer = alice.get(address)
        said = refused(answer, 409, "not-tallied")
        assert "manage.py rebuild tallies" in said["detail"]
        assert int(answer["Retry-After"]) > 0


# --- Definitions ----------------------------------------------------------------------------------


def test_every_framework_in_force_is_listed_with_its_controls(alice: Reader) -> None:
    catalogue = load_catalogue()

    found = alice.read("frameworks")

    assert found["catalogue"] == catalogue.digest
    assert [(one["id"], one["controls"], sum(one["modes"].values())) for one in found["items"]] == [
        (one.id, len(one.controls), len(one.controls)) for one in catalogue.frameworks.values()
    ]


def test_the_controls_of_a_framework_come_in_its_order(alice: Reader) -> None:
    expected = [control.id for control in load_catalogue().frameworks["hipaa"].controls]

    found = alice.read("frameworks/hipaa/controls")["items"]

    assert [one["id"] for one in found] == expected


def test_a_check_is_given_in_words_and_as_data_with_what_it_cannot_show(alice: Reader) -> None:
    found = alice.read("checks/TOOL-01")

    assert found["kind"] == "prior"
    assert found["words"]
    assert found["cannot"].startswith(str(found["definition"]["cannot"]))
    assert {"framework": "soc2", "control": "CC6.3"} in found["used_by"]


def test_every_check_has_an_address(alice: Reader) -> None:
    checks = alice.read("checks")["items"]

    assert [one["id"] for one in checks] == list(load_catalogue().checks)
    for one in checks:
        whole = alice.read(f"checks/{one['id']}")
        assert whole.items() >= one.items()


@pytest.mark.parametrize(
    "address",
    [
        "scores/soc3",
        "frameworks/soc3/controls",
        "checks/TOOL-99",
        "checks/TOOL-99/items",
        "checks/TOOL-01/items?framework=soc3",
        "checks/TOOL-01/items?framework=soc2&control=CC99",
        "checks/TOOL-01/items?framework=soc2&control=CC1.1",
        "snapshots/0198c0de-0000-7000-8000-00000000feed",
    ],
)
def test_what_there_is_not_is_not_found(alice: Reader, address: str) -> None:
    refused(alice.get(address), 404, "not-found")


# --- Items ----------------------------------------------------------------------------------------


def test_each_failing_item_names_its_entry_and_why(alice: Reader) -> None:
    entries = tallied(alice.ledger, unapproved(2))

    found = alice.read("checks/TOOL-01/items")

    assert [item["seq"] for item in found["items"]] == [entry.seq for entry in entries[-2:]]
    assert {item["state"] for item in found["items"]} == {"fail"}
    assert all(item["why"] for item in found["items"])
    assert found["items"][0]["evidence"]["tool.name"] == "wire-money"
    assert found["next"] is None


def test_pages_of_items_follow_each_other_without_a_gap(alice: Reader) -> None:
    tallied(alice.ledger, unapproved(7))
    everything = [item["item"] for item in alice.read("checks/TOOL-01/items")["items"]]

    turned: list[str] = []
    after: dict[str, str] = {}
    while True:
        found = alice.read("checks/TOOL-01/items", limit=3, **after)
        turned += [item["item"] for item in found["items"]]
        if found["next"] is None:
            break
        after = {"after": found["next"]}

    assert len(everything) == 7
    assert turned == everything


def test_items_are_those_of_the_period_the_agent_and_the_environment(alice: Reader) -> None:
    tallied(alice.ledger, unapproved(2))
    yesterday = (TODAY - timedelta(days=1)).isoformat()

    assert alice.read("checks/TOOL-01/items", **{"from": yesterday})["items"] == []
    assert alice.read("checks/TOOL-01/items", agent="bob-agent")["items"] == []
    assert alice.read("checks/TOOL-01/items", environment="staging")["items"] == []


def test_a_check_is_looked_at_as_a_control_uses_it(alice: Reader) -> None:
    tallied(alice.ledger, unapproved(1))

    alone = alice.read("checks/LOG-06/items")
    in_hipaa = alice.read("checks/LOG-06/items", framework="hipaa")
    in_soc2 = alice.read("checks/LOG-06/items", framework="soc2")

    assert alone["lens"] == in_soc2["lens"]  # the same limit: the same lens
    assert alone["lens"] != in_hipaa["lens"]


def test_the_days_a_cadence_missed_are_items_without_an_entry(alice: Reader) -> None:
    tallied(alice.ledger, [make_event(occurred_at=datetime.now(UTC).isoformat())])

    found = alice.read("checks/OPS-02/items")["items"]

    assert [item["seq"] for item in found] == [None] * len(found)


def test_a_control_needs_its_framework_and_a_cursor_is_one_of_ours(alice: Reader) -> None:
    for asked, name in (
        ({"control": "CC6.3"}, "control"),
        ({"after": "newest"}, "after"),
        ({"after": "2026-10-01/"}, "after"),
        ({"after": "2026-13-01/41"}, "after"),
        ({"after": "2026-10-01/4\0"}, "after"),
        ({"state": "pass"}, "state"),
        ({"limit": "0"}, "limit"),
    ):
        said = refused(alice.get("checks/TOOL-01/items", **asked), 400, "parameter")
        assert [error["name"] for error in said["errors"]] == [name]


# --- Snapshots ------------------------------------------------------------------------------------


OVER = a_result().end * DAY_US


def sealed(ledger: Ledger, count: int, **fields: Any) -> list[str]:
    """Seal so many results of a period that is over; return their ids, the newest first."""
    made = [
        seal_snapshot(
            ledger, a_result(ledger=ledger.name, backfilled=n, as_of=OVER, **fields), kind="period"
        )
        for n in range(count)
    ]
    return [str(one.id) for one in reversed(made)]


def test_snapshots_come_newest_first_and_page_by_page(alice: Reader) -> None:
    expected = sealed(alice.ledger, 5)

    first = alice.read("snapshots", limit=3)
    second = alice.read("snapshots", limit=3, after=first["next"])

    assert [one["id"] for one in first["items"] + second["items"]] == expected
    assert second["next"] is None
    assert [one["restates"] for one in first["items"] + second["items"]] == [*expected[1:], None]


def test_snapshots_are_narrowed_by_framework_and_kind(alice: Reader) -> None:
    sealed(alice.ledger, 1)
    sealed(alice.ledger, 1, framework="gdpr")
    seal_snapshot(alice.ledger, a_result(ledger=alice.ledger.name), kind="posture")

    def kinds(**asked: str) -> list[tuple[str, str]]:
        found = alice.read("snapshots", **asked)["items"]
        return [(one["framework"], one["kind"]) for one in found]

    assert kinds() == [("soc2", "posture"), ("gdpr", "period"), ("soc2", "period")]
    assert kinds(framework="gdpr") == [("gdpr", "period")]
    assert kinds(kind="posture") == [("soc2", "posture")]
    assert kinds(framework="gone") == []


def test_a_snapshot_is_given_as_it_was_sealed_and_its_digest_is_that_of_its_bytes(
    alice: Reader,
) -> None:
    (one,) = sealed(alice.ledger, 1)

    found = alice.read(f"snapshots/{one}")

    result = found["result"]
    claimed = result.pop("digest")
    assert sha256(canonical(result)).hexdigest() == claimed == found["digest"]


def test_a_snapshot_of_another_ledger_is_not_there(
    alice: Reader, ledger: Ledger, database: None
) -> None:
    other = open_ledger(f"t.{uuid4().hex[:16]}")
    (one,) = sealed(other, 1)

    refused(alice.get(f"snapshots/{one}"), 404, "not-found")
    refused(alice.get("snapshots", after=one), 400, "parameter")
    assert alice.read("snapshots")["items"] == []


def test_the_postures_of_a_real_ledger_are_read_back(alice: Reader) -> None:
    tallied(alice.ledger, unapproved(2))
    seal_postures(alice.ledger)

    items = alice.read("scores")["items"]

    assert all(item["snapshot"] for item in items)
    assert {item["to"] for item in items} == {(TODAY + timedelta(days=1)).isoformat()}


# --- Who may ask, and what the document says ------------------------------------------------------


@pytest.mark.parametrize(
    "address",
    ["scores", "scores/soc2", "frameworks", "checks", "checks/TOOL-01/items", "snapshots"],
)
def test_nothing_is_told_without_a_key_that_may_read(
    ledger: Ledger, api_key: ApiKey, address: str
) -> None:
    refused(Client().get(f"/api/v1/{address}"), 401, "key-missing")

    writer = Reader(ledger, api_key(ledger, "events:write"))
    refused(writer.get(address), 403, "scope-missing")


def test_the_document_names_every_member_of_a_result() -> None:
    result = as_json(a_result())

    described = shapes.Result.model_validate(result).model_dump(mode="json", by_alias=True)

    assert described == result


def test_a_day_that_is_long_over_is_no_trouble(alice: Reader) -> None:
    found = alice.read("scores/soc2", to=date(1970, 3, 1).isoformat())

    assert found["numbers"]["evidenced"] is None
