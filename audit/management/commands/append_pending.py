"""Chain what waits in the inbox, once or for ever. Needs no Redis.

With --follow also runs verifications, makes exports and works on purges and erasures that no
Celery worker took.
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import structlog
from django.conf import settings
from django.core.checks import Tags
from django.core.management.base import BaseCommand, CommandParser
from django.db import DatabaseError, connection
from psycopg import Error as PostgresError

from audit.append import append_pending
from audit.erasing import work_on_an_erasure
from audit.exporting import work_on_an_export
from audit.project import Patience, catch_up_all
from audit.prune import work_on_a_plan
from audit.runs import work_a_step

log = structlog.get_logger(__name__)

_LONGEST_REST = 5.0


class Command(BaseCommand):
    """`manage.py append_pending [--follow]`."""

    help = (
        "Chain what waits in the inbox of every ledger and let projections read it. "
        "Example: manage.py append_pending --follow"
    )

    requires_system_checks = (Tags.security,)  # no page is served here, so none is checked

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
            while catch_up_all():  # a turn is bounded
                pass
            self.stdout.write(f"{made} entries chained")
            return
        stop = threading.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: stop.set())
        pause = options["poll_ms"] / 1000
        acts = [
            _Act(append_pending),
            # A last resort: where a Celery worker runs, projections are its work.
            _Act(partial(catch_up_all, patience=Patience(seconds=1, is_for_own=True))),
            _Act(_Steps(work_a_step).step),
            _Act(_Steps(work_on_an_export).step),
            _Act(_Steps(work_on_a_plan).step),
            _Act(_Steps(work_on_an_erasure).step),
        ]
        while not stop.is_set():
            for act in acts:
                act.do()
            stop.wait(pause)


class _Act:
    """One thing the loop does; when it fails it rests longer each time, and holds up no other."""

    def __init__(self, do: Callable[[], object]) -> None:
        self._do = do
        self._failures = 0
        self._due = 0.0

    def do(self) -> None:
        """Do it unless it rests; a failure is logged, since what it works on is kept."""
        if time.monotonic() < self._due:
            return
        try:
            self._do()
            self._failures = 0
        except (DatabaseError, PostgresError) as error:
            self._failures += 1
            self._due = time.monotonic() + min(0.2 * 2**self._failures, _LONGEST_REST)
            log.warning(
                "append_pending.retry", error=str(error).split("\n")[0], failures=self._failures
            )
            connection.close()


class _Steps:
    """What somebody asked for and no Celery worker took, a chunk at a time."""

    def __init__(self, work: Callable[[Iterator[object] | None], Iterator[object] | None]) -> None:
        self._work = work
        self._going: Iterator[object] | None = None

    def step(self) -> None:
        """Do one chunk; after a failure another one may take what it was."""
        going, self._going = self._going, None
        self._going = self._work(going)
