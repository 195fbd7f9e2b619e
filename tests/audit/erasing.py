"""Builders for tests of erasure: events about a subject, and an erasure from asking to its end.

A module that imports `own_tombstones` has a graveyard of its own in each of its tests.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from audit.append import append_pending
from audit.erase import ask_for_erasure, confirm_erasure, get_erasure
from audit.erasing import work_through_erasures
from audit.models import Erasure, Ledger, SubjectKey
from tests.conftest import entries, make_event

CAROL = "carol.novak@example.org"
BORN = "1950-06-24"


def about(subject_id: str = CAROL, **fields: Any) -> dict[str, Any]:
    """Return an event that names a subject and holds its personal data."""
    named = {"data": {"subject_ids": [subject_id]}, "personal": {"born": BORN}}
    return make_event(**named | fields)


def looked(ledger: Ledger, subject_id: str = CAROL) -> Erasure:
    """Return an erasure that a worker has looked through and that waits to be confirmed."""
    erasure = ask_for_erasure(
        ledger, subject_id, case_id="DSR-1", reason="asked by letter", by="alice"
    )
    work_through_erasures(ledger)
    return again(erasure)


def erased(ledger: Ledger, subject_id: str = CAROL) -> Erasure:
    """Return an erasure that was confirmed and worked on to its end, its entry chained."""
    erasure = looked(ledger, subject_id)
    confirm_erasure(erasure, subject_id, reason="asked by letter", by="bob")
    work_through_erasures(ledger)
    append_pending(ledger.id)
    return again(erasure)


def again(erasure: Erasure) -> Erasure:
    """Return the row as it is now."""
    return get_erasure(erasure.ledger_id, erasure.id)


@pytest.fixture(autouse=True)
def own_tombstones(tmp_path: Path, settings: Any) -> None:
    """Each test has a graveyard of its own."""
    settings.TOMBSTONES = tmp_path / "keys" / "tombstones"


def key_of(ledger: Ledger) -> SubjectKey:
    return SubjectKey.objects.get(ledger=ledger)


def last_action(ledger: Ledger) -> dict[str, Any]:
    event: dict[str, Any] = entries(ledger)[-1].parsed()["event"]
    return event
