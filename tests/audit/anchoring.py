"""What tests of anchors share: a sealed ledger, a sink in memory, a witness, time that passes."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import pytest
from django.test import Client
from prometheus_client.parser import text_string_to_metric_families

from audit.append import append_pending
from audit.database import rows
from audit.ledger.checkpoint import Checkpoint, format_checkpoint
from audit.ledger.note import VerifierKey, sign_note
from audit.models import Anchor, AnchorReceipt, CheckpointNote, Ledger
from audit.seal import seal
from audit.signer import make_key, signers_of
from audit.sinks import Published, Receipt, Sink, SinkFailed, SinkUnreachable
from audit.sinks.witness import Witness
from audit.witnessing import WitnessServer, open_cosigner
from tests.audit.sinks.publishing import LOOPBACK
from tests.audit.test_tree import grow_to
from tests.conftest import render_metrics_anew


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


def sign_as(ledger: Ledger, size: int, root: bytes) -> bytes:
    """Return a checkpoint that the ledger's own key signs, whatever it says."""
    text = format_checkpoint(Checkpoint(origin=ledger.origin, size=size, root=root))
    return sign_note(text, signers=signers_of(ledger.name, origin=ledger.origin))


def gauge(name: str, **labels: str) -> float:
    render_metrics_anew()
    text = Client().get("/metrics").content.decode()
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            if sample.name == name and labels.items() <= sample.labels.items():
                return sample.value
    pytest.fail(f"there is no {name} of {labels}")
