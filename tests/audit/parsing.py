"""What tests of the border of ingest share: an event that is parsed, and one that is refused."""

from __future__ import annotations

from typing import Any

import pytest

from audit.errors import EventRejected
from audit.parse import ParsedEvent, parse_event
from tests.audit.building import fields_of, full_event

FULL = full_event()
FIELDS = list(fields_of())
SENT_FIELDS = [(path, kind) for path, kind in FIELDS if path[0] != "integrity"]


def parse(raw: bytes, **options: Any) -> ParsedEvent:
    return parse_event(raw, default_id=None, **options)


def outcome(raw: bytes) -> ParsedEvent | EventRejected:
    try:
        return parse(raw)
    except EventRejected as refused:
        return refused


def refusal(raw: bytes, **options: Any) -> EventRejected:
    with pytest.raises(EventRejected) as caught:
        parse(raw, **options)
    return caught.value
