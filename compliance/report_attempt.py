"""One attempt at a report: in whose hands it is, and the sign of life that its worker gives.

Who works on it: make_report.py.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import psycopg
import structlog
from django.db import DatabaseError, connection

from compliance.gather import rows
from compliance.models import Report

log = structlog.get_logger(__name__)

Progress = Callable[[str, int, int], None]
"""Is told a stage in words, how much of it is done, and of how much; 0 of 0 when nobody knows."""


_SAY_EVERY: Final = 1.0  # seconds between two signs of a worker


# Each of these writes only while the report is still this worker's.
_SAY = """
UPDATE compliance_report
SET seen_at = clock_timestamp(), stage = %s, done = %s, total = %s
WHERE ledger_id = %s
  AND id = %s
  AND attempt = %s
  AND state = 'running'
RETURNING id
"""


class ReportStopped(Exception):
    """The report was cancelled, or another worker has it: this one lays it down."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Job:
    """A report in the hands of one worker."""

    report: Report
    attempt: int
    """Which taking of the report this is; an older one may write nothing."""
    was: str = "queued"
    """The state in which it was taken."""

    @property
    def place(self) -> tuple[int, int, int]:
        """Return what names this attempt in the table."""
        return self.report.ledger_id, self.report.id, self.attempt


class Heart:
    """Says each second that the worker lives and how far it is; hears when the report was taken."""

    def __init__(self, job: Job, on_progress: Progress | None) -> None:
        self._job = job
        self._told = on_progress
        self._stage: tuple[str, int, int] = ("starting", 0, 0)
        self._is_ours = True
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="report", daemon=True)

    def __enter__(self) -> Heart:
        """Begin to say that the worker lives."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Say it no more; returns when the thread has ended."""
        self._ended.set()
        self._thread.join()

    def say(self, stage: str, done: int = 0, total: int = 0) -> None:
        """Note the stage, for the row and whoever watches. Raises ReportStopped."""
        self._stage = (stage, done, total)
        if not self._is_ours:
            raise ReportStopped("cancelled, or another worker has it")
        if self._told is not None:
            self._told(stage, done, total)

    def _beat(self) -> None:
        # A thread has a database connection of its own.
        try:
            while self._is_ours and not self._ended.wait(_SAY_EVERY):
                self._say_once()
        finally:
            connection.close()

    def _say_once(self) -> None:
        try:
            self._is_ours = bool(rows(_SAY, (*self._stage, *self._job.place)))
        except (DatabaseError, psycopg.Error) as error:
            # Silent for too long, the report is another worker's, which the row will say.
            log.warning("report.silent", report=self._job.report.id, error=type(error).__name__)
            connection.close()
