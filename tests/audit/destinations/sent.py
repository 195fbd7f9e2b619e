"""What tests of sending on share: a receiver, entries to send, and whether all came in order."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from pytest_django import Settings

from audit.append import append_pending
from audit.models import Entry, Ledger
from tests.audit.destinations.receiving import LOOPBACK, Endpoint, endpoint
from tests.conftest import make_event, post


@pytest.fixture(autouse=True)
def loopback(settings: Settings) -> None:
    settings.OUTBOUND_RULES = LOOPBACK


@pytest.fixture
def receiver() -> Iterator[Endpoint]:
    with endpoint() as told:
        yield told


def chained(ledger: Ledger, count: int) -> int:
    """Chain so many entries and return the ledger's size."""
    post(ledger, [make_event() for _ in range(count)])
    append_pending(ledger.id)
    return Entry.objects.filter(ledger=ledger).count()


def in_order(seqs: list[int], size: int) -> bool:
    """Tell whether every seq below `size` arrived, and each but repeats after the one before."""
    furthest = -1
    for seq in seqs:
        if seq > furthest + 1:
            return False
        furthest = max(furthest, seq)
    return furthest == size - 1
