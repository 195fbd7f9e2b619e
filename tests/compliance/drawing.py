"""What tests of samples share: a sealed period, and what was drawn of it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from audit.exportfile import path_of
from audit.models import Entry, Ledger
from compliance.models import Sample, SampleItem, Snapshot
from tests.audit.exporting import made
from tests.compliance.sampling import sealed_period


@pytest.fixture
def period(ledger: Ledger, settings: Any, tmp_path: Path) -> Snapshot:
    """Return a sealed period of 300 calls."""
    settings.EXPORT_DIR = str(tmp_path / "exports")
    settings.SIGNING_DIR = str(tmp_path / "signing")
    return sealed_period(ledger)


def items(sample: Sample) -> list[SampleItem]:
    found = SampleItem.objects.filter(ledger_id=sample.ledger_id, sample_id=sample.id)
    return list(found.order_by("position"))


def its_entry(sample: Sample) -> Entry:
    assert sample.event_id is not None
    return Entry.objects.get(ledger=sample.ledger, event_id=sample.event_id)


def details(entry: Entry) -> dict[str, Any]:
    said: dict[str, Any] = json.loads(bytes(entry.record))["event"]["details"]
    return said


def bundle(ledger: Ledger, tmp_path: Path) -> Path:
    return Path(shutil.copy(path_of(made(ledger)), tmp_path / "bundle.zip"))
