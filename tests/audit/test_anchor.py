"""Checkpoints reach the sinks when they are due, and what sinks give back is compared."""

from __future__ import annotations

import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import psycopg
import pytest
from django.db import connection, connections
from django.test import Client
from prometheus_client.parser import text_string_to_metric_families

from audit.anchor import Anchors, compare, compare_with_anchors, forget_others, publish_due
from audit.append import append_pending
from audit.cosigning import PolicyWitnesses
from audit.database import rows
from audit.errors import LedgerBehind, LedgerForked
from audit.ledger.checkpoint import Checkpoint, format_checkpoint
from audit.ledger.note import (
    VerifierKey,
    add_signatures,
    format_note,
    format_verifier_key,
    make_signing_key,
    open_note,
    parse_note,
    parse_signatures,
    sign_note,
)
from audit.ledger.policy import parse_policy
from audit.models import Anchor, AnchorReceipt, CheckpointNote, Cosignature, Ledger
from audit.seal import seal
from audit.signer import make_key, signers_of
from audit.sinks import Published, Receipt, Sink, SinkFailed, SinkUnreachable
from audit.sinks.file import FileSink
from audit.sinks.witness import Witness, collect_cosignatures
from audit.witnessing import WitnessServer, open_cosigner
from tests.audit.sinks.publishing import LOOPBACK
from tests.audit.tampering import Connection, tampering
from tests.audit.test_tree import grow_to
from tests.conftest import entries, render_metrics_anew

pytestmark = pytest.mark.usefixtures("alone_as_module")


@dataclass
class Shelf:
    """A sink in memory that fails as it is told; of one ledger, since others share the database."""

    ledger: str
    name: str = "shelf"
    interval: float = 0.0
    proof: bytes = b""
    notes: list[bytes] = field(default_factory=list)
    failure: SinkFailed | None = None
    is_away: bool = False
    came: threading.Event = field(default_factory=threading.Event)
    can_read: ClassVar[bool] = True

    def publish(self, published: Published, /) -> Receipt:
        if published.ledger != self.ledger:
            return Receipt(reference="another test's")
        self.came.set()
        if self.failure is not None:
            raise self.failure
        self.notes.append(published.note)
        return Receipt(reference=f"place {len(self.notes)}", proof=self.proof)

    def newest(self, origin: str, /) -> bytes | None:
        if self.is_away:
            raise SinkUnreachable("the shelf is away")
        return self.notes[-1] if self.notes and origin.endswith(self.ledger) else None


@pytest.fixture
def sealed(ledger: Ledger, settings: Any, tmp_path: Path) -> Ledger:
    """Return a ledger with a key, ten entries and a checkpoint over them."""
    settings.SIGNING_DIR = tmp_path / "signing"
    settings.SIGNER_COMMAND = ""
    make_key(ledger.name, origin=ledger.origin)
    grow_to(ledger, 10)
    seal(ledger)
    append_pending(ledger.id)  # the entry that announces the key
    return ledger


@pytest.fixture
def shelf(sealed: Ledger) -> Shelf:
    # A name of its own: rows of other tests' sinks must not be due here.
    return Shelf(ledger=sealed.name, name=f"shelf.{sealed.name}")


def grow_and_seal(ledger: Ledger, size: int) -> None:
    grow_to(ledger, size)
    assert seal(ledger) is not None


def note_of(ledger: Ledger, size: int) -> bytes:
    return bytes(CheckpointNote.objects.get(ledger=ledger, size=size).note)


def row(ledger: Ledger, sink: Sink) -> Anchor:
    return Anchor.objects.get(ledger=ledger, sink=sink.name)


def receipts(ledger: Ledger, sink: Sink) -> list[tuple[int, str, bytes]]:
    found = AnchorReceipt.objects.filter(ledger=ledger, sink=sink.name).order_by("size")
    return [(each.size, each.reference, bytes(each.proof)) for each in found]


def pass_time(ledger: Ledger, sink: Sink, seconds: float) -> None:
    """Let what is written down about a sink be older."""
    rows(
        "UPDATE audit_anchor SET tried_at = tried_at - make_interval(secs => %s),"
        " ok_at = ok_at - make_interval(secs => %s)"
        " WHERE ledger_id = %s AND sink = %s RETURNING ledger_id",
        (seconds, seconds, ledger.id, sink.name),
    )


@contextmanager
def serving(folder: Path, keys: Sequence[VerifierKey]) -> Iterator[tuple[WitnessServer, Witness]]:
    """Run a witness of ours; named as its folder."""
    cosigner = open_cosigner(folder, name=f"{folder.name}.example", logs=keys)
    with WitnessServer(("127.0.0.1", 0), cosigner) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        url = f"http://127.0.0.1:{server.server_address[1]}"
        try:
            yield (
                server,
                Witness(name=folder.name, key=cosigner.key.key, url=url, rules=LOOPBACK),
            )
        finally:
            server.shutdown()
            thread.join()


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


