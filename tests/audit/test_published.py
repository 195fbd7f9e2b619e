"""What a person sees when signing, a witness or an anchor fails, and that it ends when mended."""

from __future__ import annotations

import html
import re
import threading
import time
from collections.abc import Callable, Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client

from audit.anchor import publish_due
from audit.append import append_pending
from audit.cosigning import PolicyWitnesses
from audit.errors import (
    AuditError,
    LedgerBehind,
    LedgerForked,
    SignerFailed,
    SigningKeyMissing,
    SigningKeyWrong,
)
from audit.ledger.note import VerifierKey, format_verifier_key
from audit.ledger.policy import parse_policy
from audit.models import Anchor, CheckpointNote, Cosignature, Ledger
from audit.seal import grown_ledgers, seal
from audit.signer import drop_older_keys, keys_path, make_key, signers_of
from audit.sinks.webhook import WebhookSink
from audit.sinks.witness import Witness
from audit.witnessing import WitnessServer, open_cosigner
from obsplatform.readiness import check_anchors, check_seal, failing_anchors, unsigned_ledgers
from tests.audit.anchoring import Shelf, gauge, sign_as
from tests.audit.desk import auditor, get, main_ledger
from tests.audit.sinks.publishing import LOOPBACK, Receiver, receiving
from tests.audit.tampering import AsRole, tampering
from tests.audit.test_tree import grow_to

pytestmark = pytest.mark.usefixtures("alone_as_module")

__all__ = ["auditor", "main_ledger"]  # fixtures, found by their names here

HOUR = 3600


@pytest.fixture
def sealed(ledger: Ledger, settings: Any, tmp_path: Path) -> Ledger:
    """Return a ledger with a key, ten entries and a checkpoint over all that it holds."""
    settings.SIGNING_DIR = tmp_path / "signing"
    settings.SIGNER_COMMAND = ""
    make_key(ledger.name, origin=ledger.origin)
    grow_to(ledger, 10)
    seal(ledger)
    append_pending(ledger.id)  # the entry that announces the key
    seal(ledger)
    return ledger


def text_of(page: str) -> str:
    """Return what a person reads of a page."""
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]+>", " ", page))).replace(" ,", ",")


class Desk:
    """The places where an auditor sees one ledger."""

    def __init__(self, client: Client, ledger: Ledger) -> None:
        self._client = client
        self._ledger = ledger

    def strip(self) -> str:
        page = get(self._client, f"/admin/audit/ledger/{self._ledger.name}/change/")
        (found,) = re.findall(r'<aside class="obs-strip.*?</aside>', page, re.DOTALL)
        return text_of(found)

    def card(self) -> str:
        page = get(self._client, f"/admin/audit/ledger/{self._ledger.name}/change/")
        (found,) = re.findall(
            r'<section class="obs-card" id="checkpoints">.*?</section>', page, re.S
        )
        return text_of(found)

    def line(self) -> str:
        page = get(self._client, f"/admin/audit/ledger/?ledger={self._ledger.name}")
        return text_of(page.split(f">{self._ledger.name}<")[1].split("</tr>")[0])

    def front(self) -> str:
        page = get(self._client, f"/admin/?ledger={self._ledger.name}")
        return text_of(page[page.index("obs-lead") :].split("</p>")[0])


@pytest.fixture
def desk(auditor: Client, sealed: Ledger) -> Desk:
    return Desk(auditor, sealed)


def verified(ledger: Ledger) -> str:
    """Return what verifychain says, with its exit code."""
    out = StringIO()
    with pytest.raises(SystemExit) as ended:
        call_command("verifychain", ledger=ledger.name, stdout=out)
    return f"{ended.value.code} {out.getvalue()}"


def assert_says(said: str, *wanted: str) -> None:
    for each in wanted:
        assert each in said, f"{each!r} is not in: {said}"


