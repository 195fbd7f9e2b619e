"""Bodies: split into their events, or refused as a whole."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audit.bodies import split_body
from audit.errors import EventRejected
from tests.sizes import size


@pytest.mark.parametrize(
    ("body", "events"),
    [
        (b'{"a":1}', [b'{"a":1}']),
        (b' \n{"a": 1}\n', [b'{"a": 1}']),
        (b"[]", []),
        (b' [ {"a":1} , {"b":[2]} ] ', [b'{"a":1}', b'{"b":[2]}']),
        (b"5", [b"5"]),
        (b'{"a":NaN}', [b'{"a":NaN}']),
        (b'[{"a":NaN},{"b":"]},{"}]', [b'{"a":NaN}', b'{"b":"]},{"}']),
        (b'[{"a":"\\ud800"},{"b":1}]', [b'{"a":"\\ud800"}', b'{"b":1}']),
        (b'[{"a":"\xff\\""},{"b":1}]', [b'{"a":"\xff\\""}', b'{"b":1}']),
        (b'[{"a":1}{"b":2},3]', [b'{"a":1}{"b":2}', b"3"]),
        (b"[" + b"[" * 5000 + b"]" * 5000 + b",{}]", [b"[" * 5000 + b"]" * 5000, b"{}"]),
    ],
)
def test_a_json_body_is_split_into_its_events(body: bytes, events: list[bytes]) -> None:
    assert events == split_body(body, "application/json; charset=utf-8")


@pytest.mark.parametrize(
    "body",
    [b"", b" ", b"hello", b"[", b"[1", b'[{"a":1}', b"[]]", b"[{},]", b"[,]", b'{"a":1}]',
     b'{"a":NaN},{"b":1}', b"NaN", b'"x', b'{"a":1}\n{"b":2}', b"[}", b"]", b'["', b"\xff"],
)  # fmt: skip
def test_a_body_that_is_no_json_is_refused_as_a_whole(body: bytes) -> None:
    with pytest.raises(EventRejected) as caught:
        split_body(body, "application/json")

    assert (caught.value.code, caught.value.path) == ("not-json", "$")


@pytest.mark.parametrize(
    "body",
    [b"[" * 20_000_000, b"[" + b"{}," * 2_000_000 + b"NaN]", b'["' + b'\\"' * 2_000_000,
     b'["' + b"\\" * 2_000_001, b"[" + b"," * 2_000_000, b"[{" + b"," * 2_000_000],
)  # fmt: skip
def test_no_body_takes_minutes_to_refuse(body: bytes) -> None:
    # The test's own time-out is what fails here: a quadratic search takes hours.
    with pytest.raises(EventRejected):
        split_body(body, "application/json")


def test_lines_are_events_and_blank_ones_are_not() -> None:
    body = b'{"a":1}\r\n\n  \nnot json\n{"b":2}'

    assert split_body(body, "Application/X-NDJSON") == [b'{"a":1}', b"not json", b'{"b":2}']


@settings(max_examples=size(100, 300), deadline=None)
@given(st.binary(max_size=60) | st.text('[]{}",:\\ a1', max_size=60).map(str.encode))
def test_no_body_raises_anything_but_a_refusal(body: bytes) -> None:
    for content_type in ("application/json", "application/x-ndjson"):
        with contextlib.suppress(EventRejected):
            split_body(body, content_type)
