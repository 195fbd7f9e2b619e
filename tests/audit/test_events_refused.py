"""Bad input is refused by code and path; each limit of an event, on both of its sides."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import pytest

from audit import limits
from tests.audit.building import event_json, with_tail
from tests.audit.parsing import parse, refusal

BAD: list[dict[str, str]] = json.loads(
    (Path(__file__).parents[1] / "vectors" / "bad_events.json").read_text()
)


@pytest.mark.parametrize("bad", BAD, ids=[bad["name"] for bad in BAD])
def test_bad_input_is_refused_with_code_and_path(bad: dict[str, str]) -> None:
    if "raw" in bad:
        raw = bad["raw"].encode()
    elif "hex" in bad:
        raw = bytes.fromhex(bad["hex"])
    else:
        raw = with_tail(bad["tail"] if "tail" in bad else bytes.fromhex(bad["tail_hex"]))

    refused = refusal(raw)

    assert (bad["code"], bad["path"]) == (refused.code, refused.path)


@pytest.mark.parametrize("bracket", [b"[", b'{"a":'])
@pytest.mark.parametrize("depth", [31, 1_000, 100_000])
def test_a_nest_deeper_than_32_is_refused(bracket: bytes, depth: int) -> None:
    close = {b"[": b"]", b'{"a":': b"}"}[bracket]

    refused = refusal(with_tail(b'"details":{"a":' + bracket * depth + b"1" + close * depth + b"}"))

    assert refused.code == "depth"
    assert refused.path.startswith("$")


def test_a_nest_of_32_is_accepted() -> None:
    parse(with_tail(b'"details":{"a":' + b"[" * 30 + b"]" * 30 + b"}"))


def test_brackets_that_never_close_are_no_json() -> None:
    assert refusal(b"[" * 900).code == "wrong-type"  # a list is no event, however it ends
    assert refusal(b'{"details":' * 900).code in {"wrong-type", "unknown-field", "not-json"}


def test_an_integer_of_a_hundred_thousand_digits_is_refused() -> None:
    refused = refusal(with_tail('"details":{"a":' + "9" * 100_000 + "}"))

    assert (refused.code, refused.path) == ("number-range", "$.details.a")


@pytest.mark.parametrize("keys", [1_024, 1_025])
def test_an_object_has_at_most_1024_keys(keys: int) -> None:
    raw = event_json(details={"a": {f"k{i}": i for i in range(keys)}})

    if keys <= limits.MAX_KEYS:
        parse(raw)
    else:
        refused = refusal(raw)
        assert (refused.code, refused.path) == ("too-many-keys", "$.details.a")


def test_a_string_has_at_most_64_kib() -> None:
    refused = refusal(event_json(details={"a": ["é" * 32_769]}))

    assert (refused.code, refused.path) == ("too-long", "$.details.a[0]")
    parse(event_json(details={"a": ["é" * 32_768], "b": "x" * 60_000}))


def test_an_event_is_not_read_beyond_a_mebibyte() -> None:
    refused = refusal(event_json() + b" " * limits.MAX_SENT)

    assert (refused.code, refused.path) == ("too-large", "$")


def test_an_event_names_at_most_1000_subjects() -> None:
    parse(event_json(data={"subject_ids": [str(i) for i in range(1_000)]}))

    refused = refusal(event_json(data={"subject_ids": [str(i) for i in range(1_001)]}))

    assert (refused.code, refused.path) == ("too-many-subjects", "$.data.subject_ids")


def test_there_are_at_most_32_labels() -> None:
    refused = refusal(event_json(labels={str(i): "" for i in range(33)}))

    assert (refused.code, refused.path) == ("too-many-keys", "$.labels")


def test_paths_start_where_the_event_stands() -> None:
    assert refusal(event_json(agent={}), at="$.data").path == "$.data.agent.id"
    assert refusal(with_tail('"details":{"a":NaN}'), at="$.data").path == "$.data.details.a"
    assert refusal(event_json(action="nope"), at="$.data").path == "$.data.action"


def test_a_long_unknown_name_is_cut() -> None:
    refused = refusal(event_json(**{"x" * 10_000: 1}))

    assert refused.code == "unknown-field"
    assert len(refused.path) < 100


def test_a_refusal_survives_pickling() -> None:
    refused = refusal(event_json(agent={}))

    again = pickle.loads(pickle.dumps(refused))  # noqa: S301

    assert (refused.code, refused.path, refused.message) == (again.code, again.path, again.message)