def signers_shown(desk: Desk) -> str:
    """Return who signed the newest checkpoint, as the page says."""
    card = desk.card()
    return card[card.index("Signed by") : card.index("Witnessed")]


def assert_sealed(desk: Desk, ledger: Ledger, *, to: int) -> None:
    """Every place says that signing goes well."""
    assert_says(desk.strip(), f"sealed to #{to:,}")
    assert "not sealed" not in desk.strip() + desk.line()
    assert "Nothing is signed" not in desk.card() + desk.front()
    assert not [each for each in unsigned_ledgers() if ledger.name in each]
    assert gauge("obs_audit_unsealed_age_seconds", ledger=ledger.name) == 0


# --- The signing key ----------------------------------------------------------------------------


def take_away(ledger: Ledger) -> Callable[[], None]:
    path = keys_path(ledger.name)
    path.rename(path.with_suffix(".away"))

    def bring_back() -> None:
        path.with_suffix(".away").replace(path)

    return bring_back


def put_another(ledger: Ledger) -> Callable[[], None]:
    bring_back = take_away(ledger)
    make_key(ledger.name, origin=ledger.origin)
    return bring_back


def let_others_read(ledger: Ledger) -> Callable[[], None]:
    keys_path(ledger.name).chmod(0o644)
    return lambda: keys_path(ledger.name).chmod(0o600)


@pytest.mark.parametrize(
    ("harm", "problem", "way_out"),
    [
        (take_away, SigningKeyMissing, "run manage.py makesigningkey --ledger"),
        (put_another, SigningKeyWrong, "put that key back, or rotate it"),
        (let_others_read, SignerFailed, "chmod 600 it"),
    ],
    ids=["absent", "wrong", "unsafe"],
)
def test_a_key_that_cannot_sign_is_told_everywhere_and_forgotten_when_mended(
    desk: Desk,
    sealed: Ledger,
    harm: Callable[[Ledger], Callable[[], None]],
    problem: type[AuditError],
    way_out: str,
) -> None:
    assert_sealed(desk, sealed, to=10)

    mend = harm(sealed)
    grow_to(sealed, 15)
    for _ in range(2):
        with pytest.raises(problem):
            seal(sealed)

    strip = desk.strip()
    assert_says(strip, "not sealed", "4 entries without a checkpoint", "stopped", "last tried")
    assert_says(strip, way_out)
    card = desk.card()
    assert_says(card, "Nothing is signed now", way_out, "4 entries have no checkpoint yet")
    assert_says(card, "is tried every few seconds while manage.py seal --follow runs")
    assert_says(desk.line(), "not sealed")
    assert_says(desk.front(), "Nothing is signed now", way_out)
    (ready,) = [each for each in unsigned_ledgers() if sealed.name in each]
    assert_says(ready, way_out)
    assert check_seal().status == "degraded"
    assert gauge("obs_audit_unsealed_age_seconds", ledger=sealed.name) > 0
    assert_says(verified(sealed), "0 ", "intact", "checkpoint")

    mend()
    assert sealed in grown_ledgers()
    seal(sealed)
    append_pending(sealed.id)
    seal(sealed)
    newest = CheckpointNote.objects.filter(ledger=sealed).latest("size")
    assert_sealed(desk, sealed, to=newest.size - 1)


def test_a_key_that_comes_back_is_seen_even_when_nothing_was_chained_meanwhile(
    desk: Desk, sealed: Ledger
) -> None:
    bring_back = take_away(sealed)
    with pytest.raises(SigningKeyMissing):
        seal(sealed)
    assert_says(desk.strip(), "not sealed", "every entry so far has its checkpoint")
    assert_says(desk.card(), "Every entry so far has its checkpoint")

    bring_back()
    assert sealed in grown_ledgers()
    seal(sealed)

    assert_sealed(desk, sealed, to=10)


