from __future__ import annotations

import json
import re
import uuid
from collections.abc import Callable
from typing import Any

import pytest
import schemathesis
from django.conf import settings
from django.contrib.staticfiles import finders
from django.core.wsgi import get_wsgi_application
from django.test import Client
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from pytest_django.plugin import DjangoDbBlocker
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from audit.auth import make_key
from audit.database import raw_connection
from audit.ledgers import open_ledger
from audit.models import Ledger
from audit.project import catch_up_all
from audit.query import NAMES
from audit.seal import seal
from audit.signer import make_key as make_signing_key
from compliance.report_files import shown_name
from compliance.snapshot import seal_snapshot
from tests.audit.exporting import made
from tests.compliance.reporting import made as made_report
from tests.compliance.results import a_result
from tests.conftest import chain, make_event
from tests.metrics.incident_making import opened
from tests.sizes import size
from tests.tracing.spans import agent_run, keep_lines, keep_trace, now_ns

pytestmark = pytest.mark.usefixtures("alone_as_module")

EXAMPLES = size(12, 40)
BAD_EVENT = make_event(action="no.such")
NEEDED = {"/api/v1/ledgers/{name}/consistency": {"from": 1, "to": 2}}
CHECKS = [
    not_a_server_error,
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
        "/api/v1/entries/{ledger}/{seq}/proof": ["get"],
        "/api/v1/entries/by-hash/{hash}": ["get"],
        "/api/v1/events": ["post"],
        "/api/v1/events/{id}": ["get"],
        "/api/v1/ledgers": ["get"],
        "/api/v1/ledgers/{name}/checkpoints": ["get"],
        "/api/v1/ledgers/{name}/consistency": ["get"],
        "/api/v1/ledgers/{name}/exports": ["post"],
        "/api/v1/ledgers/{name}/exports/{id}": ["get"],
        "/api/v1/ledgers/{name}/exports/{id}/file": ["get"],
        "/api/v1/scores": ["get"],
        "/api/v1/scores/{framework}": ["get"],
        "/api/v1/frameworks": ["get"],
        "/api/v1/frameworks/{framework}/controls": ["get"],
        "/api/v1/checks": ["get"],
        "/api/v1/checks/{check}": ["get"],
        "/api/v1/checks/{check}/items": ["get"],
        "/api/v1/snapshots": ["get"],
        "/api/v1/snapshots/{id}": ["get"],
        "/api/v1/reports": ["get", "post"],
        "/api/v1/reports/{id}": ["get"],
        "/api/v1/reports/{id}/files/{name}": ["get"],
        "/api/v1/reports/{id}/cancel": ["post"],
        "/api/v1/alerts": ["post"],
        "/api/v1/incidents": ["get"],
        "/api/v1/incidents/{id}": ["get"],
        "/api/v1/traces": ["get"],
        "/api/v1/traces/{id}": ["get"],
        "/api/v1/lines": ["get"],
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
    for address in addresses:
        assert finders.find(address.removeprefix(settings.STATIC_URL)), address
    assert '"validatorUrl": null' in shown


class Fuzzed:
    """The document, a ledger with three entries and a score, and a key that may do everything."""

    def __init__(self, ledger: Ledger, token: str) -> None:
        self.schema = schemathesis.openapi.from_wsgi("/api/v1/openapi.json", get_wsgi_application())
        self.headers = {"Authorization": f"Bearer {token}"}
        self.events = [make_event() for _ in range(3)]
        self.entries = chain(ledger, self.events)
        make_signing_key(ledger.name, origin=ledger.origin)
        seal(ledger)
        self.export = made(ledger, "ndjson")
        catch_up_all(ledger.id)
        self.report = made_report(ledger, "json")
        self.snapshot = seal_snapshot(ledger, a_result(ledger=ledger.name), kind="posture")
        self.incident = opened(ledger)
        self.trace = keep_trace(raw_connection(), ledger.id, agent_run(at_ns=now_ns(), fails=True))
        keep_lines(raw_connection(), ledger.id, [{"message": "took the claim"}])
        self.known = {
            "framework": "soc2",
            "check": "TOOL-02",
            "ledger": ledger.name,
            "name": ledger.name,
            "seq": 1,
            "hash": self.entries[1].hash,
            "id": self.events[1]["id"],
        }

    def try_all(self, address: str, method: str, mode: schemathesis.GenerationMode) -> set[int]:
        """Send what the schema allows, or what it forbids; return every status that came."""
        operation = self.schema[address][method]
        statuses: set[int] = set()

        @hypothesis_settings(
            max_examples=EXAMPLES,
            deadline=None,
            derandomize=True,
            database=None,
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy(generation_mode=mode))
        def answers(case: schemathesis.Case[Any]) -> None:
            statuses.add(self.send(case).status_code)

        answers()
        return statuses

    def send(self, case: schemathesis.Case[Any]) -> Any:
        """Send one request and hold the answer against the document."""
        answer = case.call(headers=self.headers)
        if answer.status_code != 503 or "retry-after" not in answer.headers:
            case.validate_response(answer, checks=CHECKS)
        return answer

    def send_known(self, address: str, **query: Any) -> Any:
        """Ask for what there is."""
        operation = self.schema[address]["GET"]
        known = dict(self.known)
        if "/exports/" in address:
            known["id"] = self.export.id
        elif "/snapshots/" in address:
            known["id"] = str(self.snapshot.id)
        elif "/reports/" in address:
            known["id"] = self.report.id
            known["name"] = shown_name(self.report, "json")
        elif "/incidents/" in address:
            known["id"] = self.incident.id
        elif "/traces/" in address:
            known["id"] = self.trace
        named = {name: known[name] for name in re.findall(r"{(\w+)}", address)}
        return self.send(operation.Case(path_parameters=named, query=query))


@pytest.fixture(scope="module")
def everything(django_db_blocker: DjangoDbBlocker) -> Fuzzed:
    """Return what all tests here ask: none changes or removes what another looks for."""
    scopes = (
        *("entries:read", "events:write", "events:backfill"),
        *("governance:write", "ops:write", "alerts:write"),
    )
    with django_db_blocker.unblock():
        open_ledger(settings.LEDGER)
        ledger = open_ledger(f"t.{uuid.uuid4().hex[:16]}")
        _, token = make_key(ledger=ledger, name="test", scopes=scopes, created_by="tests")
        return Fuzzed(ledger, token)


@pytest.fixture
def fuzzed(database: None, everything: Fuzzed) -> Fuzzed:
    return everything


@pytest.mark.parametrize("mode", list(schemathesis.GenerationMode))
@pytest.mark.parametrize(("address", "method"), OPERATIONS)
def test_a_fuzzer_finds_no_fault_and_no_answer_that_is_not_in_the_document(
    fuzzed: Fuzzed, address: str, method: str, mode: schemathesis.GenerationMode
) -> None:
    """There is no 5xx but 503 with Retry-After, whatever is sent."""
    statuses = fuzzed.try_all(address, method, mode)

    assert statuses
    assert all(status < 500 or status == 503 for status in statuses)


@pytest.mark.parametrize(("address", "method"), OPERATIONS)
def test_what_there_is_answers_as_the_document_says(
    fuzzed: Fuzzed, address: str, method: str
) -> None:
    if method == "GET":
        assert fuzzed.send_known(address, **NEEDED.get(address, {})).status_code == 200


def test_every_filter_may_be_given_at_once(fuzzed: Fuzzed) -> None:
    answer = fuzzed.send_known(
        "/api/v1/entries",
        **{
            "ledger": fuzzed.known["ledger"],
            "agent": "alice-agent",
            "actor": "alice-agent",
            "action": ["tool.", "data.*", "llm.call"],
            "outcome": ["success", "denied"],
            "category": "tool_call",
            "severity": "info",
            "run": "run-1",
            "environment": "prod",
            "backfill": "false",
            "from": "2026-10-01T10:00:00Z",
            "to": "2026-10-01T12:00:01+02:00",
            "limit": 2,
        },
    )

    found = json.loads(answer.content)
    assert len(found["items"]) == 2
    assert found["next"]


def cloud_event(event: dict[str, Any]) -> dict[str, Any]:
    return {
        "specversion": "1.0",
        "id": "order/7",
        "source": "https://agents.example/alice",
        "type": event["action"],
        "data": {name: value for name, value in event.items() if name != "id"},
    }


POSTS: dict[str, Callable[[], str]] = {
    "application/json": lambda: json.dumps([make_event(), make_event()]),
    "application/x-ndjson": lambda: json.dumps(make_event()) + "\n\n" + json.dumps(make_event()),
    "application/cloudevents+json": lambda: json.dumps(cloud_event(make_event())),
    "application/cloudevents-batch+json": lambda: json.dumps([cloud_event(make_event())]),
}


def test_every_body_of_the_document_is_tried() -> None:
    bodies = document()["paths"]["/api/v1/events"]["post"]["requestBody"]["content"]

    assert set(bodies) == set(POSTS)


@pytest.mark.parametrize("media_type", POSTS)
def test_a_post_answers_as_the_document_says(fuzzed: Fuzzed, media_type: str) -> None:
    operation = fuzzed.schema["/api/v1/events"]["POST"]
    body = POSTS[media_type]()

    for status in (202, 202):  # the second too: nothing was chained in between
        answer = post(fuzzed, body, media_type)
        assert answer.status_code == status
        operation.validate_response(answer)


@pytest.mark.parametrize(
    ("status", "body", "media_type", "headers"),
    [
        (
            207,
            lambda: json.dumps([make_event(), BAD_EVENT]),
            "application/json",
            {},
        ),
        (400, lambda: "{", "application/json", {}),
        (400, lambda: "[]", "application/json", {}),
        (401, lambda: "[]", "application/json", {"Authorization": "Bearer obs_live_x"}),
        (415, lambda: "{}", "text/plain", {}),
        (415, lambda: "{}", "application/json", {"Content-Encoding": "br"}),
        (422, lambda: json.dumps(BAD_EVENT), "application/json", {}),
        (400, lambda: json.dumps(make_event()), "application/json", {"Content-Encoding": "gzip"}),
    ],
)
def test_a_refused_post_answers_as_the_document_says(
    fuzzed: Fuzzed,
    status: int,
    body: Callable[[], str],
    media_type: str,
    headers: dict[str, str],
) -> None:
    answer = post(fuzzed, body(), media_type, **headers)

    assert answer.status_code == status
    fuzzed.schema["/api/v1/events"]["POST"].validate_response(answer)


def test_a_second_event_of_the_same_id_answers_as_the_document_says(fuzzed: Fuzzed) -> None:
    operation = fuzzed.schema["/api/v1/events"]["POST"]

    same = post(fuzzed, json.dumps(fuzzed.events[0]), "application/json")
    other = post(fuzzed, json.dumps(fuzzed.events[0] | {"outcome": "denied"}), "application/json")

    assert (same.status_code, other.status_code) == (200, 409)
    operation.validate_response(same)
    operation.validate_response(other)


def post(fuzzed: Fuzzed, body: str, media_type: str, **headers: str) -> Any:
    case = fuzzed.schema["/api/v1/events"]["POST"].Case()
    return case.call(
        data=body.encode(), headers={**fuzzed.headers, "Content-Type": media_type, **headers}
    )
