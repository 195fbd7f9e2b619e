"""Each convention says the same in its own words, and what is not said stays empty."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.tracing.spellings import SPELLINGS
from tracing.contents import digest, size_of
from tracing.semconv import Meaning, meaning_of


@pytest.mark.parametrize(
    ("convention", "name", "said", "expected"), SPELLINGS, ids=[each[0] for each in SPELLINGS]
)
def test_every_convention_meets_in_one_meaning(
    convention: str, name: str, said: dict[str, Any], expected: dict[str, Any]
) -> None:
    assert meaning_of(name, said) == Meaning(**expected)


@pytest.mark.parametrize(
    "said",
    [
        {"gen_ai.usage.input_tokens": -1},
        {"gen_ai.usage.input_tokens": "many"},
        {"gen_ai.usage.input_tokens": 1.5},
        {"gen_ai.usage.input_tokens": 2**60},
        {"gen_ai.usage.input_tokens": True},
        {"gen_ai.request.model": ["a"]},
        {"gen_ai.request.model": {"a": 1}},
        {"gen_ai.request.temperature": "hot"},
        {"llm.cost.total": -0.5},
        {"gen_ai.response.finish_reasons": [{"a": 1}]},
    ],
)
def test_what_is_of_the_wrong_type_counts_as_not_said(said: dict[str, Any]) -> None:
    expected = Meaning(operation="chat", model_operation="chat")

    assert meaning_of("x", {"gen_ai.operation.name": "chat", **said}) == expected


def test_names_are_cut_and_numbers_may_come_as_text() -> None:
    found = meaning_of(
        "x",
        {
            "gen_ai.operation.name": "chat",
            "gen_ai.request.model": "m" * 900,
            "gen_ai.usage.input_tokens": "12",
            "gen_ai.usage.output_tokens": 3.0,
        },
    )

    assert (len(found.model), found.input_tokens, found.output_tokens) == (200, 12, 3)


def test_an_exception_told_as_an_event_is_the_error() -> None:
    events: list[dict[str, Any]] = [
        {"name": "note"},
        {
            "name": "exception",
            "attributes": {"exception.type": "KeyError", "exception.message": "'x'"},
        },
    ]

    found = meaning_of("x", {"gen_ai.operation.name": "chat"}, events=events)

    assert (found.error_type, found.error_message) == ("KeyError", "'x'")


def test_contents_of_events_are_read_as_well() -> None:
    events = [
        {"name": "gen_ai.content.prompt", "attributes": {"gen_ai.prompt": "Hello"}},
        {"name": "gen_ai.content.completion", "attributes": {"gen_ai.completion": "Hi"}},
    ]

    found = meaning_of("x", {"gen_ai.operation.name": "chat"}, events=events)

    assert (found.prompt, found.response) == ("Hello", "Hi")


def test_the_same_arguments_have_one_digest_however_they_were_written() -> None:
    value = {"b": [1, 2.0], "a": "ü"}

    assert (
        digest(value)
        == digest(json.dumps(value))
        == digest('{ "a":"\\u00fc", "b":[1,2] }')
        != digest('{"a":"u"}')
    )
    assert digest("plain") != digest('"plain"')
    assert digest(None) == digest("") == ""
    assert len(digest('{"n": 123456789012345678901}')) == 64


def test_what_its_sender_kept_back_has_no_digest_and_no_size() -> None:
    """OpenInference sends this mark in its place, the same one for everything."""
    assert digest("__REDACTED__") == ""
    assert size_of("__REDACTED__") is None
