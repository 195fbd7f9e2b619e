"""Chain what waits in the inbox, once or for ever. Needs no Redis.

With --follow also runs verifications that were asked for and that no Celery worker took.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from typing import Any

import structlog
from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser
from django.db import DatabaseError, connection
from psycopg import Error as PostgresError

from audit.append import append_pending
from audit.project import catch_up_all
from audit.runs import work_a_step

log = structlog.get_logger(__name__)


class Command(BaseCommand):
    """`manage.py append_pending [--follow]`."""

    help = (
        "Chain what waits in the inbox of every ledger and let projections read it. "
        "Example: manage.py append_pending --follow"
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Define the options."""
        parser.add_argument("--follow", action="store_true", help="go on until SIGINT or SIGTERM")
        parser.add_argument(
            "--poll-ms", type=int, default=settings.APPEND_POLL_MS, help="pause between looks"
        )

    def handle(self, *_: Any, **options: Any) -> None:
        """Run the loop; a failure is logged and tried again, since the inbox keeps everything."""
        if not options["follow"]:
            made = append_pending()
            catch_up_all()
            self.stdout.write(f"{made} entries chained")
            return
        stop = threading.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: stop.set())
        pause = options["poll_ms"] / 1000
        failures = 0
        run: Iterator[object] | None = None
        while not stop.is_set():
            try:
                append_pending()
                catch_up_all()
                run = work_a_step(run)
                failures = 0
            except (DatabaseError, PostgresError) as error:
                failures += 1
                run = None
                log.warning(
                    "append_pending.retry", error=str(error).split("\n")[0], failures=failures
                )
                connection.close()
            stop.wait(min(pause * 2 ** min(failures, 5), 5.0))
