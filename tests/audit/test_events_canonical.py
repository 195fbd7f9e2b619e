"""One event has one form: keys sorted, numbers as ECMAScript writes them, times in UTC."""

from __future__ import annotations

import json

import pytest
import rfc8785

from tests.audit.building import event_json, with_tail
from tests.audit.parsing import parse, refusal


def test_the_same_event_written_in_other_ways_has_the_same_bytes() -> None:
    event = json.loads(event_json(details={"b": "é😀", "a": [1, 2.5]}, duration_ms=1000))

    forms = [
        json.dumps(event).encode(),
        json.dumps(event, indent=3, ensure_ascii=False).encode(),
        json.dumps(event, sort_keys=True, separators=(",", ":")).encode(),
        event_json(details={"b": "é😀", "a": [1, 2.5]}, duration_ms=1000.0),
        event_json(details={"a": [1.0, 2.5], "b": "é😀"}, duration_ms=1e3),
        event_json(details={"b": "é😀", "a": [1, 2.5]}, duration_ms=1000, id=event["id"].upper()),
        event_json(
            details={"b": "é😀", "a": [1, 2.5]},
            duration_ms=1000,
            occurred_at="2026-10-01T12:00:00.5+02:00",
        ),
    ]

    assert len({parse(form).canonical for form in forms}) == 1


def test_keys_above_the_basic_plane_are_sorted_by_utf16() -> None:
    parsed = parse(event_json(details={"\ue000": 1, "\U0001f600": 2}))

    assert rfc8785.dumps(json.loads(parsed.canonical)) == parsed.canonical
    assert '{"\U0001f600":2,"\ue000":1}'.encode() in parsed.canonical


@pytest.mark.parametrize(
    ("sent", "written"),
    [("0.00001", "0.00001"), ("1e-7", "1e-7"), ("0.000001", "0.000001"), ("5.0", "5")],
)
def test_numbers_of_any_field_are_written_as_ecmascript_does(sent: str, written: str) -> None:
    parsed = parse(
        with_tail(
            f'"duration_ms":{sent},"usage":{{"cost_usd":{sent}}},"details":{{"a":[{sent}]}},'
            f'"case":{{"factors":{{"a":{sent}}}}}'
        )
    )

    text = parsed.canonical.decode()
    for place_of in ("duration_ms", "cost_usd"):
        assert f'"{place_of}":{written}' in text
    assert f'"a":[{written}]' in text
    assert f'{{"a":{written}}}' in text
    assert rfc8785.dumps(json.loads(text)) == parsed.canonical


@pytest.mark.parametrize(
    ("sent", "normal"),
    [
        ("2026-10-01T10:00:00Z", "2026-10-01T10:00:00.000000Z"),
        ("2026-10-01t10:00:00.1z", "2026-10-01T10:00:00.100000Z"),
        ("2026-10-01T10:00:00.123456789Z", "2026-10-01T10:00:00.123456Z"),
        ("2026-10-01T10:00:00.9999999Z", "2026-10-01T10:00:00.999999Z"),
        ("2026-10-01T00:30:00+05:45", "2026-09-30T18:45:00.000000Z"),
        ("2026-12-31T23:59:59.5-00:01", "2027-01-01T00:00:59.500000Z"),
        ("2026-10-01T10:00:00-00:00", "2026-10-01T10:00:00.000000Z"),
        ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00.000000Z"),
        ("9999-12-31T23:59:59.999999Z", "9999-12-31T23:59:59.999999Z"),
        ("2024-02-29T00:00:00Z", "2024-02-29T00:00:00.000000Z"),
    ],
)
def test_times_become_utc_with_six_digits_cut(sent: str, normal: str) -> None:
    parsed = parse(event_json(occurred_at=sent, decision={"expires_at": sent}))

    written = json.loads(parsed.canonical)
    assert (normal, normal) == (written["occurred_at"], written["decision"]["expires_at"])


@pytest.mark.parametrize(
    "sent",
    [
        "",
        "yesterday",
        "2026-10-01",
        "2026-10-01T10:00:00",
        "2026-10-01 10:00:00Z",
        "2026-10-01T10:00Z",
        "20261001T100000Z",
        "2026-W40-4T10:00:00Z",
        "2026-10-01T10:00:60Z",
        "2026-10-01T24:00:00Z",
        "2026-10-01T10:60:00Z",
        "2026-02-29T10:00:00Z",
        "2026-13-01T10:00:00Z",
        "2026-10-01T10:00:00.Z",
        "2026-10-01T10:00:00,5Z",
        "2026-10-01T10:00:00+2",
        "2026-10-01T10:00:00+0200",
        "2026-10-01T10:00:00+24:00",
        "2026-10-01T10:00:00Z\n",
        "0000-01-01T00:00:00Z",
        "0001-01-01T00:00:00+00:01",
        "9999-12-31T23:59:59-00:01",
        "+2026-10-01T10:00:00Z",
        "٢٠٢٦-10-01T10:00:00Z",
        "2026-10-01T10:00:00." + "1" * 60 + "Z",
    ],
)
def test_a_text_that_is_no_time_is_refused(sent: str) -> None:
    refused = refusal(event_json(occurred_at=sent))
    assert (refused.code, refused.path) == ("bad-time", "$.occurred_at")

    refused = refusal(event_json(case={"aware_at": sent}))
    assert (refused.code, refused.path) == ("bad-time", "$.case.aware_at")
