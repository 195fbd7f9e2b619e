"""Send entries on to destinations, once or for ever. Needs no Redis."""

from __future__ import annotations

import os
import signal
import threading
from typing import Any

import structlog
from django.core.checks import Tags
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DatabaseError, connection
from psycopg import Error as PostgresError

from audit.deliver import LIST_SECONDS, Couriers, deliver_all

log = structlog.get_logger(__name__)

_NICE = 5  # taking events in comes before sending them on
_LONGEST_REST = 5.0


class Command(BaseCommand):
    """`manage.py deliver [--follow]`."""

    help = (
        "Send each destination the entries that it has not had, in order, until nothing is due. "
        "Exit 0 done, 1 when a destination failed. Example: manage.py deliver --follow"
    )

    requires_system_checks = (Tags.security,)  # no page is served here, so none is checked

    def add_arguments(self, parser: CommandParser) -> None:
        """Define the options."""
        parser.add_argument("--follow", action="store_true", help="go on until SIGINT or SIGTERM")

    def handle(self, *_: Any, **options: Any) -> None:
        """Send what is due and say so, or follow."""
        if options["follow"]:
            _follow()
            return
        counts = deliver_all()
        self.stdout.write(f"{counts['sent']:,} batches sent")
        if counts["failed"]:
            raise CommandError(
                f"{counts['failed']:,} tries failed; manage.py destination list says why",
                returncode=1,
            )


def _follow() -> None:
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    os.nice(_NICE)
    couriers = Couriers()
    failures = 0
    try:
        while not stop.is_set():
            try:
                couriers.tend()
                failures, rest = 0, LIST_SECONDS
            except (DatabaseError, PostgresError) as error:
                failures += 1
                rest = min(0.2 * 2**failures, _LONGEST_REST)
                log.warning("deliver.retry", error=str(error).split("\n")[0], failures=failures)
                connection.close()
            stop.wait(rest)
    finally:
        couriers.stop()
