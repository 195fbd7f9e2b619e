"""Checkpoints reach the sinks when they are due, and metrics say how each sink does.

What sinks give back: test_anchor_compare.py. Witnesses: test_anchor_witnesses.py.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.db import connection, connections

from audit.anchor import Anchors, compare, forget_others, publish_due
from audit.append import append_pending
from audit.models import Anchor, Ledger
from audit.seal import seal
from audit.sinks import Published, Receipt, SinkFailed
from audit.sinks.file import FileSink
from tests.audit.anchoring import (
    Shelf,
    gauge,
    grow_and_seal,
    note_of,
    pass_time,
    receipts,
    row,
    sealed,
    shelf,
)
from tests.audit.test_tree import grow_to
from tests.conftest import entries

__all__ = ["sealed", "shelf"]  # fixtures, which pytest finds by their names here

pytestmark = pytest.mark.usefixtures("alone_as_module")


# --- Publishing ---------------------------------------------------------------------------------


def test_the_newest_checkpoint_is_published_once(sealed: Ledger, shelf: Shelf) -> None:
    for _ in range(2):
        publish_due(shelf)

    assert shelf.notes == [note_of(sealed, 10)]
    found = row(sealed, shelf)
    assert (found.state, found.size, found.failures, found.reference) == ("ok", 10, 0, "place 1")


def test_only_the_newest_of_several_is_published(sealed: Ledger, shelf: Shelf) -> None:
    grow_and_seal(sealed, 20)
    grow_and_seal(sealed, 30)

    publish_due(shelf)

    assert shelf.notes == [note_of(sealed, 30)]


def test_the_next_one_waits_for_the_interval(sealed: Ledger, shelf: Shelf) -> None:
    shelf.interval = 60
    publish_due(shelf)
    grow_and_seal(sealed, 20)

    publish_due(shelf)
    assert len(shelf.notes) == 1
    pass_time(sealed, shelf, 61)
    publish_due(shelf)
    assert shelf.notes[1:] == [note_of(sealed, 20)]


def test_what_a_sink_gave_is_kept(sealed: Ledger, shelf: Shelf) -> None:
    shelf.proof = b"token"
    publish_due(shelf)
    grow_and_seal(sealed, 20)
    publish_due(shelf)

    assert receipts(sealed, shelf) == [(10, "place 1", b"token"), (20, "place 2", b"token")]


def test_a_sink_of_every_checkpoint_that_gives_nothing_is_its_own_history(
    sealed: Ledger, shelf: Shelf
) -> None:
    publish_due(shelf)

    assert receipts(sealed, shelf) == []


def test_a_failure_is_seen_and_tried_again_after_a_rest(sealed: Ledger, shelf: Shelf) -> None:
    shelf.failure = SinkFailed("no \0 room; make some")
    publish_due(shelf)
    publish_due(shelf)

    found = row(sealed, shelf)
    assert (found.state, found.failures, found.error) == ("failing", 1, "no  room; make some")
    assert found.ok_at is None
    pass_time(sealed, shelf, 3)
    publish_due(shelf)
    assert row(sealed, shelf).failures == 2
    pass_time(sealed, shelf, 3)
    publish_due(shelf)
    assert row(sealed, shelf).failures == 2  # it rests longer each time


def test_an_hour_of_failures_loses_nothing_that_was_known(sealed: Ledger, shelf: Shelf) -> None:
    publish_due(shelf)
    shelf.failure = SinkFailed("away")
    grow_and_seal(sealed, 20)
    for _ in range(30):
        publish_due(shelf)
        pass_time(sealed, shelf, 301)

    failing = row(sealed, shelf)
    assert (failing.state, failing.size, failing.failures) == ("failing", 10, 30)
    shelf.failure = None
    publish_due(shelf)
    again = row(sealed, shelf)
    assert (again.state, again.size, again.failures, again.error) == ("ok", 20, 0, "")


def test_an_interval_does_not_hold_up_what_failed(sealed: Ledger, shelf: Shelf) -> None:
    shelf.interval = 3600
    publish_due(shelf)
    grow_and_seal(sealed, 20)
    pass_time(sealed, shelf, 3601)
    shelf.failure = SinkFailed("away")
    publish_due(shelf)
    shelf.failure = None
    pass_time(sealed, shelf, 3)

    publish_due(shelf)

    assert row(sealed, shelf).size == 20


def test_a_mismatch_is_seen_as_one(sealed: Ledger, shelf: Shelf) -> None:
    shelf.failure = SinkFailed("it holds another root", is_mismatch=True)

    publish_due(shelf)

    assert row(sealed, shelf).state == "mismatch"
    sealed.refresh_from_db()
    assert not sealed.is_read_only  # what the sink holds was compared, and contradicts nothing


def test_the_file_takes_every_checkpoint(sealed: Ledger, tmp_path: Path) -> None:
    sink = FileSink(tmp_path / "anchors", interval=0)
    sink.name = f"file.{sealed.name}"
    publish_due(sink)
    grow_and_seal(sealed, 20)
    publish_due(sink)

    assert sink.newest(sealed.origin) == note_of(sealed, 20)
    assert compare(sealed, sink).held == "ok"


def test_metrics_say_how_each_anchor_does(sealed: Ledger, shelf: Shelf) -> None:
    labels = {"ledger": sealed.name, "sink": shelf.name}
    publish_due(shelf)
    assert gauge("obs_audit_anchor_ok", **labels) == 1
    assert gauge("obs_audit_anchor_age_seconds", **labels) == 0

    shelf.failure = SinkFailed("away")
    grow_and_seal(sealed, 20)
    publish_due(shelf)
    assert gauge("obs_audit_anchor_ok", **labels) == 0.5
    assert gauge("obs_audit_anchor_age_seconds", **labels) > 0

    shelf.failure = SinkFailed("it holds another root", is_mismatch=True)
    pass_time(sealed, shelf, 3)
    publish_due(shelf)
    assert gauge("obs_audit_anchor_ok", **labels) == 0


def test_metrics_say_how_long_entries_wait_for_a_checkpoint(sealed: Ledger) -> None:
    grow_to(sealed, 20)
    assert gauge("obs_audit_unsealed_age_seconds", ledger=sealed.name) > 0

    seal(sealed)

    assert gauge("obs_audit_unsealed_age_seconds", ledger=sealed.name) == 0


# --- Threads ------------------------------------------------------------------------------------


def test_a_sink_that_hangs_holds_up_no_other(sealed: Ledger, shelf: Shelf) -> None:
    release = threading.Event()

    @dataclass
    class Hanging(Shelf):
        def publish(self, published: Published, /) -> Receipt:
            self.came.set()
            release.wait(30)
            return Receipt(reference="late")

    hanging = Hanging(ledger=sealed.name, name=f"hanging.{sealed.name}")
    anchors = Anchors([hanging, shelf])
    anchors.start()
    try:
        assert hanging.came.wait(30)
        assert shelf.came.wait(30)
    finally:
        release.set()
        anchors.stop(seconds=30)


def test_a_defect_of_a_sink_is_not_the_end_of_its_thread(sealed: Ledger) -> None:
    @dataclass
    class Broken(Shelf):
        again: threading.Event = field(default_factory=threading.Event)

        def publish(self, published: Published, /) -> Receipt:
            if published.ledger == self.ledger and not self.came.is_set():
                self.came.set()
                raise ZeroDivisionError
            taken = super().publish(published)
            if self.notes:
                self.again.set()
            return taken

    broken = Broken(ledger=sealed.name, name=f"broken.{sealed.name}")
    anchors = Anchors([broken])
    anchors.start()
    try:
        assert broken.again.wait(50)
    finally:
        anchors.stop(seconds=30)

    assert broken.notes == [note_of(sealed, 10)]


def test_threads_close_their_connections(
    sealed: Ledger, shelf: Shelf, as_role: Callable[[str], psycopg.Connection[Any]]
) -> None:
    def count() -> int:
        ((found,),) = as_role("superuser").execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = %s AND usename = %s"
            " AND pid <> pg_backend_pid()",
            (connection.settings_dict["NAME"], connection.settings_dict["USER"]),
        )
        return int(found)

    before = count()
    anchors = Anchors([shelf])
    anchors.start()
    assert shelf.came.wait(30)
    anchors.stop(seconds=30)

    assert count() <= before
    assert len(connections.all(initialized_only=True)) == 1


def test_an_anchor_that_is_no_longer_set_up_is_forgotten_and_an_entry_says_so(
    sealed: Ledger, shelf: Shelf
) -> None:
    publish_due(shelf)
    assert row(sealed, shelf).state == "ok"

    forget_others([shelf.name])
    assert row(sealed, shelf).state == "ok"
    forget_others(["another"])

    assert not Anchor.objects.filter(ledger=sealed, sink=shelf.name).exists()
    append_pending(sealed.id)
    told = [each.parsed()["event"] for each in entries(sealed)]
    assert [each["target"]["id"] for each in told if each["action"] == "audit.config_changed"] == [
        shelf.name
    ]
