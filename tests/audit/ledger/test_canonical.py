"""Canonical bytes: the RFC's pairs, the reference, and the numbers that have no canonical form."""

from __future__ import annotations

import json
import os
import struct
from pathlib import Path
from typing import Any

import msgspec
import pytest
import rfc8785
from hypothesis import example, given, settings
from hypothesis import strategies as st

from audit.errors import NotCanonical
from audit.ledger.canonical import (
    SAFE_INTEGER,
    JSONValue,
    canonicalise,
    parse_canonical,
    reference,
)

VECTORS: dict[str, Any] = json.loads(
    (Path(__file__).parents[2] / "vectors" / "canonical.json").read_text()
)


def _published() -> dict[str, Any]:
    """Return the vectors of others where OBS_VECTORS names their folder; ours always run."""
    folder = os.environ.get("OBS_VECTORS")
    if not folder:
        return {"jcs_rfc8785": {}, "es6_numbers": []}
    found: dict[str, Any] = json.loads((Path(folder) / "tlog_vectors.json").read_text())
    return found


PAIRS = [
    *((pair["name"], pair["input"], pair["canonical"].encode()) for pair in VECTORS["json"]),
    *(
        (name, pair["input"], bytes.fromhex(pair["output_hex"]))
        for name, pair in _published()["jcs_rfc8785"].items()
    ),
]
NUMBERS = [
    *((number["ieee754"], number["canonical"]) for number in VECTORS["numbers"]),
    *(
        # An integer beyond ±(2^53-1) has a form in ECMAScript, and none here.
        (bits, None if text.lstrip("-").isdigit() and abs(int(text)) > SAFE_INTEGER else text)
        for bits, text in _published()["es6_numbers"]
    ),
]

characters = st.characters(exclude_categories=["Cs"]) | st.sampled_from(
    "\ue000\uffee\U0001f600\x7f"
)
texts = st.text(characters, max_size=8)
numbers = (
    st.integers(-SAFE_INTEGER, SAFE_INTEGER)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.floats(-1.0, 1.0)
    | st.integers(-30, 30).map(lambda exponent: float(f"1e{exponent}"))
)
values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | numbers | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=5),
    max_leaves=20,
)


@pytest.mark.parametrize(("name", "text", "expected"), PAIRS, ids=[pair[0] for pair in PAIRS])
def test_each_published_pair_holds(name: str, text: str, expected: bytes) -> None:
    assert expected == canonicalise(json.loads(text))
    assert expected == canonicalise(parse_canonical(expected))


@pytest.mark.parametrize(("bits", "expected"), NUMBERS)
def test_each_number_is_written_as_ecmascript_writes_it(bits: str, expected: str | None) -> None:
    (value,) = struct.unpack(">d", bytes.fromhex(bits.rjust(16, "0")))

    if expected is None:
        with pytest.raises(NotCanonical):
            canonicalise(value)
    else:
        assert expected.encode() == canonicalise(value)


@settings(max_examples=500, deadline=None)
@given(values)
@example({"\U0001f600": 1, "\ue000": 2})
@example([1e-5, 9.999999999999999e-6, 123456789012345.6, 1e16, -0.0, 1e21, 0.1 + 0.2])
def test_fast_path_gives_the_bytes_of_the_reference(value: JSONValue) -> None:
    try:
        fast = canonicalise(value)
    except NotCanonical:
        # The one thing refused beyond the reference: integers written as floats, out of range.
        assert _holds_large_integral_float(value)
        return

    assert rfc8785.dumps(value) == fast


@settings(max_examples=300, deadline=None)
@given(values.filter(lambda value: not _holds_large_integral_float(value)))
def test_canonical_bytes_survive_parsing(value: JSONValue) -> None:
    once = canonicalise(value)

    assert once == canonicalise(parse_canonical(once))
    assert once == canonicalise(json.loads(once))
    assert once == canonicalise(msgspec.json.decode(once))


@pytest.mark.parametrize(
    "value",
    [
        float("nan"),
        float("inf"),
        -float("inf"),
        SAFE_INTEGER + 1,
        -SAFE_INTEGER - 1,
        1e20,
        float(2**53),
        "\ud800",
        {"\udfff": 1},
        {"a": [{"b": 1e17}]},
    ],
)
def test_what_has_no_canonical_form_is_refused(value: Any) -> None:
    with pytest.raises(NotCanonical):
        canonicalise(value)


@pytest.mark.parametrize("value", [{1: "a"}, {None: "a"}, b"a", {"a": {1, 2}}, object()])
def test_what_is_no_json_is_refused(value: Any) -> None:
    with pytest.raises(NotCanonical):
        canonicalise(value)


def test_a_bottomless_value_is_refused() -> None:
    value: list[Any] = []
    value.append(value)

    with pytest.raises(NotCanonical):
        canonicalise(value)


@pytest.mark.parametrize(
    "data", [b"", b"{", b' {"a":1}', b'{"b":1,"a":2}', b"1.0", b'{"a":1,"a":1}', b"\xff", b"NaN"]
)
def test_bytes_in_another_form_are_no_canonical_bytes(data: bytes) -> None:
    with pytest.raises(NotCanonical):
        parse_canonical(data)


def test_the_value_given_is_left_as_it_was() -> None:
    value: dict[str, JSONValue] = {"a": [1.0, {"b": 1e21}], "c": 2.5}

    canonicalise(value)

    assert value == {"a": [1.0, {"b": 1e21}], "c": 2.5}
    assert reference(value) == canonicalise(value)


def _holds_large_integral_float(value: Any) -> bool:
    if isinstance(value, dict):
        return any(map(_holds_large_integral_float, value.values()))
    if isinstance(value, list):
        return any(map(_holds_large_integral_float, value))
    return isinstance(value, float) and SAFE_INTEGER < abs(value) < 1e21