# --- Comparing ----------------------------------------------------------------------------------


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


def sign_as(ledger: Ledger, size: int, root: bytes) -> bytes:
    """Return a checkpoint that the ledger's own key signs, whatever it says."""
    text = format_checkpoint(Checkpoint(origin=ledger.origin, size=size, root=root))
    return sign_note(text, signers=signers_of(ledger.name, origin=ledger.origin))


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


# --- What watches -------------------------------------------------------------------------------


def gauge(name: str, **labels: str) -> float:
    render_metrics_anew()
    text = Client().get("/metrics").content.decode()
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            if sample.name == name and labels.items() <= sample.labels.items():
                return sample.value
    pytest.fail(f"there is no {name} of {labels}")


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


# --- Witnesses, while sealing -------------------------------------------------------------------


def test_a_checkpoint_holds_the_cosignatures_and_says_two_of_three(
    ledger: Ledger, settings: Any, tmp_path: Path
) -> None:
    settings.SIGNING_DIR = tmp_path / "signing"
    settings.SIGNER_COMMAND = ""
    log_key = make_key(ledger.name, origin=ledger.origin)
    grow_to(ledger, 10)
    with (
        serving(tmp_path / "A", [log_key]) as (_, first),
        serving(tmp_path / "B", [log_key]) as (_, second),
    ):
        with serving(tmp_path / "C", [log_key]) as (_, third):
            pass  # it is down
        witnesses = [first, second, third]
        lines = [f"witness {each.name} {format_verifier_key(each.key)}\n" for each in witnesses]
        policy = parse_policy("".join([*lines, "group g 2 A B C\n", "quorum g\n"]).encode())
        asked = PolicyWitnesses(policy, witnesses, seconds=10)
        for size in (10, 20):
            grow_to(ledger, size)
            assert seal(ledger, witnesses=asked) is not None

    keys = [each.key for each in witnesses]
    newest = CheckpointNote.objects.filter(ledger=ledger).order_by("-size").first()
    assert newest is not None
    assert open_note(bytes(newest.note), keys=keys).keys() == set(keys[:2])
    assert rows("SELECT witnessed FROM audit_sealing WHERE ledger_id = %s", (ledger.id,)) == [
        ("2 of 3",)
    ]
    states = {each.sink: each.state for each in Anchor.objects.filter(ledger=ledger)}
    assert states == {"witness:A": "ok", "witness:B": "ok", "witness:C": "failing"}


@contextmanager
def delaying(url: str, until: threading.Event) -> Iterator[str]:
    """Stand before a witness and pass requests on only once the event is set."""

    class Passing(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            assert until.wait(30)
            request = urllib.request.Request(url + self.path, data=body, method="POST")
            try:
                with urllib.request.urlopen(request, timeout=60) as answer:
                    status, said = answer.status, answer.read()
            except urllib.error.HTTPError as refusal:
                status, said = refusal.code, refusal.read()
            self.send_response(status)
            self.send_header("Content-Length", str(len(said)))
            self.end_headers()
            self.wfile.write(said)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Passing) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            until.set()
            server.shutdown()
            thread.join()


def test_a_cosignature_that_comes_late_is_kept_beside_the_checkpoint_and_counted(
    ledger: Ledger, settings: Any, tmp_path: Path
) -> None:
    settings.SIGNING_DIR = tmp_path / "signing"
    settings.SIGNER_COMMAND = ""
    log_key = make_key(ledger.name, origin=ledger.origin)
    grow_to(ledger, 10)
    goes_on = threading.Event()
    with (
        serving(tmp_path / "A", [log_key]) as (_, slow),
        delaying(slow.url, goes_on) as url,
    ):
        slow.url = url
        line = f"witness A {format_verifier_key(slow.key)}\n"
        policy = parse_policy(f"{line}group g all A\nquorum g\n".encode())
        asked = PolicyWitnesses(policy, [slow], seconds=0.2)
        sealed = seal(ledger, witnesses=asked)
        assert sealed is not None
        before = stands(ledger)
        assert asked.collect_late() == 0

        goes_on.set()
        ends = time.monotonic() + 30
        while not asked.collect_late() and time.monotonic() < ends:
            time.sleep(0.02)

    (late,) = Cosignature.objects.filter(ledger=ledger)
    whole = add_signatures(parse_note(sealed.note), parse_signatures(late.line))
    assert open_note(format_note(whole), keys=[slow.key]).keys() == {slow.key}
    assert (before, stands(ledger)) == ("0 of 1", "1 of 1")
    assert asked.collect_late() == 0


def stands(ledger: Ledger) -> str:
    ((said,),) = rows("SELECT witnessed FROM audit_sealing WHERE ledger_id = %s", (ledger.id,))
    return str(said)


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
