"""Sign what has grown, once or for ever. The only process that opens signing keys."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

import structlog
from django.conf import settings
from django.core.checks import Tags
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DatabaseError, connection
from psycopg import Error as PostgresError

from audit.anchor import Anchors, compare_with_anchors, forget_others
from audit.cosigning import PolicyWitnesses, witnesses_from_settings
from audit.errors import AuditError
from audit.ledger.note import sign_note
from audit.manifests import sign_waiting_manifests, unsigned_ledgers
from audit.models import Ledger
from audit.seal import grown_ledgers, say_why_not, seal
from audit.signatures import ledgers_with_waiting_texts, sign_waiting_texts
from audit.signer import signers_of
from audit.sinks import Holder, Sink
from audit.sinks.configured import sinks_from_settings

log = structlog.get_logger(__name__)

_LOOK_SECONDS = 0.1  # between two looks for what has grown
_AGAIN_SECONDS = 0.5  # between two looks at the texts of one ledger
_RETRY_SECONDS = 5.0  # after something kept a ledger from being signed
_LONGEST_REST = 5.0  # while the database is away


class Command(BaseCommand):
    """`manage.py seal [--follow]`."""

    help = (
        "Sign each ledger that has grown: a checkpoint says how large it is and what its Merkle "
        "root is. With --follow also publishes them to anchors and asks witnesses. "
        "Example: manage.py seal --follow"
    )

    requires_system_checks = (Tags.security,)  # no page is served here, so none is checked

    def add_arguments(self, parser: CommandParser) -> None:
        """Define the options."""
        parser.add_argument("--ledger", help="default: every ledger; not with --follow")
        parser.add_argument("--follow", action="store_true", help="go on until SIGINT or SIGTERM")

    def handle(self, *_: Any, **options: Any) -> None:
        """Seal once and say so, or follow."""
        if options["follow"]:
            _follow()
            return
        failed = 0
        ledgers = Ledger.objects.order_by("id")
        if options["ledger"] is not None:
            ledgers = ledgers.filter(name=options["ledger"])
            if not ledgers:
                raise CommandError(f"there is no ledger {options['ledger']!r}", returncode=2)
        for ledger in ledgers:
            try:
                sealed = seal(ledger)
                _sign_manifests(ledger)
                sign_waiting_texts(ledger, _signing(ledger))
            except AuditError as problem:
                failed += 1
                self.stderr.write(f"{ledger.name}: not sealed: {problem}")
                continue
            said = "nothing new" if sealed is None else f"sealed at size {sealed.size:,}"
            self.stdout.write(f"{ledger.name}: {said}")
        if failed:
            raise CommandError(f"{failed} ledgers could not be sealed", returncode=1)


def _follow() -> None:
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    sinks = sinks_from_settings()
    turns = _Turns(sinks=sinks, witnesses=witnesses_from_settings())
    forget_others(turns.anchor_names())
    anchors = Anchors(sinks)
    anchors.start()
    try:
        _turn_until(stop, turns)
    finally:
        anchors.stop()


def _turn_until(stop: threading.Event, turns: _Turns) -> None:
    failures = 0
    while not stop.is_set():
        try:
            turns.take()
            failures = 0
            rest = _LOOK_SECONDS
        except (DatabaseError, PostgresError) as error:
            failures += 1
            rest = min(0.2 * 2**failures, _LONGEST_REST)
            log.warning("seal.retry", error=str(error).split("\n")[0], failures=failures)
            connection.close()
        stop.wait(rest)


class _Turns:
    """When each ledger may be signed again, and which were compared with what others hold."""

    def __init__(self, *, sinks: Sequence[Sink], witnesses: PolicyWitnesses | None) -> None:
        self._witnesses = witnesses
        self._holders: list[Holder] = [*sinks, *(witnesses.witnesses if witnesses else ())]
        self._compared: set[int] = set()
        self._has_begun = False
        self._due: dict[int, float] = {}
        self._manifests_due: dict[int, float] = {}
        self._texts_due: dict[int, float] = {}

    def anchor_names(self) -> list[str]:
        """Return the names under which audit_anchor tells how each sink and witness does."""
        witnesses = self._witnesses.witnesses if self._witnesses else ()
        names = [holder.name for holder in self._holders if holder not in witnesses]
        return [*names, *(f"witness:{each.name}" for each in witnesses)]

    def take(self) -> None:
        """Seal every ledger that has grown and whose time has come; sign what else waits."""
        self._seal()
        if self._witnesses is not None:
            self._witnesses.collect_late()
        for ledger in unsigned_ledgers():
            now = time.monotonic()
            if now < self._manifests_due.get(ledger.id, 0.0):
                continue
            try:
                _sign_manifests(ledger)
            except AuditError as problem:
                log.warning("seal.no_manifest", ledger=ledger.name, error=str(problem))
                self._manifests_due[ledger.id] = now + _RETRY_SECONDS
        self._sign_texts()

    def _sign_texts(self) -> None:
        """Sign the manifests of reports; one whose head is not sealed yet comes again."""
        for ledger in ledgers_with_waiting_texts():
            now = time.monotonic()
            if now < self._texts_due.get(ledger.id, 0.0):
                continue
            self._texts_due[ledger.id] = now + _AGAIN_SECONDS
            try:
                sign_waiting_texts(ledger, _signing(ledger))
            except AuditError as problem:
                log.warning("seal.no_signature", ledger=ledger.name, error=str(problem))
                self._texts_due[ledger.id] = now + _RETRY_SECONDS

    def _seal(self) -> None:
        # At the start every ledger: one that was restored and does not grow shows all the same.
        ledgers = (
            grown_ledgers()
            if self._has_begun
            else Ledger.objects.filter(succeeded_by="").order_by("id")
        )
        self._has_begun = True
        for ledger in ledgers:
            now = time.monotonic()
            if now < self._due.get(ledger.id, 0.0):
                continue
            self._due[ledger.id] = now + settings.SEAL_INTERVAL
            try:
                self._compare(ledger)
                seal(ledger, witnesses=self._witnesses)
            except AuditError:  # said and written down where it was raised
                self._due[ledger.id] = now + _RETRY_SECONDS

    def _compare(self, ledger: Ledger) -> None:
        """Compare with what others hold, once; raises what contradicts the ledger, each time."""
        if ledger.id in self._compared:
            return
        for found in compare_with_anchors(ledger, self._holders):
            contradiction = found.contradiction()
            if contradiction is not None:
                say_why_not(ledger, contradiction)
                raise contradiction
            if found.text:
                log.warning(
                    "seal.not_compared", ledger=ledger.name, sink=found.sink, why=found.text
                )
        self._compared.add(ledger.id)


def _sign_manifests(ledger: Ledger) -> None:
    """Sign the manifests of bundles that wait for this ledger."""
    sign_waiting_manifests(ledger, _signing(ledger))


def _signing(ledger: Ledger) -> Callable[[str], bytes]:
    """Return what signs a text with the ledger's keys."""
    return lambda text: sign_note(text, signers=signers_of(ledger.name, origin=ledger.origin))
