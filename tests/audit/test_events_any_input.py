"""Any input at all: refused, or written as the reference writes it, and never another error."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
import rfc8785
from hypothesis import given, settings
from hypothesis import strategies as st

from audit.errors import EventRejected
from tests.audit.building import place, with_tail
from tests.audit.parsing import FULL, SENT_FIELDS, outcome, parse
from tests.sizes import size

json_values: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(), max_size=6)
    | st.sampled_from([1e20, 1e21, 2**53, "2026-10-01T10:00:00Z", "a" * 64, "\x00", "\U0001f600"]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3)
    ),
    max_leaves=8,
)


@settings(max_examples=size(100, 300), deadline=None)
@given(st.binary(max_size=80) | json_values.map(lambda value: json.dumps(value).encode()))
def test_arbitrary_input_raises_nothing_but_a_refusal(raw: bytes) -> None:
    with pytest.raises(EventRejected):
        parse(raw)


@settings(max_examples=size(100, 600), deadline=None)
@given(data=st.data())
def test_a_changed_event_is_refused_or_written_as_the_reference_writes_it(
    data: st.DataObject,
) -> None:
    event = copy.deepcopy(FULL)
    for path in data.draw(st.lists(st.sampled_from(PATHS), max_size=3)):
        event = place(event, path, data.draw(json_values)) if _has(event, path) else event
    event["details"] = data.draw(st.dictionaries(st.text(max_size=3), json_values, max_size=3))
    compact = data.draw(st.booleans())
    text = json.dumps(
        event, ensure_ascii=data.draw(st.booleans()), separators=(",", ":") if compact else None
    )
    raw = text.encode("utf-8", "surrogatepass")

    parsed = outcome(raw)
    if isinstance(parsed, EventRejected):
        assert parsed.path.startswith("$")
        return

    sent = json.loads(raw)
    written = json.loads(parsed.canonical)
    assert rfc8785.dumps(written) == parsed.canonical
    assert rfc8785.dumps(sent["details"]) == rfc8785.dumps(written["details"])
    assert set(sent) == set(written)


@settings(max_examples=size(100, 400), deadline=None)
@given(data=st.data())
def test_a_member_written_twice_is_always_found(data: st.DataObject) -> None:
    numbers = st.sampled_from(
        ["1", "1e-4", "1E2", "1.5", "0.00010", "-0", "-0.0", '"\\u0061"', '"é"', "[1e-5,1]", "{}"]
    )
    names = st.sampled_from(["", "a", "b", "\\u0061"])
    members = data.draw(st.lists(st.tuples(names, numbers), max_size=6))
    gap = data.draw(st.sampled_from(["", " "]))
    text = ",".join(f'{gap}"{name}":{gap}{value}' for name, value in members)
    number = data.draw(st.sampled_from(["1", "1.5", "1e-4", "0.50"]))
    tail = f'"duration_ms":{number},"details":{{{text}}}'
    plain = [name.replace("\\u0061", "a") for name, _value in members]

    found = outcome(with_tail(tail))

    is_twice = len(set(plain)) < len(plain)
    assert isinstance(found, EventRejected) is is_twice
    if isinstance(found, EventRejected):
        assert found.code == "duplicate-key"


PATHS = [path for path, _kind in SENT_FIELDS]


def _has(event: Any, path: tuple[str, ...]) -> bool:
    for step in path[:-1]:
        if isinstance(event, list) and step.isdigit() and len(event) > int(step):
            event = event[int(step)]
        elif isinstance(event, dict) and step in event:
            event = event[step]
        else:
            return False
    return isinstance(event, dict)
