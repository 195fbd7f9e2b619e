"""Sign what has grown, once or for ever. The only process that opens signing keys."""

from __future__ import annotations

import signal
import threading
import time
from typing import Any

import structlog
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DatabaseError, connection
from psycopg import Error as PostgresError

from audit.errors import AuditError
from audit.models import Ledger
from audit.seal import Witnesses, grown_ledgers, seal

log = structlog.get_logger(__name__)

_LOOK_SECONDS = 0.1  # between two looks for what has grown
_RETRY_SECONDS = 5.0  # after something kept a ledger from being signed
_LONGEST_REST = 5.0  # while the database is away


class Command(BaseCommand):
    """`manage.py seal [--follow]`."""

    help = (
        "Sign each ledger that has grown: a checkpoint says how large it is and what its Merkle "
        "root is. With --follow also publishes them to anchors and asks witnesses. "
        "Example: manage.py seal --follow"
    )

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
    turns = _Turns(witnesses=None)
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
    """When each ledger may be signed again."""

    def __init__(self, *, witnesses: Witnesses | None) -> None:
        self._witnesses = witnesses
        self._due: dict[int, float] = {}

    def take(self) -> None:
        """Seal every ledger that has grown and whose time has come."""
        for ledger in grown_ledgers():
            now = time.monotonic()
            if now < self._due.get(ledger.id, 0.0):
                continue
            self._due[ledger.id] = now + settings.SEAL_INTERVAL
            try:
                seal(ledger, witnesses=self._witnesses)
            except AuditError:  # said and written down where it was raised
                self._due[ledger.id] = now + _RETRY_SECONDS
