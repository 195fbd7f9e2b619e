"""What tests of the kinds of destination share: where they may send to, and a batch of records."""

from __future__ import annotations

import datetime
import json
from pathlib import Path

import pytest
from pytest_django import Settings

from audit.destinations import Batch, Item
from audit.ledger.record import leaf_hash
from tests.audit.destinations.receiving import LOOPBACK

NOW = datetime.datetime(2026, 11, 21, 3, 5, tzinfo=datetime.UTC)


@pytest.fixture(autouse=True)
def loopback(settings: Settings, tmp_path: Path) -> None:
    settings.OUTBOUND_RULES = LOOPBACK
    settings.DESTINATION_FOLDER = tmp_path / "destinations"


def items(first: int, count: int) -> Batch:
    records = [json.dumps({"seq": at}).encode() for at in range(first, first + count)]
    return Batch(
        ledger="main",
        items=tuple(
            Item(seq=first + at, hash=leaf_hash(record).hex(), record=record)
            for at, record in enumerate(records)
        ),
    )
