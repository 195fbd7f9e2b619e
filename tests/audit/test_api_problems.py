"""Who may read over the API, and how each refusal and each defect is told."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from django.db import connection
from django.http import HttpRequest, HttpResponse
from django.test import Client, RequestFactory
from django.test.utils import CaptureQueriesContext

from audit import auth
from audit.ledgers import open_ledger
from audit.models import Ledger
from audit.problems import as_problems
from tests.audit.reading import NDJSON, ApiKey, Reader, alice, assert_problem, end_connection
from tests.conftest import chain, make_event

__all__ = ["alice"]  # fixtures, which pytest finds by their names here


GETS = (
    "entries",
    "entries/{ledger}/0",
    "entries/by-hash/" + "0" * 64,
    "events/" + str(uuid.UUID(int=7)),
    "ledgers",
)


@pytest.mark.parametrize("address", GETS)
def test_without_a_key_nothing_is_read(ledger: Ledger, address: str) -> None:
    answer = Client().get("/api/v1/" + address.format(ledger=ledger.name))

    assert_problem(answer, 401, "key-missing")
    assert answer["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize("address", GETS)
def test_a_key_that_may_only_write_reads_nothing(
    ledger: Ledger, api_key: ApiKey, address: str
) -> None:
    bob = Reader(api_key(ledger, "events:write"))

    assert_problem(bob.get(address.format(ledger=ledger.name)), 403, "scope-missing")


def test_an_unknown_key_is_told_nothing_of_itself(ledger: Ledger) -> None:
    _, token = auth.mint()

    answer = Reader(token).get("entries")

    assert_problem(answer, 401, "key-unknown")
    assert token not in answer.content.decode()


def test_a_key_reads_its_own_ledger_only(ledger: Ledger, alice: Reader) -> None:
    other = open_ledger(f"t.{uuid.uuid4().hex[:16]}")
    event = make_event()
    (secret,) = chain(other, [event])

    for name in (other.name, "no.such.ledger"):
        assert_problem(alice.get(f"entries?ledger={name}"), 403, "wrong-ledger")
        assert_problem(
            alice.get(f"entries?ledger={ledger.name}&ledger={name}"), 403, "wrong-ledger"
        )
        assert_problem(alice.get(f"entries/{name}/0"), 403, "wrong-ledger")
        assert_problem(alice.get(f"entries?ledger={name}", Accept=NDJSON), 403, "wrong-ledger")
    assert_problem(alice.get(f"entries/by-hash/{secret.hash}"), 404, "not-found")
    assert_problem(alice.get(f"events/{event['id']}"), 404, "not-found")
    assert {item["ledger"] for item in alice.get("entries").json()["items"]} == {ledger.name}


def test_cookies_open_nothing_and_none_is_set(
    ledger: Ledger, alice: Reader, django_user_model: Any
) -> None:
    root = django_user_model.objects.create_superuser(f"root-{uuid.uuid4().hex}")
    signed_in = Client()
    signed_in.force_login(root)

    with CaptureQueriesContext(connection) as queries:
        assert_problem(signed_in.get("/api/v1/entries"), 401, "key-missing")
    assert not queries.captured_queries  # the session was not even looked up
    for address in ("entries", "docs", "openapi.json", "nowhere"):
        answer = alice.get(address, Origin="https://elsewhere.example")
        assert not answer.cookies
        assert "Access-Control-Allow-Origin" not in answer


@pytest.mark.parametrize("address", ["", "nowhere", "entries/", "entries/a/b/c", "../v2/entries"])
def test_an_address_that_is_none_is_a_problem(alice: Reader, address: str) -> None:
    assert_problem(alice.get(address), 404, "not-found")


@pytest.mark.parametrize("address", ["entries", "ledgers", "nowhere", "events/7"])
def test_reading_changes_nothing_whatever_the_method(alice: Reader, address: str) -> None:
    for method in ("post", "put", "patch", "delete"):
        answer = getattr(alice.client, method)(f"/api/v1/{address}")

        if address == "nowhere":
            assert_problem(answer, 404, "not-found")
        else:
            said = assert_problem(answer, 405, "method-not-allowed")
            assert answer["Allow"] == "GET"
            assert "GET" in said["detail"]


def test_getting_the_address_of_posts_is_a_problem(alice: Reader) -> None:
    assert_problem(alice.get("events"), 405, "method-not-allowed")


def test_a_wrong_host_is_a_problem(alice: Reader) -> None:
    assert_problem(alice.get("entries", Host="^"), 400, "bad-request")


def test_too_many_parameters_are_a_problem(alice: Reader) -> None:
    many = "&".join(f"x{n}=1" for n in range(1500))

    assert_problem(alice.get(f"entries?{many}"), 400, "bad-request")


def test_a_database_that_breaks_off_is_503_with_the_way_back(ledger: Ledger, alice: Reader) -> None:
    alice.get("ledgers")  # the key is remembered now
    end_connection()

    answer = alice.get("ledgers")
    connection.close()

    assert_problem(answer, 503, "database")
    assert answer["Retry-After"] == "1"


def test_a_defect_of_ours_is_told_without_its_traceback() -> None:
    def fails(_request: HttpRequest) -> HttpResponse:
        raise RuntimeError("hunter2")

    answer = as_problems(fails)(RequestFactory().get("/api/v1/entries"))

    assert_problem(answer, 500, "internal-error")
    assert isinstance(answer, HttpResponse)
    assert b"hunter2" not in answer.content