def test_a_rotated_key_goes_on_sealing_and_both_are_shown(desk: Desk, sealed: Ledger) -> None:
    (old,) = [each.key for each in signers_of(sealed.name, origin=sealed.origin)]
    new = make_key(sealed.name, origin=sealed.origin)
    grow_to(sealed, 15)
    seal(sealed)

    assert_says(desk.card(), format_verifier_key(old), format_verifier_key(new))
    assert_says(signers_shown(desk), str(old), str(new))

    drop_older_keys(sealed.name)
    grow_to(sealed, 20)
    seal(sealed)

    assert str(new) in signers_shown(desk)
    assert str(old) not in signers_shown(desk)
    assert_says(desk.card(), format_verifier_key(old))
    assert "not sealed" not in desk.strip()
    assert_says(verified(sealed), "0 ", "intact")


def test_a_ledger_that_was_cut_off_stays_red_until_it_is_succeeded(
    desk: Desk, sealed: Ledger, as_role: AsRole
) -> None:
    with tampering(as_role("superuser")) as superuser:
        for table in ("entry", "eventkey"):
            superuser.execute(
                f"DELETE FROM audit_{table} WHERE ledger_id = %s AND seq >= 8", (sealed.id,)
            )
        superuser.execute("UPDATE audit_head SET size = 8 WHERE ledger_id = %s", (sealed.id,))
        superuser.execute(
            "UPDATE audit_head AS h SET hash = e.hash FROM audit_entry AS e"
            " WHERE h.ledger_id = %s AND e.ledger_id = h.ledger_id AND e.seq = 7",
            (sealed.id,),
        )

    for _ in range(3):
        with pytest.raises(LedgerBehind):
            seal(sealed)
        append_pending(sealed.id)

    cause = "11 were signed"
    assert_says(desk.strip(), "restored", cause, "takes no more events", "read-only")
    assert_says(desk.card(), cause, f"manage.py succeed {sealed.name}")
    assert_says(desk.line(), "restored", "read-only")
    assert_says(desk.front(), "does not continue what was signed, and takes no events")
    assert [each for each in unsigned_ledgers() if sealed.name in each and cause in each]


def test_what_an_anchor_contradicts_is_not_signed_in_the_next_turn(
    desk: Desk, sealed: Ledger
) -> None:
    shelf = Shelf(ledger=sealed.name, name=f"shelf.{sealed.name}")
    shelf.notes = [sign_as(sealed, 7, b"x" * 32)]
    publish_due(shelf)
    append_pending(sealed.id)  # the entry that says so, which makes the ledger grow

    with pytest.raises(LedgerForked):
        seal(sealed)

    assert_says(desk.strip(), "rewritten", shelf.name, "read-only")
    assert_says(desk.card(), "does not continue the checkpoint of size 7", "manage.py succeed")
    assert CheckpointNote.objects.filter(ledger=sealed).latest("size").size == 11


# --- Witnesses ----------------------------------------------------------------------------------


class Watching:
    """A witness of ours on a port of its own, which can be stopped, frozen and replaced."""

    def __init__(self, folder: Path, keys: list[VerifierKey], *, port: int = 0) -> None:
        cosigner = open_cosigner(folder, name="alice.example", logs=keys)
        self.key = cosigner.key.key
        self.server = WitnessServer(("127.0.0.1", port), cosigner)
        self.port = int(self.server.server_address[1])
        self._thread: threading.Thread | None = None
        self.go_on()

    def go_on(self) -> None:
        self._thread = threading.Thread(target=self.server.serve_forever, args=(0.05,))
        self._thread.start()

    def freeze(self) -> None:
        """Take nothing any more, with the port still open: a client waits."""
        if self._thread is not None:
            self.server.shutdown()
            self._thread.join()
            self._thread = None

    def stop(self) -> None:
        self.freeze()
        self.server.server_close()


@pytest.fixture
def alice(sealed: Ledger, tmp_path: Path) -> Iterator[Watching]:
    keys = [signer.key for signer in signers_of(sealed.name, origin=sealed.origin)]
    watching = Watching(tmp_path / "alice", keys)
    yield watching
    watching.stop()


