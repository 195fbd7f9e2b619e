"""A ledger of 700 entries whose first 512 were pruned, for tests of what is kept."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from audit.append import append_pending
from audit.models import Ledger, Purge
from audit.receive import Incoming, receive, receive_own
from audit.seal import seal
from audit.signer import make_key
from audit.verify import Report
from audit.verify_tree import leaf_of_tile
from tests.audit.pruning import old_entries, prune
from tests.audit.tampering import AsRole, Connection
from tests.conftest import EVENTS, make_event

SIZE, MINIMUM = 700, 512


@pytest.fixture
def owner(as_role: AsRole) -> Connection:
    return as_role("owner")


@pytest.fixture
def old(ledger: Ledger, settings: Any, tmp_path: Path) -> Ledger:
    """Return a ledger of 700 entries of more than a year ago, sealed at 300 and beyond them."""
    settings.SIGNING_DIR = tmp_path / "signing"
    settings.SIGNER_COMMAND = ""
    settings.EXPORT_DIR = str(tmp_path / "exports")
    make_key(ledger.name, origin=ledger.origin)
    old_entries(ledger, [make_event() for _ in range(300)])
    receive(
        [Incoming(raw=json.dumps(make_event()).encode()) for _ in range(SIZE - 300)],
        ledger_id=ledger.id,
        ledger_name=ledger.name,
        sender=EVENTS,
        received_at=datetime.now(UTC) - timedelta(days=400),
        request_id="test",
    )
    # Now, so that the entry that announces the key, which is of today, comes after all of them.
    assert seal(ledger) is not None
    append_pending(ledger.id)
    assert seal(ledger) is not None
    return ledger


def let_go(ledger: Ledger, *, to_seq: int = MINIMUM, from_seq: int = 0, **other: Any) -> None:
    """Leave the entry that names a purge, as whoever prunes leaves it."""
    leaf = leaf_of_tile(ledger.id, to_seq - 1)
    assert leaf is not None
    said = {
        "from_seq": from_seq,
        "to_seq": to_seq - 1,
        "oldest_seq": to_seq,
        "head_hash": leaf.hex(),
    }
    purge = Purge.objects.get(ledger=ledger, to_seq=to_seq)
    approvers = [purge.first_approver, purge.second_approver]
    details = {"approvers": other.pop("approvers", approvers)}
    receive_own(ledger, "audit.purged", integrity=said | other, details=details)
    append_pending(ledger.id)


@pytest.fixture
def pruned(old: Ledger, owner: Connection) -> Ledger:
    """Return that ledger when its first 512 entries are pruned, and the entry says so."""
    assert prune(owner, old, to_seq=MINIMUM) == MINIMUM
    let_go(old)
    assert seal(old) is not None
    return old


def tampered_at(report: Report, *, seq: int, field: str) -> None:
    assert report.result == "tampered", report
    assert report.first is not None
    assert (report.first.seq, report.first.field) == (seq, field), report.first
