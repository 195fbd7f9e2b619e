"""docs/api.md says what the API asks and answers: filters, scopes, addresses, receipts, ids."""

from __future__ import annotations

import uuid

from django.test import Client

from audit import auth, cloudevents, openapi, query
from tests import documents
from tests.documents import DOCS

API = DOCS / "api.md"
FORMAT = DOCS / "ledger-format.md"


def test_every_filter_is_documented_and_no_other() -> None:
    documented = [row.first() for row in documents.table(API, "filter", "matches", "value")]

    assert documented == list(query.NAMES)


def test_every_scope_is_documented_and_no_other() -> None:
    documented = {row.first() for row in documents.table(API, "scope", "lets a key")}

    assert documented == auth.SCOPES.keys()


def test_every_answer_of_a_post_is_documented_and_no_other() -> None:
    documented = {row.first() for row in documents.table(API, "answer", "when")}

    assert documented == openapi.post_events()["responses"].keys()


def test_every_address_of_the_api_is_documented_and_no_other() -> None:
    schema = Client().get("/api/v1/openapi.json").json()
    served = {
        f"{method.upper()} {path}"
        for path, methods in schema["paths"].items()
        for method in methods
    }

    documented = {row.first() for row in documents.table(API, "address", "needs", "gives")}

    assert documented - {"GET /api/v1/openapi.json", "GET /api/v1/docs"} == served


def test_every_member_of_a_receipt_is_documented_and_no_other() -> None:
    documented = {row.first() for row in documents.table(API, "member", "is", section="Receipts")}

    assert documented == openapi.schemas()["Receipt"]["properties"].keys()


def test_ids_are_made_as_the_format_says() -> None:
    namespace = uuid.uuid5(uuid.NAMESPACE_URL, "acme.prod")

    assert "UUIDv5(URL namespace, ledger name)" in documents.section_of(FORMAT, "Ids")
    assert cloudevents.idempotency_id("acme.prod", "order", 3) == uuid.uuid5(namespace, "order#3")