def asked(alice: Watching, *, seconds: float = 10) -> PolicyWitnesses:
    """Return the witnesses of a policy that asks for Alice alone, as a new process would."""
    url = f"http://127.0.0.1:{alice.port}"
    policy = parse_policy(
        f"witness alice {format_verifier_key(alice.key)} {url}/\nquorum alice\n".encode()
    )
    witness = Witness(name="alice", key=alice.key, url=url, rules=LOOPBACK)
    return PolicyWitnesses(policy, [witness], seconds=seconds)


def grow_and_ask(ledger: Ledger, size: int, witnesses: PolicyWitnesses) -> None:
    grow_to(ledger, size)
    assert seal(ledger, witnesses=witnesses) is not None


def assert_witness_fails(desk: Desk, ledger: Ledger, cause: str, *, not_covered: str) -> None:
    strip = desk.strip()
    assert_says(strip, "sealed to", "witnessed 0 of 1", "failing witness:alice")
    card = desk.card()
    assert_says(card, "witness:alice", "failing for", cause, not_covered, "1 time in a row")
    assert_says(desk.line(), "anchor failing")
    assert gauge("obs_audit_anchor_ok", ledger=ledger.name, sink="witness:alice") == 0.5
    assert not [each for each in unsigned_ledgers() if ledger.name in each]
    assert_says(verified(ledger), "intact")


def assert_witnessed(desk: Desk, ledger: Ledger) -> None:
    strip = desk.strip()
    assert_says(strip, "witnessed 1 of 1")
    assert "failing" not in strip + desk.line() + desk.card()
    assert gauge("obs_audit_anchor_ok", ledger=ledger.name, sink="witness:alice") == 1


def test_a_witness_that_is_down_is_told_and_sealing_goes_on(
    desk: Desk, sealed: Ledger, alice: Watching, tmp_path: Path
) -> None:
    grow_and_ask(sealed, 12, asked(alice))
    assert_witnessed(desk, sealed)

    alice.stop()
    grow_and_ask(sealed, 15, asked(alice))
    assert_witness_fails(desk, sealed, "refused", not_covered="3 entries")

    keys = [signer.key for signer in signers_of(sealed.name, origin=sealed.origin)]
    again = Watching(tmp_path / "alice", keys, port=alice.port)
    try:
        grow_and_ask(sealed, 20, asked(again))
    finally:
        again.stop()
    assert_witnessed(desk, sealed)


def test_a_witness_that_is_slow_is_told_and_its_late_cosignature_counts(
    desk: Desk, sealed: Ledger, alice: Watching
) -> None:
    witnesses = asked(alice, seconds=1)
    grow_and_ask(sealed, 12, witnesses)
    alice.freeze()
    grow_and_ask(sealed, 15, witnesses)
    alice.go_on()  # at once: what was asked of her is given up while pages are slow
    assert_witness_fails(desk, sealed, "did not answer within 1 s", not_covered="3 entries")

    ends = time.monotonic() + 20
    while not witnesses.collect_late() and time.monotonic() < ends:
        time.sleep(0.02)

    assert Cosignature.objects.filter(ledger=sealed, size=15).exists()
    assert_witnessed(desk, sealed)
    assert_says(desk.card(), str(alice.key))


def test_a_witness_that_signs_with_another_key_counts_for_nothing(
    desk: Desk, sealed: Ledger, alice: Watching, tmp_path: Path
) -> None:
    grow_and_ask(sealed, 12, asked(alice))
    policy = asked(alice)
    alice.stop()
    keys = [signer.key for signer in signers_of(sealed.name, origin=sealed.origin)]
    liar = Watching(tmp_path / "liar", keys, port=alice.port)
    try:
        grow_and_ask(sealed, 15, policy)
    finally:
        liar.stop()

    cause = f"gave a cosignature that does not hold: not signed by {alice.key}, but by {liar.key}"
    assert_witness_fails(desk, sealed, cause, not_covered="3 entries")
    assert str(liar.key) not in signers_shown(desk)


