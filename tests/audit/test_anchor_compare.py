"""What sinks give back is compared with the ledger: behind, forked, lost, or of a stranger."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from audit.anchor import compare, compare_with_anchors, publish_due
from audit.errors import LedgerBehind, LedgerForked
from audit.ledger.checkpoint import Checkpoint, format_checkpoint
from audit.ledger.note import make_signing_key, sign_note
from audit.models import Ledger
from audit.signer import signers_of
from audit.sinks import Published
from audit.sinks.witness import collect_cosignatures
from tests.audit.anchoring import (
    Shelf,
    grow_and_seal,
    note_of,
    row,
    sealed,
    serving,
    shelf,
    sign_as,
)
from tests.audit.tampering import Connection, tampering

__all__ = ["sealed", "shelf"]  # fixtures, which pytest finds by their names here

pytestmark = pytest.mark.usefixtures("alone_as_module")


def test_what_continues_is_ok(sealed: Ledger, shelf: Shelf) -> None:
    publish_due(shelf)
    grow_and_seal(sealed, 300)

    (found,) = compare_with_anchors(sealed, [shelf])

    assert (found.held, found.size, found.note) == ("ok", 10, note_of(sealed, 10))
    assert found.contradiction() is None


def test_a_sink_that_never_took_anything_is_ok(sealed: Ledger, shelf: Shelf) -> None:
    assert compare(sealed, shelf).held == "ok"


def test_a_sink_that_is_away_is_unreachable(sealed: Ledger, shelf: Shelf) -> None:
    shelf.is_away = True

    found = compare(sealed, shelf)

    assert (found.held, found.text) == ("unreachable", "the shelf is away")
    assert found.contradiction() is None


def test_a_sink_that_lost_what_it_took_says_so(sealed: Ledger, shelf: Shelf) -> None:
    publish_due(shelf)
    older = list(shelf.notes)
    grow_and_seal(sealed, 20)
    publish_due(shelf)

    for notes in ([], older, [b"garbage"], [note_of(sealed, 20)[:-9] + b"AAAAAAA=\n"]):
        shelf.notes = notes
        found = compare(sealed, shelf)

        assert (found.held, found.contradiction()) == ("lost", None), notes


def test_a_larger_signed_checkpoint_means_behind(sealed: Ledger, shelf: Shelf) -> None:
    shelf.notes = [sign_as(sealed, 5000, b"x" * 32)]

    found = compare(sealed, shelf)

    assert found.held == "behind"
    assert isinstance(found.contradiction(), LedgerBehind)


def test_another_signed_root_means_forked(sealed: Ledger, shelf: Shelf) -> None:
    shelf.notes = [sign_as(sealed, 7, b"x" * 32)]

    found = compare(sealed, shelf)

    assert found.held == "forked"
    assert isinstance(found.contradiction(), LedgerForked)


def test_what_a_stranger_signed_stops_no_ledger(sealed: Ledger, shelf: Shelf) -> None:
    text = format_checkpoint(Checkpoint(origin=sealed.origin, size=5000, root=b"x" * 32))
    shelf.notes = [sign_note(text, signers=[make_signing_key(name=sealed.origin, seed=b"m" * 32)])]

    publish_due(shelf)

    sealed.refresh_from_db()
    assert not sealed.is_read_only
    assert row(sealed, shelf).state == "mismatch"


def test_a_ledger_that_an_anchor_contradicts_goes_read_only(sealed: Ledger, shelf: Shelf) -> None:
    shelf.notes = [sign_as(sealed, 7, b"x" * 32)]

    publish_due(shelf)

    sealed.refresh_from_db()
    assert sealed.is_read_only
    assert shelf.name in sealed.read_only_reason
    assert (row(sealed, shelf).state, len(shelf.notes)) == ("mismatch", 1)


def test_a_ledger_that_was_rewritten_is_forked(
    sealed: Ledger, shelf: Shelf, as_role: Callable[[str], Connection]
) -> None:
    publish_due(shelf)
    with tampering(as_role("superuser")) as superuser:
        superuser.execute(
            "UPDATE audit_entry SET hash = sha256('another') WHERE ledger_id = %s AND seq = 3",
            (sealed.id,),
        )

    assert compare(sealed, shelf).held == "forked"


def test_a_witness_can_be_compared_too(sealed: Ledger, tmp_path: Path) -> None:
    keys = [signer.key for signer in signers_of(sealed.name, origin=sealed.origin)]
    with serving(tmp_path / "w", keys) as (_, witness):
        assert compare(sealed, witness).held == "ok"
        published = Published(
            ledger=sealed.name,
            origin=sealed.origin,
            size=10,
            root=b"",
            note=note_of(sealed, 10),
            signed_at=datetime.now(UTC),
        )
        collect_cosignatures(published, [witness], lambda _: [], 10)

        found = compare(sealed, witness)

    assert (found.held, found.size) == ("ok", 10)
