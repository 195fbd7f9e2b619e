"""Witnesses while sealing: cosignatures in the checkpoint, and those that come late."""

from __future__ import annotations

import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from audit.cosigning import PolicyWitnesses
from audit.database import rows
from audit.ledger.note import (
    add_signatures,
    format_note,
    format_verifier_key,
    open_note,
    parse_note,
    parse_signatures,
)
from audit.ledger.policy import parse_policy
from audit.models import Anchor, CheckpointNote, Cosignature, Ledger
from audit.seal import seal
from audit.signer import make_key
from tests.audit.anchoring import sealed, serving
from tests.audit.test_tree import grow_to

__all__ = ["sealed"]  # fixtures, which pytest finds by their names here

pytestmark = pytest.mark.usefixtures("alone_as_module")


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
