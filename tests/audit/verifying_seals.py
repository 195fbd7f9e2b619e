"""What tests of seals share: a ledger with three checkpoints, a note of it, and who changes it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from audit.append import append_pending
from audit.models import CheckpointNote, Ledger
from audit.seal import seal
from audit.signer import make_key
from tests.audit.tampering import Connection, tampering
from tests.audit.test_tree import grow_to


@pytest.fixture
def sealed(ledger: Ledger, settings: Any, tmp_path: Path) -> Ledger:
    """Return a ledger of 900 entries with checkpoints at 300, 600 and 700."""
    settings.SIGNING_DIR = tmp_path / "signing"
    settings.SIGNER_COMMAND = ""
    settings.ANCHOR_FOLDER = tmp_path / "anchors"
    make_key(ledger.name, origin=ledger.origin)
    for size in (300, 600, 700):
        grow_to(ledger, size)
        assert seal(ledger) is not None
        append_pending(ledger.id)
    grow_to(ledger, 900)
    return ledger


def note_at(ledger: Ledger, size: int) -> bytes:
    return bytes(CheckpointNote.objects.get(ledger=ledger, size=size).note)


def change(superuser: Connection, statement: str, ledger: Ledger) -> None:
    with tampering(superuser):
        assert superuser.execute(statement, (ledger.id,)).rowcount >= 1