# --- A sink -------------------------------------------------------------------------------------


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as found:
        yield found


def pass_an_hour(as_role: AsRole, ledger: Ledger) -> None:
    """Let all that was signed and tried be an hour older."""
    with tampering(as_role("superuser")) as superuser:
        superuser.execute(
            "UPDATE audit_anchor SET tried_at = tried_at - make_interval(secs => %s),"
            " ok_at = ok_at - make_interval(secs => %s) WHERE ledger_id = %s",
            (HOUR, HOUR, ledger.id),
        )
        superuser.execute(
            "UPDATE audit_checkpoint SET signed_at = signed_at - make_interval(secs => %s)"
            " WHERE ledger_id = %s",
            (HOUR, ledger.id),
        )


def test_a_sink_that_fails_for_an_hour_is_told_with_what_it_does_not_cover(
    desk: Desk, sealed: Ledger, receiver: Receiver, as_role: AsRole
) -> None:
    sink = WebhookSink(receiver.url, secret="a secret of this test", interval=0, rules=LOOPBACK)
    sink.name = f"webhook.{sealed.name}"
    publish_due(sink)
    assert Anchor.objects.get(ledger=sealed, sink=sink.name).state == "ok"
    assert "failing" not in desk.strip()

    receiver.status = 503
    receiver.answer = lambda _: b"closed for repairs"
    grow_to(sealed, 1011)
    seal(sealed)
    for _ in range(3):
        publish_due(sink)
        pass_an_hour(as_role, sealed)

    card = desk.card()
    assert_says(card, sink.name, "failing for 3 h", "answered 503: closed for repairs")
    assert_says(card, "1,000 entries", "failed 3 times in a row", "size 11")
    assert_says(desk.strip(), f"failing {sink.name}", "sealed to #1,010")
    assert_says(desk.line(), "anchor failing")
    (ready,) = [each for each in failing_anchors() if sealed.name in each]
    assert_says(ready, "answered 503", "failed 3 times in a row", "lacks what was signed 10")
    assert check_anchors().status == "degraded"
    labels = {"ledger": sealed.name, "sink": sink.name}
    assert gauge("obs_audit_anchor_ok", **labels) == 0.5
    assert gauge("obs_audit_anchor_age_seconds", **labels) >= 3 * HOUR
    assert_says(verified(sealed), "0 ", "intact")

    receiver.status = 200
    publish_due(sink)

    assert_says(desk.card(), "size 1,011")
    assert "failing" not in desk.card() + desk.strip() + desk.line()
    assert not [each for each in failing_anchors() if sealed.name in each]
    assert gauge("obs_audit_anchor_ok", **labels) == 1


def test_a_receiver_that_holds_another_history_is_told_as_a_mismatch(
    desk: Desk, sealed: Ledger, receiver: Receiver
) -> None:
    sink = WebhookSink(receiver.url, secret="a secret of this test", interval=0, rules=LOOPBACK)
    sink.name = f"webhook.{sealed.name}"
    receiver.status = 409

    publish_due(sink)

    assert_says(desk.card(), "mismatch", "answered 409", "never")
    assert_says(desk.strip(), f"mismatch {sink.name}")
    assert_says(desk.line(), "anchor mismatch")
    assert [each for each in failing_anchors() if f"{sink.name} of {sealed.name}" in each]
    assert gauge("obs_audit_anchor_ok", ledger=sealed.name, sink=sink.name) == 0


def test_one_shot_sealing_says_why_not(sealed: Ledger) -> None:
    take_away(sealed)
    errors = StringIO()

    with pytest.raises(CommandError, match="1 ledgers could not be sealed"):
        call_command("seal", ledger=sealed.name, stderr=errors)

    assert_says(errors.getvalue(), f"{sealed.name}: not sealed", "makesigningkey")
