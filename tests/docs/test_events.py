"""docs/events.md says what an event is: actions, fields and limits, and its examples are taken."""

from __future__ import annotations

import ast
import json
import re
from fnmatch import fnmatchcase

import pytest

from audit import limits, stored
from audit.actions import ACTIONS, expected_fields, scope_needed
from audit.events import MAX_SUBJECTS
from audit.parse import parse_event
from tests import documents
from tests.documents import DOCS
from tests.event_fields import event_fields
from tests.sources import APPS, parsed, python_sources

EVENTS = DOCS / "events.md"


def test_every_action_is_documented_with_its_category_and_scope_and_no_other() -> None:
    expected = {
        (f"Category `{category}`", action, scope_needed(action))
        for action, category in ACTIONS.items()
    }

    documented = {
        (row.section, row.first(), row.cell("scope").strip("`"))
        for row in documents.table(EVENTS, "action", "scope", "says that")
    }

    assert {
        (section, action, "server" if scope == "the platform alone" else scope)
        for section, action, scope in documented
    } == expected


def test_every_audit_action_that_the_platform_writes_is_documented() -> None:
    said = {
        node.value
        for source in python_sources(*APPS)
        if source.name != "actions.py" and "fleet" not in source.parts
        for node in ast.walk(parsed(source))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    written = {action for action in said & ACTIONS.keys() if action.startswith("audit.")}

    documented = {
        action
        for row in documents.table(EVENTS, "action", "when")
        for action in documents.spans(row.cells[0])
    }

    assert {action for action in documented if action.startswith("audit.")} == written
    assert documented <= ACTIONS.keys()


def test_every_field_is_documented_with_its_type_and_no_other() -> None:
    expected = {field.path: field.shape for field in event_fields()}

    documented = {
        row.first(): row.cell("type").replace("`", "")
        for row in documents.table(EVENTS, "field", "type", "needed", "says")
    }

    assert documented == expected


def test_fields_that_are_needed_say_so() -> None:
    expected = {field.path for field in event_fields() if field.is_required}

    documented = {
        row.first()
        for row in documents.table(EVENTS, "field", "type", "needed", "says")
        if row.cell("needed") in {"always", "in its block"}
    }

    assert documented == expected


def test_every_field_says_what_it_is_for() -> None:
    table = documents.table(EVENTS, "field", "type", "needed", "says")

    assert [row.first() for row in table if not row.cell("says")] == []


def test_expected_fields_are_those_of_the_code() -> None:
    documented = [
        (row.first(), set(documents.spans(row.cell("expected"))))
        for row in documents.table(EVENTS, "of", "expected")
    ]

    for action, category in ACTIONS.items():
        event = {"action": action, "category": category, "outcome": "success"}
        said = {
            path for pattern, paths in documented if fnmatchcase(action, pattern) for path in paths
        }
        assert said == set(expected_fields(event, scope="ops")), action


def test_limits_of_an_event_are_those_of_the_code() -> None:
    said = " ".join(row.cell("value") for row in documents.table(EVENTS, "limit", "value", "error"))

    for limit in (
        limits.MAX_SENT,
        stored.MAX_EVENT,
        stored.MAX_DETAILS,
        limits.MAX_DEPTH,
        limits.MAX_KEYS,
        limits.MAX_STRING,
        MAX_SUBJECTS,
    ):
        assert re.search(rf"(?<![\d,]){limit:,}(?![\d,])", said), limit


def events_shown() -> list[tuple[str, str]]:
    """Return every event that a page shows as JSON, fenced or in a shell command."""
    found = []
    for page in documents.pages():
        shown = documents.fences(page, "json")
        for script in documents.fences(page, "sh"):
            shown += re.findall(r"-d '(\{.*?\})'", script, re.DOTALL)
        found += [(page.name, text) for text in shown if '"occurred_at"' in text]
    return found


@pytest.mark.parametrize(("page", "text"), events_shown())
def test_an_event_that_a_page_shows_is_accepted(page: str, text: str) -> None:
    assert parse_event(text.encode(), default_id=None).action in ACTIONS


@pytest.mark.parametrize(
    ("page", "text"),
    [(page.name, text) for page in documents.pages() for text in documents.fences(page, "json")],
)
def test_what_a_page_shows_as_json_is_json(page: str, text: str) -> None:
    assert json.loads(text)
