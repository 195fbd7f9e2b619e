from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import pytest
import schemathesis
from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.test import Client
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from audit.models import Ledger
from audit.query import NAMES
from tests.conftest import chain, make_event

ApiKey = Callable[..., str]
EXAMPLES = 40
CHECKS = [
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]


def document() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(Client().get("/api/v1/openapi.json").content)
    return found


OPERATIONS = [
    (address, method.upper())
    for address, methods in {
        "/api/v1/entries": ["get"],
        "/api/v1/entries/{ledger}/{seq}": ["get"],
        "/api/v1/entries/by-hash/{hash}": ["get"],
        "/api/v1/events": ["post"],
        "/api/v1/events/{id}": ["get"],
        "/api/v1/ledgers": ["get"],
    }.items()
    for method in methods
]


def test_the_document_names_every_address_of_the_api() -> None:
    found = {
        (address, method.upper())
        for address, methods in document()["paths"].items()
        for method in methods
    }

    assert found == set(OPERATIONS)


def test_the_document_names_every_filter() -> None:
    parameters = document()["paths"]["/api/v1/entries"]["get"]["parameters"]

    assert [each["name"] for each in parameters] == [*NAMES, "after", "limit"]


def test_every_reference_of_the_document_leads_somewhere() -> None:
    text = json.dumps(document())
    names = set(re.findall(r'"#/components/schemas/([^"]+)"', text))

    assert names <= set(document()["components"]["schemas"])
    assert "#/$defs/" not in text


def test_the_documentation_page_loads_nothing_from_elsewhere() -> None:
    shown = Client().get("/api/v1/docs").content.decode()
    addresses = re.findall(r'(?:src|href)="([^"]*)"', shown)

    assert addresses
    assert all(address.startswith(settings.STATIC_URL) for address in addresses)
    assert '"validatorUrl": null' in shown


@pytest.fixture
def readable(ledger: Ledger, api_key: ApiKey) -> tuple[Ledger, str]:
    """Return a ledger with some entries, and a key that may do everything there."""
    token = api_key(
        ledger,
        *("entries:read", "events:write", "events:backfill", "governance:write", "ops:write"),
    )
    chain(ledger, [make_event() for _ in range(3)])
    return ledger, token


@pytest.mark.parametrize(("address", "method"), OPERATIONS)
def test_no_request_of_a_fuzzer_finds_a_fault(
    readable: tuple[Ledger, str], address: str, method: str
) -> None:
    """Whatever is sent, there is no 5xx but 503 with Retry-After, and the document holds."""
    _, token = readable
    schema = schemathesis.openapi.from_wsgi("/api/v1/openapi.json", get_wsgi_application())
    statuses = set()

    @hypothesis_settings(
        max_examples=EXAMPLES,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    def answers(case: schemathesis.Case) -> None:
        answer = case.call(headers={"Authorization": f"Bearer {token}"})
        statuses.add(answer.status_code)
        if answer.status_code == 503 and "retry-after" in answer.headers:
            return
        case.validate_response(answer, checks=[not_a_server_error, *CHECKS])

    fuzzed = schema[address][method].as_strategy(
        generation_mode=schemathesis.GenerationMode.POSITIVE
    ) | schema[address][method].as_strategy(generation_mode=schemathesis.GenerationMode.NEGATIVE)
    from hypothesis import given

    given(case=fuzzed)(answers)()

    assert statuses - {400, 404, 405} or method == "GET"
