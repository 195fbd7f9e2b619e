"""Tombstones: written once, before the key goes, and damage is told with its line."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from audit.append import append_pending
from audit.erasing import erase_again
from audit.errors import TombstonesUnreadable
from audit.models import Ledger
from audit.tombstones import bury, is_buried, living, tombstones
from obsplatform.readiness import check_erasures
from tests.audit.erasing import about, key_of, last_action, own_tombstones
from tests.conftest import chain

__all__ = ["own_tombstones"]  # fixtures, which pytest finds by their names here


def test_a_tombstone_is_written_once_and_for_its_owner_alone(settings: Any) -> None:
    key_id = uuid.uuid4()

    bury(key_id, ledger="main")
    bury(key_id, ledger="main")

    (stone,) = tombstones()
    assert (stone.key_id, stone.ledger) == (key_id, "main")
    assert is_buried(key_id)
    assert settings.TOMBSTONES.stat().st_mode & 0o777 == 0o600


def test_half_a_line_is_no_tombstone_and_is_written_over(settings: Any) -> None:
    first, second = uuid.uuid4(), uuid.uuid4()
    bury(first, ledger="main")
    with settings.TOMBSTONES.open("a") as file:
        file.write(str(second)[:20])

    assert [each.key_id for each in tombstones()] == [first]
    bury(second, ledger="main")

    assert [each.key_id for each in tombstones()] == [first, second]


def test_a_damaged_file_is_told_with_its_line(settings: Any) -> None:
    bury(uuid.uuid4(), ledger="main")
    with settings.TOMBSTONES.open("a") as file:
        file.write("no tombstone at all\n")

    with pytest.raises(TombstonesUnreadable, match="line 2"):
        tombstones()
    assert check_erasures().status == "degraded"


def test_a_tombstone_stands_before_the_key_goes(ledger: Ledger) -> None:
    """A crash between the two must end in an erased key, never in a forgotten one."""
    chain(ledger, [about()])
    key_id = key_of(ledger).key_id

    bury(key_id, ledger=ledger.name)

    assert [each.key_id for each in living()] == [key_id]
    assert check_erasures().status == "degraded"
    assert erase_again() == 1
    assert check_erasures().status == "ok"
    assert erase_again() == 0
    append_pending(ledger.id)
    event = last_action(ledger)
    assert event["action"] == "data.delete"
    assert event["target"]["id"] == str(key_id)
